//! The jobs that wait, those of a kind together, as a forecast takes them.

use std::collections::{HashMap, HashSet};

use super::outlook::Names;
use crate::driver::{Conn, Result, values};
use crate::ledger::piles;
use crate::ledger::tallies::Pile;
use paceline_domain::time::Timestamp;
use paceline_ports::operator::Group;

/// Since this version of the schema jobs are counted by piles.
const PILES_SINCE: i64 = 5;

/// Jobs that have times of their own. In the order of their index, or SQLite goes by that of all that wait.
pub(super) const TIMED: &str = "SELECT lane, batch, priority, not_before, not_after, seq
     FROM jobs WHERE state <= 1 AND (not_before IS NOT NULL OR not_after IS NOT NULL)
     ORDER BY batch, lane, priority, not_before, not_after";

/// Lane, batch, priority, not before, not after.
pub(super) type Kind = (i64, i64, u8, Option<i64>, Option<i64>);

/// The numbers of the first and the last job of a kind, and how many there are.
pub(super) type Groups = HashMap<Kind, ((i64, i64), u64)>;

/// The backlog. Jobs that just wait for their turn are not looked at, however many they are: their tallies say how many,
/// and an index knows the first and the last.
pub(super) fn read(conn: &Conn, names: &Names, flying: &HashSet<i64>) -> Result<Vec<Group>> {
    let groups = if conn.has_since(PILES_SINCE) { by_piles(conn, flying)? } else { one_by_one(conn, flying)? };
    let group = |((lane, batch, priority, not_before, not_after), (ages, count)): (Kind, _)| Group {
        lane: names.lane(lane),
        batch: names.batch(batch),
        priority,
        not_before: not_before.map(Timestamp),
        not_after: not_after.map(Timestamp),
        ages,
        count,
    };
    let mut backlog: Vec<_> = groups.into_iter().map(group).collect();
    backlog.sort_by_key(|group| group.ages);
    Ok(backlog)
}

pub(super) fn one_by_one(conn: &Conn, flying: &HashSet<i64>) -> Result<Groups> {
    let waiting = "SELECT lane, batch, priority, not_before, not_after, seq FROM jobs WHERE state <= 1";
    let mut groups = Groups::new();
    add_all(conn, &mut groups, waiting, |seq| !flying.contains(&seq))?;
    Ok(groups)
}

pub(super) fn by_piles(conn: &Conn, flying: &HashSet<i64>) -> Result<Groups> {
    let mut groups = Groups::new();
    let mut apart: HashSet<i64> = flying.clone();
    add_all(conn, &mut groups, TIMED, |seq| apart.insert(seq))?;
    let mut left: HashMap<(i64, i64, i64), i64> = HashMap::new();
    let piles = piles::waiting(conn, None)?;
    for (pile, n) in &piles {
        *left.entry(alike(pile)).or_default() += i64::try_from(*n).unwrap_or(i64::MAX);
    }
    for ((lane, batch, priority, ..), (_, count)) in &groups {
        if let Some(n) = left.get_mut(&(*lane, *batch, i64::from(*priority))) {
            *n -= i64::try_from(*count).unwrap_or(i64::MAX);
        }
    }
    let place = "SELECT lane, batch, priority FROM jobs WHERE seq = $1 AND state <= 1";
    for seq in flying {
        let found = conn.query_opt(place, values![seq], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if let Some(n) = found.and_then(|found| left.get_mut(&found)) {
            *n -= 1;
        }
    }
    for (pile, _) in &piles {
        let n = left.get(&alike(pile)).copied().unwrap_or(0);
        let Some(ages) = ages(conn, pile, &apart, n)? else { continue };
        let kind = (pile.lane, pile.batch, u8::try_from(pile.priority).unwrap_or(u8::MAX), None, None);
        let group = groups.entry(kind).or_insert((ages, 0));
        // The same kind in another state: both ages and the one count go together.
        group.0 = (group.0.0.min(ages.0), group.0.1.max(ages.1));
        group.1 = u64::try_from(n).unwrap_or(0);
    }
    Ok(groups)
}

/// What makes jobs of two states alike to a forecast.
fn alike(pile: &Pile) -> (i64, i64, i64) {
    (pile.lane, pile.batch, pile.priority)
}

/// The first and the last of a pile, but for those that are apart; `None` if there are no others.
fn ages(conn: &Conn, pile: &Pile, apart: &HashSet<i64>, n: i64) -> Result<Option<(i64, i64)>> {
    if n <= 0 {
        return Ok(None);
    }
    let other = |seq: &i64| !apart.contains(seq);
    let first = piles::first(conn, pile, false, other)?;
    Ok(first.zip(piles::first(conn, pile, true, other)?))
}

fn add_all(conn: &Conn, groups: &mut Groups, sql: &str, mut counts: impl FnMut(i64) -> bool) -> Result<()> {
    conn.query_each(sql, &[], |row| {
        let seq: i64 = row.get(5)?;
        if counts(seq) {
            let kind = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            let (ages, count) = groups.entry(kind).or_insert(((seq, seq), 0));
            *ages = (ages.0.min(seq), ages.1.max(seq));
            *count += 1;
        }
        Ok(())
    })
}
