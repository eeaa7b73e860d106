//! How many calls of each lane ended in each of the last minutes, for a picture of the throughput.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;

/// Minutes that are remembered.
pub const MINUTES_MAX: i64 = 180;
const MINUTE_US: i64 = 60_000_000;

/// Calls and those of them that were refused for pace, in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// Calls.
    pub calls: u64,
    /// Refusals for pace.
    pub refused: u64,
}

type Minutes = BTreeMap<i64, Tick>;

/// The last minutes of every lane.
#[derive(Debug, Default)]
pub struct Throughput(Mutex<HashMap<Arc<LaneKey>, Minutes>>);

/// The minute of an instant, counted from 1970.
pub const fn minute_of(at: Timestamp) -> i64 {
    at.0.div_euclid(MINUTE_US)
}

/// The first instant of a minute.
pub const fn start_of(minute: i64) -> Timestamp {
    Timestamp(minute.saturating_mul(MINUTE_US))
}

impl Throughput {
    /// A call has ended.
    pub fn note(&self, lane: &Arc<LaneKey>, at: Timestamp, is_refused: bool) {
        self.add(lane, minute_of(at), Tick { calls: 1, refused: u64::from(is_refused) });
    }

    /// Calls of a minute: of an earlier process, say.
    pub fn add(&self, lane: &Arc<LaneKey>, minute: i64, more: Tick) {
        let mut lanes = self.lanes();
        let minutes = match lanes.get_mut(lane) {
            Some(minutes) => minutes,
            None => lanes.entry(Arc::clone(lane)).or_default(),
        };
        let tick = minutes.entry(minute).or_default();
        tick.calls += more.calls;
        tick.refused += more.refused;
        while minutes.first_key_value().is_some_and(|(first, _)| *first <= minute - MINUTES_MAX) {
            minutes.pop_first();
        }
    }

    /// So many minutes up to and with the one of `now`, by lane, the oldest first; lanes without a call are left out.
    pub fn last(&self, now: Timestamp, minutes: i64) -> BTreeMap<Arc<LaneKey>, Vec<Tick>> {
        let last = minute_of(now);
        let first = last - minutes.clamp(1, MINUTES_MAX) + 1;
        let mut found = BTreeMap::new();
        for (lane, ticks) in &*self.lanes() {
            if ticks.range(first..=last).next().is_some() {
                let tick = |minute| ticks.get(&minute).copied().unwrap_or_default();
                found.insert(Arc::clone(lane), (first..=last).map(tick).collect());
            }
        }
        found
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<Arc<LaneKey>, Minutes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(app: &str) -> Arc<LaneKey> {
        Arc::new(LaneKey { app: app.to_owned(), tenant: String::new(), method: "m".to_owned() })
    }

    #[test]
    fn minutes_are_counted_apart_and_old_ones_forgotten() {
        let (flow, a) = (Throughput::default(), lane("a"));
        let at = |minute: i64| start_of(minute);
        flow.note(&a, at(10), false);
        flow.note(&a, Timestamp(at(11).0 - 1), true);
        flow.note(&a, at(12), false);
        let tick = |calls, refused| Tick { calls, refused };
        assert_eq!(flow.last(at(12), 3)[&a], [tick(2, 1), tick(0, 0), tick(1, 0)]);
        assert_eq!(flow.last(at(12), 1)[&a], [tick(1, 0)]);
        assert!(flow.last(at(14), 2).is_empty(), "no call in them");
        flow.note(&a, at(10 + MINUTES_MAX), false);
        assert_eq!(flow.last(at(12), 3)[&a], [tick(0, 0), tick(0, 0), tick(1, 0)], "the first is forgotten");
    }
}
