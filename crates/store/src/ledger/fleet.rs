//! Several workers on one ledger: a row each, their leases, and what changes hands.
//!
//! Decision: docs/decisions/0055-domains-are-spread-over-replicas.md

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::Open;
use super::books::{Books, Trouble};
use super::calls;
use super::domain::SqlDomain;
use super::held::{Held, Part};
use super::leases::{self, Lease};
use super::meta;
use super::sharing::{Owner, Sharing};
use crate::driver::{Conn, Result, values};
use paceline_domain::time::Timestamp;
use paceline_ports::{Card, Domain, Fleet, Gathering, Holding, LedgerError, PastCall, QuotaDomain, Replica};

/// How long a worker that is gone is remembered, for people.
const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);

/// The history that the database had when a worker came last, and when it was seen that it has another one, in `meta`.
pub(crate) const HISTORY: &str = "history";
pub(crate) const BROKEN_AT: &str = "history_broken_at";

/// How often workers were asked to read their settings again, in `meta`.
const RELOADS: &str = "reloads";

/// A worker among several.
pub(super) struct Member {
    open: Arc<Open>,
    sharing: Sharing,
    /// Who has what, as it was read last: with thousands of domains it seldom changes from one look to the next.
    known: Arc<Mutex<Option<Known>>>,
}

type Known = (Mark, Arc<[Holding]>);

/// As long as it is the same, who has what is: an epoch grows with every new owner and never goes back.
#[derive(PartialEq, Eq)]
struct Mark {
    rows: i64,
    epochs: i64,
    owned: i64,
    /// The workers, and by which quotas each goes.
    quotas: Vec<(String, String)>,
}

impl Member {
    /// `None` where one process alone works the ledger.
    pub(super) fn of(open: &Arc<Open>) -> Option<Self> {
        Some(Self { sharing: open.sharing?, open: Arc::clone(open), known: Arc::default() })
    }
}

#[async_trait]
impl Fleet for Member {
    fn held(&self) -> Arc<dyn Domain> {
        Arc::new(SqlDomain::of(&self.open, Arc::clone(&self.open.held)))
    }

