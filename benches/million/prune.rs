//! How long retention holds the writer, piece by piece.

use std::path::Path;
use std::time::Duration;

use paceline::domain::time::Timestamp;
use paceline::engine::ports::{JobSeq, Ledger};
use paceline::store::{Mode, SqlStore};

use super::started;

/// Pieces that are looked at.
const PIECES: usize = 800;

/// Forgets jobs from the first on, and says how long the pieces took.
pub(crate) fn all(path: &Path, now: Timestamp) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ledger = SqlStore::open(path, Mode::Worker, now)?;
        let (mut after, mut took, mut forgotten) = (JobSeq(0), Vec::new(), 0);
        for _ in 0..PIECES {
            let start = started();
            let step = ledger.prune(now, after).await?;
            took.push(start.elapsed());
            forgotten += step.forgotten;
            after = step.next.unwrap_or(after);
        }
        took.sort_unstable();
        let ms = |took: Option<&Duration>| took.map_or(0.0, |took| took.as_secs_f64() * 1e3);
        let at = |part: usize| ms(took.get(took.len() * part / 1_000));
        let (median, p99, slowest) = (at(500), at(990), ms(took.last()));
        ledger.close().await;
        Ok(format!("retention: {forgotten} jobs in {PIECES} pieces, each {median:.1} ms, 99 % under {p99:.1} ms, the slowest {slowest:.1} ms"))
    })
}
