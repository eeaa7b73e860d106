//! Where lanes wait for their next turn: to be looked at, for the clock, a quota key, an app's gate or a slot.
//!
//! A line is woken one lane at a time; a lane that used its permit, or could not, wakes the next. So a waiting lane costs
//! nothing, and lanes that share a key take turns.

mod line;
mod timers;

use std::collections::VecDeque;
use std::time::Duration;

use self::line::{Line, Place};
use self::timers::Timers;
use super::ticket::{GateId, LaneId};
use paceline_domain::quota::{Blocked, Class, KeyId, QuotaTable};
use paceline_domain::time::Mono;

/// Every line that a lane can wait in.
#[derive(Default)]
pub(super) struct WaitQueues {
    /// Lanes to look at, the next one first.
    ready: VecDeque<LaneId>,
    /// Lanes that had no job before: they go before those that work off a backlog.
    fresh: VecDeque<LaneId>,
    lane_timers: Timers<LaneId>,
    key_timers: Timers<KeyId>,
    /// By the key's index.
    keys: Vec<Line>,
    /// By the gate's number.
    gates: Vec<Vec<LaneId>>,
    slots: VecDeque<LaneId>,
    /// By the lane's number.
    waiters: Vec<Waiter>,
}

/// Where one lane waits.
#[derive(Default)]
struct Waiter {
    /// Among those to look at.
    is_ready: bool,
    in_slot_line: bool,
    /// The quota keys in whose lines it is, and where.
    keys: Vec<(KeyId, Place)>,
    /// The line it was called out of for its next turn.
    woken_by: Option<(KeyId, Class)>,
}

impl WaitQueues {
    /// A new lane, which waits for nothing.
    pub(super) fn add_lane(&mut self) {
        self.waiters.push(Waiter::default());
    }

    /// Has a lane looked at, after those that are to be looked at already.
    pub(super) fn make_ready(&mut self, id: LaneId) {
        if !std::mem::replace(&mut self.waiters[id].is_ready, true) {
            self.ready.push_back(id);
        }
    }

    /// Has a lane that had no job looked at before those that work off a backlog.
    pub(super) fn make_ready_first(&mut self, id: LaneId) {
        self.waiters[id].is_ready = true;
        self.fresh.push_back(id);
    }

    /// The next lane to look at.
    pub(super) fn next_ready(&mut self) -> Option<LaneId> {
        while let Some(id) = self.fresh.pop_front().or_else(|| self.ready.pop_front()) {
            // It may be in both queues; one turn is enough.
            if std::mem::take(&mut self.waiters[id].is_ready) {
                return Some(id);
            }
        }
        None
    }

    /// Forgets what woke a lane: its turn is over.
    pub(super) fn end_turn(&mut self, id: LaneId) {
        self.waiters[id].woken_by = None;
    }

    /// Has a lane looked at when this instant comes.
    pub(super) fn wait_until(&mut self, id: LaneId, at: Mono) {
        self.lane_timers.arm(id, at);
    }

    /// Wakes those whose time has come.
    pub(super) fn ring(&mut self, table: &mut QuotaTable, now: Mono) {
        while let Some(id) = self.lane_timers.due(now) {
            self.make_ready(id);
        }
        while let Some(key) = self.key_timers.due(now) {
            self.wake_key(key, table, now);
        }
    }

    /// When the next alarm rings.
    pub(super) fn next_alarm(&mut self) -> Option<Mono> {
        self.lane_timers.next().into_iter().chain(self.key_timers.next()).min()
    }

    /// Puts a lane into the line of the key that blocks it: at its class's head if it was woken from there just now.
    pub(super) fn wait_for_key(
        &mut self,
        id: LaneId,
        class: Class,
        blocked: Blocked,
        table: &mut QuotaTable,
        now: Mono,
    ) {
        let key = blocked.key;
        if self.keys.len() <= key.index() {
            self.keys.resize_with(key.index() + 1, Line::default);
        }
        let (line, waiter) = (&mut self.keys[key.index()], &mut self.waiters[id]);
        let known = waiter.keys.iter().position(|(other, _)| *other == key);
        if known.is_none_or(|at| waiter.keys[at].1.class() != class) {
            // Its next job is of another class than when it queued up.
            if let Some(at) = known {
                line.leave(waiter.keys.swap_remove(at).1);
            }
            let first = waiter.woken_by == Some((key, class));
            waiter.keys.push((key, line.enter(id, class, first)));
        }
        match (blocked.window, blocked.until) {
            (None, Some(at)) => self.key_timers.arm(key, at),
            (Some(_), _) | (None, None) => self.arm_key(key, table, now),
        }
    }

