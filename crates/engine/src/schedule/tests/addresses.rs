//! What the platform counts by address, divided among several workers: 20,000 meetings a minute, whichever corp's.

use super::*;
use crate::config_diff::difference;

fn bench(meetings: usize) -> Bench {
    let mut bench = Bench::new(&[("we1", "ww1"), ("acme", "1")], WIDE);
    for _ in 0..meetings {
        bench.add("we1", MEETING, |_| {});
    }
    bench
}

#[test]
fn a_part_shrinks_at_once_and_grows_by_what_is_not_spent() {
    let mut bench = bench(20);
    assert!(bench.schedule.share_addresses(5_000, Mono(0)));
    assert_eq!(bench.start(0).len(), 4);
    bench.end_all(SECOND, Ended::Answered);
    assert!(bench.schedule.share_addresses(10_000, Mono(SECOND)));
    assert!(!bench.schedule.share_addresses(10_000, Mono(SECOND)), "it is so already");
    assert_eq!(bench.start(2 * SECOND), NOTHING);
    assert_eq!(bench.start(61 * SECOND + 1).len(), 2);
    bench.schedule.share_addresses(5_000, Mono(62 * SECOND));
    assert_eq!(bench.start(62 * SECOND).len(), 2);
}

#[test]
fn a_call_of_another_worker_counts_for_the_address_alone_or_for_all_the_rest() {
    let mut bench = bench(20);
    let lane = LaneKey { app: "we1".to_owned(), tenant: String::new(), method: MEETING.to_owned() };
    bench.schedule.share_addresses(5_000, Mono(0));
    (0..3).for_each(|_| bench.schedule.restore_part(&lane, Mono(0), true));
    (0..8).for_each(|_| bench.schedule.restore_part(&lane, Mono(0), false));
    let view = bench.schedule.view(Mono(SECOND));
    let usage = &view.lanes.iter().find(|of| *of.key == lane).unwrap().usage;
    let used: Vec<u32> = usage.iter().map(|key| key.windows[0].1).collect();
    assert_eq!(used, [8, 3, 8], "by corp, by address, by app");
    assert_eq!(bench.start(SECOND).len(), 1);
}

#[test]
fn what_an_address_counts_is_held_whatever_else_happens_and_nothing_else_is() {
    let mut bench = bench(0);
    bench.schedule.hold_addresses(true, Mono(0));
    let meeting = bench.add("we1", MEETING, |_| {});
    let calendar = bench.add("acme", CALENDAR, |_| {});
    assert_eq!(bench.start(0), [calendar]);
    let before = bench.schedule.planner();
    let mut after = Planner::clone(&before);
    let other = App::plain("we2", "ww2", Arc::clone(&before.apps["we1"].platform), [].into());
    after.apps.insert("we2".to_owned(), Arc::new(other));
    let difference = difference(&before, &after);
    assert!(difference.reach.is_some());
    bench.schedule.replan(Arc::new(after), &difference, WIDE, Mono(SECOND));
    bench.schedule.recalled(Mono(SECOND));
    assert_eq!(bench.start(SECOND), NOTHING);
    bench.schedule.hold_addresses(false, Mono(2 * SECOND));
    assert_eq!(bench.start(2 * SECOND), [meeting]);
}
