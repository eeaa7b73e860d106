//! `paceline plan`: when files of jobs will be done, calls per quota, the deciding window, and rows that repeat earlier
//! ones; nothing is sent or stored. A ledger is opened for reading alone, beside its worker or without one.

mod drift;
mod report;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use crate::domain::catalog::Catalog;
use crate::domain::job::LaneKey;
use crate::engine::planner::Planner;
use crate::operations::files::plan::{PlannedRows, plan};
use crate::settings::Settings;
use crate::wiring;
use serde_json::json;

use super::batch::{self, BatchArgs, Present};
use super::context::Context;
use super::exit::{Exit, refuse};
use super::findings::Findings;
use super::names::{LookUps, NamesArgs};
use super::said::{self, Becomes};

use drift::Watched;

/// Say when files of jobs will be done, which quota is the bottleneck and which rows repeat earlier ones; send nothing
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an argument of its own")]
pub(super) struct Args {
    #[command(flatten)]
    batch: BatchArgs,
    /// Leave out rows with faults instead of refusing the files
    #[arg(long)]
    skip_invalid: bool,
    /// Look names up now, through the listings and under their quotas; without it they are counted
    #[arg(long)]
    resolve: bool,
    #[command(flatten)]
    names: NamesArgs,
    /// Also read the listings of what the rows' jobs created, and say what people changed there by hand
    #[arg(long)]
    drift: bool,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

/// Prints the plan; 1 if some rows will end badly, repeat others or cannot move.
pub(super) async fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let catalog = wiring::catalog_of(&settings)?;
    let decoder = Arc::new(wiring::decoder(&settings, &catalog, false));
    let (store, language) = (&settings.store, args.batch.language());
    let sources = args.batch.sources(&mut context.err, &decoder, &settings, Some(store))?;
    let mut names = if args.resolve {
        LookUps::ask(context, &decoder, args.names)
    } else {
        LookUps::recall(context, &settings, &decoder)
    };
    let ledger = wiring::open_untouched(store)?;
    let seeker = ledger.as_ref().map(|ledger| ledger.seeker(&catalog)).transpose()?;
    let mut findings = Findings::default();
    let mut rows = PlannedRows::new(seeker, &decoder, args.batch.allow_duplicates);
    let watching = ledger.as_ref().filter(|_| args.drift).map(|ledger| ledger.seeker(&catalog)).transpose()?;
    let mut watched = Watched::default();
    let note = &mut |finding: &_| {
        findings.add(finding);
        Ok(())
    };
    // Rows that come too late are named by the plan itself.
    let present = Present::new(None, wiring::open_untouched(store)?);
    let checked = batch::check_each(&sources, &decoder, (&present, &mut names), note, &mut |row| {
        rows.add(row);
        watching.as_deref().map_or(Ok(()), |seeker| Ok(watched.add(row, seeker, &catalog)?))
    });
    names.end(&mut context.err)?;
    let checked = checked?;
    for (method, count) in names.open() {
        let names = if count == 1 { "1 name is".to_owned() } else { format!("{count} names are") };
        writeln!(context.err, "note: {names} looked up with {method} before anything is sent; --resolve does it now")?;
    }
    findings.print(&mut context.err, language)?;
    names.refuse_unread(language)?;
    if !checked.is_valid() && (!args.skip_invalid || checked.bad_files > 0) {
        let cure = said::cure(&checked, Becomes::Nothing, language);
        return Err(refuse(said::summary(&checked, language), cure));
    }
    let rows = rows.end()?;
    let now = context.clock.now();
    let planner = |lanes: &mut dyn Iterator<Item = &LaneKey>| planner(&settings, &catalog, lanes, 1.0).map(Arc::new);
    let is_worked = wiring::is_worked(store);
    let outset = |planner| wiring::outset(&settings, planner, now, is_worked);
    let plan = plan::<anyhow::Error>(&planner, &outset, &checked, (&rows, ledger.as_deref()), now)?;
    drop((rows, watching));
    drop(ledger);
    let found = if args.drift { Some(watched.compare(context, &catalog).await?) } else { None };
    if args.json {
        let mut document = plan.document();
        document["names"] = json!(names.open().collect::<BTreeMap<_, _>>());
        document["levels"] = json!(names.created().iter().map(|level| &level.place).collect::<Vec<_>>());
        if let Some(found) = &found {
            document["drift"] = found.document();
        }
        context.print_json(&document)?;
    } else {
        plan.write(&mut context.out)?;
        if let Some(found) = &found {
            found.write(&mut context.out)?;
        }
    }
    let is_well = plan.is_well() && found.is_none_or(|found| found.is_well());
    Ok(if is_well { Exit::Success } else { Exit::Unwell })
}

/// The worker's own planner: with the apps of the settings; without any, with apps made up for these lanes.
pub(super) fn planner<'l>(
    settings: &Settings,
    catalog: &Arc<Catalog>,
    lanes: impl Iterator<Item = &'l LaneKey>,
    speed: f64,
) -> anyhow::Result<Planner> {
    let apps = if settings.apps.is_empty() {
        wiring::apps_for_rehearsal(catalog, lanes.map(|lane| (lane.app.as_str(), lane.method.as_str())))
    } else {
        wiring::apps_of(settings, catalog).map_err(|faults| refuse(faults.join("\n"), ""))?
    };
    Ok(Planner::new(Arc::clone(catalog), apps, speed))
}
