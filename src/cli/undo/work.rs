//! Carries an undo out: here, or by the worker that works the ledger.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::cli::context::Context;
use crate::cli::planned::{Known, Planned};
use crate::cli::progress::duration;
use crate::cli::run::watch;
use crate::cli::signals;
use crate::crash_points;
use crate::domain::activity::Action;
use crate::domain::catalog::Catalog;
use crate::domain::job::{Job, LaneKey};
use crate::domain::undo::{self, Created};
use crate::engine::ports::{Arrival, Intake, LedgerError, Origin};
use crate::engine::{Engine, Stop};
use crate::settings::Settings;
use crate::wiring::{self, Parts, Surroundings, Worker};
use paceline_ports::Mode;
use paceline_ports::location::StoreUrl;
use paceline_ports::operator::{Reports, Selection};

/// Objects whose deletions are taken over in one transaction.
const CHUNK: usize = 500;
/// How often a worker's progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is told.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How it ended.
pub(crate) struct End {
    /// How long it took, in words.
    pub time: String,
    /// Whether a signal ended it.
    pub is_interrupted: bool,
    /// Whether a worker goes on with it.
    pub goes_on: bool,
}

/// Deletes what the selected jobs created, by jobs of this batch.
pub(crate) async fn delete(
    context: &mut Context,
    settings: Settings,
    catalog: Arc<Catalog>,
    selection: &Selection,
    batch: &str,
) -> anyhow::Result<End> {
    let store = settings.store.clone();
    let parts = Parts::of(settings, Arc::clone(&catalog), Surroundings::Bare, context.source(), &context.clock)?;
    let worker = wiring::open_for_people(&store)?.worker()?;
    let ledger = parts.open(if worker.is_some() { Mode::Operator } else { Mode::Worker })?;
    let totals = take_over(context, &*ledger, &store, &catalog, selection, batch).await?;
    if let Some(worker) = worker {
        ledger.close().await;
        writeln!(context.err, "{worker}: it deletes them; Ctrl-C stops looking on")?;
        return follow(context, &store, batch).await;
    }
    let (start, started_at) = context.clock.both();
    let mut signals = (signals::Stop::listen()?, signals::HangUps::listen()?);
    let batches = vec![batch.to_owned()];
    let mut outset = parts.outset(started_at);
    let load = async |engine: &Arc<Engine>| engine.load(Some(batches.clone())).await;
    let (worker, _) = Worker::start(parts, Arc::clone(&ledger), load).await?;
    outset.now = context.clock.now();
    let operator = wiring::open_for_people(&store)?;
    let expected = Planned::of(&*operator, &outset, &batches, started_at, Known::default())?;
    let (stop, _) = watch(context, &worker, &totals, &expected, &mut signals, None).await?;
    if let Some(why) = worker.engine.lost() {
        ledger.close().await;
        return Err(LedgerError::Unusable(why.to_owned()).into());
    }
    let counts = ledger.counts(Some(batches)).await?;
    ledger.close().await;
    let is_finished = stop == Stop::Idle && counts.queued + counts.uncertain + counts.blocked == 0;
    let time = expected.against(context.clock.mono().since(start), is_finished, &operator.outcomes(started_at)?);
    Ok(End { time, is_interrupted: stop != Stop::Idle, goes_on: false })
}

/// Makes a job of each object that is still there; says how many, by lane. A deletion that is known waits, runs or is
/// queued again if it was dead.
pub(in crate::cli) async fn take_over(
    context: &Context,
    ledger: &dyn Intake,
    store: &StoreUrl,
    catalog: &Catalog,
    selection: &Selection,
    batch: &str,
) -> anyhow::Result<BTreeMap<LaneKey, u64>> {
    let operator = wiring::open_for_people(store)?;
    let deed = Arc::new(operator.deed(Action::Undo, selection.facts()));
    let jobs = deletions(&*operator, catalog, selection, batch)?;
    let mut totals = BTreeMap::new();
    for chunk in jobs.chunks(CHUNK) {
        let arrival = |job: &Job| {
            *totals.entry(job.lane.clone()).or_default() += 1;
            let origin = Origin { raw: Bytes::new(), by: Some(Arc::clone(&deed)), ..Origin::default() };
            Arrival { input: Ok(Box::new(job.clone())), origin }
        };
        ledger.take_over(chunk.iter().map(arrival).collect(), context.clock.now()).await?;
        crash_points::reach("after-file-rows");
    }
    Ok(totals)
}

