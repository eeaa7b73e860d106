//! Settings that change while the worker runs, in virtual time: no free burst, nothing lost, nothing sent twice.

use paceline::domain::messages::Cure;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use paceline::domain::catalog::built_in;
use paceline::domain::outcome::Reply;
use paceline::domain::time::Timestamp;
use paceline::engine::Stop;
use paceline::engine::ports::{Request, SuspendedBy, Suspension, Transport};
use paceline::simulator::InProcess;
use serde_json::Value;

use super::harness::virtual_time::{World, assert_kept, feishu, meeting, room, wecom};

const MEETING: &str = "wecom.meeting.create";
const ROOM: &str = "feishu.vc.room.create";

fn quota(text: &str) -> String {
    format!("[quotas]\n'feishu.vc.room.create' = '{text}'")
}

fn acme(quota: &str) -> String {
    feishu("acme", &format!("quotas.'feishu.vc.room.create' = '{quota}'"))
}

fn rooms(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(|n| room("acme", "", n))
}

#[tokio::test(start_paused = true)]
async fn a_raised_quota_speeds_up_at_once_without_a_burst() {
    let world = World::new(built_in().unwrap(), &quota("20/min"));
    let worker = world.start(&acme("20/min")).await;
    worker.take(rooms(300)).await;
    let running = worker.run();
    worker.until(90.0).await;
    world.change(&quota("100/min"));
    let revision = worker.reload(&acme("100/min")).await;
    let sentences: Vec<String> = revision.quotas.iter().map(ToString::to_string).collect();
    assert_eq!(sentences, ["feishu.vc.room.create of acme: 20/min → 100/min"]);
    assert_eq!(running.await.unwrap(), Stop::Idle);
    assert_eq!((worker.counts().await.succeeded, world.stats().refused), (300, 0));
    let calls = worker.calls(ROOM).await;
    assert_eq!(calls.iter().filter(|call| call.sent_s < 90.0).count(), 40);
    assert_eq!(
        calls.iter().filter(|call| call.sent_s < 95.0).count(),
        120,
        "eighty more at once: twenty are in the window"
    );
    assert_kept(&calls, 90.0, 100, 60.0);
    // 40 by 90 s, 80 more, 20 when those of 60 s are back, then 100, 60.
    assert!(calls[299].sent_s < 213.0, "{} s", calls[299].sent_s);
}

