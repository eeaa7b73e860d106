//! `paceline undo`: what a batch created is deleted again, by jobs of a batch of their own.
//!
//! Without `--yes` it only tells what would happen. With it the deletions are jobs like all others, so a kill in the middle
//! costs nothing: the same command goes on.

pub(super) mod plan;
pub(super) mod work;

use std::io::Write;

use serde_json::json;

use crate::domain::undo;
use crate::engine::ports::Counts;
use crate::wiring;
use paceline_ports::operator::Selection;

use self::plan::Plan;
use self::work::End;
use super::context::Context;
use super::exit::{Exit, refuse};
use super::summary::Summary;

/// Delete what a batch has created. Without --yes it only says what would be deleted, by what, and how long it takes
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The deletions are jobs with ids undo:ID in the batch undo:BATCH, under the quotas of the deleting \
    methods. Interrupted or killed, the same command goes on. What is gone already counts as deleted."
)]
pub(super) struct Args {
    /// The batch whose objects are deleted
    #[arg(long)]
    batch: String,
    /// Of this method alone
    #[arg(long)]
    method: Option<String>,
    /// Of this app alone
    #[arg(long)]
    app: Option<String>,
    /// Delete them
    #[arg(long)]
    yes: bool,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

/// Plans, or deletes; 1 if something stays that the batch may have created.
pub(super) async fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let settings = if args.yes { context.settings()? } else { context.settings_without_secrets()? };
    let catalog = wiring::catalog_of(&settings)?;
    let selection = Selection {
        batch: Some(args.batch.clone()),
        method: args.method.clone(),
        app: args.app.clone(),
        ..Selection::default()
    };
    let ledger = context.operator()?;
    let plan = Plan::of(&*ledger, &selection, &settings, &catalog, context.clock.now())?;
    if plan.is_unknown() {
        return Err(refuse(
            format!("the ledger holds no such job of the batch {:?}", args.batch),
            "`paceline status` shows the batches",
        ));
    }
    if !args.yes {
        return show(context, &args, &plan);
    }
    plan.write_left(&mut context.err)?;
    if plan.objects() == 0 {
        writeln!(context.err, "nothing to delete")?;
        return Ok(if plan.is_whole() { Exit::Success } else { Exit::Unwell });
    }
    drop(ledger);
    let batch = undo::batch(&args.batch);
    let store = settings.store.clone();
    let end = work::delete(context, settings, catalog, &selection, &batch).await?;
    report(context, &args, &store, &batch, &plan, &end)
}

fn show(context: &mut Context, args: &Args, plan: &Plan) -> anyhow::Result<Exit> {
    if args.json {
        context.print_json(&plan.document())?;
        return Ok(Exit::Success);
    }
    plan.write(&mut context.out)?;
    context.out.flush()?;
    if plan.objects() > 0 {
        writeln!(context.err, "nothing was deleted; --yes deletes them")?;
        writeln!(context.err, "hint: `paceline export --batch {} --state succeeded` lists them", args.batch)?;
    }
    Ok(Exit::Success)
}

fn report(
    context: &mut Context,
    args: &Args,
    store: &paceline_ports::location::StoreUrl,
    batch: &str,
    plan: &Plan,
    end: &End,
) -> anyhow::Result<Exit> {
    context.has_acted = true;
    let ledger = wiring::open_for_people(store)?;
    let lines = ledger.batches()?;
    let counts = lines.into_iter().find(|line| line.name == batch).map(|line| line.counts).unwrap_or_default();
    let gone = ledger.gone_before(batch)?;
    let Counts { succeeded, dead, held, cancelled, queued, uncertain, .. } = counts;
    let open = queued + uncertain;
    if args.json {
        context.print_json(&json!({
            "batch": batch, "deleted": succeeded.saturating_sub(gone), "gone_before": gone, "dead": dead, "held": held,
            "cancelled": cancelled, "open": open, "left": plan.left_document(),
        }))?;
    } else {
        Summary::of(&*ledger, &[batch.to_owned()])?.write(&end.time, &mut context.out)?;
        writeln!(context.out, "{} deleted, {gone} were gone already", succeeded.saturating_sub(gone))?;
        context.out.flush()?;
    }
    if gone > 0 {
        let objects = if gone == 1 { "1 object was".to_owned() } else { format!("{gone} objects were") };
        writeln!(context.err, "hint: {objects} already gone; check that the app is still in the right tenant")?;
    }
    for suspension in ledger.suspensions()? {
        writeln!(context.err, "{} is suspended: {}; {}", suspension.app, suspension.detail, suspension.what_to_do())?;
    }
    if open > 0 {
        writeln!(context.err, "{open} deletions are not done")?;
        writeln!(context.err, "hint: {}", if end.goes_on { "the worker goes on" } else { "the same command goes on" })?;
    } else {
        writeln!(context.err, "hint: what was deleted counts as cancelled now; its file run again creates it anew")?;
    }
    if end.is_interrupted {
        return Ok(Exit::Interrupted);
    }
    Ok(if open + dead + held == 0 && plan.is_whole() { Exit::Success } else { Exit::Unwell })
}
