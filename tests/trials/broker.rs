//! Somebody else on the broker: publishes jobs, reads results, binds and deletes queues.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, ExchangeDeleteOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind, PublisherConfirm};
use serde_json::Value;

use super::raw::Properties;

/// A broker on which queues of the trial's own are made and deleted.
#[derive(clap::Args)]
pub(crate) struct Address {
    /// URL of the broker
    #[arg(long = "amqp", value_name = "URL")]
    pub url: String,
}

/// Names of a worker's queues, and of what others have beside them.
#[derive(Clone)]
pub(crate) struct Queues(String);

impl Queues {
    pub(crate) fn of(trial: &str) -> Self {
        Self(format!("paceline-{trial}-{}", std::process::id()))
    }

    pub(crate) fn named(&self, name: &str) -> String {
        format!("{}.{name}", self.0)
    }

    pub(crate) fn jobs(&self) -> String {
        self.named("jobs")
    }

    /// The queue, and the exchange before it.
    pub(crate) fn results(&self) -> String {
        self.named("results")
    }

    pub(crate) fn dead(&self) -> String {
        self.named("dead")
    }

    pub(crate) fn settings(&self, url: &str) -> String {
        let (jobs, results, dead) = (self.jobs(), self.results(), self.dead());
        format!(
            "[broker]\nurl = \"{url}\"\njobs_queue = \"{jobs}\"\nresults_queue = \"{results}\"\n\
             results_exchange = \"{results}\"\ndead_queue = \"{dead}\"\n"
        )
    }
}

/// Properties that no client reads: 会议 in GBK, as some clients send it.
pub(crate) fn unreadable() -> Properties {
    Properties { app_id: Some(b"\xbb\xe1\xd2\xe9".to_vec()), ..Properties::default() }
}

fn persistent() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2)
}

/// What was taken out of a queue.
pub(crate) struct Message {
    pub body: Vec<u8>,
    pub properties: BasicProperties,
}

impl Message {
    pub(crate) fn document(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let value = self.properties.headers().as_ref()?.inner().get(name)?;
        value.as_long_string().map(ToString::to_string)
    }
}

/// A channel that confirms, beside a worker's queues.
pub(crate) struct Client {
    connection: Connection,
    channel: Channel,
    queues: Queues,
}

