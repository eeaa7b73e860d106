//! A pause after a refusal: until when, and the one probe that goes first afterwards.
//!
//! Decision: docs/decisions/0005-pauses-that-platforms-impose.md

use std::time::Duration;

use crate::time::Mono;

/// Waits of a key that was refused without a documented block or a reset from the server: doubled with each refusal.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A reset further ahead than this is taken for a mistake of whoever sent it.
pub const RESET_MAX: Duration = Duration::from_secs(86_400);

/// Stops a key after a refusal.
#[derive(Clone, Debug, Default)]
pub struct Pause {
    until: Option<Mono>,
    probing: bool,
    /// Refusals in a row, each after the pause of the one before.
    refusals: u32,
}

impl Pause {
    /// As an earlier process left it.
    pub const fn restored(until: Mono, refusals: u32) -> Self {
        Self { until: Some(until), probing: false, refusals }
    }

    /// Whether a call that was granted before may still leave at `now`: no pause has begun since, or it is the probe.
    pub fn lets(&self, now: Mono, is_probe: bool) -> bool {
        self.until.is_none_or(|until| is_probe && until <= now)
    }

    /// Whether a call may leave at `now`: `Ok(true)` for the probe, else the end of the wait (`None`: the probe's reply).
    pub fn check(&self, now: Mono) -> Result<bool, Option<Mono>> {
        match self.until {
            None => Ok(false),
            Some(until) if now < until => Err(Some(until)),
            Some(_) if self.probing => Err(None),
            Some(_) => Ok(true),
        }
    }

    /// Notes that the probe left.
    pub const fn probe(&mut self) {
        self.probing = true;
    }

    /// Notes a refusal at `now`. Those of calls that were in flight when the pause began do not lengthen it.
    ///
    /// Until the end of the documented `blocks`, the first one again after the last, or else of a doubling wait; and not
    /// before the server's `reset`, which alone would let a platform that always answers 0 be called without a pause.
    pub fn refuse(&mut self, now: Mono, was_probe: bool, reset: Option<Duration>, blocks: &[Duration]) {
        let begins = was_probe || self.until.is_none();
        let mut wait = reset.unwrap_or_default().min(RESET_MAX);
        if begins {
            self.probing = false;
            self.refusals = self.refusals.saturating_add(1);
            wait = wait.max(self.wait(blocks));
        } else if reset.is_none() {
            return;
        }
        let until = now + wait;
        self.until = Some(self.until.map_or(until, |old| old.max(until)));
    }

    /// Notes that the probe was answered without a refusal, or never left.
    pub fn answered(&mut self, was_probe: bool, applied: bool) {
        if was_probe && applied {
            *self = Self::default();
        } else if was_probe {
            self.probing = false;
        }
    }

    /// When the pause ends, if there is one.
    pub const fn until(&self) -> Option<Mono> {
        self.until
    }

    /// Refusals in a row, each after the pause of the one before.
    pub const fn refusals(&self) -> u32 {
        self.refusals
    }

    /// Ends the pause now: the next call is its probe.
    pub fn end(&mut self, now: Mono) {
        self.until = self.until.map(|until| until.min(now));
    }

    fn wait(&self, blocks: &[Duration]) -> Duration {
        let index = self.refusals.saturating_sub(1) as usize;
        if !blocks.is_empty() {
            return blocks[index % blocks.len()];
        }
        FIRST.saturating_mul(1 << index.min(6)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn one_probe_goes_first_and_reopens() {
        let mut pause = Pause::default();
        pause.refuse(Mono(0), false, Some(MINUTE), &[]);
        assert_eq!(pause.check(Mono(59_999_999)), Err(Some(Mono(60_000_000))));
        assert_eq!(pause.check(Mono(60_000_000)), Ok(true));
        pause.probe();
        assert_eq!(pause.check(Mono(60_000_001)), Err(None));
        pause.answered(false, true);
        assert_eq!(pause.check(Mono(60_000_001)), Err(None), "another call's answer is not the probe's");
        pause.answered(true, true);
        assert_eq!(pause.check(Mono(60_000_002)), Ok(false));
    }

    #[test]
    fn documented_blocks_grow_with_each_refused_probe_only() {
        let blocks = [MINUTE, MINUTE * 60];
        let mut pause = Pause::default();
        pause.refuse(Mono(0), false, None, &blocks);
        pause.refuse(Mono(1_000), false, None, &blocks);
        assert_eq!(pause.until(), Some(Mono(60_000_000)));
        pause.probe();
        pause.refuse(Mono(61_000_000), true, None, &blocks);
        assert_eq!(pause.until(), Some(Mono(61_000_000) + MINUTE * 60));
        let now = Mono(61_000_000) + MINUTE * 60;
        pause.probe();
        pause.refuse(now, true, None, &blocks);
        assert_eq!(pause.until(), Some(now + MINUTE), "after the longest the first");
    }

    #[test]
    fn what_was_granted_before_a_pause_stays_behind_but_for_its_probe() {
        let mut pause = Pause::default();
        assert!(pause.lets(Mono(0), false));
        pause.refuse(Mono(0), false, Some(MINUTE), &[]);
        assert!(!pause.lets(Mono(1), false) && !pause.lets(Mono(1), true));
        assert_eq!(pause.check(Mono(60_000_000)), Ok(true));
        pause.probe();
        assert!(pause.lets(Mono(60_000_000), true) && !pause.lets(Mono(60_000_000), false));
    }

    #[test]
    fn an_earlier_process_s_pause_goes_on_where_it_was() {
        let blocks = [MINUTE, MINUTE * 60];
        let mut pause = Pause::restored(Mono(30_000_000), 1);
        assert_eq!(pause.check(Mono(0)), Err(Some(Mono(30_000_000))));
        assert_eq!(pause.check(Mono(30_000_000)), Ok(true));
        pause.probe();
        pause.refuse(Mono(30_000_000), true, None, &blocks);
        assert_eq!((pause.until(), pause.refusals()), (Some(Mono(30_000_000) + MINUTE * 60), 2));
    }

    #[test]
    fn a_reset_in_the_far_future_is_not_believed() {
        let mut pause = Pause::default();
        pause.refuse(Mono(0), false, Some(Duration::from_secs(1_800_000_000)), &[]);
        assert_eq!(pause.until(), Some(Mono(0) + RESET_MAX));
    }

    #[test]
    fn a_reset_never_shortens_the_growing_wait() {
        for reset in [Duration::ZERO, Duration::from_millis(50)] {
            let (mut pause, mut now, mut waits) = (Pause::default(), Mono(0), Vec::new());
            for n in 0..8 {
                pause.refuse(now, n > 0, Some(reset), &[]);
                let until = pause.until().unwrap();
                waits.push(until.since(now).as_secs());
                now = until;
                pause.probe();
            }
            assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        }
        let mut pause = Pause::default();
        pause.refuse(Mono(0), false, Some(Duration::from_secs(7)), &[]);
        pause.refuse(Mono(1_000_000), false, Some(Duration::from_secs(2)), &[]);
        assert_eq!(pause.until(), Some(Mono(7_000_000)), "the later end counts");
        let mut blocked = Pause::default();
        blocked.refuse(Mono(0), false, Some(Duration::from_secs(7)), &[MINUTE]);
        assert_eq!(blocked.until(), Some(Mono(60_000_000)), "a documented block is not shortened either");
    }
}
