//! What is done to the broker, each while jobs flow.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use clap::ValueEnum;
use rustix::process::Signal;

use super::{FLOW, LIMIT, Trial};
use crate::broker::Client;
use crate::jobs::text;
use crate::proxy::Way;
use crate::site::until;

const LARGE_BODIES: usize = 12;
const LARGE_BYTES: usize = 16_000_000;
/// Resident, of a worker that holds 16 MiB of messages at a time.
const MEMORY_MAX_KB: u64 = 300_000;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Trouble {
    /// stopped as an operator would, and started again
    Halted,
    /// SIGKILL to the Erlang VM, as a power cut would
    Killed,
    /// SIGSTOP for longer than two heartbeats: sockets stay open, nobody answers
    Frozen,
    /// connections reset in the middle of a frame, five times
    Cut,
    /// a network that drops everything without a word: heartbeats are lost
    Swallowed,
    /// the memory alarm: connection.blocked
    OutOfMemory,
    /// the disk alarm: connection.blocked
    OutOfDisk,
    /// the results queue refuses what is over its length: everything waits in the outbox
    ResultsFull,
    /// messages whose properties are not UTF-8, with good ones behind each
    Poison,
    /// bodies of 16 MB, together far more than the worker may hold
    Oversized,
    /// a queue that somebody else has bound to the results exchange is full and refuses
    SubscriberFull,
    /// the jobs queue deleted under the consumer, when nothing lies in it
    JobsQueueDeleted,
    /// the results exchange deleted while results are published
    ExchangeDeleted,
    /// the results queue deleted: what comes next has nowhere to go until it is declared again
    ResultsQueueDeleted,
}

impl Trouble {
    /// Its name, and what is done.
    pub(crate) fn words(self) -> (String, String) {
        let value = self.to_possible_value();
        let name = value.as_ref().map(|value| value.get_name().to_owned());
        let what = value.as_ref().and_then(|value| value.get_help()).map(ToString::to_string);
        (name.unwrap_or_default(), what.unwrap_or_default())
    }

    pub(super) async fn carry_out(self, trial: &mut Trial<'_>) -> anyhow::Result<()> {
        match self {
            Self::Halted => gone(trial, false).await,
            Self::Killed => gone(trial, true).await,
            Self::Frozen => frozen(trial).await,
            Self::Cut => cut(trial).await,
            Self::Swallowed => swallowed(trial).await,
            Self::OutOfMemory => {
                trial.alarm(&["set_vm_memory_high_watermark", "0.00001"]).await?;
                trial.node.control(&["set_vm_memory_high_watermark", "0.4"])
            }
            Self::OutOfDisk => {
                trial.alarm(&["set_disk_free_limit", "900000GB"]).await?;
                trial.node.control(&["set_disk_free_limit", "50MB"])
            }
            Self::ResultsFull => results_full(trial).await,
            Self::Poison => poison(trial).await,
            Self::Oversized => oversized(trial).await,
            Self::SubscriberFull => subscriber_full(trial).await,
            Self::JobsQueueDeleted => jobs_queue_deleted(trial).await,
            Self::ExchangeDeleted => exchange_deleted(trial).await,
            Self::ResultsQueueDeleted => results_queue_deleted(trial).await,
        }
    }
}

async fn gone(trial: &mut Trial<'_>, is_killed: bool) -> anyhow::Result<()> {
    trial.flow().await?;
    let gone = if is_killed { trial.node.kill() } else { trial.node.halt() };
    gone?;
    trial.calls_go_on().await?;
    trial.wait().await;
    trial.node.boot()
}

async fn frozen(trial: &mut Trial<'_>) -> anyhow::Result<()> {
    trial.flow().await?;
    trial.node.signal(Signal::STOP)?;
    trial.calls_go_on().await?;
    trial.comes_again().await?;
    trial.wait().await;
    trial.node.signal(Signal::CONT)
}

async fn cut(trial: &mut Trial<'_>) -> anyhow::Result<()> {
    for _ in 0..5 {
        trial.flow().await?;
        trial.begin();
        trial.proxy.cut_mid_frame();
        trial.comes_again().await?;
    }
    trial.calls_go_on().await
}

