//! Alarms of lanes and quota keys: each has at most one, and an earlier one replaces it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;

use paceline_domain::time::Mono;

/// Alarms by target.
#[derive(Debug)]
pub(super) struct Timers<T> {
    heap: BinaryHeap<Reverse<(Mono, T)>>,
    armed: HashMap<T, Mono>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), armed: HashMap::new() }
    }
}

impl<T: Copy + Ord + Hash> Timers<T> {
    /// Wakes `target` at `at`, or earlier if it is armed for earlier.
    pub(super) fn arm(&mut self, target: T, at: Mono) {
        if self.armed.get(&target).is_some_and(|armed| *armed <= at) {
            return;
        }
        self.armed.insert(target, at);
        self.heap.push(Reverse((at, target)));
    }

    /// The next target whose time has come.
    pub(super) fn due(&mut self, now: Mono) -> Option<T> {
        while let Some(&Reverse((at, target))) = self.heap.peek()
            && at <= now
        {
            self.heap.pop();
            if self.armed.get(&target) == Some(&at) {
                self.armed.remove(&target);
                return Some(target);
            }
        }
        None
    }

    /// When the next alarm rings.
    pub(super) fn next(&mut self) -> Option<Mono> {
        while let Some(&Reverse((at, target))) = self.heap.peek() {
            if self.armed.get(&target) == Some(&at) {
                return Some(at);
            }
            self.heap.pop();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_alarm_of_a_target_counts() {
        let mut timers = Timers::default();
        timers.arm('a', Mono(50));
        timers.arm('a', Mono(20));
        timers.arm('a', Mono(90));
        timers.arm('b', Mono(30));
        assert_eq!(timers.next(), Some(Mono(20)));
        assert_eq!(timers.due(Mono(19)), None);
        assert_eq!(timers.due(Mono(100)), Some('a'));
        assert_eq!(timers.due(Mono(100)), Some('b'));
        assert_eq!((timers.due(Mono(100)), timers.next()), (None, None));
    }
}
