//! What a person decides about jobs that have not ended well or not ended at all.

use super::refused::Refused;
use paceline_ports::State;
use paceline_ports::operator::Resolution;

/// Where a job stands after it was resolved so.
pub const fn state_after(resolution: &Resolution) -> State {
    match resolution {
        Resolution::Succeeded { .. } => State::Succeeded,
        Resolution::Retry => State::Queued,
        Resolution::LookUp => State::Uncertain,
        Resolution::Dead => State::Dead,
    }
}

/// Refuses to cancel what has begun, or has ended. `None` leaves the state open: then queued and blocked jobs are meant.
pub fn cancellable(state: Option<State>) -> Result<(), Refused> {
    let cure = match state {
        None | Some(State::Queued | State::Blocked) => return Ok(()),
        Some(State::Uncertain | State::Held) => "it may have been done: `paceline resolve --dead` ends it",
        Some(State::Dead) => "`paceline dead drop` forgets dead letters",
        Some(State::Cancelled | State::Succeeded) => "such jobs have ended",
    };
    let state = state.map_or("", State::as_str);
    Err(Refused::new(format!("only queued and blocked jobs can be cancelled, and --state says {state}"), cure))
}
