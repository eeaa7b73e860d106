//! `paceline status`: how everything stands, read from the ledger beside a running worker or without one.

mod around;
mod budgets;
mod quotas;
mod restraints;
mod suspended;
mod watch;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::catalog::Catalog;
use crate::domain::job::LaneKey;
use crate::domain::time::Timestamp;
use crate::engine::budget_usage::{BudgetUse, budgets_of};
use crate::engine::forecast::{BatchForecast, Forecast, LaneForecast, forecast};
use crate::engine::ports::{Counts, Suspension};
use crate::engine::quota_usage::{QuotaUsage, WindowUse};
use crate::operations::fleet::Workers;
use crate::operations::forecast::{deciding_document, left_over};
use crate::operations::restraints::{ExplainedRestraint, explain};
use crate::settings::Settings;
use crate::wiring;
use paceline_ports::operator::{BatchLine, Ended, LaneLine, Reports};

use super::context::Context;
use super::exit::Exit;
use super::plan::planner;
use super::progress::duration;
use super::table::{Align, Table};

/// Show lanes, quotas in use, time left, batches, suspended apps and what waits for the broker
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show it again and again until Ctrl-C: on a terminal in place, elsewhere one after the other
    #[arg(long)]
    watch: bool,
    /// Seconds from one look to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, requires = "watch")]
    interval: f64,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

/// How things stand.
struct Status {
    counts: Counts,
    /// Inputs that never became jobs; `counts.dead` has them, too.
    dead_inputs: u64,
    batches: Vec<BatchLine>,
    lanes: Vec<LaneState>,
    suspensions: Vec<Suspension>,
    now: Timestamp,
    forecast: Forecast,
    is_worked: bool,
    held_back: Vec<ExplainedRestraint>,
    quotas: Vec<WindowUse>,
    budgets: Vec<BudgetUse>,
    around: around::Around,
}

/// A lane with its quotas.
struct LaneState {
    line: LaneLine,
    ended: Ended,
    name: String,
    left: Option<Duration>,
    /// What the platform or a person said, if it is suspended.
    suspended: Option<String>,
    windows: Vec<WindowUse>,
    forecast: Option<LaneForecast>,
}

/// Prints the status; 1 if something is dead, held or suspended.
pub(super) async fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let catalog = wiring::catalog_of(&settings)?;
    let ledger = context.operator()?;
    let look = |now| look(&*ledger, &settings, &catalog, now);
    if args.watch {
        return watch::watch(context, &args, look).await;
    }
    let status = look(context.clock.now())?;
    if args.json {
        context.print_json(&status.document())?;
    } else {
        status.write(&mut context.out)?;
        context.out.flush()?;
        status.write_hints(&mut context.err)?;
    }
    Ok(if status.is_well() { Exit::Success } else { Exit::Unwell })
}

