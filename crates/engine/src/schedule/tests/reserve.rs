//! Shares of every window that are kept for high priorities.

use super::*;

const MINUTE: i64 = 60 * SECOND;

/// A fifth for priority 8 and above.
const FIFTH: Reserve = Reserve::NONE.keep(8, 0.2);

fn high(job: &mut Waiting) {
    job.priority = 8;
}

fn kept(reserve: Reserve) -> Limits {
    Limits { reserve, ..WIDE }
}

/// The class in which each lane waits for its first key.
fn first_classes(schedule: &Schedule) -> Vec<Class> {
    schedule.lanes.ids().filter_map(|id| schedule.queues.classes(id).next()).collect()
}

fn add_many(bench: &mut Bench, jobs: usize, app: &str, method: &str) {
    for _ in 0..jobs {
        bench.add(app, method, |_| {});
    }
}

/// Starts what can start, answers it at once; how many of the started were of each side.
fn second(bench: &mut Bench, now: i64, highs: &[i64]) -> (usize, usize) {
    let started = bench.start(now);
    bench.end_all(now, Ended::Answered);
    let of_high = started.iter().filter(|seq| highs.contains(seq)).count();
    (of_high, started.len() - of_high)
}

#[test]
fn high_jobs_wait_for_nobody_once_they_come_regularly() {
    let mut bench = Bench::new(&[("acme", "1")], kept(FIFTH));
    for _ in 0..5_000 {
        bench.add("acme", ROOM, |_| {});
    }
    assert_eq!(second(&mut bench, 0, &[]), (0, 20), "as long as no such job comes, all is for everyone");
    let mut highs = vec![bench.add("acme", ROOM, high)];
    assert_eq!(second(&mut bench, 30 * SECOND, &highs), (0, 0));
    assert_eq!(
        second(&mut bench, MINUTE + 1, &highs),
        (1, 16),
        "it waited for the window, and low keeps off the fifth"
    );
    for minute in 1..30 {
        // Four in every minute, at any time: each leaves at once, however many others wait.
        for at in [5, 17, 31, 58].into_iter().take(if minute == 1 { 3 } else { 4 }) {
            highs.push(bench.add("acme", ROOM, high));
            let (of_high, _) = second(&mut bench, minute * MINUTE + at * SECOND, &highs);
            assert_eq!(of_high, 1, "minute {minute}, second {at}");
        }
    }
    // A minute after the last of them the whole window is everyone's again.
    second(&mut bench, 35 * MINUTE, &highs);
    assert_eq!(second(&mut bench, 36 * MINUTE + 1, &highs), (0, 20));
}

#[test]
fn high_jobs_may_use_the_whole_window_and_low_ones_the_rest() {
    let mut bench = Bench::new(&[("acme", "1")], kept(FIFTH));
    let highs: Vec<i64> = (0..30).map(|_| bench.add("acme", ROOM, high)).collect();
    for _ in 0..30 {
        bench.add("acme", ROOM, |_| {});
    }
    assert_eq!(second(&mut bench, 0, &highs), (20, 0));
    assert_eq!(second(&mut bench, MINUTE + 1, &highs), (10, 10));
    for _ in 0..30 {
        bench.add("acme", ROOM, |_| {});
    }
    assert_eq!(second(&mut bench, 3 * MINUTE, &highs), (0, 20), "and all of it one window after the last of them");
}

#[test]
fn two_apps_of_one_corp_share_the_corp_s_reserve() {
    let apps = [("we1", "corp"), ("we2", "corp"), ("we3", "other")];
    let mut bench = Bench::new(&apps, kept(FIFTH));
    for app in ["we1", "we3"] {
        add_many(&mut bench, 40, app, MEETING);
    }
    let first = bench.add("we2", MEETING, high);
    let started = bench.start(0);
    assert!(started.contains(&first));
    let of = |from, to| started.iter().filter(|seq| (from..=to).contains(*seq)).count();
    assert_eq!((of(1, 40), of(41, 80)), (8, 10), "we1 leaves two of ten to we2; we3 is another corp");
    bench.end_all(0, Ended::Answered);
    let second = bench.add("we2", MEETING, high);
    assert_eq!(bench.start(SECOND), [second]);
}

#[test]
fn what_is_kept_for_a_suspended_app_is_given_up() {
    let mut bench = Bench::new(&[("we1", "corp"), ("we2", "corp")], kept(FIFTH));
    add_many(&mut bench, 40, "we1", MEETING);
    bench.schedule.set_suspensions(vec![suspension("we2")]);
    bench.add("we2", MEETING, high);
    assert_eq!(bench.start(0).len(), 10);
    bench.end_all(0, Ended::Answered);
    bench.schedule.set_suspensions(Vec::new());
    assert_eq!(bench.start(SECOND), NOTHING);
    bench.schedule.set_suspensions(vec![suspension("we2")]);
    assert_eq!(bench.start(2 * SECOND), NOTHING);
    assert_eq!(bench.start(MINUTE + 1).len(), 8, "it waited less than a window ago");
    bench.end_all(MINUTE + 1, Ended::Answered);
    assert_eq!(bench.start(MINUTE + 2 * SECOND).len(), 2);
}

