//! Counts requests of one window as a platform may count them: sliding, fixed, or a bucket of tokens.
//!
//! Exact in integers. It knows the simulated instant it is given and nothing else, and shares nothing with the
//! worker's limiter: the two check each other.

use std::collections::VecDeque;
use std::time::Duration;

use super::scenario::WindowKind;
use paceline_domain::quota::Window;
use paceline_domain::time::micros;

/// One window of one quota key.
#[derive(Clone, Debug)]
pub(crate) struct WindowCounter {
    limit: usize,
    /// Length in microseconds, at least 1.
    span: i64,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// The newest arrivals, at most `limit`: the oldest of them decides.
    Sliding(VecDeque<i64>),
    /// The current span's number and its arrivals.
    Fixed { number: i64, count: usize },
    /// What is in the bucket, in units of 1/`span` of a token, and when that was so.
    Bucket { level: i128, at: i64 },
}

impl WindowCounter {
    /// A counter of that kind with nothing counted.
    pub(crate) fn new(window: Window, kind: WindowKind) -> Self {
        let span = micros(window.span).max(1);
        let limit = window.limit as usize;
        let state = match kind {
            WindowKind::Sliding => State::Sliding(VecDeque::new()),
            WindowKind::Fixed => State::Fixed { number: i64::MIN, count: 0 },
            WindowKind::TokenBucket => State::Bucket { level: limit as i128 * i128::from(span), at: 0 },
        };
        Self { limit, span, state }
    }

    /// The same window with another limit: what was counted stays counted, as far as it is remembered.
    pub(crate) fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit as usize;
        if let State::Sliding(log) = &mut self.state {
            log.drain(..log.len().saturating_sub(self.limit));
        }
        self
    }

    /// The window's length.
    pub(crate) fn span(&self) -> Duration {
        Duration::from_micros(self.span.unsigned_abs())
    }

    /// Requests per window.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// How long a request at `now` comes too early; `None` if it fits. In microseconds since 1970, like all instants here.
    pub(crate) fn early_by(&self, now: i64) -> Option<Duration> {
        let wait = match &self.state {
            State::Sliding(log) => {
                let oldest = log.front().filter(|_| log.len() == self.limit)?;
                oldest + self.span - now
            }
            State::Fixed { number, count } => {
                if *number != now.div_euclid(self.span) || *count < self.limit {
                    return None;
                }
                (number + 1) * self.span - now
            }
            State::Bucket { .. } => {
                let missing = i128::from(self.span) - self.level(now);
                let limit = self.limit as i128;
                i64::try_from((missing + limit - 1).div_euclid(limit)).unwrap_or(i64::MAX)
            }
        };
        (wait > 0).then(|| Duration::from_micros(wait.unsigned_abs()))
    }

    /// Counts a request at `now`, whether it fits or not. Instants never step back.
    pub(crate) fn count(&mut self, now: i64) {
        let level = self.level(now);
        match &mut self.state {
            State::Sliding(log) => {
                log.push_back(now);
                if log.len() > self.limit {
                    log.pop_front();
                }
            }
            State::Fixed { number, count } => {
                let current = now.div_euclid(self.span);
                *count = if *number == current { count.saturating_add(1) } else { 1 };
                *number = current;
            }
            State::Bucket { level: kept, at } => {
                *kept = (level - i128::from(self.span)).max(0);
                *at = now;
            }
        }
    }

    /// What is in the bucket now.
    fn level(&self, now: i64) -> i128 {
        let State::Bucket { level, at } = self.state else { return 0 };
        let refilled = i128::from(now - at) * self.limit as i128;
        (level + refilled).min(self.limit as i128 * i128::from(self.span))
    }
}

/// The largest number of requests seen in any half-open span, counted apart from what is enforced.
#[derive(Clone, Debug)]
pub(crate) struct Peak {
    span: i64,
    /// More than this is not told apart: it bounds the memory.
    most: usize,
    recent: VecDeque<i64>,
    largest: usize,
}

impl Peak {
    /// Nothing seen yet; counts up to four times the limit and a thousand exactly.
    pub(crate) fn new(window: Window) -> Self {
        let most = window.limit as usize * 4 + 1_000;
        Self { span: micros(window.span).max(1), most, recent: VecDeque::new(), largest: 0 }
    }

