//! What a transaction did, told to the metrics when it is on the disk, and forgotten when it is not.
//!
//! Decision: docs/decisions/0035-metrics-are-read-from-memory.md

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::attempts::{FOR_JOB, FOR_LOOK_UP, FOR_READ};
use super::tallies::{Grown, Pile, WARNED};
use crate::driver::{Conn, Result, values};
use crate::state::State;
use paceline_domain::reason::Reason;
use paceline_metrics::{Attempt, Metrics};
use paceline_ports::TakenOver;

/// What became of an input that is a job to be worked.
pub(super) const QUEUED: &str = "queued";

/// Reasons that a lane's counters begin with at zero, so that the first such end is seen as a rise.
const USUAL: [Reason; 3] = [Reason::Rejected, Reason::Exhausted, Reason::Expired];

/// An attempt that the transaction closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) lane: i64,
    pub(crate) purpose: i64,
    pub(crate) outcome: &'static str,
    pub(crate) code: Option<i64>,
}

/// What is counted once the present transaction is committed.
#[derive(Default)]
pub(crate) struct Counted {
    metrics: Metrics,
    attempts: Vec<Closed>,
    conflicts: Conflicts,
    lanes: HashMap<i64, Lane>,
}

/// Conflicts that were counted with a dead letter of their id.
#[derive(Default)]
struct Conflicts {
    all: u64,
    /// The first of an id: the first such id, and how many ids.
    first: Option<String>,
    ids: u64,
}

struct Lane {
    app: String,
    method: String,
    /// Whether the counters of its jobs' ends are there, at zero or above.
    has_ends: bool,
}

impl Counted {
    /// Counts there.
    pub(crate) fn by(metrics: Metrics) -> Self {
        Self { metrics, ..Self::default() }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// An attempt was closed.
    pub(crate) fn closed(&mut self, closed: Closed) {
        if self.metrics.is_on() {
            self.attempts.push(closed);
        }
    }

    /// A conflict was counted with those of its id; `is_first` of them.
    pub(crate) fn conflict(&mut self, id: &str, is_first: bool) {
        self.conflicts.all += 1;
        if is_first {
            self.conflicts.first.get_or_insert_with(|| id.to_owned());
            self.conflicts.ids += 1;
        }
    }

    /// It was not committed.
    pub(crate) fn clear(&mut self) {
        self.attempts.clear();
        self.conflicts = Conflicts::default();
    }

    /// It was committed.
    pub(crate) fn tell(&mut self, conn: &Conn, grown: Grown) {
        self.tell_conflicts();
        if !self.metrics.is_on() {
            return;
        }
        for (pile, by) in grown.jobs {
            self.tell_job(conn, pile, by);
        }
        for (reason, by) in grown.inputs {
            self.metrics.inputs_rejected(&reason, by);
        }
        for closed in std::mem::take(&mut self.attempts) {
            let Closed { lane, purpose, outcome, code } = closed;
            let metrics = self.metrics.clone();
            if let Some(Lane { app, method, .. }) = self.lane(conn, lane) {
                metrics.attempt(&Attempt { app, method, purpose: word_of(purpose), outcome, code });
            }
        }
    }

    fn tell_conflicts(&mut self) {
        let Conflicts { all, first, ids } = std::mem::take(&mut self.conflicts);
        if all > 0 {
            self.metrics.conflicts_counted(all);
        }
        if let Some(id) = first {
            tracing::warn!(
                job = id,
                ids,
                "many messages have an id that belongs to another job; they are counted with its last dead letter from now on, \
                 and not kept: `paceline dead list --reason id-conflict` shows them; find out who publishes them"
            );
        }
    }

    fn tell_job(&mut self, conn: &Conn, pile: Pile, by: u64) {
        let metrics = self.metrics.clone();
        let Some(Lane { app, method, has_ends }) = self.lane(conn, pile.lane) else { return };
        let lane = (app.as_str(), method.as_str());
        if !std::mem::replace(has_ends, true) {
            metrics.jobs_ended(lane, State::Succeeded.as_str(), "", 0);
            metrics.jobs_ended(lane, State::Held.as_str(), "", 0);
            metrics.jobs_warned(lane, 0);
            for reason in USUAL {
                metrics.jobs_ended(lane, State::Dead.as_str(), reason.as_str(), 0);
            }
        }
        if pile.kind == WARNED {
            metrics.jobs_warned(lane, by);
        }
        match pile.state() {
            Some(State::Dead) => {
                metrics.jobs_ended(lane, State::Dead.as_str(), pile.reason.map_or("", Reason::as_str), by);
            }
            Some(end @ (State::Succeeded | State::Held | State::Cancelled)) => {
                metrics.jobs_ended(lane, end.as_str(), "", by);
            }
            Some(State::Queued | State::Uncertain | State::Blocked) | None => {}
        }
    }

    /// A lane that cannot be read is not counted: what was committed stands all the same.
    fn lane(&mut self, conn: &Conn, lane: i64) -> Option<&mut Lane> {
        match self.lanes.entry(lane) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(new) => Some(new.insert(read(conn, lane).ok()??)),
        }
    }
}

