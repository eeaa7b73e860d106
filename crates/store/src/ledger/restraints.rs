//! What throttles calls beyond the quotas, replaced as a whole.

use std::collections::HashSet;
use std::time::Duration;

use crate::driver::{Conn, Result, Row, values};
use crate::facts;
use paceline_domain::catalog::QuotaScope;
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::Failure;
use paceline_domain::quota::{Key, Window};
use paceline_domain::time::micros;
use paceline_ports::{Restrained, Restraint, RestraintKind};

const APP: &str = "app";
const LANE: &str = "lane";
/// In front of a quota key's scope, which may be called `app` as well.
const KEY: &str = "key:";

/// The numbers of a [`RestraintKind`] as columns.
#[derive(Default)]
#[expect(clippy::struct_field_names, reason = "they are the columns' names")]
struct Level {
    kind: &'static str,
    level: f64,
    top: f64,
    span_us: i64,
    patience: u32,
}

impl Level {
    fn of(kind: &RestraintKind) -> Self {
        match *kind {
            RestraintKind::Pause { refusals } => Self { kind: "pause", level: refusals.into(), ..Self::default() },
            RestraintKind::Rate { per_s, refused_at } => {
                Self { kind: "rate", level: per_s, top: refused_at, ..Self::default() }
            }
            RestraintKind::Concurrency { limit, max } => {
                Self { kind: "concurrency", level: limit.into(), top: max.into(), ..Self::default() }
            }
            RestraintKind::Limit { window, limit, patience } => Self {
                kind: "limit",
                level: limit.into(),
                top: window.limit.into(),
                span_us: micros(window.span),
                patience,
            },
        }
    }

    fn read(row: &Row<'_>) -> Result<Option<RestraintKind>> {
        let (level, top): (f64, f64) = (row.get(5)?, row.get(6)?);
        let span = Duration::from_micros(row.get::<i64>(7)?.unsigned_abs());
        Ok(Some(match row.get::<String>(0)?.as_str() {
            "pause" => RestraintKind::Pause { refusals: level as u32 },
            "rate" => RestraintKind::Rate { per_s: level, refused_at: top },
            "concurrency" => RestraintKind::Concurrency { limit: level as u32, max: top as u32 },
            "limit" => RestraintKind::Limit {
                window: Window { limit: top as u32, span },
                limit: level as u32,
                patience: row.get(8)?,
            },
            _ => return Ok(None),
        }))
    }
}

/// Replaces what is recorded of a domain.
pub(crate) fn set(conn: &Conn, domain: &str, restraints: &[Restraint]) -> Result<()> {
    conn.send("DELETE FROM restraints WHERE domain = $1", values![domain])?;
    let insert = "INSERT INTO restraints (kind, app, scope, owner, method, level, top, span_us, patience, since, until,
             http_status, code, detail, cure, log_id, domain)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    for restraint in restraints {
        let (scope, owner, method) = match &restraint.target {
            Restrained::App => (APP.to_owned(), "", ""),
            Restrained::Lane(lane) => (LANE.to_owned(), lane.tenant.as_str(), lane.method.as_str()),
            Restrained::Key(key) => (format!("{KEY}{}", key.scope), key.owner.as_str(), key.method.as_str()),
        };
        let Level { kind, level, top, span_us, patience } = Level::of(&restraint.kind);
        let Restraint { app, since, until, cause, .. } = restraint;
        let Failure { status, code, log_id, .. } = cause;
        let (detail, cure) = (facts::detail(Some(cause)), facts::cure(Some(cause)));
        conn.send(
            insert,
            values![
                kind, app, scope, owner, method, level, top, span_us, patience, since, until, status, code, detail,
                cure, log_id, domain
            ],
        )?;
    }
    Ok(())
}

/// All of them, in their order. One of a kind that a later version wrote is left out.
pub(crate) fn read(conn: &Conn) -> Result<Vec<Restraint>> {
    let all = "SELECT kind, app, scope, owner, method, level, top, span_us, patience, since, until, http_status, code,
             detail, cure, log_id
         FROM restraints ORDER BY n";
    let found = conn.query(all, &[], restraint)?;
    Ok(found.into_iter().flatten().collect())
}

/// Those of these domains, likewise.
pub(crate) fn of_domains(conn: &Conn, domains: &HashSet<String>) -> Result<Vec<Restraint>> {
    let all = "SELECT kind, app, scope, owner, method, level, top, span_us, patience, since, until, http_status, code,
             detail, cure, log_id, domain
         FROM restraints ORDER BY n";
    let found = conn.query(all, &[], |row| {
        let domain: String = row.get(16)?;
        if domains.contains(&domain) { restraint(row) } else { Ok(None) }
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// The domains that have any.
pub(crate) fn domains(conn: &Conn) -> Result<HashSet<String>> {
    Ok(conn.query("SELECT DISTINCT domain FROM restraints", &[], |row| row.get(0))?.into_iter().collect())
}

/// Forgets those of an app; says how many.
pub(crate) fn remove(conn: &Conn, app: &str) -> Result<usize> {
    conn.execute("DELETE FROM restraints WHERE app = $1", values![app])
}

fn restraint(row: &Row<'_>) -> Result<Option<Restraint>> {
    let app: String = row.get(1)?;
    let (scope, owner, method): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
    let target = match (scope.as_str(), scope.strip_prefix(KEY).and_then(quota_scope)) {
        (APP, _) => Restrained::App,
        (LANE, _) => Restrained::Lane(LaneKey { app: app.clone(), tenant: owner, method }),
        (_, Some(scope)) => Restrained::Key(Key { scope, owner, method }),
        (_, None) => return Ok(None),
    };
    let Some(kind) = Level::read(row)? else { return Ok(None) };
    Ok(Some(Restraint { target, app, kind, since: row.get(9)?, until: row.get(10)?, cause: facts::failure(row, 11)? }))
}

fn quota_scope(name: &str) -> Option<QuotaScope> {
    let all = [QuotaScope::AppTenant, QuotaScope::Corp, QuotaScope::App, QuotaScope::Host];
    all.into_iter().find(|scope| scope.to_string() == name)
}
