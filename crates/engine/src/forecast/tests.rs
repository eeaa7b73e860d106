//! The forecast against a loop that knows no short cuts, and against the mathematical optimum.

mod extremes;

use paceline_domain::messages::{Cause, Cure};
use std::collections::VecDeque;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::{forecast as run, *};
use crate::app::App;
use crate::ports::{JobSeq, Restrained, RestraintKind, SuspendedBy, Waiting};
use crate::schedule::{Ended, Next, Schedule, Start};
use paceline_domain::catalog::{Catalog, QuotaScope, built_in};
use paceline_domain::outcome::Failure;
use paceline_domain::quota::Reserve;
use paceline_domain::time::{Mono, micros};

const ROOM: &str = "feishu.vc.room.create";
const CALENDAR: &str = "feishu.calendar.create";
const MEETING: &str = "wecom.meeting.create";
const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
const WIDE: Limits = Limits { concurrency_max: 512, lane_concurrency_max: 128, reserve: Reserve::NONE, stop_after: 0 };
const RTT: Duration = Duration::from_millis(200);

/// Apps by name and id, and quotas of their own.
fn planner(apps: &[(&str, &str)], quotas: &[(&str, Option<QuotaScope>, &str)]) -> Arc<Planner> {
    static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(built_in().unwrap()));
    let catalog = Arc::clone(&CATALOG);
    let apps = apps.iter().map(|&(name, id)| {
        let family = if name.starts_with("we") { "wecom" } else { "feishu" };
        let platform = Arc::clone(&catalog.platforms[family]);
        let quotas = quotas.iter().filter(|(method, ..)| method.starts_with(family));
        let quotas =
            quotas.map(|(method, scope, quota)| (((*method).to_owned(), *scope), quota.parse().unwrap())).collect();
        let app = App::plain(name, id, platform, quotas);
        (name.to_owned(), Arc::new(app))
    });
    Arc::new(Planner::new(Arc::clone(&catalog), apps.collect(), 1.0))
}

fn lane(app: &str, method: &str) -> LaneKey {
    LaneKey { app: app.to_owned(), tenant: String::new(), method: method.to_owned() }
}

fn group(app: &str, method: &str, batch: &str, ages: std::ops::Range<i64>) -> Group {
    Group {
        lane: lane(app, method),
        batch: batch.into(),
        priority: 4,
        not_before: None,
        not_after: None,
        count: (ages.end - ages.start) as u64,
        ages: (ages.start, ages.end - 1),
    }
}

fn basis(planner: &Arc<Planner>, backlog: Vec<Group>) -> Basis {
    Basis {
        planner: Arc::clone(planner),
        limits: WIDE,
        now: NOW,
        past: BTreeMap::new(),
        suspensions: Vec::new(),
        restraints: Vec::new(),
        backlog,
        chained: Vec::new(),
        running: Vec::new(),
        round_trips: [ROOM, CALENDAR, MEETING].map(|method| (method.to_owned(), RTT)).into(),
        decided_at_once: BTreeSet::new(),
    }
}

fn acme(backlog: Vec<Group>) -> Basis {
    basis(&planner(&[("acme", "1")], &[]), backlog)
}

fn suspension(app: &str, until: Option<Timestamp>) -> Suspension {
    Suspension {
        app: app.to_owned(),
        tenant: String::new(),
        method: String::new(),
        by: SuspendedBy::Person,
        since: NOW,
        until,
        code: None,
        detail: Cause::default(),
        cure: Cure::FixCause,
        log_id: None,
    }
}

fn seconds(from: Timestamp) -> f64 {
    from.since(NOW).as_secs_f64()
}

fn batch<'f>(forecast: &'f Forecast, name: &str) -> &'f BatchForecast {
    forecast.batches.iter().find(|batch| &*batch.name == name).unwrap()
}

fn batch_s(forecast: &Forecast, name: &str) -> f64 {
    seconds(batch(forecast, name).finish.unwrap())
}

