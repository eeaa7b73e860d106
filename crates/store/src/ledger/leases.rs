//! Who owns a quota domain: a row each, and in every transaction of an owner a look whether it still is.
//!
//! Decision: docs/decisions/0048-owners-are-fenced-by-an-epoch.md

use std::collections::HashMap;

use super::books::Trouble;
use super::sharing::{Owner, Sharing, end_of};
use crate::driver::{Conn, Result, Row, values};
use crate::transfer::marks;
use paceline_domain::time::Timestamp;
use paceline_ports::QuotaDomain;

/// A domain as it was acquired.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    domain: String,
    owner: Owner,
    epoch: i64,
}

impl Lease {
    /// Takes the domain, if nobody else has it. Its epoch grows, unless it was this owner's all the time.
    /// `quotas` is a digest of those by which it is worked from now on.
    pub(crate) fn take(
        conn: &Conn,
        domain: &str,
        sharing: Sharing,
        quotas: &str,
    ) -> std::result::Result<Self, Trouble> {
        let nobody = || Err(Trouble::NotOwner(format!("nobody asked for {domain:?}")));
        Self::take_all(conn, &[domain], sharing, quotas)?.pop().unwrap_or_else(nobody)
    }

    /// Likewise, of each of these.
    pub(crate) fn take_all(
        conn: &Conn,
        domains: &[&str],
        sharing: Sharing,
        quotas: &str,
    ) -> std::result::Result<Vec<std::result::Result<Self, Trouble>>, Trouble> {
        let Sharing { owner, lease, .. } = sharing;
        let (now, until) = end_of(conn, lease)?;
        let mut others = overlapping(conn, domains, owner, now)?;
        // Whoever slept while the ledger was copied to another place takes nothing of it any more.
        marks::refuse_worker(conn)?;
        let take = "UPDATE leases SET epoch = epoch + CASE WHEN owner = $2 AND expires_at > $4 THEN 0 ELSE 1 END,
                 owner = $2, expires_at = $3, quotas = $5
             WHERE domain = $1 AND (owner = $2 OR expires_at <= $4) RETURNING domain, epoch";
        let begin = "INSERT INTO leases (domain, owner, epoch, expires_at, quotas) VALUES ($1, $2, 1, $3, $4)
             ON CONFLICT (domain) DO NOTHING RETURNING domain, epoch";
        let read = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<i64>(1)?));
        let free = domains.iter().filter(|domain| !others.contains_key(**domain));
        let asked: Vec<_> = free.map(|domain| *values![*domain, owner.0, until, now, quotas]).collect();
        let mut epochs: HashMap<_, _> = conn.query_all(take, &asked, read)?.into_iter().flatten().collect();
        let is_new = |domain: &&&str| !others.contains_key(**domain) && !epochs.contains_key(**domain);
        let asked: Vec<_> =
            domains.iter().filter(is_new).map(|domain| *values![*domain, owner.0, until, quotas]).collect();
        epochs.extend(conn.query_all(begin, &asked, read)?.into_iter().flatten());
        let lease = |domain: &&str| {
            let by = others.remove(*domain).unwrap_or_else(|| (*domain).to_owned());
            let epoch = epochs.remove(*domain);
            let epoch =
                epoch.ok_or_else(|| Trouble::NotOwner(format!("another process works the quota domain {by:?}")))?;
            Ok(Self { domain: (*domain).to_owned(), owner, epoch })
        };
        Ok(domains.iter().map(lease).collect())
    }

    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// How often the domain has changed hands.
    pub(crate) const fn epoch(&self) -> i64 {
        self.epoch
    }

    #[cfg(test)]
    pub(crate) fn for_tests(domain: &str, owner: Owner, epoch: i64) -> Self {
        Self { domain: domain.to_owned(), owner, epoch }
    }

    /// Which of these domains are still owned, whatever their clocks say. Nobody takes one over before this transaction
    /// ends: those that write take turns. The heartbeat, which changes neither owner nor epoch, need not wait for it.
    pub(crate) fn owned(conn: &Conn, leases: &[&Self]) -> Result<Vec<bool>> {
        let check = "SELECT epoch FROM leases WHERE domain = $1 AND owner = $2 AND epoch = $3";
        let asked = leases.iter().map(|lease| *values![lease.domain, lease.owner.0, lease.epoch]);
        let found = conn.query_all(check, &asked.collect::<Vec<_>>(), |row| row.get::<i64>(0))?;
        Ok(found.iter().map(Option::is_some).collect())
    }

    /// What is said where it is owned no more.
    pub(crate) fn lost(&self) -> Trouble {
        Trouble::NotOwner(format!("another process has taken over the quota domain {:?}", self.domain))
    }
}

/// Who has every lane and who has some of them go without each other: by domain, what somebody else has instead.
fn overlapping(conn: &Conn, domains: &[&str], owner: Owner, now: i64) -> Result<HashMap<String, String>> {
    let others = "SELECT CAST($1 AS TEXT), domain FROM leases WHERE expires_at > $2 AND owner <> $3
             AND domain <> $1 AND ($1 = $4 OR domain = $4) ORDER BY domain LIMIT 1";
    let asked: Vec<_> = domains.iter().map(|domain| *values![*domain, now, owner.0, QuotaDomain::WHOLE]).collect();
    Ok(conn.query_all(others, &asked, |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().flatten().collect())
}

/// Lets every lease of this owner that is not over last from now on; says which they are, by domain and epoch.
pub(crate) fn renew(conn: &Conn, sharing: Sharing) -> Result<Vec<(String, i64)>> {
    let (now, until) = end_of(conn, sharing.lease)?;
    let renew = "UPDATE leases SET expires_at = $2 WHERE owner = $1 AND expires_at > $3 RETURNING domain, epoch";
    conn.query(renew, values![sharing.owner.0, until, now], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Who works the ledger at the moment, if anybody does, and until when it is theirs: of any lease that is not over.
pub(crate) fn current(conn: &Conn) -> Result<Option<(Owner, Timestamp)>> {
    let now = conn.now()?;
    let lease = "SELECT owner, expires_at FROM leases WHERE expires_at > $1 ORDER BY domain LIMIT 1";
    conn.query_opt(lease, values![now], |row| Ok((Owner(row.get(0)?), row.get(1)?)))
}

/// Ends this owner's leases of the domains: the next one need not wait, and the epoch grows at once. Gives those that were
/// still this owner's.
pub(crate) fn release(conn: &Conn, owner: Owner, domains: &[String]) -> Result<Vec<String>> {
    let end = "UPDATE leases SET expires_at = 0, epoch = epoch + 1 WHERE domain = $1 AND owner = $2 RETURNING domain";
    let asked: Vec<_> = domains.iter().map(|domain| *values![*domain, owner.0]).collect();
    Ok(conn.query_all(end, &asked, |row| row.get(0))?.into_iter().flatten().collect())
}

/// Ends all of this owner's, likewise.
pub(crate) fn release_all(conn: &Conn, owner: Owner) -> Result<()> {
    let end = "UPDATE leases SET expires_at = 0, epoch = epoch + 1 WHERE owner = $1 AND expires_at > 0";
    conn.send(end, values![owner.0])
}
