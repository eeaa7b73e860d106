//! Who changed what, as the ledger has it.

use super::Operator;
use crate::driver::{self, Conn, Row, values};
use paceline_domain::activity::{Action, Facts};
use paceline_ports::LedgerError;
use paceline_ports::operator::{ActivityFilter, ActivityLine, ActivityReports, Page};

/// Transactions of one change whose facts are put together; the rest only counts.
const PARTS_MAX: i64 = 20;

impl ActivityReports for Operator {
    fn activity(&self, filter: &ActivityFilter, before: i64, limit: usize) -> Result<Page<ActivityLine>, LedgerError> {
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
