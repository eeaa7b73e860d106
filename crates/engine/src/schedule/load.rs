//! How much there is to do, for whoever takes in more.
//!
//! Decision: docs/decisions/0013-intake-counts-what-could-run.md

use std::collections::HashMap;
use std::time::Duration;

use super::Schedule;
use super::lane::Lane;
use paceline_domain::time::Mono;

/// A pause that is longer keeps a job from running; a shorter one is part of the pace.
const LONG: Duration = Duration::from_secs(60);

/// Jobs that were taken over and have not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// In lanes or in flight.
    pub unfinished: usize,
    /// Those of them that need nothing but permits and slots: their time has come, and nothing has stopped their lane.
    pub able: usize,
}

impl Schedule {
    /// Jobs in lanes or in flight.
    pub fn unfinished(&self) -> usize {
        self.expiring + self.lanes.iter().map(Lane::unfinished).sum::<usize>()
    }

    /// How much there is to do.
    pub fn load(&self, now: Mono) -> Load {
        let able = |lane: &Lane| lane.running() + self.able(lane, now);
        let able = self.lanes.iter().map(able).sum::<usize>() + self.expiring;
        Load { unfinished: self.unfinished(), able }
    }

    /// The app that has most jobs in lanes, of those that can run now or of all.
    pub fn fullest(&self, now: Mono, of_able: bool) -> Option<(String, usize)> {
        let mut apps: HashMap<&str, usize> = HashMap::new();
        for lane in self.lanes.iter() {
            let jobs = if of_able { lane.running() + self.able(lane, now) } else { lane.unfinished() };
            *apps.entry(&lane.key.app).or_default() += jobs;
        }
        // By name where they are equal: the same one is named each time.
        let fullest = apps.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)));
        fullest.filter(|(_, jobs)| *jobs > 0).map(|(app, jobs)| (app.to_owned(), jobs))
    }

    fn able(&self, lane: &Lane, now: Mono) -> usize {
        let waits = lane.able();
        let is_stopped = waits == 0 || lane.suspended || lane.is_elsewhere();
        if is_stopped || self.throttling.is_paused_beyond(lane, &self.table, now + LONG) { 0 } else { waits }
    }
}
