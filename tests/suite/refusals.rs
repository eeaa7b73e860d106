//! Refusals over the whole engine in virtual time: what they hold back, for how long, over a restart, and who is to blame.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use paceline::domain::time::Timestamp;
use paceline::engine::ports::{Ledger, Restrained, Restraint, RestraintKind};
use paceline::engine::{Engine, Stop};
use paceline::store::SqlStore;
use serde_json::Value;

use crate::engine::{T0, World, calendar, meeting, room};
use crate::harness::slow::SlowLedger;

const CALM: &str = include_str!("../../config/scenarios/calm.toml");

/// What was logged on this thread since.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let sink = log.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || sink.clone()).finish();
        (log, tracing::subscriber::set_default(lines))
    }

    fn lines(&self, of: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(of)).map(str::to_owned).collect()
    }
}

/// A worker on the world's ledger, with these jobs taken over.
async fn start(world: &World, jobs: &[Value]) -> (Arc<SqlStore>, Arc<Engine>) {
    let ledger = world.ledger();
    let engine = world.engine(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
    engine.recover().await.unwrap();
    world.take_over(&*ledger, jobs).await;
    engine.load(None).await.unwrap();
    (ledger, engine)
}

/// Works for so many virtual seconds and says what holds calls back then, as the ledger has it; then stops the worker.
async fn work_for(world: &World, jobs: &[Value], seconds: u64) -> Vec<Restraint> {
    let (ledger, engine) = start(world, jobs).await;
    let stop = engine.run(false, tokio::time::sleep(Duration::from_secs(seconds))).await;
    assert_eq!(stop, Stop::Drained);
    let restraints = ledger.acquire_all().await.unwrap().restraints().await.unwrap();
    ledger.close().await;
    restraints
}

fn pauses(restraints: &[Restraint]) -> Vec<(u32, Timestamp)> {
    let pause = |restraint: &Restraint| match restraint.kind {
        RestraintKind::Pause { refusals } => Some((refusals, restraint.until.unwrap())),
        RestraintKind::Rate { .. } | RestraintKind::Concurrency { .. } | RestraintKind::Limit { .. } => None,
    };
    restraints.iter().filter_map(pause).collect()
}

#[tokio::test(start_paused = true)]
async fn another_program_is_named_once_given_way_to_and_forgotten() {
    let (log, _listening) = Log::listen();
    let other = "[[background]]\nmethod = 'feishu.vc.room.create'\ncalls_per_min = 10\nuntil_s = 900\n";
    let world = World::new(&format!("{CALM}\n{other}"));
    let jobs: Vec<Value> = (0..120).map(room).collect();
    let (ledger, engine) = start(&world, &jobs).await;
    engine.run(true, std::future::pending()).await;
    let took = world.clock.now().since(T0).as_secs_f64();
    let counts = ledger.counts(None).await.unwrap();
    assert_eq!((counts.succeeded, counts.dead), (120, 0), "{counts:?}");
    // Half of 20/min is left: 12 minutes less the first, at the least.
    assert!(took < 660.0 * 1.05, "{took} s");
    assert!(counts.throttled <= 10, "{} refusals", counts.throttled);

    let named = log.lines("another program seems to use feishu.vc.room.create of app acme");
    assert_eq!(named.len(), 1, "{named:?}");
    assert!(named[0].contains("of 20/min of our own") && named[0].contains("code=99991400"), "{}", named[0]);
    let restraints = ledger.acquire_all().await.unwrap().restraints().await.unwrap();
    let [
        Restraint {
            target: Restrained::Key(key), app, kind: RestraintKind::Limit { window, limit, .. }, cause, ..
        },
    ] = &restraints[..]
    else {
        panic!("{restraints:?}")
    };
    assert_eq!(
        (app.as_str(), key.method.as_str(), window.to_string().as_str()),
        ("acme", "feishu.vc.room.create", "20/min")
    );
    assert!((8..=12).contains(limit), "{limit}");
    assert_eq!(cause.code, Some(99_991_400));
    assert!(cause.log_id.is_some() && cause.cure.is_some(), "{cause:?}");
    ledger.close().await;

    // The other one has stopped after 15 minutes: within 12 clean minutes nothing is left of it.
    let after = work_for(&world, &[], 300 + 12 * 60).await;
    assert_eq!(after, []);
    let jobs: Vec<Value> = (200..240).map(room).collect();
    let (took, counts) = world.work(&jobs).await;
    assert_eq!(counts.succeeded, 160);
    assert!(took < 62.0, "full pace again: {took} s");
}

#[tokio::test(start_paused = true)]
async fn a_lone_refusal_and_a_rare_one_cost_little_and_accuse_nobody() {
    let (log, _listening) = Log::listen();
    for (fault, most_s) in [("first = 1", 545.0), ("every = 50", 550.0)] {
        let fault = format!("[[faults]]\nmethod = 'feishu.vc.*'\nkind = 'throttle'\n{fault}\n");
        let world = World::new(&format!("{CALM}\n{fault}"));
        let jobs: Vec<Value> = (0..190).map(room).collect();
        let (took, counts) = world.work(&jobs).await;
        assert_eq!(counts.succeeded, 190);
        assert!(took <= most_s, "{fault}: {took} s");
        if counts.throttled == 1 {
            assert_eq!(log.lines("another program"), [""; 0]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wecom_s_blocks_grow_from_a_minute_to_the_day_over_restarts() {
    let fault = "[[faults]]\nmethod = 'wecom.meeting.create'\nkind = 'code'\ncode = 45009\nfirst = 3\n";
    let world = World::at(&format!("{CALM}\n{fault}"), Timestamp::parse("2027-01-15T21:30:00+08:00").unwrap());
    let jobs: Vec<Value> = (0..3).map(meeting).collect();
    let began = world.clock.now();
    let first = pauses(&work_for(&world, &jobs[..1], 5).await);
    let [(1, until)] = first[..] else { panic!("{first:?}") };
    assert!(until.since(began) < Duration::from_secs(62), "a minute");

    // The next process waits for the rest of that minute, and its probe is refused: an hour.
    let second = pauses(&work_for(&world, &jobs[1..], 90).await);
    let [(2, until)] = second[..] else { panic!("{second:?}") };
    let hour = until.since(began);
    assert!((3_660..3_670).contains(&hour.as_secs()), "{hour:?}");
    assert_eq!(world.stats().codes[&45_009], 2, "one probe and nothing else");

    let third = pauses(&work_for(&world, &[], 3_700).await);
    let [(3, until)] = third[..] else { panic!("{third:?}") };
    let midnight = began.next_day() + Duration::from_secs(60);
    assert!(until.since(midnight) < Duration::from_secs(1), "{until} is the end of the day, {midnight}");

    let (took, counts) = world.work(&[]).await;
    assert_eq!((counts.succeeded, counts.dead, counts.throttled), (3, 0, 3), "{counts:?}");
    assert!(world.clock.now() > midnight, "{took} s");
    let ledger = world.ledger();
    assert_eq!(
        ledger.acquire_all().await.unwrap().restraints().await.unwrap(),
        [],
        "the probe that came through cleared it"
    );
    let attempts = ledger.acquire_all().await.unwrap().past_calls(began).await.unwrap();
    let created = attempts.iter().filter(|call| call.lane.method == "wecom.meeting.create").count();
    assert_eq!(created, 6, "three refused, three that came through");
    ledger.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_app_pauses_slows_down_and_is_let_go_over_a_restart() {
    let fault =
        "[[faults]]\nmethod = 'feishu.calendar.create'\nkind = 'code'\ncode = 190005\nfrom_s = 1\nuntil_s = 1.2\n";
    let world = World::new(&format!("{CALM}\n{fault}"));
    let jobs: Vec<Value> = (0..600).map(calendar).collect();
    let held = work_for(&world, &jobs, 4).await;
    let rate = held.iter().find_map(|restraint| match restraint.kind {
        RestraintKind::Rate { per_s, refused_at } => Some((per_s, refused_at)),
        RestraintKind::Pause { .. } | RestraintKind::Concurrency { .. } | RestraintKind::Limit { .. } => None,
    });
    let (per_s, refused_at) = rate.expect("slowed");
    assert!(per_s < refused_at && (30.0..=60.0).contains(&refused_at), "{held:?}");
    assert!(held.iter().all(|restraint| restraint.target == Restrained::App && restraint.cause.code == Some(190_005)));
    let (_, counts) = world.work(&[]).await;
    assert_eq!((counts.succeeded, counts.dead), (600, 0), "{counts:?}");
    let ledger = world.ledger();
    assert_eq!(ledger.acquire_all().await.unwrap().restraints().await.unwrap(), []);
    ledger.close().await;
}

#[tokio::test(start_paused = true)]
async fn contention_halves_concurrency_until_it_is_regained() {
    let fault =
        "[[faults]]\nmethod = 'feishu.calendar.create'\nkind = 'code'\ncode = 190010\nfrom_s = 1\nuntil_s = 2\n";
    let slow = CALM.replace("from_ms = 10, to_ms = 30", "from_ms = 100, to_ms = 300");
    let world = World::new(&format!("{slow}\n{fault}"));
    let jobs: Vec<Value> = (0..800).map(calendar).collect();
    let held = work_for(&world, &jobs, 2).await;
    let [Restraint { target: Restrained::Lane(lane), kind: RestraintKind::Concurrency { limit, max }, cause, .. }] =
        &held[..]
    else {
        panic!("{held:?}")
    };
    assert_eq!((lane.method.as_str(), cause.code), ("feishu.calendar.create", Some(190_010)));
    assert!(limit < max && *limit >= 1, "{held:?}");
    let (_, counts) = world.work(&[]).await;
    assert_eq!((counts.succeeded, counts.dead), (800, 0), "{counts:?}");
}

/// Works rooms with a ledger that is slow to commit all attempts but the first two (the token's and one job's).
async fn slow_work(fault: &str, rooms: usize) -> (World, paceline::engine::ports::Counts, usize, Arc<Engine>) {
    let world = World::new(&format!("{CALM}\n{fault}"));
    let jobs: Vec<Value> = (0..rooms).map(room).collect();
    let inner = world.ledger();
    let ledger = SlowLedger { inner: inner.clone(), quick: 2, delay: Duration::from_secs(2) };
    let engine = world.engine(Arc::new(ledger)).await;
    engine.recover().await.unwrap();
    world.take_over(&*inner, &jobs).await;
    engine.load(None).await.unwrap();
    engine.run(true, std::future::pending()).await;
    let counts = inner.counts(None).await.unwrap();
    let sent = inner.acquire_all().await.unwrap().past_calls(Timestamp(0)).await.unwrap();
    let sent = sent.iter().filter(|call| call.lane.method == "feishu.vc.room.create").count();
    assert_eq!(
        inner.acquire_all().await.unwrap().recover(world.clock.now()).await.unwrap(),
        0,
        "no attempt was left open"
    );
    inner.close().await;
    (world, counts, sent, engine)
}

#[tokio::test(start_paused = true)]
async fn what_is_granted_but_not_sent_when_a_pause_begins_stays_behind() {
    for code in [99_991_400, 190_005] {
        let fault = format!("[[faults]]\nmethod = 'feishu.vc.*'\nkind = 'code'\ncode = {code}\nfirst = 1\n");
        let (world, counts, sent, _) = slow_work(&fault, 10).await;
        assert_eq!((counts.succeeded, counts.throttled), (10, 1), "{counts:?}");
        // Had the other nine been sent into the pause, they would have succeeded before the probe.
        assert_eq!((world.stats().methods["feishu.vc.room.create"].arrivals, sent), (11, 11));
        let took = world.clock.now().since(T0);
        assert!(took > Duration::from_secs(5), "the probe first, then the others: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_granted_but_not_sent_when_an_app_is_suspended_stays_behind() {
    let fault = "[[faults]]\nmethod = 'feishu.vc.*'\nkind = 'code'\ncode = 99991403\n";
    let (world, counts, sent, engine) = slow_work(fault, 10).await;
    assert_eq!((counts.queued, counts.dead), (10, 0), "{counts:?}");
    assert_eq!((world.stats().methods["feishu.vc.room.create"].arrivals, sent), (1, 1));
    let view = engine.view();
    let until = view.suspensions[0].until.unwrap();
    assert_eq!(until, world.clock.now().next_month(), "to the first of the month");
}

#[tokio::test(start_paused = true)]
async fn a_month_s_end_lets_the_app_go_while_the_worker_runs() {
    let fault = "[[faults]]\nmethod = 'feishu.vc.*'\nkind = 'code'\ncode = 99991403\nfirst = 1\n";
    let month = Timestamp::parse("2027-02-01T00:00:00+08:00").unwrap();
    let world = World::at(&format!("{CALM}\n{fault}"), month - Duration::from_secs(100));
    let jobs: Vec<Value> = (0..3).map(room).collect();
    let (ledger, engine) = start(&world, &jobs).await;
    engine.run(false, tokio::time::sleep(Duration::from_secs(95))).await;
    assert_eq!(ledger.counts(None).await.unwrap().queued, 1, "the others were in flight");
    assert_eq!(ledger.suspensions().await.unwrap().len(), 1);
    ledger.close().await;
    let (ledger, engine) = start(&world, &[]).await;
    engine.run(false, tokio::time::sleep(Duration::from_secs(20))).await;
    assert_eq!(ledger.counts(None).await.unwrap().succeeded, 3);
    assert_eq!(ledger.suspensions().await.unwrap(), []);
    ledger.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_s_resume_ends_a_pause_beside_the_running_worker() {
    let fault = "[[faults]]\nmethod = 'wecom.meeting.create'\nkind = 'code'\ncode = 45009\nfirst = 2\n";
    let world = World::new(&format!("{CALM}\n{fault}"));
    let (ledger, engine) = start(&world, &[meeting(1)]).await;
    let working = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { engine.run(true, std::future::pending()).await }
    });
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(pauses(&ledger.acquire_all().await.unwrap().restraints().await.unwrap()).len(), 1, "an hour's pause");
    ledger.acquire_all().await.unwrap().set_restraints(Vec::new()).await.unwrap();
    let before = world.clock.now();
    working.await.unwrap();
    assert!(world.clock.now().since(before) < Duration::from_secs(2));
    assert_eq!(ledger.counts(None).await.unwrap().succeeded, 1);
    ledger.close().await;
}
