//! `paceline plan`: when files of jobs will be done, calls per quota, the deciding window, and rows that repeat earlier
//! ones; nothing is sent or stored. A ledger is opened for reading alone, beside its worker or without one.

mod budgets;
mod drift;
mod pace;
mod report;
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::catalog::Catalog;
use crate::domain::job::LaneKey;
use crate::domain::time::Timestamp;
use crate::engine::forecast::{Basis, Forecast, Group, forecast};
use crate::engine::planner::Planner;
use crate::settings::Settings;
use crate::wiring;
use paceline_ports::operator::{Outlook, Untouched};

use super::batch::{self, BatchArgs, Checked, Present};
use super::context::Context;
use super::exit::{Exit, refuse};
use super::findings::Findings;
use super::names;

use budgets::Wanted;
use drift::Watched;
use pace::Need;
use rows::{Late, PlannedRows, Repeated};

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
    /// Also read the listings of what the rows' jobs created, and say what people changed there by hand
    #[arg(long)]
    drift: bool,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

/// What will happen to the files.
struct Plan {
    now: Timestamp,
    /// Rows that are jobs.
    jobs: u64,
    needs: Vec<Need>,
    budgets: Vec<Wanted>,
    /// Of the files' batches alone, as `run` works them.
    own: Forecast,
    /// Of all that waits, if there is more.
    all: Option<Others>,
    repeats: Vec<Repeated>,
    late: Vec<Late>,
    expiring: Vec<Late>,
    round_trips: BTreeMap<String, u64>,
}

/// The jobs of other batches.
struct Others {
    jobs: u64,
    forecast: Forecast,
}

/// Prints the plan; 1 if some rows will end badly, repeat others or cannot move.
pub(super) async fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let catalog = wiring::catalog_of(&settings)?;
    let decoder = Arc::new(wiring::decoder(&settings, &catalog, false));
    let store = &settings.store;
    let mut sources = args.batch.sources(&mut context.err, &decoder, &settings, Some(store))?;
    if args.resolve {
        names::look_up(context, &decoder, &mut sources).await?;
    } else {
        names::count(context, &decoder, &sources)?;
    }
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
    let checked = batch::check_each(&sources, &decoder, &present, note, &mut |row| {
        rows.add(row);
        watching.as_deref().map_or(Ok(()), |seeker| Ok(watched.add(row, seeker, &catalog)?))
    })?;
    findings.print(&mut context.err)?;
    if !checked.is_valid() && (!args.skip_invalid || checked.bad_files > 0) {
        let cure = checked.cure("correct the rows, or leave them out with --skip-invalid");
        return Err(refuse(checked.summary(), cure));
    }
    let rows = rows.end()?;
    let plan = plan(&settings, &catalog, &checked, (&rows, ledger.as_deref()), context.clock.now())?;
    drop((rows, watching));
    drop(ledger);
    let found = if args.drift { Some(watched.compare(context, &catalog).await?) } else { None };
    if args.json {
        let mut document = plan.document();
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

fn plan(
    settings: &Settings,
    catalog: &Arc<Catalog>,
    checked: &Checked,
    (rows, ledger): (&PlannedRows<'_>, Option<&dyn Untouched>),
    now: Timestamp,
) -> anyhow::Result<Plan> {
    let reach = planner(settings, catalog, checked.calls.keys(), 1.0)?.span_max();
    let outlook = ledger.map_or_else(|| Ok(Outlook::default()), |ledger| ledger.outlook(now - reach))?;
    let waiting = outlook.backlog.iter().map(|group| &group.lane);
    let planner = Arc::new(planner(settings, catalog, checked.calls.keys().chain(waiting), 1.0)?);
    let called = outlook.called.clone();
    let is_worked = wiring::is_worked(&settings.store);
    let mut basis = wiring::outset(settings, Arc::clone(&planner), now, is_worked).basis(outlook);
    let youngest = basis.backlog.iter().map(|group| group.ages.1).max().unwrap_or_default();
    let (mut own, others): (Vec<_>, Vec<_>) =
        basis.backlog.drain(..).partition(|group| checked.batches.iter().any(|batch| **batch == *group.batch));
    let (mut own_chained, others_chained): (Vec<_>, Vec<_>) =
        basis.chained.drain(..).partition(|one| checked.batches.iter().any(|batch| **batch == *one.group.batch));
    let (new, new_chained) = rows.groups(youngest);
    own.extend(new);
    own_chained.extend(new_chained);
    let calls = calls(own.iter().chain(own_chained.iter().map(|one| &one.group)));
    let needs = pace::needs(&calls, &planner);
    let budgets = budgets::wanted(&planner, &called, &calls, now);
    let running = std::mem::take(&mut basis.running);
    basis.backlog.clone_from(&own);
    basis.chained.clone_from(&own_chained);
    let mut alone = forecast(&basis);
    alone.finish = budgets.iter().filter_map(Wanted::waits_until).chain([alone.finish]).max().unwrap_or(alone.finish);
    basis.running = running;
    let jobs: u64 = others.iter().chain(others_chained.iter().map(|one| &one.group)).map(|group| group.count).sum();
    let all = (jobs > 0).then(|| {
        basis.backlog = others;
        basis.backlog.extend(own);
        basis.chained = others_chained;
        basis.chained.extend(own_chained);
        Others { jobs, forecast: forecast(&basis) }
    });
    Ok(Plan {
        now,
        jobs: checked.rows - checked.bad_rows,
        needs,
        budgets,
        expiring: rows.expiring(now, &alone.expired),
        own: alone,
        all,
        repeats: rows.repeats(),
        late: rows.late(now),
        round_trips: round_trips(&basis, checked),
    })
}

fn calls<'g>(groups: impl Iterator<Item = &'g Group>) -> BTreeMap<LaneKey, u64> {
    let mut calls = BTreeMap::new();
    for group in groups {
        *calls.entry(group.lane.clone()).or_default() += group.count;
    }
    calls
}

/// In milliseconds, of the files' methods.
fn round_trips(basis: &Basis, checked: &Checked) -> BTreeMap<String, u64> {
    let of_lane = |lane: &LaneKey| (lane.method.clone(), basis.round_trip(lane).as_millis() as u64);
    checked.calls.keys().map(of_lane).collect()
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
    Ok(Planner { catalog: Arc::clone(catalog), apps, speed })
}
