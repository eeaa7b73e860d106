//! Somebody else on the broker: publishes jobs, reads results.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::Value;

/// A broker on which queues of the trial's own are made and deleted.
#[derive(clap::Args)]
pub(crate) struct Address {
    /// URL of the broker
    #[arg(long = "amqp", value_name = "URL")]
    pub url: String,
}

/// Names of a worker's queues.
pub(crate) struct Queues(String);

impl Queues {
    pub(crate) fn of(trial: &str) -> Self {
        Self(format!("paceline-{trial}-{}", std::process::id()))
    }

    pub(crate) fn jobs(&self) -> String {
        format!("{}.jobs", self.0)
    }

    pub(crate) fn results(&self) -> String {
        format!("{}.results", self.0)
    }

    fn dead(&self) -> String {
        format!("{}.dead", self.0)
    }

    pub(crate) fn settings(&self, url: &str) -> String {
        let (jobs, results, dead) = (self.jobs(), self.results(), self.dead());
        format!(
            "[broker]\nurl = \"{url}\"\njobs_queue = \"{jobs}\"\nresults_queue = \"{results}\"\n\
             results_exchange = \"{results}\"\ndead_queue = \"{dead}\"\n"
        )
    }
}

/// A channel that confirms, beside a worker's queues.
pub(crate) struct Client {
    connection: Connection,
    channel: Channel,
    queues: Queues,
}

impl Client {
    /// Connects and declares the queues as the worker does: durable quorum queues.
    pub(crate) async fn connect(url: &str, queues: Queues) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await;
        let connection = connection.context("no broker answers at --amqp")?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let mut quorum = FieldTable::default();
        quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        for name in [queues.jobs(), queues.results(), queues.dead()] {
            let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(name.into(), durable, quorum.clone()).await?;
        }
        Ok(Self { connection, channel, queues })
    }

    pub(crate) const fn queues(&self) -> &Queues {
        &self.queues
    }

    /// Publishes a job; the broker has it.
    pub(crate) async fn publish(&self, job: &Value) -> anyhow::Result<()> {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let (queue, body) = (self.queues.jobs(), job.to_string());
        let persistent = BasicProperties::default().with_delivery_mode(2);
        let sent = self.channel.basic_publish("".into(), queue.into(), options, body.as_bytes(), persistent).await?;
        let confirmation = sent.await?;
        ensure!(confirmation.is_ack() && confirmation.take_message().is_none(), "the jobs queue took no message");
        Ok(())
    }

    /// Takes all results out; the ids of their jobs.
    pub(crate) async fn results(&self) -> anyhow::Result<BTreeSet<String>> {
        let mut ids = BTreeSet::new();
        let queue = self.queues.results();
        while let Some(message) =
            self.channel.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true }).await?
        {
            let document: Value = serde_json::from_slice(&message.data)?;
            ids.insert(document["id"].as_str().context("a result without an id")?.to_owned());
        }
        Ok(ids)
    }

    /// Messages in the jobs queue that are ready.
    pub(crate) async fn jobs_left(&self) -> anyhow::Result<u32> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        Ok(self.channel.queue_declare(self.queues.jobs().into(), passive, FieldTable::default()).await?.message_count())
    }

    /// Deletes what the worker and this declared.
    pub(crate) async fn clean_up(self) -> anyhow::Result<()> {
        for name in [self.queues.jobs(), self.queues.results(), self.queues.dead()] {
            self.channel.queue_delete(name.into(), QueueDeleteOptions::default()).await?;
        }
        self.channel.exchange_delete(self.queues.results().into(), ExchangeDeleteOptions::default()).await?;
        Ok(self.connection.close(200, "done".into()).await?)
    }
}
