//! How a job ended, or why a person has to look at it.

use serde_json::json;

use super::{Fact, Situation, Standing, met, parts};
use paceline_domain::messages::{AttemptCount, Bilingual, Cause, Cure, EndedWhen, Met, MetWords, Names, ToDo, WhyFact};
use paceline_domain::outcome::text_of;
use paceline_domain::reason::Reason;
use paceline_domain::warning::Warning;

/// Values of a warning that are named.
const VALUES_MAX: usize = 20;

/// What its success left out, a fact for each warning.
pub(super) fn warnings(at: &Situation) -> impl Iterator<Item = Fact> {
    at.warnings.iter().map(|warning| Fact::new("warning", reported(warning)).with(json!(warning)))
}

fn reported(warning: &Warning) -> WhyFact {
    let names = warning.values.iter().map(|value| text_of(value).unwrap_or_else(|| value.to_string()));
    WhyFact::Reported {
        field: warning.field.clone(),
        message: Bilingual { en: warning.message.clone(), zh: warning.message_zh.clone() },
        values: Names::first(names, warning.values.len(), VALUES_MAX),
    }
}

/// Its ending.
pub(super) fn ended(at: &Situation) -> Fact {
    let when = at.ended_at.map_or(EndedWhen::EndedSometime, |at| EndedWhen::EndedAt { ended_at: at.to_string() });
    let why = met(&at.failure, at.meaning.as_ref());
    let attempts = AttemptCount::from(at.attempts);
    let mut values =
        json!({"at": at.ended_at, "attempts": at.attempts, "failure": parts(&at.failure, at.meaning.as_ref())});
    let fact = match at.standing {
        Standing::Succeeded => {
            (values["key"], values["looked_up"]) = (json!(at.key), json!(at.was_looked_up));
            Fact::new("succeeded", succeeded(at, when, attempts))
        }
        Standing::Cancelled => {
            let by_hand = || Met::MetNoCode { said: MetWords::MetDetail { detail: Box::new(Cause::Cancelled) } };
            let cure = at.failure.cure.clone().unwrap_or_else(|| Reason::Cancelled.cure());
            Fact::new("cancelled", WhyFact::CancelledFor { when, why: why.unwrap_or_else(by_hand) }).cure(cure)
        }
        Standing::Held => {
            let cure = at.failure.cure.clone().unwrap_or(Cure::ResolveHeld);
            let said = WhyFact::NeedsReview { why: why.unwrap_or(Met::NoReason) };
            Fact::new("held", said).cure(cure).of(&at.failure)
        }
        Standing::Dead | Standing::Blocked | Standing::Queued | Standing::Running | Standing::Uncertain => {
            let reason = at.reason.map_or("", Reason::as_str).to_owned();
            values["reason"] = json!(reason);
            let said = match why {
                Some(why) => WhyFact::DeadLetterFor { when, attempts, reason, why },
                None => WhyFact::DeadLetter { when, attempts, reason },
            };
            let cure = at.failure.cure.clone().or_else(|| at.reason.map(Reason::cure));
            Fact { cure: ToDo(cure), ..Fact::new("dead", said).of(&at.failure) }
        }
    };
    fact.with(values)
}

fn succeeded(at: &Situation, when: EndedWhen, attempts: AttemptCount) -> WhyFact {
    match (at.was_looked_up, at.key.clone()) {
        (false, None) => WhyFact::Succeeded { when, attempts },
        (false, Some(key)) => WhyFact::SucceededWith { when, attempts, key },
        (true, None) => WhyFact::Found { when, attempts },
        (true, Some(key)) => WhyFact::FoundAs { when, attempts, key },
    }
}
