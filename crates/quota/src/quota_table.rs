//! The table of windows: all quota keys, and permits that cover several of them at once.

mod restraints;

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

pub use self::restraints::{Foreign, LoweredWindow, Refused};
use super::pace::Pace;
use super::parse::{Quota, Window};
use super::pause::Pause;
use super::reserve::{Class, Reserve, Reserves};
use super::window::Ring;
use crate::time::Mono;

/// A key's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(super) u32);

impl KeyId {
    /// The place as a number: keys are numbered from zero in the order in which they were entered.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why no permit is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The key that decides.
    pub key: KeyId,
    /// When it has a permit at the earliest; `None` if that takes a reply, or the end of a hold.
    pub until: Option<Mono>,
    /// The window that decides; `None` for a pause, a hold or the pace.
    pub window: Option<Window>,
}

/// How the platform refused a call for its pace.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// The server's own end of it.
    pub reset: Option<Duration>,
    /// The documented lengths of the block.
    pub blocks: &'a [Duration],
}

/// A key's use, for people.
#[derive(Clone, Debug)]
pub struct Usage<K> {
    /// The key.
    pub key: K,
    /// Permits spent of each window, shortest first; the limits are those that hold now.
    pub windows: Vec<(Window, u32)>,
    /// Permits of each window, in their order, that calls without a reply keep: in flight, or without any.
    pub unanswered: Vec<u32>,
    /// When each window has a permit at the earliest, in their order; `None` if that takes a reply.
    pub free_at: Vec<Option<Mono>>,
    /// End of a pause.
    pub paused_until: Option<Mono>,
}

pub(super) struct State<K> {
    key: K,
    pub(super) rings: Vec<Ring>,
    in_flight: u32,
    /// Whether nothing is granted until calls that its windows do not know of have been entered.
    pub(super) is_frozen: bool,
    pause: Pause,
    last: Option<restraints::Last>,
    /// Whether somebody else's use of it is still to be told.
    has_news: bool,
    told: Option<Mono>,
    pub(super) pace: Pace,
    pub(super) reserves: Reserves,
}

/// All quota keys of the process.
pub struct QuotaTable<K> {
    pub(super) states: Vec<State<K>>,
    pub(super) ids: HashMap<K, KeyId>,
    reserve: Reserve,
}

impl<K> Default for QuotaTable<K> {
    fn default() -> Self {
        Self { states: Vec::new(), ids: HashMap::new(), reserve: Reserve::default() }
    }
}

impl<K: Clone + Eq + Hash> QuotaTable<K> {
    /// An empty table that keeps these reserves at every key.
    pub fn new(reserve: Reserve) -> Self {
        Self { reserve, ..Self::default() }
    }

    /// The key's place; a new key starts with this quota and all permits free.
    ///
    /// For a known key the quota is applied as it is now: windows keep the grants they have seen.
    pub fn key(&mut self, key: &K, quota: &Quota) -> KeyId {
        if let Some(&id) = self.ids.get(key) {
            self.change(id, quota, Mono(i64::MIN));
            return id;
        }
        let id = KeyId(self.states.len() as u32);
        self.ids.insert(key.clone(), id);
        self.states.push(State {
            key: key.clone(),
            rings: quota.windows().iter().copied().map(Ring::new).collect(),
            in_flight: 0,
            is_frozen: false,
            pause: Pause::default(),
            last: None,
            has_news: false,
            told: None,
            pace: Pace::under(quota),
            reserves: Reserves::new(&self.reserve, quota),
        });
        id
    }

    /// Whether one call of a class under all these keys may leave at `now`; nothing is spent.
    ///
    /// # Errors
    /// The key that decides, and when it has a permit at the earliest.
    pub fn check(&mut self, keys: &[KeyId], class: Class, now: Mono) -> Result<(), Blocked> {
        let mut latest: Option<Blocked> = None;
        for &key in keys {
            let Err(blocked) = self.check_one(key, class, now) else { continue };
            if blocked.until.is_none() {
                return Err(blocked);
            }
            if latest.is_none_or(|other| other.until < blocked.until) {
                latest = Some(blocked);
            }
        }
        latest.map_or(Ok(()), Err)
    }