fn look(ledger: &dyn Reports, settings: &Settings, catalog: &Arc<Catalog>, now: Timestamp) -> anyhow::Result<Status> {
    let batches = ledger.batches()?;
    let held_back = explain(ledger.restraints()?, catalog, |app| {
        settings.apps.get(app).and_then(|app| catalog.platforms.get(&app.platform)).map(Arc::as_ref)
    });
    let standing = ledger.lanes()?;
    let lanes: Vec<_> = standing.iter().map(key).collect();
    let planner = Arc::new(planner(settings, catalog, lanes.iter(), 1.0)?);
    let outlook = ledger.outlook_of(&|lane| now - QuotaUsage::reach(&planner, lane, settings.engine.grace))?;
    let mut suspensions = outlook.suspensions.clone();
    suspensions.retain(|suspension| suspension.until.is_none_or(|until| until > now));
    let usage = QuotaUsage::of(&planner, &outlook.past, settings.engine.grace, now);
    let mut ended = ledger.ended_by_lane()?;
    let quotas = quotas::in_use(&planner, &usage, lanes.iter().chain(outlook.past.keys()));
    let budgets =
        budgets_of(&planner, &outlook.called, lanes.iter().chain(outlook.called.iter().map(|on| &on.lane)), now);
    let is_worked = wiring::is_worked(&settings.store);
    let outset = wiring::outset(settings, Arc::clone(&planner), now, is_worked);
    let forecast = forecast(&outset.basis(outlook));
    let states = standing.into_iter().map(|line| {
        let key = key(&line);
        let quotas = planner.plan(&key).map(|plan| plan.quotas).unwrap_or_default();
        let windows: Vec<_> = quotas.iter().flat_map(|(key, quota)| usage.windows(key, quota)).collect();
        let ended = ended.remove(&key).unwrap_or_default();
        let forecast = forecast.lane(&key).cloned();
        LaneState {
            name: key.to_string(),
            left: forecast.as_ref().and_then(|lane| lane.finish).map(|finish| finish.since(now)),
            suspended: suspensions
                .iter()
                .find(|suspension| suspension.covers(&key))
                .map(|suspension| suspension.detail.to_string()),
            line,
            ended,
            windows,
            forecast,
        }
    });
    let mut lanes: Vec<_> = states.collect();
    lanes.extend(ended.into_iter().map(|(key, ended)| LaneState::over(key, ended)));
    let counts = sum(&batches);
    let workers = ledger.workers()?.map(|seen| Workers::of(seen, &planner));
    let around = around::Around::of(ledger, settings, &counts)?.with(workers);
    let dead_inputs = ledger.dead_inputs()?;
    Ok(Status {
        counts,
        dead_inputs,
        batches,
        lanes,
        suspensions,
        now,
        forecast,
        is_worked,
        held_back,
        quotas,
        budgets,
        around,
    })
}

/// The lane of a line.
pub(super) fn key(line: &LaneLine) -> LaneKey {
    LaneKey { app: line.app.clone(), tenant: line.tenant.clone(), method: line.method.clone() }
}

fn sum(batches: &[BatchLine]) -> Counts {
    batches.iter().fold(Counts::default(), |sum, batch| Counts {
        total: sum.total + batch.counts.total,
        queued: sum.queued + batch.counts.queued,
        uncertain: sum.uncertain + batch.counts.uncertain,
        held: sum.held + batch.counts.held,
        blocked: sum.blocked + batch.counts.blocked,
        succeeded: sum.succeeded + batch.counts.succeeded,
        warnings: sum.warnings + batch.counts.warnings,
        dead: sum.dead + batch.counts.dead,
        cancelled: sum.cancelled + batch.counts.cancelled,
        throttled: sum.throttled + batch.counts.throttled,
    })
}

impl LaneState {
    /// A lane in which nothing waits or runs any more.
    fn over(key: LaneKey, ended: Ended) -> Self {
        let name = key.to_string();
        let LaneKey { app, tenant, method } = key;
        Self {
            line: LaneLine { app, tenant, method, queued: 0, uncertain: 0, running: 0 },
            ended,
            name,
            left: None,
            suspended: None,
            windows: Vec::new(),
            forecast: None,
        }
    }

    fn document(&self) -> Value {
        let windows = self.windows.iter().map(|window| json!({"scope": window.key.scope, "window": window.window.to_string(), "used": window.used, "unanswered": window.unanswered, "limit": window.window.limit}));
        let mut document = json!(self.line);
        document["held"] = json!(self.ended.held);
        document["dead"] = json!(self.ended.dead);
        let forecast = self.forecast.as_ref();
        document["time_left_s"] = json!(self.left.unwrap_or_default().as_secs_f64());
        document["finish_at"] = json!(forecast.and_then(|lane| lane.finish));
        document["deciding"] = deciding_document(forecast.and_then(|lane| lane.deciding.as_ref()));
        document["windows"] = windows.collect();
        document["suspended"] = json!(self.suspended);
        document
    }
}

impl Status {
    const fn is_well(&self) -> bool {
        self.counts.dead + self.counts.held == 0 && self.suspensions.is_empty()
    }

