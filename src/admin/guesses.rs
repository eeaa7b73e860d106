//! Wrong tokens: they are told of, and whoever shows several is made to wait.
//!
//! Decision: docs/decisions/0043-a-guessers-tokens-wait.md

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;

use super::slots::Peer;
use crate::clock::Clock;
use crate::domain::time::Mono;

/// So many wrong tokens cost nothing: people mistype.
const FREE: u32 = 5;
/// The first pause, which doubles with each further wrong token, and the longest.
const PAUSE: Duration = Duration::from_millis(250);
const DOUBLINGS_MAX: u32 = 5;
/// So many of one peer wait at one time; others are sent away.
const WAITING_MAX: u32 = 16;
/// After so long without a wrong token a peer is as good as new.
const FORGIVEN: Duration = Duration::from_secs(900);
/// Peers that are remembered.
const PEERS_MAX: usize = 1_024;
/// Between two lines of the log.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Who showed wrong tokens.
pub(super) struct Guesses {
    clock: Clock,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    peers: HashMap<Peer, Standing>,
    warned_at: Option<Mono>,
    unsaid: u64,
}

struct Standing {
    wrong: u32,
    waiting: u32,
    last: Mono,
}

/// Of a peer that has to wait; it is one fewer that waits when this is dropped.
struct Waiting(Arc<Mutex<Inner>>, Peer);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(standing) = lock(&self.0).peers.get_mut(&self.1) {
            standing.waiting = standing.waiting.saturating_sub(1);
        }
    }
}

impl Guesses {
    /// Nobody has guessed yet.
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, inner: Arc::default() }
    }

    /// Lets time pass before a token of this peer is looked at: what is answered sooner tells nothing. `false` if too
    /// many of it wait already.
    pub(super) async fn wait(&self, peer: Peer) -> bool {
        let Some(pause) = self.pause(peer) else { return true };
        let waiting = {
            let mut inner = lock(&self.inner);
            let Some(standing) = inner.peers.get_mut(&peer).filter(|standing| standing.waiting < WAITING_MAX) else {
                return false;
            };
            standing.waiting += 1;
            Waiting(Arc::clone(&self.inner), peer)
        };
        tokio::time::sleep(pause).await;
        drop(waiting);
        true
    }

    fn pause(&self, peer: Peer) -> Option<Duration> {
        let mut inner = lock(&self.inner);
        let standing = inner.peers.get(&peer)?;
        if standing.waiting == 0 && self.clock.mono().since(standing.last) >= FORGIVEN {
            inner.peers.remove(&peer);
            return None;
        }
        let beyond = standing.wrong.checked_sub(FREE)?;
        Some(PAUSE * 2_u32.pow(beyond.min(DOUBLINGS_MAX)))
    }

    /// The peer showed a right token: it is no guesser.
    pub(super) fn right(&self, peer: Peer) {
        let mut inner = lock(&self.inner);
        if let Some(standing) = inner.peers.get_mut(&peer) {
            standing.wrong = 0;
        }
    }

    /// The peer showed a wrong one.
    pub(super) fn wrong(&self, peer: Peer) {
        let now = self.clock.mono();
        let mut inner = lock(&self.inner);
        inner.make_room(peer);
        let standing = inner.peers.entry(peer).or_insert(Standing { wrong: 0, waiting: 0, last: now });
        (standing.wrong, standing.last) = (standing.wrong.saturating_add(1), now);
        inner.unsaid += 1;
        if inner.warned_at.is_none_or(|at| now.since(at) >= WARN_EVERY) {
            let count = std::mem::take(&mut inner.unsaid);
            inner.warned_at = Some(now);
            drop(inner);
            warn!(%peer, count, "wrong tokens at the admin server; the metric paceline_admin_refused_total counts them");
        }
    }
}

impl Inner {
    /// Forgets the peer that has been quiet longest, if there are too many.
    fn make_room(&mut self, peer: Peer) {
        if self.peers.len() < PEERS_MAX || self.peers.contains_key(&peer) {
            return;
        }
        let quiet = self.peers.iter().filter(|(_, standing)| standing.waiting == 0);
        let oldest = quiet.min_by_key(|(_, standing)| standing.last).map(|(peer, _)| *peer);
        if let Some(oldest) = oldest {
            self.peers.remove(&oldest);
        }
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    fn peer(number: u32) -> Peer {
        Peer::of(std::net::Ipv4Addr::from(number).into())
    }

    /// Whether a token is looked at within this time.
    async fn is_seen_in(guesses: &Guesses, peer: Peer, limit: Duration) -> bool {
        timeout(limit, guesses.wait(peer)).await.is_ok_and(|is_let_in| is_let_in)
    }

    #[tokio::test(start_paused = true)]
    async fn after_five_wrong_ones_a_peer_waits_longer_each_time_and_no_other_does() {
        let guesses = Guesses::new(Clock::system());
        for _ in 0..FREE {
            assert!(is_seen_in(&guesses, peer(1), Duration::ZERO).await);
            guesses.wrong(peer(1));
        }
        for pause in [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000] {
            let within = |millis| is_seen_in(&guesses, peer(1), Duration::from_millis(millis));
            assert!(!within(pause - 10).await, "{pause} ms");
            assert!(within(pause + 10).await, "{pause} ms");
            assert!(is_seen_in(&guesses, peer(2), Duration::ZERO).await, "another peer does not wait");
            guesses.wrong(peer(1));
        }
        guesses.right(peer(1));
        assert!(is_seen_in(&guesses, peer(1), Duration::ZERO).await);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_side_by_side_is_sent_away() {
        let guesses = Guesses::new(Clock::system());
        (0..20).for_each(|_| guesses.wrong(peer(1)));
        let all = futures_util::future::join_all((0..100).map(|_| guesses.wait(peer(1)))).await;
        assert_eq!(all.iter().filter(|is_seen| **is_seen).count(), WAITING_MAX as usize);
        assert!(guesses.wait(peer(1)).await, "the places are free again");
    }

    #[test]
    fn ten_thousand_peers_are_not_all_remembered() {
        let guesses = Guesses::new(Clock::system());
        (0..10_000).for_each(|number| guesses.wrong(peer(number)));
        assert_eq!(lock(&guesses.inner).peers.len(), PEERS_MAX);
        assert!(lock(&guesses.inner).peers.contains_key(&peer(9_999)));
    }
}