    fn check_one(&mut self, key: KeyId, class: Class, now: Mono) -> Result<(), Blocked> {
        let state = &mut self.states[key.index()];
        if state.is_frozen {
            return Err(Blocked { key, until: None, window: None });
        }
        if let Err(until) = state.pause.check(now) {
            return Err(Blocked { key, until, window: None });
        }
        let mut latest: Option<Blocked> = None;
        for ring in &mut state.rings {
            let until = ring.free_at(now, state.in_flight);
            if until.is_some_and(|at| at <= now) {
                continue;
            }
            let blocked = Blocked { key, until, window: Some(ring.window()) };
            if until.is_none() {
                return Err(blocked);
            }
            // Of two that open at the same time, the longer one decides.
            if latest.is_none_or(|other| other.until <= until) {
                latest = Some(blocked);
            }
        }
        if let Some((until, window)) = state.reserves.blocked(class, now)
            && latest.is_none_or(|other| until.is_none() || other.until < until)
        {
            latest = Some(Blocked { key, until, window: Some(window) });
        }
        latest.map_or(Ok(()), Err)
    }

    /// Spends one permit of every key at once, or none.
    ///
    /// The first key's pace is asked last, because asking it spends. `Ok` says which keys this call probes.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn take(&mut self, keys: &[KeyId], class: Class, now: Mono) -> Result<Probes, Blocked> {
        self.check(keys, class, now)?;
        if let Some(&main) = keys.first() {
            let paced = self.states[main.index()].pace.check(now);
            paced.map_err(|at| Blocked { key: main, until: Some(at), window: None })?;
        }
        let mut probes = Probes::default();
        for (index, &key) in keys.iter().enumerate() {
            let state = &mut self.states[key.index()];
            if state.pause.check(now) == Ok(true) {
                state.pause.probe();
                probes.set(index);
            }
            state.in_flight += 1;
            state.reserves.take(class);
        }
        Ok(probes)
    }

    /// Gives permits of a class back: `counted_by` is the last instant at which the platform can have counted the call, `None` if it surely never left.
    pub fn give_back(&mut self, keys: &[KeyId], class: Class, counted_by: Option<Mono>) {
        for &key in keys {
            let state = &mut self.states[key.index()];
            assert!(state.in_flight > 0, "a permit came back that was never spent");
            state.in_flight -= 1;
            state.reserves.give_back(class, counted_by);
            if let Some(counted_by) = counted_by {
                state.rings.iter_mut().for_each(|ring| ring.give_back(counted_by));
            }
        }
    }

    /// Enters a call of an earlier process.
    pub fn restore(&mut self, keys: &[KeyId], counted_by: Mono) {
        for &key in keys {
            let state = &mut self.states[key.index()];
            state.rings.iter_mut().for_each(|ring| ring.give_back(counted_by));
            state.reserves.restore(counted_by);
        }
    }

    /// Notes that a lane with these keys, whose next job was of class `before`, has one of the higher class `after`.
    pub fn raise_demand(&mut self, keys: &[KeyId], before: Class, after: Class) {
        for &key in keys {
            self.states[key.index()].reserves.raise_demand(before, after);
        }
    }

    /// Notes that at `now` its next job is of the lower class `after`, or that there is none.
    pub fn lower_demand(&mut self, keys: &[KeyId], before: Class, after: Class, now: Mono) {
        for &key in keys {
            self.states[key.index()].reserves.lower_demand(before, after, now);
        }
    }

    /// Notes that a call ended otherwise than by a refusal; with `applied_at` if the platform really answered it.
    pub fn answered(&mut self, keys: &[KeyId], probes: Probes, applied_at: Option<Mono>) {
        for (index, &key) in keys.iter().enumerate() {
            if probes.has(index) {
                let state = &mut self.states[key.index()];
                state.pause.answered(true, applied_at.is_some());
                if let Some(now) = applied_at {
                    state.reopen(now);
                }
            }
        }
    }

    /// Permits of a key that calls of a class could spend at `now`.
    pub fn free(&mut self, key: KeyId, class: Class, now: Mono) -> u32 {
        let state = &mut self.states[key.index()];
        let in_flight = state.in_flight;
        match state.pause.check(now) {
            _ if state.is_frozen => 0,
            Err(_) => 0,
            Ok(true) => 1,
            Ok(false) => {
                let free = state.rings.iter_mut().map(|ring| ring.free(now, in_flight)).min().unwrap_or(0);
                free.min(state.reserves.free(class, now))
            }
        }
    }

    /// Who it is.
    pub fn name(&self, key: KeyId) -> &K {
        &self.states[key.index()].key
    }

    /// The use of one key at `now`.
    pub fn usage_of(&mut self, key: KeyId, now: Mono) -> Usage<K> {
        self.states[key.index()].usage(now)
    }
}