    async fn join(&self, card: Card) -> std::result::Result<(), LedgerError> {
        self.open.quotas.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&card.quotas);
        let owner = self.sharing.owner;
        // Asked outside of the transaction: not every service that speaks PostgreSQL tells.
        let history = self.open.readers.read(|conn| Ok(conn.history().unwrap_or_default())).await?;
        let join = move |books: &mut Books| {
            note_history(books.conn(), history)?;
            Ok(join(books.conn(), owner, &card)?)
        };
        self.open.writer.change(join).await?;
        if let Some(heartbeat) = &self.open.heartbeat {
            heartbeat.start();
        }
        Ok(())
    }

    async fn gathering(&self) -> std::result::Result<Gathering, LedgerError> {
        let Sharing { owner, lease, .. } = self.sharing;
        let known = Arc::clone(&self.known);
        let read = move |conn: &Conn| {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let history = conn.history().unwrap_or_default();
            conn.at_once(|conn| gathering(conn, Some(owner), (lease, history), &mut known))
        };
        self.open.readers.read(read).await
    }

    async fn past_calls(&self, since: Timestamp) -> std::result::Result<Vec<PastCall>, LedgerError> {
        let read = move |conn: &Conn| calls::past(conn, &QuotaDomain::whole(), since);
        self.open.readers.read(move |conn| conn.at_once(read)).await
    }

    async fn take(
        &self,
        wanted: Vec<QuotaDomain>,
    ) -> std::result::Result<(Vec<QuotaDomain>, Arc<dyn Domain>), LedgerError> {
        let heartbeat = self.open.heartbeat.as_ref().ok_or(LedgerError::Closed)?;
        let (sharing, before) = (self.sharing, heartbeat.before());
        let quotas = self.open.quotas.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let take = move |books: &mut Books| {
            let names: Vec<_> = wanted.iter().map(QuotaDomain::name).collect();
            let leases = match Lease::take_all(books.conn(), &names, sharing, &quotas) {
                Err(Trouble::NotOwner(_)) => Vec::new(),
                leases => leases?,
            };
            let taken = wanted.iter().zip(leases).map(|(domain, lease)| match lease {
                Ok(lease) => Ok(Some((domain.clone(), lease))),
                Err(Trouble::NotOwner(_)) => Ok(None),
                Err(trouble) => Err(trouble),
            });
            taken.filter_map(std::result::Result::transpose).collect::<std::result::Result<Vec<_>, _>>()
        };
        let taken = self.open.writer.change(take).await?;
        let parts: Vec<_> = taken
            .into_iter()
            .map(|(domain, lease)| {
                let trust = heartbeat.keep(lease.clone(), before);
                Part::of(domain, Some((lease, trust)))
            })
            .collect();
        for part in &parts {
            self.open.held.add(Arc::clone(part));
        }
        let domains = parts.iter().map(|part| part.domain().clone()).collect();
        Ok((domains, Arc::new(SqlDomain::of(&self.open, Arc::new(Held::only(parts))))))
    }

    fn open(&self, names: &[String], is_open: bool) {
        for name in names {
            self.open.held.open(name, is_open);
        }
    }

    async fn give_up(&self, domains: &[String]) -> std::result::Result<Vec<String>, LedgerError> {
        for domain in domains {
            self.open.held.remove(domain);
        }
        if let Some(heartbeat) = &self.open.heartbeat {
            heartbeat.forget(domains);
        }
        let (owner, domains) = (self.sharing.owner, domains.to_vec());
        self.open.writer.change(move |books| Ok(leases::release(books.conn(), owner, &domains)?)).await
    }

    fn lost(&self) -> Vec<(QuotaDomain, Duration)> {
        self.open.held.take_lost()
    }

    fn lease_left(&self) -> Option<f64> {
        let left = self.open.held.trusted_for()?;
        Some(left.as_secs_f64() / self.sharing.lease.as_secs_f64().max(f64::MIN_POSITIVE))
    }

    async fn ask_reload(&self) -> std::result::Result<(), LedgerError> {
        let ask = |books: &mut Books| {
            let before = meta::get(books.conn(), RELOADS)?.unwrap_or_default();
            Ok(meta::raise(books.conn(), RELOADS, before + 1)?)
        };
        self.open.writer.change(ask).await
    }

    async fn leave(&self) -> std::result::Result<(), LedgerError> {
        let owner = self.sharing.owner;
        self.open.writer.change(move |books| Ok(leave(books.conn(), owner)?)).await
    }
}

/// Puts a worker on the list, and takes those off that have been gone for long.
fn join(conn: &Conn, owner: Owner, card: &Card) -> Result<()> {
    let now = conn.now()?;
    let old = now.saturating_sub(paceline_domain::time::micros(REMEMBERED));
    conn.send("DELETE FROM replicas WHERE seen_at < $1", values![old])?;
    let Card { name, version, quotas, egress, started_at } = card;
    let join = "INSERT INTO replicas (owner, name, version, quotas, egress, started_at, seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (owner) DO UPDATE SET quotas = excluded.quotas, egress = excluded.egress, seen_at = excluded.seen_at";
    conn.send(join, values![owner.0, name, version, quotas, egress, started_at, now])?;
    let by = "UPDATE leases SET quotas = $2 WHERE owner = $1 AND quotas <> $2 AND expires_at > $3";
    conn.send(by, values![owner.0, quotas, now])
}

/// Takes it off the list.
pub(super) fn leave(conn: &Conn, owner: Owner) -> Result<()> {
    conn.send("DELETE FROM replicas WHERE owner = $1", values![owner.0])
}

/// The worker lives. `false` if it is not on the list.
pub(super) fn beat(conn: &Conn, owner: Owner) -> Result<bool> {
    let now = conn.now()?;
    Ok(conn.execute("UPDATE replicas SET seen_at = $2 WHERE owner = $1", values![owner.0, now])? > 0)
}

