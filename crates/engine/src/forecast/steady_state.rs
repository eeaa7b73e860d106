//! Finds out that the starts of calls repeat themselves.
//!
//! What the schedule does next follows from the calls that some window still counts. If all calls of such a span came
//! exactly so much later than as many calls before them, of the same lanes and batches, then the state is that of then,
//! so much later, and everything will repeat itself until something else happens.

use std::time::Duration;

use paceline_domain::time::Mono;

/// The most numbers of calls that are tried as the length of a round.
const CANDIDATES_MAX: usize = 48;

/// The starts so far.
pub(super) struct SteadyState {
    starts: Vec<(Mono, u32)>,
    candidates: Vec<Candidate>,
    /// How far back a call matters.
    memory: Duration,
    /// Until then calls from before the start matter.
    from: Mono,
    /// The starts before this place were made under other conditions.
    since: usize,
}

/// A supposed round.
struct Candidate {
    /// Calls of a round.
    every: usize,
    /// Its length, as the last call suggests it.
    span: Duration,
    /// How many calls in a row have suggested that length.
    run: usize,
}

/// A round that repeats itself.
pub(super) struct Round {
    pub calls: usize,
    pub span: Duration,
}

impl SteadyState {
    /// Tries rounds of these numbers of calls. Calls further back than `memory` do not matter any more.
    pub(super) fn new(mut rounds: Vec<usize>, memory: Duration, from: Mono) -> Self {
        rounds.sort_unstable();
        rounds.dedup();
        rounds.truncate(CANDIDATES_MAX);
        let candidates = rounds.into_iter().map(|every| Candidate { every, span: Duration::ZERO, run: 0 }).collect();
        Self { starts: Vec::new(), candidates, memory, from, since: 0 }
    }

    /// Notes a start of a kind of job; answers with the round, if it closes one that will repeat itself.
    pub(super) fn note(&mut self, at: Mono, kind: u32) -> Option<Round> {
        self.starts.push((at, kind));
        let last = self.starts.len() - 1;
        for candidate in &mut self.candidates {
            let place = last.checked_sub(candidate.every).filter(|place| *place >= self.since);
            let Some(before) = place.map(|place| self.starts[place]) else { break };
            let span = at.since(before.0);
            if before.1 != kind {
                candidate.run = 0;
            } else if span == candidate.span {
                candidate.run += 1;
            } else {
                (candidate.span, candidate.run) = (span, 1);
            }
            let is_long = candidate.run >= candidate.every && at >= self.from + self.memory;
            if is_long && at.since(self.starts[last - candidate.run].0) >= self.memory {
                return Some(Round { calls: candidate.every, span });
            }
        }
        None
    }

    /// The kinds of the last so many calls.
    pub(super) fn last(&self, calls: usize) -> impl Iterator<Item = u32> {
        let from = self.starts.len().saturating_sub(calls);
        self.starts[from..].iter().map(|(_, kind)| *kind)
    }

    /// Forgets what was: whoever comes anew has not had a turn yet, and a lane may have stood empty.
    pub(super) fn forget(&mut self) {
        self.begin_anew();
        self.since = self.starts.len();
    }

    /// Begins to look anew.
    pub(super) fn begin_anew(&mut self) {
        for candidate in &mut self.candidates {
            candidate.run = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The call with which a round of two calls is found, in starts of these instants and kinds.
    fn found(starts: impl IntoIterator<Item = (i64, u32)>) -> Option<usize> {
        let mut steady_state = SteadyState::new(vec![2], Duration::from_micros(60), Mono(0));
        starts.into_iter().position(|(at, kind)| steady_state.note(Mono(at), kind).is_some())
    }

    #[test]
    fn a_round_repeats_itself_when_a_whole_memory_has() {
        // Rounds of 30: from the call at 5 on each repeats one, and those from 35 to 95 span the memory.
        assert_eq!(found([(0, 1), (5, 2), (30, 1), (35, 2), (60, 1), (65, 2), (90, 1), (95, 2)]), Some(5));
    }

    #[test]
    fn what_was_before_a_change_is_no_round() {
        let mut steady_state = SteadyState::new(vec![2], Duration::from_micros(60), Mono(0));
        for at in [0, 5, 30, 35] {
            assert!(steady_state.note(Mono(at), 1).is_none());
        }
        steady_state.forget();
        assert!([130, 135].into_iter().all(|at| steady_state.note(Mono(at), 1).is_none()), "the lane stood empty");
    }

    #[test]
    fn another_kind_or_another_length_is_no_repetition() {
        let times = [0, 5, 30, 35, 60, 65, 90, 95];
        assert_eq!(found(times.into_iter().zip(0..)), None);
        assert_eq!(found((0..50).map(|n| (n * n, 1))), None);
    }
}
