//! Reserves: parts of every window that are kept for jobs of high priority while such jobs come.
//!
//! For each threshold a key has its windows a second time, with what the reserve leaves of each limit. These count the
//! calls below the threshold alone: always, but they hold one back only while the reserve is in force.
//!
//! Decision: docs/decisions/0003-reserves-are-windows-of-their-own.md

use std::time::Duration;

use super::parse::{Quota, Window};
use super::window::Ring;
use crate::time::Mono;

/// What is kept of every window, by the priority from which on jobs may use it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reserve {
    /// Of priorities 1 to 9; 0 keeps nothing.
    shares: [f64; 9],
}

impl Reserve {
    /// Everything is for everyone.
    pub const NONE: Self = Self { shares: [0.0; 9] };

    /// Keeps this share, above 0 and below 1, for jobs of this priority (1 to 9) and above.
    #[must_use]
    pub const fn keep(mut self, priority: u8, share: f64) -> Self {
        if priority >= 1 && priority <= 9 {
            self.shares[priority as usize - 1] = share;
        }
        self
    }

    /// Where jobs of a priority stand.
    pub fn class_of(&self, priority: u8) -> Class {
        let reached = self.shares.iter().take(usize::from(priority));
        Class(reached.filter(|share| **share > 0.0).count() as u8)
    }

    /// The shares of the thresholds there are, lowest threshold first.
    fn thresholds(&self) -> impl Iterator<Item = f64> {
        self.shares.into_iter().filter(|share| *share > 0.0)
    }
}

/// Where a call stands among the reserves: how many of their thresholds its priority reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class(u8);

impl Class {
    /// Below every threshold.
    pub const LOWEST: Self = Self(0);
    /// Calls of the worker itself: no reserve holds them back, and none counts them.
    pub const OWN: Self = Self(u8::MAX);
}

/// The reserves of one key, lowest threshold first.
pub(super) struct Reserves(Vec<Kept>);

/// One threshold at one key.
struct Kept {
    share: f64,
    /// The key's windows with what is left of their limits: they count the calls below the threshold.
    rings: Vec<Ring>,
    /// Calls below the threshold in flight.
    in_flight: u32,
    /// Lanes that have a job at or above the threshold to send.
    wanting: u32,
    /// When the last of them had none any more.
    wanted_until: Option<Mono>,
}

impl Reserves {
    pub(super) fn new(reserve: &Reserve, quota: &Quota) -> Self {
        let kept = |share| Kept { share, rings: rings(share, quota), in_flight: 0, wanting: 0, wanted_until: None };
        Self(reserve.thresholds().map(kept).collect())
    }

    /// Other windows; they keep the calls that they have seen.
    pub(super) fn change(&mut self, quota: &Quota, now: Mono) {
        for kept in &mut self.0 {
            let mut older = std::mem::take(&mut kept.rings);
            for ring in &mut older {
                ring.returning(now);
            }
            let heirs = rings(kept.share, quota).into_iter().map(|ring| Ring::heir(ring.window(), &older));
            kept.rings = heirs.collect();
        }
    }

    /// What holds a call back at `now`, and until when: `None` if that takes a reply.
    pub(super) fn blocked(&mut self, class: Class, now: Mono) -> Option<(Option<Mono>, Window)> {
        let mut latest: Option<(Option<Mono>, Window)> = None;
        for kept in self.above(class) {
            for index in 0..kept.rings.len() {
                let Some(blocked) = kept.blocked(index, now) else { continue };
                if blocked.0.is_none() {
                    return Some(blocked);
                }
                if latest.is_none_or(|other| other.0 < blocked.0) {
                    latest = Some(blocked);
                }
            }
        }
        latest
    }

    /// Permits left to a class at `now`.
    pub(super) fn free(&mut self, class: Class, now: Mono) -> u32 {
        self.above(class).iter_mut().map(|kept| kept.free(now)).min().unwrap_or(u32::MAX)
    }

    pub(super) fn take(&mut self, class: Class) {
        self.above(class).iter_mut().for_each(|kept| kept.in_flight += 1);
    }

    pub(super) fn give_back(&mut self, class: Class, counted_by: Option<Mono>) {
        for kept in self.above(class) {
            kept.in_flight -= 1;
            if let Some(counted_by) = counted_by {
                kept.count(counted_by);
            }
        }
    }

