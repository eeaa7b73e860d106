//! What counts as work that could be done now.

use super::*;

const MINUTE: i64 = 60 * SECOND;

fn of(bench: &Bench, at: i64) -> (usize, usize) {
    let load = bench.schedule.load(Mono(at));
    (load.unfinished, load.able)
}

#[test]
fn jobs_of_a_suspended_app_are_unfinished_and_cannot_run() {
    let mut bench = Bench::new(&[("acme", "1"), ("we1", "corp")], WIDE);
    for _ in 0..30 {
        bench.add("acme", ROOM, |_| {});
    }
    bench.add("we1", MEETING, |_| {});
    assert_eq!(of(&bench, 0), (31, 31), "a quota's line is no obstacle");
    assert_eq!(bench.start(0).len(), 21);
    assert_eq!(of(&bench, 0), (31, 31), "nor is a call in flight");
    bench.schedule.set_suspensions(vec![suspension("acme")]);
    assert_eq!(of(&bench, 0), (31, 21), "what is in flight ends as it ends");
    assert_eq!(bench.schedule.fullest(Mono(0), false), Some(("acme".to_owned(), 30)));
    bench.schedule.set_suspensions(Vec::new());
    assert_eq!(of(&bench, 0), (31, 31));
}

#[test]
fn jobs_that_wait_for_their_time_count_when_it_has_come() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    for _ in 0..3 {
        bench.add("acme", CALENDAR, |waiting| waiting.not_before = Some(WALL + Duration::from_secs(3_600)));
    }
    assert_eq!(of(&bench, 0), (3, 0));
    assert_eq!(bench.start(0), NOTHING);
    assert_eq!(bench.start(3_600 * SECOND).len(), 3);
    assert_eq!(of(&bench, 3_600 * SECOND), (3, 3));
}

#[test]
fn a_long_pause_of_an_app_stops_its_jobs_and_a_short_one_does_not() {
    let mut bench = Bench::new(&[("acme", "1"), ("other", "2")], WIDE);
    for app in ["acme", "acme", "other"] {
        bench.add(app, CALENDAR, |_| {});
    }
    bench.schedule.pause_app("acme", Mono(0), Mono(MINUTE), &Failure::default());
    assert_eq!(of(&bench, 0), (3, 3));
    bench.schedule.pause_app("acme", Mono(0), Mono(5 * MINUTE), &Failure::default());
    assert_eq!(of(&bench, 0), (3, 1));
    assert_eq!(bench.schedule.fullest(Mono(0), true), Some(("other".to_owned(), 1)));
    assert_eq!(bench.schedule.fullest(Mono(0), false), Some(("acme".to_owned(), 2)));
    assert_eq!(of(&bench, 4 * MINUTE), (3, 3), "the rest of it is short");
}

#[test]
fn nobody_is_the_fullest_of_nothing() {
    assert_eq!(Bench::new(&[("acme", "1")], WIDE).schedule.fullest(Mono(0), false), None);
}
