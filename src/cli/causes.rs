//! Causes of pauses and suspensions, as `run` and `status` show them.

use crate::domain::outcome::Failure;
use crate::engine::ports::Suspension;

/// The cause of a pause: `refused by the platform: 99991400 request trigger frequency limit`.
pub(super) fn of_pause(cause: &Failure) -> String {
    // Without a status and a code nobody has answered.
    let who = if cause.code.is_some() || cause.status.is_some() { "refused by the platform" } else { "not reached" };
    let log_id = cause.log_id.as_ref().map(|id| format!(" (log id {id})")).unwrap_or_default();
    format!("{who}: {}{log_id}", with_code(cause.code, &cause.detail.to_string()))
}

/// The cause of a suspension, and its end if that is known.
pub(super) fn of_suspension(suspension: &Suspension) -> String {
    let until = suspension.until.map(|until| format!(", until {until}")).unwrap_or_default();
    format!("{}{until}", with_code(suspension.code, &suspension.detail.to_string()))
}

/// A code, if there is one, with what it means.
pub(super) fn with_code(code: Option<i64>, words: &str) -> String {
    code.map_or_else(|| words.to_owned(), |code| format!("{code} {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_and_an_unreachable_platform_are_told_apart() {
        let refused = Failure {
            status: Some(429),
            code: Some(99_991_400),
            detail: "request trigger frequency limit".into(),
            log_id: Some("0217".to_owned()),
            ..Failure::default()
        };
        assert_eq!(
            of_pause(&refused),
            "refused by the platform: 99991400 request trigger frequency limit (log id 0217)"
        );
        let away = Failure { detail: "no connection: refused".into(), ..Failure::default() };
        assert_eq!(of_pause(&away), "not reached: no connection: refused");
    }
}