    fn document(&self) -> Value {
        let mut document = json!({
            "counts": self.counts,
            "lanes": self.lanes.iter().map(LaneState::document).collect::<Vec<_>>(),
            "batches": self.batches.iter().map(|batch| self.batch_document(batch)).collect::<Vec<_>>(),
            "dead_inputs": self.dead_inputs,
            "suspensions": self.suspensions.iter().map(suspended::document).collect::<Vec<_>>(),
            "worked": self.is_worked,
            "as_of": self.now,
            "finish_at": self.forecast.finish,
            "time_left_s": self.forecast.finish.since(self.now).as_secs_f64(),
            "deciding": deciding_document(self.forecast.deciding.as_ref()),
            "held_back": self.held_back.iter().map(ExplainedRestraint::document).collect::<Vec<_>>(),
            "quotas": self.quotas.iter().map(quotas::document).collect::<Vec<_>>(),
            "budgets": self.budgets.iter().map(BudgetUse::document).collect::<Vec<_>>(),
            "worker": self.around.worker.as_ref().map(ToString::to_string),
            "worker_fact": self.around.worker,
            "broker": self.around.broker_document(),
            "outbox": self.around.outbox,
            "intake": self.around.intake_document(),
        });
        if let Some(workers) = &self.around.workers {
            (document["replicas"], document["domains"]) = (workers.replicas(), workers.domains());
        }
        document
    }

    fn batch_document(&self, batch: &BatchLine) -> Value {
        let forecast = self.forecast_of(batch);
        let finish = forecast.and_then(|batch| batch.finish);
        let mut document = json!(batch);
        document["time_left_s"] = json!(finish.map_or(0.0, |finish| finish.since(self.now).as_secs_f64()));
        document["finish_at"] = json!(finish);
        document["deciding"] = deciding_document(forecast.and_then(|batch| batch.deciding.as_ref()));
        document
    }

    fn forecast_of(&self, batch: &BatchLine) -> Option<&BatchForecast> {
        self.forecast.batch(&batch.name)
    }

