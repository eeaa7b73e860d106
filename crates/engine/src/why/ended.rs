//! How a job ended, or why a person has to look at it.

use serde_json::json;

use super::{Fact, Situation, Standing, parts, words};
use paceline_domain::messages::{Cure, ToDo};
use paceline_domain::reason::Reason;
use paceline_domain::warning::Warning;

/// Values of a warning that are named.
const VALUES_MAX: usize = 20;

/// What its success left out, a fact for each warning.
pub(super) fn warnings(at: &Situation) -> impl Iterator<Item = Fact> {
    let fact = |warning: &Warning| {
        Fact::new("warning", format!("the platform reported {}: {}", warning.field, warning.text(VALUES_MAX)))
            .with(json!(warning))
    };
    at.warnings.iter().map(fact)
}

/// Its ending.
pub(super) fn ended(at: &Situation) -> Fact {
    let when = at.ended_at.map(|ended| format!(" at {ended}")).unwrap_or_default();
    let said = words(&at.failure, at.meaning.as_ref());
    let attempts = match at.attempts {
        1 => "1 attempt".to_owned(),
        attempts => format!("{attempts} attempts"),
    };
    let mut values =
        json!({"at": at.ended_at, "attempts": at.attempts, "failure": parts(&at.failure, at.meaning.as_ref())});
    let fact = match at.standing {
        Standing::Succeeded => {
            (values["key"], values["looked_up"]) = (json!(at.key), json!(at.was_looked_up));
            let key = at.key.as_ref().map(|key| format!(": {key}")).unwrap_or_default();
            let how = if at.was_looked_up { ", found by a look-up after a call without a clear answer" } else { "" };
            Fact::new("succeeded", format!("succeeded{when} with {attempts}{how}{key}"))
        }
        Standing::Cancelled => {
            let said = if said.is_empty() { "a person cancelled it".to_owned() } else { said };
            let cure = at.failure.cure.clone().unwrap_or_else(|| Reason::Cancelled.cure());
            Fact::new("cancelled", format!("cancelled{when}: {said}")).cure(cure)
        }
        Standing::Held => {
            let cure = at.failure.cure.clone().unwrap_or(Cure::ResolveHeld);
            let text = format!("held for a person: nobody knows whether a call was applied: {said}");
            Fact::new("held", text).cure(cure).of(&at.failure)
        }
        Standing::Dead | Standing::Blocked | Standing::Queued | Standing::Running | Standing::Uncertain => {
            let reason = at.reason.map_or("", Reason::as_str);
            values["reason"] = json!(reason);
            let fact = Fact::new("dead", format!("dead{when} after {attempts}, {reason}: {said}")).of(&at.failure);
            let cure = at.failure.cure.clone().or_else(|| at.reason.map(Reason::cure));
            Fact { cure: ToDo(cure), ..fact }
        }
    };
    fact.with(values)
}
