//! `paceline run`: a batch into the ledger, worked to its end with progress, then a summary. Run again, it resumes.

mod behind;
mod stages;
mod watch;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::domain::catalog::Catalog;
use crate::domain::decode::Decoder;
use crate::domain::time::Timestamp;
use crate::engine::ports::{Counts, Suspension};
use crate::engine::{Engine, Stop};
use crate::operations::files::Changes;
use crate::operations::suspension::Scope;
use crate::settings::Settings;
use crate::wiring::{self, Parts, Surroundings, Worker};
use paceline_ports::location::StoreUrl;
use paceline_ports::{Mode, Store};

use super::batch::{self, BatchArgs, Checked, Present};
use super::context::Context;
use super::exit::{Exit, refuse};
use super::names::{LookUps, NamesArgs};
use super::planned::{Known, Planned};
use super::prune;
use super::rehearsal::{Account, Rehearsal};
use super::signals;
use super::submit::{Rules, check_with_ledger, refuse_invalid};
use super::summary::Summary;
use super::table::plain;
use super::take_over::take_over;
use behind::Behind;
use stages::{Early, Stages, Worked};
pub(super) use watch::watch;

/// Load files of jobs into the ledger and work them to their end; run again, it resumes
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    names: NamesArgs,
    /// With --update: delete what the batch has created from rows that the files do not have any more. On a terminal they
    /// are shown first, and somebody is asked; elsewhere it takes --yes
    #[arg(long, requires = "update", conflicts_with_all = ["simulate", "skip_invalid", "rows", "wanted", "canary"])]
    prune: bool,
    /// Rehearse against the built-in simulator, with a ledger of its own; nothing leaves this process
    #[arg(long)]
    simulate: bool,
    /// The simulator's scenario: a built-in one's name, or the path of a file
    #[arg(long, value_name = "NAME|PATH", default_value = "calm", requires = "simulate")]
    scenario: String,
    /// How many times shorter all windows are in the rehearsal
    #[arg(long, value_name = "N", default_value_t = 1.0, requires = "simulate")]
    speed: f64,
    #[command(flatten)]
    stages: Stages,
    /// Print one object of counts for programs
    #[arg(long)]
    json: bool,
}

/// What a run works with.
struct Work {
    parts: Parts,
    store: StoreUrl,
    rehearsal: Option<Rehearsal>,
}