    /// Enters a call of an earlier process: nobody knows its priority any more, so it counts as low.
    pub(super) fn restore(&mut self, counted_by: Mono) {
        self.0.iter_mut().for_each(|kept| kept.count(counted_by));
    }

    /// The same for windows that are longer than those of before.
    pub(super) fn recall(&mut self, longer_than: Duration, counted_by: Mono) {
        let rings = self.0.iter_mut().flat_map(|kept| &mut kept.rings);
        rings.filter(|ring| ring.span() > longer_than).for_each(|ring| ring.give_back(counted_by));
    }

    /// A lane whose next job was of class `before` has one of the higher class `after`.
    pub(super) fn raise_demand(&mut self, before: Class, after: Class) {
        self.between(before, after).iter_mut().for_each(|kept| kept.wanting += 1);
    }

    /// A lane whose next job was of class `before` has, at `now`, only one of the lower class `after`, or none.
    pub(super) fn lower_demand(&mut self, before: Class, after: Class, now: Mono) {
        for kept in self.between(after, before) {
            kept.wanting -= 1;
            kept.wanted_until = Some(now);
        }
    }

    /// The thresholds that calls of a class stay below.
    fn above(&mut self, class: Class) -> &mut [Kept] {
        let reached = usize::from(class.0).min(self.0.len());
        &mut self.0[reached..]
    }

    /// The thresholds that `high` reaches and `low` does not.
    fn between(&mut self, low: Class, high: Class) -> &mut [Kept] {
        let count = self.0.len();
        &mut self.0[usize::from(low.0).min(count)..usize::from(high.0).min(count)]
    }
}

impl Kept {
    /// Whether something is kept of a window of this length: a job that may use it waits, or did so within the window.
    fn is_in_force(&self, span: Duration, now: Mono) -> bool {
        self.wanting > 0 || self.wanted_until.is_some_and(|until| now < until + span)
    }

    fn blocked(&mut self, index: usize, now: Mono) -> Option<(Option<Mono>, Window)> {
        let window = self.rings[index].window();
        if !self.is_in_force(window.span, now) {
            return None;
        }
        let free_at = self.rings[index].free_at(now, self.in_flight);
        if free_at.is_some_and(|at| at <= now) {
            return None;
        }
        // Nothing is kept any more one window after the last job that may use it.
        let lapses = self.wanted_until.filter(|_| self.wanting == 0).map(|until| until + window.span);
        Some((free_at.into_iter().chain(lapses).min(), window))
    }

    fn free(&mut self, now: Mono) -> u32 {
        let in_flight = self.in_flight;
        let mut free = u32::MAX;
        for index in 0..self.rings.len() {
            if self.is_in_force(self.rings[index].span(), now) {
                free = free.min(self.rings[index].free(now, in_flight));
            }
        }
        free
    }

    fn count(&mut self, counted_by: Mono) {
        self.rings.iter_mut().for_each(|ring| ring.give_back(counted_by));
    }
}

/// The windows of a quota with what a reserve leaves of each limit, at least one call.
fn rings(share: f64, quota: &Quota) -> Vec<Ring> {
    let ring = |window: &Window| {
        // A product like 0.07 × 100 is a hair above the whole number that it means.
        let kept = (f64::from(window.limit) * share - 1e-6).ceil() as u32;
        Ring::new(Window { limit: window.limit.saturating_sub(kept).max(1), ..*window })
    };
    quota.windows().iter().map(ring).collect()
}

