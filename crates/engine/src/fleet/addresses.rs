//! What the platform counts by address is divided evenly among the workers that call from it.
//!
//! A worker that comes waits until every other one has surely seen it, reads what they have sent, and then takes its
//! part. The part of one that goes stays its own until no window counts its calls any more. So the sum never exceeds the
//! whole, whatever each of them knows at the moment.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::info;

use super::Member;
use crate::planner::Planner;
use crate::ports::{Gathering, LedgerError, Replica};
use crate::runtime::Engine;
use paceline_domain::time::{Mono, Timestamp};

/// A worker that has not looked for one lease sends nothing that an address counts, and what it trusts without looking
/// ends within a second one.
const LEASES_UNTIL_SEEN: u32 = 2;

/// What a worker knows of those that call from its address.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// The longest window that counts by address.
    span: Duration,
    /// The others, and until when what they have sent may be counted.
    others: BTreeMap<String, Mono>,
    /// When it looked last, and how long it may go without.
    looked: Option<(Mono, Duration)>,
    /// Since when the others can see it, while it is not certain that they all have.
    seen_since: Option<Mono>,
    /// Up to when it knows what was sent from the address.
    known_until: Option<Timestamp>,
}

impl Sharing {
    pub(super) fn plan(&mut self, planner: &Planner) {
        self.span = planner.span_of_addresses();
    }

    /// Knows nothing any more of what was sent from the address.
    pub(super) const fn forget(&mut self) {
        self.known_until = None;
    }

    /// How long it may still go without looking.
    pub(super) fn patience(&self, now: Mono) -> Option<Duration> {
        self.looked.map(|(at, lease)| (at + lease).since(now))
    }
}

impl Member {
    /// Comes to its part of what its address allows.
    pub(super) async fn share_address(&mut self, gathering: &Gathering) -> Result<(), LedgerError> {
        let (now, wall) = self.engine.clock().both();
        let sharing = &mut self.sharing;
        let is_late = sharing.patience(now).is_none_or(|patience| patience.is_zero());
        if is_late || (self.engine.holds_addresses() && sharing.seen_since.is_none()) {
            self.engine.hold_addresses(true);
            if sharing.seen_since.replace(now).is_none() {
                sharing.known_until = sharing.looked.map(|(at, _)| wall - now.since(at));
            }
        }
        sharing.looked = Some((now, gathering.lease));
        let is_sharer =
            |other: &&Replica| other.is_alive && other.id != gathering.own && other.card.egress == self.card.egress;
        let alive: Vec<&str> = gathering.replicas.iter().filter(is_sharer).map(|other| other.id.as_str()).collect();
        let counted = now + gathering.lease + self.engine.latest_count() + sharing.span;
        sharing.others.extend(alive.iter().map(|id| ((*id).to_owned(), counted)));
        sharing.others.retain(|_, until| *until > now);
        self.engine.share_addresses(sharing.others.len() as u32 + 1);
        let Some(since) = sharing.seen_since else { return Ok(()) };
        if !alive.is_empty() && now < since + gathering.lease * LEASES_UNTIL_SEEN {
            return Ok(());
        }
        self.read_of_address().await?;
        self.sharing.seen_since = None;
        self.engine.hold_addresses(false);
        Ok(())
    }

    /// Counts what others have sent from the address while this worker did not.
    async fn read_of_address(&self) -> Result<(), LedgerError> {
        let (mono, now) = self.engine.clock().both();
        let reach = self.sharing.span + self.engine.latest_count() + self.engine.domain().clock_error();
        let since = (now - reach).max(self.sharing.known_until.unwrap_or(Timestamp(i64::MIN)));
        for call in self.fleet.past_calls(since).await? {
            self.engine.schedule().restore_part(&call.lane, self.engine.latest_count_of(&call, mono), true);
        }
        Ok(())
    }
}

impl Engine {
    fn share_addresses(&self, sharers: u32) {
        let is_new = self.schedule().share_addresses(sharers, self.clock().mono());
        if is_new {
            info!(workers = sharers, "what the platform counts by address is divided among so many workers");
            self.wake();
        }
    }

    /// Grants nothing that an address counts, or does again.
    pub(super) fn hold_addresses(&self, is_held: bool) {
        self.schedule().hold_addresses(is_held, self.clock().mono());
        self.wake();
    }

    fn holds_addresses(&self) -> bool {
        self.schedule().holds_addresses()
    }
}
