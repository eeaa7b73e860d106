//! What a fault makes of a request.

use std::time::Duration;

use bytes::Bytes;

use super::request::{SimMessage, SimReply};
use super::scenario::{Fault, FaultKind};
use super::served::Served;
use super::voice::Details;
use super::world::World;

/// The size of a huge reply when the scenario does not say: 64 MiB.
const HUGE_BYTES: usize = 64 << 20;
/// The wait that a made-up refusal announces.
const THROTTLE_WAIT: Duration = Duration::from_secs(1);

/// A fault that strikes a request, with the reply that it would have had if it was carried out.
pub(super) struct Struck<'a> {
    pub(super) served: &'a Served,
    pub(super) fault: &'a Fault,
    pub(super) carried_out: Option<SimMessage>,
}

impl Struck<'_> {
    /// What the caller gets instead; `after` grows for late replies.
    pub(super) fn reply(self, world: &mut World, after: &mut Duration) -> SimReply {
        let Self { served, fault, carried_out } = self;
        let plain = |status: u16, kind: &str, body: Bytes| {
            SimReply::Whole(SimMessage { status, headers: vec![("content-type".to_owned(), kind.to_owned())], body })
        };
        if !matches!(fault.kind, FaultKind::Late | FaultKind::Throttle | FaultKind::Code) {
            world.note_failed(served);
        }
        match fault.kind {
            FaultKind::Throttle => {
                let limit = served.rules.first().and_then(|rule| rule.quota.windows().first());
                let limit = (limit.map_or(1, |window| window.limit as usize), THROTTLE_WAIT);
                SimReply::Whole(world.over_quota(served, Some(limit), fault.header))
            }
            FaultKind::Code => {
                let details = Details { status: fault.status, ..Details::default() };
                SimReply::Whole(world.error(served, fault.code.unwrap_or(-1), &details))
            }
            FaultKind::Status => {
                let status = fault.status.unwrap_or(500);
                plain(status, "text/plain", format!("simulated HTTP {status}").into())
            }
            FaultKind::Refuse => plain(503, "text/plain", Bytes::from_static(b"simulated HTTP 503")),
            FaultKind::Html => {
                plain(200, "text/html", Bytes::from_static(b"<!doctype html><title>Sign in to this network</title>"))
            }
            FaultKind::Huge => {
                plain(200, "application/json", vec![b' '; fault.body_bytes.unwrap_or(HUGE_BYTES)].into())
            }
            FaultKind::CutBefore | FaultKind::CutAfter | FaultKind::Unreachable => SimReply::Cut,
            FaultKind::Partial => carried_out.map_or(SimReply::Cut, SimReply::Partial),
            FaultKind::Late => {
                *after += Duration::from_millis(fault.late_ms.unwrap_or_default());
                carried_out.map_or(SimReply::Cut, SimReply::Whole)
            }
        }
    }
}

impl World {
    fn note_failed(&mut self, served: &Served) {
        self.books.method(&served.method.name).failed += 1;
    }
}
