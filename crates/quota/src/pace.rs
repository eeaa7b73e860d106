//! Smooth pacing under the windows, so that 50/s is not 50 calls within one millisecond.
//!
//! The windows alone keep the quota; a burst within them is allowed, but provokes refusals such as 190010. governor
//! spreads the calls. Its clock is set by hand before each question: time comes in as an argument here.
//!
//! Decision: docs/decisions/0001-governor-paces-the-quota-table-counts.md

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Rate, RateLimiter};

use super::parse::Quota;
use crate::time::Mono;

/// Calls a second that are let through even where the quota's average is lower: a window of `20/min` may be used up at once.
const RATE_MIN: f64 = 50.0;
/// Pace over the average of the shortest window, so that pacing never costs throughput.
const HEADROOM: f64 = 2.0;
/// Timers tick in milliseconds: fast paces let that many milliseconds' worth of calls through at once.
const TICK: Duration = Duration::from_millis(5);

/// Lets calls through at a smooth rate.
#[derive(Debug)]
pub struct Pace {
    limiter: RateLimiter<NotKeyed, InMemoryState, HandClock, governor::middleware::NoOpMiddleware<Duration>>,
    clock: HandClock,
}

impl Pace {
    /// The pace that suits a quota: twice the average of its shortest window, at least 50 a second.
    pub fn under(quota: &Quota) -> Self {
        let average =
            quota.windows().first().map_or(RATE_MIN, |window| f64::from(window.limit) / window.span.as_secs_f64());
        Self::per_second((average * HEADROOM).max(RATE_MIN))
    }

    /// A pace of `rate` calls a second.
    pub fn per_second(rate: f64) -> Self {
        let clock = HandClock::default();
        let burst = NonZeroU32::new((rate * TICK.as_secs_f64()).ceil() as u32).unwrap_or(NonZeroU32::MIN);
        let period = Duration::from_secs_f64(1.0 / rate.max(f64::MIN_POSITIVE)).max(Duration::from_nanos(1));
        let rate = Rate::with_period(period).unwrap_or(Rate::per_second(NonZeroU32::MAX)).allow_burst(burst);
        Self { limiter: RateLimiter::direct_with_clock(rate, clock.clone()), clock }
    }

    /// Lets one call through at `now`, or says when.
    ///
    /// # Errors
    /// The earliest instant at which it lets a call through.
    pub fn check(&self, now: Mono) -> Result<(), Mono> {
        if now > HandClock::LAST {
            // Nothing runs that long; a forecast may look as far, and there the windows alone hold.
            return Ok(());
        }
        self.clock.set(now);
        self.limiter.check().map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            // Rounded up: an instant cut to microseconds would be asked a moment too early.
            now + wait + Duration::from_micros(1)
        })
    }
}

/// governor's clock, set by hand; its instants are the time since an arbitrary start.
#[derive(Clone, Debug, Default)]
struct HandClock(Arc<AtomicU64>);

impl HandClock {
    /// Half of the range lies before zero, for instants before the process started.
    const ZERO: i64 = i64::MAX / 2_000_000;
    /// governor counts nanoseconds in 64 bits and panics beyond; half of them are 292 years.
    const LAST: Mono = Mono(i64::MAX / 1_000 - Self::ZERO);

    fn set(&self, now: Mono) {
        let micros = u64::try_from(now.0.saturating_add(Self::ZERO)).unwrap_or(0);
        self.0.store(micros, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_instant_is_too_far_away() {
        let pace = Pace::per_second(50.0);
        for at in [i64::MIN, -1, 0, HandClock::LAST.0 - 1, HandClock::LAST.0, HandClock::LAST.0 + 1, i64::MAX] {
            for _ in 0..10 {
                if let Err(until) = pace.check(Mono(at)) {
                    assert!(until > Mono(at), "{at}");
                }
            }
        }
        assert_eq!((0..1_000).filter(|_| pace.check(Mono(i64::MAX)).is_err()).count(), 0, "never held up there");
    }

    fn sent_within(pace: &Pace, from: Mono, span: Duration) -> usize {
        let (mut now, mut sent) = (from, 0);
        while now < from + span {
            match pace.check(now) {
                Ok(()) => sent += 1,
                Err(at) => {
                    assert!(at > now, "a promised instant lies ahead");
                    now = at;
                    assert!(pace.check(now).is_ok(), "and holds");
                    sent += 1;
                }
            }
        }
        sent
    }

    #[test]
    fn fifty_a_second_are_spread_over_half_a_second() {
        let pace = Pace::under(&"1000/min, 50/s".parse().unwrap());
        let sent = sent_within(&pace, Mono(0), Duration::from_millis(100));
        assert!((10..=12).contains(&sent), "{sent}");
    }

    #[test]
    fn a_minute_s_worth_may_leave_within_half_a_second() {
        let pace = Pace::under(&"20/min".parse().unwrap());
        let sent = sent_within(&pace, Mono(-3_000_000), Duration::from_millis(400));
        assert!((20..=22).contains(&sent), "{sent}");
    }

    #[test]
    fn fast_paces_let_a_tick_s_worth_through_at_once() {
        let pace = Pace::per_second(100_000.0);
        let at_once = (0..1_000).take_while(|_| pace.check(Mono(0)).is_ok()).count();
        assert_eq!(at_once, 500);
    }
}
