//! `paceline run`: a batch into the ledger, worked to its end with progress, then a summary. Run again, it resumes.

mod stages;
mod watch;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::admin::{self, Admin, BindError};
use crate::domain::catalog::Catalog;
use crate::domain::decode::Decoder;
use crate::domain::time::Timestamp;
use crate::engine::app::Apps;
use crate::engine::planner::Planner;
use crate::engine::ports::{Counts, Ledger, Suspension, Transport};
use crate::engine::{Engine, Stop};
use crate::metrics::Metrics;
use crate::operations::suspension::{Scope, what_to_do};
use crate::settings::Settings;
use crate::store::operator::Operator;
use crate::store::sqlite::{Mode, SqliteLedger};
use crate::wiring;
use paceline_ports::location::Location;

use super::batch::{self, BatchArgs, Checked, Present};
use super::context::{Context, catalog};
use super::exit::{Exit, refuse};
use super::planned::Planned;
use super::rehearsal::{Account, Rehearsal};
use super::reload::Reloader;
use super::signals;
use super::submit::{Rules, check_with_ledger, refuse_invalid};
use super::summary::Summary;
use super::table::plain;
use super::take_over::take_over;
use stages::{Early, Stages, Worked};
pub(super) use watch::watch;

/// Load files of jobs into the ledger and work them to their end; run again, it resumes
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    rules: Rules,
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
    settings: Settings,
    catalog: Arc<Catalog>,
    store: Location,
    apps: Apps,
    transport: Arc<dyn Transport>,
    rehearsal: Option<Rehearsal>,
}

/// Takes the files over, works them, and says how they ended.
pub async fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let early = signals::Early::listen()?;
    let settings = if args.simulate { context.settings_without_secrets()? } else { context.settings()? };
    if settings.apps.is_empty() && !args.simulate {
        return Err(refuse(
            "no apps configured: add an [apps.NAME] section",
            "config/paceline.toml has an example; `--simulate` rehearses without any",
        ));
    }
    let catalog = catalog(&settings)?;
    let decoder = Arc::new(batch::decoder(&settings, &catalog, args.simulate));
    let store = (!args.simulate).then(|| settings.store.clone());
    let sources = args.batch.sources(&mut context.err, &decoder, &settings, store.as_ref())?;
    let mut signals = (signals::Stop::listen()?, signals::HangUps::listen()?);
    let checked = check(context, &args, &sources, &decoder, store.as_ref(), &early)?;
    let work = prepare(context, &args, settings, catalog, &checked)?;
    let (start, started_at) = context.clock.both();

    // Nothing leaves a rehearsal.
    let traces = if args.simulate { Ok(None) } else { wiring::traces(&work.settings, &context.clock) };
    let traces = traces.map_err(|message| refuse(message, ""))?;
    let metrics = Metrics::collecting(&context.clock).map_err(|message| refuse(message, ""))?;
    let ledger = open(&work.store, args.simulate.then_some(args.speed), context.clock.now(), metrics.clone()).await?;
    let skip = args.rules.skip_invalid;
    let taken = take_over(context, &*ledger, &work.store, &sources, &decoder, skip, Some(&early)).await?;
    let ports = (Arc::clone(&ledger) as Arc<dyn Ledger>, Arc::clone(&work.transport));
    let quotas = Planner { catalog: Arc::clone(&work.catalog), apps: work.apps.clone(), speed: args.speed };
    let engine = wiring::measured_engine(&work.settings, quotas, ports, context.clock.clone(), metrics.clone());
    engine.recover().await?;
    let first = args.stages.load(&engine, &checked.batches).await?;
    let planned = plan(context, &work, &checked, started_at, args.speed)?;
    let decoding = wiring::Decoding::new(batch::decoder(&work.settings, &work.catalog, args.simulate));
    let scrape = wiring::Scrape::new(Arc::clone(&engine), Arc::clone(&ledger), metrics);
    let admin = if args.simulate { None } else { serve(&work.settings, &engine, decoding.clone(), scrape).await };
    // A rehearsal's apps are made up: there is nothing to read again.
    let reloader = (!args.simulate).then(|| {
        Reloader::new(context.source(), work.settings, work.catalog, Arc::clone(&engine), Some(decoding))
            .with_door(admin.as_ref().map(Admin::door))
            .start()
    });
    let mut around = stages::Around { planned: &planned, signals: &mut signals, reloader: reloader.as_ref() };
    early.check(|| taken.interrupted())?;
    drop(early);
    let Worked { stop, early } =
        args.stages.work(context, &engine, (&checked.batches, &checked.calls), &work.store, first, &mut around).await?;
    if let Some(admin) = admin {
        admin.stop().await;
    }

    if let Some(exit) = lost(context, &engine, &ledger).await? {
        return Ok(exit);
    }
    let elapsed = context.clock.mono().since(start);
    if let Some(traces) = traces.filter(|_| stop != Stop::Cut) {
        traces.stop().await;
    }
    let counts = ledger.counts(Some(checked.batches.clone())).await?;
    let suspensions = ledger.suspensions().await?;
    ledger.close().await;
    context.has_acted = true;
    let account = work.rehearsal.as_ref().map(Rehearsal::account);
    if args.json {
        context.print_json(&document(&counts, elapsed, planned.length(), account.as_ref()))?;
    } else {
        let is_finished = stop == Stop::Idle && counts.queued + counts.uncertain == 0;
        let time = (&planned, elapsed, started_at, is_finished);
        summarise(context, &work.store, &checked.batches, time, account.as_ref())?;
    }
    say_suspended(context, &suspensions)?;
    conclude(context, &args, &counts, (stop, early.as_ref()), &work.store)
}

