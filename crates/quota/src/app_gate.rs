//! An app-wide gate: open until the platform says that the whole app is too fast, then paused and slowed, then regained.

use std::time::Duration;

use super::pace::Pace;
use super::pause::Pause;
use crate::time::Mono;

/// The slowest rate a gate falls to, in calls a second.
const RATE_MIN: f64 = 1.0;
/// How much faster the gate gets after each second's worth of successes.
const REGAIN: f64 = 1.1;

/// Jobs' calls in a row that a gateway answered in the platform's place, before the app pauses.
const UNAVAILABLE_IN_A_ROW: u32 = 3;

/// The gate of one app.
#[derive(Debug, Default)]
pub struct Gate {
    pause: Pause,
    slowed: Option<Slowed>,
    /// Jobs' calls in a row that a gateway answered in the platform's place.
    unavailable: u32,
    /// Start of the second that is being counted, its calls, and those of the second before.
    second: Mono,
    calls: u32,
    calls_before: u32,
}

#[derive(Debug)]
struct Slowed {
    rate: f64,
    /// The rate at which the app was refused: the gate is open again beyond it.
    refused_at: f64,
    pace: Pace,
    successes: f64,
}

impl Gate {
    /// Takes up an earlier process's pause.
    pub fn restore_pause(&mut self, pause: Pause) {
        self.pause = pause;
    }

    /// Takes up an earlier process's rate, and the rate at which the app was refused.
    pub fn restore_rate(&mut self, rate: f64, refused_at: f64) {
        let rate = rate.max(RATE_MIN);
        self.slow_to(rate, refused_at.max(rate));
    }

    /// Whether a call that was let through before may still leave at `now`.
    pub fn lets(&self, now: Mono, is_probe: bool) -> bool {
        self.pause.lets(now, is_probe)
    }

    /// Ends the pause and the slowness now: the next call is the probe.
    pub fn lift(&mut self, now: Mono) {
        self.pause.end(now);
        self.slowed = None;
    }

    /// Lets a call through at `now`; `Ok(true)` if it is the probe after a pause.
    ///
    /// # Errors
    /// When to ask again; `None` once the probe was answered.
    pub fn pass(&mut self, now: Mono) -> Result<bool, Option<Mono>> {
        let probe = self.pause.check(now)?;
        if let Some(slowed) = &self.slowed {
            slowed.pace.check(now).map_err(Some)?;
        }
        if probe {
            self.pause.probe();
        }
        Ok(probe)
    }

    /// Notes that the platform refused the app as a whole.
    pub fn refuse(&mut self, now: Mono, was_probe: bool, reset: Option<Duration>) {
        let fresh = was_probe || self.pause.until().is_none();
        self.pause.refuse(now, was_probe, reset, &[]);
        if !fresh {
            return;
        }
        let observed = f64::from(self.calls.max(self.calls_before)).max(RATE_MIN);
        let (rate, refused_at) =
            self.slowed.as_ref().map_or((observed, observed), |slowed| (slowed.rate, slowed.refused_at));
        self.slow_to((rate / 2.0).max(RATE_MIN), refused_at);
    }

    /// Notes that a call could not even be sent: the app pauses, a little longer each time.
    pub fn unreachable(&mut self, now: Mono, was_probe: bool) {
        self.pause.refuse(now, was_probe, None, &[]);
    }

    /// Notes that a gateway answered in the platform's place. Several of jobs' calls in a row, a probe, or one answer that
    /// says until when, and the app pauses. Look-ups do not count: they may well work while creates do not.
    pub fn unavailable(&mut self, now: Mono, was_probe: bool, is_job: bool, reset: Option<Duration>) {
        let reset = reset.filter(|reset| !reset.is_zero());
        self.unavailable = self.unavailable.saturating_add(u32::from(is_job));
        if was_probe || reset.is_some() || (is_job && self.unavailable >= UNAVAILABLE_IN_A_ROW) {
            self.pause.refuse(now, was_probe, reset, &[]);
        }
    }

    /// Notes that the platform itself answered a job's call.
    pub const fn available(&mut self) {
        self.unavailable = 0;
    }

