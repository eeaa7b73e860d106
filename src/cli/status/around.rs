//! Who works the ledger, and what stands between it and the broker.

use std::io::Write;

use serde_json::{Value, json};

use crate::domain::messages::{BrokerStatus, Holder};
use crate::engine::ports::Counts;
use crate::operations::fleet::Workers;
use crate::settings::Settings;
use paceline_ports::operator::{BrokerStanding, Reports};

use crate::cli::table::plain;

/// What is around the jobs.
pub(super) struct Around {
    /// Who works the ledger, if anybody does.
    pub worker: Option<Holder>,
    /// Who else, if several may.
    pub workers: Option<Workers>,
    /// Results and dead letters that the broker does not have yet.
    pub outbox: u64,
    has_broker: bool,
    /// As the worker says, if one runs with a broker.
    broker: Option<BrokerStanding>,
    /// Unfinished jobs, and with how many that could run nothing more is taken from the broker.
    intake: (u64, u64),
}

impl Around {
    pub(super) fn of(ledger: &dyn Reports, settings: &Settings, counts: &Counts) -> anyhow::Result<Self> {
        let worker = ledger.worker()?;
        let broker = if worker.is_some() { ledger.broker()? } else { None };
        Ok(Self {
            worker,
            workers: None,
            broker,
            outbox: ledger.unpublished()?,
            has_broker: settings.broker.is_some(),
            intake: (counts.queued + counts.uncertain, settings.intake.pending_max as u64),
        })
    }

    pub(super) fn with(self, workers: Option<Workers>) -> Self {
        Self { workers, ..self }
    }

    fn is_full(&self) -> bool {
        self.broker.as_ref().is_some_and(|broker| broker.status.is_full())
    }

    pub(super) fn intake_document(&self) -> Value {
        let (unfinished, pending_max) = self.intake;
        json!({"unfinished": unfinished, "pending_max": pending_max, "full": self.is_full()})
    }

    pub(super) fn broker_document(&self) -> Value {
        self.broker.as_ref().map_or(Value::Null, |broker| {
            let BrokerStanding { since, status } = broker;
            let BrokerStatus { consume, publish, intake, relay } = status;
            json!({"ready": status.is_ready(), "since": since,
                "jobs_in": status.jobs_in(), "intake": intake, "consume": consume,
                "results_out": status.results_out(), "relay": relay, "publish": publish})
        })
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let workers = self.workers.as_ref().map(Workers::lines).unwrap_or_default();
        for line in &workers {
            writeln!(out, "{}", plain(line))?;
        }
        match &self.worker {
            Some(_) if !workers.is_empty() => {}
            Some(worker) => writeln!(out, "worker: {}", plain(&worker.to_string()))?,
            None if self.intake.0 > 0 && !self.workers.as_ref().is_some_and(Workers::are_any) => {
                writeln!(out, "no worker runs: `paceline work` starts one")?;
            }
            None => {}
        }
        if let Some(BrokerStanding { since, status }) = &self.broker {
            let (jobs_in, results_out) = (status.jobs_in(), status.results_out());
            let (jobs_in, results_out) = (plain(&jobs_in), plain(&results_out));
            if status.is_ready() {
                writeln!(out, "broker: ready since {since}; jobs in: {jobs_in}; results out: {results_out}")?;
            } else {
                writeln!(out, "broker: not ready since {since}\n  jobs in: {jobs_in}\n  results out: {results_out}")?;
            }
        }
        if self.outbox > 0 {
            let why = match (self.has_broker, &self.worker) {
                (false, _) => "the settings have no [broker]",
                (true, None) => "a worker publishes them",
                (true, Some(_)) => "the worker's log says what the broker lacks, if they stay",
            };
            writeln!(out, "outbox: {} results and dead letters wait for the broker; {why}", self.outbox)?;
        }
        Ok(())
    }
}
