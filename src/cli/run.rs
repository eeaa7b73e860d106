//! `paceline run`: a batch into the ledger, worked to its end with progress, then a summary. Run again, it resumes.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::domain::catalog::Catalog;
use crate::domain::job::LaneKey;
use crate::domain::time::{Mono, Timestamp};
use crate::engine::app::Apps;
use crate::engine::ports::{Counts, Ledger, Transport};
use crate::engine::schedule::{LaneView, View};
use crate::engine::{Engine, Stop};
use crate::settings::Settings;
use crate::simulator::{InProcess, Options, Simulator};
use crate::store::operator::Operator;
use crate::store::sqlite::{Mode, SqliteLedger};
use crate::wiring;

use super::batch::{self, BatchArgs, Checked};
use super::context::{Context, catalog};
use super::exit::{Exit, refuse};
use super::progress::{Lane, Progress, duration};
use super::signals;
use super::simulate::explain;
use super::submit::refuse_invalid;
use super::summary::Summary;
use super::table::plain;
use super::take_over::take_over;

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Load files of jobs into the ledger and work them to their end; run again, it resumes
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    batch: BatchArgs,
    /// Let rows with faults become dead letters. Without it a file with faults is refused as a whole
    #[arg(long)]
    skip_invalid: bool,
    /// Rehearse against the built-in simulator, with a ledger of its own; nothing leaves this process
    #[arg(long)]
    simulate: bool,
    /// The simulator's scenario: a built-in one's name, or the path of a file
    #[arg(long, value_name = "NAME|PATH", default_value = "calm", requires = "simulate")]
    scenario: String,
    /// How many times shorter all windows are in the rehearsal
    #[arg(long, value_name = "N", default_value_t = 1.0, requires = "simulate")]
    speed: f64,
    /// Print one object of counts for programs
    #[arg(long)]
    json: bool,
}

/// What a run works with.
struct Work {
    settings: Settings,
    catalog: Arc<Catalog>,
    store: PathBuf,
    apps: Apps,
    transport: Arc<dyn Transport>,
}

/// Takes the files over, works them, and says how they ended.
pub async fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let settings = if args.simulate { context.settings_without_secrets()? } else { context.settings()? };
    if settings.apps.is_empty() && !args.simulate {
        return Err(refuse(
            "the settings have no [apps], so nobody can be called",
            "`--simulate` rehearses without; config/paceline.toml shows how an app is named",
        ));
    }
    let catalog = catalog(&settings)?;
    let decoder = Arc::new(batch::decoder(&settings, &catalog, args.simulate));
    let sources = args.batch.sources()?;
    let mut signals = signals::Stop::listen()?;
    let checked = refuse_invalid(context, &sources, &decoder, args.skip_invalid)?;
    let work = prepare(context, &args, settings, catalog, &checked)?;
    let start = context.clock.mono();

    let ledger = open(&work.store, args.simulate, context.clock.now()).await?;
    take_over(context, &*ledger, &work.store, &sources, &decoder, args.skip_invalid).await?;
    let shared: Arc<dyn Ledger> = Arc::clone(&ledger) as Arc<dyn Ledger>;
    let engine = wiring::engine(
        &work.settings,
        work.catalog,
        work.apps,
        shared,
        work.transport,
        context.clock.clone(),
        args.speed,
    );
    engine.recover().await?;
    engine.load(Some(checked.batches.clone())).await?;
    let stop = watch(context, &engine, &checked.calls, &mut signals).await?;

    let elapsed = context.clock.mono().since(start);
    let counts = ledger.counts(Some(checked.batches.clone())).await?;
    let suspensions = ledger.suspensions().await?;
    ledger.close().await;
    if args.json {
        context.print_json(&document(&counts, elapsed))?;
    } else {
        Summary::of(&Operator::open(&work.store)?, &checked.batches)?.write(elapsed, &mut context.out)?;
        context.out.flush()?;
    }
    for suspension in &suspensions {
        writeln!(
            context.err,
            "{} stands still: {}; {}",
            plain(&suspension.app),
            plain(&suspension.detail),
            plain(&suspension.cure)
        )?;
    }
    conclude(context, &args, &counts, stop, &work.store)
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
        return Ok(Work { store: settings.store.path.clone(), settings, catalog, apps, transport });
    }
    let options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        scenario: args.scenario.clone(),
        speed: args.speed,
        seed: None,
    };
    let simulator = Simulator::from_options(Arc::clone(&catalog), &options, context.clock.clone())
        .map_err(|error| explain(&error))?;
    let names = checked.calls.keys().map(|lane| (lane.app.as_str(), lane.method.as_str()));
    let apps = wiring::apps_for_rehearsal(&catalog, names);
    let store = settings.store.path.with_extension("simulated.db");
    writeln!(
        context.err,
        "rehearsing {} at speed {} in {}; nothing leaves this process",
        args.scenario,
        args.speed,
        store.display()
    )?;
    Ok(Work { settings, catalog, store, apps, transport: Arc::new(InProcess::new(simulator)) })
}

