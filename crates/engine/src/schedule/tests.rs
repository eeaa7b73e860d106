//! The schedule alone: time is a number here.

mod addresses;
pub(crate) mod extremes;
mod liveness;
mod load;
mod order;
mod outages;
mod reconfigure;
mod reserve;

use paceline_domain::messages::{Cause, Cure};
use std::sync::LazyLock;
use std::time::Duration;

use super::*;
use crate::app::App;
use crate::ports::{JobSeq, SuspendedBy};
use paceline_domain::catalog::{Catalog, ThrottleScope, built_in};
use paceline_domain::quota::{Class, Refusal};

pub(super) const ROOM: &str = "feishu.vc.room.create";
pub(super) const CALENDAR: &str = "feishu.calendar.create";
pub(super) const MEETING: &str = "wecom.meeting.create";
pub(super) const WALL: Timestamp = Timestamp(1_800_000_000_000_000);
pub(super) const SECOND: i64 = 1_000_000;
pub(super) const NOTHING: [i64; 0] = [];

pub(super) struct Bench {
    pub(super) schedule: Schedule,
    seq: i64,
    pub(super) flying: Vec<Start>,
}

impl Bench {
    pub(super) fn new(apps: &[(&str, &str)], limits: Limits) -> Self {
        static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(built_in().unwrap()));
        let catalog = Arc::clone(&CATALOG);
        let apps = apps.iter().map(|&(name, id)| {
            let family = if name.starts_with("we") { "wecom" } else { "feishu" };
            let platform = Arc::clone(&catalog.platforms[family]);
            let quotas = [((MEETING.to_owned(), None), "10/min".parse().unwrap())].into();
            let app = App::plain(name, id, platform, quotas);
            (name.to_owned(), Arc::new(app))
        });
        let planner = Planner::new(Arc::clone(&catalog), apps.collect(), 1.0);
        Self { schedule: Schedule::new(Arc::new(planner), limits), seq: 0, flying: Vec::new() }
    }

    pub(super) fn add(&mut self, app: &str, method: &str, change: impl FnOnce(&mut Waiting)) -> i64 {
        self.seq += 1;
        let mut waiting = Waiting {
            seq: JobSeq(self.seq),
            lane: LaneKey { app: app.to_owned(), tenant: String::new(), method: method.to_owned() },
            batch: "".into(),
            priority: 4,
            not_before: None,
            not_after: None,
            attempts: 0,
            uncertain: false,
        };
        change(&mut waiting);
        self.schedule.add(waiting).unwrap();
        self.seq
    }

    /// Starts all that can start at `now`, stepping over pacing within half a second; answers the jobs' numbers.
    pub(super) fn start(&mut self, now: i64) -> Vec<i64> {
        let mut at = now;
        let mut started = Vec::new();
        loop {
            match self.schedule.next(Mono(at), WALL + Duration::from_micros(at as u64)) {
                Next::Start(start) => {
                    started.push(start.job.seq.0);
                    self.flying.push(start);
                }
                Next::Sleep(Some(next)) if next.0 < now + SECOND / 2 => at = next.0,
                Next::Sleep(_) => return started,
                Next::Expired(_, job) => started.push(-job.seq.0),
                Next::Verify(lane, jobs) => {
                    started.extend(jobs.iter().map(|job| 1_000 + job.seq.0));
                    self.schedule.verified(&lane);
                }
                Next::Granted => {}
            }
        }
    }

    pub(super) fn end_all(&mut self, now: i64, ended: Ended<'_>) {
        for start in std::mem::take(&mut self.flying) {
            self.schedule.end_call(start.ticket, ended, Mono(now));
            self.schedule.end_job(start.ticket);
        }
    }
}

pub(super) const WIDE: Limits = limits(512, 128);

const fn limits(concurrency_max: u32, lane_concurrency_max: u32) -> Limits {
    Limits { concurrency_max, lane_concurrency_max, reserve: Reserve::NONE, stop_after: 0 }
}

fn suspension(app: &str) -> Suspension {
    Suspension {
        app: app.to_owned(),
        tenant: String::new(),
        method: String::new(),
        by: SuspendedBy::Platform,
        since: WALL,
        until: None,
        code: Some(10_015),
        detail: Cause::default(),
        cure: Cure::FixCause,
        log_id: None,
    }
}

