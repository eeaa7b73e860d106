//! The section "held back" of `paceline status`: what holds calls back beyond the quotas, why, and until when.

use std::io::Write;

use serde_json::{Value, json};

use crate::cli::held_back::coded;
use crate::cli::table::plain;
use crate::domain::catalog::Catalog;
use crate::domain::time::Timestamp;
use crate::engine::ports::{Hold, Restrained, Restraint};
use crate::settings::Settings;

/// A restraint with what the catalog says of its code.
pub(super) struct HeldBack {
    restraint: Restraint,
    meaning: Option<String>,
}

/// Looks the codes up.
pub(super) fn explain(restraints: Vec<Restraint>, settings: &Settings, catalog: &Catalog) -> Vec<HeldBack> {
    let explained = restraints.into_iter().map(|restraint| {
        let platform = settings.apps.get(&restraint.app).and_then(|app| catalog.platforms.get(platform_of(app)));
        let method = catalog.method(method_of(&restraint));
        let rule = restraint.cause.code.and_then(|code| {
            let own = method.and_then(|method| method.errors.get(&code));
            own.or_else(|| platform.and_then(|platform| platform.errors.get(&code)))
        });
        let meaning = rule.map(|rule| rule.message.clone());
        HeldBack { restraint, meaning }
    });
    explained.collect()
}

fn platform_of(app: &crate::settings::App) -> &str {
    &app.platform
}

fn method_of(restraint: &Restraint) -> &str {
    match &restraint.target {
        Restrained::Key(key) => &key.method,
        Restrained::Lane(lane) => &lane.method,
        Restrained::App => "",
    }
}

/// Writes the section, if there is something to say.
pub(super) fn write(all: &[HeldBack], now: Timestamp, out: &mut dyn Write) -> std::io::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nheld back: goes on by itself, or at once with `paceline resume APP`")?;
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
        writeln!(out, "    cure: {}", plain(&held.cure()))?;
    }
    Ok(())
}

impl HeldBack {
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

    fn cure(&self) -> String {
        if let Hold::Limit { .. } = self.restraint.hold {
            return format!(
                "find the other program, or set a part aside for it with `share` in [apps.{}]",
                self.restraint.app
            );
        }
        let ours = || "it is tried again by itself; if it lasts, check base_url and the network".to_owned();
        self.restraint.cause.cure.clone().unwrap_or_else(ours)
    }

    /// For programs.
    pub(super) fn document(&self) -> Value {
        let Restraint { target, app, hold, since, until, cause } = &self.restraint;
        let mut document = json!({
            "app": app, "since": since, "until": until, "code": cause.code, "meaning": self.meaning,
            "detail": cause.detail, "log_id": cause.log_id, "cure": self.cure(),
        });
        let target = match target {
            Restrained::App => json!({}),
            Restrained::Key(key) => json!({"method": key.method, "scope": key.scope, "owner": key.owner}),
            Restrained::Lane(lane) => json!({"method": lane.method, "tenant": lane.tenant}),
        };
        let hold = match hold {
            Hold::Pause { refusals } => json!({"kind": "pause", "refusals": refusals}),
            Hold::Rate { per_s, refused_at } => json!({"kind": "rate", "per_s": per_s, "refused_at_per_s": refused_at}),
            Hold::Concurrency { limit, max } => json!({"kind": "concurrency", "limit": limit, "max": max}),
            Hold::Limit { window, limit, .. } => {
                json!({"kind": "limit", "window": window.to_string(), "limit": limit, "max": window.limit})
            }
        };
        for part in [target, hold] {
            if let (Some(document), Value::Object(part)) = (document.as_object_mut(), part) {
                document.extend(part);
            }
        }
        document
    }
}
