//! What quotas are counted by, end to end: corp, tenant, address and share, by the simulator's own count.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use paceline::domain::catalog::{Catalog, CatalogSource, built_in};
use paceline::domain::outcome::Reply;
use paceline::engine::ports::{Request, Transport};
use paceline::simulator::{InProcess, Stats};
use serde_json::{Value, json};

use super::harness::virtual_time::{World, assert_kept, feishu, meeting, room, wecom};

const MEETING: &str = "wecom.meeting.create";
const ROOM: &str = "feishu.vc.room.create";

/// No call was refused for its pace, and no window of the simulator's was over its limit.
fn assert_no_breach(books: &Stats) {
    assert_eq!(books.refused, 0, "{books:?}");
    let windows = books.quotas.iter().flat_map(|quota| &quota.windows);
    assert!(windows.clone().count() > 0 && windows.clone().all(|window| !window.is_breached), "{books:?}");
}

/// How many calls the simulator accepted for a key of a method's scope.
fn accepted(books: &Stats, scope: &str, key: &str) -> u64 {
    let of_key = books.quotas.iter().filter(|quota| quota.scope == scope && quota.key == key);
    of_key.filter(|quota| quota.method == MEETING || quota.method == ROOM).map(|quota| quota.accepted).sum()
}

#[tokio::test(start_paused = true)]
async fn two_apps_of_one_corp_share_its_window_and_another_corp_has_its_own() {
    let world = World::new(built_in().unwrap(), "[quotas]\n'wecom.meeting.create' = '60/min'");
    let own = "quotas.'wecom.meeting.create' = '60/min'";
    let apps =
        [wecom("campus", "ww1", "S1", own), wecom("library", "ww1", "S2", own), wecom("clinic", "ww2", "S3", own)];
    let worker = world.start(&apps.concat()).await;
    for app in ["campus", "library", "clinic"] {
        worker.take((0..120).map(|n| meeting(app, n))).await;
    }
    let took = worker.finish().await;
    assert_eq!(worker.counts().await.succeeded, 360);
    let books = world.stats();
    assert_no_breach(&books);
    assert_eq!((accepted(&books, "corp", "ww1"), accepted(&books, "corp", "ww2")), (240, 120));
    assert!((180.0..186.0).contains(&took), "240 at 60 a minute: {took} s");
    let calls = worker.calls(MEETING).await;
    let last = |app: &str| calls.iter().filter(|call| call.app == app).map(|call| call.sent_s).fold(0.0, f64::max);
    assert!(last("clinic") < 62.5, "the other corp is done in the second minute: {} s", last("clinic"));
    let half = calls.iter().filter(|call| call.app == "campus" && call.sent_s < 90.0).count();
    assert!((50..=70).contains(&half), "they take turns: {half} of 120");
}

/// A store app's way to its tokens, which the worker itself does not know: each access token that it fetches becomes that
/// of another tenant.
struct StoreApp {
    inner: InProcess,
    tenants: AtomicUsize,
}

#[async_trait]
impl Transport for StoreApp {
    async fn send(&self, request: Request) -> Reply {
        if !request.url.contains("/tenant_access_token/") {
            return self.inner.send(request).await;
        }
        let again = Request {
            http_method: request.http_method.clone(),
            url: request.url.clone(),
            authorization: None,
            body: None,
            log_id_header: String::new(),
            reset_header: String::new(),
            timeout: request.timeout,
        };
        let Reply::Answered(answer) = self.inner.send(request).await else { panic!("no app token") };
        let token: Value = serde_json::from_slice(&answer.body).unwrap();
        let tenant = self.tenants.fetch_add(1, Ordering::Relaxed);
        let body = json!({"app_access_token": token["tenant_access_token"], "tenant_key": format!("tk_{tenant}")});
        self.inner.send(Request { body: Some(Bytes::from(body.to_string())), ..again }).await
    }
}

fn store_app(world: &World) -> Arc<dyn Transport> {
    Arc::new(StoreApp { inner: InProcess::new(world.simulator.clone()), tenants: AtomicUsize::new(1) })
}

