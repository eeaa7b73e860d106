//! Lanes whose calls fail on the platform's side, and lanes whose jobs die one after the other.

use super::*;
use crate::ports::{Restrained, RestraintKind, Settlement};
use paceline_domain::reason::Reason;

const MINUTES: &str = "feishu.calendar.event.meeting_minute.create";

fn failure(code: i64) -> Failure {
    Failure { status: Some(500), code: Some(code), ..Failure::default() }
}

fn lane(method: &str) -> LaneKey {
    LaneKey { app: "acme".to_owned(), tenant: String::new(), method: method.to_owned() }
}

fn with(jobs: usize, method: &str) -> Bench {
    let mut bench = Bench::new(&[("acme", "1")], Limits { stop_after: 3, ..WIDE });
    for _ in 0..jobs {
        bench.add("acme", method, |_| {});
    }
    bench
}

#[test]
fn calls_that_nobody_can_look_up_go_one_by_one_after_a_failure_and_pause_after_three() {
    let mut bench = with(40, MINUTES);
    assert_eq!(bench.start(0).len(), 4, "it begins carefully");
    let last = bench.flying.split_off(3);
    let cause = failure(190_003);
    bench.end_all(SECOND, Ended::Unwell(Mono(SECOND), &cause));
    assert_eq!(bench.start(SECOND), NOTHING, "three in a row");
    bench.flying = last;
    bench.end_all(2 * SECOND, Ended::Unwell(Mono(2 * SECOND), &cause));
    let held = bench.schedule.restraints(Mono(2 * SECOND), WALL);
    let holds: Vec<_> = held.iter().map(|restraint| restraint.kind).collect();
    assert_eq!(holds, [RestraintKind::Concurrency { limit: 1, max: 128 }, RestraintKind::Pause { refusals: 1 }]);
    let is_lane = |target: &Restrained| *target == Restrained::Lane(lane(MINUTES));
    assert!(held.iter().all(|restraint| is_lane(&restraint.target) && restraint.cause == cause), "{held:?}");
    assert_eq!(bench.start(20 * SECOND), NOTHING);
    assert_eq!(bench.start(21 * SECOND).len(), 1, "one probe");
    assert_eq!(bench.start(22 * SECOND), NOTHING);
    bench.end_all(22 * SECOND, Ended::Unwell(Mono(22 * SECOND), &cause));
    assert_eq!(bench.start(61 * SECOND), NOTHING, "twice as long");
    assert_eq!(bench.start(62 * SECOND).len(), 1);
    bench.end_all(63 * SECOND, Ended::Answered);
    assert_eq!(bench.schedule.restraints(Mono(63 * SECOND), WALL).len(), 1, "only the concurrency is still lowered");
    assert_eq!(bench.start(63 * SECOND).len(), 2, "and grows again");
}

#[test]
fn a_lane_with_a_look_up_pauses_and_keeps_its_breadth() {
    let mut bench = with(40, CALENDAR);
    assert_eq!(bench.start(0).len(), 40);
    let cause = failure(190_003);
    bench.end_all(SECOND, Ended::Unwell(Mono(SECOND), &cause));
    for _ in 0..9 {
        bench.add("acme", CALENDAR, |_| {});
    }
    assert_eq!(bench.start(2 * SECOND), NOTHING);
    bench.schedule.lift("acme", Mono(3 * SECOND));
    assert_eq!(bench.start(3 * SECOND).len(), 1, "a person's resume lets the probe go at once");
    bench.end_all(4 * SECOND, Ended::Answered);
    assert_eq!(bench.start(4 * SECOND).len(), 8);
}

#[test]
fn what_was_granted_before_the_pause_stays_behind_and_is_no_answer() {
    let mut bench = with(9, CALENDAR);
    assert_eq!(bench.start(0).len(), 9);
    let cause = failure(190_003);
    let waiting = bench.flying.split_off(3);
    bench.end_all(SECOND, Ended::Unwell(Mono(SECOND), &cause));
    for start in &waiting {
        assert_eq!(bench.schedule.may_leave(start.ticket, Mono(SECOND)), Err(Withheld::Paused));
    }
    bench.flying = waiting;
    bench.end_all(SECOND, Ended::NotSent);
    assert_eq!(bench.schedule.restraints(Mono(SECOND), WALL).len(), 1, "the pause goes on");
}

fn dead(code: i64) -> Settlement {
    Settlement::Dead { reason: Reason::Rejected, failure: failure(code) }
}

fn succeeded() -> Settlement {
    Settlement::Succeeded { key: None, result: serde_json::Value::Null, sole: false, warnings: Vec::new() }
}

#[test]
fn jobs_that_die_one_after_the_other_of_one_code_stop_their_lane() {
    let mut bench = with(30, ROOM);
    bench.add("acme", CALENDAR, |_| {});
    let mut note = |method, settlement: &Settlement| bench.schedule.note_ending(&lane(method), settlement);
    let expired = Settlement::Dead { reason: Reason::Expired, failure: Failure::default() };
    let again = Settlement::Queued { not_before: None, charged: false, failure: None };
    for between in [succeeded(), expired, dead(1), Settlement::Held { failure: failure(125_001) }] {
        assert_eq!((note(ROOM, &dead(125_001)), note(ROOM, &dead(125_001))), (None, None));
        assert_eq!((note(ROOM, &between), note(CALENDAR, &dead(125_001))), (None, None), "{between:?}");
        let _ = note(CALENDAR, &succeeded());
    }
    assert_eq!((note(ROOM, &dead(125_001)), note(ROOM, &again), note(ROOM, &dead(125_001))), (None, None, None));
    let stops = note(ROOM, &dead(125_001));
    assert_eq!(stops, Some(AlwaysFails { in_a_row: 3, failure: failure(125_001) }));
    assert_eq!(note(ROOM, &dead(125_001)), None, "what was in flight ends as it ends");
    assert_eq!(bench.start(0), [31], "the calendar alone");
}

#[test]
fn a_resumed_lane_counts_from_one_again() {
    let mut bench = with(30, ROOM);
    let by = |by| Suspension { by, method: ROOM.to_owned(), ..suspension("acme") };
    for _ in 0..2 {
        let ends = [dead(9), dead(9), dead(9)].map(|end| bench.schedule.note_ending(&lane(ROOM), &end).is_some());
        assert_eq!(ends, [false, false, true]);
        bench.schedule.set_suspensions(vec![by(SuspendedBy::Worker)]);
        assert!(bench.schedule.is_idle());
        let _ = bench.schedule.note_ending(&lane(ROOM), &dead(9));
        bench.schedule.set_suspensions(Vec::new());
    }
    assert_eq!(bench.start(0).len(), 20);
}

#[test]
fn zero_stops_no_lane() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    bench.add("acme", ROOM, |_| {});
    assert!((0..1_000).all(|_| bench.schedule.note_ending(&lane(ROOM), &dead(125_001)).is_none()));
}
