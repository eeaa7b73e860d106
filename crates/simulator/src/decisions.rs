//! What decides some time after the call that asked for it: a room that was invited.

use serde_json::Value;

use super::endpoint::Looked;
use super::objects::{Object, at, put};
use super::scenario::Decisions;
use paceline_domain::decided_later::Decides;

/// What an item says, of an object that was asked for so many microseconds ago.
fn said<'a>(decides: &'a Decides, rules: &Decisions, name: &str, chance: f64, age_s: f64) -> &'a str {
    let is_named = |names: &[String]| names.iter().any(|known| known == name);
    if age_s < rules.after_s || is_named(&rules.undecided) {
        return &decides.pending;
    }
    let declines = is_named(&rules.declined) || chance < rules.decline;
    decides.declined.first().filter(|_| declines).unwrap_or(&decides.accepted)
}

/// Lets a shown item say how it has decided by now. `age_s` is in seconds of the platform's own.
pub(crate) fn decide(looked: &Looked, rules: &Decisions, seed: u64, object: &Object, age_s: f64, item: &mut Value) {
    let Some(decides) = looked.create.decides.as_ref().filter(|decides| decides.is_of(item)) else { return };
    let name = at(item, &decides.name).and_then(Value::as_str).unwrap_or_default().to_owned();
    // The same each time it is shown.
    let chance = fastrand::Rng::with_seed(seed ^ object.changed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).f64();
    put(item, &decides.field, Value::from(said(decides, rules, &name, chance, age_s)));
}
