//! The section "paused or slowed down" of `paceline status`: what holds calls back beyond the quotas, why, and until when.

use std::io::Write;

use crate::cli::causes::with_code;
use crate::cli::table::plain;
use crate::domain::time::Timestamp;
use crate::engine::ports::{Restrained, RestraintKind};
use crate::operations::restraints::ExplainedRestraint;

/// Writes the section, if there is something to say.
pub(super) fn write(all: &[ExplainedRestraint], now: Timestamp, out: &mut dyn Write) -> std::io::Result<()> {
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
        writeln!(out, "    what to do: {}", plain(&held.cure().to_string()))?;
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

impl Words for ExplainedRestraint {
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
        match self.restraint.kind {
            RestraintKind::Pause { refusals: 0 | 1 } => "paused".to_owned(),
            RestraintKind::Pause { refusals } if matches!(self.restraint.target, Restrained::Lane(_)) => {
                format!("paused, {} probes failed", refusals - 1)
            }
            RestraintKind::Pause { refusals } => format!("paused, {refusals} refusals in a row"),
            RestraintKind::Rate { per_s, refused_at } => {
                format!("at most {per_s:.1} of {refused_at:.0} calls a second")
            }
            RestraintKind::Concurrency { limit, max } => format!("at most {limit} of {max} calls at once"),
            RestraintKind::Limit { window, limit, .. } => {
                format!("at most {limit} of {window}, because another program seems to use it")
            }
        }
    }

    fn why(&self) -> String {
        let cause = &self.restraint.cause;
        let meaning = self.meaning.as_ref().map_or_else(|| cause.detail.to_string(), |meaning| meaning.en.clone());
        let words = with_code(cause.code, &meaning);
        cause.log_id.as_ref().map_or_else(|| words.clone(), |id| format!("{words} (log id {id})"))
    }

    fn next(&self, now: Timestamp) -> String {
        match (self.restraint.kind, self.restraint.until) {
            (RestraintKind::Pause { .. }, Some(until)) if until > now => format!("next try at {until}"),
            (RestraintKind::Pause { .. }, _) => "next try with the next call".to_owned(),
            (RestraintKind::Limit { .. }, Some(until)) => format!("raised next at {until}"),
            (RestraintKind::Limit { .. }, None) => "raised again after the pause".to_owned(),
            (RestraintKind::Rate { .. } | RestraintKind::Concurrency { .. }, _) => {
                "raised again with each run of successes".to_owned()
            }
        }
    }
}
