//! The simulator as a whole, over the built-in catalog. Tests of a single part stand beside it.

mod catalog;
mod faults;
mod flow;
mod http;
mod in_process;
mod strict;
mod truthful;

use std::sync::Arc;

use serde_json::{Value, json};

use super::scenario::Scenario;
use super::{SimMessage, SimReply, SimRequest, Simulator, World};
use paceline_domain::catalog::{Catalog, built_in};
use paceline_domain::time::{Mono, Timestamp};
use paceline_ports::clock::Clock;

const SECOND: i64 = 1_000_000;
const ROOMS: &str = "/open-apis/vc/v1/rooms";
const CALENDARS: &str = "/open-apis/calendar/v4/calendars";
const FEISHU_TOKEN: &str = "/open-apis/auth/v3/tenant_access_token/internal";

fn catalog() -> Arc<Catalog> {
    Arc::new(built_in().unwrap_or_else(|error| panic!("{error}")))
}

fn scenario(text: &str) -> Scenario {
    Scenario::parse(text, "test").unwrap_or_else(|error| panic!("{error}"))
}

fn epoch() -> Timestamp {
    Timestamp::parse("2026-11-21T08:00:00Z").unwrap()
}

/// A world that the test moves through time, without waiting.
struct Bench {
    world: World,
    start: Mono,
    /// Microseconds since the start.
    now: i64,
}

impl Bench {
    fn new(text: &str) -> Self {
        Self::fast(text, 1.0)
    }

    fn fast(text: &str, speed: f64) -> Self {
        still(|| {
            let clock = Clock::at(epoch());
            let world = World::new(catalog(), scenario(text), speed, &clock);
            Self { world, start: clock.mono(), now: 0 }
        })
    }

    fn at(&mut self, now: i64) -> &mut Self {
        self.now = now;
        self
    }

    fn reply(&mut self, request: &SimRequest) -> SimReply {
        self.world.arrive(request, Mono(self.start.0 + self.now)).reply
    }

    fn whole(&mut self, request: &SimRequest) -> SimMessage {
        match self.reply(request) {
            SimReply::Whole(message) => message,
            other @ (SimReply::Partial(_) | SimReply::Cut | SimReply::Unreachable) => {
                panic!("no whole reply: {other:?}")
            }
        }
    }

    fn call(&mut self, request: &SimRequest) -> (u16, Value) {
        let message = self.whole(request);
        (message.status, serde_json::from_slice(&message.body).unwrap())
    }

    /// The platform's code.
    fn code(&mut self, request: &SimRequest) -> i64 {
        let (_, body) = self.call(request);
        body.get("code").or(body.get("errcode")).and_then(Value::as_i64).unwrap()
    }

    fn feishu_token(&mut self) -> String {
        let (status, body) = self.call(&post(FEISHU_TOKEN, None, &json!({"app_id": "cli_a", "app_secret": "s"})));
        assert_eq!(status, 200, "{body}");
        format!("Bearer {}", body["tenant_access_token"].as_str().unwrap())
    }

    fn wecom_token(&mut self) -> String {
        let (_, body) = self.call(&get("/cgi-bin/gettoken?corpid=ww1&corpsecret=s", None));
        body["access_token"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
    }
}

/// Runs with a clock that stands still, so that an instant is the same in every run.
fn still<T>(run: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { run() })
}

fn get(target: &str, token: Option<&str>) -> SimRequest {
    SimRequest::new("GET", target, token.map(str::to_owned), bytes::Bytes::new())
}

fn post(target: &str, token: Option<&str>, body: &Value) -> SimRequest {
    SimRequest::new("POST", target, token.map(str::to_owned), body.to_string().into())
}

fn room(token: &str, name: &str) -> SimRequest {
    post(ROOMS, Some(token), &json!({"name": name, "capacity": 4, "room_level_id": "omb_1"}))
}

/// A meeting that starts in an hour; `number` tells it from others.
fn meeting(token: &str, number: i64) -> SimRequest {
    let body = json!({"admin_userid": "zhang", "title": format!("m{number}"),
        "meeting_start": epoch().unix_seconds() + 3_600 + number, "meeting_duration": 600});
    post(&format!("/cgi-bin/meeting/create?access_token={token}"), None, &body)
}
