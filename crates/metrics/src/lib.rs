//! What is counted while the program works: [`Metrics`] is handed to engine and store, and rendered by whoever serves it.
//!
//! Counters and histograms live here; gauges are read when they are asked for (`wiring::scrape`) and written by [`text`].
//! Labels are bounded: apps, tenants and methods of the settings and the catalog, words of closed sets, and codes that
//! the catalog's error tables list. A `Metrics` that nobody collects counts nothing.

mod collected;
mod counters;
pub mod names;
mod process;
pub mod text;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use self::collected::Collected;
use self::counters::Counters;
pub use self::process::usage as process_usage;
use self::text::Text;
use paceline_domain::catalog::Catalog;
use paceline_domain::reason::Reason;
use paceline_domain::time::{Mono, Timestamp};
use paceline_ports::clock::Clock;

/// The `Content-Type` of the rendered text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Why inputs are no jobs. Their counters begin at zero, so that the first one is seen as a rise.
const UPSTREAM: [Reason; 5] =
    [Reason::Malformed, Reason::UnknownMethod, Reason::UnknownApp, Reason::Invalid, Reason::IdConflict];

/// A code that no error table lists.
const OTHER: &str = "other";
/// An attempt without a code.
const NONE: &str = "none";

/// Counts what happens; clones count together. The default counts nothing.
#[derive(Clone, Default)]
pub struct Metrics(Option<Arc<Inner>>);

struct Inner {
    clock: Clock,
    started_at: Timestamp,
    codes: RwLock<BTreeSet<i64>>,
    collected: Collected,
}

/// Where an input came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A message.
    Amqp,
    /// A row of a file.
    File,
    /// A job that another process put to work in the ledger: a redrive, a submit.
    Ledger,
}

impl Source {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Amqp => "amqp",
            Self::File => "file",
            Self::Ledger => "ledger",
        }
    }
}

/// An attempt that is over.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Whose call.
    pub app: &'a str,
    /// Which.
    pub method: &'a str,
    /// `job`, `look-up` or `token`.
    pub purpose: &'static str,
    /// One word of the ledger's attempts.
    pub outcome: &'static str,
    /// The platform's code.
    pub code: Option<i64>,
}

impl Metrics {
    /// Begins to count.
    ///
    /// # Errors
    /// A sentence about a metric that cannot be; none is wrong in a program that has passed its tests.
    pub fn collecting(clock: &Clock) -> Result<Self, String> {
        let collected = Collected::new().map_err(|error| format!("the metrics cannot be set up: {error}"))?;
        for reason in UPSTREAM {
            collected.inputs_rejected.add(&[reason.as_str()], 0);
        }
        collected.admin_refused.add(&["wrong"], 0);
        let started_at = clock.now();
        Ok(Self(Some(Arc::new(Inner { clock: clock.clone(), started_at, codes: RwLock::default(), collected }))))
    }