/// The ledger; a rehearsal's begins anew each time, because the simulated platform does.
async fn open(store: &Path, is_rehearsal: bool, now: Timestamp) -> anyhow::Result<Arc<SqliteLedger>> {
    let ledger = SqliteLedger::open(store, Mode::Worker, now)?;
    if !is_rehearsal {
        return Ok(Arc::new(ledger));
    }
    // It was opened first to make sure that no other rehearsal works in it.
    ledger.close().await;
    for end in ["", "-wal", "-shm"] {
        let mut file = store.as_os_str().to_owned();
        file.push(end);
        if let Err(error) = std::fs::remove_file(&file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(anyhow::Error::new(error).context(format!("{} cannot be removed", Path::new(&file).display())));
        }
    }
    Ok(Arc::new(SqliteLedger::open(store, Mode::Worker, now)?))
}

/// Shows progress until the engine has nothing left, or was stopped by a signal.
async fn watch(
    context: &mut Context,
    engine: &Arc<Engine>,
    totals: &BTreeMap<LaneKey, u64>,
    signals: &mut signals::Stop,
) -> anyhow::Result<Stop> {
    let mut progress = Progress::new(std::io::stderr().is_terminal(), context.clock.mono());
    let stopping = tokio::sync::Notify::new();
    let mut is_stopping = false;
    let working = engine.run(true, stopping.notified());
    tokio::pin!(working);
    let stop = loop {
        tokio::select! {
            stop = &mut working => break stop,
            () = tokio::time::sleep(LOOK_EVERY) => {
                progress.show(&lanes(engine, totals), context.clock.mono(), &mut context.err)?;
            }
            _ = signals.next() => {
                if is_stopping {
                    break Stop::Cut;
                }
                is_stopping = true;
                stopping.notify_one();
                progress.say(&mut context.err, "stopping: calls in flight are awaited; once more ends at once")?;
            }
        }
    };
    progress.finish();
    Ok(stop)
}

fn lanes(engine: &Engine, totals: &BTreeMap<LaneKey, u64>) -> Vec<Lane> {
    let view = engine.view();
    let lane = |lane: &LaneView| {
        let total = *totals.get(&*lane.key)?;
        let left = ((lane.waiting + lane.running) as u64).min(total);
        let windows = lane.usage.iter().flat_map(|usage| &usage.windows);
        Some(Lane {
            name: lane.key.to_string(),
            done: total - left,
            total,
            windows: windows.map(|(window, used)| (*window, u64::from(*used))).collect(),
            stopped: why_stopped(&view, lane, engine.clock().mono()),
        })
    };
    view.lanes.iter().filter_map(lane).collect()
}

/// What a lane waits for beside its quota.
fn why_stopped(view: &View, lane: &LaneView, now: Mono) -> Option<String> {
    if lane.suspended {
        let cause = view.suspensions.iter().find(|suspension| suspension.app == lane.key.app);
        return Some(cause.map_or_else(String::new, |cause| format!("{}: {}", cause.app, cause.detail)));
    }
    let pauses = lane.usage.iter().filter_map(|usage| usage.paused_until).chain(lane.app_paused_until);
    let until = pauses.max()?;
    Some(format!("refused or not reached; next try in {}", duration(until.since(now))))
}

fn document(counts: &Counts, elapsed: Duration) -> serde_json::Value {
    json!({
        "total": counts.total,
        "succeeded": counts.succeeded,
        "dead": counts.dead,
        "held": counts.held,
        "cancelled": counts.cancelled,
        "throttled": counts.throttled,
        "elapsed_s": elapsed.as_secs_f64(),
    })
}

fn conclude(context: &mut Context, args: &Args, counts: &Counts, stop: Stop, store: &Path) -> anyhow::Result<Exit> {
    let open = counts.queued + counts.uncertain;
    if args.simulate && counts.dead + counts.held > 0 {
        writeln!(
            context.err,
            "hint: PACELINE_STORE__URL=sqlite://{} lets the other commands look at the rehearsal",
            store.display()
        )?;
    }
    if open > 0 {
        writeln!(context.err, "{open} of {} jobs wait in the ledger", counts.total)?;
        let hint = if args.simulate {
            "a rehearsal begins anew"
        } else {
            "the same command again resumes where this one ended"
        };
        writeln!(context.err, "hint: {hint}")?;
    }
    if stop == Stop::Cut {
        writeln!(context.err, "calls were in flight at the end; what became of them is looked up at the next start")?;
    }
    Ok(match stop {
        Stop::Drained | Stop::Cut => Exit::Interrupted,
        Stop::Idle if open + counts.dead + counts.held > 0 => Exit::Unwell,
        Stop::Idle => Exit::Success,
    })
}
