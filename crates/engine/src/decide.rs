//! What becomes of a job after an attempt: a pure decision.
//!
//! Decision: docs/decisions/0007-a-call-that-never-left-is-free.md

use std::time::Duration;

use serde_json::json;

use super::app::OnUncertain;
use super::ports::Settlement;
use paceline_domain::catalog::{Creation, SuspendScope, ThrottleScope};
use paceline_domain::messages::{Cause, Cure};
use paceline_domain::outcome::{Failure, Outcome};
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;

/// What a decision depends on, beside the outcome.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The time.
    pub now: Timestamp,
    /// Attempts charged before this one.
    pub attempts: u32,
    /// How many there may be.
    pub attempts_max: u32,
    /// The delay before another attempt, charged or refused by contention, should there be one.
    pub delay: Duration,
    /// How an uncertain call of the method is treated.
    pub creation: &'a Creation,
    /// What the app's settings say where no look-up exists.
    pub on_uncertain: OnUncertain,
    /// Whether a renewed access token was refused for this job as soon as it was fetched.
    pub renewed: bool,
    /// Whether a gateway's error may be the job's own: the platform has answered others since the last one.
    pub is_charged: bool,
    /// Whether the token is a user's, from the settings.
    pub is_user: bool,
    /// How much shorter the platform's own waits are, for rehearsals.
    pub speed: f64,
}

/// What becomes of the job, and what else is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Written to the ledger.
    pub settlement: Settlement,
    /// What else.
    pub side: Side,
}

/// What an attempt has to say beyond its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nothing.
    Nothing,
    /// The access token is no good: the next attempt fetches another.
    RenewToken,
    /// The app, tenant or lane stands still.
    Suspend(SuspendScope, Box<Failure>),
}

/// Decides.
pub fn decide(outcome: Outcome, at: &Situation<'_>) -> Decision {
    let settled = |settlement| Decision { settlement, side: Side::Nothing };
    match outcome {
        Outcome::Succeeded { key, result, warnings } => {
            let sole = at.creation.look_up().is_some();
            settled(Settlement::Succeeded { key, result, sole, warnings })
        }
        // Nothing else spaces these out: calls that contend would meet again at once, for ever.
        Outcome::Throttled { scope: ThrottleScope::Concurrency, failure, .. } => {
            settled(Settlement::Queued { not_before: Some(at.now + at.delay), charged: false, failure: Some(failure) })
        }
        Outcome::Throttled { failure, .. } | Outcome::Unreachable(failure) => settled(again(Some(failure))),
        Outcome::Transient(failure) => settled(retry(failure, at)),
        Outcome::Internal(failure) => settled(uncertain(Duration::ZERO, failure, at)),
        Outcome::Unavailable { failure, .. } => settled(unavailable(failure, at)),
        Outcome::Gone(failure) => settled(gone(&failure)),
        Outcome::Permanent(failure) => settled(Settlement::Dead { reason: Reason::Rejected, failure }),
        Outcome::Unsendable(failure) => {
            // Another job's result may have given it a start that is over.
            let is_late = matches!(failure.detail, Cause::DeadlinePassed { .. });
            let reason = if is_late { Reason::Expired } else { Reason::Invalid };
            settled(Settlement::Dead { reason, failure })
        }
        Outcome::Uncertain { settle, failure } => settled(uncertain(settle, failure, at)),
        Outcome::AccessToken(failure) if !at.renewed && !at.is_user => {
            Decision { settlement: again(Some(failure)), side: Side::RenewToken }
        }
        Outcome::AccessToken(failure) => {
            let scope = if at.is_user { SuspendScope::Lane } else { SuspendScope::App };
            Decision { settlement: again(Some(failure.clone())), side: Side::Suspend(scope, Box::new(failure)) }
        }
        Outcome::Suspended { scope, failure } => {
            Decision { settlement: again(Some(failure.clone())), side: Side::Suspend(scope, Box::new(failure)) }
        }
    }
}

/// Nothing was left to delete: as good as done, and the result tells the two apart.
fn gone(failure: &Failure) -> Settlement {
    let result =
        json!({"gone": {"code": failure.code, "detail": failure.detail.to_string(), "log_id": failure.log_id}});
    Settlement::Succeeded { key: None, result, sole: false, warnings: Vec::new() }
}