    /// Wakes the first of a key's line if there is a permit for it; its turn wakes the next, or else the alarm does.
    ///
    /// What the first cannot have, being of the highest class that waits, nobody behind it can.
    pub(super) fn wake_key(&mut self, key: KeyId, table: &mut QuotaTable, now: Mono) {
        let Some(line) = self.keys.get_mut(key.index()) else { return };
        let Some(class) = line.class() else { return };
        if table.free(key, class, now) == 0 {
            return self.arm_key(key, table, now);
        }
        if let Some(id) = line.pop() {
            let waiter = &mut self.waiters[id];
            waiter.keys.retain(|(other, _)| *other != key);
            waiter.woken_by = Some((key, class));
            self.make_ready(id);
        }
    }

    /// Sets the alarm of a key that has a line; a permit that waits for a reply needs none.
    pub(super) fn arm_key(&mut self, key: KeyId, table: &mut QuotaTable, now: Mono) {
        let Some(class) = self.keys.get(key.index()).and_then(Line::class) else { return };
        let at = match table.check(&[key], class, now) {
            Ok(()) => now + Duration::from_micros(1),
            Err(Blocked { until: Some(at), .. }) => at,
            Err(Blocked { until: None, .. }) => return,
        };
        self.key_timers.arm(key, at);
    }

    /// Passes on the permits that woke a lane without its using them: they are for the next in line.
    pub(super) fn pass_on(&mut self, id: LaneId, keys: &[KeyId], table: &mut QuotaTable, now: Mono) {
        for &key in keys {
            if !self.waiters[id].keys.iter().any(|(other, _)| *other == key) {
                self.wake_key(key, table, now);
            }
        }
    }

    /// Takes a lane out of the lines of all keys but these.
    pub(super) fn leave_other_keys(&mut self, id: LaneId, keys: &[KeyId], table: &mut QuotaTable, now: Mono) {
        let left: Vec<_> = self.waiters[id].keys.extract_if(.., |(key, _)| !keys.contains(key)).collect();
        for (key, place) in left {
            self.keys[key.index()].leave(place);
            // It may have been the one that was to wake the next.
            self.wake_key(key, table, now);
        }
    }

    /// Puts a lane into the line of its app's gate.
    pub(super) fn wait_for_gate(&mut self, id: LaneId, gate: GateId) {
        if self.gates.len() <= gate {
            self.gates.resize_with(gate + 1, Vec::new);
        }
        let line = &mut self.gates[gate];
        if !line.contains(&id) {
            line.push(id);
        }
    }

    /// Wakes all that wait for an app's gate.
    pub(super) fn wake_gate(&mut self, gate: GateId) {
        for id in self.gates.get_mut(gate).map(std::mem::take).unwrap_or_default() {
            self.make_ready(id);
        }
    }

    /// Puts a lane into the line for slots.
    pub(super) fn wait_for_slot(&mut self, id: LaneId) {
        if !std::mem::replace(&mut self.waiters[id].in_slot_line, true) {
            self.slots.push_back(id);
        }
    }

    /// Calls the first out of the line for slots; a lane that has no use for it calls the next.
    pub(super) fn pass_slot(&mut self) {
        if let Some(id) = self.slots.pop_front() {
            self.waiters[id].in_slot_line = false;
            self.make_ready(id);
        }
    }

    /// The classes in which a lane waits for keys.
    #[cfg(test)]
    pub(super) fn classes(&self, id: LaneId) -> impl Iterator<Item = Class> {
        self.waiters[id].keys.iter().map(|(_, place)| place.class())
    }
}
