//! When which job of a lane is done: every instant of what was run, and how often a stretch of it repeats.

use std::time::Duration;

use paceline_domain::time::{Timestamp, micros};

/// How a lane gets on.
#[derive(Clone, Debug, Default)]
pub struct CompletionCurve {
    start: Timestamp,
    /// When jobs are done, ascending; repeated ones are left out.
    done: Vec<Timestamp>,
    repeats: Vec<Repeat>,
}

/// A stretch that was skipped because it repeats the one before it.
#[derive(Clone, Copy, Debug)]
struct Repeat {
    /// It stands before this place of `done`.
    at: usize,
    /// Its jobs: a multiple of `every`.
    jobs: usize,
    /// The jobs of one round.
    every: usize,
    /// The length of one round.
    span: Duration,
}

impl CompletionCurve {
    pub(super) const fn new(start: Timestamp) -> Self {
        Self { start, done: Vec::new(), repeats: Vec::new() }
    }

    /// A job is done.
    pub(super) fn push(&mut self, at: Timestamp) {
        self.done.push(at);
    }

    /// The last `every` jobs come so many `rounds` again, a `span` later each time.
    pub(super) fn repeat(&mut self, every: usize, rounds: usize, span: Duration) {
        if every > 0 {
            self.repeats.push(Repeat { at: self.done.len(), jobs: every * rounds, every, span });
        }
    }

    /// All jobs.
    pub fn jobs(&self) -> usize {
        self.done.len() + self.repeats.iter().map(|repeat| repeat.jobs).sum::<usize>()
    }

    /// When so many jobs are done; the last one's instant beyond.
    pub fn instant_of(&self, jobs: usize) -> Timestamp {
        let Some(mut nth) = jobs.min(self.jobs()).checked_sub(1) else { return self.start };
        let mut place = 0;
        for repeat in &self.repeats {
            let between = repeat.at - place;
            if nth < between {
                break;
            }
            nth -= between;
            place = repeat.at;
            if nth < repeat.jobs {
                let round = nth / repeat.every + 1;
                let like = self.done.get(repeat.at + nth % repeat.every - repeat.every);
                let later = micros(repeat.span).saturating_mul(i64::try_from(round).unwrap_or(i64::MAX));
                return like.map_or(self.start, |at| Timestamp(at.0.saturating_add(later)));
            }
            nth -= repeat.jobs;
        }
        self.done.get(place + nth).copied().unwrap_or(self.start)
    }

    /// The time left at `now` for a lane of which so many jobs are left: its plan, moved by as much as it is ahead or behind.
    pub fn left(&self, jobs_left: usize, now: Timestamp) -> Duration {
        let all = self.jobs();
        let done = all.saturating_sub(jobs_left);
        let place = now.clamp(self.instant_of(done), self.instant_of(done + 1));
        self.instant_of(all).since(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    fn curve() -> CompletionCurve {
        let mut curve = CompletionCurve::new(at(0));
        for second in [1, 2, 60, 61] {
            curve.push(at(second));
        }
        curve.repeat(2, 3, Duration::from_secs(60));
        curve.push(at(300));
        curve
    }

    #[test]
    fn what_was_skipped_is_known_all_the_same() {
        let curve = curve();
        let instants: Vec<_> = (0..=12).map(|jobs| curve.instant_of(jobs).0 / 1_000_000).collect();
        assert_eq!(instants, [0, 1, 2, 60, 61, 120, 121, 180, 181, 240, 241, 300, 300]);
        assert_eq!(curve.jobs(), 11);
    }

    #[test]
    fn the_time_left_moves_with_the_lane() {
        let curve = curve();
        let left = |jobs, now| curve.left(jobs, at(now)).as_secs();
        assert_eq!(left(11, 0), 300);
        assert_eq!((left(9, 30), left(9, 59)), (270, 241), "as planned: while it waits, time passes");
        assert_eq!(left(9, 100), 240, "behind: the next is due at once");
        assert_eq!(left(7, 10), 239, "ahead");
        assert_eq!(left(0, 500), 0);
    }
}
