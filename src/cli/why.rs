//! `paceline why`: why a job has not run yet, or how it ended, from the ledger and the settings alone.

use std::io::Write;
use std::sync::Arc;

use serde_json::json;

use crate::engine::forecast::forecast;
use crate::engine::why::{Asked, explain, gather};
use crate::wiring;
use paceline_ports::operator::{JobSheet, Rejected, Reports};

use super::context::Context;
use super::exit::{Exit, refuse};
use super::jobs::{text, write_attempts};
use super::lang::Lang;
use super::plan::planner;
use super::table::plain;

/// Say why a job has not run yet, what keeps it waiting and until when; or how it ended, and what to do
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The job's id
    id: String,
    /// Print data for programs
    #[arg(long)]
    json: bool,
    /// Language of the explanation
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
}

/// Explains one job.
pub(super) fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let catalog = wiring::catalog_of(&settings)?;
    let ledger = context.operator()?;
    let Some(sheet) = ledger.show_job(&args.id)? else { return Err(unknown(&*ledger, &settings, &args.id)?) };
    let now = context.clock.now();
    let standing = ledger.lanes()?;
    let lanes: Vec<_> = standing.iter().map(super::status::key).collect();
    let planner = Arc::new(planner(&settings, &catalog, lanes.iter(), 1.0)?);
    let outlook = ledger.outlook(now - planner.span_max())?;
    let is_worked = ledger.worker()?.is_some();
    let outset = wiring::outset(&settings, Arc::clone(&planner), now, is_worked);
    let forecast = forecast(&outset.basis(outlook.clone()));
    let grace = settings.engine.grace;
    let asked = Asked { planner: &planner, outlook: &outlook, forecast: Some(&forecast), grace, now };
    let why = explain(&gather(&*ledger, &sheet, &asked)?);
    if args.json {
        let document = &sheet.line.document;
        context.print_json(&json!({
            "id": document["id"], "status": document["status"], "running": sheet.line.running,
            "why": why, "history": sheet.history,
        }))?;
    } else {
        write(&sheet, &why.text(args.lang.into()), &mut context.out)?;
    }
    Ok(Exit::Success)
}

fn write(sheet: &JobSheet, why: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    let status = if sheet.line.running { "running".to_owned() } else { text(&sheet.line.document, "status") };
    writeln!(out, "{}: {status}", plain(&text(&sheet.line.document, "id")))?;
    for line in why.lines() {
        writeln!(out, "  {}", plain(line))?;
    }
    if !sheet.history.is_empty() {
        writeln!(out)?;
        write_attempts(&sheet.history, out)?;
    }
    Ok(())
}

/// What can be said of an id that the ledger has no job of.
fn unknown(ledger: &dyn Reports, settings: &crate::settings::Settings, id: &str) -> anyhow::Result<anyhow::Error> {
    if let Some(Rejected { number, reason, detail }) = ledger.rejection_of(id)? {
        return Ok(refuse(
            format!("{id:?} never became a job, {reason}: {}", plain(&detail.to_string())),
            format!("`paceline dead show '#{number}'` shows the input"),
        ));
    }
    let message = format!("the ledger has no job {id:?}");
    let Some(broker) = &settings.broker else { return Ok(refuse(message, "`paceline jobs list` shows them")) };
    let paused = ledger.broker()?.filter(|standing| standing.status.is_full());
    let hint = if let Some(standing) = paused {
        format!(
            "it may wait in {}; intake is {} (intake.pending_max is {})",
            broker.jobs_queue, standing.status.intake, settings.intake.pending_max
        )
    } else {
        format!(
            "it may wait in {} if no worker takes jobs over; `paceline jobs list` shows what is here",
            broker.jobs_queue
        )
    };
    Ok(refuse(message, hint))
}
