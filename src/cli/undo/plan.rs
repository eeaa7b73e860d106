//! What an undo would delete, by which method, under which quota and how long; and what it leaves.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::plan::planner;
use crate::cli::progress::duration;
use crate::cli::table::{Align, Table, plain};
use crate::domain::catalog::Catalog;
use crate::domain::job::{LaneKey, PRIORITY_DEFAULT};
use crate::domain::time::Timestamp;
use crate::domain::undo;
use crate::engine::forecast::{Forecast, Group, forecast};
use crate::operations::forecast::{decides, deciding_document, left_over};
use crate::settings::Settings;
use crate::wiring;
use paceline_ports::State;
use paceline_ports::operator::{Made, Reports, Selection};

/// Numbers of jobs that are younger than all others.
const YOUNGEST: i64 = i64::MAX / 2;

/// What would happen.
pub(crate) struct Plan {
    now: Timestamp,
    batch: String,
    /// All selected jobs.
    jobs: u64,
    /// By lane of the deleting method: the creating method, and how many objects.
    deletions: BTreeMap<LaneKey, (String, u64)>,
    /// What stays, and why, each with a number of jobs.
    left: Vec<(u64, String)>,
    /// Whether some of `left` may have created something.
    may_remain: bool,
    forecast: Forecast,
    quotas: BTreeMap<LaneKey, String>,
}

impl Plan {
    /// Looks at the batch as it stands.
    pub(crate) fn of(
        ledger: &dyn Reports,
        selection: &Selection,
        settings: &Settings,
        catalog: &Arc<Catalog>,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let made = ledger.made(selection)?;
        let batch = undo::batch(selection.batch.as_deref().unwrap_or_default());
        let mut plan = Self {
            now,
            batch: batch.clone(),
            jobs: made.iter().map(|made| made.count).sum(),
            deletions: BTreeMap::new(),
            left: Vec::new(),
            may_remain: false,
            forecast: Forecast { finish: now, ..Forecast::default() },
            quotas: BTreeMap::new(),
        };
        for made in &made {
            plan.sort(made, catalog);
        }
        plan.forecast(ledger, settings, catalog, &batch)?;
        Ok(plan)
    }

    fn sort(&mut self, made: &Made, catalog: &Catalog) {
        let Made { lane, state, has_key, count } = made;
        let method = catalog.job_method(&lane.method);
        let words = match (state, method.map(|method| &method.undo)) {
            (State::Cancelled | State::Dead, _) => return,
            (State::Queued | State::Blocked, _) => {
                "wait or run: `paceline jobs cancel --batch …` ends those that wait".to_owned()
            }
            (State::Uncertain, _) => "are being looked up: undo again when that is over".to_owned(),
            (State::Held, _) => "are held: `paceline resolve` says what became of them".to_owned(),
            (State::Succeeded, None) => format!("the catalog has no method {} any more", lane.method),
            (State::Succeeded, Some(None)) => {
                format!("of {}: no method deletes what it makes; that is left to a person", lane.method)
            }
            (State::Succeeded, Some(Some(_))) if !has_key => {
                format!("of {}: the ledger does not know the id of what they created", lane.method)
            }
            (State::Succeeded, Some(Some(undo))) => {
                let deletions = self.deletions.entry(undo::lane(lane, undo)).or_insert((lane.method.clone(), 0));
                deletions.1 += count;
                return;
            }
        };
        // A method that deletes leaves nothing behind.
        self.may_remain |= method.is_none_or(|method| method.undoes.is_empty());
        match self.left.iter_mut().find(|(_, known)| *known == words) {
            Some((known, _)) => *known += count,
            None => self.left.push((*count, words)),
        }
    }