#[test]
fn a_lane_waits_for_its_quota_while_another_goes_on() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    for _ in 0..25 {
        bench.add("acme", ROOM, |_| {});
    }
    assert_eq!(bench.start(0).len(), 20);
    let calendar = bench.add("acme", CALENDAR, |_| {});
    assert_eq!(bench.start(SECOND), [calendar]);
    bench.end_all(2 * SECOND, Ended::Answered);
    assert_eq!(bench.start(62 * SECOND - 1_000_000), NOTHING);
    assert_eq!(bench.start(62 * SECOND + 1).len(), 5);
}

#[test]
fn two_apps_of_one_corp_share_its_windows_and_take_turns() {
    let mut bench = Bench::new(&[("we1", "corp"), ("we2", "corp"), ("we3", "other")], WIDE);
    for app in ["we1", "we2", "we3"] {
        for _ in 0..20 {
            bench.add(app, MEETING, |_| {});
        }
    }
    let started = bench.start(0);
    let of = |from, to| started.iter().filter(|seq| (from..=to).contains(*seq)).count();
    assert_eq!((of(1, 20), of(21, 40), of(41, 60)), (5, 5, 10));
    bench.end_all(SECOND, Ended::Answered);
    let started = bench.start(61 * SECOND + 1);
    let of = |from, to| started.iter().filter(|seq| (from..=to).contains(*seq)).count();
    assert_eq!((of(1, 20) + of(21, 40), of(41, 60)), (10, 10));
    assert!(of(1, 20) >= 4 && of(21, 40) >= 4, "neither starves: {started:?}");
}

#[test]
fn priority_then_deadline_then_age() {
    let mut bench = Bench::new(&[("acme", "1")], limits(1, 1));
    let old = bench.add("acme", CALENDAR, |_| {});
    let urgent = bench.add("acme", CALENDAR, |job| job.priority = 9);
    let soon = bench.add("acme", CALENDAR, |job| job.not_after = Some(WALL + Duration::from_secs(900)));
    let young = bench.add("acme", CALENDAR, |_| {});
    let mut order = Vec::new();
    for second in 0..4 {
        order.extend(bench.start(second * SECOND));
        bench.end_all(second * SECOND, Ended::Answered);
    }
    assert_eq!(order, [urgent, soon, old, young]);
}

#[test]
fn an_expired_job_spends_no_permit_and_a_later_one_waits() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    let expired = bench.add("acme", ROOM, |job| job.not_after = Some(WALL));
    let later = bench.add("acme", ROOM, |job| job.not_before = Some(WALL + Duration::from_secs(30)));
    assert_eq!(bench.start(0), [-expired]);
    assert_eq!(bench.start(29 * SECOND - 1), NOTHING);
    assert_eq!(bench.start(30 * SECOND), [later]);
}

#[test]
fn uncertain_jobs_are_verified_and_never_started() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    let uncertain = bench.add("acme", ROOM, |job| job.uncertain = true);
    assert_eq!(bench.start(0), [1_000 + uncertain]);
    assert_eq!(bench.start(SECOND), NOTHING);
}

#[test]
fn a_suspended_app_stands_still_and_goes_on() {
    let mut bench = Bench::new(&[("acme", "1"), ("beta", "2")], WIDE);
    bench.add("acme", ROOM, |_| {});
    bench.add("acme", ROOM, |job| job.uncertain = true);
    let other = bench.add("beta", ROOM, |_| {});
    bench.schedule.set_suspensions(vec![suspension("acme")]);
    assert_eq!(bench.start(0), [other]);
    assert!(!bench.schedule.is_idle(), "beta's call is in flight");
    bench.end_all(0, Ended::Answered);
    assert!(bench.schedule.is_idle(), "what waits can only wait");
    bench.schedule.set_suspensions(Vec::new());
    assert_eq!(bench.start(SECOND).len(), 2);
}

#[test]
fn slots_limit_what_is_in_flight_and_a_contended_lane_halves() {
    let mut bench = Bench::new(&[("acme", "1")], limits(12, 8));
    for _ in 0..40 {
        bench.add("acme", CALENDAR, |_| {});
        bench.add("acme", ROOM, |_| {});
    }
    assert_eq!(bench.start(0).len(), 12, "two lanes share twelve slots");
    bench.end_all(
        0,
        Ended::Refused(ThrottleScope::Concurrency, Refusal { reset: None, blocks: &[] }, &Failure::default()),
    );
    assert!(bench.start(SECOND).len() < 8);
}