    /// What a person has to know first comes first, and quotas last: a screen may be too low for all of it.
    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        suspended::write(&self.suspensions, out)?;
        restraints::write(&self.held_back, self.now, out)?;
        let counts = &self.counts;
        writeln!(
            out,
            "{} jobs: {} succeeded{}, {} queued, {}{} uncertain, {} held, {}, {} cancelled; {} rate-limit rejections",
            counts.total,
            counts.succeeded,
            with_warnings(counts),
            counts.queued,
            if counts.blocked > 0 { format!("{} blocked, ", counts.blocked) } else { String::new() },
            counts.uncertain,
            counts.held,
            self.dead_text(),
            counts.cancelled,
            counts.throttled
        )?;
        self.around.write(out)?;
        self.write_lanes(out)?;
        self.write_batches(out)?;
        self.write_finish(out)?;
        quotas::write(&self.quotas, self.now, out)?;
        budgets::write(&self.budgets, self.now, out)
    }

    /// `23 dead`, and how many of them never were jobs.
    fn dead_text(&self) -> String {
        let dead = self.counts.dead;
        match self.dead_inputs {
            0 => format!("{dead} dead"),
            inputs => format!("{dead} dead ({} jobs + {inputs} inputs)", dead.saturating_sub(inputs)),
        }
    }

    fn write_hints(&self, err: &mut dyn Write) -> std::io::Result<()> {
        if self.counts.held > 0 {
            writeln!(
                err,
                "hint: `paceline jobs list --state held` shows what waits for a person; `paceline resolve` ends it"
            )?;
        }
        if self.counts.dead > 0 {
            writeln!(err, "hint: `paceline dead list` shows the dead letters")?;
        }
        if self.counts.warnings > 0 {
            writeln!(err, "hint: `paceline jobs list --warnings` shows the jobs that succeeded with warnings")?;
        }
        Ok(())
    }

    fn write_lanes(&self, out: &mut dyn Write) -> std::io::Result<()> {
        if self.lanes.is_empty() && self.dead_inputs == 0 {
            return Ok(());
        }
        let mut table = Table::new([
            ("LANE", Align::Left),
            ("QUEUED", Align::Right),
            ("UNCERTAIN", Align::Right),
            ("RUNNING", Align::Right),
            ("HELD", Align::Right),
            ("DEAD", Align::Right),
            ("TIME LEFT", Align::Right),
            ("BOTTLENECK", Align::Left),
        ]);
        for state in &self.lanes {
            let time_left = match state.left {
                None if state.suspended.is_some() => "suspended".to_owned(),
                None if state.line.queued + state.line.uncertain == 0 => String::new(),
                left => duration(left.unwrap_or_default()),
            };
            let deciding = state.forecast.as_ref().and_then(|lane| lane.deciding.as_ref());
            table.row([
                state.name.clone(),
                state.line.queued.to_string(),
                state.line.uncertain.to_string(),
                state.line.running.to_string(),
                state.ended.held.to_string(),
                state.ended.dead.to_string(),
                time_left,
                deciding.map_or_else(String::new, |deciding| deciding.window.to_string()),
            ]);
        }
        if self.dead_inputs > 0 {
            let mut cells = [const { String::new() }; 8];
            (cells[0], cells[5]) = ("(inputs that never became jobs)".to_owned(), self.dead_inputs.to_string());
            table.row(cells);
        }
        writeln!(out)?;
        table.write(out)
    }

    fn write_batches(&self, out: &mut dyn Write) -> std::io::Result<()> {
        if self.batches.is_empty() {
            return Ok(());
        }
        let mut table = Table::new([
            ("BATCH", Align::Left),
            ("JOBS", Align::Right),
            ("SUCCEEDED", Align::Right),
            ("OPEN", Align::Right),
            ("HELD", Align::Right),
            ("DEAD", Align::Right),
            ("CANCELLED", Align::Right),
            ("TIME LEFT", Align::Right),
        ]);
        for batch in &self.batches {
            let name = if batch.name.is_empty() { "(none)".to_owned() } else { batch.name.clone() };
            let counts = &batch.counts;
            let numbers = [
                counts.total,
                counts.succeeded,
                counts.queued + counts.uncertain + counts.blocked,
                counts.held,
                counts.dead,
                counts.cancelled,
            ];
            let [total, succeeded, open, held, dead, cancelled] = numbers.map(|number| number.to_string());
            let succeeded = format!("{succeeded}{}", with_warnings(counts));
            let finish = self.forecast_of(batch).and_then(|batch| batch.finish);
            let time_left = finish.map_or_else(String::new, |finish| duration(finish.since(self.now)));
            table.row([name, total, succeeded, open, held, dead, cancelled, time_left]);
        }
        writeln!(out)?;
        table.write(out)
    }
}

impl Status {
    /// When everything that can move is done.
    fn write_finish(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let forecast = &self.forecast;
        let left_over = left_over(&forecast.jobs);
        if forecast.jobs.done > 0 || left_over.is_some() {
            writeln!(out)?;
        }
        if forecast.jobs.done > 0 {
            let start = if self.is_worked { "" } else { " if a worker starts now" };
            let part = match (&left_over, self.counts.queued + self.counts.uncertain + self.counts.blocked) {
                (Some(_), open) => format!("{} of {open} open jobs ", forecast.jobs.done),
                (None, _) => String::new(),
            };
            let (left, at) = (duration(forecast.finish.since(self.now)), forecast.finish);
            writeln!(out, "{part}done in {left}, at {at}{start}; as of {}", self.now)?;
        }
        if let Some(left_over) = left_over {
            writeln!(out, "not done by then: {left_over}")?;
        }
        Ok(())
    }
}

/// How many of those that succeeded have warnings; nothing if none has.
fn with_warnings(counts: &Counts) -> String {
    match counts.warnings {
        0 => String::new(),
        warnings => format!(" ({warnings} with warnings)"),
    }
}
