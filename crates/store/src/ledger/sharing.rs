//! Several processes on one ledger: who a process is, and which lanes are its.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::driver::{Conn, Error, Kind, Result};
use paceline_domain::job::LaneKey;
use paceline_domain::time::micros;
use paceline_ports::clock::Clock;
use paceline_ports::location::Server;
use paceline_ports::{CLAIM, LedgerError, QuotaDomain};

/// How far the clock of a machine that makes calls may be from the database's.
pub(crate) const SKEW_MAX: Duration = Duration::from_secs(1);

/// One start of a process: a number drawn at random, because names of hosts and processes come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner(pub(crate) i64);

impl Owner {
    pub(crate) fn draw() -> Result<Self> {
        let mut bytes = [0; 8];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| Error::new(Kind::Environment, "the system gives no random numbers"))?;
        Ok(Self(i64::from_ne_bytes(bytes).saturating_abs()))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
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

impl Sharing {
    /// That of a process which begins now.
    pub(super) fn of(server: &Server) -> Result<Self> {
        Ok(Self { owner: Owner::draw()?, claim: CLAIM, lease: server.lease })
    }
}

/// Refuses a machine whose clock is not the database's: what it records of its calls is what others count by.
pub(crate) fn refuse_skew(conn: &Conn, clock: &Clock) -> std::result::Result<(), LedgerError> {
    let before = clock.now().0;
    let there = conn.now()?;
    let after = clock.now().0;
    // Somewhere in between the database looked at its clock.
    let ahead = before.saturating_sub(there).max(there.saturating_sub(after));
    if ahead <= micros(SKEW_MAX) {
        return Ok(());
    }
    let seconds = ahead / 1_000_000;
    let how = if before > there { "ahead of" } else { "behind" };
    Err(LedgerError::Failed(format!(
        "this machine's clock is {seconds} s {how} the database's: quotas are counted by it; set both clocks by NTP"
    )))
}

/// The end of so long a time from now, by the database's clock.
pub(super) fn end_of(conn: &Conn, time: Duration) -> Result<(i64, i64)> {
    let now = conn.now()?;
    Ok((now, now.saturating_add(micros(time))))
}

/// The lanes of a domain; `None` for all there are.
pub(crate) fn lanes_of(conn: &Conn, domain: &QuotaDomain) -> Result<Option<HashSet<i64>>> {
    if domain.is_whole() {
        Ok(None)
    } else {
        covered(conn, domain, "SELECT lane, app, tenant, method FROM lanes").map(Some)
    }
}

/// Those of a domain among the lanes that a statement gives, each with its app, tenant and method.
pub(crate) fn covered(conn: &Conn, domain: &QuotaDomain, lanes: &str) -> Result<HashSet<i64>> {
    let lanes: Vec<(i64, LaneKey)> = conn.query(lanes, &[], |row| {
        Ok((row.get(0)?, LaneKey { app: row.get(1)?, tenant: row.get(2)?, method: row.get(3)? }))
    })?;
    Ok(lanes.into_iter().filter(|(_, key)| domain.covers(key)).map(|(lane, _)| lane).collect())
}
