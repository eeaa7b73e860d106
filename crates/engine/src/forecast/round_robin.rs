//! Whose calls a lane's calls are. Batches of one lane and priority take turns, one call each (`schedule::backlog`), so
//! that which of them is next changes no instant: any number of calls can be dealt out at once.

use std::collections::{HashMap, VecDeque};

/// Batches that take turns, by position.
#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    /// The next one first.
    order: VecDeque<usize>,
    /// Calls that each of them still has to make, at least one.
    left: HashMap<usize, u64>,
}

/// What a batch got of some calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub batch: usize,
    pub calls: u64,
    /// Which of the calls its last one is, counted from 1.
    pub last: u64,
}

impl RoundRobin {
    /// More jobs of a batch have come: it keeps its place, or gets the last one.
    pub(super) fn join(&mut self, batch: usize, jobs: u64) {
        if jobs == 0 {
            return;
        }
        let left = self.left.entry(batch).or_insert(0);
        if *left == 0 {
            self.order.push_back(batch);
        }
        *left += jobs;
    }

    /// The batch of the next call.
    pub(super) fn next(&mut self) -> Option<usize> {
        let batch = self.order.pop_front()?;
        self.take(batch, 1);
        if self.left.contains_key(&batch) {
            self.order.push_back(batch);
        }
        Some(batch)
    }

    /// Deals out so many calls.
    pub(super) fn deal(&mut self, calls: u64) -> Vec<Share> {
        let mut shares: HashMap<usize, Share> = HashMap::new();
        let mut note = |batch, calls, last| {
            let share = shares.entry(batch).or_insert(Share { batch, calls: 0, last });
            (share.calls, share.last) = (share.calls + calls, last);
        };
        let mut dealt = 0;
        while dealt < calls && !self.order.is_empty() {
            let batches = self.order.len() as u64;
            let least = self.order.iter().filter_map(|batch| self.left.get(batch)).min().copied().unwrap_or(0);
            let rounds = least.min((calls - dealt) / batches);
            if rounds == 0 {
                // Less than a turn for each.
                dealt += 1;
                let Some(batch) = self.next() else { break };
                note(batch, 1, dealt);
                continue;
            }
            dealt += rounds * batches;
            let before_last_turn = dealt - batches;
            for (place, batch) in std::mem::take(&mut self.order).into_iter().enumerate() {
                note(batch, rounds, before_last_turn + place as u64 + 1);
                self.take(batch, rounds);
                if self.left.contains_key(&batch) {
                    self.order.push_back(batch);
                }
            }
        }
        shares.into_values().collect()
    }

    fn take(&mut self, batch: usize, calls: u64) {
        let Some(left) = self.left.get_mut(&batch) else { return };
        *left = left.saturating_sub(calls);
        if *left == 0 {
            self.left.remove(&batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turns(batches: &[u64]) -> RoundRobin {
        let mut turns = RoundRobin::default();
        for (batch, jobs) in batches.iter().enumerate() {
            turns.join(batch, *jobs);
        }
        turns
    }

    #[test]
    fn batches_take_turns_until_they_are_over() {
        let mut turns = turns(&[3, 1, 2]);
        let order: Vec<_> = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(order, [0, 1, 2, 0, 2, 0]);
    }

    #[test]
    fn who_comes_late_gets_the_last_place_and_who_is_there_keeps_its_own() {
        let mut turns = turns(&[2, 2]);
        assert_eq!(turns.next(), Some(0));
        turns.join(7, 1);
        turns.join(1, 1);
        let order: Vec<_> = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(order, [1, 0, 7, 1, 1]);
    }

    proptest! {
        #[test]
        fn dealing_out_is_taking_turns(batches in proptest::collection::vec(0..40_u64, 0..12), first in 0..30_u64, calls in 0..300_u64) {
            let (mut at_once, mut one_by_one) = (turns(&batches), turns(&batches));
            for _ in 0..first {
                prop_assert_eq!(at_once.next(), one_by_one.next());
            }
            let mut found = at_once.deal(calls);
            let mut expected: HashMap<usize, Share> = HashMap::new();
            for nth in 1..=calls {
                let Some(batch) = one_by_one.next() else { break };
                let share = expected.entry(batch).or_insert(Share { batch, calls: 0, last: 0 });
                (share.calls, share.last) = (share.calls + 1, nth);
            }
            found.sort_unstable_by_key(|share| share.batch);
            let mut expected: Vec<_> = expected.into_values().collect();
            expected.sort_unstable_by_key(|share| share.batch);
            prop_assert_eq!(found, expected);
            prop_assert_eq!(at_once.order, one_by_one.order);
        }
    }
}
