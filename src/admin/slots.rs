//! Who holds a connection. Whoever comes gets a slot: when there is none, the one goes that has gone longest without a
//! request. So connections that are opened and left, or whose replies nobody reads, keep nobody out, and health is answered
//! on slots of its own when all others work.
//!
//! Decision: docs/decisions/0042-nobody-waits-for-the-admin-server.md

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Connections at one time.
pub(super) const SLOTS: usize = 128;
/// Those of one peer.
pub(super) const PEER_SLOTS: usize = 96;
/// Further ones, that health alone is answered on.
pub(super) const HEALTH_SLOTS: usize = 32;
/// How long a new connection keeps its slot in any case. Else those who come back as soon as they are sent away would
/// push out a probe before its request is read; so they wait for each other instead.
const NEW: Duration = Duration::from_millis(10);

/// Whose connection it is, as far as the kernel knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Peer {
    /// An address; of IPv6 the network, because whoever has one address there has all of it.
    Address(IpAddr),
    /// A user of this machine, at the Unix socket.
    User(u32),
}

impl Peer {
    /// Whoever connects from this address.
    pub(super) fn of(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                IpAddr::V6(network.into())
            }
            address @ (IpAddr::V4(_) | IpAddr::V6(_)) => address,
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(out, "{address}"),
            Self::User(user) => write!(out, "user {user}"),
        }
    }
}

/// Who has a slot.
#[derive(Clone, Default)]
pub(super) struct Slots {
    inner: Arc<Mutex<Inner>>,
    /// Somebody may make room now who did not before.
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Inner {
    /// Grows with everything that happens.
    time: u64,
    taken: BTreeMap<u64, Taken>,
}

struct Taken {
    peer: Peer,
    is_for_health: bool,
    /// It is new, or its request is being answered.
    stays: bool,
    /// When a request last came or was answered.
    seen_at: u64,
    evicted: Arc<Notify>,
}

/// A slot, until it is dropped.
pub(super) struct Slot {
    slots: Slots,
    id: u64,
    evicted: Arc<Notify>,
    is_for_health: bool,
}

impl Slots {
    /// A slot for a new connection; it waits while everybody is new or works, those on slots for health as well.
    pub(super) async fn enter(&self, peer: Peer) -> Slot {
        loop {
            // Before the look, so that no change is missed.
            let changed = self.changed.notified();
            if let Some(slot) = self.try_enter(peer) {
                return slot;
            }
            changed.await;
        }
    }

    fn try_enter(&self, peer: Peer) -> Option<Slot> {
        let mut inner = self.lock();
        inner.time += 1;
        let id = inner.time;
        let is_for_health = !inner.make_room(peer);
        if is_for_health && !inner.make_room_for_health() {
            return None;
        }
        let evicted = Arc::<Notify>::default();
        let taken = Taken { peer, is_for_health, stays: true, seen_at: id, evicted: Arc::clone(&evicted) };
        inner.taken.insert(id, taken);
        drop(inner);
        Some(Slot { slots: self.clone(), id, evicted, is_for_health })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether there is a slot that is for everything.
    fn make_room(&mut self, peer: Peer) -> bool {
        let mut counts = BTreeMap::<Peer, usize>::new();
        for taken in self.taken.values().filter(|taken| !taken.is_for_health) {
            *counts.entry(taken.peer).or_default() += 1;
        }
        if counts.get(&peer).is_some_and(|count| *count >= PEER_SLOTS) {
            return self.evict(|taken| !taken.is_for_health && taken.peer == peer);
        }
        if counts.values().sum::<usize>() < SLOTS {
            return true;
        }
        let greediest = counts.into_iter().max_by_key(|(_, count)| *count).map(|(peer, _)| peer);
        self.evict(|taken| !taken.is_for_health && Some(taken.peer) == greediest)
            || self.evict(|taken| !taken.is_for_health)
    }

    fn make_room_for_health(&mut self) -> bool {
        let count = self.taken.values().filter(|taken| taken.is_for_health).count();
        count < HEALTH_SLOTS || self.evict(|taken| taken.is_for_health)
    }

    /// Shows the door to the one of these that has gone longest without a request.
    fn evict(&mut self, is_one: impl Fn(&Taken) -> bool) -> bool {
        let idle = self.taken.iter().filter(|(_, taken)| !taken.stays && is_one(taken));
        let Some(id) = idle.min_by_key(|(_, taken)| taken.seen_at).map(|(id, _)| *id) else { return false };
        if let Some(taken) = self.taken.remove(&id) {
            taken.evicted.notify_one();
        }
        true
    }
}

impl Slot {
    /// Whether health alone is answered here.
    pub(super) const fn is_for_health(&self) -> bool {
        self.is_for_health
    }

    /// Comes to its end when another connection gets the slot.
    pub(super) async fn evicted(&self) {
        tokio::time::sleep(NEW).await;
        self.set(|taken, _| taken.stays &= taken.seen_at != self.id);
        self.evicted.notified().await;
    }

