//! A schedule that is given another planner while calls are under way.

use super::*;
use crate::config_diff::difference;
use paceline_domain::quota::Reserve;

/// Apps by name, corp id and the corp's quota of meetings.
fn planner(apps: &[(&str, &str, &str)]) -> Planner {
    let catalog = Arc::new(built_in().unwrap());
    let apps = apps.iter().map(|&(name, id, quota)| {
        let platform = Arc::clone(&catalog.platforms["wecom"]);
        let quotas = [((MEETING.to_owned(), None), quota.parse().unwrap())].into();
        let app = App::plain(name, id, platform, quotas);
        (name.to_owned(), Arc::new(app))
    });
    Planner::new(Arc::clone(&catalog), apps.collect(), 1.0)
}

fn bench(apps: &[(&str, &str, &str)]) -> Bench {
    Bench { schedule: Schedule::new(Arc::new(planner(apps)), WIDE), seq: 0, flying: Vec::new() }
}

impl Bench {
    /// Changes the apps; says whether the ledger has to be read.
    fn replan(&mut self, apps: &[(&str, &str, &str)], now: i64) -> bool {
        let next = planner(apps);
        let difference = difference(&self.schedule.planner(), &next);
        self.schedule.replan(Arc::new(next), &difference, WIDE, Mono(now));
        difference.reach.is_some()
    }

    fn add_meetings(&mut self, app: &str, count: usize) {
        for _ in 0..count {
            self.add(app, MEETING, |_| {});
        }
    }

    /// Permits of the corp's longest window that are spent.
    fn used(&mut self, app: &str, now: i64) -> u32 {
        let view = self.schedule.view(Mono(now));
        let lane = view.lanes.iter().find(|lane| lane.key.app == app).unwrap();
        lane.usage[0].windows.last().unwrap().1
    }
}

#[test]
fn a_wider_quota_lets_more_through_at_once_and_a_narrower_one_none() {
    let mut bench = bench(&[("we1", "corp", "10/min")]);
    bench.add_meetings("we1", 100);
    assert_eq!(bench.start(0).len(), 10);
    assert!(!bench.replan(&[("we1", "corp", "25/min")], SECOND), "no window is longer");
    assert_eq!(bench.start(SECOND).len(), 15, "what is in flight counts");
    bench.end_all(2 * SECOND, Ended::Answered);
    bench.replan(&[("we1", "corp", "5/min")], 3 * SECOND);
    assert_eq!(bench.start(61 * SECOND), NOTHING);
    assert_eq!(bench.start(62 * SECOND + 1).len(), 5);
}

#[test]
fn a_permit_comes_back_to_the_keys_that_it_was_granted_under() {
    let mut bench = bench(&[("we1", "old", "10/min"), ("we2", "old", "10/min"), ("we3", "new", "10/min")]);
    bench.add_meetings("we1", 4);
    bench.add_meetings("we3", 3);
    assert_eq!(bench.start(0).len(), 7);
    bench.add_meetings("we2", 20);
    let moved = [("we1", "new", "10/min"), ("we2", "old", "10/min"), ("we3", "new", "10/min")];
    bench.replan(&moved, SECOND);
    bench.schedule.recalled(Mono(SECOND));
    bench.add_meetings("we1", 20);
    assert_eq!((bench.used("we2", SECOND), bench.used("we1", SECOND)), (4, 3), "in flight under the old corp");
    let second = bench.start(2 * SECOND);
    let of_we1 = second.iter().filter(|seq| **seq > 27).count();
    assert_eq!((second.len() - of_we1, of_we1), (6, 7), "each corp has what is left of its own");

    // Only the first four are answered now.
    let later = bench.flying.split_off(7);
    bench.flying.retain(|start| start.lane.app == "we1");
    bench.end_all(10 * SECOND, Ended::Answered);
    assert_eq!((bench.used("we2", 10 * SECOND), bench.used("we1", 10 * SECOND)), (10, 10));
    assert_eq!(
        (bench.used("we2", 70 * SECOND + 1), bench.used("we1", 70 * SECOND + 1)),
        (6, 10),
        "back to the old corp"
    );
    bench.flying = later;
    bench.end_all(71 * SECOND, Ended::Answered);
    assert_eq!(
        (bench.used("we2", 131 * SECOND + 1), bench.used("we1", 131 * SECOND + 1)),
        (0, 3),
        "and the rest to theirs"
    );
}

