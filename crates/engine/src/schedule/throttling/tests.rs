//! Restraints of the schedule alone: noted with their cause, taken up by the next process, lifted by a person.

use paceline_domain::messages::{Cause, Cure};
use std::time::Duration;

use super::super::tests::{Bench, CALENDAR, MEETING, NOTHING, ROOM, SECOND, WALL, WIDE};
use super::super::{Ended, Withheld};
use super::*;
use crate::ports::{SuspendedBy, Suspension};
use paceline_domain::catalog::{QuotaScope, ThrottleScope};

fn cause(code: i64) -> Failure {
    Failure { status: Some(429), code: Some(code), detail: "too fast".into(), ..Failure::default() }
}

fn wall(at: i64) -> Timestamp {
    WALL + Duration::from_micros(at as u64)
}

fn restraints(bench: &mut Bench, at: i64) -> Vec<Restraint> {
    bench.schedule.restraints(Mono(at), wall(at))
}

fn refused(scope: ThrottleScope, reset_s: Option<u64>, cause: &Failure) -> Ended<'_> {
    Ended::Refused(scope, Refusal { reset: reset_s.map(Duration::from_secs), blocks: &[] }, cause)
}

#[test]
fn each_cause_is_kept_until_its_restraint_is_over() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    for _ in 0..3 {
        bench.add("acme", ROOM, |_| {});
    }
    assert_eq!(bench.start(0).len(), 3);
    bench.add("acme", ROOM, |_| {});
    let first = cause(99_991_400);
    bench.end_all(SECOND, refused(ThrottleScope::Method, Some(7), &first));
    let held = restraints(&mut bench, 2 * SECOND);
    let [Restraint { target: Restrained::Key(key), app, kind, since, until, cause }] = &held[..] else {
        panic!("{held:?}")
    };
    assert_eq!((key.method.as_str(), app.as_str(), *kind), (ROOM, "acme", RestraintKind::Pause { refusals: 1 }));
    assert_eq!((*since, *until), (wall(SECOND), Some(wall(8 * SECOND))));
    assert_eq!(*cause, first);
    assert_eq!(bench.start(8 * SECOND).len(), 1, "the probe");
    assert_eq!(restraints(&mut bench, 8 * SECOND).len(), 1, "not over before its answer");
    bench.end_all(9 * SECOND, Ended::Answered);
    assert_eq!(restraints(&mut bench, 9 * SECOND), []);
}

#[test]
fn the_next_process_takes_up_every_kind() {
    let mut first = Bench::new(&[("acme", "1"), ("we1", "corp")], WIDE);
    for n in 0..40 {
        first.add("acme", CALENDAR, |_| {});
        if n < 5 {
            first.add("we1", MEETING, |_| {});
        }
    }
    first.start(0);
    let (app, key, lane) = (cause(190_005), cause(45_009), cause(190_010));
    for (n, start) in std::mem::take(&mut first.flying).into_iter().enumerate() {
        let ended = match (start.lane.method.as_str(), n % 2) {
            (MEETING, _) => refused(ThrottleScope::Method, Some(60), &key),
            (_, 0) => refused(ThrottleScope::App, Some(30), &app),
            (_, _) => refused(ThrottleScope::Concurrency, None, &lane),
        };
        first.schedule.end_call(start.ticket, ended, Mono(SECOND));
        first.schedule.end_job(start.ticket);
    }
    let held = restraints(&mut first, SECOND);
    assert_eq!(held.len(), 4, "{held:?}");

    // The next process's clock says zero ten seconds later.
    let mut second = Bench::new(&[("acme", "1"), ("we1", "corp")], WIDE);
    second.schedule.restrain(held.clone(), Mono(0), wall(11 * SECOND));
    let again = second.schedule.restraints(Mono(0), wall(11 * SECOND));
    let key = |restraint: &Restraint| format!("{:?} {:?}", restraint.target, restraint.kind);
    let sorted = |mut all: Vec<Restraint>| {
        all.sort_by_key(key);
        all
    };
    assert_eq!(sorted(again), sorted(held), "nothing is lost, not even what no lane has yet");
    for _ in 0..40 {
        second.add("acme", CALENDAR, |_| {});
        second.add("we1", MEETING, |_| {});
    }
    assert_eq!(second.start(0), NOTHING);
    assert_eq!(second.start(20 * SECOND + 1), [1], "the app's probe");
    second.end_all(20 * SECOND + 2, Ended::Answered);
    let slow = second.start(21 * SECOND).len();
    assert!(slow < 20, "{slow} at once: the rate and the concurrency are still lowered");
    second.end_all(22 * SECOND, Ended::Answered);
    let meetings = second.start(50 * SECOND + 1).iter().filter(|seq| **seq % 2 == 0).count();
    assert_eq!(meetings, 1, "the corp's probe");
}

