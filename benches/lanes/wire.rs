//! The platform's end, as quick as it gets: it answers every call, and says when a named one arrived.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use paceline::clock::Clock;
use paceline::domain::outcome::{Answer, Reply};
use paceline::domain::time::Mono;
use paceline::engine::ports::{Request, Transport};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// How long a reply takes.
const REPLY: Duration = Duration::from_millis(20);

/// The transport of the measurement.
pub(crate) struct Wire {
    clock: Clock,
    expected: Mutex<HashMap<String, oneshot::Sender<Mono>>>,
    created: AtomicU64,
}

impl Wire {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, expected: Mutex::default(), created: AtomicU64::new(0) }
    }

    /// Tells when the calendar of this name arrives.
    pub(crate) fn expect(&self, summary: &str) -> oneshot::Receiver<Mono> {
        let (arrived, arrival) = oneshot::channel();
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).insert(summary.to_owned(), arrived);
        arrival
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request) -> Reply {
        let now = self.clock.mono();
        let body: Value = request.body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        let name = body["summary"].as_str().unwrap_or_default();
        if let Some(arrived) = self.expected.lock().unwrap_or_else(PoisonError::into_inner).remove(name) {
            // Who no longer waits needs no answer.
            let _ = arrived.send(now);
        }
        tokio::time::sleep(REPLY).await;
        let body = if request.url.contains("tenant_access_token") {
            json!({"code": 0, "msg": "ok", "tenant_access_token": "t-1", "expire": 7200})
        } else {
            // Two jobs that got the same object would be a finding, and held.
            let id = self.created.fetch_add(1, Ordering::Relaxed).to_string();
            json!({"code": 0, "msg": "ok", "data": {"room": {"room_id": id}, "calendar": {"calendar_id": id}}})
        };
        Reply::Answered(Answer { status: 200, body: body.to_string().into(), ..Answer::default() })
    }
}