#[test]
fn keys_that_change_twice_while_a_call_is_in_flight_are_not_mixed_up() {
    let mut bench = bench(&[("we1", "a", "10/min")]);
    bench.add_meetings("we1", 30);
    assert_eq!(bench.start(0).len(), 10);
    for (corp, at) in [("b", SECOND), ("a", 2 * SECOND)] {
        bench.replan(&[("we1", corp, "10/min")], at);
        bench.schedule.recalled(Mono(at));
        if corp == "b" {
            assert_eq!(bench.start(at).len(), 10, "another corp has windows of its own");
        }
    }
    assert_eq!(bench.used("we1", 3 * SECOND), 10);
    bench.end_all(3 * SECOND, Ended::Answered);
    assert_eq!((bench.used("we1", 63 * SECOND), bench.used("we1", 63 * SECOND + 1)), (10, 0));
    bench.replan(&[("we1", "b", "10/min")], 64 * SECOND);
    bench.schedule.recalled(Mono(64 * SECOND));
    assert_eq!(bench.used("we1", 64 * SECOND), 0, "both were given back once");
}

#[test]
fn a_longer_window_waits_for_what_the_ledger_knows() {
    let mut bench = bench(&[("we1", "corp", "10/min")]);
    bench.add_meetings("we1", 60);
    for minute in 0..2 {
        assert_eq!(bench.start(minute * 61 * SECOND).len(), 10);
        bench.end_all(minute * 61 * SECOND, Ended::Answered);
    }
    let at = 90 * SECOND;
    assert!(bench.replan(&[("we1", "corp", "10/min, 25/h")], at));
    bench.add_meetings("we1", 1);
    assert_eq!(bench.start(122 * SECOND), NOTHING, "on hold");
    let lane = LaneKey { app: "we1".to_owned(), tenant: String::new(), method: MEETING.to_owned() };
    for by in [0, 61 * SECOND].into_iter().flat_map(|by| [by; 10]) {
        bench.schedule.recall(&lane, Mono(by), Mono(by));
    }
    bench.schedule.recalled(Mono(122 * SECOND));
    assert_eq!(bench.start(122 * SECOND).len(), 5, "twenty of twenty-five were sent");
    bench.end_all(122 * SECOND, Ended::Answered);
    assert_eq!(bench.start(3_599 * SECOND), NOTHING);
    assert_eq!(bench.start(3_600 * SECOND + 1).len(), 10);
}

#[test]
fn a_key_that_is_new_waits_for_what_the_ledger_knows_even_if_its_first_job_comes_meanwhile() {
    let mut bench = bench(&[("we1", "corp", "10/min")]);
    assert!(bench.replan(&[("we1", "corp", "10/min"), ("we2", "other", "10/min")], 0));
    bench.add_meetings("we2", 20);
    bench.add_meetings("we1", 20);
    let started = bench.start(SECOND);
    assert_eq!(started.len(), 0, "the app's key of the first corp's has no lane yet, and is new as well");
    let lane = LaneKey { app: "we2".to_owned(), tenant: String::new(), method: MEETING.to_owned() };
    (0..4).for_each(|_| bench.schedule.recall(&lane, Mono(-SECOND), Mono(-SECOND)));
    bench.schedule.recalled(Mono(2 * SECOND));
    let started = bench.start(2 * SECOND);
    assert_eq!(started.iter().filter(|seq| **seq <= 20).count(), 6);
    assert_eq!(started.len(), 16);
}

#[test]
fn jobs_of_a_removed_app_wait_and_come_back_with_it() {
    let both = [("we1", "corp", "10/min"), ("we2", "other", "10/min")];
    let mut bench = bench(&both);
    bench.add_meetings("we1", 15);
    assert_eq!(bench.start(0).len(), 10);
    bench.replan(&both[1..], SECOND);
    bench.end_all(SECOND, Ended::Answered);
    assert!(bench.schedule.is_idle() && bench.schedule.unfinished() == 0, "it keeps nobody busy");
    let stranded: Vec<usize> = bench.schedule.stranded().into_values().collect();
    assert_eq!(stranded, [5]);
    bench.add_meetings("we1", 1);
    assert_eq!(bench.start(100 * SECOND), NOTHING);
    bench.replan(&both, 200 * SECOND);
    bench.schedule.recalled(Mono(200 * SECOND));
    assert_eq!(bench.start(200 * SECOND).len(), 6);
    assert!(bench.schedule.stranded().is_empty());
}

#[test]
fn jobs_of_an_app_that_was_never_there_are_taken_up_when_it_is() {
    let mut bench = bench(&[("we1", "corp", "10/min")]);
    let waiting = Waiting {
        seq: JobSeq(7),
        lane: LaneKey { app: "we2".to_owned(), tenant: String::new(), method: MEETING.to_owned() },
        batch: "".into(),
        priority: 4,
        not_before: None,
        not_after: None,
        attempts: 0,
        uncertain: false,
    };
    assert_eq!(bench.schedule.add(waiting.clone()), Err(waiting.lane));
    assert_eq!((bench.start(0).len(), bench.schedule.stranded().len()), (0, 1));
    bench.replan(&[("we1", "corp", "10/min"), ("we2", "other", "10/min")], SECOND);
    bench.schedule.recalled(Mono(SECOND));
    assert_eq!(bench.start(SECOND), [7]);
}