/// Says why the ledger cannot be relied on any more, if so; nothing more is read from it then.
pub(super) async fn lost(
    context: &mut Context,
    engine: &Engine,
    ledger: &SqliteLedger,
) -> anyhow::Result<Option<Exit>> {
    let Some(why) = engine.lost() else { return Ok(None) };
    ledger.close().await;
    writeln!(context.err, "error: {why}")?;
    Ok(Some(Exit::Unwell))
}

/// Judges the rows; without a ledger, as in a rehearsal, only the files can tell what comes twice.
fn check(
    context: &mut Context,
    args: &Args,
    sources: &[batch::Source],
    decoder: &Arc<Decoder>,
    store: Option<&Location>,
    early: &signals::Early,
) -> anyhow::Result<Checked> {
    let go_on = || early.check(|| "while the files were read; nothing was sent".to_owned());
    if let Some(store) = store {
        return check_with_ledger(context, sources, decoder, args.rules, (store, args.batch.allow_duplicates), &go_on);
    }
    let present = Present::new(Some(context.clock.now()), None);
    refuse_invalid(context, sources, decoder, &present, args.rules, None, &go_on)
}

fn summarise(
    context: &mut Context,
    store: &Location,
    batches: &[String],
    (planned, elapsed, started_at, is_finished): (&Planned, Duration, Timestamp, bool),
    account: Option<&Account>,
) -> anyhow::Result<()> {
    let ledger = Operator::open(store)?;
    let time = planned.against(elapsed, is_finished, &ledger.outcomes(started_at)?);
    Summary::of(&ledger, batches)?.write(&time, &mut context.out)?;
    if let Some(account) = account {
        account.write(&mut context.out)?;
    }
    Ok(context.out.flush()?)
}

fn say_suspended(context: &mut Context, suspensions: &[Suspension]) -> anyhow::Result<()> {
    for suspension in suspensions {
        let (name, detail) = (Scope::of(suspension).name(), &suspension.detail);
        writeln!(context.err, "{} is suspended: {}; {}", plain(&name), plain(detail), plain(&what_to_do(suspension)))?;
    }
    Ok(())
}

/// The admin server, if its address is free: a batch is worked without it as well.
async fn serve(
    settings: &Settings,
    engine: &Arc<Engine>,
    decoding: wiring::Decoding,
    scrape: wiring::Scrape,
) -> Option<Admin> {
    let (listen, socket) = (settings.admin.listen, settings.admin.socket.as_deref());
    if listen.is_none() && socket.is_none() {
        return None;
    }
    match admin::bind(listen, socket).await {
        Ok(bound) => {
            let mut worker = wiring::admin_worker("run", engine, &settings.store, None, decoding);
            worker.metrics = scrape.start();
            Some(bound.serve(&wiring::admin_access(settings), worker))
        }
        Err(error) => {
            tracing::warn!("{error}; the batch is worked without it: {}", BindError::CURE);
            None
        }
    }
}