/// Every job into one schedule, every call on its own: the finish of each batch, and the number of calls.
fn naive(basis: &Basis) -> (BTreeMap<Arc<str>, Timestamp>, u64) {
    let mut schedule = Schedule::new(Arc::clone(&basis.planner), basis.limits);
    for (lane, calls) in &basis.past {
        for call in calls {
            schedule.restore(lane, Mono(call.0 - NOW.0));
        }
    }
    for group in &basis.backlog {
        for seq in group.ages.0..=group.ages.1 {
            let waiting = Waiting {
                seq: JobSeq(seq),
                lane: group.lane.clone(),
                batch: Arc::clone(&group.batch),
                priority: group.priority,
                not_before: group.not_before,
                not_after: group.not_after,
                attempts: 0,
                uncertain: false,
            };
            assert!(schedule.add(waiting).is_ok());
        }
    }
    let (mut now, mut calls, mut ends) = (Mono(0), 0, BTreeMap::new());
    let mut in_flight: VecDeque<(Mono, Start)> = VecDeque::new();
    loop {
        match schedule.next(now, NOW + now.since(Mono(0))) {
            Next::Start(start) => in_flight.push_back((now + RTT, start)),
            Next::Expired(lane, _) => schedule.expired(&lane),
            Next::Sleep(at) => {
                let reply = in_flight.front().map(|(at, _)| *at);
                let Some(next) = at.into_iter().chain(reply).min() else { return (ends, calls) };
                now = next;
                while let Some((at, start)) = in_flight.pop_front_if(|(at, _)| *at <= now) {
                    schedule.end_call(start.ticket, Ended::Answered, at);
                    schedule.end_job(start.ticket);
                    calls += 1;
                    ends.insert(start.job.batch, NOW + at.since(Mono(0)));
                }
            }
            Next::Granted | Next::Verify(..) => unreachable!("neither was asked for"),
        }
    }
}

/// The forecast, after a look whether it is what the loop without short cuts says.
fn exact(basis: &Basis) -> Forecast {
    let forecast = run(basis);
    let (ends, calls) = naive(basis);
    let found: BTreeMap<_, _> =
        forecast.batches.iter().filter_map(|batch| Some((Arc::clone(&batch.name), batch.finish?))).collect();
    assert_eq!(found, ends);
    assert_eq!(forecast.jobs.done, calls);
    let courses: usize = forecast.lanes.iter().map(|lane| lane.curve.jobs()).sum();
    assert_eq!(courses as u64, calls);
    for lane in &forecast.lanes {
        assert!(lane.finish.is_none_or(|finish| lane.curve.instant_of(lane.curve.jobs()) == finish));
    }
    forecast
}

#[test]
fn what_rooms_decide_later_is_asked_for_before_a_job_is_done() {
    const PEOPLE: &str = "feishu.calendar.event.attendee.create";
    let near = |seconds: f64, wanted: f64| (seconds - wanted).abs() < 0.001;
    let with_rooms = acme(vec![group("acme", PEOPLE, "b", 0..1)]);
    let asked = batch_s(&run(&with_rooms), "b");
    assert!(near(asked, 0.1 + 3.0 + 0.2), "{asked}: the call, the wait, a listing before and its own");
    let without = Basis { decided_at_once: [lane("acme", PEOPLE)].into(), ..with_rooms };
    let answered = batch_s(&run(&without), "b");
    assert!(near(answered, 0.1), "{answered}: the call alone");
}

#[test]
fn sixty_rooms_take_two_minutes_and_their_round_trips() {
    let forecast = exact(&acme(vec![group("acme", ROOM, "rooms", 0..60)]));
    let took = seconds(forecast.finish);
    assert!((120.6..121.2).contains(&took), "{took}");
    let deciding = forecast.deciding.unwrap();
    assert_eq!((deciding.key.method.as_str(), deciding.window.to_string().as_str()), (ROOM, "20/min"));
    assert!(deciding.waited > Duration::from_secs(117), "{deciding:?}");
    assert_eq!((forecast.keys.len(), forecast.keys[0].calls), (1, 60));
    let lane = &forecast.lanes[0];
    assert_eq!(lane.curve.left(40, NOW + Duration::from_secs(30)).as_secs(), 90);
}

