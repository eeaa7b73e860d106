//! Which destinations stand still, and from where in the outbox to read on. Pure.
//!
//! A full dead-letter queue must not hold results up. So rows of a stalled destination are passed over without being
//! kept, and when its wait is over, reading goes back to the first of them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::outgoing::Destination;
use paceline_domain::time::Mono;

/// The reading position, and the destinations that wait.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    /// Read up to here.
    cursor: i64,
    /// The highest row ever read: behind it, before the cursor's return, there are only rows of stalled destinations.
    frontier: i64,
    stalled: HashMap<Destination, Stall>,
    /// Whose wait ended, so that the cursor went back for them.
    rescanning: HashSet<Destination>,
}

#[derive(Debug)]
struct Stall {
    /// `None`: its wait is over, and it has not succeeded yet.
    until: Option<Mono>,
    /// In a row.
    failures: u32,
    /// The first row passed over.
    lowest: Option<i64>,
}

impl Stalls {
    /// Whether nothing is sent there for the moment.
    pub(super) fn is_stalled(&self, to: &Destination) -> bool {
        self.stalled.get(to).is_some_and(|stall| stall.until.is_some())
    }

    /// A row for a stalled destination was passed over.
    pub(super) fn pass_over(&mut self, to: &Destination, seq: i64) {
        if let Some(stall) = self.stalled.get_mut(to) {
            stall.lowest = Some(stall.lowest.map_or(seq, |lowest| lowest.min(seq)));
        }
    }

    /// A row failed; `true` if that begins a wait, so that it is worth saying. `delay` tells the wait by failures in a row.
    pub(super) fn fail(&mut self, to: &Destination, seq: i64, now: Mono, delay: impl FnOnce(u32) -> Duration) -> bool {
        let stall = self.stalled.entry(to.clone()).or_insert(Stall { until: None, failures: 0, lowest: None });
        let begins = stall.until.is_none();
        let first = stall.failures == 0;
        if begins {
            stall.until = Some(now + delay(stall.failures));
            stall.failures = stall.failures.saturating_add(1);
        }
        self.pass_over(to, seq);
        self.rescanning.remove(to);
        begins && first
    }

    /// A row got through; `true` if all is well there.
    pub(super) fn succeed(&mut self, to: &Destination) -> bool {
        if self.stalled.get(to).is_some_and(|stall| stall.until.is_none()) {
            self.stalled.remove(to);
        }
        !self.stalled.contains_key(to)
    }

    /// Ends the waits that are over and goes back for their rows; `true` if there were any.
    pub(super) fn end_due(&mut self, now: Mono) -> bool {
        let mut ended = false;
        for (to, stall) in &mut self.stalled {
            if stall.until.is_some_and(|until| until <= now) {
                stall.until = None;
                ended = true;
                if let Some(lowest) = stall.lowest.take() {
                    self.cursor = self.cursor.min(lowest - 1);
                    self.rescanning.insert(to.clone());
                }
            }
        }
        ended
    }

    /// The row after which to read on.
    pub(super) fn read_after(&mut self) -> i64 {
        // Back there are only rows of destinations that stand still again: nothing to find.
        if self.cursor < self.frontier && self.rescanning.is_empty() {
            self.cursor = self.frontier;
        }
        self.cursor
    }

    /// Rows were read up to this one.
    pub(super) fn read_to(&mut self, seq: i64) {
        self.cursor = seq;
        if seq >= self.frontier {
            self.frontier = seq;
            self.rescanning.clear();
        }
    }

    /// A row stays in the outbox; if no wait leads back to it, the cursor does.
    pub(super) fn keep(&mut self, seq: i64) {
        let found_again = |stall: &Stall| stall.until.is_some() && stall.lowest.is_some_and(|lowest| lowest <= seq);
        if !self.stalled.values().any(found_again) {
            self.cursor = self.cursor.min(seq - 1);
            self.frontier = self.frontier.min(seq - 1);
        }
    }

    /// Starts over: what was under way is in the outbox still.
    pub(super) fn start_over(&mut self) {
        *self = Self::default();
    }

    /// Whether any destination waits.
    pub(super) fn is_waiting(&self) -> bool {
        self.stalled.values().any(|stall| stall.until.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_micros(10);

    fn fail(stalls: &mut Stalls, to: &Destination, seq: i64, now: i64) -> bool {
        stalls.fail(to, seq, Mono(now), |failures| DELAY * 2u32.pow(failures))
    }

    #[test]
    fn reading_goes_back_to_the_first_row_passed_over() {
        let mut stalls = Stalls::default();
        stalls.read_to(9);
        assert!(fail(&mut stalls, &Destination::Dead, 4, 0));
        assert!(!fail(&mut stalls, &Destination::Dead, 3, 1), "one wait is said once");
        stalls.read_to(12);
        stalls.pass_over(&Destination::Dead, 11);
        assert!(stalls.is_stalled(&Destination::Dead) && !stalls.is_stalled(&Destination::Results));
        assert!(!stalls.end_due(Mono(9)));
        assert_eq!(stalls.read_after(), 12);
        assert!(stalls.end_due(Mono(10)));
        assert_eq!(stalls.read_after(), 2);
        assert!(!stalls.is_stalled(&Destination::Dead));
    }

    #[test]
    fn a_destination_that_fails_again_waits_longer_and_is_not_searched_for() {
        let mut stalls = Stalls::default();
        stalls.read_to(100);
        fail(&mut stalls, &Destination::Dead, 1, 0);
        stalls.end_due(Mono(10));
        stalls.read_to(5);
        assert!(!fail(&mut stalls, &Destination::Dead, 1, 10), "the second wait in a row goes unsaid");
        assert_eq!(stalls.read_after(), 100, "rows 6 to 100 are known to stand still");
        assert!(!stalls.end_due(Mono(29)));
        assert!(stalls.end_due(Mono(30)));
        assert_eq!(stalls.read_after(), 0);
    }

    #[test]
    fn another_destination_is_searched_for_all_the_same() {
        let mut stalls = Stalls::default();
        stalls.read_to(100);
        fail(&mut stalls, &Destination::Dead, 1, 0);
        fail(&mut stalls, &Destination::Results, 50, 0);
        stalls.end_due(Mono(10));
        stalls.read_to(5);
        fail(&mut stalls, &Destination::Dead, 1, 10);
        assert_eq!(stalls.read_after(), 5, "results from 50 on are still to be found");
        stalls.read_to(100);
        assert_eq!(stalls.read_after(), 100);
    }

    #[test]
    fn a_row_that_no_wait_leads_back_to_is_read_again() {
        let mut stalls = Stalls::default();
        stalls.read_to(9);
        fail(&mut stalls, &Destination::Dead, 4, 0);
        stalls.keep(4);
        assert_eq!(stalls.read_after(), 9, "the wait leads back");
        stalls.end_due(Mono(10));
        stalls.read_to(9);
        stalls.keep(7);
        assert_eq!(stalls.read_after(), 6);
    }

    #[test]
    fn success_forgets_the_failures() {
        let mut stalls = Stalls::default();
        fail(&mut stalls, &Destination::Dead, 1, 0);
        assert!(!stalls.succeed(&Destination::Dead));
        assert!(stalls.is_waiting(), "a late success of an earlier message does not end the wait");
        stalls.end_due(Mono(10));
        assert!(!stalls.is_waiting());
        assert!(stalls.succeed(&Destination::Dead), "well when something got through");
        assert!(fail(&mut stalls, &Destination::Dead, 2, 50), "a new trouble is said again");
        assert!(stalls.end_due(Mono(60)));
    }
}
