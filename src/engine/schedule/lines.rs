//! Where lanes wait: the lines of quota keys, of app gates and of slots, and the alarms of keys.
//!
//! A line is woken one lane at a time; a lane that used its permit, or could not, wakes the next. So a waiting lane costs
//! nothing, and lanes that share a key take turns.

use std::time::Duration;

use super::{Blocked, KeyId, LaneId, Mono, Schedule};

impl Schedule {
    pub(super) fn pass_gate(&mut self, id: LaneId, now: Mono) -> Option<bool> {
        let app = self.lanes[id].key.app.clone();
        let gate = self.gate(&app);
        match gate.gate.pass(now) {
            Ok(probe) => Some(probe),
            Err(Some(at)) => {
                self.lane_timers.arm(id, at);
                None
            }
            Err(None) => {
                if !gate.line.contains(&id) {
                    gate.line.push_back(id);
                }
                None
            }
        }
    }

    pub(super) fn wake_gate(&mut self, app: &str) {
        let line = self.gates.get_mut(app).map(|gate| std::mem::take(&mut gate.line)).unwrap_or_default();
        for id in line {
            self.make_ready(id);
        }
    }

    /// Puts a lane into the line of the key that decides: at its head if it was woken from there just now.
    pub(super) fn wait_for(&mut self, id: LaneId, blocked: Blocked, now: Mono) {
        let key = blocked.key;
        let lane = &mut self.lanes[id];
        if !lane.lines.contains(&key) {
            lane.lines.push(key);
            let first = lane.woken_by == Some(key);
            self.book.queue_up(key, id, first);
        }
        match (blocked.window, blocked.until) {
            (None, Some(at)) => self.key_timers.arm(key, at),
            (Some(_), _) | (None, None) => self.arm(key, now),
        }
    }

    /// Calls the first out of the line for slots if there is one; a lane that has no use for it calls the next.
    pub(super) fn pass_slot(&mut self) {
        if self.in_flight < self.limits.concurrency_max
            && let Some(id) = self.slot_line.pop_front()
        {
            self.lanes[id].in_slot_line = false;
            self.make_ready(id);
        }
    }

    /// A permit that woke this lane without its using it is for the next in line.
    pub(super) fn pass_on(&mut self, id: LaneId, now: Mono) {
        for index in 0..self.lanes[id].keys.len() {
            let key = self.lanes[id].keys[index];
            if !self.lanes[id].lines.contains(&key) {
                self.wake_line(key, now);
            }
        }
    }

    /// Wakes the first of a key's line if there is a permit; its turn wakes the next, or else the alarm does.
    pub(super) fn wake_line(&mut self, key: KeyId, now: Mono) {
        if !self.book.has_line(key) {
            return;
        }
        if self.book.free(key, now) == 0 {
            return self.arm(key, now);
        }
        if let Some(id) = self.book.next_in_line(key) {
            let lane = &mut self.lanes[id];
            lane.lines.retain(|line| *line != key);
            lane.woken_by = Some(key);
            self.make_ready(id);
        }
    }

    /// Sets the alarm of a key that has a line; a permit that waits for a reply needs none.
    fn arm(&mut self, key: KeyId, now: Mono) {
        let at = match self.book.check(&[key], now) {
            Ok(()) => now + Duration::from_micros(1),
            Err(Blocked { until: Some(at), .. }) => at,
            Err(Blocked { until: None, .. }) => return,
        };
        self.key_timers.arm(key, at);
    }
}
