//! The audit for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::progress::duration;
use crate::cli::table::{Align, Table, plain};
use crate::domain::audit::Finding;

use super::{Audit, Judged, budgets};

/// Said with every proof, because it limits it.
const JUDGED_BY: &str = "the quotas of the catalog and settings as they are now";

/// What the columns mean.
const NOTES: &str = "\
SENT, REPLIED: the most calls in one window, if each was counted when it was sent, or when its reply came (without one: at its
  deadline and engine.grace_ms). LARGEST: the most, assuming the worst moment between the two for each; it is the verdict. WHEN: the window up to it
REFUSED: calls of this key that were rate-limited, whichever quota it was for; they count as sent
USE: calls sent while jobs waited, of all that this window allowed meanwhile; 100 % for the bottleneck.
  Low for every window: something else held the jobs back (a pause, a suspension, a worker that did not run)
";

impl Audit {
    pub(super) fn document(&self) -> Value {
        json!({
            "kept": self.is_clean(),
            "calls": self.calls,
            "since": self.since,
            "first_sent_at": self.sent.map(|(first, _)| first),
            "last_sent_at": self.sent.map(|(_, last)| last),
            "judged_by": JUDGED_BY,
            "windows": self.findings().map(|(quota, finding)| row(quota, finding)).collect::<Vec<_>>(),
            "budgets": self.budgets.iter().map(budgets::Judged::document).collect::<Vec<_>>(),
            "not_judged": self.not_judged.iter().map(|(lane, calls)| {
                json!({"app": lane.app, "tenant": lane.tenant, "method": lane.method, "calls": calls})
            }).collect::<Vec<_>>(),
        })
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.quotas.is_empty() {
            return Ok(());
        }
        let mut table = Table::new([
            ("METHOD", Align::Left),
            ("COUNTED BY", Align::Left),
            ("CALLS", Align::Right),
            ("LIMIT", Align::Right),
            ("SENT", Align::Right),
            ("REPLIED", Align::Right),
            ("LARGEST", Align::Right),
            ("WHEN", Align::Left),
            ("REFUSED", Align::Right),
            ("USE", Align::Right),
            ("VERDICT", Align::Left),
        ]);
        for (quota, finding) in self.findings() {
            table.row([
                quota.key.method.clone(),
                format!("{} {}", quota.key.scope, quota.key.owner),
                quota.calls.to_string(),
                finding.window.to_string(),
                finding.when_sent.to_string(),
                finding.when_replied.to_string(),
                finding.largest.to_string(),
                finding.largest_at.to_string(),
                quota.refused.to_string(),
                used(finding).map_or_else(|| "-".to_owned(), |used| format!("{:.1} %", used * 100.0)),
                if finding.is_kept() { "kept" } else { "EXCEEDED" }.to_owned(),
            ]);
        }
        table.write(out)?;
        budgets::write(&self.budgets, out)?;
        for (number, (quota, finding)) in self.exceeded().enumerate() {
            let blank = if number == 0 { "\n" } else { "" };
            writeln!(out, "{blank}{}", breach(quota, finding))?;
        }
        Ok(())
    }

    /// What the numbers mean, and the verdict.
    pub(super) fn write_notes(&self, err: &mut dyn Write) -> io::Result<()> {
        let Some((first, last)) = self.sent else {
            let since =
                self.since.map(|since| format!(" that can have been counted since {since}")).unwrap_or_default();
            return writeln!(err, "the ledger holds no calls{since}: there is nothing to judge");
        };
        err.write_all(NOTES.as_bytes())?;
        writeln!(err, "judged by {JUDGED_BY}")?;
        let (windows, exceeded) = (self.findings().count(), self.exceeded().count());
        let verdict = if exceeded == 0 { "none exceeded".to_owned() } else { format!("{exceeded} EXCEEDED") };
        let over = self.budgets.iter().filter(|budget| !budget.is_kept()).count();
        if !self.budgets.is_empty() {
            let verdict = if over == 0 { "none exceeded".to_owned() } else { format!("{over} EXCEEDED") };
            writeln!(err, "{}: {verdict}", of(self.budgets.len(), "calendar period"))?;
        }
        writeln!(err, "{}, sent {first} to {last}; {}: {verdict}", of(self.calls, "call"), of(windows, "window"))
    }

    /// Which calls are in no verdict, and why.
    pub(super) fn not_judged_text(&self) -> String {
        let lanes = self.not_judged.iter().map(|(lane, calls)| format!("{lane} ({})", of(*calls, "call")));
        let lanes: Vec<_> = lanes.map(|lane| plain(&lane)).collect();
        format!("not judged, because the settings or the catalog do not know them now: {}", lanes.join(", "))
    }
}

fn row(quota: &Judged, finding: &Finding) -> Value {
    json!({
        "method": quota.key.method,
        "scope": quota.key.scope,
        "owner": quota.key.owner,
        "window": finding.window.to_string(),
        "window_s": finding.window.span.as_secs_f64(),
        "limit": finding.window.limit,
        "calls": quota.calls,
        "largest": finding.largest,
        "largest_at": finding.largest_at,
        "largest_when_sent": finding.when_sent,
        "largest_when_replied": finding.when_replied,
        "largest_certain": finding.certain,
        "refused": quota.refused,
        "jobs_waited_s": finding.used.waited.as_secs_f64(),
        "granted": finding.used.granted,
        "allowed": finding.used.allowed,
        "use": used(finding),
        "kept": finding.is_kept(),
    })
}

/// `None` if no job waited.
fn used(finding: &Finding) -> Option<f64> {
    (finding.used.allowed > 0).then(|| finding.used.granted as f64 / finding.used.allowed as f64)
}

fn breach(quota: &Judged, finding: &Finding) -> String {
    let limit = finding.window.limit as usize;
    let verdict = if finding.certain > limit { "it was exceeded" } else { "it may have been exceeded" };
    plain(&format!(
        "{}, {} of {} {}: {verdict}. One window of {} up to {} can have counted {}: {} if each was counted when sent, \
         {} if when replied, {} for certain",
        quota.key.method,
        finding.window,
        quota.key.scope,
        quota.key.owner,
        duration(finding.window.span),
        finding.largest_at,
        of(finding.largest, "call"),
        finding.when_sent,
        finding.when_replied,
        finding.certain,
    ))
}

fn of(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
