//! The batch as programs usually pace it: a limiter before each call, and whoever is refused waits and tries again.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use paceline::clock::Clock;
use paceline::domain::outcome::Reply;
use paceline::domain::time::{Mono, Timestamp};
use paceline::engine::ports::{Request, Transport};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::Way;
use super::batch::Batch;

/// Works the batch to its end; how long that took, in seconds.
pub(crate) async fn run(
    way: Way,
    transport: &Arc<dyn Transport>,
    clock: &Clock,
    base_url: &str,
    batch: &Batch,
    app_id: &str,
) -> anyhow::Result<f64> {
    let pace = Pace::new(way, &batch.windows, clock)?;
    let mut caller = Caller { transport, pace, clock, base_url, authorization: None };
    let started = clock.mono();
    let token = json!({"app_id": app_id, "app_secret": "made-up"}).to_string();
    let (_, _, token) = caller.send("/open-apis/auth/v3/tenant_access_token/internal", token).await?;
    let token = token["tenant_access_token"].as_str().context("no access token")?;
    caller.authorization = Some(format!("Bearer {token}"));
    // Every call has a task of its own, so that one that waits for a reset holds up no other; the limiter alone paces.
    let caller = &caller;
    let calls = stream::iter(&batch.bodies).map(Ok);
    calls.try_for_each_concurrent(None, |body| caller.call(batch.path, body.to_string())).await?;
    Ok(clock.mono().since(started).as_secs_f64())
}

struct Caller<'a> {
    transport: &'a Arc<dyn Transport>,
    pace: Pace,
    clock: &'a Clock,
    base_url: &'a str,
    authorization: Option<String>,
}

impl Caller<'_> {
    async fn call(&self, path: &str, body: String) -> anyhow::Result<()> {
        loop {
            self.pace.until_ready(self.clock).await;
            let (status, reset, reply) = self.send(path, body.clone()).await?;
            if status != 429 {
                ensure!(reply["code"] == 0, "{status}: {reply}");
                return Ok(());
            }
            tokio::time::sleep(reset.context("a refusal without a reset header")?).await;
        }
    }

    async fn send(&self, path: &str, body: String) -> anyhow::Result<(u16, Option<Duration>, Value)> {
        let request = Request {
            http_method: "POST".to_owned(),
            url: format!("{}{path}", self.base_url),
            authorization: self.authorization.clone(),
            body: Some(body.into()),
            log_id_header: String::new(),
            reset_header: "x-ogw-ratelimit-reset".to_owned(),
            timeout: Duration::from_secs(30),
        };
        match self.transport.send(request).await {
            Reply::Answered(answer) => {
                Ok((answer.status, answer.reset.wait(Timestamp::default()), serde_json::from_slice(&answer.body)?))
            }
            Reply::NotSent(why) | Reply::Unsendable(why) | Reply::Lost(why) => bail!(why),
        }
    }
}

/// governor's limiter on the clock that everything here is timed by, virtual or real.
type Limiter = RateLimiter<NotKeyed, InMemoryState, Timed, NoOpMiddleware<Duration>>;

#[derive(Clone, Debug)]
struct Timed(Clock);

impl governor::clock::Clock for Timed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.mono().since(Mono(0))
    }
}

/// What each call passes before it leaves.
enum Pace {
    Governor(Vec<Limiter>, Timed),
    SendTimes(Vec<(u32, Duration)>, Mutex<VecDeque<Mono>>),
}

impl Pace {
    fn new(way: Way, windows: &[(u32, Duration)], clock: &Clock) -> anyhow::Result<Self> {
        let burst = |limit: u32| match way {
            Way::GovernorBurst => Some(limit),
            Way::GovernorSmooth => Some(1),
            Way::Paceline | Way::SendTimes => None,
        };
        let clock = Timed(clock.clone());
        let mut limiters = Vec::new();
        for &(limit, span) in windows {
            let Some(burst) = burst(limit).and_then(NonZeroU32::new) else { continue };
            let quota = Quota::with_period(span / limit).context("a window of no length")?;
            limiters.push(RateLimiter::direct_with_clock(quota.allow_burst(burst), clock.clone()));
        }
        match way {
            Way::Paceline => bail!("paceline paces itself"),
            Way::GovernorBurst | Way::GovernorSmooth => Ok(Self::Governor(limiters, clock)),
            Way::SendTimes => Ok(Self::SendTimes(windows.to_vec(), Mutex::default())),
        }
    }

    async fn until_ready(&self, clock: &Clock) {
        match self {
            // As its own `until_ready` does, which knows real time alone.
            Self::Governor(limiters, timed) => {
                for limiter in limiters {
                    while let Err(early) = limiter.check() {
                        tokio::time::sleep(early.wait_time_from(governor::clock::Clock::now(timed))).await;
                    }
                }
            }
            Self::SendTimes(windows, sent) => {
                let mut sent = sent.lock().await;
                for &(limit, span) in windows {
                    // The limit-th latest call must have left one window ago.
                    if let Some(before) = sent.len().checked_sub(limit as usize).and_then(|at| sent.get(at)) {
                        clock.sleep_until(*before + span).await;
                    }
                }
                sent.push_back(clock.mono());
                let most = windows.iter().map(|&(limit, _)| limit).max().unwrap_or(1);
                if sent.len() > most as usize {
                    sent.pop_front();
                }
            }
        }
    }
}
