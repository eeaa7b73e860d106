//! `plan --drift`: what people changed on the platform by hand since the rows' jobs succeeded.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::names;
use crate::cli::table::plain;
use crate::domain::catalog::Catalog;
use crate::domain::difference::Change;
use crate::domain::drift;
use crate::domain::job::{Identity, Job, LaneKey, Params};
use crate::domain::outcome::{lookup, text_of};
use crate::domain::rows::Row;
use crate::engine::ports::LedgerError;
use crate::operations::files::done;
use crate::operations::files::names::read_all;
use paceline_ports::State;
use paceline_ports::operator::{Seeker, Sought};

/// What a row's job created, as the ledger has it.
struct Object {
    place: String,
    id: String,
    key: String,
    has: Job,
}

/// The objects of the rows, by the listing that shows them.
#[derive(Default)]
pub(super) struct Watched {
    objects: BTreeMap<(LaneKey, String, String), (Params, Vec<Object>)>,
    /// Rows whose objects no listing shows as a whole, by their method.
    unlisted: BTreeMap<String, u64>,
}

/// An object that is not as the ledger has it.
pub(super) struct Drifted {
    place: String,
    id: String,
    key: String,
    /// `None`: it is not listed any more.
    changes: Option<Vec<Change>>,
}

/// What the platform showed.
pub(super) struct Found {
    drifted: Vec<Drifted>,
    looked_at: usize,
    unlisted: BTreeMap<String, u64>,
}

impl Watched {
    /// Notes what the row's job has created.
    pub(super) fn add(&mut self, row: &Row, seeker: &dyn Seeker, catalog: &Catalog) -> Result<(), LedgerError> {
        let Ok(job) = &row.input else { return Ok(()) };
        let (known, _) = seeker.seek(Sought { job, is_row: true, by_content: !row.goes_by_object() })?;
        let Some(known) = known.filter(|known| known.state == State::Succeeded) else { return Ok(()) };
        let (Some(key), Some(before)) = (known.key, seeker.job(&known.id)?) else { return Ok(()) };
        let Some(method) = catalog.job_method(&before.lane.method) else { return Ok(()) };
        // What other jobs and look-ups gave was sent.
        let before = before.with_values(Some(method));
        let Some((listing, ..)) = drift::listing_of(catalog, method) else {
            *self.unlisted.entry(method.name.clone()).or_default() += 1;
            return Ok(());
        };
        let has = done(seeker, method, &known.id, &key, &before)?;
        let lane = LaneKey { method: listing.name.clone(), ..has.lane.clone() };
        let asked = drift::asked_with(listing, &has);
        let object = Object { place: row.place.clone(), id: known.id, key, has };
        let which = (lane, object.has.identity.to_string(), json!(asked.path).to_string());
        self.objects.entry(which).or_insert_with(|| (asked, Vec::new())).1.push(object);
        Ok(())
    }

    /// Reads the listings, each once, and compares.
    ///
    /// # Errors
    /// A listing cannot be read.
    pub(super) async fn compare(self, context: &mut Context, catalog: &Catalog) -> anyhow::Result<Found> {
        let Self { objects, unlisted } = self;
        let looked_at = objects.values().map(|(_, objects)| objects.len()).sum();
        let mut drifted = Vec::new();
        if !objects.is_empty() {
            drifted = names::asking(context, async |engine| {
                let mut drifted = Vec::new();
                for ((lane, identity, _), (asked, objects)) in objects {
                    let identity = Identity::parse(&identity).unwrap_or_default();
                    let (items, _) = read_all(engine, catalog, &lane, &identity, asked).await?;
                    drifted.extend(objects.into_iter().filter_map(|object| object.compare(catalog, &items)));
                }
                Ok(drifted)
            })
            .await?;
        }
        Ok(Found { drifted, looked_at, unlisted })
    }
}

impl Object {
    fn compare(self, catalog: &Catalog, items: &[Value]) -> Option<Drifted> {
        let Self { place, id, key, has } = self;
        let method = catalog.job_method(&has.lane.method)?;
        let (_, read, path) = drift::listing_of(catalog, method)?;
        let is_it = |item: &&Value| lookup(item, path).and_then(text_of).as_deref() == Some(&key);
        let is_there = |item: &&Value| is_it(item) && !drift::is_gone(method, item);
        let changes = items.iter().find(is_there).map(|item| drift::between(method, read, &has, item));
        let is_same = changes.as_ref().is_some_and(Vec::is_empty);
        (!is_same).then_some(Drifted { place, id, key, changes })
    }
}

impl Found {
    /// Whether everything is as the ledger has it.
    pub(super) const fn is_well(&self) -> bool {
        self.drifted.is_empty()
    }

    /// For people.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out)?;
        writeln!(out, "{} of {} objects were changed on the platform by hand", self.drifted.len(), self.looked_at)?;
        for Drifted { place, id, key, changes } in &self.drifted {
            let what = match changes {
                None => "not there any more".to_owned(),
                Some(changes) => changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            };
            writeln!(out, "  {}: {} ({}): {}", plain(place), plain(id), plain(key), plain(&what))?;
        }
        for (method, rows) in &self.unlisted {
            writeln!(out, "not looked at: {rows} of {method}, which no listing shows as a whole")?;
        }
        Ok(())
    }

    /// For programs.
    pub(super) fn document(&self) -> Value {
        let change = |change: &Change| json!({"field": change.field, "before": change.before, "now": change.now});
        let drifted = |it: &Drifted| {
            let changes = it.changes.as_ref().map(|changes| changes.iter().map(change).collect::<Vec<_>>());
            json!({"place": it.place, "id": it.id, "key": it.key, "gone": changes.is_none(), "changes": changes})
        };
        json!({
            "objects": self.looked_at,
            "rows": self.drifted.iter().map(drifted).collect::<Vec<_>>(),
            "unlisted": self.unlisted,
        })
    }
}