/// Takes the files over, works them, and says how they ended.
pub(super) async fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let early = signals::Early::listen()?;
    let settings = if args.simulate { context.settings_without_secrets()? } else { context.settings()? };
    if settings.apps.is_empty() && !args.simulate {
        return Err(refuse(
            "no apps configured: add an [apps.NAME] section",
            "config/paceline.toml has an example; `--simulate` rehearses without any",
        ));
    }
    let catalog = wiring::catalog_of(&settings)?;
    let decoder = Arc::new(wiring::decoder(&settings, &catalog, args.simulate));
    let store = (!args.simulate).then(|| settings.store.clone());
    let mut sources = args.batch.sources(&mut context.err, &decoder, &settings, store.as_ref())?;
    let mut names =
        if args.simulate { LookUps::make_up(&decoder) } else { LookUps::ask(context, &decoder, args.names) };
    let checked = check(context, &args, (&sources, &mut names), &decoder, store.as_ref());
    names.end(&mut context.err)?;
    let (mut checked, changes) = checked?;
    for source in &mut sources {
        source.names = names.names();
    }
    let mut signals = (signals::Stop::listen()?, signals::HangUps::listen()?);
    let gone = match &store {
        Some(store) if args.prune => {
            prune::offer(context, (&settings, store), &catalog, (&checked, &changes), args.rules.yes)?
        }
        Some(_) | None => Vec::new(),
    };
    early.defer();
    let Work { parts, store, rehearsal } = prepare(context, &args, settings, Arc::clone(&catalog), &checked)?;
    let (start, started_at) = context.clock.both();

    let ledger = match &rehearsal {
        Some(_) => wiring::open_rehearsal(&store, args.speed, context.clock.now()).await?,
        None => parts.open(Mode::Worker)?,
    };
    let skip = (args.rules.skip_invalid, &changes, names.created());
    let taken = take_over(context, &*ledger, &store, &sources, &decoder, skip, Some(&early)).await?;
    prune::take_over(context, &*ledger, &store, &catalog, &gone, &mut checked).await?;
    let mut outset = parts.outset(started_at);
    let load = async |engine: &Arc<Engine>| args.stages.load(engine, &checked.batches).await;
    let (mut worker, first) = Worker::start(parts, Arc::clone(&ledger), load).await?;
    // The forecast is made when everything is loaded and nothing has left.
    outset.now = context.clock.now();
    let known = Known::of(rehearsal.as_ref(), &checked);
    let planned = Planned::of(&*wiring::open_for_people(&store)?, &outset, &checked.batches, started_at, known)?;
    let mut around = stages::Around { planned: &planned, signals: &mut signals, yes: args.rules.yes };
    early.check(|| taken.interrupted())?;
    drop(early);
    let Worked { stop, early } =
        args.stages.work(context, &worker, (&checked.batches, &checked.calls), &store, first, &mut around).await?;
    let elapsed = context.clock.mono().since(start);
    worker.end(stop != Stop::Cut).await;

    if let Some(exit) = lost(context, &worker.engine, &*ledger).await? {
        return Ok(exit);
    }
    let counts = ledger.counts(Some(checked.batches.clone())).await?;
    let suspensions = ledger.suspensions().await?;
    ledger.close().await;
    context.has_acted = true;
    let account = rehearsal.as_ref().map(Rehearsal::account);
    let behind = Behind::of(&store, &checked.batches, &counts)?;
    if args.json {
        context.print_json(&document((&counts, &behind), elapsed, planned.length(), account.as_ref()))?;
    } else {
        let is_finished = stop == Stop::Idle && counts.queued + counts.uncertain + counts.blocked == 0;
        let time = (&planned, elapsed, started_at, is_finished);
        summarise(context, &store, &checked.batches, time, account.as_ref())?;
    }
    print_suspended(context, &suspensions)?;
    conclude(context, &args, (&counts, &behind), (stop, early.as_ref()), &store)
}

/// Says why the ledger cannot be relied on any more, if so; nothing more is read from it then.
pub(super) async fn lost(context: &mut Context, engine: &Engine, ledger: &dyn Store) -> anyhow::Result<Option<Exit>> {
    let Some(why) = engine.lost() else { return Ok(None) };
    ledger.close().await;
    writeln!(context.err, "error: {why}")?;
    Ok(Some(Exit::Unwell))
}