#[test]
fn two_thousand_calendars_wait_for_the_minute_s_window() {
    let forecast = exact(&acme(vec![group("acme", CALENDAR, "calendars", 0..2_000)]));
    let took = seconds(forecast.finish);
    assert!((79.0..85.0).contains(&took), "{took}");
    assert_eq!(forecast.deciding.unwrap().window.to_string(), "1000/min");
}

#[test]
fn a_batch_that_no_quota_makes_wait_has_no_deciding_window() {
    let forecast = exact(&acme(vec![group("acme", CALENDAR, "few", 0..30)]));
    assert_eq!(forecast.deciding, None);
    assert!((0.4..0.8).contains(&seconds(forecast.finish)));
    let nothing = run(&acme(Vec::new()));
    assert_eq!((nothing.finish, nothing.jobs), (NOW, Jobs::default()));
}

#[test]
fn a_long_backlog_is_run_for_a_few_rounds_alone() {
    let forecast =
        exact(&acme(vec![group("acme", ROOM, "rooms", 0..3_000), group("acme", CALENDAR, "c", 3_000..15_000)]));
    assert!(forecast.simulated < 8_000, "{}", forecast.simulated);
    assert_eq!(forecast.lanes.iter().map(|lane| lane.jobs.done).collect::<Vec<_>>(), [12_000, 3_000]);
    let rooms = &forecast.lanes[1].curve;
    for (jobs, least) in [(1, 0.2), (20, 0.5), (21, 60.2), (1_001, 3_000.0), (2_999, 149.0 * 60.0)] {
        let at = seconds(rooms.instant_of(jobs));
        assert!((least..least + 40.0).contains(&at), "job {jobs} at {at}");
    }
}

#[test]
fn a_million_calls_take_as_long_as_a_few_windows() {
    let forecast = run(&acme(vec![group("acme", CALENDAR, "c", 0..1_000_000)]));
    assert!(forecast.simulated < 6_000, "{}", forecast.simulated);
    let took = seconds(forecast.finish);
    assert!((999.0 * 60.0..1_000.0 * 61.0).contains(&took), "{took}");
    assert_eq!((forecast.jobs.done, forecast.keys[0].calls), (1_000_000, 1_000_000));
    let deciding = forecast.deciding.unwrap();
    assert_eq!(deciding.window.to_string(), "1000/min");
    assert!((59_000..60_200).contains(&deciding.waited.as_secs()), "{deciding:?}");
}

#[test]
fn batches_that_take_turns_cost_no_more_than_one() {
    let sizes = |least: i64| (0..40).map(|n| least + n * 37 % 61).collect::<Vec<i64>>();
    let groups = |from: i64, method, sizes: Vec<i64>| {
        let ends = sizes.into_iter().scan(from, |end, size| {
            *end += size;
            Some(*end - size..*end)
        });
        ends.enumerate().map(|(n, ages)| group("acme", method, &format!("move-{n}"), ages)).collect::<Vec<_>>()
    };
    let few = [groups(0, ROOM, sizes(20)), groups(1_000_000, CALENDAR, sizes(150))].concat();
    let forecast = exact(&acme(few));
    assert!(forecast.simulated < 5_000, "{} of {}", forecast.simulated, forecast.jobs.done);
    let many = [groups(0, ROOM, sizes(12_000)), groups(1_000_000, CALENDAR, sizes(12_000))].concat();
    let forecast = run(&acme(many));
    assert!(forecast.simulated < 5_000, "{} of {}", forecast.simulated, forecast.jobs.done);
}

#[test]
fn days_under_a_daily_window_are_skipped_by_the_day() {
    let planner = planner(&[("we", "corp")], &[(MEETING, Some(QuotaScope::App), "500/day")]);
    let forecast = exact(&basis(&planner, vec![group("we", MEETING, "term", 0..6_000)]));
    assert_eq!(forecast.deciding.unwrap().window.to_string(), "500/day");
    assert!(forecast.simulated <= 2_000, "{}", forecast.simulated);
    assert!(seconds(forecast.finish) >= 11.0 * 86_400.0);
}

