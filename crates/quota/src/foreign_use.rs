//! Foreign use: somebody else spends a window's permits, so a lower working limit holds until they seem to have stopped.
//!
//! The table never lets more calls out than the documented window takes, so a refusal while it was kept says that the
//! platform counts calls that are not ours, or refuses at random. It points at the fullest window, and one refusal is no
//! pattern: [`Suspicion`] says which further one is. Then the window works with what the platform had really taken of ours,
//! at most halved at once. It is raised after a clean span by a twentieth of the documented limit, then by twice as much
//! each time. A refusal that finds no more room than the one before is patiently waited out: the next raise comes after
//! twice as many clean spans, up to [`PATIENCE_MAX`]. So against somebody who takes a steady part one call in [`PATIENCE_MAX`] spans is refused, and when
//! they have stopped the documented limit is back within [`PATIENCE_MAX`] + 4 clean spans. A span is clean only while the
//! key is not paused.
//!
//! Lowering that does not help is given up: after [`FALLS_MAX`] refusals without a raise between, or when as many have
//! brought it below half of what there was room for, the platform refuses for something else. The documented limit then
//! holds again for [`MEMORY`] spans at least.
//!
//! Decision: docs/decisions/0004-foreign-use-is-a-pattern.md

use std::time::Duration;

use crate::time::Mono;

/// Spans of the window for which a refusal is remembered.
pub(super) const MEMORY: u32 = 10;
/// Lowerings in a row, without a clean span between, after which they have proved no help.
const FALLS_MAX: u32 = 8;
/// A window that had room for less than this part of its limit is not judged: others would have to use all the rest.
const PART_MIN: u32 = 10;
/// Longer windows are not lowered: they are budgets, not rates, and would take days to come back.
pub(super) const SPAN_MAX: Duration = Duration::from_secs(3_600);
/// Clean spans before a raise, at most.
const PATIENCE_MAX: u32 = 8;
/// The first raise, as a part of the documented limit.
const STEPS: u32 = 20;

/// The refusal that pointed at a window and waits for another like it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspicion {
    at: Mono,
    /// Calls of ours that the platform had taken.
    taken: u32,
}

impl Suspicion {
    /// Whether a refusal at `taken` of `limit` calls is the second of a pattern; else it is remembered where it is the
    /// better one to compare with.
    ///
    /// Near the limit two refusals are enough. Far below it they must be alike and a span apart, so that the two say
    /// something about two sets of calls: refusals at random hit a window wherever it happens to be.
    pub(super) fn confirms(known: &mut Option<Self>, taken: u32, limit: u32, span: Duration, now: Mono) -> bool {
        if taken.saturating_mul(PART_MIN) < limit {
            return false;
        }
        let this = Self { at: now, taken };
        let Some(before) = known.filter(|before| now.since(before.at) <= span * MEMORY) else {
            *known = Some(this);
            return false;
        };
        let is_full = |taken: u32| taken.saturating_mul(2) >= limit;
        let is_alike = before.taken.abs_diff(taken) <= (before.taken.max(taken) / 4).max(1);
        let is_apart = now.since(before.at) >= span;
        let confirms = is_full(before.taken) && is_full(taken) || is_alike && is_apart;
        if confirms || is_full(taken) || is_apart {
            *known = Some(this);
        }
        confirms
    }

    /// One of the calls thought taken was refused as well.
    pub(super) const fn correct(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }
}

/// A window's lowered working limit.
#[derive(Clone, Debug)]
pub(super) struct Lowered {
    documented: u32,
    span: Duration,
    limit: u32,
    /// What it was after the last refusal.
    settled: u32,
    /// No lower by this refusal.
    floor: u32,
    /// Clean spans before the first raise.
    patience: u32,
    /// Raises since the last refusal.
    raises: u32,
    /// Refusals since the last raise.
    falls: u32,
    /// The most that the platform had taken at a refusal, or a level that held for half of the longest patience; and the
    /// refusals since.
    roomy: (u32, u32),
    /// When it is raised next; `None` while the key is paused.
    raise_at: Option<Mono>,
}

impl Lowered {
    /// Nothing lowered yet; to be lowered at once.
    pub(super) const fn of(documented: u32, span: Duration) -> Self {
        Self {
            documented,
            span,
            limit: documented,
            settled: documented,

            floor: documented,
            patience: 1,
            raises: 0,
            falls: 0,
            roomy: (0, 0),
            raise_at: None,
        }
    }

