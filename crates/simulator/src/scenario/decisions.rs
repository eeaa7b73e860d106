//! How what decides only after a call (a room that was asked for) decides.

use serde::Deserialize;

/// When, and who declines.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decisions {
    /// How long it takes, in seconds; shortened by the rehearsal's speed.
    pub after_s: f64,
    /// The share that declines, at random.
    pub decline: f64,
    /// These decline.
    pub declined: Vec<String>,
    /// These never decide.
    pub undecided: Vec<String>,
}

impl Default for Decisions {
    fn default() -> Self {
        Self { after_s: 2.0, decline: 0.0, declined: Vec::new(), undecided: Vec::new() }
    }
}

impl Decisions {
    /// What is wrong with it.
    pub fn fault(&self) -> Option<&'static str> {
        let is_good = (0.0..=1.0).contains(&self.decline) && (0.0..=86_400.0).contains(&self.after_s);
        (!is_good).then_some("expected an after_s from 0 to 86400 and a decline from 0 to 1")
    }
}
