//! One window of one key: when its permits come back.

use std::collections::VecDeque;
use std::time::Duration;

use super::foreign_use::{Lowered, MEMORY, Suspicion};
use super::parse::Window;
use crate::time::{Mono, micros};

/// Windows with more permits than this are kept in about as many time cells.
const CELLS: i64 = 1_000;

impl Window {
    /// Width in microseconds of the time cells in which its permits are kept.
    pub fn cell(&self) -> i64 {
        if i64::from(self.limit) > CELLS { (micros(self.span) / CELLS).max(1) } else { 1 }
    }
}

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
    /// A working limit below the window's own, while somebody else seems to use it.
    lowered: Option<Lowered>,
    suspicion: Option<Suspicion>,
    /// Not blamed before this instant: lowering it did not help.
    cleared: Mono,
}

impl Ring {
    pub(super) fn new(window: Window) -> Self {
        Self {
            window,
            cell: window.cell(),
            returns: VecDeque::new(),
            returning: 0,
            lowered: None,
            suspicion: None,
            cleared: Mono(i64::MIN),
        }
    }

    pub(super) const fn window(&self) -> Window {
        self.window
    }

    /// The window with the limit that holds at `now`.
    pub(super) fn working(&mut self, now: Mono) -> Window {
        if self.lowered.as_mut().is_some_and(|lowered| !lowered.keep(now)) {
            self.lowered = None;
        }
        let limit = self.lowered.as_ref().map_or(self.window.limit, Lowered::limit);
        Window { limit, ..self.window }
    }

    /// The lowered working limit, if one holds at `now`.
    pub(super) fn lowered(&mut self, now: Mono) -> Option<&Lowered> {
        self.working(now);
        self.lowered.as_ref().filter(|lowered| !lowered.is_over())
    }

    /// See [`Self::lowered`].
    pub(super) const fn lowered_mut(&mut self) -> &mut Option<Lowered> {
        &mut self.lowered
    }

    /// A refusal when the platform had taken `taken` calls points at this window: `true` if its working limit is lowered.
    pub(super) fn blame(&mut self, taken: u32, now: Mono) -> bool {
        let Window { limit, span } = self.working(now);
        if now < self.cleared || !Suspicion::confirms(&mut self.suspicion, taken, limit, span, now) {
            return false;
        }
        let documented = self.window.limit;
        let lowered = self.lowered.get_or_insert_with(|| Lowered::of(documented, span));
        lowered.lower(taken);
        if !lowered.is_vain() {
            return true;
        }
        (self.lowered, self.suspicion) = (None, None);
        self.cleared = now + span * MEMORY;
        false
    }

    /// One of the calls thought taken when this window was blamed was refused as well.
    pub(super) fn correct(&mut self, was_lowered: bool) {
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.correct();
        }
        if let Some(lowered) = self.lowered.as_mut().filter(|_| was_lowered) {
            lowered.correct();
        }
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

    /// Those of the permits on their way back whose calls may still arrive: nobody has answered them.
    pub(super) fn unanswered(&self, now: Mono) -> u32 {
        // Rounding up has added a cell at most.
        let earliest = Mono((now + self.window.span).0.saturating_add(self.cell));
        self.returns.iter().rev().take_while(|(at, _)| *at > earliest).map(|(_, count)| count).sum()
    }

    /// Free permits at `now`.
    pub(super) fn free(&mut self, now: Mono, in_flight: u32) -> u32 {
        let busy = self.returning(now).saturating_add(in_flight);
        self.working(now).limit.saturating_sub(busy)
    }

    /// When a permit is free at the earliest, if no reply comes before; `None` if that takes a reply.
    pub(super) fn free_at(&mut self, now: Mono, in_flight: u32) -> Option<Mono> {
        let busy = self.returning(now).saturating_add(in_flight);
        let limit = self.working(now).limit;
        let free = self.free_under(limit, busy, now);
        let raised = self.lowered.as_ref().into_iter().flat_map(Lowered::ahead);
        // A raise of the working limit may come before the return that is waited for.
        raised
            .map_while(|(at, limit)| (free.is_none_or(|free| at < free)).then_some((at, limit)))
            .filter_map(|(at, limit)| Some(self.free_under(limit, busy, now)?.max(at)))
            .chain(free)
            .min()
    }

    /// [`Self::free_at`], were this the limit.
    fn free_under(&self, limit: u32, busy: u32, now: Mono) -> Option<Mono> {
        if busy < limit {
            return Some(now);
        }
        let mut needed = busy - limit + 1;
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
        self.enter(counted_by, 1);
    }

    fn enter(&mut self, counted_by: Mono, count: u32) {
        let at = self.round_up(counted_by + self.window.span);
        self.returning += count;
        // Replies come in the order of time, so the place is nearly always the end.
        let place = self.returns.iter().rposition(|&(other, _)| other <= at);
        match place {
            Some(index) if self.returns[index].0 == at => self.returns[index].1 += count,
            Some(index) => self.returns.insert(index + 1, (at, count)),
            None => self.returns.push_front((at, count)),
        }
    }

    /// A window in place of others, with the grants that they know of.
    ///
    /// The finest of those that reach back far enough knows best; where none does, the longest knows most.
    pub(super) fn heir(window: Window, older: &[Self]) -> Self {
        if let Some(same) = older.iter().find(|ring| ring.window == window) {
            return same.clone();
        }
        let mut ring = Self::new(window);
        let finest = older.iter().filter(|older| older.span() >= window.span).min_by_key(|older| older.cell);
        if let Some(source) = finest.or_else(|| Self::longest(older)) {
            for &(at, count) in &source.returns {
                // What rounding up added is taken off again as far as it is surely known.
                ring.enter(Mono(at.0.saturating_sub(1)) - source.window.span, count);
            }
        }
        if let Some(same) = older.iter().find(|older| older.span() == window.span) {
            ring.inherit_limit(same);
        }
        ring
    }

    pub(super) fn longest(rings: &[Self]) -> Option<&Self> {
        rings.iter().max_by_key(|ring| ring.window.span)
    }

    /// Calls that were counted before this instant have been forgotten by `now`, when all permits that were back had
    /// been taken out; later ones are known.
    pub(super) fn forgotten_before(&self, now: Mono) -> Mono {
        Mono(now.0.div_euclid(self.cell).saturating_mul(self.cell)) - self.window.span
    }

    /// The working limit of the same window under another documented limit.
    pub(super) fn inherit_limit(&mut self, older: &Self) {
        self.lowered = older.lowered.as_ref().and_then(|lowered| lowered.under(self.window.limit));
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
    fn a_call_that_may_still_arrive_is_unanswered() {
        let mut ring = ring("3/s");
        ring.give_back(Mono(500));
        ring.give_back(Mono(9_000_000));
        assert_eq!((ring.returning(Mono(1_000)), ring.unanswered(Mono(1_000))), (2, 1));
        assert_eq!((ring.returning(Mono(9_000_001)), ring.unanswered(Mono(9_000_001))), (1, 0), "its time is over");
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
