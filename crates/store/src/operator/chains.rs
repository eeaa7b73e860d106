//! Chains as people change them: with whom a dead letter or a cancelled job goes, and what blocked jobs wait for.

use std::collections::HashSet;

use super::dead::letter_of_job;
use super::outlook::Names;
use super::{Operator, piles};
use crate::driver::{Conn, Result, values};
use crate::state::State;
use paceline_ports::LedgerError;
use paceline_ports::operator::{Before, Chained, Group, Letter, Link, Selection, chained};

/// Jobs of a long list read at one time.
const PAGE: usize = 10_000;

impl Operator {
    /// The numbers of the matching jobs that are queued or blocked, whoever waits for another one before that one; with
    /// `dependents`, also those blocked jobs that wait for one of them, down their chains.
    pub(super) fn unsent(&self, selection: &Selection, dependents: bool) -> std::result::Result<Vec<i64>, LedgerError> {
        self.read_at_once(|conn| {
            let mut seqs = Vec::new();
            for state in unsent_states(selection) {
                let (selection, mut after) = (selection.in_state(state), Some(0));
                while let Some(from) = after {
                    let page = piles::jobs(conn, &selection, from, PAGE)?;
                    seqs.extend(page.lines);
                    after = page.next;
                }
            }
            last_first(conn, &seqs, dependents)
        })
    }
}

/// The letters, and the dead letters of jobs that waited for one of them, down their chains.
pub(super) fn with_dependents(conn: &Conn, letters: Vec<Letter>) -> Result<Vec<Letter>> {
    let sql = "SELECT DISTINCT r.job FROM jobs p JOIN prerequisites r ON r.id = p.id JOIN jobs j ON j.seq = r.job
         WHERE p.seq = $1 AND j.state = 3 AND j.reason = 'prerequisite' ORDER BY r.job";
    let mut all = letters;
    let mut seen: HashSet<i64> = all.iter().filter_map(Letter::job).map(|(seq, _)| seq).collect();
    let mut at = 0;
    while let Some(letter) = all.get(at) {
        at += 1;
        let Some((seq, _)) = letter.job() else { continue };
        let found: Vec<i64> = conn.query(sql, values![seq], |row| row.get(0))?;
        for dependent in found {
            if seen.insert(dependent) {
                all.push(letter_of_job(conn, dependent)?);
            }
        }
    }
    Ok(all)
}

/// The states of jobs that can be cancelled, of those that the selection names.
pub(super) fn unsent_states(selection: &Selection) -> impl Iterator<Item = State> {
    let named = selection.state.filter(|state| matches!(state, State::Queued | State::Blocked));
    [State::Queued, State::Blocked].into_iter().filter(move |state| named.is_none_or(|named| named == *state))
}

/// Jobs in an order in which each stands behind those of them that wait for it.
fn last_first(conn: &Conn, seqs: &[i64], dependents: bool) -> Result<Vec<i64>> {
    let sql = "SELECT DISTINCT r.job FROM jobs p JOIN prerequisites r ON r.id = p.id JOIN jobs j ON j.seq = r.job
         WHERE p.seq = $1 AND j.state = 6 ORDER BY r.job";
    let wanted: HashSet<i64> = seqs.iter().copied().collect();
    let (mut seen, mut ordered) = (HashSet::new(), Vec::with_capacity(seqs.len()));
    for first in seqs {
        // Each is met twice: on the way down, and when all behind it have been put in order.
        let mut left = vec![(*first, false)];
        while let Some((seq, is_over)) = left.pop() {
            if is_over {
                ordered.push(seq);
                continue;
            }
            if !seen.insert(seq) {
                continue;
            }
            left.push((seq, true));
            let behind: Vec<i64> = conn.query(sql, values![seq], |row| row.get(0))?;
            left.extend(behind.into_iter().filter(|it| dependents || wanted.contains(it)).map(|it| (it, false)));
        }
    }
    Ok(ordered)
}

/// Since this version of the schema jobs wait for others.
const CHAINS_SINCE: i64 = 22;

/// The blocked jobs, as a forecast takes them.
pub(super) fn read(conn: &Conn, names: &Names) -> Result<Vec<Chained>> {
    if !conn.has_since(CHAINS_SINCE) {
        return Ok(Vec::new());
    }
    let sql = "SELECT j.seq, j.lane, j.batch, j.priority, j.not_before, j.not_after, p.seq, p.lane, p.state, p.batch
         FROM jobs j JOIN prerequisites r ON r.job = j.seq LEFT JOIN jobs p ON p.id = r.id
         WHERE j.state = 6 ORDER BY j.seq";
    let mut links: Vec<Link> = Vec::new();
    conn.query_each(sql, &[], |row| {
        let seq: i64 = row.get(0)?;
        if links.last().is_none_or(|link| link.group.ages.0 != seq) {
            let group = Group {
                lane: names.lane(row.get(1)?),
                batch: names.batch(row.get(2)?),
                priority: row.get(3)?,
                not_before: row.get(4)?,
                not_after: row.get(5)?,
                ages: (seq, seq),
                count: 1,
            };
            links.push(Link { group, before: Vec::new() });
        }
        let other: Option<i64> = row.get(6)?;
        let before = match (other, row.get::<Option<i64>>(8)?.and_then(State::of_number)) {
            (Some(_), Some(State::Succeeded)) => None,
            (Some(_), Some(State::Queued | State::Uncertain)) => {
                Some(Before::Free(names.lane(row.get(7)?), names.batch(row.get(9)?)))
            }
            (Some(other), Some(State::Blocked)) => {
                Some(Before::Blocked(other, names.lane(row.get(7)?), names.batch(row.get(9)?)))
            }
            _ => Some(Before::Stuck),
        };
        if let (Some(link), Some(before)) = (links.last_mut(), before) {
            link.before.push(before);
        }
        Ok(())
    })?;
    Ok(chained(links))
}