/// Judges the rows; without a ledger, as in a rehearsal, only the files can tell what comes twice.
fn check(
    context: &mut Context,
    args: &Args,
    (sources, names): (&[batch::Source], &mut LookUps<'_>),
    decoder: &Arc<Decoder>,
    store: Option<&StoreUrl>,
) -> anyhow::Result<(Checked, Changes)> {
    let rules = (args.rules, args.batch.language());
    if let Some(store) = store {
        return check_with_ledger(context, (sources, names), decoder, rules, (store, args.batch.allow_duplicates));
    }
    let present = Present::new(Some(context.clock.now()), None);
    refuse_invalid(context, sources, decoder, (&present, names), rules, None)
}

fn summarise(
    context: &mut Context,
    store: &StoreUrl,
    batches: &[String],
    (planned, elapsed, started_at, is_finished): (&Planned, Duration, Timestamp, bool),
    account: Option<&Account>,
) -> anyhow::Result<()> {
    let ledger = wiring::open_for_people(store)?;
    let time = planned.against(elapsed, is_finished, &ledger.outcomes(started_at)?);
    Summary::of(&*ledger, batches)?.write(&time, &mut context.out)?;
    if let Some(account) = account {
        account.write(&mut context.out)?;
    }
    Ok(context.out.flush()?)
}

fn print_suspended(context: &mut Context, suspensions: &[Suspension]) -> anyhow::Result<()> {
    for suspension in suspensions {
        let (name, detail) = (Scope::of(suspension).name(), suspension.detail.to_string());
        let fix = suspension.what_to_do().to_string();
        writeln!(context.err, "{} is suspended: {}; {}", plain(&name), plain(&detail), plain(&fix))?;
    }
    Ok(())
}

/// What the settings describe, or what is made up around a simulator.
fn prepare(
    context: &mut Context,
    args: &Args,
    settings: Settings,
    catalog: Arc<Catalog>,
    checked: &Checked,
) -> anyhow::Result<Work> {
    if !args.simulate {
        let store = settings.store.clone();
        let parts = Parts::of(settings, catalog, Surroundings::Run, context.source(), &context.clock)?;
        return Ok(Work { parts, store, rehearsal: None });
    }
    let (rehearsal, apps) = Rehearsal::start(&catalog, checked, &args.scenario, args.speed, context.clock.clone())?;
    let store = settings.store.rehearsal();
    writeln!(
        context.err,
        "rehearsing {} at speed {} in {}; nothing leaves this process",
        args.scenario,
        args.speed,
        store.place()
    )?;
    let parts = Parts::bare(settings, catalog, apps, rehearsal.transport(), context.clock.clone(), args.speed);
    Ok(Work { parts, store, rehearsal: Some(rehearsal) })
}

fn document(
    (counts, behind): (&Counts, &Behind),
    elapsed: Duration,
    planned: Option<Duration>,
    books: Option<&Account>,
) -> serde_json::Value {
    let mut document = json!({
        "total": counts.total,
        "succeeded": counts.succeeded,
        "warnings": counts.warnings,
        "dead": counts.dead,
        "held": counts.held,
        "blocked": counts.blocked,
        "behind_held": behind.held,
        "cancelled": counts.cancelled,
        "throttled": counts.throttled,
        "elapsed_s": elapsed.as_secs_f64(),
        "planned_s": planned.map(|planned| planned.as_secs_f64()),
    });
    if let (Some(books), Some(fields)) = (books, document.as_object_mut()) {
        fields.insert("books".to_owned(), json!(books));
    }
    document
}

fn conclude(
    context: &mut Context,
    args: &Args,
    (counts, behind): (&Counts, &Behind),
    (stop, early): (Stop, Option<&Early>),
    store: &StoreUrl,
) -> anyhow::Result<Exit> {
    let open = counts.queued + counts.uncertain;
    if args.simulate && counts.dead + counts.held + counts.warnings > 0 {
        writeln!(context.err, "hint: PACELINE_STORE__URL={store} lets the other commands look at the rehearsal")?;
    }
    if let Some(early) = early {
        writeln!(context.err, "{early}")?;
    }
    if open > 0 {
        writeln!(context.err, "{open} of {} jobs wait in the ledger", counts.total)?;
        let hint = match early {
            _ if args.simulate => "a rehearsal begins anew",
            Some(early) => early.what_to_do(),
            None => "the same command again resumes where this one ended",
        };
        writeln!(context.err, "hint: {hint}")?;
    }
    if counts.blocked > 0 {
        writeln!(
            context.err,
            "{} of {} jobs wait for jobs that are not done: `paceline why ID` says for which, `paceline jobs list --state \
             blocked` lists them",
            counts.blocked, counts.total
        )?;
        behind.write(
            if args.simulate { "a rehearsal begins anew" } else { "the same command goes on" },
            &mut context.err,
        )?;
    }
    if stop == Stop::Cut {
        writeln!(context.err, "calls were in flight at the end; what became of them is looked up at the next start")?;
    }
    Ok(match stop {
        Stop::Drained | Stop::Cut if early.is_none() => Exit::Interrupted,
        Stop::Idle if open + counts.blocked + counts.dead + counts.held == 0 => Exit::Success,
        Stop::Idle | Stop::Drained | Stop::Cut | Stop::Lost => Exit::Unwell,
    })
}