#[tokio::test(start_paused = true)]
async fn a_lowered_quota_slows_down_at_once() {
    let world = World::new(built_in().unwrap(), &quota("20/min"));
    let worker = world.start(&acme("20/min")).await;
    worker.take(rooms(55)).await;
    let running = worker.run();
    worker.until(61.0).await;
    world.change(&quota("5/min"));
    worker.reload(&acme("5/min")).await;
    assert_eq!(running.await.unwrap(), Stop::Idle);
    assert_eq!((worker.counts().await.succeeded, world.stats().refused), (55, 0));
    let calls = worker.calls(ROOM).await;
    let before = calls.iter().filter(|call| call.sent_s < 61.0).count();
    assert!((35..=40).contains(&before), "{before}");
    assert_kept(&calls, 61.0, 5, 60.0);
    let next = calls.iter().find(|call| call.sent_s > 61.0).unwrap();
    assert!((120.0..122.0).contains(&next.sent_s), "the next is free when 35 of 40 are back: {} s", next.sent_s);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_changes_are_no_burst_and_cost_nothing() {
    let world = World::new(built_in().unwrap(), "");
    let worker = world.start(&acme("20/min")).await;
    worker.take(rooms(100)).await;
    let running = worker.run();
    for n in 0..100_u32 {
        worker.until(f64::from(n) * 2.37).await;
        let quotas =
            ["20/min", "20/min, 19/30s", "20/min, 5000/h", "18/min, 20/3min", "20/min, 3/s", "20/min, 90/5min"];
        worker.reload(&acme(quotas[n as usize % quotas.len()])).await;
    }
    worker.reload(&acme("20/min")).await;
    assert_eq!(running.await.unwrap(), Stop::Idle);
    assert_eq!((worker.counts().await.succeeded, world.stats().refused), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn a_longer_window_counts_the_calls_that_the_shorter_one_forgot() {
    let world = World::new(built_in().unwrap(), &quota("10/min, 25/h"));
    // An earlier worker has sent three.
    let worker = world.start(&acme("10/min")).await;
    worker.take(rooms(3)).await;
    worker.finish().await;
    worker.close().await;
    let worker = world.start(&acme("10/min")).await;
    worker.until(100.0).await;
    worker.take((3..40).map(|n| room("acme", "", n))).await;
    let running = worker.run();
    worker.until(165.0).await;
    assert_eq!(worker.calls(ROOM).await.len(), 23);
    worker.reload(&acme("10/min, 25/h")).await;
    worker.until(3_500.0).await;
    assert_eq!(worker.calls(ROOM).await.len(), 25, "two were left of twenty-five");
    assert_eq!(running.await.unwrap(), Stop::Idle);
    assert_eq!((worker.counts().await.succeeded, world.stats().refused), (40, 0));
    assert_kept(&worker.calls(ROOM).await, 165.0, 25, 3_600.0);
}

#[tokio::test(start_paused = true)]
async fn jobs_of_a_removed_app_wait_and_come_back_with_it() {
    let world = World::new(built_in().unwrap(), "[quotas]\n'wecom.meeting.create' = '10/min'");
    let own = "quotas.'wecom.meeting.create' = '10/min'";
    let (campus, clinic) = (wecom("campus", "ww1", "S1", own), wecom("clinic", "ww2", "S2", own));
    let both = format!("{campus}{clinic}");
    let worker = world.start(&both).await;
    worker.take((0..30).flat_map(|n| [meeting("campus", n), meeting("clinic", n)])).await;
    let running = worker.run();
    worker.until(10.0).await;
    let revision = worker.reload(&clinic).await;
    assert_eq!((revision.removed, revision.added), (vec!["campus".to_owned()], vec![]));
    worker.take((30..35).map(|n| meeting("campus", n))).await;
    let stranded: Vec<_> = worker.engine.stranded().into_iter().map(|(lane, jobs)| (lane.to_string(), jobs)).collect();
    assert_eq!(stranded, [("campus/wecom.meeting.create".to_owned(), 25)]);
    assert_eq!(running.await.unwrap(), Stop::Idle, "the other app's are worked, and nobody waits for these");
    assert_eq!((worker.counts().await.succeeded, worker.counts().await.queued), (40, 25));

    let revision = worker.reload(&both).await;
    assert_eq!(revision.added, ["campus"]);
    worker.finish().await;
    let counts = worker.counts().await;
    assert_eq!((counts.succeeded, counts.queued, world.stats().refused, world.stats().duplicates), (65, 0, 0, 0));
    assert!(worker.engine.stranded().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_app_that_comes_back_finds_its_windows_as_it_left_them() {
    let world = World::new(built_in().unwrap(), "[quotas]\n'wecom.meeting.create' = '10/min'");
    let own = "quotas.'wecom.meeting.create' = '10/min'";
    let (campus, clinic) = (wecom("campus", "ww1", "S1", own), wecom("clinic", "ww2", "S2", own));
    let both = format!("{campus}{clinic}");
    // Removed by a start, so that the next one knows nothing of its calls.
    let worker = world.start(&both).await;
    worker.take((0..10).map(|n| meeting("campus", n))).await;
    worker.finish().await;
    worker.close().await;
    let worker = world.start(&clinic).await;
    worker.take((10..25).map(|n| meeting("campus", n))).await;
    worker.reload(&both).await;
    worker.finish().await;
    assert_eq!((worker.counts().await.succeeded, world.stats().refused), (25, 0));
    assert_kept(&worker.calls(MEETING).await, 0.0, 10, 60.0);
}

#[tokio::test(start_paused = true)]
async fn an_app_that_moves_to_another_corp_shares_that_corp_s_window_at_once() {
    let world = World::new(built_in().unwrap(), "[quotas]\n'wecom.meeting.create' = '10/min'");
    let own = "quotas.'wecom.meeting.create' = '10/min'";
    let clinic = wecom("clinic", "ww2", "S2", own);
    let worker = world.start(&(wecom("campus", "ww1", "S1", own) + &clinic)).await;
    worker.take((0..40).flat_map(|n| [meeting("campus", n), meeting("clinic", n)])).await;
    let running = worker.run();
    worker.until(0.02).await;
    // Calls are on their way to the first corp while its app moves.
    let revision = worker.reload(&(wecom("campus", "ww2", "S3", own) + &clinic)).await;
    assert_eq!(revision.changed["campus"], ["id", "secret"]);
    assert_eq!(running.await.unwrap(), Stop::Idle);
    let books = world.stats();
    assert_eq!((worker.counts().await.succeeded, books.refused, books.duplicates), (80, 0, 0));
    let accepted = |key: &str| {
        let of_corp =
            books.quotas.iter().find(|quota| quota.method == MEETING && quota.scope == "corp" && quota.key == key);
        of_corp.map_or(0, |quota| quota.accepted)
    };
    assert_eq!(accepted("ww1") + accepted("ww2"), 80);
    assert!(accepted("ww2") > 60, "{books:?}");
}

#[tokio::test(start_paused = true)]
async fn a_mended_secret_lifts_the_suspension_and_a_person_s_own_stays() {
    let world = World::new(built_in().unwrap(), "[apps.cli_acme]\nsecret = 'secret-S2'\n");
    let worker = world.start(&feishu("acme", "")).await;
    worker.take(rooms(5)).await;
    worker.finish().await;
    assert_eq!((worker.counts().await.queued, worker.ledger.suspensions().await.unwrap().len()), (5, 1));
    assert_eq!(world.stats().arrivals, 1, "the wrong secret was tried once");
    let by_hand = Suspension {
        app: "acme".to_owned(),
        tenant: String::new(),
        method: "feishu.calendar.create".to_owned(),
        by: SuspendedBy::Person,
        since: Timestamp(0),
        until: None,
        code: None,
        detail: "maintenance".into(),
        cure: Cure::ReasonGone,
        log_id: None,
    };
    worker.ledger.suspend(by_hand.clone()).await.unwrap();
    worker.reload(&feishu("acme", "share = 0.9")).await;
    assert_eq!(worker.ledger.suspensions().await.unwrap().len(), 2, "nothing was mended");

    let mended = feishu("acme", "").replace("S1", "S2");
    let revision = worker.reload(&mended).await;
    assert_eq!(revision.changed["acme"], ["secret", "share"]);
    assert_eq!(worker.ledger.suspensions().await.unwrap(), [by_hand]);
    worker.finish().await;
    assert_eq!(worker.counts().await.succeeded, 5);
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_fetches_another_token_and_costs_no_job_anything() {
    let world = World::new(built_in().unwrap(), &quota("600/min"));
    let worker = world.start(&acme("600/min")).await;
    worker.take(rooms(1_000)).await;
    let running = worker.run();
    worker.until(0.5).await;
    world.simulator.change_secret("cli_acme", "secret-S3");
    worker.reload(&acme("600/min").replace("S1", "S3")).await;
    assert_eq!(running.await.unwrap(), Stop::Idle);
    let books = world.stats();
    assert_eq!((worker.counts().await.succeeded, books.refused, books.duplicates), (1_000, 0, 0));
    assert!(worker.ledger.suspensions().await.unwrap().is_empty(), "what the old secret met does not stop the new one");
    assert_eq!(books.methods["feishu.auth.tenant_access_token.internal"].arrivals, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_old_secret_does_not_stop_the_mended_app() {
    let world = World::new(built_in().unwrap(), "[apps.cli_acme]\nsecret = 'secret-S2'\n");
    let worker = world.start(&feishu("acme", "")).await;
    worker.take(rooms(5)).await;
    let running = worker.run();
    // The wrong secret is on its way.
    worker.until(0.005).await;
    assert_eq!(worker.reload(&feishu("acme", "").replace("S1", "S2")).await.changed["acme"], ["secret"]);
    assert_eq!(running.await.unwrap(), Stop::Idle);
    assert_eq!(worker.counts().await.succeeded, 5);
    assert!(worker.ledger.suspensions().await.unwrap().is_empty());
    let of_tokens = &world.stats().methods["feishu.auth.tenant_access_token.internal"];
    assert_eq!((of_tokens.arrivals, of_tokens.succeeded), (2, 1));
}

/// Knows at which address each access token was fetched, and which calls carried it elsewhere.
struct Customs {
    inner: InProcess,
    fetched_at: Mutex<HashMap<String, String>>,
    seen: Mutex<Vec<(String, bool)>>,
}

#[async_trait]
impl Transport for Customs {
    async fn send(&self, request: Request) -> Reply {
        let host = request.url.split('/').nth(2).unwrap_or_default().to_owned();
        let carried = request.authorization.clone().map(|value| value.replace("Bearer ", ""));
        if let Some(token) = carried {
            let is_at_home = self.fetched_at.lock().unwrap().get(&token) == Some(&host);
            self.seen.lock().unwrap().push((host, is_at_home));
            return self.inner.send(request).await;
        }
        let reply = self.inner.send(request).await;
        if let Reply::Answered(answer) = &reply {
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            if let Some(token) = body["tenant_access_token"].as_str() {
                self.fetched_at.lock().unwrap().insert(token.to_owned(), host);
            }
        }
        reply
    }
}

#[tokio::test(start_paused = true)]
async fn no_token_travels_to_an_address_where_it_was_not_fetched() {
    let cuts = "[[faults]]\nkind = 'cut-before'\nmethod = 'feishu.vc.room.create'\nfirst = 3\n";
    let world = World::new(built_in().unwrap(), cuts);
    let inner = InProcess::new(world.simulator.clone());
    let customs = Arc::new(Customs { inner, fetched_at: Mutex::default(), seen: Mutex::default() });
    // The second look waits for a window of its own, and the settings change while it does.
    let at = |port: u16, secret: &str| {
        let rest = format!("base_url = 'http://127.0.0.1:{port}'\nquotas.'feishu.vc.room.list' = '1/min'");
        feishu("acme", &rest).replace("S1", secret)
    };
    let worker = world.start_over(&at(1, "S1"), Arc::clone(&customs) as Arc<dyn Transport>).await;
    worker.take(rooms(30)).await;
    let running = worker.run();
    worker.until(30.0).await;
    world.simulator.change_secret("cli_acme", "secret-S2");
    assert_eq!(worker.reload(&at(2, "S2")).await.changed["acme"], ["base_url", "secret"]);
    worker.take((30..40).map(|n| room("acme", "", n))).await;
    assert_eq!(running.await.unwrap(), Stop::Idle);
    let books = world.stats();
    assert_eq!((worker.counts().await.succeeded, books.refused, books.duplicates), (40, 0, 0));
    let seen = customs.seen.lock().unwrap();
    assert!(seen.iter().all(|(_, is_at_home)| *is_at_home), "{seen:?}");
    let elsewhere = seen.iter().filter(|(host, _)| host == "127.0.0.1:2").count();
    assert!(elsewhere > 10, "{elsewhere} of {} calls go to the new address", seen.len());
    assert!(books.methods["feishu.vc.room.list"].arrivals >= 2, "{books:?}");
}