    /// Whether anything is counted.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Since when it counts.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.0.as_ref().map(|inner| inner.started_at)
    }

    /// The codes that are labels of their own from now on, beside those of before.
    pub fn know_codes(&self, catalog: &Catalog) {
        let Some(inner) = &self.0 else { return };
        let platforms = catalog.platforms.values().flat_map(|platform| platform.errors.keys());
        let methods = catalog.methods.values().flat_map(|method| method.errors.keys());
        let mut codes = inner.codes.write().unwrap_or_else(PoisonError::into_inner);
        codes.extend(platforms.chain(methods));
    }

    /// An input was taken over.
    pub fn taken_over(&self, source: Source, result: &'static str) {
        self.count(|all| &all.jobs_taken_over, &[source.as_str(), result], 1);
    }

    /// Inputs that are no job became dead letters.
    pub fn inputs_rejected(&self, reason: &str, by: u64) {
        self.count(|all| &all.inputs_rejected, &[reason], by);
    }

    /// Conflicts were counted with a dead letter of their id and not kept.
    pub fn conflicts_counted(&self, by: u64) {
        if let Some(inner) = &self.0 {
            inner.collected.conflicts_counted.inc_by(by);
        }
    }

    /// Jobs ended, or were held; `reason` is empty but for dead ones.
    pub fn jobs_ended(&self, (app, method): (&str, &str), end: &str, reason: &str, by: u64) {
        self.count(|all| &all.jobs_ended, &[app, method, end, reason], by);
    }

    /// Jobs ended well with warnings; they are among those that ended.
    pub fn jobs_warned(&self, (app, method): (&str, &str), by: u64) {
        self.count(|all| &all.jobs_warned, &[app, method], by);
    }

    /// The admin server refused a request.
    pub fn admin_refused(&self, reason: &'static str) {
        self.count(|all| &all.admin_refused, &[reason], 1);
    }

    /// An attempt is over, and recorded.
    pub fn attempt(&self, attempt: &Attempt<'_>) {
        let Some(inner) = &self.0 else { return };
        let code = inner.code(attempt.code);
        let Attempt { app, method, purpose, outcome, .. } = attempt;
        self.count(|all| &all.attempts, &[app, method, purpose, outcome, &code], 1);
    }

    /// A call was answered or given up on.
    pub fn called(&self, method: &str, took: Duration) {
        self.observe(|all| &all.call_duration, &[method], took.as_secs_f64());
    }

    /// A permit came after so long.
    pub fn permit_waited(&self, method: &str, waited: Duration) {
        self.observe(|all| &all.permit_wait, &[method], waited.as_secs_f64());
    }

    /// A token was asked for.
    pub fn token_renewal(&self, app: &str, outcome: &str) {
        self.count(|all| &all.token_renewals, &[app, outcome], 1);
    }

    /// The instant, for [`Self::committed`]; `None` where nothing is counted.
    pub fn mono(&self) -> Option<Mono> {
        self.0.as_ref().map(|inner| inner.clock.mono())
    }

    /// A transaction of so many commands that began at `since` was committed.
    pub fn committed(&self, since: Option<Mono>, commands: usize) {
        if let (Some(inner), Some(since)) = (&self.0, since) {
            inner.collected.commit_duration.observe(inner.clock.mono().since(since).as_secs_f64());
            inner.collected.commit_commands.observe(commands as f64);
        }
    }

    /// A transaction did not go through because of the file or the disk.
    pub fn commit_failed(&self) {
        if let Some(inner) = &self.0 {
            inner.collected.commits_failed.inc();
        }
    }

    /// Writes the counters and histograms; nothing where nothing is counted.
    pub fn write(&self, text: &mut Text) {
        if let Some(inner) = &self.0 {
            text.families(&inner.collected.registry.gather());
            inner.collected.write(text);
        }
    }

    /// All of it as text.
    pub fn render(&self) -> String {
        let mut text = Text::default();
        self.write(&mut text);
        text.finish()
    }

    fn count(&self, of: impl FnOnce(&Collected) -> &Counters, labels: &[&str], by: u64) {
        if let Some(inner) = &self.0 {
            of(&inner.collected).add(labels, by);
        }
    }

    fn observe(&self, of: impl FnOnce(&Collected) -> &prometheus::HistogramVec, labels: &[&str], value: f64) {
        if let Some(inner) = &self.0
            && let Ok(histogram) = of(&inner.collected).get_metric_with_label_values(labels)
        {
            histogram.observe(value);
        }
    }
}

impl Inner {
    fn code(&self, code: Option<i64>) -> String {
        let Some(code) = code else { return NONE.to_owned() };
        let is_known = self.codes.read().unwrap_or_else(PoisonError::into_inner).contains(&code);
        if is_known { code.to_string() } else { OTHER.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paceline_domain::catalog::built_in;

    fn attempt(code: Option<i64>) -> Attempt<'static> {
        Attempt { app: "acme", method: "feishu.vc.room.create", purpose: "job", outcome: "transient", code }
    }

    #[test]
    fn a_code_that_no_table_lists_is_other() {
        let metrics = Metrics::collecting(&Clock::at(Timestamp(0))).unwrap();
        metrics.know_codes(&built_in().unwrap());
        for code in [Some(121_006), Some(-77_123), Some(-77_124), None] {
            metrics.attempt(&attempt(code));
        }
        let text = metrics.render();
        let line = |code: &str, n: u64| {
            let labels = r#"app="acme",method="feishu.vc.room.create",purpose="job",outcome="transient",code="CODE""#;
            format!("paceline_attempts_total{{{}}} {n}\n", labels.replace("CODE", code))
        };
        for (code, n) in [("121006", 1), ("other", 2), ("none", 1)] {
            assert!(text.contains(&line(code, n)), "{code}: {text}");
        }
        assert!(!text.contains("-77"), "{text}");
    }

    #[test]
    fn what_nobody_collects_is_nothing() {
        let metrics = Metrics::default();
        metrics.attempt(&attempt(None));
        metrics.committed(metrics.mono(), 3);
        assert_eq!((metrics.render(), metrics.is_on()), (String::new(), false));
    }

    #[test]
    fn clones_count_together() {
        let metrics = Metrics::collecting(&Clock::at(Timestamp(0))).unwrap();
        metrics.clone().token_renewal("a", "succeeded");
        metrics.token_renewal("a", "succeeded");
        assert!(metrics.render().contains("paceline_token_renewals_total{app=\"a\",outcome=\"succeeded\"} 2\n"));
    }
}
