//! Lanes of a process that is one of several: those that are its own, and those that are not, or perhaps not.

use std::sync::Arc;

use super::Schedule;
use super::backlog::Backlog;
use super::lane::Lane;
use super::ticket::{LaneId, Ticket};
use paceline_domain::job::LaneKey;
use paceline_domain::time::Mono;

/// Whose a lane is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Whose {
    /// This process's.
    #[default]
    Ours,
    /// This process cannot tell at the moment: nothing is sent, and its jobs stay.
    Doubtful,
    /// Another one's: its jobs are not here.
    Others,
}

impl Schedule {
    /// The lanes that `is_in` names are another process's from now on.
    pub(crate) fn disown(&mut self, is_in: impl Fn(&LaneKey) -> bool, now: Mono) {
        for id in self.ids_in(is_in) {
            let lane = &mut self.lanes[id];
            lane.whose = Whose::Others;
            lane.drop_calls();
            lane.backlog = Backlog::default();
            lane.forget_uncertain();
            lane.asks_since = None;
            self.note_class(id, now);
            self.queues.make_ready(id);
        }
    }

    /// They are this process's from now on.
    pub(crate) fn own(&mut self, is_in: impl Fn(&LaneKey) -> bool) {
        for id in self.ids_in(is_in) {
            self.lanes[id].whose = Whose::Ours;
            self.queues.make_ready(id);
        }
    }

    /// Whether a lane is this process's cannot be told: it waits, and its jobs stay.
    pub(crate) fn doubt(&mut self, lane: &LaneKey) {
        if let Some(id) = self.lanes.find(lane).filter(|id| self.lanes[*id].whose == Whose::Ours) {
            self.lanes[id].whose = Whose::Doubtful;
        }
    }

    /// Lets those lanes go on that are surely this process's again.
    pub(crate) fn reclaim(&mut self, is_owned: impl Fn(&LaneKey) -> bool) {
        for id in self.lanes.ids() {
            if self.lanes[id].whose == Whose::Doubtful && is_owned(&self.lanes[id].key) {
                self.lanes[id].whose = Whose::Ours;
                self.queues.make_ready(id);
            }
        }
    }

    /// Lanes that have jobs in flight or being verified, or (`also_waiting`) any at all.
    pub(crate) fn busy(&self, also_waiting: bool) -> Vec<Arc<LaneKey>> {
        let is_busy = |lane: &&Lane| lane.running() > 0 || (also_waiting && lane.waiting() > 0);
        self.lanes.iter().filter(is_busy).map(|lane| Arc::clone(&lane.key)).collect()
    }

    /// The lane that a permit was granted to.
    pub(crate) fn key_of(&self, ticket: Ticket) -> Arc<LaneKey> {
        Arc::clone(&self.lanes[ticket.lane].key)
    }

    fn ids_in(&self, is_in: impl Fn(&LaneKey) -> bool) -> Vec<LaneId> {
        self.lanes.ids().filter(|id| is_in(&self.lanes[*id].key)).collect()
    }
}