/// Back into its lane at once, no attempt charged.
const fn again(failure: Option<Failure>) -> Settlement {
    Settlement::Queued { not_before: None, charged: false, failure }
}

fn retry(failure: Failure, at: &Situation<'_>) -> Settlement {
    if at.attempts + 1 >= at.attempts_max {
        return Settlement::Dead { reason: Reason::Exhausted, failure };
    }
    Settlement::Queued { not_before: Some(at.now + at.delay), charged: true, failure: Some(failure) }
}

fn uncertain(settle: Duration, failure: Failure, at: &Situation<'_>) -> Settlement {
    if let Some(look_up) = at.creation.look_up() {
        let wait = settle.max(look_up.delay).div_f64(at.speed);
        return Settlement::Uncertain { not_before: at.now + wait, charged: true, failure };
    }
    match at.on_uncertain {
        _ if at.creation.is_repeatable() => retry(failure, at),
        OnUncertain::Retry => retry(perhaps_applied(failure), at),
        OnUncertain::Hold => Settlement::Held { failure: nobody_knows(failure) },
    }
}

/// As uncertain as any other call without an answer of the platform's, and an outage is not charged to its jobs.
fn unavailable(failure: Failure, at: &Situation<'_>) -> Settlement {
    // Before the last attempt is counted, since that would end the job.
    let within = Situation { attempts_max: u32::MAX, ..*at };
    match uncertain(Duration::ZERO, failure, if at.is_charged { at } else { &within }) {
        Settlement::Uncertain { not_before, failure, .. } => {
            Settlement::Uncertain { not_before, charged: at.is_charged, failure }
        }
        Settlement::Queued { not_before, failure, .. } => {
            Settlement::Queued { not_before, charged: at.is_charged, failure }
        }
        settled @ (Settlement::Succeeded { .. }
        | Settlement::Undone { .. }
        | Settlement::Nameless { .. }
        | Settlement::Held { .. }
        | Settlement::Dead { .. }
        | Settlement::Cancelled) => settled,
    }
}

/// Sent again as the app's settings want it; whatever becomes of the job then, this one call may stand for an object.
fn perhaps_applied(failure: Failure) -> Failure {
    Failure { detail: Cause::SentAgain { before: Box::new(failure.detail) }, ..failure }
}

/// What is said of a job whose fate nobody knows.
pub fn nobody_knows(failure: Failure) -> Failure {
    Failure { cure: Some(Cure::Resolve), ..failure }
}

