//! One window of one key: when its permits come back.

use std::collections::VecDeque;
use std::time::Duration;

use super::text::Window;
use crate::domain::time::{Mono, micros};

/// Windows with more permits than this are kept in about as many time cells.
const CELLS: i64 = 1_000;

/// The permits of one window: those in flight are counted by the key, those on their way back stand here.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    window: Window,
    /// Width of a time cell in microseconds: instants are rounded up to it, the safe side. 1 is exact.
    cell: i64,
    /// When permits come back, ascending, and how many at that instant.
    returns: VecDeque<(Mono, u32)>,
    /// Sum of all counts in `returns`.
    returning: u32,
}

impl Ring {
    pub(super) fn new(window: Window) -> Self {
        let cell = if i64::from(window.limit) > CELLS { (micros(window.span) / CELLS).max(1) } else { 1 };
        Self { window, cell, returns: VecDeque::new(), returning: 0 }
    }

    pub(super) const fn window(&self) -> Window {
        self.window
    }

    /// Permits spent or on their way back at `now`, beside `in_flight`.
    pub(super) fn returning(&mut self, now: Mono) -> u32 {
        while let Some(&(at, count)) = self.returns.front()
            && at <= now
        {
            self.returns.pop_front();
            self.returning -= count;
        }
        self.returning
    }

    /// Free permits at `now`.
    pub(super) fn free(&mut self, now: Mono, in_flight: u32) -> u32 {
        let busy = self.returning(now).saturating_add(in_flight);
        self.window.limit.saturating_sub(busy)
    }

    /// When a permit is free at the earliest, if no reply comes before; `None` if that takes a reply.
    pub(super) fn free_at(&mut self, now: Mono, in_flight: u32) -> Option<Mono> {
        let busy = self.returning(now).saturating_add(in_flight);
        if busy < self.window.limit {
            return Some(now);
        }
        let mut needed = busy - self.window.limit + 1;
        for &(at, count) in &self.returns {
            if count >= needed {
                return Some(at);
            }
            needed -= count;
        }
        None
    }

    /// Lets a permit come back one window after `counted_by`, the last instant at which the platform can have counted it.
    pub(super) fn give_back(&mut self, counted_by: Mono) {
        let at = self.round_up(counted_by + self.window.span);
        self.returning += 1;
        // Replies come in the order of time, so the place is nearly always the end.
        let place = self.returns.iter().rposition(|&(other, _)| other <= at);
        match place {
            Some(index) if self.returns[index].0 == at => self.returns[index].1 += 1,
            Some(index) => self.returns.insert(index + 1, (at, 1)),
            None => self.returns.push_front((at, 1)),
        }
    }

    /// The same grants under another window, for a changed quota.
    pub(super) fn inherit(&mut self, older: &Self) {
        for &(at, count) in &older.returns {
            for _ in 0..count {
                self.give_back(at - older.window.span);
            }
        }
    }

    pub(super) const fn span(&self) -> Duration {
        self.window.span
    }

    fn round_up(&self, at: Mono) -> Mono {
        // One microsecond on top: clocks are read truncated, so the true instant may lie that much later.
        let exact = at.0.saturating_add(1);
        Mono(exact.saturating_add(self.cell - 1).div_euclid(self.cell) * self.cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(text: &str) -> Ring {
        let quota: super::super::Quota = text.parse().unwrap();
        Ring::new(quota.windows()[0])
    }

    #[test]
    fn a_permit_comes_back_one_window_after_the_reply_and_not_before() {
        let mut ring = ring("1/s");
        ring.give_back(Mono(500));
        assert_eq!(ring.free(Mono(1_000_500), 0), 0);
        assert_eq!(ring.free_at(Mono(1_000_500), 0), Some(Mono(1_000_501)));
        assert_eq!(ring.free(Mono(1_000_501), 0), 1);
    }

    #[test]
    fn what_is_in_flight_waits_for_a_reply() {
        let mut ring = ring("2/s");
        ring.give_back(Mono(0));
        assert_eq!(ring.free_at(Mono(0), 1), Some(Mono(1_000_001)));
        assert_eq!(ring.free_at(Mono(0), 2), None);
    }

    #[test]
    fn late_givers_keep_the_order() {
        let mut ring = ring("3/s");
        for at in [900, 100, 500, 100] {
            ring.give_back(Mono(at));
        }
        let order: Vec<i64> = ring.returns.iter().map(|(at, _)| at.0 - 1_000_001).collect();
        assert_eq!(order, [100, 500, 900]);
        assert_eq!(ring.returning(Mono(1_000_101)), 2);
    }

    #[test]
    fn long_windows_keep_few_cells_on_the_safe_side() {
        let mut ring = ring("150000/h");
        for at in 0..150_000 {
            ring.give_back(Mono(at * 24_000));
        }
        assert!(ring.returns.len() <= 1_002, "{}", ring.returns.len());
        let exact = Mono(1) + Duration::from_secs(3_600);
        assert!(ring.returns[0].0 >= exact);
        assert!(ring.returns[0].0 <= exact + Duration::from_millis(3_600));
    }
}
