//! Quotas that change while calls are under way: the new windows inherit the grants of the old ones.
//!
//! So a change is no free burst. What the old windows have forgotten already, a longer one has to be told: [`Gap`] says
//! which calls those are.

use std::hash::Hash;
use std::time::Duration;

use super::pace::Pace;
use super::parse::Quota;
use super::quota_table::{KeyId, QuotaTable};
use super::window::Ring;
use crate::time::Mono;

/// The calls that a key's windows do not know of, after it was entered or got a longer window than it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    key: KeyId,
    /// Those that can have been counted before this instant only.
    before: Mono,
    /// It is a gap of the windows that are longer than this.
    longer_than: Duration,
}

impl<K: Clone + Eq + Hash> QuotaTable<K> {
    /// The place of a key, which has this quota from `now` on; with the calls that have to be told to it.
    ///
    /// Nothing is missing to a key that no call was made under. Whether one was, the caller knows.
    pub fn revise(&mut self, key: &K, quota: &Quota, now: Mono) -> (KeyId, Option<Gap>) {
        if let Some(id) = self.find(key) {
            return (id, self.change(id, quota, now));
        }
        let id = self.key(key, quota);
        (id, Some(Gap { key: id, before: Mono(i64::MAX), longer_than: Duration::ZERO }))
    }

    /// The place of a key that was entered before.
    pub fn find(&self, key: &K) -> Option<KeyId> {
        self.ids.get(key).copied()
    }

    pub(super) fn change(&mut self, id: KeyId, quota: &Quota, now: Mono) -> Option<Gap> {
        let state = &mut self.states[id.index()];
        if state.rings.iter().map(Ring::window).eq(quota.windows().iter().copied()) {
            return None;
        }
        // What is back by now goes out of every window, so that it is exactly known what a longer one is not told.
        for ring in &mut state.rings {
            ring.returning(now);
        }
        let older = std::mem::take(&mut state.rings);
        state.rings = quota.windows().iter().map(|&window| Ring::heir(window, &older)).collect();
        state.reserves.change(quota, now);
        state.pace = Pace::under(quota);
        let longest = Ring::longest(&older)?;
        let gap = Gap { key: id, before: longest.forgotten_before(now), longer_than: longest.span() };
        (quota.span_max() > longest.span()).then_some(gap)
    }

    /// Enters a call that may lie in a gap: counted at `from` at the earliest and at `by` at the latest.
    pub fn recall(&mut self, gap: &Gap, from: Mono, by: Mono) {
        if from >= gap.before {
            return;
        }
        let state = &mut self.states[gap.key.index()];
        state.rings.iter_mut().filter(|ring| ring.span() > gap.longer_than).for_each(|ring| ring.give_back(by));
        state.reserves.recall(gap.longer_than, by);
    }

    /// Grants nothing of a key until it is [unfrozen](Self::unfreeze).
    pub fn freeze(&mut self, key: KeyId) {
        self.states[key.index()].is_frozen = true;
    }

    /// Grants again.
    pub fn unfreeze(&mut self, key: KeyId) {
        self.states[key.index()].is_frozen = false;
    }
}