#[test]
fn the_worker_s_own_calls_are_held_back_by_no_reserve() {
    let mut bench = Bench::new(&[("we1", "corp"), ("we2", "corp")], kept(FIFTH));
    add_many(&mut bench, 40, "we1", MEETING);
    bench.add("we2", MEETING, high);
    let of_high = bench.start(0).iter().filter(|seq| **seq == 41).count();
    assert_eq!((of_high, bench.flying.len()), (1, 9));
    let lane = LaneKey { app: "we1".to_owned(), tenant: String::new(), method: MEETING.to_owned() };
    let (grant, mut granted) = oneshot::channel();
    bench.schedule.ask(&lane, grant);
    assert_eq!(bench.start(SECOND), NOTHING);
    assert!(granted.try_recv().is_ok());
}

#[test]
fn a_lane_that_gets_a_high_job_moves_up_in_the_line_and_back() {
    let mut bench = Bench::new(&[("we1", "corp"), ("we2", "corp"), ("we3", "corp")], kept(FIFTH));
    for app in ["we1", "we2", "we3"] {
        add_many(&mut bench, 20, app, MEETING);
    }
    assert_eq!(bench.start(0).len(), 10);
    bench.end_all(0, Ended::Answered);
    assert_eq!(bench.start(SECOND), NOTHING, "all three stand in the corp's line");
    let urgent = bench.add("we3", MEETING, high);
    let in_vain = bench.add("we2", MEETING, |job| {
        high(job);
        job.not_after = Some(WALL + Duration::from_secs(30));
    });
    assert_eq!(bench.start(2 * SECOND), NOTHING);
    let classes: Vec<Class> = first_classes(&bench.schedule);
    assert_eq!(classes, [Class::LOWEST, FIFTH.class_of(8), FIFTH.class_of(8)]);
    assert_eq!(bench.start(30 * SECOND), [-in_vain]);
    let classes: Vec<Class> = first_classes(&bench.schedule);
    assert_eq!(classes, [Class::LOWEST, Class::LOWEST, FIFTH.class_of(8)]);
    let started = bench.start(MINUTE + 1);
    assert_eq!((started[0], started.len()), (urgent, 9), "eight for everyone, and it");
}

#[test]
fn permits_of_an_earlier_process_count_as_low() {
    let mut bench = Bench::new(&[("acme", "1")], kept(FIFTH));
    let lane = LaneKey { app: "acme".to_owned(), tenant: String::new(), method: ROOM.to_owned() };
    (0..16).for_each(|_| bench.schedule.restore(&lane, Mono(0)));
    add_many(&mut bench, 20, "acme", ROOM);
    let highs: Vec<i64> = (0..4).map(|_| bench.add("acme", ROOM, high)).collect();
    assert_eq!(bench.start(SECOND), highs);
}

/// Ten thousand lanes of one corp, every tenth of them with a job of priority 8, behind a window that is used up.
#[test]
fn ten_thousand_lanes_of_mixed_classes_that_wait_cost_nothing() {
    let mut bench = Bench::new(&[("we1", "corp")], kept(FIFTH));
    for tenant in 0..10_000 {
        bench.add("we1", MEETING, |job| {
            job.lane.tenant = format!("tenant-{tenant}");
            job.priority = if tenant % 10 == 9 { 8 } else { 4 };
        });
    }
    // The first lane that is looked at is low; then the pace makes all of them stand in line, the high ones first.
    let started = bench.start(0);
    let of_high = started.iter().filter(|seq| **seq % 10 == 0).count();
    assert_eq!((started.len(), of_high), (10, 9), "{started:?}");
    let turns = bench.schedule.turns;
    assert!(turns <= 10_060, "each is looked at once, and a few when their turn comes: {turns}");
    bench.end_all(SECOND, Ended::Answered);
    let before = bench.schedule.turns;
    for second in 2..60 {
        assert_eq!(bench.start(second * SECOND), NOTHING);
    }
    let waiting = bench.schedule.turns - before;
    let started = bench.start(61 * SECOND + 1);
    let called = bench.schedule.turns - before - waiting;
    assert_eq!((started.len(), started.iter().filter(|seq| **seq % 10 == 0).count()), (10, 10), "the high ones first");
    assert!(waiting <= 30 && called <= 60, "{waiting} turns while all waited, {called} for ten permits");
}

/// Low lanes whose permits are kept for one that waits for something else are not asked again and again.
#[test]
fn lanes_that_a_reserve_holds_back_cost_nothing() {
    let mut bench = Bench::new(&[("we1", "corp"), ("we2", "corp")], kept(FIFTH));
    ten_thousand_lanes(&mut bench, "we1", MEETING);
    let far = Mono(3_600 * SECOND);
    bench.schedule.pause_app("we2", Mono(0), far, &Failure::default());
    bench.add("we2", MEETING, high);
    assert_eq!(bench.start(0).len(), 8);
    bench.end_all(SECOND, Ended::Answered);
    let before = bench.schedule.turns;
    for second in 2..61 {
        assert_eq!(bench.start(second * SECOND), NOTHING);
    }
    let waiting = bench.schedule.turns - before;
    assert!(waiting <= 30, "{waiting} turns while all waited");
    assert_eq!(bench.start(61 * SECOND + 1).len(), 8);
    let called = bench.schedule.turns - before - waiting;
    assert!(called <= 60, "{called} turns for eight permits");
}