#[test]
fn a_calendar_that_was_set_back_makes_no_pause_longer() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    let key = Key { scope: QuotaScope::AppTenant, owner: "1".to_owned(), method: ROOM.to_owned() };
    let held = Restraint {
        target: Restrained::Key(key),
        app: "acme".to_owned(),
        kind: RestraintKind::Pause { refusals: 1 },
        since: wall(3_600 * SECOND),
        until: Some(wall(3_660 * SECOND)),
        cause: cause(99_991_400),
    };
    bench.schedule.restrain(vec![held], Mono(0), WALL);
    let job = bench.add("acme", ROOM, |_| {});
    assert_eq!(bench.start(59 * SECOND), NOTHING);
    assert_eq!(bench.start(60 * SECOND), [job]);
}

#[test]
fn what_was_granted_before_may_not_leave_into_a_pause() {
    let mut bench = Bench::new(&[("acme", "1"), ("beta", "2")], WIDE);
    for app in ["acme", "beta"] {
        for _ in 0..2 {
            bench.add(app, ROOM, |_| {});
        }
        bench.add(app, CALENDAR, |_| {});
    }
    bench.start(0);
    let of = |bench: &Bench, app: &str, method: &str| -> Vec<Ticket> {
        let mine = bench.flying.iter().filter(|start| start.lane.app == app && start.lane.method == method);
        mine.map(|start| start.ticket).collect()
    };
    let rooms = of(&bench, "acme", ROOM);
    let (calendar, other) = (of(&bench, "acme", CALENDAR)[0], of(&bench, "beta", ROOM)[0]);
    let why = cause(99_991_400);
    bench.schedule.end_call(rooms[0], refused(ThrottleScope::Method, Some(5), &why), Mono(10));
    let may = |bench: &Bench, ticket, at| bench.schedule.may_leave(ticket, Mono(at));
    assert_eq!(may(&bench, rooms[1], 11), Err(Withheld::Paused));
    assert_eq!(may(&bench, rooms[1], 6 * SECOND), Err(Withheld::Paused), "the probe goes first");
    assert_eq!((may(&bench, calendar, 11), may(&bench, other, 11)), (Ok(()), Ok(())));
    bench.schedule.end_call(calendar, refused(ThrottleScope::App, Some(5), &why), Mono(12));
    let beta = of(&bench, "beta", CALENDAR)[0];
    assert_eq!(may(&bench, beta, 13), Ok(()), "another app's gate");
    bench.schedule.set_suspensions(vec![Suspension {
        app: "beta".to_owned(),
        tenant: String::new(),
        method: CALENDAR.to_owned(),
        by: SuspendedBy::Person,
        since: WALL,
        until: None,
        code: None,
        detail: Cause::default(),
        cure: Cure::FixCause,
        log_id: None,
    }]);
    assert_eq!((may(&bench, beta, 14), may(&bench, other, 14)), (Err(Withheld::Suspended), Ok(())));
}

#[test]
fn calls_that_contended_together_halve_a_lane_once() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    for _ in 0..20 {
        bench.add("acme", CALENDAR, |_| {});
    }
    assert_eq!(bench.start(0).len(), 20);
    let why = cause(190_010);
    bench.end_all(SECOND, refused(ThrottleScope::Concurrency, None, &why));
    let held = restraints(&mut bench, SECOND);
    assert_eq!(held[0].kind, RestraintKind::Concurrency { limit: 10, max: 128 });
}

#[test]
fn a_person_lifts_what_holds_an_app_back() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    for _ in 0..40 {
        bench.add("acme", CALENDAR, |_| {});
    }
    bench.start(0);
    let why = cause(190_005);
    for (n, start) in std::mem::take(&mut bench.flying).into_iter().enumerate() {
        let scope = [ThrottleScope::App, ThrottleScope::Method, ThrottleScope::Concurrency][n % 3];
        bench.schedule.end_call(start.ticket, refused(scope, Some(3_600), &why), Mono(SECOND));
        bench.schedule.end_job(start.ticket);
    }
    for _ in 0..40 {
        bench.add("acme", CALENDAR, |_| {});
    }
    assert_eq!(bench.start(2 * SECOND), NOTHING);
    bench.schedule.lift("acme", Mono(3 * SECOND));
    assert_eq!(bench.start(3 * SECOND).len(), 1, "a probe");
    bench.end_all(4 * SECOND, Ended::Answered);
    assert_eq!(restraints(&mut bench, 4 * SECOND), []);
    assert_eq!(bench.start(4 * SECOND).len(), 39);
}