fn read(conn: &Conn, lane: i64) -> Result<Option<Lane>> {
    conn.query_opt("SELECT app, method FROM lanes WHERE lane = $1", values![lane], |row| {
        Ok(Lane { app: row.get(0)?, method: row.get(1)?, has_ends: false })
    })
}

/// What became of an input, in a word.
pub(super) const fn result_of(taken: &TakenOver) -> &'static str {
    match taken {
        TakenOver::Queued(_) => QUEUED,
        TakenOver::Blocked => "blocked",
        TakenOver::Known => "known",
        TakenOver::Succeeded => "succeeded",
        TakenOver::Rejected => "rejected",
    }
}

const fn word_of(purpose: i64) -> &'static str {
    match purpose {
        FOR_JOB => "job",
        FOR_LOOK_UP => "look-up",
        FOR_READ => "read",
        _ => "token",
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use crate::contract::{T0, from_amqp, job};
    use crate::ledger::{Mode, SqlStore};
    use paceline_domain::outcome::Failure;
    use paceline_ports::clock::Clock;
    use paceline_ports::{Domain, Intake, JobSeq, Settlement};

    #[tokio::test]
    async fn what_was_rolled_back_with_others_is_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Metrics::collecting(&Clock::at(T0)).unwrap();
        let path = folder.path().join("l.db");
        let ledger = SqlStore::open_measured(&path, Mode::Worker, T0, metrics.clone()).unwrap();
        let jobs = (0..10).map(|n| from_amqp(job(&format!("j-{n}")))).collect();
        ledger.take_over(jobs, T0).await.unwrap();
        let dead = Settlement::Dead { reason: Reason::Rejected, failure: Failure::default() };
        // The eleventh is not there, so whatever it shares a transaction with is run again, alone.
        let domain = ledger.domain();
        let settled = join_all((1..=11).map(|seq| domain.settle(JobSeq(seq), dead.clone(), T0))).await;
        assert_eq!(settled.iter().filter(|settled| settled.is_err()).count(), 1);
        // The first ending stays.
        domain.settle(JobSeq(1), Settlement::Held { failure: Failure::default() }, T0).await.unwrap();
        let text = metrics.render();
        let ended = |rest: &str| format!("paceline_jobs_ended_total{{app=\"acme\",{rest}\n");
        let method = job("x").lane.method;
        for (end, reason, n) in [("dead", "rejected", 10), ("dead", "expired", 0), ("held", "", 0)] {
            let line = ended(&format!("method=\"{method}\",end=\"{end}\",reason=\"{reason}\"}} {n}"));
            assert!(text.contains(&line), "{line}: {text}");
        }
        assert!(text.contains("paceline_ledger_commits_failed_total 0\n"), "{text}");
        assert!(text.contains("paceline_jobs_taken_over_total{source=\"amqp\",result=\"queued\"} 10\n"), "{text}");
    }
}
