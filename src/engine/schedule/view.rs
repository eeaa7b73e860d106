//! A picture of the schedule, for progress bars and `status`.

use std::sync::Arc;

use super::{Schedule, Tally};
use crate::domain::job::LaneKey;
use crate::domain::quota::Usage;
use crate::domain::time::Mono;
use crate::engine::ports::Suspension;

/// The schedule at one instant.
#[derive(Clone, Debug)]
pub struct View {
    /// Lanes that have or had jobs.
    pub lanes: Vec<LaneView>,
    /// Suspensions in force.
    pub suspensions: Vec<Suspension>,
}

/// One lane at one instant.
#[derive(Clone, Debug)]
pub struct LaneView {
    /// Which.
    pub key: Arc<LaneKey>,
    /// Jobs that wait.
    pub waiting: usize,
    /// Jobs in flight or being verified.
    pub running: usize,
    /// Jobs in flight allowed at once.
    pub concurrency: u32,
    /// What has become of its jobs.
    pub tally: Tally,
    /// Use of its quota keys, the main one first.
    pub usage: Vec<Usage>,
    /// Whether it stands still.
    pub suspended: bool,
    /// When the app's pause ends, in force at this instant.
    pub app_paused_until: Option<Mono>,
}

pub(super) fn of(schedule: &mut Schedule, now: Mono) -> View {
    let mut lanes = Vec::new();
    for lane in &schedule.lanes {
        let gate = schedule.gates.get(&lane.key.app);
        lanes.push(LaneView {
            key: Arc::clone(&lane.key),
            waiting: lane.waiting(),
            running: lane.in_flight as usize + usize::from(lane.verifying),
            concurrency: lane.concurrency.limit(),
            tally: lane.tally,
            usage: lane.keys.iter().map(|key| schedule.book.usage_of(*key, now)).collect(),
            suspended: lane.suspended,
            app_paused_until: gate.and_then(|gate| gate.gate.paused_until()).filter(|until| *until > now),
        });
    }
    View { lanes, suspensions: schedule.suspensions.clone() }
}
