//! The states of a job as the ledger stores them.

use std::str::FromStr;

use paceline_domain::messages::StateName;
use serde::Serialize;

/// The state of a job. `running` is none of them: a job runs while an attempt of it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum State {
    /// Waits in its lane, or runs.
    Queued = 0,
    /// Waits to be verified.
    Uncertain = 1,
    /// Parked for a person.
    Held = 2,
    /// A dead letter.
    Dead = 3,
    /// Ended by a person.
    Cancelled = 4,
    /// Ended well.
    Succeeded = 5,
    /// Waits for other jobs; no lane knows it.
    Blocked = 6,
}

impl State {
    /// Every state, in the order of its number.
    pub const ALL: [Self; 7] =
        [Self::Queued, Self::Uncertain, Self::Held, Self::Dead, Self::Cancelled, Self::Succeeded, Self::Blocked];

    /// The word in documents and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Uncertain => "uncertain",
            Self::Held => "held",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Succeeded => "succeeded",
            Self::Blocked => "blocked",
        }
    }

    /// Its name for people.
    pub const fn name(self) -> StateName {
        match self {
            Self::Queued => StateName::StateQueued,
            Self::Uncertain => StateName::StateUncertain,
            Self::Held => StateName::StateHeld,
            Self::Dead => StateName::StateDead,
            Self::Cancelled => StateName::StateCancelled,
            Self::Succeeded => StateName::StateSucceeded,
            Self::Blocked => StateName::StateBlocked,
        }
    }

    /// Whether nothing more happens to the job by itself or by a late reply.
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Dead | Self::Cancelled | Self::Succeeded)
    }

    /// The number in the ledger.
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The state of a number in the ledger.
    pub fn of_number(number: i64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|at| Self::ALL.get(at).copied())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("no such state {text:?}; there are {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_go_there_and_back() {
        for (at, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state.number(), i64::try_from(at).unwrap());
            assert_eq!(State::of_number(state.number()), Some(state));
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert_eq!(State::of_number(-1), None);
        assert_eq!(State::of_number(7), None);
        assert!("running".parse::<State>().unwrap_err().contains("queued, uncertain"));
    }
}