#[cfg(test)]
mod proptests;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// A fifth of `10/s` for priority 8, and nothing else.
    fn reserves() -> Reserves {
        Reserves::new(&Reserve::default().keep(8, 0.2), &"10/s".parse().unwrap())
    }

    const HIGH: Class = Class(1);

    fn send(reserves: &mut Reserves, calls: u32, at: i64) {
        for _ in 0..calls {
            reserves.take(Class::LOWEST);
            reserves.give_back(Class::LOWEST, Some(Mono(at)));
        }
    }

    #[test]
    fn a_class_is_the_number_of_thresholds_reached() {
        let reserve = Reserve::default().keep(5, 0.1).keep(8, 0.2);
        let classes: Vec<u8> = (0..=9).map(|priority| reserve.class_of(priority).0).collect();
        assert_eq!(classes, [0, 0, 0, 0, 0, 1, 1, 1, 2, 2]);
        assert_eq!(Reserve::default().class_of(9), Class::LOWEST);
        assert_eq!(reserve.keep(0, 0.5).keep(10, 0.5), reserve, "there are no such thresholds");
    }

    #[test]
    fn what_is_kept_is_rounded_up_and_leaves_one() {
        let left = |quota: &str, share| rings(share, &quota.parse().unwrap())[0].window().limit;
        assert_eq!((left("20/min", 0.2), left("21/min", 0.2), left("100/s", 0.07)), (16, 16, 93));
        assert_eq!((left("2/s", 0.9), left("1/s", 0.01)), (1, 1));
    }

    #[test]
    fn nothing_is_kept_before_the_first_job_that_may_use_it() {
        let mut reserves = reserves();
        send(&mut reserves, 10, 0);
        assert_eq!((reserves.blocked(Class::LOWEST, Mono(1)), reserves.free(Class::LOWEST, Mono(1))), (None, u32::MAX));
    }

    #[test]
    fn low_calls_wait_while_such_jobs_come_and_one_window_longer() {
        let mut reserves = reserves();
        send(&mut reserves, 8, 0);
        let window = Window { limit: 8, span: Duration::from_secs(1) };
        reserves.raise_demand(Class::LOWEST, HIGH);
        assert_eq!(reserves.blocked(Class::LOWEST, Mono(5)), Some((Some(Mono(SECOND + 1)), window)));
        assert_eq!((reserves.blocked(HIGH, Mono(5)), reserves.blocked(Class::OWN, Mono(5))), (None, None));
        reserves.lower_demand(HIGH, Class::LOWEST, Mono(10));
        send(&mut reserves, 8, SECOND);
        assert!(reserves.blocked(Class::LOWEST, Mono(SECOND + 9)).is_some());
        assert_eq!(reserves.blocked(Class::LOWEST, Mono(SECOND + 10)), None, "the last one was one window ago");
    }

    #[test]
    fn a_reserve_that_lapses_frees_what_waited_for_a_reply() {
        let mut reserves = reserves();
        (0..8).for_each(|_| reserves.take(Class::LOWEST));
        reserves.raise_demand(Class::LOWEST, HIGH);
        assert_eq!(reserves.blocked(Class::LOWEST, Mono(0)).unwrap().0, None);
        reserves.lower_demand(HIGH, Class::LOWEST, Mono(5));
        assert_eq!(reserves.blocked(Class::LOWEST, Mono(6)).unwrap().0, Some(Mono(SECOND + 5)));
    }

    #[test]
    fn each_threshold_counts_what_is_below_it() {
        let reserve = Reserve::default().keep(5, 0.5).keep(8, 0.2);
        let (low, middle) = (reserve.class_of(4), reserve.class_of(5));
        let mut reserves = Reserves::new(&reserve, &"10/s".parse().unwrap());
        reserves.raise_demand(Class::LOWEST, reserve.class_of(9));
        (0..4).for_each(|_| reserves.take(middle));
        assert_eq!((reserves.free(low, Mono(0)), reserves.free(middle, Mono(0))), (4, 4));
        (0..2).for_each(|_| reserves.take(low));
        assert_eq!((reserves.free(low, Mono(0)), reserves.free(middle, Mono(0))), (2, 2));
        (0..2).for_each(|_| reserves.take(middle));
        assert_eq!((reserves.free(low, Mono(0)), reserves.free(middle, Mono(0))), (0, 0));
        assert_eq!(reserves.free(reserve.class_of(8), Mono(0)), u32::MAX);
    }

    #[test]
    fn a_changed_quota_keeps_what_was_counted() {
        let mut reserves = reserves();
        reserves.restore(Mono(0));
        send(&mut reserves, 3, 0);
        reserves.raise_demand(Class::LOWEST, HIGH);
        reserves.change(&"5/s".parse().unwrap(), Mono(0));
        assert_eq!(reserves.free(Class::LOWEST, Mono(1)), 0);
        assert_eq!(reserves.free(Class::LOWEST, Mono(SECOND + 2)), 4);
    }
}
