//! Names in files that stand in the place of ids: looked up through the platform's listings before anything is sent.
//!
//! A listing is read once, whatever the number of rows that use it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::sync::Arc;

use serde_json::Value;

use crate::domain::catalog::Catalog;
use crate::domain::decode::Decoder;
use crate::domain::find::{self, Answer, Directory, Names};
use crate::domain::job::{Identity, LaneKey, Params};
use crate::domain::reading::Reading;
use crate::engine::Engine;
use crate::operations::reading::why_unread;

use super::batch::{self, Source};
use super::context::Context;
use super::exit::refuse;
use super::read;
use super::signals;

/// The names that files use, by where they are looked up.
type Wanted = BTreeMap<Directory, BTreeSet<String>>;

/// Lets every name have an id that is made of it: a rehearsal's platform knows nobody's names.
pub(super) fn make_up(sources: &mut [Source]) {
    for source in sources {
        source.names = Names::MadeUp;
    }
}

/// Says how many names there are to look up.
pub(super) fn count(context: &mut Context, decoder: &Arc<Decoder>, sources: &[Source]) -> anyhow::Result<()> {
    for (directory, names) in wanted(decoder, sources)? {
        let (count, listing) = (names.len(), &directory.lane.method);
        let names = if count == 1 { "1 name is".to_owned() } else { format!("{count} names are") };
        writeln!(context.err, "note: {names} looked up with {listing} before anything is sent; --resolve does it now")?;
    }
    Ok(())
}

/// Looks every name up.
///
/// # Errors
/// A listing cannot be read. Names of nothing or of several become faults of their rows.
pub(super) async fn look_up(
    context: &mut Context,
    decoder: &Arc<Decoder>,
    sources: &mut [Source],
) -> anyhow::Result<()> {
    let wanted = wanted(decoder, sources)?;
    if wanted.is_empty() {
        return Ok(());
    }
    let (found, pages) = asking(context, async |engine| {
        let mut asker = Asker { engine, catalog: &decoder.catalog, read: HashMap::new(), pages: 0 };
        let found = asker.all(&wanted).await?;
        Ok((found, asker.pages))
    })
    .await?;
    let calls = if pages == 1 { "1 call".to_owned() } else { format!("{pages} calls") };
    writeln!(context.err, "note: {} names looked up in {calls}", found.len())?;
    let names = Names::Found(Arc::new(found));
    for source in sources {
        source.names = names.clone();
    }
    Ok(())
}

/// Has a worker without jobs ask the platform, under its quotas.
///
/// # Errors
/// Those of `ask`, a signal, or a worker that works already.
pub(super) async fn asking<T>(
    context: &mut Context,
    ask: impl AsyncFnOnce(&Arc<Engine>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut signals = signals::Stop::listen()?;
    let settings = context.settings()?;
    let worker = read::start(context, settings).await?;
    let stopping = tokio::sync::Notify::new();
    let engine = Arc::clone(&worker.engine);
    let working = engine.run(false, stopping.notified());
    let asked = async {
        let asked = tokio::select! {
            biased;
            _ = signals.next() => Err(refuse("interrupted while the platform was asked; nothing was sent", "")),
            asked = ask(&engine) => asked,
        };
        stopping.notify_one();
        asked
    };
    let (_, asked) = tokio::join!(working, asked);
    worker.ledger.close().await;
    asked
}

/// All items of a listing, and how many calls they took.
///
/// # Errors
/// Why it cannot be read.
pub(super) async fn read_all(
    engine: &Arc<Engine>,
    catalog: &Catalog,
    lane: &LaneKey,
    identity: &Identity,
    params: Params,
) -> anyhow::Result<(Vec<Value>, u64)> {
    let name = &lane.method;
    let reading = catalog.method(name).and_then(|method| Reading::new(catalog, method, params, None));
    let Some(mut reading) = reading else {
        return Err(refuse(format!("{name} cannot be read; nothing was sent"), ""));
    };
    let (mut items, mut pages) = (Vec::new(), 0);
    loop {
        let params = reading.params().clone();
        let page = engine.read_page(lane, identity, &params).await.map_err(|why| {
            let refused = why_unread(&why);
            refuse(format!("{name} cannot be read: {}; nothing was sent", refused.error), refused.cure)
        })?;
        pages += 1;
        let page = reading.turn(&page).map_err(|cause| refuse(format!("{name}: {cause}; nothing was sent"), ""))?;
        items.extend(page.items);
        if page.next.is_none() {
            return Ok((items, pages));
        }
    }
}

fn wanted(decoder: &Arc<Decoder>, sources: &[Source]) -> anyhow::Result<Wanted> {
    let mut wanted = Wanted::new();
    let takes_names = |source: &&Source| {
        let method = source.input.method.as_deref().and_then(|name| decoder.catalog.job_method(name));
        source.input.method.is_none() || method.is_some_and(|method| find::takes_names(method))
    };
    let ids = batch::row_ids(sources);
    for source in sources.iter().filter(takes_names) {
        // What is wrong with a file is said when its rows are checked.
        let Ok(rows) = source.rows(decoder, &ids)? else { continue };
        for job in rows.map_while(Result::ok).filter_map(|row| row.input.ok()) {
            for name in find::wanted(&job, &decoder.catalog) {
                wanted.entry(name.directory).or_default().insert(name.name);
            }
        }
    }
    Ok(wanted)
}

/// Reads listings, each part of them once.
struct Asker<'a> {
    engine: &'a Arc<Engine>,
    catalog: &'a Catalog,
    /// The items of each listing, and of each of its branches.
    read: HashMap<(Directory, Option<String>), Arc<[Value]>>,
    pages: u64,
}

impl Asker<'_> {
    async fn all(&mut self, wanted: &Wanted) -> anyhow::Result<HashMap<(Directory, String), Answer>> {
        let mut found = HashMap::new();
        for (directory, names) in wanted {
            for name in names {
                let answer = match &directory.resolve.parent {
                    Some(_) => self.in_tree(directory, name).await?,
                    None => find::pick(&self.items(directory, None).await?, &directory.resolve, name.trim()),
                };
                found.insert((directory.clone(), name.clone()), answer);
            }
        }
        Ok(found)
    }

    /// Follows a path from the top.
    async fn in_tree(&mut self, directory: &Directory, path: &str) -> anyhow::Result<Answer> {
        let mut answer = Answer::Nothing(Vec::new());
        let mut parent: Option<String> = None;
        for step in find::steps(path) {
            let items = self.items(directory, parent.as_deref()).await?;
            let items = find::below(&items, &directory.resolve, parent.as_deref());
            answer = find::pick(&items, &directory.resolve, step);
            let Answer::Is(id) = &answer else { break };
            parent = Some(id.clone());
        }
        Ok(answer)
    }

    async fn items(&mut self, directory: &Directory, parent: Option<&str>) -> anyhow::Result<Arc<[Value]>> {
        let place = (directory.clone(), parent.map(str::to_owned));
        if let Some(items) = self.read.get(&place) {
            return Ok(Arc::clone(items));
        }
        let params = find::params(&directory.resolve, parent);
        let identity = Identity::parse(&directory.identity).unwrap_or_default();
        let (items, pages) = read_all(self.engine, self.catalog, &directory.lane, &identity, params).await?;
        self.pages += pages;
        let items: Arc<[Value]> = items.into();
        self.read.insert(place, Arc::clone(&items));
        Ok(items)
    }
}
