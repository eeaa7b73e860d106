//! The bare loop: consume, call, publish, ack. It keeps no record, checks nothing and knows no quota, so a crash of it
//! loses or doubles calls; it shows what RabbitMQ and HTTP cost by themselves.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::broker::connect;
use super::jobs::{METHOD, PATH};

/// Deliveries held.
const PREFETCH: u16 = 512;
/// Calls in flight.
const CONCURRENCY_MAX: usize = 256;

struct Loop {
    client: reqwest::Client,
    url: String,
    token: String,
    channel: Channel,
    exchange: String,
}

/// Works until all results are confirmed.
pub(crate) async fn run(simulator: &str, queues: &str, jobs: usize) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .build()?;
    let token = token(&client, simulator).await?;
    // Two connections, as Paceline has.
    let ((consuming, consume), (publishing, publish)) = (connect().await?, connect().await?);
    let url = format!("{simulator}{PATH}");
    let bare = Arc::new(Loop { client, url, token, channel: publish, exchange: format!("{queues}.results") });
    consume.basic_qos(PREFETCH, BasicQosOptions { global: false }).await?;
    let queue = format!("{queues}.jobs");
    let mut deliveries =
        consume.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await?;
    let mut in_flight = JoinSet::new();
    for _ in 0..jobs {
        let delivery = deliveries.next().await.context("the broker ended consuming")??;
        if in_flight.len() >= CONCURRENCY_MAX {
            in_flight.join_next().await.context("nothing is in flight")???;
        }
        in_flight.spawn(Arc::clone(&bare).work(delivery));
    }
    while let Some(worked) = in_flight.join_next().await {
        worked??;
    }
    consuming.close(200, "OK".into()).await?;
    Ok(publishing.close(200, "OK".into()).await?)
}

async fn token(client: &reqwest::Client, simulator: &str) -> anyhow::Result<String> {
    let body = json!({"app_id": "cli_bare", "app_secret": "made-up"}).to_string();
    let url = format!("{simulator}/open-apis/auth/v3/tenant_access_token/internal");
    let reply = client.post(url).header(CONTENT_TYPE, "application/json").body(body).send().await?;
    let reply: Value = serde_json::from_slice(&reply.bytes().await?)?;
    Ok(reply["tenant_access_token"].as_str().context("no access token")?.to_owned())
}

impl Loop {
    async fn work(self: Arc<Self>, delivery: Delivery) -> anyhow::Result<()> {
        let job: Value = serde_json::from_slice(&delivery.data)?;
        let request = self.client.post(&self.url).bearer_auth(&self.token).header(CONTENT_TYPE, "application/json");
        let reply = request.body(job["body"].to_string()).send().await?;
        let reply: Value = serde_json::from_slice(&reply.bytes().await?)?;
        ensure!(reply["code"] == 0, "{reply}");
        let result = json!({"id": job["id"], "status": "succeeded", "result": reply["data"]}).to_string();
        let properties = BasicProperties::default().with_delivery_mode(2);
        let (exchange, key) = (self.exchange.as_str().into(), format!("bench.{METHOD}").into());
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let sent = self.channel.basic_publish(exchange, key, options, result.as_bytes(), properties).await?;
        ensure!(sent.await?.is_ack(), "the broker refused a result");
        ensure!(delivery.ack(BasicAckOptions::default()).await?, "the ack was lost");
        Ok(())
    }
}