    fn forecast(
        &mut self,
        ledger: &dyn Reports,
        settings: &Settings,
        catalog: &Arc<Catalog>,
        batch: &str,
    ) -> anyhow::Result<()> {
        let planner = Arc::new(planner(settings, catalog, self.deletions.keys(), 1.0)?);
        let mut outlook = ledger.outlook(self.now - planner.span_max())?;
        // Deletions of an undo that was interrupted are among the objects that are still there.
        outlook.backlog.retain(|group| *group.batch != *batch);
        let is_worked = wiring::is_worked(&settings.store);
        if !is_worked {
            outlook.backlog.clear();
        }
        for (lane, (_, count)) in &self.deletions {
            let quotas = planner.plan(lane).map(|plan| plan.quotas).unwrap_or_default();
            self.quotas.insert(lane.clone(), quotas.first().map(|(_, quota)| quota.to_string()).unwrap_or_default());
            outlook.backlog.push(Group {
                lane: lane.clone(),
                batch: batch.into(),
                priority: PRIORITY_DEFAULT,
                not_before: None,
                not_after: None,
                ages: (YOUNGEST, YOUNGEST),
                count: *count,
            });
        }
        self.forecast = forecast(&wiring::outset(settings, planner, self.now, is_worked).basis(outlook));
        Ok(())
    }

    /// Whether the selection holds no job at all.
    pub(crate) const fn is_unknown(&self) -> bool {
        self.jobs == 0
    }

    /// How many objects would be deleted.
    pub(crate) fn objects(&self) -> u64 {
        self.deletions.values().map(|(_, count)| count).sum()
    }

    /// Whether nothing would stay that the batch created or may create.
    pub(crate) const fn is_whole(&self) -> bool {
        !self.may_remain
    }

    fn time(&self) -> Option<Duration> {
        let finish = self.forecast.batch(&self.batch)?.finish?;
        Some(finish.since(self.now))
    }

    /// For people.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} objects of {} jobs would be deleted", self.objects(), self.jobs)?;
        if !self.deletions.is_empty() {
            writeln!(out)?;
            let mut table = Table::new([
                ("APP", Align::Left),
                ("CREATED BY", Align::Left),
                ("OBJECTS", Align::Right),
                ("DELETED BY", Align::Left),
                ("QUOTA", Align::Left),
            ]);
            for (lane, (create, count)) in &self.deletions {
                let app =
                    if lane.tenant.is_empty() { lane.app.clone() } else { format!("{}/{}", lane.app, lane.tenant) };
                let quota = self.quotas.get(lane).cloned().unwrap_or_default();
                table.row([app, create.clone(), count.to_string(), lane.method.clone(), quota]);
            }
            table.write(out)?;
            self.write_time(out)?;
        }
        if !self.left.is_empty() {
            writeln!(out)?;
        }
        self.write_left(out)
    }

    fn write_time(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(time) = self.time() {
            let because = match decides(self.forecast.batch(&self.batch).and_then(|batch| batch.deciding.as_ref())) {
                decides if decides.is_empty() => String::new(),
                decides => format!(", because of {decides}"),
            };
            writeln!(out, "takes about {}{because}", duration(time))?;
        }
        let jobs = self.forecast.batch(&self.batch).map(|batch| batch.jobs).unwrap_or_default();
        match left_over(&jobs) {
            Some(left) => writeln!(out, "will not be deleted by themselves: {left}"),
            None => Ok(()),
        }
    }

    /// What stays, for people.
    pub(crate) fn write_left(&self, out: &mut dyn Write) -> io::Result<()> {
        for (count, why) in &self.left {
            writeln!(out, "not undone: {count} {}", plain(why))?;
        }
        Ok(())
    }

    /// What stays, for programs.
    pub(crate) fn left_document(&self) -> Value {
        self.left.iter().map(|(jobs, why)| json!({"jobs": jobs, "why": why})).collect()
    }

    /// For programs.
    pub(crate) fn document(&self) -> Value {
        let deletions = self.deletions.iter().map(|(lane, (create, count))| {
            json!({"app": lane.app, "tenant": lane.tenant, "created_by": create, "objects": count,
                "deleted_by": lane.method, "quota": self.quotas.get(lane)})
        });
        let deciding = self.forecast.batch(&self.batch).and_then(|batch| batch.deciding.as_ref());
        json!({
            "batch": self.batch,
            "jobs": self.jobs,
            "objects": self.objects(),
            "deletions": deletions.collect::<Vec<_>>(),
            "left": self.left_document(),
            "time_s": self.time().map(|time| time.as_secs_f64()),
            "finish_at": self.forecast.batch(&self.batch).and_then(|batch| batch.finish),
            "deciding": deciding_document(deciding),
        })
    }
}
