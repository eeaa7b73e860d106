//! Names in files that stand in the place of ids: looked up through the platform's listings, each of which is read once.

use std::sync::Arc;

use serde_json::Value;

use super::check::RowSource;
use crate::domain::catalog::Catalog;
use crate::domain::decode::Decoder;
use crate::domain::find;
use crate::domain::job::{Identity, LaneKey, Params};
use crate::domain::messages::{Names, NamesNotRead};
use crate::domain::reading::Reading;
use crate::domain::rows::{Row, RowIds};
use crate::engine::Engine;
use crate::operations::reading::{self, why_unread};
use crate::operations::refused::Refused;

pub use crate::engine::{Found, Unfound, Wanted};

/// Names that are shown where they could not be looked up.
const NAMES_SHOWN_MAX: usize = 5;

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
        rows.map_while(Result::ok).for_each(|row| note(&mut wanted, &row, &decoder.catalog));
    }
    Ok(wanted)
}

/// Adds the names that a row uses.
pub fn note(wanted: &mut Wanted, row: &Row, catalog: &Catalog) {
    let Ok(job) = &row.input else { return };
    for name in find::wanted(job, catalog) {
        wanted.entry(name.directory).or_default().insert(name.name);
    }
}

/// Looks names up, out of what the ledger has kept or through the platform.
pub struct Asker<'a> {
    engine: &'a Arc<Engine>,
    /// How many calls it took so far.
    pub pages: u64,
}

impl<'a> Asker<'a> {
    /// Asks through this engine, under its quotas.
    pub const fn new(engine: &'a Arc<Engine>) -> Self {
        Self { engine, pages: 0 }
    }

    /// What there is of each name, and which could not be looked up.
    pub async fn all(&mut self, wanted: &Wanted) -> (Found, Vec<Unfound>) {
        let mut unfound = Vec::new();
        let looked_up = self.engine.find_names(wanted, &mut unfound).await;
        self.pages += looked_up.calls;
        (looked_up.found, unfound)
    }
}

/// Why names were not looked up, a message for each cause.
pub fn not_read(unfound: &[Unfound], catalog: &Catalog) -> Vec<NamesNotRead> {
    let one = |Unfound { lane, names, why, .. }: &Unfound| {
        let (why, cure) = reading::not_read(why, &lane.method, catalog);
        let (method, app, count) = (lane.method.clone(), lane.app.clone(), names.len());
        let names = Names::first(names.iter().cloned(), count, NAMES_SHOWN_MAX);
        let what = NamesNotRead::NamesUnread { method, app, count, names, why };
        match cure {
            Some(cure) => NamesNotRead::NamesUnreadDo { what: Box::new(what), cure },
            None => what,
        }
    };
    unfound.iter().map(one).collect()
}

/// What puts ids beside the names of rows while they are checked.
pub trait NameRows<E> {
    /// Puts them beside the names of these rows, as far as they are known then.
    ///
    /// # Errors
    /// Whoever knows them cannot be asked.
    fn of_rows(&mut self, rows: &mut [&mut Row]) -> Result<(), E>;

    /// The jobs that make what is not there, those first that others need.
    fn levels(&self) -> &[Row] {
        &[]
    }
}

/// Names stay as the rows have them.
#[derive(Clone, Copy, Debug)]
pub struct Leave;

impl<E> NameRows<E> for Leave {
    fn of_rows(&mut self, _: &mut [&mut Row]) -> Result<(), E> {
        Ok(())
    }
}
