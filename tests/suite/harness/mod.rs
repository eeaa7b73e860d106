//! What the themes share: a ledger in memory, a worker's broker part with queues of its own, a private RabbitMQ, a process, a publisher without a client.

pub(crate) mod admin;
pub(crate) mod bench;
pub(crate) mod ledger;
pub(crate) mod panics;
pub(crate) mod place;
pub(crate) mod process;
pub(crate) mod rabbitmq;
pub(crate) mod raw;
pub(crate) mod slow;
pub(crate) mod virtual_time;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use paceline::domain::catalog::built_in;
use paceline::domain::decode::{Apps, Decoder};

/// Waits until a condition holds; the limit only ends a test that has failed.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    until_async(what, async || holds()).await;
}

/// The same for a condition that has to ask somebody.
pub(crate) async fn until_async(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(240), waiting).await.unwrap_or_else(|_| panic!("never happened: {what}"));
}

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the project.
pub(crate) fn file(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn has_ending(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == ending)
}

/// Reads jobs of the built-in methods, of whatever app.
pub(crate) fn decoder() -> Arc<Decoder> {
    Arc::new(Decoder { catalog: Arc::new(built_in().unwrap()), apps: Apps::Any, rights: Arc::default() })
}
