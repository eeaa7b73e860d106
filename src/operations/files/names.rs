//! Names in files that stand in the place of ids: looked up through the platform's listings, each of which is read once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::check::RowSource;
use crate::domain::catalog::Catalog;
use crate::domain::decode::Decoder;
use crate::domain::find::{self, Answer, Directory};
use crate::domain::job::{Identity, LaneKey, Params};
use crate::domain::reading::Reading;
use crate::domain::rows::RowIds;
use crate::engine::Engine;
use crate::operations::reading::why_unread;
use crate::operations::refused::Refused;

/// The names that files use, by where they are looked up.
pub type Wanted = BTreeMap<Directory, BTreeSet<String>>;

/// What there is of names.
pub type Found = HashMap<(Directory, String), Answer>;

/// All items of a listing, and how many calls they took.
///
/// # Errors
/// Why it cannot be read.
pub async fn read_all(
    engine: &Arc<Engine>,
    catalog: &Catalog,
    lane: &LaneKey,
    identity: &Identity,
    params: Params,
) -> Result<(Vec<Value>, u64), Refused> {
    let name = &lane.method;
    let reading = catalog.method(name).and_then(|method| Reading::new(catalog, method, params, None));
    let Some(mut reading) = reading else {
        return Err(Refused::new(format!("{name} cannot be read; nothing was sent"), ""));
    };
    let (mut items, mut pages) = (Vec::new(), 0);
    loop {
        let params = reading.params().clone();
        let page = engine.read_page(lane, identity, &params).await.map_err(|why| {
            let refused = why_unread(&why);
            Refused::new(format!("{name} cannot be read: {}; nothing was sent", refused.error), refused.cure)
        })?;
        pages += 1;
        let page =
            reading.turn(&page).map_err(|cause| Refused::new(format!("{name}: {cause}; nothing was sent"), ""))?;
        items.extend(page.items);
        if page.next.is_none() {
            return Ok((items, pages));
        }
    }
}

/// The names that the rows of these files use.
///
/// # Errors
/// A file that cannot be opened.
pub fn wanted<S: RowSource, E: From<S::Error>>(
    sources: &[S],
    decoder: &Arc<Decoder>,
    ids: &RowIds,
) -> Result<Wanted, E> {
    let mut wanted = Wanted::new();
    let takes_names = |source: &&S| {
        let method = source.input().method.as_deref().and_then(|name| decoder.catalog.job_method(name));
        source.input().method.is_none() || method.is_some_and(|method| find::takes_names(method))
    };
    for source in sources.iter().filter(takes_names) {
        // What is wrong with a file is said when its rows are checked.
        let Ok(rows) = source.rows(decoder, ids)? else { continue };
        for job in rows.map_while(Result::ok).filter_map(|row| row.input.ok()) {
            for name in find::wanted(&job, &decoder.catalog) {
                wanted.entry(name.directory).or_default().insert(name.name);
            }
        }
    }
    Ok(wanted)
}

/// Reads listings, each part of them once.
pub struct Asker<'a> {
    engine: &'a Arc<Engine>,
    catalog: &'a Catalog,
    /// The items of each listing, and of each of its branches.
    read: HashMap<(Directory, Option<String>), Arc<[Value]>>,
    /// How many calls it took so far.
    pub pages: u64,
}

impl<'a> Asker<'a> {
    /// Asks through this engine, under its quotas.
    pub fn new(engine: &'a Arc<Engine>, catalog: &'a Catalog) -> Self {
        Self { engine, catalog, read: HashMap::new(), pages: 0 }
    }

    /// What there is of each name.
    ///
    /// # Errors
    /// A listing cannot be read.
    pub async fn all(&mut self, wanted: &Wanted) -> Result<Found, Refused> {
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
    async fn in_tree(&mut self, directory: &Directory, path: &str) -> Result<Answer, Refused> {
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

    async fn items(&mut self, directory: &Directory, parent: Option<&str>) -> Result<Arc<[Value]>, Refused> {
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
