//! Who goes first inside a lane, and that no lane waits for another.

use super::*;

const MINUTE: i64 = 60 * SECOND;

fn of_batch(name: &'static str) -> impl Fn(&mut Waiting) {
    move |job| job.batch = name.into()
}

#[test]
fn fifty_after_fifty_thousand_are_done_in_minutes() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    for _ in 0..50_000 {
        bench.add("acme", ROOM, of_batch("big"));
    }
    let sent = bench.start(0).len();
    assert_eq!(sent, 20);
    bench.end_all(0, Ended::Answered);
    let small: Vec<i64> = (0..50).map(|_| bench.add("acme", ROOM, of_batch("small"))).collect();
    let (mut of_small, mut of_big, mut minute) = (0, 0, 0);
    while of_small < 50 {
        minute += 1;
        let started = bench.start(minute * MINUTE + minute);
        assert_eq!(started.len(), 20);
        of_small += started.iter().filter(|seq| small.contains(seq)).count();
        of_big += started.iter().filter(|seq| !small.contains(seq)).count();
        bench.end_all(minute * MINUTE + minute, Ended::Answered);
    }
    assert_eq!((of_big, minute), (50, 5), "two batches share twenty a minute");
}

#[test]
fn a_refused_job_of_a_batch_goes_first_at_the_next_turn_of_its_batch() {
    let mut bench = Bench::new(&[("acme", "1")], limits(1, 1));
    for batch in ["a", "a", "a", "b", "b"] {
        bench.add("acme", CALENDAR, of_batch(batch));
    }
    assert_eq!(bench.start(0), [1]);
    let start = bench.flying.pop().unwrap();
    let why = Failure::default();
    let refused = Ended::Refused(ThrottleScope::Concurrency, Refusal { reset: None, blocks: &[] }, &why);
    bench.schedule.end_call(start.ticket, refused, Mono(0));
    bench.schedule.end_job(start.ticket);
    bench.schedule.put_back(&start.lane, start.job, Some(WALL + Duration::from_secs(1)));
    let mut order = Vec::new();
    for second in 1..6 {
        order.extend(bench.start(second * SECOND));
        bench.end_all(second * SECOND, Ended::Answered);
    }
    assert_eq!(order, [4, 1, 5, 2, 3]);
}

#[test]
fn deadlines_pass_in_the_middle_of_a_backlog_that_waits_for_its_quota() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    let at = |second: i64| Some(WALL + Duration::from_secs(second as u64));
    for _ in 0..100 {
        bench.add("acme", ROOM, of_batch("a"));
        bench.add("acme", ROOM, of_batch("b"));
    }
    assert_eq!(bench.start(0).len(), 20);
    let doomed = bench.add("acme", ROOM, |job| job.not_after = at(30));
    let low = bench.add("acme", ROOM, |job| (job.priority, job.not_after) = (0, at(31)));
    let not_yet = bench.add("acme", ROOM, |job| (job.not_before, job.not_after) = (at(50), at(32)));
    let free = bench.schedule.table.free(bench.schedule.lanes[0].keys[0], Class::LOWEST, Mono(SECOND));
    assert_eq!((bench.start(SECOND), free), (vec![], 0));
    for (second, job) in [(30, doomed), (31, low), (32, not_yet)] {
        let before = second * SECOND - 1;
        let Next::Sleep(alarm) = bench.schedule.next(Mono(before), WALL + Duration::from_micros(before as u64)) else {
            panic!("nothing can be done before second {second}")
        };
        assert_eq!(alarm, Some(Mono(second * SECOND)), "the lane is called when the deadline passes");
        assert_eq!(bench.start(second * SECOND), [-job]);
    }
    bench.end_all(40 * SECOND, Ended::Answered);
    assert_eq!(bench.start(100 * SECOND + 1).len(), 20, "they cost no permit");
}

#[test]
fn a_suspended_lane_lets_deadlines_pass_and_says_so_when_it_goes_on() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    let job = bench.add("acme", ROOM, |job| job.not_after = Some(WALL + Duration::from_secs(5)));
    bench.schedule.set_suspensions(vec![suspension("acme")]);
    assert_eq!(bench.start(9 * SECOND), NOTHING);
    bench.schedule.set_suspensions(Vec::new());
    assert_eq!(bench.start(10 * SECOND), [-job]);
}

