//! Who changed what, as the ledger has it.

use serde::Serialize;

use super::{Operator, Page};
use crate::driver::{self, Conn, Row, values};
use paceline_domain::activity::{Action, Facts};
use paceline_domain::time::Timestamp;
use paceline_ports::LedgerError;

/// Transactions of one change whose facts are put together; the rest only counts.
const PARTS_MAX: i64 = 20;

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActivityLine {
    /// Its number, in order of time.
    pub seq: i64,
    /// When it began.
    pub at: Timestamp,
    /// `command`, `http` or `signal`.
    pub via: String,
    /// The user of the operating system, or the token's name.
    pub actor: String,
    /// The user's id, for commands.
    pub uid: Option<u32>,
    /// One word of [`Action`].
    pub action: String,
    /// How many jobs, letters, suspensions or settings it changed.
    pub count: i64,
    /// Of which: names and words.
    #[serde(serialize_with = "map")]
    pub facts: Facts,
}

fn map<S: serde::Serializer>(facts: &Facts, to: S) -> Result<S::Ok, S::Error> {
    facts.0.serialize(to)
}

/// Restricts the list; an absent field restricts nothing.
#[derive(Clone, Debug, Default)]
pub struct ActivityFilter {
    /// Begun then or later.
    pub since: Option<Timestamp>,
    /// By whoever has this name.
    pub actor: Option<String>,
    /// This was done.
    pub action: Option<Action>,
}

impl Operator {
    /// A page of changes, the latest first, before the number of an earlier page; 0 for the first.
    pub fn activity(
        &self,
        filter: &ActivityFilter,
        before: i64,
        limit: usize,
    ) -> Result<Page<ActivityLine>, LedgerError> {
        const SQL: &str = "SELECT seq, at, via, actor, uid, action,
                 (SELECT CAST(sum(count) AS BIGINT) FROM activity p WHERE p.change = a.change AND p.action = a.action), change
             FROM activity a
             WHERE (seq < $1 OR $1 = 0) AND (at >= $2 OR $2 IS NULL) AND (actor = $3 OR $3 IS NULL)
                 AND (action = $4 OR $4 IS NULL)
                 AND NOT EXISTS (SELECT 1 FROM activity p WHERE p.change = a.change AND p.action = a.action AND p.seq < a.seq)
             ORDER BY seq DESC LIMIT $5";
        let action = filter.action.map(Action::as_str);
        let most = limit.saturating_add(1);
        self.read_at_once(|conn| {
            let found = conn.query(SQL, values![before, filter.since, filter.actor, action, most], line)?;
            let mut lines = Vec::new();
            for (mut line, change) in found {
                line.facts = facts(conn, change, &line.action)?;
                lines.push(line);
            }
            let is_more = lines.len() > limit;
            lines.truncate(limit);
            let next = lines.last().filter(|_| is_more).map(|line| line.seq);
            Ok(Page { lines, next })
        })
    }
}

fn line(row: &Row<'_>) -> driver::Result<(ActivityLine, i64)> {
    let line = ActivityLine {
        seq: row.get(0)?,
        at: row.get(1)?,
        via: row.get(2)?,
        actor: row.get(3)?,
        uid: row.get(4)?,
        action: row.get(5)?,
        count: row.get(6)?,
        facts: Facts::default(),
    };
    Ok((line, row.get(7)?))
}

fn facts(conn: &Conn, change: i64, action: &str) -> driver::Result<Facts> {
    let parts = "SELECT facts FROM activity WHERE change = $1 AND action = $2 ORDER BY seq LIMIT $3";
    let mut all = Facts::default();
    conn.query_each(parts, values![change, action, PARTS_MAX], |row| {
        all.absorb(Facts(serde_json::from_str(&row.get::<String>(0)?).unwrap_or_default()));
        Ok(())
    })?;
    Ok(all)
}
