//! Questions by the library, as the admin server asks them.

use std::time::Duration;

use paceline::domain::reason::Reason;
use paceline::domain::time::Timestamp;
use paceline::engine::ports::State;
use paceline::engine::ports::operator::Selection;
use paceline::engine::ports::{JobSeq, Ledger};
use paceline::store;
use paceline::store::{Mode, SqlStore};
use paceline_ports::location::StoreUrl;

use super::{Row, ask};

/// A page of a list.
const PAGE: usize = 50;

/// Asks everything.
pub(crate) fn all(url: &StoreUrl, now: Timestamp) -> anyhow::Result<Vec<Row>> {
    let ledger = store::open(url)?;
    let mut rows = Vec::new();
    rows.push(ask("counts of every batch", || ledger.batches())?);
    rows.push(ask("counts of every lane, oldest job waiting", || ledger.lane_counts())?);
    rows.push(ask("dead letters in groups", || ledger.dead_groups(&Selection::default()))?);
    for (words, selection) in selections() {
        let last = ledger.page_jobs(&selection, i64::MAX / 2, PAGE)?.lines.len();
        rows.push(ask(&format!("50 jobs: {words}"), || {
            // The first page, one from the middle, and a count.
            ledger.page_jobs(&selection, 0, PAGE)?;
            ledger.page_jobs(&selection, 600_000, PAGE)?;
            ledger.count(&selection)?;
            anyhow::ensure!(last == 0, "nothing comes after the end");
            anyhow::Ok(())
        })?);
    }
    let rare = Selection { prefix: Some("rooms-00012".to_owned()), ..Selection::default() };
    rows.push(ask("50 jobs: an id prefix of few", || ledger.page_jobs(&rare, 0, PAGE))?);
    let common = Selection { prefix: Some("rooms-".to_owned()), state: Some(State::Dead), ..Selection::default() };
    rows.push(ask("50 jobs: an id prefix of a third, dead", || ledger.page_jobs(&common, 0, PAGE))?);
    rows.push(ask("50 dead letters", || ledger.page_dead(&Selection::default(), 0, PAGE))?);
    rows.push(ask("50 held jobs with their last attempts", || ledger.page_held(&Selection::default(), 0, PAGE))?);
    let line = ledger.list_jobs(&Selection::default(), 5_000, 1)?.remove(0);
    let id = line.document["id"].as_str().unwrap_or_default().to_owned();
    rows.push(ask("one job with its history", || ledger.show_job(&id))?);
    for (words, back) in [("a minute", 60), ("a day", 86_400)] {
        let since = now - Duration::from_secs(back);
        rows.push(ask(&format!("what a forecast needs, windows of {words}"), || ledger.outlook(since))?);
    }
    let since = now - Duration::from_secs(3_600);
    rows.push(ask("outcomes of the last hour", || ledger.outcomes(since))?);
    rows.push(ask("waits of the last hour (audit)", || ledger.each_wait(since, now, &mut |_, _, _| {}))?);
    rows.push(ask("a worker's start: recovery, calls of a minute, all that waits", || start(url, now))?);
    Ok(rows)
}

fn selections() -> Vec<(&'static str, Selection)> {
    let none = Selection::default;
    vec![
        ("all", none()),
        ("state succeeded", Selection::of_state(State::Succeeded)),
        ("state queued", Selection::of_state(State::Queued)),
        ("state cancelled", Selection::of_state(State::Cancelled)),
        ("a batch", Selection::of_batch("move-40")),
        ("a batch, dead", Selection { state: Some(State::Dead), ..Selection::of_batch("move-40") }),
        ("an app", Selection { app: Some("wx".to_owned()), ..none() }),
        ("a method", Selection { method: Some("feishu.calendar.create".to_owned()), ..none() }),
        ("a reason and a code", Selection { reason: Some(Reason::Rejected), code: Some(190_002), ..none() }),
        ("a code", Selection { code: Some(121_001), ..none() }),
    ]
}

fn start(url: &StoreUrl, now: Timestamp) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ledger = SqlStore::open(url.clone().into_location(), Mode::Worker, now)?;
        ledger.acquire_all().await?.recover(now).await?;
        ledger.acquire_all().await?.past_calls(now - Duration::from_secs(60)).await?;
        let mut after = JobSeq(0);
        loop {
            let waiting = ledger.acquire_all().await?.waiting(None, after, 10_000).await?;
            let Some(last) = waiting.last() else { break };
            after = last.seq;
        }
        ledger.close().await;
        Ok(())
    })
}
