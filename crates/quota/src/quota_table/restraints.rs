//! What holds a key back beyond its quota: the pause after a refusal, and working limits while somebody else uses it.

use std::hash::Hash;
use std::time::Duration;

use super::{KeyId, Mono, Pause, Probes, QuotaTable, Refusal, State, Window};
use crate::foreign_use::{Lowered, SPAN_MAX};
use crate::window::Ring;

/// Somebody else's use of a key is told at most this often.
const TELL_EVERY: Duration = Duration::from_secs(600);

/// A key's last refusal that said something new.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    at: Mono,
    /// The window that it points at, by position.
    blamed: Option<usize>,
    lowered: bool,
}

/// What a refusal changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// The end of a pause that began with it.
    pub paused: Option<Mono>,
    /// Whether a working limit was lowered by it.
    pub lowered: bool,
}

/// Somebody else seems to use a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The window as documented.
    pub window: Window,
    /// The working limit: what it had taken of our calls, or half of the limit before if that is more.
    pub limit: u32,
}

/// A working limit below the documented one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoweredWindow {
    /// The window as documented.
    pub window: Window,
    /// The working limit.
    pub limit: u32,
    /// Clean spans before it is raised.
    pub patience: u32,
    /// When it is raised next; `None` while the key is paused.
    pub raise_at: Option<Mono>,
}

impl<K: Clone + Eq + Hash> QuotaTable<K> {
    /// Notes that a call with these keys, granted at `granted`, was refused for its pace: the first key pauses.
    pub fn refuse(
        &mut self,
        keys: &[KeyId],
        probes: Probes,
        granted: Mono,
        now: Mono,
        refusal: Refusal<'_>,
    ) -> Refused {
        self.answered(keys, probes, None);
        let Some(&main) = keys.first() else { return Refused::default() };
        let is_kept = keys.iter().all(|key| self.states[key.index()].is_kept(now));
        let state = &mut self.states[main.index()];
        let was_probe = probes.has(0);
        let is_fresh = was_probe || state.pause.until().is_none();
        state.pause.refuse(now, was_probe, refusal.reset, refusal.blocks);
        let until = state.pause.until().unwrap_or(now);
        state.rings.iter_mut().filter_map(|ring| ring.lowered_mut().as_mut()).for_each(Lowered::pause);
        let lowered = is_kept && state.suspect(granted, refusal.reset, now);
        Refused { paused: is_fresh.then_some(until), lowered }
    }

    /// Whether somebody else seems to use a key: said once, when the calls that met the same overrun have been answered.
    pub fn news_of(&mut self, key: KeyId, now: Mono) -> Option<Foreign> {
        let state = &mut self.states[key.index()];
        if !std::mem::take(&mut state.has_news) {
            return None;
        }
        let lowered = self.lowered_of(key, now).into_iter().next()?;
        Some(Foreign { window: lowered.window, limit: lowered.limit })
    }

    /// Whether a call that was granted before may still leave at `now`.
    pub fn lets(&self, keys: &[KeyId], probes: Probes, now: Mono) -> bool {
        keys.iter().enumerate().all(|(index, key)| self.states[key.index()].pause.lets(now, probes.has(index)))
    }

    /// A key's pause, which may have none.
    pub fn pause_of(&self, key: KeyId) -> &Pause {
        &self.states[key.index()].pause
    }

    /// The windows of a key whose working limit is below the documented one.
    pub fn lowered_of(&mut self, key: KeyId, now: Mono) -> Vec<LoweredWindow> {
        let rings = self.states[key.index()].rings.iter_mut();
        rings
            .filter_map(|ring| {
                let window = ring.window();
                let lowered = ring.lowered(now)?;
                let (limit, patience, raise_at) = (lowered.limit(), lowered.patience(), lowered.raise_at());
                Some(LoweredWindow { window, limit, patience, raise_at })
            })
            .collect()
    }