/// The forecast, when everything is loaded and nothing has left.
fn plan(
    context: &Context,
    work: &Work,
    checked: &Checked,
    started_at: Timestamp,
    speed: f64,
) -> anyhow::Result<Planned> {
    let planner = Planner { catalog: Arc::clone(&work.catalog), apps: work.apps.clone(), speed };
    let (settings, now) = (&work.settings, context.clock.now());
    let outset = wiring::outset(settings, Arc::new(planner), now, true);
    Planned::of(
        &Operator::open(&work.store)?,
        &outset,
        &checked.batches,
        started_at,
        work.rehearsal.as_ref().map(Rehearsal::round_trip),
    )
}

/// Apps and transport: those of the settings, or made up around a simulator.
fn prepare(
    context: &mut Context,
    args: &Args,
    settings: Settings,
    catalog: Arc<Catalog>,
    checked: &Checked,
) -> anyhow::Result<Work> {
    if !args.simulate {
        let apps = wiring::apps_of(&settings, &catalog).map_err(|faults| refuse(faults.join("\n"), ""))?;
        let transport = wiring::transport(&settings).map_err(|message| refuse(message, ""))?;
        return Ok(Work { store: settings.store.clone(), settings, catalog, apps, transport, rehearsal: None });
    }
    let (rehearsal, apps) = Rehearsal::start(&catalog, checked, &args.scenario, args.speed, context.clock.clone())?;
    let store = settings.store.rehearsal();
    writeln!(
        context.err,
        "rehearsing {} at speed {} in {}; nothing leaves this process",
        args.scenario,
        args.speed,
        store.path.display()
    )?;
    let transport = rehearsal.transport();
    Ok(Work { settings, catalog, store, apps, transport, rehearsal: Some(rehearsal) })
}

/// The ledger; that of a rehearsal at a speed begins anew each time, because the simulated platform does.
async fn open(
    store: &Location,
    speed: Option<f64>,
    now: Timestamp,
    metrics: Metrics,
) -> anyhow::Result<Arc<SqliteLedger>> {
    let ledger = SqliteLedger::open_measured(store, Mode::Worker, now, metrics.clone())?;
    let Some(speed) = speed else {
        return Ok(Arc::new(ledger));
    };
    // It was opened first to make sure that no other rehearsal works in it.
    ledger.close().await;
    for end in ["", "-wal", "-shm", ".key"] {
        let mut file = store.path.as_os_str().to_owned();
        file.push(end);
        if let Err(error) = std::fs::remove_file(&file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(anyhow::Error::new(error).context(format!("{} cannot be removed", Path::new(&file).display())));
        }
    }
    let ledger = SqliteLedger::open_measured(store, Mode::Worker, now, metrics)?;
    ledger.rehearse(speed).await?;
    Ok(Arc::new(ledger))
}

fn document(
    counts: &Counts,
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
    counts: &Counts,
    (stop, early): (Stop, Option<&Early>),
    store: &Location,
) -> anyhow::Result<Exit> {
    let open = counts.queued + counts.uncertain;
    if args.simulate && counts.dead + counts.held + counts.warnings > 0 {
        writeln!(
            context.err,
            "hint: PACELINE_STORE__URL=sqlite://{} lets the other commands look at the rehearsal",
            store.path.display()
        )?;
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
    if stop == Stop::Cut {
        writeln!(context.err, "calls were in flight at the end; what became of them is looked up at the next start")?;
    }
    Ok(match stop {
        Stop::Drained | Stop::Cut if early.is_none() => Exit::Interrupted,
        Stop::Idle if open + counts.dead + counts.held == 0 => Exit::Success,
        Stop::Idle | Stop::Drained | Stop::Cut | Stop::Lost => Exit::Unwell,
    })
}
