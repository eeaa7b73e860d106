//! Says again and again that this process still owns what it works, and trusts itself only for as long as that lasts.
//!
//! A thread with a connection of its own, which do nothing else. Ownership counts from the instant before the question
//! was asked, by this process's monotonic clock; an error, or an answer that never comes, extends nothing.
//!
//! Decision: docs/decisions/0048-owners-are-fenced-by-an-epoch.md

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::beside::Beside;
use super::fleet;
use super::leases::{self, Lease};
use super::sharing::Sharing;
use crate::connect;
use paceline_domain::time::{Mono, micros};
use paceline_ports::clock::Clock;
use paceline_ports::location::Location;

/// So many questions in the time of a lease: two may fail.
const BEATS: u32 = 3;

/// How much earlier than the database this process takes a lease for over, as a part of it: it covers whatever happens
/// between the last look and the first byte.
const MARGIN: u32 = 6;

/// How long a lease is trusted, as the heartbeat knows it.
#[derive(Debug)]
struct Term {
    /// By its clock.
    until: AtomicI64,
    /// The database has said that it is over, or it was given up.
    is_over: AtomicBool,
}

impl Term {
    fn to(until: i64) -> Arc<Self> {
        Arc::new(Self { until: AtomicI64::new(until), is_over: AtomicBool::new(false) })
    }

    fn extend(&self, until: i64) {
        self.until.store(until, Ordering::Release);
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }
}

/// Until when an acquired domain is surely owned, by [`Heartbeat`]'s clock.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    term: Arc<Term>,
    clock: Clock,
}

impl Trust {
    pub(crate) fn holds(&self) -> bool {
        !self.is_over() && self.clock.mono() < self.until()
    }

    /// For how long it holds.
    pub(crate) fn left(&self) -> Duration {
        if self.is_over() { Duration::ZERO } else { self.until().since(self.clock.mono()) }
    }

    /// How long ago the lease was trusted last, once it is over.
    pub(crate) fn lost_for(&self) -> Option<Duration> {
        self.is_over().then(|| self.clock.mono().since(self.until()))
    }

    fn until(&self) -> Mono {
        Mono(self.term.until.load(Ordering::Acquire))
    }

    fn is_over(&self) -> bool {
        self.term.is_over.load(Ordering::Acquire)
    }
}

/// A lease that is renewed.
struct Kept {
    lease: Lease,
    term: Arc<Term>,
    /// Since when it is surely in the database: the answer to an earlier question cannot know of it.
    since: Mono,
}

impl Kept {
    /// What the answer to a question that was asked at this instant says of it; whether it is still owned.
    fn hear(&self, still: &HashMap<String, i64>, asked: Mono, lease: Duration) -> bool {
        if self.since > asked {
            return true;
        }
        let is_ours = still.get(self.lease.domain()) == Some(&self.lease.epoch());
        if is_ours {
            self.term.extend(trusted_until(asked, lease));
        } else {
            self.term.end();
        }
        is_ours
    }
}

type Owned = Mutex<Vec<Kept>>;

/// The heartbeat of one process on a ledger; begins with the first domain.
pub(crate) struct Heartbeat {
    location: Location,
    sharing: Sharing,
    clock: Clock,
    owned: Arc<Owned>,
    /// If it panics, trust runs out by itself.
    thread: Beside,
}

impl Heartbeat {
    pub(crate) fn of(location: Location, sharing: Sharing) -> Self {
        let thread = Beside::named("ledger lease");
        Self { location, sharing, clock: Clock::system(), owned: Arc::default(), thread }
    }

    /// The instant before a domain is asked for.
    pub(crate) fn before(&self) -> Mono {
        self.clock.mono()
    }

    /// Goes on owning a domain that was asked for after `before`.
    pub(crate) fn keep(&self, lease: Lease, before: Mono) -> Trust {
        let term = Term::to(trusted_until(before, self.sharing.lease));
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        owned.push(Kept { lease, term: Arc::clone(&term), since: self.clock.mono() });
        drop(owned);
        self.start();
        Trust { term, clock: self.clock.clone() }
    }

    /// Renews no lease of these domains any more.
    pub(crate) fn forget(&self, domains: &[String]) {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        owned.retain(|kept| {
            let stays = !domains.iter().any(|domain| domain == kept.lease.domain());
            if !stays {
                kept.term.end();
            }
            stays
        });
    }

    /// Ends it, and returns when its connection is closed.
    pub(crate) fn close(&self) {
        self.thread.close();
    }

    /// Begins it, unless it goes on already.
    pub(crate) fn start(&self) {
        let every = self.sharing.lease / BEATS;
        if every.is_zero() {
            return;
        }
        let (location, sharing, clock) = (self.location.clone(), self.sharing, self.clock.clone());
        let owned = Arc::clone(&self.owned);
        self.thread.start(move |is_over| beat(&location, sharing, &clock, &owned, (is_over, every)));
    }
}

fn trusted_until(before: Mono, lease: Duration) -> i64 {
    before.0.saturating_add(micros(lease.saturating_sub(lease / MARGIN)))
}

fn beat(
    location: &Location,
    sharing: Sharing,
    clock: &Clock,
    owned: &Owned,
    (is_over, every): (&Receiver<()>, Duration),
) {
    let mut conn = None;
    while is_over.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        if conn.is_none() {
            conn = connect::reader(location).ok();
        }
        let Some(open) = &conn else { continue };
        let before = clock.mono();
        let Ok(still) = leases::renew(open, sharing) else { continue };
        let still: HashMap<String, i64> = still.into_iter().collect();
        let mut kept = owned.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.hear(&still, before, sharing.lease));
        drop(kept);
        // That others hear of it is no part of what it trusts itself for.
        let _ = fleet::beat(open, sharing.owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::sharing::Owner;

    #[test]
    fn trust_ends_before_the_lease_does() {
        let sharing = Sharing { owner: Owner(1), claim: Duration::ZERO, lease: Duration::ZERO };
        let heartbeat = Heartbeat::of(Location::from(std::path::Path::new("none")), sharing);
        let lease = Lease::for_tests("all", Owner(1), 1);
        assert!(!heartbeat.keep(lease, heartbeat.before()).holds());
        assert_eq!(trusted_until(Mono(0), Duration::from_secs(6)), 5_000_000);
    }

    #[test]
    fn an_answer_says_nothing_of_what_was_taken_after_its_question() {
        let (lease, none) = (Duration::from_secs(6), HashMap::new());
        let kept = |since| {
            let term = Term::to(6_000_000);
            let trust = Trust { term: Arc::clone(&term), clock: Clock::system() };
            (Kept { lease: Lease::for_tests("d", Owner(1), 1), term, since: Mono(since) }, trust)
        };
        let (later, trust) = kept(2_000_000);
        assert!(later.hear(&none, Mono(1_999_999), lease), "it was asked before the domain was taken");
        assert_eq!((trust.until(), trust.is_over()), (Mono(6_000_000), false), "and extends nothing either");
        assert!(!later.hear(&none, Mono(2_000_000), lease));
        assert_eq!((trust.until(), trust.is_over()), (Mono(6_000_000), true), "what was trusted is known still");
        let (earlier, trust) = kept(1_000_000);
        assert!(earlier.hear(&HashMap::from([("d".to_owned(), 1)]), Mono(2_000_000), lease));
        assert_eq!((trust.until(), trust.is_over()), (Mono(7_000_000), false));
        assert!(!earlier.hear(&HashMap::from([("d".to_owned(), 2)]), Mono(2_000_000), lease), "another epoch");
    }
}