impl<K: Clone> State<K> {
    fn usage(&mut self, now: Mono) -> Usage<K> {
        let in_flight = self.in_flight;
        Usage {
            key: self.key.clone(),
            windows: self.rings.iter_mut().map(|ring| (ring.working(now), ring.returning(now) + in_flight)).collect(),
            unanswered: self.rings.iter().map(|ring| ring.unanswered(now) + in_flight).collect(),
            free_at: self.rings.iter_mut().map(|ring| ring.free_at(now, in_flight)).collect(),
            paused_until: self.pause.until().filter(|until| *until > now),
        }
    }
}

/// Which of a call's keys it probes after a pause, by position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probes(u8);

impl Probes {
    /// Whether it probes any.
    pub const fn any(self) -> bool {
        self.0 != 0
    }

    const fn set(&mut self, index: usize) {
        self.0 |= 1 << (index & 7);
    }

    const fn has(self, index: usize) -> bool {
        self.0 & (1 << (index & 7)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> String {
        name.to_owned()
    }

    fn table(quotas: &[&str]) -> (QuotaTable<String>, Vec<KeyId>) {
        let mut table = QuotaTable::default();
        let keys = quotas
            .iter()
            .enumerate()
            .map(|(n, quota)| table.key(&key(&n.to_string()), &quota.parse().unwrap()))
            .collect();
        (table, keys)
    }

    #[test]
    fn all_keys_or_none() {
        let (mut table, keys) = table(&["1000000/s", "1/s"]);
        table.take(&keys, Class::LOWEST, Mono(0)).unwrap();
        let blocked = table.take(&keys, Class::LOWEST, Mono(0)).unwrap_err();
        assert_eq!((blocked.key, blocked.until), (keys[1], None), "in flight: only a reply can free it");
        assert_eq!(table.free(keys[0], Class::LOWEST, Mono(0)), 999_999, "the refused call spent nothing");
        table.give_back(&keys, Class::LOWEST, Some(Mono(10)));
        assert_eq!(table.take(&keys, Class::LOWEST, Mono(20)).unwrap_err().until, Some(Mono(1_000_011)));
        table.take(&keys, Class::LOWEST, Mono(1_000_011)).unwrap();
    }

    #[test]
    fn a_call_that_never_left_costs_nothing() {
        let (mut table, keys) = table(&["1/day"]);
        table.take(&keys, Class::LOWEST, Mono(0)).unwrap();
        table.give_back(&keys, Class::LOWEST, None);
        assert_eq!(table.free(keys[0], Class::LOWEST, Mono(0)), 1);
    }

    #[test]
    fn a_changed_quota_inherits_the_grants_of_the_old() {
        let (mut table, keys) = table(&["2/s, 10/min"]);
        for at in 0..4 {
            table.restore(&keys, Mono(at * 600_000));
        }
        table.key(&key("0"), &"5/min".parse().unwrap());
        assert_eq!(table.free(keys[0], Class::LOWEST, Mono(3_000_000)), 1);
        table.key(&key("0"), &"3/min".parse().unwrap());
        assert_eq!(table.free(keys[0], Class::LOWEST, Mono(3_000_000)), 0);
    }

    #[test]
    fn a_refusal_pauses_and_one_probe_reopens() {
        let (mut table, keys) = table(&["100/s"]);
        let probes = table.take(&keys, Class::LOWEST, Mono(0)).unwrap();
        table.give_back(&keys, Class::LOWEST, Some(Mono(1)));
        table.refuse(&keys, probes, Mono(0), Mono(1), Refusal { reset: Some(Duration::from_secs(5)), blocks: &[] });
        assert_eq!(table.take(&keys, Class::LOWEST, Mono(2)).unwrap_err().until, Some(Mono(5_000_001)));
        let probes = table.take(&keys, Class::LOWEST, Mono(5_000_001)).unwrap();
        assert_eq!(table.take(&keys, Class::LOWEST, Mono(5_100_001)).unwrap_err().until, None);
        table.give_back(&keys, Class::LOWEST, Some(Mono(5_100_002)));
        table.answered(&keys, probes, Some(Mono(5_100_002)));
        assert!(table.take(&keys, Class::LOWEST, Mono(5_200_000)).is_ok());
    }
}
