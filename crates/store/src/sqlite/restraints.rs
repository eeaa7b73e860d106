//! What holds calls back beyond the quotas, replaced as a whole.

use std::time::Duration;

use rusqlite::{Row, named_params};

use super::books::{Books, Trouble};
use crate::driver::Conn;
use paceline_domain::catalog::QuotaScope;
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::Failure;
use paceline_domain::quota::{Key, Window};
use paceline_domain::time::{Timestamp, micros};
use paceline_ports::{Hold, Restrained, Restraint};

const APP: &str = "app";
const LANE: &str = "lane";
/// In front of a quota key's scope, which may be called `app` as well.
const KEY: &str = "key:";

/// The numbers of a [`Hold`] as columns.
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
    fn of(hold: &Hold) -> Self {
        match *hold {
            Hold::Pause { refusals } => Self { kind: "pause", level: refusals.into(), ..Self::default() },
            Hold::Rate { per_s, refused_at } => Self { kind: "rate", level: per_s, top: refused_at, ..Self::default() },
            Hold::Concurrency { limit, max } => {
                Self { kind: "concurrency", level: limit.into(), top: max.into(), ..Self::default() }
            }
            Hold::Limit { window, limit, patience } => Self {
                kind: "limit",
                level: limit.into(),
                top: window.limit.into(),
                span_us: micros(window.span),
                patience,
            },
        }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Option<Hold>> {
        let (level, top): (f64, f64) = (row.get("level")?, row.get("top")?);
        let span = Duration::from_micros(row.get::<_, i64>("span_us")?.unsigned_abs());
        Ok(Some(match row.get_ref("kind")?.as_str()? {
            "pause" => Hold::Pause { refusals: level as u32 },
            "rate" => Hold::Rate { per_s: level, refused_at: top },
            "concurrency" => Hold::Concurrency { limit: level as u32, max: top as u32 },
            "limit" => Hold::Limit {
                window: Window { limit: top as u32, span },
                limit: level as u32,
                patience: row.get("patience")?,
            },
            _ => return Ok(None),
        }))
    }
}

/// Replaces what is recorded.
pub(crate) fn set(books: &Books, restraints: &[Restraint]) -> Result<(), Trouble> {
    books.conn().prepare_cached("DELETE FROM restraints")?.execute([])?;
    let mut insert = books.conn().prepare_cached(
        "INSERT INTO restraints (kind, app, scope, owner, method, level, top, span_us, patience, since, until,
             http_status, code, detail, cure, log_id)
         VALUES (:kind, :app, :scope, :owner, :method, :level, :top, :span_us, :patience, :since, :until,
             :status, :code, :detail, :cure, :log_id)",
    )?;
    for restraint in restraints {
        let (scope, owner, method) = match &restraint.target {
            Restrained::App => (APP.to_owned(), "", ""),
            Restrained::Lane(lane) => (LANE.to_owned(), lane.tenant.as_str(), lane.method.as_str()),
            Restrained::Key(key) => (format!("{KEY}{}", key.scope), key.owner.as_str(), key.method.as_str()),
        };
        let level = Level::of(&restraint.hold);
        insert.execute(named_params! {
            ":kind": level.kind,
            ":app": restraint.app,
            ":scope": scope,
            ":owner": owner,
            ":method": method,
            ":level": level.level,
            ":top": level.top,
            ":span_us": level.span_us,
            ":patience": level.patience,
            ":since": restraint.since.0,
            ":until": restraint.until.map(|at| at.0),
            ":status": restraint.cause.status,
            ":code": restraint.cause.code,
            ":detail": restraint.cause.detail,
            ":cure": restraint.cause.cure,
            ":log_id": restraint.cause.log_id,
        })?;
    }
    Ok(())
}

/// All of them, in their order. One of a kind that a later version wrote is left out.
pub(crate) fn read(conn: &Conn) -> rusqlite::Result<Vec<Restraint>> {
    let mut statement = conn.prepare_cached("SELECT * FROM restraints ORDER BY n")?;
    let found = statement.query_map([], restraint)?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// Forgets those of an app; says how many.
pub(crate) fn remove(books: &Books, app: &str) -> Result<usize, Trouble> {
    Ok(books.conn().prepare_cached("DELETE FROM restraints WHERE app = ?1")?.execute([app])?)
}

fn restraint(row: &Row<'_>) -> rusqlite::Result<Option<Restraint>> {
    let app: String = row.get("app")?;
    let (scope, owner, method): (String, String, String) = (row.get("scope")?, row.get("owner")?, row.get("method")?);
    let target = match (scope.as_str(), scope.strip_prefix(KEY).and_then(quota_scope)) {
        (APP, _) => Restrained::App,
        (LANE, _) => Restrained::Lane(LaneKey { app: app.clone(), tenant: owner, method }),
        (_, Some(scope)) => Restrained::Key(Key { scope, owner, method }),
        (_, None) => return Ok(None),
    };
    let Some(hold) = Level::read(row)? else { return Ok(None) };
    Ok(Some(Restraint {
        target,
        app,
        hold,
        since: Timestamp(row.get("since")?),
        until: row.get::<_, Option<i64>>("until")?.map(Timestamp),
        cause: Failure {
            status: row.get("http_status")?,
            code: row.get("code")?,
            detail: row.get("detail")?,
            cure: row.get("cure")?,
            log_id: row.get("log_id")?,
            candidates: Vec::new(),
        },
    }))
}

fn quota_scope(name: &str) -> Option<QuotaScope> {
    let all = [QuotaScope::AppTenant, QuotaScope::Corp, QuotaScope::App, QuotaScope::Host];
    all.into_iter().find(|scope| scope.to_string() == name)
}
