//! Instants, durations and counts at the ends of what their types hold: nothing overflows, and time never runs backwards.

use proptest::prelude::*;

use super::*;
use crate::ports::{Restrained, Restraint, RestraintKind};
use paceline_domain::quota::RESET_MAX;

const MINUTES: &str = "feishu.calendar.event.meeting_minute.create";

/// An instant: any, one at an end of calendars, or one not far from now.
pub(crate) fn instants() -> impl Strategy<Value = Timestamp> {
    let ends =
        [i64::MIN, i64::MIN + 1, -1, 0, 1, 7_258_118_400_000_000, 253_402_300_799_999_999, i64::MAX - 1, i64::MAX];
    prop_oneof![
        any::<i64>().prop_map(Timestamp),
        prop::sample::select(ends.to_vec()).prop_map(Timestamp),
        (-4_000_i64..4_000).prop_map(|second| Timestamp(WALL.0 + second * SECOND)),
    ]
}

fn durations() -> impl Strategy<Value = Duration> {
    let ends = [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(1), RESET_MAX, Duration::MAX];
    prop_oneof![
        prop::sample::select(ends.to_vec()),
        any::<u64>().prop_map(Duration::from_secs),
        any::<u64>().prop_map(Duration::from_micros),
        (0_u64..100).prop_map(Duration::from_secs),
    ]
}

fn maybe<T: std::fmt::Debug + Clone + 'static>(
    some: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    prop::option::of(some)
}

#[derive(Clone, Debug)]
enum Step {
    Add(usize, Option<Timestamp>, Option<Timestamp>, bool),
    Wait(Duration),
    End(usize, Option<Duration>, Vec<Duration>),
    Restrain(usize, Option<Timestamp>, Timestamp, u32),
    Pause(Duration),
    Lift,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_usize..4, maybe(instants()), maybe(instants()), any::<bool>())
            .prop_map(|(method, before, after, uncertain)| Step::Add(method, before, after, uncertain)),
        4 => durations().prop_map(Step::Wait),
        6 => (0_usize..9, maybe(durations()), prop::collection::vec(durations(), 0..3))
            .prop_map(|(kind, reset, blocks)| Step::End(kind, reset, blocks)),
        1 => (0_usize..3, maybe(instants()), instants(), any::<u32>())
            .prop_map(|(target, until, since, refusals)| Step::Restrain(target, until, since, refusals)),
        1 => durations().prop_map(Step::Pause),
        1 => Just(Step::Lift),
    ];
    prop::collection::vec(step, 1..40)
}

fn ended<'a>(kind: usize, now: Mono, reset: Option<Duration>, blocks: &'a [Duration], why: &'a Failure) -> Ended<'a> {
    match kind {
        0 => Ended::Answered,
        1 => Ended::NotSent,
        2 => Ended::Unreachable(why),
        3 => Ended::Lost(now + reset.unwrap_or_default()),
        4 => Ended::Unwell(now, why),
        5 => Ended::Unavailable(reset, why),
        6 => Ended::Refused(ThrottleScope::Method, Refusal { reset, blocks }, why),
        7 => Ended::Refused(ThrottleScope::App, Refusal { reset, blocks }, why),
        _ => Ended::Refused(ThrottleScope::Concurrency, Refusal { reset, blocks }, why),
    }
}

fn take(bench: &mut Bench, step: Step, now: &mut Mono) {
    let why = Failure { status: Some(503), ..Failure::default() };
    let wall = WALL + now.since(Mono(0));
    match step {
        Step::Add(method, not_before, not_after, uncertain) => {
            let (app, method) = [("acme", ROOM), ("acme", CALENDAR), ("acme", MINUTES), ("we", MEETING)][method];
            bench.add(app, method, |job| {
                (job.not_before, job.not_after, job.uncertain) = (not_before, not_after, uncertain);
            });
        }
        Step::Wait(wait) => *now = *now + wait,
        Step::End(kind, reset, blocks) => {
            if let Some(start) = bench.flying.pop() {
                let ended = ended(kind, *now, reset, &blocks, &why);
                for notice in bench.schedule.end_call(start.ticket, ended, *now) {
                    if let Notice::Paused { until, .. } = notice {
                        assert!(until >= *now, "a pause that is over before it begins");
                    }
                }
                bench.schedule.end_job(start.ticket);
                let (lane, job) = (Arc::clone(&start.lane), start.job);
                if kind > 0 {
                    bench.schedule.put_back(&lane, job, reset.map(|reset| wall + reset));
                }
            }
        }
        Step::Restrain(target, until, since, refusals) => {
            let lane = LaneKey { app: "acme".to_owned(), tenant: String::new(), method: MINUTES.to_owned() };
            let target = [Restrained::App, Restrained::Lane(lane.clone()), Restrained::Lane(lane)][target].clone();
            let kind = RestraintKind::Pause { refusals };
            let restraint = Restraint { target, app: "acme".to_owned(), kind, since, until, cause: why };
            bench.schedule.restrain(vec![restraint], *now, wall);
        }
        Step::Pause(wait) => {
            bench.schedule.pause_app("acme", *now, *now + wait, &why);
        }
        Step::Lift => bench.schedule.lift("acme", *now),
    }
}

proptest! {
    #[test]
    fn no_instant_or_duration_makes_the_schedule_overflow(steps in steps()) {
        let mut bench = Bench::new(&[("acme", "1"), ("we", "2")], Limits { stop_after: 3, ..WIDE });
        let mut now = Mono(0);
        for step in steps {
            take(&mut bench, step, &mut now);
            let wall = WALL + now.since(Mono(0));
            for _ in 0..20 {
                match bench.schedule.next(now, wall) {
                    Next::Start(start) => bench.flying.push(start),
                    Next::Expired(lane, _) => bench.schedule.expired(&lane),
                    Next::Verify(lane, jobs) => {
                        bench.schedule.verified(&lane);
                        for job in jobs {
                            bench.schedule.put_uncertain(&lane, job, wall + Duration::from_secs(60));
                        }
                    }
                    Next::Granted => {}
                    Next::Sleep(_) => break,
                }
            }
            bench.schedule.restraints(now, wall);
            bench.schedule.view(now);
        }
    }
}
