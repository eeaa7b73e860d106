//! What lanes wait for, and for how long.

use std::time::Duration;

use paceline_domain::quota::Window;
use paceline_domain::time::Mono;

/// A window of one of the lane's quotas, by position; `None`: a slot, the pace or a pause.
pub(super) type Cause = Option<(usize, Window)>;

/// The waits of some lanes.
pub(super) struct WaitTimes {
    lanes: Vec<Vec<(Cause, Duration)>>,
    /// End, lane, place among its causes, length.
    log: Vec<(Mono, usize, usize, Duration)>,
}

impl WaitTimes {
    pub(super) fn of(lanes: usize) -> Self {
        Self { lanes: vec![Vec::new(); lanes], log: Vec::new() }
    }

    /// A lane has waited until `end`.
    pub(super) fn add(&mut self, lane: usize, cause: Cause, end: Mono, length: Duration) {
        let causes = &mut self.lanes[lane];
        let place = causes.iter().position(|(known, _)| *known == cause).unwrap_or_else(|| {
            causes.push((cause, Duration::ZERO));
            causes.len() - 1
        });
        causes[place].1 += length;
        self.log.push((end, lane, place, length));
    }

    /// What was waited since `since` comes so many times again.
    pub(super) fn repeat(&mut self, since: Mono, times: u32) {
        let from = self.log.partition_point(|(end, ..)| *end <= since);
        for &(_, lane, place, length) in &self.log[from..] {
            self.lanes[lane][place].1 += length.saturating_mul(times);
        }
    }

    /// The causes of a lane.
    pub(super) fn of_lane(&self, lane: usize) -> &[(Cause, Duration)] {
        &self.lanes[lane]
    }

    /// The window that a lane waits for longest; `None` if it waits longer for something else.
    pub(super) fn longest(&self, lane: usize) -> Option<((usize, Window), Duration)> {
        let (cause, waited) = self.lanes[lane].iter().max_by_key(|(_, waited)| *waited)?;
        cause.map(|window| (window, *waited))
    }
}