    /// A request has come; it keeps the slot until what is returned is dropped.
    pub(super) fn working(self: &Arc<Self>) -> Working {
        self.set(|taken, now| (taken.stays, taken.seen_at) = (true, now));
        Working(Arc::clone(self))
    }

    fn set(&self, change: impl FnOnce(&mut Taken, u64)) {
        let mut inner = self.slots.lock();
        inner.time += 1;
        let now = inner.time;
        if let Some(taken) = inner.taken.get_mut(&self.id) {
            change(taken, now);
        }
        drop(inner);
        self.slots.changed.notify_one();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().taken.remove(&self.id);
        self.slots.changed.notify_one();
    }
}

/// A request on its way through.
pub(super) struct Working(Arc<Slot>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.set(|taken, now| (taken.stays, taken.seen_at) = (false, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Peer {
        Peer::of(IpAddr::from([10, 0, 0, last]))
    }

    fn is_evicted(slot: &Slot) -> bool {
        !slot.slots.lock().taken.contains_key(&slot.id)
    }

    /// One that has been there for a while.
    fn enter(slots: &Slots, peer: Peer) -> Arc<Slot> {
        let slot = Arc::new(slots.try_enter(peer).unwrap());
        slot.set(|taken, _| taken.stays = false);
        slot
    }

    fn enter_all(slots: &Slots, count: usize, peer: Peer) -> Vec<Arc<Slot>> {
        (0..count).map(|_| enter(slots, peer)).collect()
    }

    #[test]
    fn one_peer_takes_its_own_slots_and_no_others() {
        let slots = Slots::default();
        let other = enter(&slots, peer(2));
        let taken = enter_all(&slots, 1_000, peer(1));
        assert!(taken.iter().all(|slot| !slot.is_for_health()));
        assert_eq!(taken.iter().filter(|slot| !is_evicted(slot)).count(), PEER_SLOTS);
        assert!(!is_evicted(taken.last().unwrap()) && is_evicted(&taken[0]));
        assert!(!is_evicted(&other));
    }

    #[test]
    fn when_all_are_taken_the_greediest_peer_gives_one() {
        let slots = Slots::default();
        let mut taken = enter_all(&slots, PEER_SLOTS, peer(1));
        taken.extend(enter_all(&slots, SLOTS - PEER_SLOTS - 1, peer(2)));
        let (single, next) = (enter(&slots, peer(3)), enter(&slots, peer(4)));
        assert!(is_evicted(&taken[0]) && !is_evicted(&single) && !is_evicted(&next));
        assert_eq!(taken.iter().filter(|slot| is_evicted(slot)).count(), 1);
    }

    #[test]
    fn the_one_that_is_silent_longest_goes_and_never_one_that_is_answered() {
        let slots = Slots::default();
        let taken = enter_all(&slots, PEER_SLOTS, peer(1));
        let working = taken[0].working();
        drop(taken[1].working());
        let _next = enter(&slots, peer(1));
        let gone: Vec<_> = (0..PEER_SLOTS).filter(|at| is_evicted(&taken[*at])).collect();
        assert_eq!(gone, [2]);
        drop(working);
    }

    #[test]
    fn while_all_work_health_has_slots_of_its_own() {
        let slots = Slots::default();
        let taken = enter_all(&slots, PEER_SLOTS, peer(1));
        let working: Vec<_> = taken.iter().map(Slot::working).collect();
        let silent = enter_all(&slots, 100, peer(1));
        assert!(silent.iter().all(|slot| slot.is_for_health()));
        assert_eq!(silent.iter().filter(|slot| !is_evicted(slot)).count(), HEALTH_SLOTS);
        drop(working);
        assert!(!enter(&slots, peer(1)).is_for_health());
        assert_eq!(taken.iter().filter(|slot| is_evicted(slot)).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_new_stays_for_a_moment_and_who_comes_then_waits() {
        let slots = Slots::default();
        let mut taken = Vec::new();
        for _ in 0..PEER_SLOTS + HEALTH_SLOTS {
            taken.push(Arc::new(slots.enter(peer(1)).await));
        }
        assert!(slots.try_enter(peer(1)).is_none(), "all are new");
        assert!(slots.try_enter(peer(2)).is_some(), "another peer has slots left");
        let (oldest, next) = (Arc::clone(&taken[0]), slots.enter(peer(1)));
        tokio::pin!(next);
        tokio::select! {
            biased;
            _ = &mut next => panic!("nobody has been there for long"),
            () = std::future::ready(()) => {}
        }
        let ((), _next) = tokio::join!(oldest.evicted(), next);
        assert!(is_evicted(&oldest) && taken[1..].iter().all(|slot| !is_evicted(slot)));
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer_and_an_ipv4_address_is_one_in_either_form() {
        let of = |text: &str| Peer::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("::1"), of("::2"));
    }
}
