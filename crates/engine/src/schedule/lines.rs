//! Where lanes wait: the lines of quota keys, of app gates and of slots, and the alarms of keys.
//!
//! A line is woken one lane at a time; a lane that used its permit, or could not, wakes the next. So a waiting lane costs
//! nothing, and lanes that share a key take turns.

use std::time::Duration;

use tracing::trace;

use super::{Blocked, Class, KeyId, LaneId, Mono, Next, Schedule};

impl Schedule {
    /// Says for what a lane waits; nothing can be done for it now.
    pub(super) fn waits(&self, id: LaneId, why: &'static str) -> Option<Next> {
        trace!(lane = %self.lanes[id].key, why, "a lane waits");
        None
    }

    pub(super) fn pass_gate(&mut self, id: LaneId, now: Mono) -> Option<bool> {
        let app = self.lanes[id].key.app.clone();
        let gate = self.gate(&app);
        match gate.gate.pass(now) {
            Ok(probe) => Some(probe),
            Err(Some(at)) => {
                self.lane_timers.arm(id, at);
                trace!(lane = %self.lanes[id].key, ms = millis(at.since(now)), why = "for its app's pause to end", "a lane waits");
                None
            }
            Err(None) => {
                if !gate.line.contains(&id) {
                    gate.line.push_back(id);
                }
                trace!(lane = %self.lanes[id].key, why = "for its app's probe to be answered", "a lane waits");
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

    /// Puts a lane into the line of the key that decides: at its class's head if it was woken from there just now.
    pub(super) fn wait_for(&mut self, id: LaneId, class: Class, blocked: Blocked, now: Mono) {
        let key = blocked.key;
        let ms = blocked.until.map(|at| millis(at.since(now)));
        trace!(lane = %self.lanes[id].key, ms, why = "for a permit of its quota", "a lane waits");
        let lane = &mut self.lanes[id];
        let stands = lane.lines.iter().position(|(line, _)| *line == key);
        if stands.is_none_or(|at| lane.lines[at].1.class() != class) {
            // Its next job is of another class than when it queued up.
            if let Some(at) = stands {
                self.book.leave_line(key, lane.lines.swap_remove(at).1);
            }
            let first = lane.woken_by == Some((key, class));
            lane.lines.push((key, self.book.queue_up(key, id, class, first)));
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
            if !self.lanes[id].lines.iter().any(|(line, _)| *line == key) {
                self.wake_line(key, now);
            }
        }
    }

    /// Wakes the first of a key's line if there is a permit for it; its turn wakes the next, or else the alarm does.
    ///
    /// What the first cannot have, being of the highest class that waits, nobody behind it can.
    pub(super) fn wake_line(&mut self, key: KeyId, now: Mono) {
        let Some(class) = self.book.first_in_line(key) else { return };
        if self.book.free(key, class, now) == 0 {
            return self.arm(key, now);
        }
        if let Some(id) = self.book.next_in_line(key) {
            let lane = &mut self.lanes[id];
            lane.lines.retain(|(line, _)| *line != key);
            lane.woken_by = Some((key, class));
            self.make_ready(id);
        }
    }

    /// Tells the book that a lane's next job is of a higher class than before, if it is: more is kept from now on.
    pub(super) fn want(&mut self, id: LaneId) {
        let lane = &mut self.lanes[id];
        let class = lane.class(&self.limits.reserve);
        if class > lane.wants {
            self.book.want(&lane.keys, lane.wants, class);
            lane.wants = class;
        }
    }

    /// Tells the book the class of a lane's next job, be it higher or lower than before.
    pub(super) fn note_class(&mut self, id: LaneId, now: Mono) {
        self.want(id);
        let lane = &mut self.lanes[id];
        let class = lane.class(&self.limits.reserve);
        if class == lane.wants {
            return;
        }
        self.book.unwant(&lane.keys, lane.wants, class, now);
        lane.wants = class;
        // What is kept no more may be free for those who wait.
        for index in 0..self.lanes[id].keys.len() {
            self.arm(self.lanes[id].keys[index], now);
        }
    }

    /// Sets the alarm of a key that has a line; a permit that waits for a reply needs none.
    fn arm(&mut self, key: KeyId, now: Mono) {
        let Some(class) = self.book.first_in_line(key) else { return };
        let at = match self.book.check(&[key], class, now) {
            Ok(()) => now + Duration::from_micros(1),
            Err(Blocked { until: Some(at), .. }) => at,
            Err(Blocked { until: None, .. }) => return,
        };
        self.key_timers.arm(key, at);
    }
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