/// Who is there and who has what; `lease` is how long one lasts.
pub(crate) fn gathering_of_all(conn: &Conn, lease: Duration) -> Result<Gathering> {
    let history = conn.history().unwrap_or_default();
    conn.at_once(|conn| gathering(conn, None, (lease, history), &mut None))
}

fn gathering(
    conn: &Conn,
    own: Option<Owner>,
    (lease, history): (Duration, Option<i64>),
    known: &mut Option<Known>,
) -> Result<Gathering> {
    let now = conn.now()?;
    let since = |at: i64| Duration::from_micros(now.saturating_sub(at).max(0).unsigned_abs());
    let replicas = "SELECT owner, name, version, quotas, egress, started_at, seen_at FROM replicas
         ORDER BY started_at, owner";
    let replicas = conn.query(replicas, &[], |row| {
        let silent = since(row.get(6)?);
        let started_at: Timestamp = row.get(5)?;
        let card =
            Card { name: row.get(1)?, version: row.get(2)?, quotas: row.get(3)?, egress: row.get(4)?, started_at };
        Ok(Replica { id: Owner(row.get(0)?).to_string(), card, silent, is_alive: silent < lease })
    })?;
    let mark = mark(conn, &replicas, now)?;
    let holdings = match known.take().filter(|(known, _)| *known == mark) {
        Some((_, holdings)) => holdings,
        None => holdings(conn, now)?.into(),
    };
    *known = Some((mark, Arc::clone(&holdings)));
    let tenants = "SELECT DISTINCT app, tenant FROM lanes WHERE tenant <> '' ORDER BY app, tenant";
    let tenants = conn.query(tenants, &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (own, reloads) =
        (own.map(|own| own.to_string()).unwrap_or_default(), meta::get(conn, RELOADS)?.unwrap_or_default());
    let now = Timestamp(now);
    let broken_at = broken_at(conn, history, now)?;
    Ok(Gathering { own, now, broken_at, lease, replicas, holdings, reloads, tenants })
}

/// Writes down that the database has another history than when it was asked last.
fn note_history(conn: &Conn, history: Option<i64>) -> Result<()> {
    let known = meta::get(conn, HISTORY)?;
    let Some(history) = history.filter(|history| known != Some(*history)) else { return Ok(()) };
    if known.is_some() {
        meta::set(conn, BROKEN_AT, conn.now()?)?;
    }
    meta::set(conn, HISTORY, history)
}

fn broken_at(conn: &Conn, history: Option<i64>, now: Timestamp) -> Result<Option<Timestamp>> {
    let known = meta::get(conn, HISTORY)?;
    // Nobody has noted it yet.
    let is_new = history.is_some() && known.is_some() && history != known;
    Ok(if is_new { Some(now) } else { meta::get(conn, BROKEN_AT)?.map(Timestamp) })
}

fn mark(conn: &Conn, replicas: &[Replica], now: i64) -> Result<Mark> {
    let sums = "SELECT count(*), CAST(coalesce(sum(epoch), 0) AS BIGINT),
             CAST(coalesce(sum(CASE WHEN expires_at > $1 THEN 1 ELSE 0 END), 0) AS BIGINT)
         FROM leases";
    let quotas = replicas.iter().map(|replica| (replica.id.clone(), replica.card.quotas.clone())).collect();
    conn.query_one(sums, values![now], |row| {
        Ok(Mark { rows: row.get(0)?, epochs: row.get(1)?, owned: row.get(2)?, quotas })
    })
}

fn holdings(conn: &Conn, now: i64) -> Result<Vec<Holding>> {
    let holdings = "SELECT domain, owner, epoch, quotas, expires_at FROM leases ORDER BY domain";
    conn.query(holdings, &[], |row| {
        let expires_at: i64 = row.get(4)?;
        Ok(Holding {
            domain: row.get(0)?,
            owner: Owner(row.get(1)?).to_string(),
            epoch: row.get(2)?,
            quotas: row.get(3)?,
            left: Duration::from_micros(expires_at.saturating_sub(now).max(0).unsigned_abs()),
        })
    })
}