#[test]
fn two_batches_of_a_lane_end_as_the_schedule_has_it() {
    let forecast = exact(&acme(vec![group("acme", ROOM, "a", 0..200), group("acme", ROOM, "b", 200..260)]));
    let (first, second) = (batch_s(&forecast, "a"), batch_s(&forecast, "b"));
    assert!(first.max(second) > 720.0 && seconds(forecast.finish) < 730.0, "{first} {second}");
}

#[test]
fn the_urgent_go_first() {
    let urgent = Group { priority: 9, ..group("acme", ROOM, "urgent", 500..540) };
    let soon = Group { not_after: Some(NOW + Duration::from_secs(3_600)), ..group("acme", ROOM, "soon", 540..560) };
    let forecast = exact(&acme(vec![group("acme", ROOM, "calm", 0..500), urgent, soon]));
    assert!((60.0..62.0).contains(&batch_s(&forecast, "urgent")));
    assert!((180.0..183.0).contains(&batch_s(&forecast, "soon")), "in turn with the calm: ten of twenty a minute");
    assert_eq!(batch(&forecast, "calm").finish, Some(forecast.finish));
}

#[test]
fn calls_of_the_past_and_calls_in_flight_take_their_permits() {
    let mut basis = acme(vec![group("acme", ROOM, "rooms", 0..20)]);
    let past = |before_s: u64| NOW - Duration::from_secs(before_s);
    basis.past.insert(lane("acme", ROOM), (0..15).map(|n| past(30 + n)).collect());
    let forecast = exact(&basis);
    assert!((30.0..31.0).contains(&seconds(forecast.finish)), "15 of 20 permits come back within 30 s: {forecast:?}");
    basis.running =
        (0..5).map(|_| Running { lane: lane("acme", ROOM), batch: "old".into(), sent_at: past(0) }).collect();
    basis.past.entry(lane("acme", ROOM)).or_default().extend([NOW + RTT; 5]);
    let forecast = run(&basis);
    assert!((60.2..61.0).contains(&seconds(forecast.finish)), "the other five are in flight: {forecast:?}");
    assert_eq!((batch(&forecast, "old").jobs.done, batch(&forecast, "old").finish), (5, Some(NOW + RTT)));
}

#[test]
fn what_stands_still_is_counted_apart() {
    let mut basis = basis(
        &planner(&[("acme", "1"), ("beta", "2")], &[]),
        vec![group("acme", ROOM, "a", 0..100), group("beta", ROOM, "b", 100..130), group("gone", ROOM, "b", 130..135)],
    );
    basis.suspensions = vec![suspension("acme", None)];
    let forecast = run(&basis);
    assert_eq!(forecast.jobs, Jobs { done: 30, suspended: 100, unknown: 5, ..Jobs::default() });
    assert!((60.0..62.0).contains(&seconds(forecast.finish)));
    assert_eq!((batch(&forecast, "a").finish, batch(&forecast, "b").jobs.unknown), (None, 5));
    basis.suspensions = vec![suspension("acme", Some(NOW + Duration::from_secs(1_000)))];
    let forecast = run(&basis);
    assert_eq!(forecast.jobs.done, 130);
    assert!((1_240.0..1_242.0).contains(&batch_s(&forecast, "a")), "it has an end, so they move afterwards");
}

#[test]
fn a_pause_holds_an_app_back_and_not_its_neighbour() {
    let planner = planner(&[("acme", "1"), ("beta", "2")], &[]);
    let mut basis = basis(
        &planner,
        vec![group("acme", CALENDAR, "a", 0..30), group("acme", ROOM, "r", 30..70), group("beta", ROOM, "b", 70..90)],
    );
    basis.restraints = vec![Restraint {
        target: Restrained::App,
        app: "acme".to_owned(),
        kind: RestraintKind::Pause { refusals: 1 },
        since: NOW,
        until: Some(NOW + Duration::from_secs(300)),
        cause: Failure::default(),
    }];
    let forecast = run(&basis);
    assert!((300.4..302.0).contains(&batch_s(&forecast, "a")));
    assert!((360.0..362.0).contains(&batch_s(&forecast, "r")));
    assert!(batch_s(&forecast, "b") < 1.0);
}

