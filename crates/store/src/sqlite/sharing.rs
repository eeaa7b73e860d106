//! Several processes on one ledger: who a process is, and which lanes are its.

use std::collections::HashSet;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::driver::{Conn, Error, Kind, Result};
use paceline_domain::job::LaneKey;
use paceline_domain::time::micros;
use paceline_ports::QuotaDomain;

/// One start of a process: a number drawn at random, because names of hosts and processes come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(pub(crate) i64);

#[cfg_attr(not(test), expect(dead_code, reason = "one process alone works a file"))]
impl Owner {
    pub(crate) fn draw() -> Result<Self> {
        let mut bytes = [0; 8];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| Error::new(Kind::Environment, "the system gives no random numbers"))?;
        Ok(Self(i64::from_ne_bytes(bytes).saturating_abs()))
    }
}

/// How a process shares a ledger with others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sharing {
    pub(crate) owner: Owner,
    /// How long a claim on a row of the outbox lasts.
    pub(crate) claim: Duration,
    /// How long a domain is owned without being asked for again.
    pub(crate) lease: Duration,
}

/// The end of so long a time from now, by the database's clock.
pub(super) fn end_of(conn: &Conn, time: Duration) -> Result<(i64, i64)> {
    let now = conn.now()?;
    Ok((now, now.saturating_add(micros(time))))
}

/// The lanes of a domain; `None` for all there are.
pub(crate) fn lanes_of(conn: &Conn, domain: &QuotaDomain) -> Result<Option<HashSet<i64>>> {
    if domain.is_whole() {
        return Ok(None);
    }
    let lanes: Vec<(i64, LaneKey)> = conn.query("SELECT lane, app, tenant, method FROM lanes", &[], |row| {
        Ok((row.get(0)?, LaneKey { app: row.get(1)?, tenant: row.get(2)?, method: row.get(3)? }))
    })?;
    Ok(Some(lanes.into_iter().filter(|(_, key)| domain.covers(key)).map(|(lane, _)| lane).collect()))
}