#[cfg(test)]
mod proptests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Class, Reserve};

    const SECOND: i64 = 1_000_000;

    fn key(name: &str) -> String {
        name.to_owned()
    }

    fn quota(text: &str) -> Quota {
        text.parse().unwrap()
    }

    /// A key with a reply at each of these seconds.
    fn table(text: &str, seconds: &[i64]) -> (QuotaTable<String>, KeyId) {
        let mut table = QuotaTable::default();
        let (id, gap) = table.revise(&key("a"), &quota(text), Mono(0));
        assert!(gap.is_some(), "a new key knows of nothing");
        for at in seconds {
            table.restore(&[id], Mono(at * SECOND));
        }
        (table, id)
    }

    #[test]
    fn the_finest_window_that_reaches_back_far_enough_is_inherited() {
        // The hour's cells are 3.6 s wide: inherited from it, the call of second 0 would be back at 63.6 s.
        let (mut table, id) = table("150000/h, 20/min", &[0]);
        assert_eq!(table.revise(&key("a"), &quota("1/min"), Mono(SECOND)), (id, None));
        assert_eq!(table.free(id, Class::LOWEST, Mono(60 * SECOND)), 0);
        assert_eq!(table.free(id, Class::LOWEST, Mono(60 * SECOND + 1)), 1);
    }

    #[test]
    fn an_instant_is_not_rounded_up_again_with_each_change() {
        let (mut table, id) = table("2/min", &[0]);
        for n in 0..1_000 {
            table.revise(&key("a"), &quota(if n % 2 == 0 { "1/min" } else { "2/min" }), Mono(n));
        }
        table.revise(&key("a"), &quota("1/min"), Mono(SECOND));
        assert_eq!(
            (table.free(id, Class::LOWEST, Mono(60 * SECOND)), table.free(id, Class::LOWEST, Mono(60 * SECOND + 1))),
            (0, 1)
        );
    }

    #[test]
    fn only_what_was_forgotten_is_recalled_and_only_to_the_longer_window() {
        let (mut table, id) = table("20/10s", &[0, 5, 12]);
        let (_, gap) = table.revise(&key("a"), &quota("20/10s, 5/min"), Mono(15 * SECOND));
        let gap = gap.unwrap();
        // A ledger tells of all three. The call of second 5 is back at 15 s and a microsecond: still known.
        for at in [0, 5, 12] {
            table.recall(&gap, Mono(at * SECOND), Mono(at * SECOND));
        }
        assert_eq!(table.free(id, Class::LOWEST, Mono(15 * SECOND)), 2);
        let used: Vec<u32> = table.usage_of(id, Mono(15 * SECOND)).windows.iter().map(|(_, used)| *used).collect();
        assert_eq!(used, [2, 3]);
        assert_eq!(table.free(id, Class::LOWEST, Mono(60 * SECOND)), 2);
        assert_eq!(table.free(id, Class::LOWEST, Mono(60 * SECOND + 1)), 3);
    }

    #[test]
    fn a_coarse_window_has_forgotten_by_whole_cells() {
        // 2000 in 10 s: cells of 10 ms.
        let (mut table, id) = table("2000/10s", &[]);
        for at in [4_999_999, 5_000_000] {
            table.restore(&[id], Mono(at));
        }
        let now = Mono(15_009_999);
        let (_, gap) = table.revise(&key("a"), &quota("2000/10s, 100/min"), now);
        let gap = gap.unwrap();
        for at in [4_999_999, 5_000_000] {
            table.recall(&gap, Mono(at), Mono(at));
        }
        let used: Vec<u32> = table.usage_of(id, now).windows.iter().map(|(_, used)| *used).collect();
        assert_eq!(used, [1, 2]);
    }

    #[test]
    fn a_key_on_hold_grants_nothing() {
        let (mut table, id) = table("20/s", &[]);
        table.freeze(id);
        assert_eq!(table.check(&[id], Class::LOWEST, Mono(0)).unwrap_err().until, None);
        assert_eq!(table.free(id, Class::LOWEST, Mono(0)), 0);
        table.unfreeze(id);
        assert!(table.take(&[id], Class::LOWEST, Mono(0)).is_ok());
    }

    #[test]
    fn calls_in_flight_count_under_the_new_quota() {
        let (mut table, id) = table("20/min", &[]);
        for n in 0..3 {
            table.take(&[id], Class::LOWEST, Mono(n * SECOND)).unwrap();
        }
        table.revise(&key("a"), &quota("4/min"), Mono(3 * SECOND));
        assert_eq!(table.free(id, Class::LOWEST, Mono(3 * SECOND)), 1);
        table.give_back(&[id], Class::LOWEST, Some(Mono(3 * SECOND)));
        assert_eq!(table.free(id, Class::LOWEST, Mono(4 * SECOND)), 1);
    }

    #[test]
    fn a_reserve_is_told_what_its_longer_window_does_not_know() {
        let reserve = Reserve::NONE.keep(8, 0.5);
        let mut table = QuotaTable::new(reserve);
        let (id, _) = table.revise(&key("a"), &quota("20/10s"), Mono(0));
        for at in 0..4 {
            table.restore(&[id], Mono(at * SECOND));
        }
        let (_, gap) = table.revise(&key("a"), &quota("20/10s, 10/min"), Mono(30 * SECOND));
        for at in 0..4 {
            table.recall(&gap.unwrap(), Mono(at * SECOND), Mono(at * SECOND));
        }
        table.raise_demand(&[id], Class::LOWEST, reserve.class_of(9));
        assert_eq!(table.free(id, Class::LOWEST, Mono(30 * SECOND)), 1, "five of ten are kept, four are spent");
        assert_eq!(table.free(id, Class::OWN, Mono(30 * SECOND)), 6);
    }
}