    /// As an earlier process left it; `None` if it lowers nothing any more.
    pub(super) fn restored(documented: u32, span: Duration, limit: u32, patience: u32) -> Option<Self> {
        let patience = patience.clamp(1, PATIENCE_MAX);
        let lowered = Self { limit: limit.max(1), settled: limit, patience, ..Self::of(documented, span) };
        (limit < documented).then_some(lowered)
    }

    /// The same under another documented limit.
    pub(super) fn under(&self, documented: u32) -> Option<Self> {
        (self.limit < documented).then(|| Self { documented, ..self.clone() })
    }

    /// What holds now, below the documented limit.
    pub(super) const fn limit(&self) -> u32 {
        self.limit
    }

    /// Clean spans before the next raise.
    pub(super) const fn patience(&self) -> u32 {
        self.patience
    }

    /// When it is raised next; `None` while the key is paused.
    pub(super) const fn raise_at(&self) -> Option<Mono> {
        self.raise_at
    }

    /// Refused when the platform had taken `taken` calls of ours.
    pub(super) fn lower(&mut self, taken: u32) {
        if self.raises > 0 {
            let has_gained = taken > self.settled.saturating_add(self.step());
            self.patience = if has_gained { 1 } else { (self.patience * 2).min(PATIENCE_MAX) };
        }
        let most = (self.limit - 1).max(1);
        self.floor = self.limit.div_ceil(2).min(most);
        self.limit = taken.clamp(self.floor, most);
        self.roomy = if taken > self.roomy.0 { (taken, 0) } else { (self.roomy.0, self.roomy.1 + 1) };
        self.settled = self.limit;
        self.raises = 0;
        self.falls += 1;
        self.raise_at = None;
    }

    /// Whether lowering has proved no help.
    pub(super) const fn is_vain(&self) -> bool {
        let (room, refusals) = self.roomy;
        self.falls > FALLS_MAX || refusals > FALLS_MAX && self.limit.saturating_mul(2) < room
    }

    /// One of the calls thought taken was refused as well.
    pub(super) fn correct(&mut self) {
        self.limit = self.limit.saturating_sub(1).max(self.floor.min(self.limit));
        self.settled = self.limit;
    }

    /// The key is open (again): from now on spans are clean.
    pub(super) fn open(&mut self, now: Mono) {
        if self.raise_at.is_none() {
            self.raise_at = Some(now + self.span * self.patience);
        }
    }

    /// The key is paused: no span is clean.
    pub(super) const fn pause(&mut self) {
        self.raise_at = None;
    }

    /// Raises what is due; `false` when the documented limit has held for a clean span, too: until then this remembers
    /// how patient it was.
    pub(super) fn keep(&mut self, now: Mono) -> bool {
        while let Some(at) = self.raise_at.filter(|at| *at <= now) {
            if self.is_over() {
                return false;
            }
            self.raise(at);
        }
        true
    }

    /// Whether the documented limit holds again.
    pub(super) const fn is_over(&self) -> bool {
        self.limit >= self.documented
    }

    /// The raises to come while nothing is refused: when, and the limit then.
    pub(super) fn ahead(&self) -> impl Iterator<Item = (Mono, u32)> {
        let mut next = self.clone();
        std::iter::from_fn(move || {
            let at = next.raise_at.filter(|_| !next.is_over())?;
            next.raise(at);
            Some((at, next.limit))
        })
    }

    fn step(&self) -> u32 {
        (self.documented / STEPS).max(1)
    }

    fn raise(&mut self, at: Mono) {
        if self.patience >= PATIENCE_MAX / 2 {
            self.roomy = (self.limit, 0);
        }
        let step = self.step().saturating_mul(1 << self.raises.min(STEPS));
        self.limit = self.limit.saturating_add(step).min(self.documented);
        self.raises += 1;
        self.falls = 0;
        self.raise_at = Some(at + self.span);
    }
}