impl Client {
    /// Connects, and leaves the queues as they are.
    pub(crate) async fn open(url: &str, queues: Queues) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await;
        let connection = connection.with_context(|| format!("no broker answers at {url}"))?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { connection, channel, queues })
    }

    /// Connects and declares the queues as the worker does.
    pub(crate) async fn connect(url: &str, queues: Queues) -> anyhow::Result<Self> {
        let client = Self::open(url, queues).await?;
        for name in [client.queues.jobs(), client.queues.results(), client.queues.dead()] {
            client.declare(&name).await?;
        }
        Ok(client)
    }

    pub(crate) const fn queues(&self) -> &Queues {
        &self.queues
    }

    /// Declares a durable quorum queue.
    pub(crate) async fn declare(&self, name: &str) -> anyhow::Result<()> {
        self.declare_with(name, FieldTable::default()).await
    }

    async fn declare_with(&self, name: &str, mut arguments: FieldTable) -> anyhow::Result<()> {
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(name.into(), durable, arguments).await?;
        Ok(())
    }

    /// Binds two queues of somebody else's to the results exchange: `full` refuses everything, `copy` takes everything.
    pub(crate) async fn subscribe(&self) -> anyhow::Result<()> {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let (exchange, none) = (self.queues.results(), FieldTable::default());
        self.channel.exchange_declare(exchange.as_str().into(), ExchangeKind::Topic, durable, none.clone()).await?;
        let (full, copy) = (self.queues.named("full"), self.queues.named("copy"));
        let mut one = FieldTable::default();
        one.insert("x-max-length".into(), AMQPValue::LongInt(1));
        one.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        self.declare_with(&full, one).await?;
        while self.offer(&full, b"stuffing").await? {}
        self.declare(&copy).await?;
        for name in [full, copy] {
            let (options, exchange) = (QueueBindOptions::default(), exchange.as_str());
            self.channel.queue_bind(name.into(), exchange.into(), "*.*.*.#".into(), options, none.clone()).await?;
        }
        Ok(())
    }

    async fn send(&self, queue: &str, body: &[u8], properties: BasicProperties) -> anyhow::Result<PublisherConfirm> {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        Ok(self.channel.basic_publish("".into(), queue.into(), options, body, properties).await?)
    }

    /// Publishes to a queue; whether the broker took it.
    pub(crate) async fn offer(&self, queue: &str, body: &[u8]) -> anyhow::Result<bool> {
        self.offer_with(queue, body, persistent()).await
    }

    async fn offer_with(&self, queue: &str, body: &[u8], properties: BasicProperties) -> anyhow::Result<bool> {
        let confirmation = self.send(queue, body, properties).await?.await?;
        let is_taken = confirmation.is_ack();
        ensure!(confirmation.take_message().is_none(), "there is no queue {queue}");
        Ok(is_taken)
    }

    /// Publishes a job; the broker has it.
    pub(crate) async fn publish(&self, job: &Value) -> anyhow::Result<()> {
        self.publish_bytes(job.to_string().as_bytes()).await
    }

    /// Publishes whatever it is to the jobs queue; the broker has it.
    pub(crate) async fn publish_bytes(&self, body: &[u8]) -> anyhow::Result<()> {
        ensure!(self.offer(&self.queues.jobs(), body).await?, "the jobs queue took no message");
        Ok(())
    }

    /// Publishes it as a part of upstream's trace; the broker has it.
    pub(crate) async fn publish_traced(&self, body: &[u8], traceparent: &str) -> anyhow::Result<()> {
        let mut headers = FieldTable::default();
        headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.into()));
        let is_taken = self.offer_with(&self.queues.jobs(), body, persistent().with_headers(headers)).await?;
        ensure!(is_taken, "the jobs queue took no message");
        Ok(())
    }

    /// Publishes jobs without waiting for each; in the end the broker has all of them.
    pub(crate) async fn publish_all(&self, jobs: &[Value]) -> anyhow::Result<()> {
        let queue = self.queues.jobs();
        let mut sent = Vec::with_capacity(jobs.len());
        for job in jobs {
            sent.push(self.send(&queue, job.to_string().as_bytes(), persistent()).await?);
        }
        for confirm in sent {
            let confirmation = confirm.await?;
            ensure!(confirmation.is_ack() && confirmation.take_message().is_none(), "the jobs queue took no message");
        }
        Ok(())
    }

    /// Takes everything out of a queue.
    pub(crate) async fn drain(&self, queue: &str) -> anyhow::Result<Vec<Message>> {
        let mut taken = Vec::new();
        while let Some(message) = self.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await? {
            let delivery = message.delivery;
            taken.push(Message { body: delivery.data, properties: delivery.properties });
        }
        Ok(taken)
    }

    /// Takes all results out; the ids of their jobs.
    pub(crate) async fn results(&self) -> anyhow::Result<BTreeSet<String>> {
        let mut ids = BTreeSet::new();
        for message in self.drain(&self.queues.results()).await? {
            let document = message.document()?;
            ids.insert(document["id"].as_str().context("a result without an id")?.to_owned());
        }
        Ok(ids)
    }

    /// Takes everything out of a queue without looking at it; how many messages that were.
    pub(crate) async fn purge(&self, queue: &str) -> anyhow::Result<u64> {
        Ok(u64::from(self.channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await?))
    }

    /// Whether there is such a queue; asked on a channel of its own, which a missing one closes.
    pub(crate) async fn has(&self, queue: &str) -> anyhow::Result<bool> {
        let channel = self.connection.create_channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let is_there = channel.queue_declare(queue.into(), passive, FieldTable::default()).await.is_ok();
        ensure!(self.connection.status().connected(), "the broker is gone");
        if is_there {
            channel.close(200, "done".into()).await?;
        }
        Ok(is_there)
    }

    /// Messages in a queue that are ready.
    pub(crate) async fn left(&self, queue: &str) -> anyhow::Result<u32> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        Ok(self.channel.queue_declare(queue.into(), passive, FieldTable::default()).await?.message_count())
    }

    /// Messages in the jobs queue that are ready.
    pub(crate) async fn jobs_left(&self) -> anyhow::Result<u32> {
        self.left(&self.queues.jobs()).await
    }

    pub(crate) async fn delete(&self, queue: &str) -> anyhow::Result<()> {
        self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
        Ok(())
    }

    pub(crate) async fn delete_exchange(&self) -> anyhow::Result<()> {
        let exchange = self.queues.results();
        Ok(self.channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await?)
    }

    pub(crate) async fn close(self) -> anyhow::Result<()> {
        Ok(self.connection.close(200, "done".into()).await?)
    }

    /// Deletes what the worker and this declared.
    pub(crate) async fn clean_up(self) -> anyhow::Result<()> {
        for name in [self.queues.jobs(), self.queues.results(), self.queues.dead()] {
            self.delete(&name).await?;
        }
        self.delete_exchange().await?;
        self.close().await
    }
}
