//! Leads to jobs by their piles, in the order of take-over: jobs of other piles are not looked at.

use std::collections::HashSet;

use rusqlite::{Row, ToSql, params};

use super::tallies::{NO_CODE, Pile, WARNED, reason_of};
use crate::driver::Conn;
use crate::state::State;
use paceline_domain::reason::Reason;

/// The columns that [`read`] wants; `t` is the tally.
pub(crate) const COLUMNS: &str = "t.batch, t.lane, t.kind, t.priority, t.reason, t.code, t.n";

/// Reads the columns [`COLUMNS`], from the first: a pile, and how many are in it.
pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<(Pile, u64)> {
    let code: i64 = row.get(5)?;
    let pile = Pile {
        batch: row.get(0)?,
        lane: row.get(1)?,
        kind: row.get(2)?,
        priority: row.get(3)?,
        reason: reason_of(row.get(4)?, 4)?,
        code: (code != NO_CODE).then_some(code),
    };
    Ok((pile, u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0)))
}

/// The piles of jobs that wait, of these batches or of all, with how many are in each.
pub(crate) fn waiting(conn: &Conn, batches: Option<&HashSet<i64>>) -> rusqlite::Result<Vec<(Pile, u64)>> {
    let mut piles: Vec<_> = conn
        .prepare_cached(&format!("SELECT {COLUMNS} FROM tallies t WHERE t.kind <= 1 AND t.n > 0"))?
        .query_map([], read)?
        .collect::<rusqlite::Result<_>>()?;
    piles.retain(|(pile, _): &(Pile, u64)| batches.is_none_or(|batches| batches.contains(&pile.batch)));
    Ok(piles)
}

// The indices' own conditions have to stand there in their own words.
const WAITING: &str = "INDEXED BY jobs_waiting WHERE state <= 1
     AND batch = ?1 AND lane = ?2 AND state = ?3 AND priority = ?4 AND ?5 IS ?5";
const STOPPED: &str = "INDEXED BY jobs_stopped WHERE state IN (2, 3)
     AND batch = ?1 AND lane = ?2 AND state = ?3 AND reason IS ?4 AND code IS ?5";
const DONE: &str = "INDEXED BY jobs_done WHERE state IN (4, 5)
     AND batch = ?1 AND lane = ?2 AND state = ?3 AND (warnings IS NOT NULL) = ?4 AND ?5 IS ?5";

/// The numbers of at most `limit` jobs of these piles, the first after `after`, in order.
pub(crate) fn seqs<'p>(
    conn: &Conn,
    piles: impl IntoIterator<Item = &'p Pile>,
    after: i64,
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    let mut found: Vec<i64> = Vec::new();
    // What comes behind the last of enough jobs is not wanted.
    let mut end = i64::MAX;
    for pile in piles {
        each(conn, pile, false, (after, end, limit), |seq| {
            found.push(seq);
            true
        })?;
        if found.len() > limit {
            found.sort_unstable();
            found.truncate(limit);
            end = found.last().copied().unwrap_or(after);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The first job of the pile that will do, or the last one.
pub(crate) fn first(
    conn: &Conn,
    pile: &Pile,
    from_the_end: bool,
    mut will_do: impl FnMut(&i64) -> bool,
) -> rusqlite::Result<Option<i64>> {
    let mut first = None;
    each(conn, pile, from_the_end, (0, i64::MAX, usize::MAX), |seq| {
        let found = will_do(&seq);
        first = found.then_some(seq);
        !found
    })?;
    Ok(first)
}

/// The jobs of a pile, from its first or from its last; `None` if it is none of jobs.
pub(crate) fn sql(pile: &Pile, from_the_end: bool) -> Option<String> {
    let index = match pile.state()? {
        State::Queued | State::Uncertain => WAITING,
        State::Held | State::Dead => STOPPED,
        State::Cancelled | State::Succeeded => DONE,
    };
    let order = if from_the_end { "DESC" } else { "ASC" };
    Some(format!("SELECT seq FROM jobs {index} AND seq > ?6 AND seq < ?7 ORDER BY seq {order} LIMIT ?8"))
}

/// Calls `found` for each, until it says that this was enough.
fn each(
    conn: &Conn,
    pile: &Pile,
    from_the_end: bool,
    (after, end, limit): (i64, i64, usize),
    mut found: impl FnMut(i64) -> bool,
) -> rusqlite::Result<()> {
    let Pile { batch, lane, kind, priority, reason, code } = *pile;
    let reason = reason.map(Reason::as_str);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (Some(sql), Some(state)) = (sql(pile, from_the_end), pile.state()) else { return Ok(()) };
    let fourth: &dyn ToSql = match state {
        State::Queued | State::Uncertain => &priority,
        State::Held | State::Dead => &reason,
        State::Cancelled | State::Succeeded => &(kind == WARNED),
    };
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params![batch, lane, state.number(), fourth, code, after, end, limit])?;
    while let Some(row) = rows.next()? {
        if !found(row.get(0)?) {
            break;
        }
    }
    Ok(())
}
