//! `paceline plan`: calls per quota, the deciding quota and the least time of a batch; nothing is sent or stored.

mod pace;

use std::io::Write;
use std::sync::Arc;

use serde_json::json;

use crate::domain::catalog::Catalog;
use crate::domain::job::LaneKey;
use crate::domain::time::Timestamp;
use crate::engine::quotas::Planner;
use crate::settings::Settings;
use crate::wiring;

use super::batch::{self, BatchArgs, FirstFaults};
use super::context::{Context, catalog};
use super::exit::{Exit, refuse};
use super::progress::duration;
use super::table::{Align, Table};

pub use pace::{Plan, plan};

/// Say how long files of jobs take at the documented pace, and which quota decides; send nothing
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    batch: BatchArgs,
    /// Leave out rows with faults instead of refusing the files
    #[arg(long)]
    skip_invalid: bool,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

/// Prints the plan.
pub fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let catalog = catalog(&settings)?;
    let decoder = Arc::new(batch::decoder(&settings, &catalog, false));
    let mut first = FirstFaults::default();
    let checked =
        batch::check(&args.batch.sources()?, &decoder, &mut |fault| Ok(first.print(fault, &mut context.err)?))?;
    first.print_rest(&mut context.err)?;
    if !checked.is_valid() && (!args.skip_invalid || checked.bad_files > 0) {
        return Err(refuse(checked.summary(), "correct the rows, or leave them out with --skip-invalid"));
    }
    let plan = plan(&checked.calls, &planner(&settings, &catalog, checked.calls.keys(), 1.0)?);
    let now = context.clock.now();
    if args.json {
        context.print_json(&document(&plan, checked.rows - checked.bad_rows, now))?;
    } else {
        write_plan(&plan, checked.rows - checked.bad_rows, now, &mut context.out)?;
    }
    Ok(Exit::Success)
}

/// The worker's own planner: with the apps of the settings; without any, with apps made up for these lanes.
pub fn planner<'l>(
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

fn document(plan: &Plan, jobs: u64, now: Timestamp) -> serde_json::Value {
    let needs = plan.needs.iter().map(|need| {
        json!({
            "method": need.key.method, "scope": need.key.scope, "owner": need.key.owner, "quota": need.quota,
            "calls": need.calls, "least_time_s": need.time.as_secs_f64(),
        })
    });
    json!({
        "jobs": jobs,
        "quotas": needs.collect::<Vec<_>>(),
        "least_time_s": plan.time.as_secs_f64(),
        "finish_at": now + plan.time,
    })
}

fn write_plan(plan: &Plan, jobs: u64, now: Timestamp, out: &mut impl Write) -> std::io::Result<()> {
    let mut table = Table::new([
        ("METHOD", Align::Left),
        ("QUOTA", Align::Left),
        ("COUNTED BY", Align::Left),
        ("CALLS", Align::Right),
        ("LEAST TIME", Align::Right),
    ]);
    for need in &plan.needs {
        let counted_by = format!("{} {}", need.key.scope, need.key.owner);
        table.row([
            need.key.method.clone(),
            need.quota.to_string(),
            counted_by,
            need.calls.to_string(),
            duration(need.time),
        ]);
    }
    table.write(out)?;
    let jobs_word = if jobs == 1 { "job" } else { "jobs" };
    match plan.needs.first() {
        None => writeln!(out, "\nno job, nothing to do"),
        Some(need) if need.time.is_zero() => writeln!(out, "\n{jobs} {jobs_word}: no quota makes them wait"),
        Some(need) => writeln!(
            out,
            "\n{jobs} {jobs_word} take at least {}, until {} if started now on windows that are free; {} of {} decides",
            duration(plan.time),
            now + plan.time,
            need.quota,
            need.key.method,
        ),
    }
}