#[test]
fn a_deadline_passes_while_the_worker_s_own_call_waits() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    let lane = LaneKey { app: "acme".to_owned(), tenant: String::new(), method: ROOM.to_owned() };
    (0..20).for_each(|_| bench.schedule.restore(&lane, Mono(0)));
    let (grant, _granted) = oneshot::channel();
    bench.schedule.ask(&lane, grant);
    let job = bench.add("acme", ROOM, |job| job.not_after = Some(WALL + Duration::from_secs(5)));
    assert_eq!(bench.start(SECOND), NOTHING);
    assert_eq!(bench.start(5 * SECOND), [-job]);
}

/// A calendar job added now is the very next start.
fn assert_next_is_the_calendar(bench: &mut Bench, now: i64) {
    let calendar = bench.add("acme", CALENDAR, |_| {});
    for _ in 0..10_000 {
        match bench.schedule.next(Mono(now), WALL + Duration::from_micros(now as u64)) {
            Next::Start(start) => {
                assert_eq!(start.job.seq.0, calendar);
                return bench.flying.push(start);
            }
            Next::Expired(lane, _) => bench.schedule.expired(&lane),
            Next::Granted | Next::Verify(..) => {}
            Next::Sleep(at) => panic!("nothing to do until {at:?}"),
        }
    }
    panic!("it never started");
}

#[test]
fn five_thousand_rooms_delay_no_calendar() {
    let mut bench = Bench::new(&[("acme", "1")], WIDE);
    for n in 0..5_000 {
        bench.add("acme", ROOM, |job| {
            job.not_after = Some(WALL + Duration::from_secs(if n < 2_000 { 90 } else { 9_000 }));
        });
    }
    // Between two of its calls, with the next one due.
    let Next::Start(room) = bench.schedule.next(Mono(0), WALL) else { panic!("a room can start") };
    bench.flying.push(room);
    assert_next_is_the_calendar(&mut bench, 25_000);
    // With its window used up, as its replies come, and as its window opens.
    bench.start(SECOND);
    assert_next_is_the_calendar(&mut bench, 2 * SECOND);
    bench.end_all(3 * SECOND, Ended::Answered);
    assert_next_is_the_calendar(&mut bench, 3 * SECOND);
    assert_next_is_the_calendar(&mut bench, 63 * SECOND + 1);
    // Refused, and while two thousand deadlines pass.
    bench.start(64 * SECOND);
    let why = Failure::default();
    let refused =
        Ended::Refused(ThrottleScope::Method, Refusal { reset: Some(Duration::from_secs(600)), blocks: &[] }, &why);
    bench.flying.retain(|start| start.lane.method == ROOM);
    bench.end_all(65 * SECOND, refused);
    assert_next_is_the_calendar(&mut bench, 65 * SECOND);
    assert_next_is_the_calendar(&mut bench, 91 * SECOND);
}

/// What makes jobs of a kind out of ordinary ones.
type Change<'a> = &'a dyn Fn(&mut Waiting);

/// What a job costs that waits: `cargo test --lib memory_of -- --ignored --nocapture --test-threads 1`.
#[test]
#[ignore = "takes the process's own memory for the measure: run it alone, by its name"]
fn memory_of_a_waiting_job() {
    const JOBS: i64 = 1_000_000;
    let later = |second: i64| Some(WALL + Duration::from_secs(1_000 + second as u64));
    let kinds: [(&str, Change<'_>, i64); 5] = [
        ("one batch", &|job| job.batch = "a".into(), 200),
        ("one batch, deadlines", &|job| job.not_after = later(job.seq.0 * 7_919 % JOBS), 200),
        ("one batch, not before a time", &|job| job.not_before = later(job.seq.0), 200),
        ("ten batches in turn", &|job| job.batch = (job.seq.0 % 10).to_string().into(), 200),
        (
            "a batch each, deadlines",
            &|job| {
                (job.batch, job.not_after) = (format!("batch-{}", job.seq.0).into(), later(job.seq.0));
            },
            400,
        ),
    ];
    for (kind, change, most) in kinds {
        let mut bench = Bench::new(&[("acme", "1")], WIDE);
        let before = resident();
        for _ in 0..JOBS {
            bench.add("acme", ROOM, change);
        }
        let bytes = (resident() - before) / JOBS;
        println!("{kind}: {bytes} bytes a job");
        assert!((40..=most).contains(&bytes), "{kind}: {bytes}");
    }
}

/// Bytes of this process in memory.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<i64>().unwrap() * 1_024
}