/// Instead of a success: the platform named an object that another job owns.
pub fn claimed(settlement: &Settlement, owner: &str) -> Settlement {
    let Settlement::Succeeded { key, .. } = settlement else { return settlement.clone() };
    let key = key.clone().unwrap_or_default();
    let detail = Cause::OwnedAlready { key, owner: owner.to_owned() };
    Settlement::Held { failure: nobody_knows(Failure { detail, ..Failure::default() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paceline_domain::catalog::built_in;
    use paceline_domain::reset::Reset;

    fn situation(creation: &Creation) -> Situation<'_> {
        Situation {
            now: Timestamp(1_000_000),
            attempts: 0,
            attempts_max: 3,
            delay: Duration::from_secs(2),
            creation,
            on_uncertain: OnUncertain::Hold,
            renewed: false,
            is_charged: true,
            is_user: false,
            speed: 1.0,
        }
    }

    fn failure() -> Failure {
        Failure { code: Some(1), detail: "x".into(), ..Failure::default() }
    }

    #[test]
    fn transient_faults_are_retried_until_the_attempts_are_used_up() {
        let at = situation(&Creation::None);
        let first = decide(Outcome::Transient(failure()), &at);
        let expected =
            Settlement::Queued { not_before: Some(Timestamp(3_000_000)), charged: true, failure: Some(failure()) };
        assert_eq!(first.settlement, expected);
        let last = decide(Outcome::Transient(failure()), &Situation { attempts: 2, ..at });
        assert_eq!(last.settlement, Settlement::Dead { reason: Reason::Exhausted, failure: failure() });
    }

    #[test]
    fn contending_calls_are_spaced_out_and_cost_nothing() {
        let at = situation(&Creation::None);
        let refused =
            |scope| Outcome::Throttled { scope, reset: Reset::default(), blocks: Vec::new(), failure: failure() };
        let queued = |not_before| Settlement::Queued { not_before, charged: false, failure: Some(failure()) };
        let contended = decide(refused(ThrottleScope::Concurrency), &at).settlement;
        assert_eq!(contended, queued(Some(Timestamp(3_000_000))));
        assert_eq!(decide(refused(ThrottleScope::Method), &at).settlement, queued(None), "its key pauses");
    }

    #[test]
    fn an_uncertain_create_is_never_sent_again_unless_the_settings_say_so() {
        let at = situation(&Creation::None);
        let outcome = || Outcome::Uncertain { settle: Duration::ZERO, failure: failure() };
        let Settlement::Held { failure: held } = decide(outcome(), &at).settlement else { panic!("not held") };
        assert_eq!((held.code, held.detail), (Some(1), "x".into()));
        assert_eq!(held.cure, Some(Cure::Resolve));
        let retried = decide(outcome(), &Situation { on_uncertain: OnUncertain::Retry, ..at });
        assert!(matches!(retried.settlement, Settlement::Queued { charged: true, .. }));
    }

    #[test]
    fn an_internal_error_may_have_been_applied() {
        let at = situation(&Creation::None);
        let settled = |at: &Situation<'_>| decide(Outcome::Internal(failure()), at).settlement;
        assert!(matches!(settled(&at), Settlement::Held { .. }), "nobody can tell");
        let Settlement::Queued { charged: true, failure: Some(told), .. } =
            settled(&Situation { on_uncertain: OnUncertain::Retry, ..at })
        else {
            panic!("not sent again")
        };
        assert_eq!(told.detail, Cause::SentAgain { before: Box::new("x".into()) });
        let natural = settled(&Situation { creation: &Creation::Natural, ..at });
        assert!(matches!(natural, Settlement::Queued { charged: true, .. }), "again does no harm");
        let rooms = built_in().unwrap().method("feishu.vc.room.create").unwrap().creation.clone();
        assert!(matches!(settled(&Situation { creation: &rooms, ..at }), Settlement::Uncertain { .. }));
    }

    #[test]
    fn a_refused_token_is_renewed_once_and_then_the_app_stands_still() {
        let at = situation(&Creation::None);
        assert_eq!(decide(Outcome::AccessToken(failure()), &at).side, Side::RenewToken);
        let again = decide(Outcome::AccessToken(failure()), &Situation { renewed: true, ..at });
        assert_eq!(again.side, Side::Suspend(SuspendScope::App, Box::new(failure())));
        let user = decide(Outcome::AccessToken(failure()), &Situation { is_user: true, ..at });
        assert_eq!(user.side, Side::Suspend(SuspendScope::Lane, Box::new(failure())));
        assert!(matches!(user.settlement, Settlement::Queued { charged: false, .. }));
    }

    #[test]
    fn an_outage_leaves_what_is_uncertain_uncertain_and_charges_no_attempt() {
        let settled = |at: &Situation<'_>| {
            decide(Outcome::Unavailable { reset: Reset::default(), failure: failure() }, at).settlement
        };
        let rooms = built_in().unwrap().method("feishu.vc.room.create").unwrap().creation.clone();
        for is_charged in [false, true] {
            let at = Situation { is_charged, ..situation(&Creation::None) };
            assert!(matches!(settled(&at), Settlement::Held { .. }), "nobody can tell");
            let looked_up = settled(&Situation { creation: &rooms, ..at });
            assert!(matches!(looked_up, Settlement::Uncertain { charged, .. } if charged == is_charged));
            let last = Situation { attempts: 2, ..at };
            for again in [
                Situation { creation: &Creation::Natural, ..last },
                Situation { on_uncertain: OnUncertain::Retry, ..last },
            ] {
                let settlement = settled(&again);
                let is_free = matches!(settlement, Settlement::Queued { not_before: Some(_), charged: false, .. });
                let is_dead = matches!(settlement, Settlement::Dead { reason: Reason::Exhausted, .. });
                assert_eq!((is_free, is_dead), (!is_charged, is_charged), "{settlement:?}");
            }
        }
    }
}