#[test]
fn a_refused_key_pauses_until_the_reset_and_one_probe_goes_first() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    for _ in 0..40 {
        bench.add("acme", CALENDAR, |_| {});
    }
    assert_eq!(bench.start(0).len(), 40);
    for _ in 0..40 {
        bench.add("acme", CALENDAR, |_| {});
    }
    let reset = Some(Duration::from_secs(7));
    bench.end_all(SECOND, Ended::Refused(ThrottleScope::Method, Refusal { reset, blocks: &[] }, &Failure::default()));
    assert_eq!(bench.start(6 * SECOND), NOTHING);
    assert_eq!(bench.start(8 * SECOND).len(), 1, "one probe");
    bench.end_all(9 * SECOND, Ended::Answered);
    assert_eq!(bench.start(9 * SECOND).len(), 39);
}

#[test]
fn an_unreachable_platform_pauses_the_app_and_not_its_neighbour() {
    let mut bench = Bench::new(&[("acme", "1"), ("beta", "2")], WIDE);
    for app in ["acme", "acme", "acme", "beta", "beta"] {
        bench.add(app, CALENDAR, |_| {});
    }
    let acme = bench.start(0).iter().filter(|seq| **seq <= 3).count();
    assert_eq!(acme, 3);
    bench.flying.retain(|start| start.lane.app == "acme");
    bench.end_all(0, Ended::Unreachable(&Failure::default()));
    for app in ["acme", "acme", "beta"] {
        bench.add(app, CALENDAR, |_| {});
    }
    assert_eq!(bench.start(100), [8]);
    assert_eq!(bench.start(SECOND + 100), [6], "one probe after the pause");
}

#[test]
fn a_blocked_lane_stands_in_line_once_however_many_jobs_come() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    for n in 0..2_000 {
        bench.add("acme", ROOM, |_| {});
        bench.start(n);
    }
    let schedule = &bench.schedule;
    let lines: usize = schedule.lanes.ids().map(|id| schedule.queues.classes(id).count()).sum();
    assert_eq!((bench.flying.len(), lines), (20, 1));
}

#[test]
fn permits_of_an_earlier_process_are_not_free() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    let lane = LaneKey { app: "acme".to_owned(), tenant: String::new(), method: ROOM.to_owned() };
    for _ in 0..15 {
        bench.schedule.restore(&lane, Mono(-30 * SECOND));
    }
    for _ in 0..20 {
        bench.add("acme", ROOM, |_| {});
    }
    assert_eq!(bench.start(0).len(), 5);
    bench.end_all(0, Ended::Answered);
    assert_eq!(bench.start(30 * SECOND + 2).len(), 15);
}

#[test]
fn a_slot_that_a_called_lane_cannot_use_goes_to_the_next() {
    let mut bench = Bench::new(&[("acme", "1"), ("we1", "corp")], limits(1, 1));
    for _ in 0..20 {
        let lane = LaneKey { app: "acme".to_owned(), tenant: String::new(), method: ROOM.to_owned() };
        bench.schedule.restore(&lane, Mono(0));
    }
    let first = bench.add("acme", CALENDAR, |_| {});
    assert_eq!(bench.start(0), [first]);
    bench.add("acme", ROOM, |_| {});
    let second = bench.add("we1", MEETING, |_| {});
    assert_eq!(bench.start(SECOND), NOTHING, "both stand in line for the only slot");
    bench.end_all(2 * SECOND, Ended::Answered);
    assert_eq!(bench.start(2 * SECOND), [second], "rooms come first and wait for their quota");
}

#[test]
fn lanes_take_turns_at_the_only_slot() {
    let mut bench = Bench::new(&[("acme", "1"), ("beta", "2")], limits(1, 1));
    for app in ["acme", "acme", "acme", "beta", "beta"] {
        bench.add(app, CALENDAR, |_| {});
    }
    let mut order = Vec::new();
    for second in 0..5 {
        order.extend(bench.start(second * SECOND));
        bench.end_all(second * SECOND, Ended::Answered);
    }
    assert_eq!(order, [1, 4, 2, 5, 3]);
}

