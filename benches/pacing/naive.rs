//! The batch as programs usually pace it: a limiter before each call, and whoever is refused waits and tries again.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use paceline::clock::Clock;
use paceline::domain::time::Mono;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::Way;
use super::batch::Batch;

/// Works the batch to its end; how long that took, in seconds.
pub async fn run(way: Way, url: &str, batch: &Batch, app_id: &str) -> anyhow::Result<f64> {
    let clock = Clock::system();
    let client = reqwest::Client::builder().tcp_nodelay(true).build()?;
    let pace = Pace::new(way, &batch.windows)?;
    let started = clock.mono();
    let token = token(&client, url, app_id).await?;
    let caller = Caller { client, pace, clock, url: format!("{url}{}", batch.path), token };
    // Every call has a task of its own, so that one that waits for a reset holds up no other; the limiter alone paces.
    stream::iter(&batch.bodies).map(Ok).try_for_each_concurrent(None, |body| caller.call(body.to_string())).await?;
    Ok(caller.clock.mono().since(started).as_secs_f64())
}

async fn token(client: &reqwest::Client, url: &str, app_id: &str) -> anyhow::Result<String> {
    let body = json!({"app_id": app_id, "app_secret": "made-up"}).to_string();
    let url = format!("{url}/open-apis/auth/v3/tenant_access_token/internal");
    let reply = client.post(url).header(CONTENT_TYPE, "application/json").body(body).send().await?;
    let reply: Value = serde_json::from_slice(&reply.bytes().await?)?;
    Ok(reply["tenant_access_token"].as_str().context("no access token")?.to_owned())
}

struct Caller {
    client: reqwest::Client,
    pace: Pace,
    clock: Clock,
    url: String,
    token: String,
}

impl Caller {
    async fn call(&self, body: String) -> anyhow::Result<()> {
        loop {
            self.pace.until_ready(&self.clock).await;
            let request = self.client.post(&self.url).bearer_auth(&self.token).header(CONTENT_TYPE, "application/json");
            let reply = request.body(body.clone()).send().await?;
            let (status, reset) = (reply.status(), reply.headers().get("x-ogw-ratelimit-reset").cloned());
            let reply: Value = serde_json::from_slice(&reply.bytes().await?)?;
            if status.as_u16() != 429 {
                ensure!(reply["code"] == 0, "{status}: {reply}");
                return Ok(());
            }
            let reset = reset.context("a refusal without a reset header")?;
            tokio::time::sleep(Duration::from_secs(reset.to_str()?.parse()?)).await;
        }
    }
}

/// What each call passes before it leaves.
enum Pace {
    Governor(Vec<DefaultDirectRateLimiter>),
    SendTimes(Vec<(u32, Duration)>, Mutex<VecDeque<Mono>>),
}

impl Pace {
    fn new(way: Way, windows: &[(u32, Duration)]) -> anyhow::Result<Self> {
        let burst = |limit: u32| match way {
            Way::GovernorBurst => Some(limit),
            Way::GovernorSmooth => Some(1),
            Way::Paceline | Way::SendTimes => None,
        };
        let mut limiters = Vec::new();
        for &(limit, span) in windows {
            let Some(burst) = burst(limit).and_then(NonZeroU32::new) else { continue };
            let quota = Quota::with_period(span / limit).context("a window of no length")?;
            limiters.push(RateLimiter::direct(quota.allow_burst(burst)));
        }
        match way {
            Way::Paceline => bail!("paceline paces itself"),
            Way::GovernorBurst | Way::GovernorSmooth => Ok(Self::Governor(limiters)),
            Way::SendTimes => Ok(Self::SendTimes(windows.to_vec(), Mutex::default())),
        }
    }

    async fn until_ready(&self, clock: &Clock) {
        match self {
            Self::Governor(limiters) => {
                for limiter in limiters {
                    limiter.until_ready().await;
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