    /// Holds the whole app back until `until`, without slowing it afterwards: its token endpoint is down, say.
    pub fn pause_until(&mut self, now: Mono, until: Mono) {
        self.pause.refuse(now, false, Some(until.since(now)), &[]);
    }

    /// Notes an answer that was no refusal of the app; `applied` if the platform really answered.
    pub fn answered(&mut self, was_probe: bool, applied: bool) {
        self.pause.answered(was_probe, applied);
        let Some(slowed) = self.slowed.as_mut().filter(|_| applied) else { return };
        slowed.successes += 1.0;
        if slowed.successes < slowed.rate {
            return;
        }
        let (rate, refused_at) = (slowed.rate * REGAIN, slowed.refused_at);
        if rate > refused_at {
            self.slowed = None;
        } else {
            self.slow_to(rate, refused_at);
        }
    }

    /// When the pause ends, if there is one.
    pub const fn paused_until(&self) -> Option<Mono> {
        self.pause.until()
    }

    /// The pause, which may have none.
    pub const fn pause(&self) -> &Pause {
        &self.pause
    }

    /// Calls a second that the gate lets through, if it is slowed.
    pub fn rate(&self) -> Option<f64> {
        self.slowed.as_ref().map(|slowed| slowed.rate)
    }

    /// The rate beyond which a slowed gate is open again.
    pub fn refused_at(&self) -> Option<f64> {
        self.slowed.as_ref().map(|slowed| slowed.refused_at)
    }

    fn slow_to(&mut self, rate: f64, refused_at: f64) {
        self.slowed = Some(Slowed { rate, refused_at, pace: Pace::per_second(rate), successes: 0.0 });
    }

    /// Counts a call that left: what the app was refused at is measured by these.
    pub fn sent(&mut self, now: Mono) {
        let since = now.since(self.second);
        if since >= Duration::from_secs(1) {
            self.calls_before = if since < Duration::from_secs(2) { self.calls } else { 0 };
            self.calls = 0;
            self.second = now;
        }
        self.calls += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_what_was_sent_and_regains_it() {
        let mut gate = Gate::default();
        for n in 0..40 {
            assert_eq!(gate.pass(Mono(n)), Ok(false));
            assert_eq!(gate.pass(Mono(n)), Ok(false), "let through, and then kept by its quota");
            gate.sent(Mono(n));
        }
        gate.refuse(Mono(100), false, None);
        gate.refuse(Mono(101), false, None);
        assert_eq!(gate.rate(), Some(20.0), "calls in flight at the refusal halve it once");
        let until = gate.paused_until().unwrap();
        assert_eq!(gate.pass(until), Ok(true));
        assert_eq!(gate.pass(until + Duration::from_secs(1)), Err(None));
        gate.answered(true, true);
        for _ in 0..400 {
            gate.answered(false, true);
        }
        assert_eq!(gate.rate(), None);
    }

    #[test]
    fn a_gateway_s_errors_of_jobs_pause_the_app_after_three_in_a_row() {
        let mut gate = Gate::default();
        for _ in 0..9 {
            gate.unavailable(Mono(0), false, false, None);
        }
        assert_eq!(gate.paused_until(), None, "look-ups do not count");
        gate.unavailable(Mono(0), false, true, None);
        gate.unavailable(Mono(0), false, true, None);
        gate.available();
        gate.unavailable(Mono(0), false, true, None);
        gate.unavailable(Mono(0), false, true, None);
        assert_eq!(gate.paused_until(), None);
        gate.unavailable(Mono(0), false, true, None);
        assert_eq!(gate.paused_until(), Some(Mono(1_000_000)));
        assert_eq!(gate.pass(Mono(1_000_000)), Ok(true), "one probe");
        assert_eq!(gate.pass(Mono(1_000_000)), Err(None));
        gate.unavailable(Mono(1_000_000), true, false, None);
        assert_eq!(gate.paused_until(), Some(Mono(3_000_000)), "a probe counts whosever it is");
        let mut told = Gate::default();
        told.unavailable(Mono(0), false, false, Some(Duration::ZERO));
        assert_eq!(told.paused_until(), None);
        told.unavailable(Mono(0), false, false, Some(Duration::from_secs(120)));
        assert_eq!(told.paused_until(), Some(Mono(120_000_000)), "the server says until when");
    }
}