/// The deletions of everything that is still there, from the ends of chains to their beginnings: what a job waited for is
/// deleted after what the job created.
fn deletions(
    operator: &dyn Reports,
    catalog: &Catalog,
    selection: &Selection,
    batch: &str,
) -> anyhow::Result<Vec<Job>> {
    let (mut jobs, mut places, mut after) = (Vec::new(), HashMap::new(), 0);
    loop {
        let page = operator.created(selection, after, CHUNK)?;
        for created in page.lines {
            if let Some(job) = deletion(operator, &created, |round| undo::job(&created, catalog, batch, round))? {
                places.insert(created.id, jobs.len());
                jobs.push(job);
            }
        }
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    let mut others = HashMap::new();
    for (id, later) in &places {
        for earlier in nearest(operator, id, &places, &mut others)? {
            let id = jobs[*later].id.clone();
            jobs[earlier].after.push(id);
        }
    }
    for job in &mut jobs {
        job.after.sort_unstable();
    }
    jobs.reverse();
    Ok(jobs)
}

/// The places of the nearest jobs up the chain whose objects are deleted, too: what stands between them leaves nothing to
/// delete, and its object may still need theirs. `others` keeps what is known of those in between.
fn nearest(
    operator: &dyn Reports,
    id: &str,
    places: &HashMap<String, usize>,
    others: &mut HashMap<String, Vec<String>>,
) -> anyhow::Result<BTreeSet<usize>> {
    let (mut found, mut seen, mut left) = (BTreeSet::new(), HashSet::new(), operator.waited_for(id)?);
    while let Some(other) = left.pop() {
        if let Some(place) = places.get(&other) {
            found.insert(*place);
        } else if seen.insert(other.clone()) {
            let before = match others.get(&other) {
                Some(before) => before.clone(),
                None => operator.waited_for(&other)?,
            };
            left.extend(before.iter().cloned());
            others.insert(other, before);
        }
    }
    Ok(found)
}

/// The deletion of this very object, if the catalog has one: one of the same id may have deleted an earlier object of the job.
fn deletion(
    operator: &dyn Reports,
    created: &Created,
    job: impl Fn(usize) -> Option<Job>,
) -> anyhow::Result<Option<Job>> {
    let mut round = 1;
    loop {
        let Some(candidate) = job(round) else { return Ok(None) };
        if !operator.is_conflict(&candidate.id, candidate.content_hash())? {
            debug_assert!(!created.key.is_empty());
            return Ok(Some(candidate));
        }
        round += 1;
    }
}

/// Looks on while the worker deletes, until nothing is left to do or a signal.
async fn follow(context: &mut Context, store: &StoreUrl, batch: &str) -> anyhow::Result<End> {
    let mut signals = signals::Stop::listen()?;
    let operator = wiring::open_for_people(store)?;
    let start = context.clock.mono();
    let mut told = start;
    loop {
        let counts = operator.batches()?.into_iter().find(|line| line.name == batch).map(|line| line.counts);
        let counts = counts.unwrap_or_default();
        let (open, now) = (counts.queued + counts.uncertain + counts.blocked, context.clock.mono());
        let time = format!("in {}", duration(now.since(start)));
        if open == 0 {
            return Ok(End { time, is_interrupted: false, goes_on: false });
        }
        if now.since(told) >= TELL_EVERY {
            told = now;
            writeln!(context.err, "{} of {} done", counts.total - open, counts.total)?;
        }
        tokio::select! {
            biased;
            _ = signals.next() => return Ok(End { time, is_interrupted: true, goes_on: true }),
            () = context.clock.sleep_until(now + LOOK_EVERY) => {}
        }
    }
}
