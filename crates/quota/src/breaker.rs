//! A lane's circuit breaker: calls that fail in a row and may all the same have been applied open it, for a while.
//!
//! Where nothing can tell what became of them, each such call is a job for a person: a storm must not make thousands.
//!
//! Decision: docs/decisions/0009-internal-errors-open-a-breaker.md

use std::time::Duration;

use super::pause::Pause;
use crate::time::Mono;

/// Failures in a row that open it.
const IN_A_ROW: u32 = 3;

/// How long failures of one kind pause a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The first pause and the longest: doubled with each probe that fails, so that what is lost after a storm is at most
    /// about as long as the storm was.
    pub pauses: [Duration; 2],
    /// What the server says: no pause is shorter, and the first failure that has one begins a pause.
    pub reset: Option<Duration>,
}

impl Trouble {
    /// Each failure may be a job for a person, or a strain on a platform that is unwell: few probes.
    pub const INTERNAL: Self = Self { pauses: [Duration::from_secs(20), Duration::from_secs(900)], reset: None };
    /// Nobody is harmed by a probe: often enough that the end is soon noticed, as with a platform that is not reached.
    pub const UNAVAILABLE: Self = Self { pauses: [Duration::from_secs(1), Duration::from_secs(60)], reset: None };

    /// The same, and what the server says.
    #[must_use]
    pub const fn until(self, reset: Option<Duration>) -> Self {
        Self { reset, ..self }
    }
}

/// Stops a lane whose calls fail one after the other.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    in_a_row: u32,
    pause: Pause,
}

impl Breaker {
    /// Takes up an earlier process's pause.
    pub fn restore(&mut self, pause: Pause) {
        self.pause = pause;
    }

    /// Whether a call may leave at `now`: `Ok(true)` for the probe after a pause.
    ///
    /// # Errors
    /// When to ask again; `None`: when the probe was answered.
    pub fn check(&self, now: Mono) -> Result<bool, Option<Mono>> {
        self.pause.check(now)
    }

    /// Notes that the probe left.
    pub const fn probe(&mut self) {
        self.pause.probe();
    }

    /// Whether a call that was let through before may still leave at `now`.
    pub fn lets(&self, now: Mono, is_probe: bool) -> bool {
        self.pause.lets(now, is_probe)
    }

    /// Notes a failure; `true` if a pause begins. `speed` makes our own part of it that much shorter.
    pub fn fail(&mut self, now: Mono, was_probe: bool, trouble: Trouble, speed: f64) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let reset = trouble.reset.filter(|reset| !reset.is_zero());
        let is_open = self.pause.until().is_some();
        if !was_probe && is_open {
            // What was in flight when the pause began lengthens it only if the server says so.
            self.pause.refuse(now, false, reset, &[]);
            return false;
        }
        if !was_probe && self.in_a_row < IN_A_ROW && reset.is_none() {
            return false;
        }
        let [first, longest] = trouble.pauses;
        let wait = first.saturating_mul(1 << self.pause.refusals().min(16)).min(longest);
        self.pause.refuse(now, was_probe, reset, &[wait.div_f64(speed)]);
        true
    }

    /// Notes any other answer; the probe's closes it.
    pub fn answered(&mut self, was_probe: bool) {
        self.in_a_row = 0;
        self.pause.answered(was_probe, true);
    }

    /// Notes that a call had no answer that says anything: after a probe, the next call is the probe.
    pub fn learnt_nothing(&mut self, was_probe: bool) {
        self.pause.answered(was_probe, false);
    }

    /// The pause, which may have none.
    pub const fn pause(&self) -> &Pause {
        &self.pause
    }

    /// Ends the pause now: the next call is its probe.
    pub fn lift(&mut self, now: Mono) {
        self.pause.end(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn three_in_a_row_open_it_and_any_other_answer_begins_anew() {
        let mut breaker = Breaker::default();
        assert!(
            !breaker.fail(Mono(0), false, Trouble::INTERNAL, 1.0)
                && !breaker.fail(Mono(1), false, Trouble::INTERNAL, 1.0)
        );
        breaker.answered(false);
        assert!(
            !breaker.fail(Mono(2), false, Trouble::INTERNAL, 1.0)
                && !breaker.fail(Mono(3), false, Trouble::INTERNAL, 1.0)
        );
        breaker.learnt_nothing(false);
        assert_eq!(breaker.check(Mono(3)), Ok(false));
        assert!(breaker.fail(Mono(4), false, Trouble::INTERNAL, 1.0), "no answer in between changes nothing");
        assert!(!breaker.fail(Mono(5), false, Trouble::INTERNAL, 1.0), "it was in flight");
        assert_eq!(breaker.check(Mono(6)), Err(Some(Mono(4 + 20 * SECOND))));
    }

    #[test]
    fn each_probe_that_fails_doubles_the_pause_and_one_that_is_answered_closes_it() {
        let mut breaker = Breaker::default();
        let mut now = Mono(0);
        let mut pauses = Vec::new();
        for _ in 0..3 {
            breaker.fail(now, false, Trouble::INTERNAL, 1.0);
        }
        for _ in 0..8 {
            let until = breaker.pause().until().unwrap();
            pauses.push(until.since(now).as_secs());
            now = until;
            assert_eq!(breaker.check(now), Ok(true));
            breaker.probe();
            assert_eq!(breaker.check(now), Err(None), "one at a time");
            assert!(breaker.fail(now, true, Trouble::INTERNAL, 1.0));
        }
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 900, 900]);
        now = breaker.pause().until().unwrap();
        breaker.probe();
        breaker.learnt_nothing(true);
        assert_eq!(breaker.check(now), Ok(true), "another probe");
        breaker.probe();
        breaker.answered(true);
        assert_eq!(breaker.check(now), Ok(false));
        assert!(!breaker.fail(now, false, Trouble::INTERNAL, 1.0), "it counts from one again");
    }

    #[test]
    fn a_rehearsal_s_pause_is_as_much_shorter_as_its_windows() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            breaker.fail(Mono(0), false, Trouble::INTERNAL, 60.0);
        }
        assert_eq!(breaker.pause().until(), Some(Mono(20 * SECOND / 60)));
    }

    #[test]
    fn a_server_that_says_until_when_is_heeded_from_the_first_failure_on() {
        let until = |seconds| Trouble::UNAVAILABLE.until(Some(Duration::from_secs(seconds)));
        let mut breaker = Breaker::default();
        assert!(breaker.fail(Mono(0), false, until(120), 1.0));
        assert!(!breaker.fail(Mono(SECOND), false, until(120), 1.0), "no news, and still heeded");
        assert_eq!(breaker.pause().until(), Some(Mono(121 * SECOND)));
        breaker.probe();
        assert!(breaker.fail(Mono(121 * SECOND), true, until(0), 1.0));
        assert_eq!(breaker.pause().until(), Some(Mono(123 * SECOND)), "never less than our own growing pause");
        assert!(!Breaker::default().fail(Mono(0), false, until(0), 1.0), "0 says nothing");
    }
}