#[cfg(test)]
mod proptests;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(minutes: i64) -> Mono {
        Mono(minutes * 60_000_000)
    }

    fn limits(lowered: &mut Lowered, minutes: std::ops::RangeInclusive<i64>) -> Vec<u32> {
        minutes
            .map(|minute| {
                lowered.keep(at(minute));
                lowered.limit()
            })
            .collect()
    }

    #[test]
    fn it_falls_to_what_was_taken_and_at_most_by_half() {
        let mut lowered = Lowered::of(20, MINUTE);
        lowered.lower(15);
        assert_eq!(lowered.limit(), 15);
        lowered.correct();
        lowered.correct();
        assert_eq!(lowered.limit(), 13, "two of the fifteen were refused as well");
        lowered.lower(2);
        assert_eq!(lowered.limit(), 7);
        lowered.lower(19);
        assert_eq!(lowered.limit(), 6, "a refusal always lowers it");
        for _ in 0..9 {
            lowered.lower(0);
        }
        assert_eq!(lowered.limit(), 1);
    }

    #[test]
    fn it_comes_back_in_growing_steps() {
        let mut lowered = Lowered::of(20, MINUTE);
        lowered.lower(10);
        assert_eq!(limits(&mut lowered, 1..=2), [10, 10], "paused: no span is clean");
        lowered.open(at(2));
        assert!(lowered.keep(Mono(at(3).0 - 1)));
        assert_eq!(lowered.ahead().collect::<Vec<_>>(), [(at(3), 11), (at(4), 13), (at(5), 17), (at(6), 20)]);
        assert_eq!(limits(&mut lowered, 3..=6), [11, 13, 17, 20]);
        assert!(lowered.is_over() && lowered.keep(Mono(at(7).0 - 1)), "back, and not yet forgotten");
        assert!(!lowered.keep(at(7)));
    }

    #[test]
    fn from_one_it_is_back_within_twelve_clean_spans() {
        for documented in [2, 20, 50, 1_000, 10_000] {
            let mut lowered = Lowered::restored(documented, MINUTE, 1, PATIENCE_MAX).unwrap();
            lowered.open(at(0));
            lowered.keep(Mono(at(8).0 - 1));
            assert_eq!(lowered.limit(), 1, "patience first");
            lowered.keep(at(12));
            assert!(lowered.is_over(), "{documented}: {}", lowered.limit());
        }
    }

    #[test]
    fn a_refused_raise_is_tried_again_after_twice_the_time() {
        let mut lowered = Lowered::of(20, MINUTE);
        lowered.lower(10);
        let mut waits = Vec::new();
        let mut now = 0;
        for _ in 0..6 {
            lowered.open(at(now));
            let (raised, _) = lowered.ahead().next().unwrap();
            waits.push((raised.0 - at(now).0) / at(1).0);
            lowered.keep(raised);
            assert_eq!(lowered.limit(), 11);
            lowered.lower(10);
            now = raised.0 / at(1).0;
        }
        assert_eq!(waits, [1, 2, 4, 8, 8, 8]);
        lowered.open(at(now));
        lowered.keep(at(now + 9));
        lowered.lower(12);
        assert_eq!(lowered.patience(), 1, "there was more room than before: somebody else has just begun");
    }

    #[test]
    fn two_refusals_near_the_limit_are_a_pattern() {
        let mut known = None;
        let mut refuse = |taken, minute| Suspicion::confirms(&mut known, taken, 20, MINUTE, at(minute));
        assert!(!refuse(12, 0));
        assert!(refuse(19, 0));
        assert!(refuse(10, 9));
        assert!(!refuse(10, 20), "the last one is forgotten");
    }

    #[test]
    fn far_below_the_limit_they_are_alike_and_a_span_apart() {
        let mut known = None;
        let mut refuse = |taken, minute| Suspicion::confirms(&mut known, taken, 20, MINUTE, at(minute));
        assert!(!refuse(5, 0));
        assert!(!refuse(5, 0), "the same calls, seen again");
        assert!(!refuse(2, 1), "not alike");
        assert!(!refuse(1, 2), "no room at all");
        assert!(!refuse(8, 2));
        assert!(refuse(7, 3));
        let mut known = None;
        let mut refuse = |taken, minute| Suspicion::confirms(&mut known, taken, 20, MINUTE, at(minute));
        assert!(!refuse(5, 0) && refuse(5, 1), "a heavy user, found after a minute");
    }

    #[test]
    fn lowering_that_does_not_help_is_vain() {
        let mut sliding = Lowered::of(50, MINUTE);
        let falls = (0..).take_while(|_| {
            let taken = sliding.limit() - 1;
            sliding.lower(taken);
            !sliding.is_vain()
        });
        assert_eq!(falls.count() as u32, FALLS_MAX, "without a clean span between");
    }

    #[test]
    fn what_lowers_nothing_is_not_taken_up_again() {
        assert!(Lowered::restored(20, MINUTE, 20, 1).is_none());
        assert_eq!(Lowered::restored(20, MINUTE, 0, 0).unwrap().limit(), 1);
    }
}
