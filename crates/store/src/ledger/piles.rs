//! Leads to jobs by their piles, in the order of take-over: jobs of other piles are not looked at.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use super::tallies::{NO_CODE, Pile, WARNED, reason_of};
use crate::driver::{Bind, Conn, Result, Row, Value, values};
use crate::state::State;
use paceline_domain::job::LaneKey;

/// The columns that [`read`] wants; `t` is the tally.
pub(crate) const COLUMNS: &str = "t.batch, t.lane, t.kind, t.priority, t.reason, t.code, t.n";

/// Reads the columns [`COLUMNS`], from the first: a pile, and how many are in it.
pub(crate) fn read(row: &Row<'_>) -> Result<(Pile, u64)> {
    let code: i64 = row.get(5)?;
    let pile = Pile {
        batch: row.get(0)?,
        lane: row.get(1)?,
        kind: row.get(2)?,
        priority: row.get(3)?,
        reason: reason_of(row.get(4)?)?,
        code: (code != NO_CODE).then_some(code),
    };
    Ok((pile, u64::try_from(row.get::<i64>(6)?).unwrap_or(0)))
}

/// The piles of jobs that wait, of these batches or of all, with how many are in each.
pub(crate) fn waiting(conn: &Conn, batches: Option<&HashSet<i64>>) -> Result<Vec<(Pile, u64)>> {
    static SQL: LazyLock<String> =
        LazyLock::new(|| format!("SELECT {COLUMNS} FROM tallies t WHERE t.kind <= 1 AND t.n > 0"));
    let mut piles = conn.query(&SQL, &[], read)?;
    piles.retain(|(pile, _): &(Pile, u64)| batches.is_none_or(|batches| batches.contains(&pile.batch)));
    Ok(piles)
}

/// The jobs of a lane that are uncertain.
pub(crate) fn uncertain(conn: &Conn, lane: &LaneKey) -> Result<Vec<i64>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {COLUMNS} FROM tallies t JOIN lanes l ON l.lane = t.lane
             WHERE t.kind = 1 AND t.n > 0 AND l.app = $1 AND l.tenant = $2 AND l.method = $3"
        )
    });
    let piles = conn.query(&SQL, values![lane.app, lane.tenant, lane.method], read)?;
    seqs(conn, piles.iter().map(|(pile, _)| pile), 0, usize::MAX)
}

// The indices' own conditions have to stand there in their own words.
const WAITING: &str = "state <= 1 AND batch = $1 AND lane = $2 AND state = $3 AND priority = $4";
const STOPPED: &str = "state IN (2, 3) AND batch = $1 AND lane = $2 AND state = $3";
const BLOCKED: &str = "state = 6 AND batch = $1 AND lane = $2 AND state = $3";
const DONE: &str = "state IN (4, 5) AND batch = $1 AND lane = $2 AND state = $3";

/// The numbers of at most `limit` jobs of these piles, the first after `after`, in order.
pub(crate) fn seqs<'p>(
    conn: &Conn,
    piles: impl IntoIterator<Item = &'p Pile>,
    after: i64,
    limit: usize,
) -> Result<Vec<i64>> {
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
) -> Result<Option<i64>> {
    let mut first = None;
    each(conn, pile, from_the_end, (0, i64::MAX, usize::MAX), |seq| {
        let found = will_do(&seq);
        first = found.then_some(seq);
        !found
    })?;
    Ok(first)
}

/// The jobs of a pile, from its first or from its last; `None` if it is none of jobs. Parameters: those of [`each`].
pub(crate) fn sql(pile: &Pile, from_the_end: bool) -> Option<String> {
    // What is absent is equal to nothing: it has words of its own.
    let is = |column: &str, is_there: bool, at: usize| {
        if is_there { format!("{column} = ${at}") } else { format!("{column} IS NULL") }
    };
    let (of_pile, at) = match pile.state()? {
        State::Queued | State::Uncertain => (WAITING.to_owned(), 5),
        State::Held | State::Dead => {
            let code_at = 4 + usize::from(pile.reason.is_some());
            let (reason, code) = (is("reason", pile.reason.is_some(), 4), is("code", pile.code.is_some(), code_at));
            (format!("{STOPPED} AND {reason} AND {code}"), code_at + usize::from(pile.code.is_some()))
        }
        State::Blocked => (BLOCKED.to_owned(), 4),
        State::Cancelled | State::Succeeded => {
            let warned = if pile.kind == WARNED { "TRUE" } else { "FALSE" };
            (format!("{DONE} AND (warnings IS NOT NULL) = {warned}"), 4)
        }
    };
    let order = if from_the_end { "DESC" } else { "ASC" };
    let (end, limit) = (at + 1, at + 2);
    Some(format!(
        "SELECT seq FROM jobs WHERE {of_pile} AND seq > ${at} AND seq < ${end} ORDER BY seq {order} LIMIT ${limit}"
    ))
}

/// Calls `found` for each, until it says that this was enough.
fn each(
    conn: &Conn,
    pile: &Pile,
    from_the_end: bool,
    (after, end, limit): (i64, i64, usize),
    mut found: impl FnMut(i64) -> bool,
) -> Result<()> {
    let Pile { batch, lane, priority, reason, code, .. } = *pile;
    let (Some(sql), Some(state)) = (sql(pile, from_the_end), pile.state()) else { return Ok(()) };
    let number = state.number();
    let mut values = vec![batch.bind(), lane.bind(), number.bind()];
    match state {
        State::Queued | State::Uncertain => values.push(priority.bind()),
        State::Held | State::Dead => {
            values.extend(reason.map(|reason| Value::Text(reason.as_str())));
            values.extend(code.map(Value::Integer));
        }
        State::Cancelled | State::Succeeded | State::Blocked => {}
    }
    values.extend([after.bind(), end.bind(), limit.bind()]);
    conn.query_until(&sql, &values, |row| {
        let goes_on = found(row.get(0)?);
        Ok(if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })
}