async fn swallowed(trial: &mut Trial<'_>) -> anyhow::Result<()> {
    trial.flow().await?;
    trial.proxy.swallow(Way::BOTH);
    trial.calls_go_on().await?;
    trial.comes_again().await?;
    trial.wait().await;
    trial.proxy.swallow(&[]);
    trial.proxy.cut();
    Ok(())
}

async fn results_full(trial: &mut Trial<'_>) -> anyhow::Result<()> {
    let (policy, pattern) = (r#"{"max-length": 3, "overflow": "reject-publish"}"#, trial.queues.results());
    trial.node.control(&["set_policy", "--apply-to", "queues", "short", &format!("^{pattern}$"), policy])?;
    trial.flow().await?;
    trial.notices("the queue is full").await?;
    trial.calls_go_on().await?;
    trial.wait().await;
    trial.node.control(&["clear_policy", "short"])
}

async fn poison(trial: &mut Trial<'_>) -> anyhow::Result<()> {
    for _ in 0..3 {
        trial.publish_unreadable().await?;
        trial.publish(FLOW / 3).await?;
    }
    trial.calls_go_on().await?;
    trial.until_dead_letters().await
}

async fn oversized(trial: &mut Trial<'_>) -> anyhow::Result<()> {
    let client = trial.client().await?;
    for number in 0..LARGE_BODIES {
        let body = format!("{{\"id\":\"{number}\",\"meta\":\"{}\"}}", "y".repeat(LARGE_BYTES));
        client.publish_bytes(body.as_bytes()).await?;
        trial.bad += 1;
    }
    client.close().await?;
    trial.flow().await?;
    trial.calls_go_on().await?;
    trial.until_dead_letters().await?;
    let peak_kb = trial.worker.memory_kb("VmHWM")?;
    ensure!(peak_kb < MEMORY_MAX_KB, "the worker took {peak_kb} KB for messages of {LARGE_BYTES} bytes");
    Ok(())
}

async fn subscriber_full(trial: &mut Trial<'_>) -> anyhow::Result<()> {
    let client = trial.client().await?;
    client.subscribe().await?;
    let (repeated, known) = (trial.repeated, trial.results.clone());
    trial.flow().await?;
    trial.notices("it refuses results because it is full").await?;
    trial.calls_go_on().await?;
    trial.wait().await;
    trial.settle().await?;
    let wanted: BTreeSet<_> = trial.results.keys().filter(|id| !known.contains_key(*id)).cloned().collect();
    let mut copies: BTreeMap<String, u32> = BTreeMap::new();
    until("each result in the other subscriber's queue", LIMIT, async || {
        for message in client.drain(&trial.queues.named("copy")).await? {
            *copies.entry(text(&message.document()?, "id").to_owned()).or_default() += 1;
        }
        Ok(copies.keys().eq(&wanted))
    })
    .await?;
    let again = trial.repeated - repeated;
    ensure!(again == 0, "{again} results came again to the results queue");
    let most = copies.values().max();
    ensure!(most <= Some(&2), "the other subscriber got a result {most:?} times");
    for name in ["full", "copy"] {
        client.delete(&trial.queues.named(name)).await?;
    }
    client.close().await
}

async fn jobs_queue_deleted(trial: &mut Trial<'_>) -> anyhow::Result<()> {
    trial.flow().await?;
    let client = trial.client().await?;
    client.delete(&trial.queues.jobs()).await?;
    client.close().await?;
    trial.notices("was deleted or moved").await?;
    trial.publish(20).await
}

async fn exchange_deleted(trial: &mut Trial<'_>) -> anyhow::Result<()> {
    trial.flow().await?;
    let client = trial.client().await?;
    client.delete_exchange().await?;
    client.close().await
}

async fn results_queue_deleted(trial: &mut Trial<'_>) -> anyhow::Result<()> {
    trial.settle().await?;
    let client: Client = trial.client().await?;
    client.delete(&trial.queues.results()).await?;
    trial.publish(FLOW).await?;
    trial.calls_go_on().await?;
    trial.notices("it will be declared again").await?;
    until("the results queue", LIMIT, async || client.has(&trial.queues.results()).await).await?;
    client.close().await
}