#[test]
fn apps_of_one_corp_share_its_windows() {
    let planner = planner(&[("we1", "corp"), ("we2", "corp"), ("we3", "other")], &[(MEETING, None, "10/min")]);
    let apart = ["we1", "we2", "we3"].map(|app| group(app, MEETING, app, 0..50));
    let numbered = apart.into_iter().zip([0, 50, 100]).map(|(mut group, from)| {
        group.ages = (from, from + 49);
        group
    });
    let forecast = exact(&basis(&planner, numbered.collect()));
    let ends = ["we1", "we2", "we3"].map(|app| batch_s(&forecast, app));
    assert!(ends[0] > 530.0 && ends[1] > 530.0 && ends[2] < 250.0, "{ends:?}");
    let corp = forecast.keys.iter().find(|key| key.key.owner == "corp").unwrap();
    assert_eq!(corp.calls, 100);
    assert_eq!(forecast.deciding.unwrap().key.owner, "corp");
}

#[test]
fn lanes_that_may_wait_for_each_other_s_slots_are_run_together() {
    let mut basis = acme(vec![group("acme", CALENDAR, "c", 0..400), group("acme", ROOM, "r", 400..440)]);
    basis.limits = Limits { concurrency_max: 2, lane_concurrency_max: 2, reserve: Reserve::NONE, stop_after: 0 };
    let forecast = exact(&basis);
    assert!(batch_s(&forecast, "c") > 39.0, "two slots at 200 ms are ten calls a second");
    assert_eq!(forecast.lanes[0].deciding, None, "slots, and no window");
}

#[test]
fn jobs_of_later_and_jobs_that_come_too_late() {
    let later = Group { not_before: Some(NOW + Duration::from_secs(1_000)), ..group("acme", ROOM, "later", 600..640) };
    let short = Group { not_after: Some(NOW + Duration::from_secs(90)), ..group("acme", ROOM, "short", 640..740) };
    let forecast = exact(&acme(vec![group("acme", ROOM, "now", 0..600), later, short]));
    assert_eq!(batch(&forecast, "short").jobs, Jobs { done: 20, expired: 80, ..Jobs::default() });
    assert!(batch_s(&forecast, "later") > 1_000.0);
}

fn groups() -> impl Strategy<Value = Vec<Group>> {
    let one = (0..4_usize, 0..3_usize, 3..6_u8, 1..220_i64, 0..6_u64, 0..6_u64);
    proptest::collection::vec(one, 1..7).prop_map(|all| {
        let mut from = 0;
        let lanes = [("acme", ROOM), ("acme", CALENDAR), ("we1", MEETING), ("we2", MEETING)];
        let group = |(at, name, priority, count, before, after): (usize, usize, u8, i64, u64, u64)| {
            let (app, method) = lanes[at];
            let ages = from..from + count;
            from += count;
            Group {
                priority,
                not_before: (before > 3).then(|| NOW + Duration::from_secs(before * 47)),
                not_after: (after > 3).then(|| NOW + Duration::from_secs(after * 83)),
                ..group(app, method, ["a", "b", "c"][name], ages)
            }
        };
        all.into_iter().map(group).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_forecast_is_what_a_loop_without_short_cuts_says(
        groups in groups(),
        past in proptest::collection::vec((0..3_usize, 0..70_u64), 0..40),
        meetings in prop_oneof!["5/min", "7/10s, 20/min", "40/min, 3/s"],
    ) {
        let planner = planner(&[("acme", "1"), ("we1", "corp"), ("we2", "corp")], &[(MEETING, None, &meetings)]);
        let mut basis = basis(&planner, groups);
        for (at, before) in past {
            let (app, method) = [("acme", ROOM), ("acme", CALENDAR), ("we1", MEETING)][at];
            basis.past.entry(lane(app, method)).or_default().push(NOW - Duration::from_secs(before));
        }
        let forecast = exact(&basis);
        for lane in &forecast.lanes {
            let plan = planner.plan(&lane.key).unwrap();
            let windows = plan.quotas.iter().flat_map(|(_, quota)| quota.windows()).copied();
            let least = Quota::of(windows).least_time(lane.jobs.done) + RTT;
            prop_assert!(lane.finish.is_none_or(|finish| micros(finish.since(NOW)) >= micros(least)), "{lane:?}");
        }
    }
}