#[tokio::test(start_paused = true)]
async fn two_tenants_of_a_store_app_do_not_share() {
    let world = World::new(built_in().unwrap(), "");
    let worker = world.start_over(&feishu("shop", ""), store_app(&world)).await;
    for tenant in ["tk_1", "tk_2"] {
        worker.take((0..60).map(|n| room("shop", tenant, n))).await;
    }
    let took = worker.finish().await;
    assert_eq!(worker.counts().await.succeeded, 120);
    let books = world.stats();
    assert_no_breach(&books);
    assert_eq!(
        (accepted(&books, "app-tenant", "cli_shop/tk_1"), accepted(&books, "app-tenant", "cli_shop/tk_2")),
        (60, 60)
    );
    assert!((120.0..122.5).contains(&took), "as long as one with 60 at 20 a minute: {took} s");
}

/// The catalog with meetings counted by address 30 times a minute.
fn narrow_address() -> Catalog {
    let documented = include_str!("../../config/methods/wecom.meeting.create.toml");
    let text = documented.replace("20000/min, 600000/h", "30/min");
    assert_ne!(text, documented);
    let source = CatalogSource { name: "wecom.meeting.create.toml".to_owned(), text };
    built_in().unwrap().extend(&[source]).unwrap_or_else(|faults| panic!("{faults}"))
}

#[tokio::test(start_paused = true)]
async fn an_address_wide_window_binds_all_apps_of_the_process() {
    let world = World::new(narrow_address(), "");
    let apps = [wecom("campus", "ww1", "S1", ""), wecom("clinic", "ww2", "S2", "")];
    let worker = world.start(&apps.concat()).await;
    for app in ["campus", "clinic"] {
        worker.take((0..45).map(|n| meeting(app, n))).await;
    }
    let took = worker.finish().await;
    assert_eq!(worker.counts().await.succeeded, 90);
    let books = world.stats();
    assert_no_breach(&books);
    assert_eq!(accepted(&books, "host", "host"), 90);
    assert!((120.0..124.0).contains(&took), "90 at 30 a minute: {took} s");
}

#[tokio::test(start_paused = true)]
async fn half_a_share_leaves_the_other_half() {
    let others = "[[background]]\nmethod = 'feishu.vc.room.create'\ncalls_per_min = 10\n";
    let world = World::new(built_in().unwrap(), others);
    let worker = world.start(&feishu("acme", "share = 0.5")).await;
    worker.take((0..40).map(|n| room("acme", "", n))).await;
    let took = worker.finish().await;
    let books = world.stats();
    assert_eq!((worker.counts().await.succeeded, books.refused), (40, 0), "with another program at ten a minute");
    assert!(books.quotas.iter().any(|quota| quota.background > 25), "{books:?}");
    assert!((180.0..184.0).contains(&took), "40 at 10 a minute: {took} s");
    assert_kept(&worker.calls(ROOM).await, 0.0, 10, 60.0);
}

#[tokio::test(start_paused = true)]
async fn an_app_and_a_tenant_of_it_have_quotas_of_their_own() {
    let world = World::new(built_in().unwrap(), "[quotas]\n'feishu.vc.room.create' = '80/min'");
    let own = "quotas.'feishu.vc.room.create' = '40/min'\ntenants.tk_1.quotas.'feishu.vc.room.create' = '80/min'";
    let apps = feishu("shop", own) + &feishu("acme", "");
    let worker = world.start_over(&apps, store_app(&world)).await;
    for (app, tenant) in [("shop", "tk_1"), ("shop", "tk_2"), ("acme", "tk_3")] {
        worker.take((0..80).map(|n| room(app, tenant, n))).await;
    }
    worker.finish().await;
    assert_eq!((worker.counts().await.succeeded, world.stats().refused), (240, 0));
    let calls = worker.calls(ROOM).await;
    let within =
        |tenant: &str, seconds: f64| calls.iter().filter(|call| call.tenant == tenant && call.sent_s < seconds).count();
    assert_eq!(["tk_1", "tk_2", "tk_3"].map(|tenant| within(tenant, 59.0)), [80, 40, 20]);
    assert_eq!(["tk_1", "tk_2", "tk_3"].map(|tenant| within(tenant, 119.0)), [80, 80, 40]);
}
