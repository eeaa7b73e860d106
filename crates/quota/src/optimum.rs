//! The best that a quota allows.

use std::collections::VecDeque;
use std::time::Duration;

use super::parse::Quota;

impl Quota {
    /// The time from the first to the last of `calls`, each as early as every window allows and replies taking no time:
    /// call number n comes at least a span after call number n − limit.
    pub fn least_time(&self, calls: u64) -> Duration {
        let mut at = Duration::ZERO;
        let mut recent: Vec<VecDeque<Duration>> = vec![VecDeque::new(); self.windows().len()];
        for _ in 0..calls {
            for (window, sent) in self.windows().iter().zip(&mut recent) {
                if sent.len() == window.limit as usize {
                    at = at.max(sent.pop_front().unwrap_or_default() + window.span);
                }
            }
            for sent in &mut recent {
                sent.push_back(at);
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(quota: &str, calls: u64) -> u64 {
        quota.parse::<Quota>().unwrap().least_time(calls).as_secs()
    }

    #[test]
    fn the_least_time_is_that_of_the_windows_together() {
        assert_eq!([0, 1, 20, 21, 40, 41, 200].map(|calls| seconds("20/min", calls)), [0, 0, 0, 60, 60, 120, 540]);
        assert_eq!(seconds("1000/min, 50/s", 5_000), 259);
        assert_eq!([50, 51, 1_000, 1_001].map(|calls| seconds("1000/min, 50/s", calls)), [0, 1, 19, 60]);
    }
}
