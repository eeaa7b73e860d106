//! A ticket: what a call is granted, and how it comes back.

use std::time::Duration;

use paceline_domain::catalog::ThrottleScope;
use paceline_domain::messages::Cause;
use paceline_domain::outcome::Failure;
use paceline_domain::quota::{Class, Probes, Refusal};
use paceline_domain::time::Mono;

/// A lane's number: its place in the order in which lanes came.
pub(super) type LaneId = usize;

/// The number of an app's gate.
pub(super) type GateId = usize;

/// A permit of every quota of a lane, and for a job a slot: given back through the schedule, once each.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    pub(super) lane: LaneId,
    pub(super) class: Class,
    /// Which of the lane's sets of keys it was granted under.
    pub(super) generation: u32,
    pub(super) granted: Mono,
    pub(super) probes: Probes,
    pub(super) gate_probe: bool,
    pub(super) lane_probe: bool,
    pub(super) has_slot: bool,
}

/// How a call ended, as far as its permit is concerned.
#[derive(Clone, Copy, Debug)]
pub enum Ended<'a> {
    /// It surely never left, for a reason of our own.
    NotSent,
    /// It surely never left, because the platform cannot be reached: the app pauses.
    Unreachable(&'a Failure),
    /// The platform answered, and did not refuse it for its pace.
    Answered,
    /// No answer: the platform may count it until the given instant.
    Lost(Mono),
    /// It may have been applied, and what came, if anything did, tells of trouble on the platform's side: too many of
    /// them in a row, and the lane pauses. The platform may count it until the given instant.
    Unwell(Mono, &'a Failure),
    /// A gateway answered in the platform's place, and may say when it is worth asking again: too many of them in a row,
    /// and the lane and the app pause.
    Unavailable(Option<Duration>, &'a Failure),
    /// Refused for its pace.
    Refused(ThrottleScope, Refusal<'a>, &'a Failure),
}

/// Why a call that was granted may not leave any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// Its key or its app paused meanwhile.
    Paused,
    /// Its app or lane was suspended meanwhile.
    Suspended,
    /// Another process may work its domain by now.
    Unowned,
}

impl Withheld {
    /// For the attempt's record.
    pub const fn cause(self) -> Cause {
        match self {
            Self::Paused => Cause::PausedBefore,
            Self::Suspended => Cause::SuspendedBefore,
            Self::Unowned => Cause::UnownedBefore,
        }
    }
}
