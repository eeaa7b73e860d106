//! What the themes share: a ledger in memory, a worker's broker part with queues of its own, a private RabbitMQ, a process, a publisher without a client.

pub mod admin;
pub mod bench;
pub mod ledger;
pub mod panics;
pub mod process;
pub mod rabbitmq;
pub mod raw;
pub mod slow;
pub mod virtual_time;

use std::time::Duration;

/// Waits until a condition holds; the limit only ends a test that has failed.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    until_async(what, async || holds()).await;
}

/// The same for a condition that has to ask somebody.
pub async fn until_async(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("never happened: {what}"));
}