    /// Takes up an earlier process's pause.
    pub fn restore_pause(&mut self, key: KeyId, pause: Pause) {
        let state = &mut self.states[key.index()];
        state.pause = pause;
        state.rings.iter_mut().filter_map(|ring| ring.lowered_mut().as_mut()).for_each(Lowered::pause);
    }

    /// Takes up an earlier process's working limit of the window of this length, if there still is one.
    pub fn restore_limit(&mut self, key: KeyId, span: Duration, limit: u32, patience: u32, now: Mono) {
        let state = &mut self.states[key.index()];
        let is_open = state.pause.until().is_none();
        for ring in state.rings.iter_mut().filter(|ring| ring.span() == span) {
            let mut lowered = Lowered::restored(ring.window().limit, span, limit, patience);
            if let Some(lowered) = lowered.as_mut().filter(|_| is_open) {
                lowered.open(now);
            }
            *ring.lowered_mut() = lowered;
        }
    }

    /// Ends a key's pause now and its working limits: a person says that the cause is gone.
    pub fn lift(&mut self, key: KeyId, now: Mono) {
        let state = &mut self.states[key.index()];
        state.pause.end(now);
        state.rings.iter_mut().for_each(|ring| *ring.lowered_mut() = None);
    }
}

impl<K> State<K> {
    /// Whether every documented window was kept. It always is, unless a quota was changed to less than was in use.
    fn is_kept(&mut self, now: Mono) -> bool {
        let in_flight = self.in_flight;
        self.rings.iter_mut().all(|ring| ring.returning(now) + in_flight <= ring.window().limit)
    }

    /// Judges a refusal that no call of ours explains: `true` if it lowered a working limit.
    fn suspect(&mut self, granted: Mono, reset: Option<Duration>, now: Mono) -> bool {
        if let Some(last) = self.last.filter(|last| granted <= last.at) {
            // It left before the last refusal: it met the same overrun and says nothing new.
            if let Some(ring) = last.blamed.and_then(|index| self.rings.get_mut(index)) {
                ring.correct(last.lowered);
            }
            return false;
        }
        let is_new = !self.rings.iter_mut().any(|ring| ring.lowered(now).is_some());
        let blamed = fullest(&mut self.rings, self.in_flight, reset, now);
        let in_flight = self.in_flight;
        let lowered = blamed.is_some_and(|index| {
            let ring = &mut self.rings[index];
            let taken = (ring.returning(now) + in_flight).saturating_sub(1);
            ring.blame(taken, now)
        });
        self.last = Some(Last { at: now, blamed, lowered });
        let is_told = self.told.is_some_and(|told| now.since(told) < TELL_EVERY);
        if lowered && is_new && !is_told {
            (self.has_news, self.told) = (true, Some(now));
        }
        lowered
    }

    /// The key is open again after its probe.
    pub(super) fn reopen(&mut self, now: Mono) {
        self.rings.iter_mut().filter_map(|ring| ring.lowered_mut().as_mut()).for_each(|lowered| lowered.open(now));
    }
}

/// The window that was most likely hit, by position: the fullest of those that are a pace and not shorter than the server's
/// reset.
fn fullest(rings: &mut [Ring], in_flight: u32, reset: Option<Duration>, now: Mono) -> Option<usize> {
    // Resets are rounded up to whole seconds.
    let reset = reset.unwrap_or_default().saturating_sub(Duration::from_secs(1));
    let is_pace = |ring: &Ring| ring.span() <= SPAN_MAX;
    let fits = |ring: &Ring| is_pace(ring) && ring.span() >= reset;
    let any_fits = rings.iter().any(fits);
    let candidates = rings.iter_mut().enumerate().filter(|(_, ring)| if any_fits { fits(ring) } else { is_pace(ring) });
    candidates
        .map(|(index, ring)| (f64::from(ring.returning(now) + in_flight) / f64::from(ring.working(now).limit), index))
        .reduce(|fullest, other| if other.0 > fullest.0 { other } else { fullest })
        .map(|(_, index)| index)
}
