//! `paceline dead`: dead letters listed, shown, put back to work or dropped.

use std::io::Write;
use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;

use crate::domain::decode::{Decoder, Defaults};
use crate::domain::reason::Reason;
use crate::engine::ports::{Arrival, Ledger, TakenOver};
use crate::store::operator::{DeadFilter, DeadLine, Operator, RejectedInput};
use crate::store::sqlite::{Mode, SqliteLedger};

use super::batch;
use super::context::{Context, catalog};
use super::exit::{Exit, refuse};
use super::jobs::{text, what};
use super::table::{Align, Table, plain};

/// Inputs that never became jobs that are read again in one go.
const INPUTS_MAX: usize = 1_000;

/// Look at dead letters, put them back to work, or drop them
#[derive(Debug, Subcommand)]
pub enum Args {
    /// All dead letters: jobs first, then inputs that never became jobs
    List {
        #[command(flatten)]
        which: Which,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// Print data for programs: one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// One dead letter, with its cure
    Show {
        /// The job's id, or #NUMBER of an input that never became a job
        id: String,
        /// Print data for programs
        #[arg(long)]
        json: bool,
    },
    /// Put dead letters back to work, from the start
    Redrive(Change),
    /// Forget dead letters; their ids may be used again
    Drop(Change),
}

/// Which dead letters are changed.
#[derive(Clone, Debug, clap::Args)]
pub struct Change {
    /// Ids of jobs, or #NUMBER of inputs that never became jobs
    #[arg(value_name = "ID", required_unless_present_any = ["all", "reason", "code", "batch", "method", "app"])]
    ids: Vec<String>,
    #[command(flatten)]
    which: Which,
    /// All dead letters
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

/// Restricts dead letters.
#[derive(Clone, Debug, clap::Args)]
pub struct Which {
    /// Died of this reason alone, e.g. rejected or exhausted
    #[arg(long)]
    reason: Option<Reason>,
    /// With this code of the platform alone
    #[arg(long, allow_negative_numbers = true)]
    code: Option<i64>,
    /// Of this batch alone
    #[arg(long)]
    batch: Option<String>,
    /// Of this method alone
    #[arg(long)]
    method: Option<String>,
    /// Of this app alone
    #[arg(long)]
    app: Option<String>,
}

impl Which {
    fn filter(self, ids: Vec<String>) -> DeadFilter {
        DeadFilter { ids, reason: self.reason, code: self.code, batch: self.batch, method: self.method, app: self.app }
    }
}

/// Prints, redrives or drops.
pub async fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let mut ledger = context.operator()?;
    match args {
        Args::List { which, limit, json } => list(context, &ledger, &which.filter(Vec::new()), limit, json),
        Args::Show { id, json } => show(context, &ledger, &id, json),
        Args::Redrive(change) => redrive(context, &mut ledger, change).await,
        Args::Drop(change) => {
            let Change { ids, which, json, .. } = change;
            let wanted = ids.len();
            let dropped = ledger.drop_dead(&which.filter(ids))?;
            if json {
                context.print_json(&json!({ "dropped": dropped }))?;
            } else {
                writeln!(context.err, "{dropped} dropped")?;
            }
            missing(context, wanted, dropped)
        }
    }
}

fn list(
    context: &mut Context,
    ledger: &Operator,
    filter: &DeadFilter,
    limit: usize,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let mut lines = ledger.list_dead(filter, limit.saturating_add(1))?;
    let more = lines.len() > limit;
    lines.truncate(limit);
    if as_json {
        for line in &lines {
            context.print_json(&json!(line))?;
        }
    } else {
        let mut table = Table::new([
            ("ID", Align::Left),
            ("APP", Align::Left),
            ("METHOD", Align::Left),
            ("REASON, CODE AND WORDS", Align::Left),
        ]);
        for line in &lines {
            let text = |field: &str| text(&line.document, field);
            table.row([line.handle.clone(), text("app"), text("method"), what(&line.document)]);
        }
        table.write(&mut context.out)?;
    }
    context.out.flush()?;
    if more {
        writeln!(
            context.err,
            "hint: there are more; --limit, or --reason, --code, --batch, --method and --app, show others"
        )?;
    }
    if !lines.is_empty() && !as_json {
        writeln!(
            context.err,
            "hint: `paceline dead show ID` has the cure; `paceline dead redrive ID` puts one back to work"
        )?;
    }
    Ok(Exit::Success)
}

fn one(ledger: &Operator, id: &str) -> anyhow::Result<DeadLine> {
    let filter = DeadFilter { ids: vec![id.to_owned()], ..DeadFilter::default() };
    let line = ledger.list_dead(&filter, 1)?.into_iter().next();
    line.ok_or_else(|| {
        refuse(
            format!("there is no dead letter {id:?}"),
            "`paceline dead list` shows them; `paceline jobs show` looks at any job",
        )
    })
}

fn show(context: &mut Context, ledger: &Operator, id: &str, as_json: bool) -> anyhow::Result<Exit> {
    let line = one(ledger, id)?;
    if as_json {
        context.print_json(&json!(line))?;
        return Ok(Exit::Success);
    }
    let out = &mut context.out;
    writeln!(out, "{}: {}", plain(&line.handle), text(&line.document, "reason"))?;
    for field in [
        "id",
        "method",
        "app",
        "tenant",
        "batch",
        "code",
        "detail",
        "cure",
        "log_id",
        "attempts",
        "finished_at",
        "meta",
    ] {
        let value = text(&line.document, field);
        if !value.is_empty() {
            writeln!(out, "  {field:<12}{}", plain(&value))?;
        }
    }
    if let Some(place) = &line.place {
        writeln!(out, "  {:<12}{}", "from", plain(place))?;
    }
    Ok(Exit::Success)
}

async fn redrive(context: &mut Context, ledger: &mut Operator, change: Change) -> anyhow::Result<Exit> {
    let Change { ids, which, json, .. } = change;
    let wanted = ids.len();
    let filter = which.filter(ids);
    let jobs = ledger.redrive(&filter)?;
    let inputs = read_again(context, ledger, &filter).await?;
    if json {
        context.print_json(&json!({ "redriven": jobs + inputs.taken, "still_invalid": inputs.refused }))?;
    } else {
        writeln!(context.err, "{} put back to work", jobs + inputs.taken)?;
    }
    if inputs.refused > 0 {
        writeln!(context.err, "{} still no jobs: correct them and publish them anew", inputs.refused)?;
        return Ok(Exit::Unwell);
    }
    missing(context, wanted, jobs + inputs.taken)
}

#[derive(Default)]
struct ReadAgain {
    taken: usize,
    refused: usize,
}

/// Reads inputs that never became jobs again: an app or a method may be there now.
async fn read_again(context: &mut Context, ledger: &mut Operator, filter: &DeadFilter) -> anyhow::Result<ReadAgain> {
    let inputs = ledger.rejected_inputs(filter, INPUTS_MAX)?;
    let mut again = ReadAgain::default();
    if inputs.is_empty() {
        return Ok(again);
    }
    let settings = context.settings_without_secrets()?;
    let decoder = batch::decoder(&settings, &Arc::clone(&catalog(&settings)?), false);
    let worker = SqliteLedger::open(&settings.store.path, Mode::Operator, context.clock.now())?;
    for input in inputs {
        let Some(arrival) = arrival(&decoder, &input) else {
            again.refused += 1;
            continue;
        };
        let outcome = worker.take_over(vec![arrival], context.clock.now()).await?;
        if outcome.contains(&TakenOver::Rejected) {
            again.refused += 1;
            continue;
        }
        again.taken += 1;
        ledger.drop_dead(&DeadFilter { ids: vec![input.handle], ..DeadFilter::default() })?;
    }
    worker.close().await;
    Ok(again)
}

fn arrival(decoder: &Decoder, input: &RejectedInput) -> Option<Arrival> {
    let amqp = input.origin.amqp.clone().unwrap_or_default();
    let defaults = Defaults {
        id: amqp.message_id,
        method: amqp.kind,
        app: amqp.app_id,
        batch: input.batch.clone(),
        priority: amqp.priority,
        reply_to: amqp.reply_to,
    };
    let job = decoder.decode(&input.origin.raw, &defaults).ok()?;
    Some(Arrival { input: Ok(Box::new(job)), origin: input.origin.clone() })
}

fn missing(context: &mut Context, wanted: usize, done: usize) -> anyhow::Result<Exit> {
    let missing = wanted.saturating_sub(done);
    if missing == 0 {
        return Ok(Exit::Success);
    }
    writeln!(context.err, "{missing} of the ids are no dead letters")?;
    writeln!(context.err, "hint: `paceline dead list` shows them")?;
    Ok(Exit::Unwell)
}
