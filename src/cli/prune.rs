//! `run --prune`: what a batch has created from rows that its files do not have any more is deleted, as an undo would.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use crate::domain::catalog::Catalog;
use crate::domain::undo::{self, Created};
use crate::engine::ports::Intake;
use crate::operations::files::Changes;
use crate::settings::Settings;
use crate::wiring;
use paceline_ports::location::StoreUrl;
use paceline_ports::operator::{Reports, Selection};

use super::ask;
use super::batch::Checked;
use super::context::Context;
use super::exit::refuse;
use super::table::plain;
use super::undo::plan::Plan;
use super::undo::work;

/// Objects that are named; a count says how many more there are.
const SHOWN_MAX: usize = 20;
/// Jobs that are read at one time.
const PAGE: usize = 1_000;

/// The jobs of one batch whose objects are deleted.
#[derive(Debug)]
pub(super) struct Gone {
    batch: String,
    selection: Selection,
}

/// Finds what the files have no more, shows it with its count, and asks. Nothing is deleted yet.
///
/// # Errors
/// Nobody agreed: nothing is sent then, neither deletions nor rows.
pub(super) fn offer(
    context: &mut Context,
    (settings, store): (&Settings, &StoreUrl),
    catalog: &Arc<Catalog>,
    (checked, changes): (&Checked, &Changes),
    yes: bool,
) -> anyhow::Result<Vec<Gone>> {
    if !store.may_exist() {
        return Ok(Vec::new());
    }
    let ledger = wiring::open_for_people(store)?;
    let now = context.clock.now();
    let mut gone = Vec::new();
    let mut objects = 0;
    for batch in &checked.batches {
        let left = left_out(&*ledger, catalog, batch, changes)?;
        if left.is_empty() {
            continue;
        }
        let ids = left.iter().map(|created| name(&created.id)).collect();
        let selection = Selection { ids, ..Selection::of_batch(batch) };
        let plan = Plan::of(&*ledger, &selection, settings, catalog, now)?;
        show(context, batch, &left)?;
        plan.write(&mut context.err)?;
        objects += plan.objects();
        gone.push(Gone { batch: undo::batch(batch), selection });
    }
    if objects == 0 || yes {
        return Ok(gone);
    }
    if !ask::somebody_is_there() {
        return Err(refuse("nothing was sent", "--yes deletes them without a question; without --prune they stay"));
    }
    if !ask::agrees(context, &format!("Delete {objects} objects?"))? {
        return Err(refuse("nothing was sent", "without --prune they stay"));
    }
    Ok(gone)
}

/// Makes jobs of the deletions, and counts them among the calls of the run.
pub(super) async fn take_over(
    context: &Context,
    ledger: &dyn Intake,
    store: &StoreUrl,
    catalog: &Catalog,
    gone: &[Gone],
    checked: &mut Checked,
) -> anyhow::Result<()> {
    for Gone { batch, selection } in gone {
        for (lane, count) in work::take_over(context, ledger, store, catalog, selection, batch).await? {
            *checked.calls.entry(lane).or_default() += count;
        }
        checked.batches.push(batch.clone());
    }
    Ok(())
}

/// What is there of rows of files, can be deleted, and is no row any more.
fn left_out(ledger: &dyn Reports, catalog: &Catalog, batch: &str, changes: &Changes) -> anyhow::Result<Vec<Created>> {
    let of_batch = Selection::of_batch(batch);
    let can_go = |created: &Created| {
        let method = catalog.job_method(&created.lane.method);
        !created.place.is_empty() && method.is_some_and(|method| method.undo.is_some()) && !changes.has_row(&created.id)
    };
    let (mut left, mut after) = (Vec::new(), 0);
    loop {
        let page = ledger.created(&of_batch, after, PAGE)?;
        left.extend(page.lines.into_iter().filter(can_go));
        match page.next {
            Some(next) => after = next,
            None => return Ok(left),
        }
    }
}

/// A job's id as a selection takes it, whatever it looks like.
fn name(id: &str) -> String {
    if id.starts_with('#') { format!("job:{id}") } else { id.to_owned() }
}

fn show(context: &mut Context, batch: &str, left: &[Created]) -> anyhow::Result<()> {
    let out = &mut context.err;
    writeln!(out, "batch {}: {} objects are in no row any more:", plain(batch), left.len())?;
    for created in left.iter().take(SHOWN_MAX) {
        writeln!(out, "  {}: {} ({})", plain(&created.place), plain(&created.id), plain(&created.key))?;
    }
    if let more @ 1.. = left.len().saturating_sub(SHOWN_MAX) {
        writeln!(out, "  … and {more} more")?;
    }
    // Several files may have made one batch, and only one of them may have been given.
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    for created in left {
        let file = created.place.rsplit_once(':').map_or(created.place.as_str(), |(file, _)| file);
        *files.entry(file).or_default() += 1;
    }
    if files.len() > 1 {
        let files: Vec<_> = files.iter().map(|(file, count)| format!("{count} of {}", plain(file))).collect();
        writeln!(out, "they came from {} files: {}", files.len(), files.join(", "))?;
    }
    Ok(())
}
