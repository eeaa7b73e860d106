//! Who holds a connection. Whoever comes gets a place: when there is none, the one goes that has gone longest without a
//! request. So connections that are opened and left, or whose replies nobody reads, keep nobody out, and health is answered
//! on places of its own when all others work.
//!
//! Decision: docs/decisions/0042-nobody-waits-for-the-admin-server.md

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Connections at one time.
pub const PLACES: usize = 128;
/// Those of one peer.
pub const PEER_PLACES: usize = 96;
/// Further ones, that health alone is answered on.
pub const HEALTH_PLACES: usize = 32;
/// How long a new connection keeps its place in any case. Else those who come back as soon as they are sent away would
/// push out a probe before its request is read; so they wait for each other instead.
const NEW: Duration = Duration::from_millis(10);

/// Whose connection it is, as far as the kernel knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// An address; of IPv6 the network, because whoever has one address there has all of it.
    Address(IpAddr),
    /// A user of this machine, at the Unix socket.
    User(u32),
}

impl Peer {
    /// Whoever connects from this address.
    pub fn of(address: IpAddr) -> Self {
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

/// Who has a place.
#[derive(Clone, Default)]
pub struct Places {
    inner: Arc<Mutex<Inner>>,
    /// Somebody may make room now who did not before.
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Inner {
    /// Grows with everything that happens.
    time: u64,
    held: BTreeMap<u64, Held>,
}

struct Held {
    peer: Peer,
    is_for_health: bool,
    /// It is new, or its request is being answered.
    stays: bool,
    /// When a request last came or was answered.
    seen_at: u64,
    evicted: Arc<Notify>,
}

/// A place, until it is dropped.
pub struct Place {
    places: Places,
    id: u64,
    evicted: Arc<Notify>,
    is_for_health: bool,
}

impl Places {
    /// A place for a new connection; it waits while everybody is new or works, those on places for health as well.
    pub async fn enter(&self, peer: Peer) -> Place {
        loop {
            // Before the look, so that no change is missed.
            let changed = self.changed.notified();
            if let Some(place) = self.try_enter(peer) {
                return place;
            }
            changed.await;
        }
    }

    fn try_enter(&self, peer: Peer) -> Option<Place> {
        let mut inner = self.lock();
        inner.time += 1;
        let id = inner.time;
        let is_for_health = !inner.make_room(peer);
        if is_for_health && !inner.make_room_for_health() {
            return None;
        }
        let evicted = Arc::<Notify>::default();
        let held = Held { peer, is_for_health, stays: true, seen_at: id, evicted: Arc::clone(&evicted) };
        inner.held.insert(id, held);
        drop(inner);
        Some(Place { places: self.clone(), id, evicted, is_for_health })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether there is a place that is for everything.
    fn make_room(&mut self, peer: Peer) -> bool {
        let mut counts = BTreeMap::<Peer, usize>::new();
        for held in self.held.values().filter(|held| !held.is_for_health) {
            *counts.entry(held.peer).or_default() += 1;
        }
        if counts.get(&peer).is_some_and(|count| *count >= PEER_PLACES) {
            return self.evict(|held| !held.is_for_health && held.peer == peer);
        }
        if counts.values().sum::<usize>() < PLACES {
            return true;
        }
        let greediest = counts.into_iter().max_by_key(|(_, count)| *count).map(|(peer, _)| peer);
        self.evict(|held| !held.is_for_health && Some(held.peer) == greediest) || self.evict(|held| !held.is_for_health)
    }

    fn make_room_for_health(&mut self) -> bool {
        let count = self.held.values().filter(|held| held.is_for_health).count();
        count < HEALTH_PLACES || self.evict(|held| held.is_for_health)
    }

    /// Shows the door to the one of these that has gone longest without a request.
    fn evict(&mut self, is_one: impl Fn(&Held) -> bool) -> bool {
        let idle = self.held.iter().filter(|(_, held)| !held.stays && is_one(held));
        let Some(id) = idle.min_by_key(|(_, held)| held.seen_at).map(|(id, _)| *id) else { return false };
        if let Some(held) = self.held.remove(&id) {
            held.evicted.notify_one();
        }
        true
    }
}

impl Place {
    /// Whether health alone is answered here.
    pub const fn is_for_health(&self) -> bool {
        self.is_for_health
    }

    /// Comes to its end when another connection gets the place.
    pub async fn evicted(&self) {
        tokio::time::sleep(NEW).await;
        self.set(|held, _| held.stays &= held.seen_at != self.id);
        self.evicted.notified().await;
    }

    /// A request has come; it keeps the place until what is returned is dropped.
    pub fn working(self: &Arc<Self>) -> Working {
        self.set(|held, now| (held.stays, held.seen_at) = (true, now));
        Working(Arc::clone(self))
    }

    fn set(&self, change: impl FnOnce(&mut Held, u64)) {
        let mut inner = self.places.lock();
        inner.time += 1;
        let now = inner.time;
        if let Some(held) = inner.held.get_mut(&self.id) {
            change(held, now);
        }
        drop(inner);
        self.places.changed.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().held.remove(&self.id);
        self.places.changed.notify_one();
    }
}

/// A request on its way through.
pub struct Working(Arc<Place>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.set(|held, now| (held.stays, held.seen_at) = (false, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Peer {
        Peer::of(IpAddr::from([10, 0, 0, last]))
    }

    fn is_evicted(place: &Place) -> bool {
        !place.places.lock().held.contains_key(&place.id)
    }

    /// One that has been there for a while.
    fn enter(places: &Places, peer: Peer) -> Arc<Place> {
        let place = Arc::new(places.try_enter(peer).unwrap());
        place.set(|held, _| held.stays = false);
        place
    }

    fn enter_all(places: &Places, count: usize, peer: Peer) -> Vec<Arc<Place>> {
        (0..count).map(|_| enter(places, peer)).collect()
    }

    #[test]
    fn one_peer_takes_its_own_places_and_no_others() {
        let places = Places::default();
        let other = enter(&places, peer(2));
        let held = enter_all(&places, 1_000, peer(1));
        assert!(held.iter().all(|place| !place.is_for_health()));
        assert_eq!(held.iter().filter(|place| !is_evicted(place)).count(), PEER_PLACES);
        assert!(!is_evicted(held.last().unwrap()) && is_evicted(&held[0]));
        assert!(!is_evicted(&other));
    }

    #[test]
    fn when_all_are_taken_the_greediest_peer_gives_one() {
        let places = Places::default();
        let mut held = enter_all(&places, PEER_PLACES, peer(1));
        held.extend(enter_all(&places, PLACES - PEER_PLACES - 1, peer(2)));
        let (single, next) = (enter(&places, peer(3)), enter(&places, peer(4)));
        assert!(is_evicted(&held[0]) && !is_evicted(&single) && !is_evicted(&next));
        assert_eq!(held.iter().filter(|place| is_evicted(place)).count(), 1);
    }

    #[test]
    fn the_one_that_is_silent_longest_goes_and_never_one_that_is_answered() {
        let places = Places::default();
        let held = enter_all(&places, PEER_PLACES, peer(1));
        let working = held[0].working();
        drop(held[1].working());
        let _next = enter(&places, peer(1));
        let gone: Vec<_> = (0..PEER_PLACES).filter(|at| is_evicted(&held[*at])).collect();
        assert_eq!(gone, [2]);
        drop(working);
    }

    #[test]
    fn while_all_work_health_has_places_of_its_own() {
        let places = Places::default();
        let held = enter_all(&places, PEER_PLACES, peer(1));
        let working: Vec<_> = held.iter().map(Place::working).collect();
        let silent = enter_all(&places, 100, peer(1));
        assert!(silent.iter().all(|place| place.is_for_health()));
        assert_eq!(silent.iter().filter(|place| !is_evicted(place)).count(), HEALTH_PLACES);
        drop(working);
        assert!(!enter(&places, peer(1)).is_for_health());
        assert_eq!(held.iter().filter(|place| is_evicted(place)).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_new_stays_for_a_moment_and_who_comes_then_waits() {
        let places = Places::default();
        let mut held = Vec::new();
        for _ in 0..PEER_PLACES + HEALTH_PLACES {
            held.push(Arc::new(places.enter(peer(1)).await));
        }
        assert!(places.try_enter(peer(1)).is_none(), "all are new");
        assert!(places.try_enter(peer(2)).is_some(), "another peer has places left");
        let (oldest, next) = (Arc::clone(&held[0]), places.enter(peer(1)));
        tokio::pin!(next);
        tokio::select! {
            biased;
            _ = &mut next => panic!("nobody has been there for long"),
            () = std::future::ready(()) => {}
        }
        let ((), _next) = tokio::join!(oldest.evicted(), next);
        assert!(is_evicted(&oldest) && held[1..].iter().all(|place| !is_evicted(place)));
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