#[test]
fn a_job_on_its_way_to_its_ending_is_not_over() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    bench.add("acme", ROOM, |job| job.not_after = Some(WALL));
    let Next::Expired(lane, _) = bench.schedule.next(Mono(0), WALL) else { panic!("it has expired") };
    assert_eq!((bench.schedule.is_idle(), bench.schedule.unfinished()), (false, 1));
    bench.schedule.expired(&lane);
    assert_eq!((bench.schedule.is_idle(), bench.schedule.unfinished()), (true, 0));
}

/// Adds a job to each of ten thousand lanes: the customers of one app.
fn ten_thousand_lanes(bench: &mut Bench, app: &str, method: &str) {
    for tenant in 0..10_000 {
        bench.add(app, method, |job| job.lane.tenant = format!("tenant-{tenant}"));
    }
}

#[test]
fn ten_thousand_lanes_that_wait_for_their_own_windows_cost_nothing() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    for tenant in 0..10_000 {
        let lane = LaneKey { app: "acme".to_owned(), tenant: format!("tenant-{tenant}"), method: ROOM.to_owned() };
        (0..20).for_each(|_| bench.schedule.restore(&lane, Mono(0)));
    }
    ten_thousand_lanes(&mut bench, "acme", ROOM);
    assert_eq!(bench.start(0), NOTHING);
    assert_eq!(bench.schedule.turns, 10_000, "each is looked at once");
    for second in 1..60 {
        assert_eq!(bench.start(second * SECOND), NOTHING);
    }
    assert_eq!(bench.schedule.turns, 10_000, "and then not before its window opens");
    assert!(
        matches!(bench.schedule.next(Mono(59 * SECOND), WALL), Next::Sleep(Some(at)) if at == Mono(60 * SECOND + 1))
    );
}

#[test]
fn ten_thousand_lanes_in_one_line_are_called_one_by_one() {
    let mut bench = Bench::new(&[("we1", "corp")], WIDE);
    ten_thousand_lanes(&mut bench, "we1", MEETING);
    assert_eq!(bench.start(0).len(), 10, "the corp's ten a minute");
    let before = bench.schedule.turns;
    bench.end_all(SECOND, Ended::Answered);
    for second in 2..60 {
        assert_eq!(bench.start(second * SECOND), NOTHING);
    }
    let waiting = bench.schedule.turns - before;
    assert_eq!(bench.start(61 * SECOND + 1).len(), 10);
    let called = bench.schedule.turns - before - waiting;
    assert!(waiting <= 30 && called <= 60, "{waiting} turns while all waited, {called} for ten permits");
}

#[test]
fn a_waiting_job_is_small() {
    assert!(size_of::<Queued>() <= 64, "{}", size_of::<Queued>());
    assert!(size_of::<Lane>() <= 512, "{}", size_of::<Lane>());
}

#[test]
fn uncertain_jobs_are_verified_together_unless_their_listing_stands_still() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    let uncertain = |at_s: u64| {
        move |job: &mut Waiting| {
            (job.uncertain, job.not_before) = (true, Some(WALL + Duration::from_secs(at_s)));
        }
    };
    let jobs = [1, 2, 9].map(|at_s| bench.add("acme", ROOM, uncertain(at_s)));
    let listing = |method: &str| Suspension {
        app: "acme".to_owned(),
        tenant: String::new(),
        method: method.to_owned(),
        by: SuspendedBy::Platform,
        since: WALL,
        until: None,
        code: None,
        detail: Cause::default(),
        cure: Cure::FixCause,
        log_id: None,
    };
    bench.schedule.set_suspensions(vec![listing("feishu.vc.room.list")]);
    assert_eq!(bench.start(2 * SECOND), NOTHING);
    assert!(bench.schedule.is_idle(), "they stand still");
    let other = bench.add("acme", ROOM, |_| {});
    assert!(!bench.schedule.is_idle());
    assert_eq!(bench.start(2 * SECOND), [other], "creates go on");
    bench.end_all(2 * SECOND, Ended::Answered);
    bench.schedule.set_suspensions(vec![listing("feishu.calendar.list")]);
    assert_eq!(bench.start(2 * SECOND), [1_000 + jobs[0], 1_000 + jobs[1]]);
    assert!(!bench.schedule.is_idle(), "one is not due yet");
    assert_eq!(bench.start(9 * SECOND), [1_000 + jobs[2]]);
    assert!(bench.schedule.is_idle());
}
