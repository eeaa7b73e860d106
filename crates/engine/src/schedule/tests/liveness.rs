//! Whatever comes, nobody waits for what is free, and nobody is asked in vain for long.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Coming {
    at: i64,
    app: &'static str,
    method: &'static str,
    priority: u8,
    batch: &'static str,
    not_after: Option<i64>,
    not_before: Option<i64>,
    /// How long its call takes.
    takes: i64,
    /// Whether its first call is refused because calls got into each other's way.
    refused: bool,
}

fn coming() -> impl Strategy<Value = Coming> {
    let app = prop::sample::select(vec![("we1", MEETING), ("we2", MEETING), ("we3", MEETING), ("acme", ROOM)]);
    let some = |most: i64| prop::option::weighted(0.15, 0..most * SECOND);
    let who = (app, prop::sample::select(vec![2_u8, 4, 4, 4, 6, 9]), prop::sample::select(vec!["", "a", "b"]));
    (0..200 * SECOND, who, some(300), some(60), 0..3 * SECOND, prop::bool::weighted(0.1)).prop_map(
        |(at, ((app, method), priority, batch), not_after, not_before, takes, refused)| Coming {
            at,
            app,
            method,
            priority,
            batch,
            not_after,
            not_before,
            takes,
            refused,
        },
    )
}

/// Whether a lane could start a job now, for all that the table, its slots and the calendar say.
fn could_start(schedule: &mut Schedule, now: Mono) -> Option<LaneId> {
    schedule.lanes.ids().find(|&id| {
        let lane = &schedule.lanes[id];
        let has_slots =
            lane.in_flight < lane.concurrency.limit() && schedule.in_flight < schedule.limits.concurrency_max;
        let rests = lane.concurrency.rests_until(now).is_some();
        let is_held = lane.suspended || !has_slots || rests || lane.backlog.priority().is_none();
        let class = lane.class(&schedule.limits.reserve);
        // The pace is asked by taking alone.
        !is_held && schedule.table.check(&lane.keys, class, now).is_ok() && {
            let taken = schedule.table.take(&schedule.lanes[id].keys, class, now);
            taken.is_ok_and(|_| {
                schedule.table.give_back(&schedule.lanes[id].keys, class, None);
                true
            })
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_waits_for_what_is_free(
        mut jobs in prop::collection::vec(coming(), 1..150),
        shares in [prop::sample::select(vec![0.0, 0.2]), prop::sample::select(vec![0.0, 0.1, 0.5])],
        slots in prop::sample::select(vec![1_u32, 3, 100]),
    ) {
        let reserve = Reserve::NONE.keep(5, shares[0]).keep(8, shares[1]);
        let apps = [("we1", "corp"), ("we2", "corp"), ("we3", "corp"), ("acme", "1")];
        let mut bench = Bench::new(&apps, Limits { reserve, ..limits(slots, slots) });
        jobs.sort_by_key(|job| job.at);
        let count = jobs.len();
        let mut jobs = jobs.into_iter().peekable();
        let mut details = Vec::new();
        let (mut now, mut ended, mut flying) = (0_i64, 0, Vec::new());
        while ended < count {
            while let Some(job) = jobs.next_if(|job| job.at <= now) {
                let from_now = |time: Option<i64>| time.map(|time| WALL + Duration::from_micros((now + time) as u64));
                bench.add(job.app, job.method, |waiting| {
                    (waiting.priority, waiting.batch) = (job.priority, job.batch.into());
                    (waiting.not_after, waiting.not_before) = (from_now(job.not_after), from_now(job.not_before));
                });
                details.push(job);
            }
            let wall = WALL + Duration::from_micros(now as u64);
            let alarm = loop {
                match bench.schedule.next(Mono(now), wall) {
                    Next::Start(start) => {
                        prop_assert!(!start.job.is_expired(wall));
                        flying.push((now + details[start.job.seq.0 as usize - 1].takes, start));
                    }
                    Next::Expired(lane, job) => {
                        prop_assert!(job.is_expired(wall));
                        bench.schedule.expired(&lane);
                        ended += 1;
                    }
                    Next::Sleep(at) => break at,
                    Next::Granted | Next::Verify(..) => prop_assert!(false, "nothing of that kind is there"),
                }
            };
            flying.sort_by_key(|(at, start)| (*at, start.job.seq));
            let next = [alarm.map(|at| at.0), jobs.peek().map(|job| job.at), flying.first().map(|(at, _)| *at)];
            let Some(next) = next.into_iter().flatten().min() else {
                prop_assert_eq!(ended, count, "jobs wait and no alarm is set");
                break;
            };
            if next > now + 3 {
                prop_assert_eq!(could_start(&mut bench.schedule, Mono(now)), None, "at {}", now);
                // Nor at the last moment before the alarm; paces round theirs up.
                prop_assert_eq!(could_start(&mut bench.schedule, Mono(next - 3)), None, "before {}", next);
            }
            now = next.max(now);
            while flying.first().is_some_and(|(at, _)| *at <= now) {
                let (_, start) = flying.remove(0);
                let details = &mut details[start.job.seq.0 as usize - 1];
                if std::mem::take(&mut details.refused) {
                    let refusal = Refusal { reset: None, blocks: &[] };
                    bench.schedule.end_call(start.ticket, Ended::Refused(ThrottleScope::Concurrency, refusal, &Failure::default()), Mono(now));
                    bench.schedule.put_back(&start.lane, start.job, None);
                } else {
                    bench.schedule.end_call(start.ticket, Ended::Answered, Mono(now));
                    ended += 1;
                }
                bench.schedule.end_job(start.ticket);
            }
        }
        let turns = bench.schedule.turns;
        prop_assert!(turns <= 20 * count as u64 + 50, "{} turns for {} jobs", turns, count);
        prop_assert_eq!(bench.schedule.unfinished(), 0);
    }
}
