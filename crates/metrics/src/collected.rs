//! The counters, and the histograms in the library's terms.

use prometheus::core::Collector;
use prometheus::{Error, Histogram, HistogramOpts, HistogramVec, IntCounter, Registry};

use super::counters::Counters;
use super::names::{self, Described};
use super::text::Text;

/// A commit takes a fraction of a millisecond to seconds.
const COMMIT_SECONDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// Up to what the writer takes at once.
const COMMIT_COMMANDS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 128.0, 512.0, 1_024.0];
/// A call takes some ten milliseconds to the time-out.
const CALL_SECONDS: [f64; 12] = [0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0];
/// A permit comes at once, with the next one of a second, a minute, or after a block.
const WAIT_SECONDS: [f64; 13] = [0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0];

pub(super) struct Collected {
    pub registry: Registry,
    pub jobs_taken_over: Counters,
    pub inputs_rejected: Counters,
    pub jobs_ended: Counters,
    pub jobs_warned: Counters,
    pub attempts: Counters,
    pub token_renewals: Counters,
    pub admin_refused: Counters,
    pub call_duration: HistogramVec,
    pub permit_wait: HistogramVec,
    pub commit_duration: Histogram,
    pub commit_commands: Histogram,
    pub commits_failed: IntCounter,
    pub conflicts_counted: IntCounter,
}

impl Collected {
    pub(super) fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        Ok(Self {
            jobs_taken_over: Counters::new(names::JOBS_TAKEN_OVER),
            inputs_rejected: Counters::new(names::INPUTS_REJECTED),
            jobs_ended: Counters::new(names::JOBS_ENDED),
            jobs_warned: Counters::new(names::JOBS_WARNED),
            attempts: Counters::new(names::ATTEMPTS),
            token_renewals: Counters::new(names::TOKEN_RENEWALS),
            admin_refused: Counters::new(names::ADMIN_REFUSED),
            call_duration: histograms(&registry, &names::CALL_DURATION, &CALL_SECONDS)?,
            permit_wait: histograms(&registry, &names::PERMIT_WAIT, &WAIT_SECONDS)?,
            commit_duration: histogram(&registry, &names::LEDGER_COMMIT_DURATION, &COMMIT_SECONDS)?,
            commit_commands: histogram(&registry, &names::LEDGER_COMMIT_COMMANDS, &COMMIT_COMMANDS)?,
            commits_failed: counter(&registry, &names::LEDGER_COMMITS_FAILED)?,
            conflicts_counted: counter(&registry, &names::CONFLICTS_COUNTED)?,
            registry,
        })
    }

    /// Writes the counters; the registry has the rest.
    pub(super) fn write(&self, text: &mut Text) {
        let all = [
            &self.jobs_taken_over,
            &self.inputs_rejected,
            &self.jobs_ended,
            &self.jobs_warned,
            &self.attempts,
            &self.token_renewals,
            &self.admin_refused,
        ];
        for counters in all {
            counters.write(text);
        }
    }
}

fn counter(registry: &Registry, of: &Described) -> Result<IntCounter, Error> {
    entered(registry, IntCounter::new(of.name, of.help)?)
}

fn histograms(registry: &Registry, of: &Described, buckets: &[f64]) -> Result<HistogramVec, Error> {
    let opts = HistogramOpts::new(of.name, of.help).buckets(buckets.to_vec());
    entered(registry, HistogramVec::new(opts, of.labels)?)
}

fn histogram(registry: &Registry, of: &Described, buckets: &[f64]) -> Result<Histogram, Error> {
    let opts = HistogramOpts::new(of.name, of.help).buckets(buckets.to_vec());
    entered(registry, Histogram::with_opts(opts)?)
}

fn entered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
