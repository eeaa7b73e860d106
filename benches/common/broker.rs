//! The broker's side of a run: queues of its own, filled before and deleted after.

use std::path::Path;

use anyhow::ensure;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};

/// Messages published and not yet confirmed.
const IN_FLIGHT_MAX: usize = 1_000;

/// Where the broker is.
pub(crate) fn url() -> String {
    std::env::var("PACELINE_TEST_AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned())
}

/// Connects, with a channel on which the broker confirms.
pub(crate) async fn connect() -> anyhow::Result<(Connection, Channel)> {
    let connection = Connection::connect(&url(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

/// The queues of one run.
pub(crate) struct Broker {
    connection: Connection,
    channel: Channel,
    prefix: String,
}

impl Broker {
    /// Declares the queues as Paceline does, and publishes each line of the file as a job.
    pub(crate) async fn filled(input: &Path) -> anyhow::Result<Self> {
        let broker = Self::declared().await?;
        broker.publish(&std::fs::read_to_string(input)?).await?;
        Ok(broker)
    }

    /// Declares the queues as Paceline does.
    pub(crate) async fn declared() -> anyhow::Result<Self> {
        let (connection, channel) = connect().await?;
        let prefix = format!("bench-{}-{:x}", std::process::id(), fastrand::u32(..));
        let broker = Self { connection, channel, prefix };
        broker.declare().await?;
        Ok(broker)
    }

    /// Publishes each line as a job, until the broker has confirmed all.
    pub(crate) async fn publish(&self, jobs: &str) -> anyhow::Result<()> {
        let mut unconfirmed = FuturesUnordered::new();
        for job in jobs.lines() {
            let queue = self.name("jobs");
            let properties = BasicProperties::default().with_delivery_mode(2);
            let options = BasicPublishOptions::default();
            let sent = self.channel.basic_publish("".into(), queue.into(), options, job.as_bytes(), properties);
            unconfirmed.push(sent.await?);
            if unconfirmed.len() >= IN_FLIGHT_MAX
                && let Some(confirmed) = unconfirmed.next().await
            {
                ensure!(confirmed?.is_ack(), "the broker refused a job");
            }
        }
        while let Some(confirmed) = unconfirmed.next().await {
            ensure!(confirmed?.is_ack(), "the broker refused a job");
        }
        Ok(())
    }

    /// What the names of the queues begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    async fn declare(&self) -> anyhow::Result<()> {
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        for kind in ["jobs", "results", "dead"] {
            let mut quorum = FieldTable::default();
            quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            self.channel.queue_declare(self.name(kind).into(), durable, quorum).await?;
        }
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let results = self.name("results");
        self.channel
            .exchange_declare(results.as_str().into(), ExchangeKind::Topic, durable, FieldTable::default())
            .await?;
        let bind = QueueBindOptions::default();
        let names = (results.as_str().into(), results.as_str().into());
        Ok(self.channel.queue_bind(names.0, names.1, "#".into(), bind, FieldTable::default()).await?)
    }

    /// How many results there are; deletes everything.
    pub(crate) async fn results_then_delete(self) -> anyhow::Result<u32> {
        let mut results = 0;
        for kind in ["jobs", "results", "dead"] {
            let deleted = self.channel.queue_delete(self.name(kind).into(), QueueDeleteOptions::default()).await?;
            if kind == "results" {
                results = deleted;
            }
        }
        self.channel.exchange_delete(self.name("results").into(), ExchangeDeleteOptions::default()).await?;
        self.connection.close(200, "OK".into()).await?;
        Ok(results)
    }

    fn name(&self, kind: &str) -> String {
        format!("{}.{kind}", self.prefix)
    }
}