    /// Sees a request.
    pub(crate) fn see(&mut self, now: i64) {
        while self.recent.front().is_some_and(|oldest| *oldest <= now - self.span) {
            self.recent.pop_front();
        }
        if self.recent.len() == self.most {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.largest = self.largest.max(self.recent.len());
    }

    /// The largest number so far.
    pub(crate) const fn largest(&self) -> usize {
        self.largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn window(limit: u32, seconds: u64) -> Window {
        Window { limit, span: Duration::from_secs(seconds) }
    }

    fn counter(limit: u32, seconds: u64, kind: WindowKind) -> WindowCounter {
        WindowCounter::new(window(limit, seconds), kind)
    }

    /// Counts if it fits; says whether it did.
    fn take(counter: &mut WindowCounter, now: i64) -> bool {
        let fits = counter.early_by(now).is_none();
        if fits {
            counter.count(now);
        }
        fits
    }

    #[test]
    fn a_sliding_window_is_half_open() {
        let mut counter = counter(2, 60, WindowKind::Sliding);
        assert!(take(&mut counter, 5) && take(&mut counter, 10));
        assert!(!take(&mut counter, 60 * SECOND + 4), "one microsecond before the window's end");
        assert_eq!(counter.early_by(60 * SECOND + 4), Some(Duration::from_micros(1)));
        assert!(take(&mut counter, 60 * SECOND + 5), "exactly one window later");
        assert!(!take(&mut counter, 60 * SECOND + 9));
        assert!(take(&mut counter, 60 * SECOND + 10));
    }

    #[test]
    fn refused_calls_that_are_counted_keep_the_window_shut() {
        let mut counter = counter(1, 1, WindowKind::Sliding);
        counter.count(0);
        assert!(counter.early_by(SECOND - 1).is_some());
        counter.count(SECOND - 1);
        assert!(counter.early_by(SECOND).is_some(), "the refused call itself is in the window");
        assert!(counter.early_by(2 * SECOND - 1).is_none());
    }

    #[test]
    fn a_changed_limit_forgets_nothing_that_it_could_know() {
        let mut counter = counter(3, 1, WindowKind::Sliding);
        for at in 0..3 {
            counter.count(at);
        }
        let wide = counter.clone().with_limit(4);
        assert!(wide.early_by(3).is_none(), "one more fits");
        let narrow = counter.with_limit(1);
        assert_eq!(narrow.early_by(SECOND), Some(Duration::from_micros(2)));
    }

    #[test]
    fn a_fixed_window_begins_again_at_its_multiples() {
        let mut counter = counter(2, 1, WindowKind::Fixed);
        assert!(take(&mut counter, SECOND - 2) && take(&mut counter, SECOND - 1));
        assert_eq!(counter.early_by(SECOND - 1), Some(Duration::from_micros(1)));
        assert!(
            take(&mut counter, SECOND) && take(&mut counter, SECOND),
            "four in three microseconds: fixed windows allow it"
        );
        assert!(!take(&mut counter, 2 * SECOND - 1));
        assert!(take(&mut counter, 2 * SECOND));
    }

    #[test]
    fn a_bucket_refills_evenly() {
        let mut counter = counter(4, 1, WindowKind::TokenBucket);
        for _ in 0..4 {
            assert!(take(&mut counter, 10 * SECOND));
        }
        assert_eq!(counter.early_by(10 * SECOND), Some(Duration::from_millis(250)));
        assert!(!take(&mut counter, 10 * SECOND + 249_999));
        assert!(take(&mut counter, 10 * SECOND + 250_000));
        assert!(!take(&mut counter, 10 * SECOND + 250_001));
        for _ in 0..4 {
            assert!(take(&mut counter, 99 * SECOND), "never more than full");
        }
        assert!(!take(&mut counter, 99 * SECOND));
    }

    #[test]
    fn the_peak_is_that_of_the_fullest_half_open_span() {
        let mut peak = Peak::new(window(2, 1));
        for at in [0, SECOND, 2 * SECOND - 1, 2 * SECOND, 5 * SECOND] {
            peak.see(at);
        }
        assert_eq!(peak.largest(), 2, "[1 s, 2 s) holds two; 2 s is outside");
        peak.see(5 * SECOND + 1);
        peak.see(6 * SECOND - 1);
        assert_eq!(peak.largest(), 3);
    }

    #[test]
    fn sliding_agrees_with_counting_by_hand() {
        let mut random = fastrand::Rng::with_seed(11);
        let mut counter = counter(7, 1, WindowKind::Sliding);
        let mut taken: Vec<i64> = Vec::new();
        let mut now = 0;
        for _ in 0..5_000 {
            now += random.i64(0..300_000);
            let by_hand = taken.iter().filter(|at| **at > now - SECOND).count() < 7;
            assert_eq!(take(&mut counter, now), by_hand);
            if by_hand {
                taken.push(now);
            }
        }
    }
}
