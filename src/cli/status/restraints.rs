//! The section "paused or slowed down" of `paceline status`: what holds calls back beyond the quotas, why, and until when.

use std::io::Write;

use crate::cli::held_back::coded;
use crate::cli::table::plain;
use crate::domain::time::Timestamp;
use crate::engine::ports::{Hold, Restrained};
use crate::operations::restraints::HeldBack;

/// Writes the section, if there is something to say.
pub(super) fn write(all: &[HeldBack], now: Timestamp, out: &mut dyn Write) -> std::io::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "paused or slowed down: goes on by itself, or at once with `paceline resume APP`")?;
    for held in all {
        writeln!(
            out,
            "  {}: {}; {}; since {}; {}",
            plain(&held.what()),
            held.how_far(),
            plain(&held.why()),
            held.restraint.since,
            held.next(now)
        )?;
        writeln!(out, "    what to do: {}", plain(&held.cure()))?;
    }
    writeln!(out)
}

/// The words of one.
trait Words {
    fn what(&self) -> String;
    fn how_far(&self) -> String;
    fn why(&self) -> String;
    fn next(&self, now: Timestamp) -> String;
}

impl Words for HeldBack {
    /// What is held back, as a person knows it.
    fn what(&self) -> String {
        let app = &self.restraint.app;
        match &self.restraint.target {
            Restrained::App => format!("{app} (all methods)"),
            Restrained::Key(key) => format!("{app}/{} ({} {})", key.method, key.scope, key.owner),
            Restrained::Lane(lane) => lane.to_string(),
        }
    }

    fn how_far(&self) -> String {
        match self.restraint.hold {
            Hold::Pause { refusals: 0 | 1 } => "paused".to_owned(),
            Hold::Pause { refusals } if matches!(self.restraint.target, Restrained::Lane(_)) => {
                format!("paused, {} probes failed", refusals - 1)
            }
            Hold::Pause { refusals } => format!("paused, {refusals} refusals in a row"),
            Hold::Rate { per_s, refused_at } => format!("at most {per_s:.1} of {refused_at:.0} calls a second"),
            Hold::Concurrency { limit, max } => format!("at most {limit} of {max} calls at once"),
            Hold::Limit { window, limit, .. } => {
                format!("at most {limit} of {window}, because another program seems to use it")
            }
        }
    }

    fn why(&self) -> String {
        let cause = &self.restraint.cause;
        let words = coded(cause.code, self.meaning.as_deref().unwrap_or(&cause.detail));
        cause.log_id.as_ref().map_or_else(|| words.clone(), |id| format!("{words} (log id {id})"))
    }

    fn next(&self, now: Timestamp) -> String {
        match (self.restraint.hold, self.restraint.until) {
            (Hold::Pause { .. }, Some(until)) if until > now => format!("next try at {until}"),
            (Hold::Pause { .. }, _) => "next try with the next call".to_owned(),
            (Hold::Limit { .. }, Some(until)) => format!("raised next at {until}"),
            (Hold::Limit { .. }, None) => "raised again after the pause".to_owned(),
            (Hold::Rate { .. } | Hold::Concurrency { .. }, _) => "raised again with each run of successes".to_owned(),
        }
    }
}