#[test]
fn whoever_waits_for_a_permit_of_a_removed_app_is_told() {
    let mut bench = bench(&[("we1", "corp", "10/min"), ("we2", "other", "10/min")]);
    bench.add_meetings("we1", 10);
    assert_eq!(bench.start(0).len(), 10);
    let lane = LaneKey { app: "we1".to_owned(), tenant: String::new(), method: MEETING.to_owned() };
    let (grant, mut granted) = oneshot::channel();
    bench.schedule.ask(&lane, grant);
    assert_eq!(bench.start(SECOND), NOTHING);
    bench.replan(&[("we2", "other", "10/min")], SECOND);
    assert!(matches!(granted.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    assert!(bench.schedule.plan(&lane).is_none());
    let (grant, mut granted) = oneshot::channel();
    bench.schedule.ask(&lane, grant);
    assert!(matches!(granted.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
}

#[test]
fn lanes_that_leave_a_key_do_not_keep_others_in_its_line() {
    let mut bench = bench(&[("we1", "corp", "10/min"), ("we2", "corp", "10/min")]);
    bench.add_meetings("we1", 30);
    assert_eq!(bench.start(0).len(), 10);
    bench.add_meetings("we2", 10);
    assert_eq!(bench.start(SECOND), NOTHING, "both stand in line");
    bench.replan(&[("we1", "away", "10/min"), ("we2", "corp", "10/min")], SECOND);
    bench.schedule.recalled(Mono(SECOND));
    assert_eq!(bench.start(SECOND).len(), 10, "the one that left");
    bench.end_all(2 * SECOND, Ended::Answered);
    let next = bench.start(62 * SECOND + 1);
    assert_eq!((next.iter().filter(|seq| **seq > 30).count(), next.len()), (10, 20), "the one that stayed, too");
}

#[test]
fn limits_on_calls_in_flight_change_at_once() {
    let mut bench = bench(&[("we1", "corp", "100/min")]);
    bench.add_meetings("we1", 100);
    let narrow = Limits { concurrency_max: 4, lane_concurrency_max: 4, reserve: Reserve::NONE, stop_after: 0 };
    let same = planner(&[("we1", "corp", "100/min")]);
    let difference = difference(&bench.schedule.planner(), &same);
    assert!(difference.revision.is_empty() && difference.reach.is_none());
    let same = Arc::new(same);
    bench.schedule.replan(Arc::clone(&same), &difference, narrow, Mono(0));
    assert_eq!(bench.start(0).len(), 4);
    let wider = Limits { concurrency_max: 30, lane_concurrency_max: 20, reserve: Reserve::NONE, stop_after: 0 };
    bench.schedule.replan(same, &difference, wider, Mono(SECOND));
    assert_eq!(bench.start(SECOND).len(), 16);
}

#[test]
fn what_is_kept_for_a_lane_s_jobs_goes_with_it() {
    let reserved = Limits { reserve: Reserve::NONE.keep(8, 0.5), ..WIDE };
    let both = [("we1", "corp", "10/min"), ("we2", "corp", "10/min")];
    let schedule = Schedule::new(Arc::new(planner(&both)), reserved);
    let mut bench = Bench { schedule, seq: 0, flying: Vec::new() };
    let later = WALL + Duration::from_secs(3_600);
    bench.add("we1", MEETING, |job| job.priority = 9);
    bench.add_meetings("we2", 40);
    assert_eq!(bench.start(0).len(), 6, "one, and the half of the others");
    bench.end_all(0, Ended::Answered);
    let change = |bench: &mut Bench, apps: &[(&str, &str, &str)], at: i64| {
        let next = planner(apps);
        let difference = difference(&bench.schedule.planner(), &next);
        bench.schedule.replan(Arc::new(next), &difference, reserved, Mono(at));
        bench.schedule.recalled(Mono(at));
    };
    // Its next job waits for its time, so that nothing is kept for it until then.
    bench.add("we1", MEETING, |job| (job.priority, job.not_before) = (9, Some(later)));
    bench.add("we1", MEETING, |job| job.priority = 9);
    assert_eq!(bench.start(SECOND).len(), 1);
    for second in 2..5 {
        bench.add("we1", MEETING, |job| job.priority = 9);
        change(&mut bench, &[both[1], ("we1", "away", "10/min")], second * SECOND);
        bench.start(second * SECOND);
        change(&mut bench, &both[1..], second * SECOND);
        bench.add("we1", MEETING, |job| job.priority = 9);
        change(&mut bench, &both, second * SECOND);
        bench.start(second * SECOND);
    }
    change(&mut bench, &both[1..], 5 * SECOND);
    bench.end_all(6 * SECOND, Ended::Answered);
    assert_eq!(bench.start(200 * SECOND).len(), 10, "nothing is kept for an app that is gone");
}
