//! From a selection to its jobs and inputs, by way of the piles: how many there are, and a page of them.

use super::batches::number;
use super::selection::{self, Narrowed};
use crate::driver::{Conn, Result, values};
use crate::ledger::piles;
use crate::ledger::tallies::{InputPile, Pile, THROTTLED, WARNED};
use paceline_ports::operator::{Page, Selection};

/// Ids looked through by their beginning for one page; more are taken from the piles and looked at one by one.
const PREFIXED_MAX: usize = 10_000;
/// Jobs looked at for one page at most: a page may hold fewer than asked for, and say where to go on.
const LOOKED_AT_MAX: usize = 50_000;

/// The state of a pile's jobs: those that succeeded with warnings have a kind of their own.
const STATE: &str = "CASE WHEN t.kind = 8 THEN 5 ELSE t.kind END";
/// All jobs.
pub(super) const EVERYTHING: &str = "SELECT seq FROM jobs WHERE seq > $1 ORDER BY seq LIMIT $2";
/// The inputs of a pile.
pub(super) const INPUTS_ALIKE: &str = "SELECT seq FROM rejected
     WHERE batch = $1 AND coalesce(app, '') = $2 AND coalesce(method, '') = $3 AND reason = $4 AND seq > $5
     ORDER BY seq LIMIT $6";

/// Numbers of jobs or inputs, in order, and what to go on after.
pub(super) type Seqs = Page<i64>;

/// How many jobs and rejected inputs match.
pub(super) fn count(conn: &Conn, selection: &Selection) -> Result<u64> {
    if !selection.ids.is_empty() || selection.prefix.is_some() {
        let jobs = selection::jobs_by_id(selection).count(conn)?;
        return Ok(jobs + inputs(conn, selection, 0, usize::MAX)?.lines.len() as u64);
    }
    let inputs: u64 = input_piles(conn, selection)?.iter().map(|(_, n)| n).sum();
    Ok(inputs + of(conn, selection)?.iter().map(|(_, n)| n).sum::<u64>())
}

/// The piles that a selection consists of, ids left aside, with how many jobs are in each.
pub(super) fn of(conn: &Conn, selection: &Selection) -> Result<Vec<(Pile, u64)>> {
    let sql = format!(
        "SELECT {} FROM tallies t JOIN lanes l ON l.lane = t.lane WHERE t.kind <> {THROTTLED} AND t.n > 0",
        piles::COLUMNS
    );
    let mut narrowed = Narrowed::of(sql, Vec::new());
    match batch_number(conn, selection)? {
        Wanted::Any => {}
        Wanted::Unknown => return Ok(Vec::new()),
        Wanted::One(batch) => narrowed.restrict("t.batch", Some(batch.into())),
    }
    narrowed.restrict(STATE, selection.state.map(|state| state.number().into()));
    narrowed.restrict("t.kind", selection.warnings.then(|| WARNED.into()));
    narrowed.restrict("t.reason", selection.reason.map(|reason| reason.as_str().into()));
    narrowed.restrict("t.code", selection.code.map(Into::into));
    narrowed.restrict("l.app", selection.app.as_deref().map(Into::into));
    narrowed.restrict("l.tenant", selection.tenant.as_deref().map(Into::into));
    narrowed.restrict("l.method", selection.method.as_deref().map(Into::into));
    conn.query(&narrowed.sql, &narrowed.values, piles::read)
}

enum Wanted {
    Any,
    One(i64),
    Unknown,
}

/// The batch of a selection; an empty name stands for the jobs without one.
fn batch_number(conn: &Conn, selection: &Selection) -> Result<Wanted> {
    let Some(name) = &selection.batch else { return Ok(Wanted::Any) };
    if name.is_empty() {
        return Ok(Wanted::One(0));
    }
    let number = conn.query_opt("SELECT batch FROM batches WHERE name = $1", values![name], |row| row.get(0))?;
    Ok(number.map_or(Wanted::Unknown, Wanted::One))
}

/// The jobs of a selection after `after`, at most `limit`.
pub(super) fn jobs(conn: &Conn, selection: &Selection, after: i64, limit: usize) -> Result<Seqs> {
    if !selection.ids.is_empty() {
        return Ok(page(selection::jobs_by_id(selection).seqs(conn, after)?, limit));
    }
    let Some(prefix) = &selection.prefix else { return in_order(conn, selection, after, limit) };
    if selection::count_prefixed(conn, prefix, PREFIXED_MAX)? <= PREFIXED_MAX {
        return Ok(page(selection::jobs_by_id(selection).seqs(conn, after)?, limit));
    }
    let selection = &Selection { prefix: None, ..selection.clone() };
    // So many ids begin so that they are not rare among the jobs.
    let mut matching: Vec<i64> = Vec::new();
    let (mut after, mut looked_at) = (after, 0);
    let id = "SELECT id FROM jobs WHERE seq = $1";
    while looked_at < LOOKED_AT_MAX {
        let candidates = in_order(conn, selection, after, limit.clamp(500, PREFIXED_MAX))?;
        for seq in candidates.lines {
            if conn.query_value::<String>(id, values![seq])?.starts_with(prefix.as_str()) {
                matching.push(seq);
            }
            (after, looked_at) = (seq, looked_at + 1);
            if matching.len() == limit {
                return Ok(Page { lines: matching, next: Some(after) });
            }
        }
        if candidates.next.is_none() {
            return Ok(Page { lines: matching, next: None });
        }
    }
    Ok(Page { lines: matching, next: Some(after) })
}

fn in_order(conn: &Conn, selection: &Selection, after: i64, limit: usize) -> Result<Seqs> {
    let most = limit.saturating_add(1);
    if selection.is_everything() {
        return Ok(page(conn.query(EVERYTHING, values![after, most], |row| row.get(0))?, limit));
    }
    let piles = of(conn, selection)?;
    Ok(page(piles::seqs(conn, piles.iter().map(|(pile, _)| pile), after, most)?, limit))
}

/// The first of these, which may be more than there is room for.
fn page(mut seqs: Vec<i64>, limit: usize) -> Seqs {
    let more = seqs.len() > limit;
    seqs.truncate(limit);
    let next = seqs.last().copied().filter(|_| more);
    Page { lines: seqs, next }
}

/// The piles of inputs that a selection consists of, ids left aside.
pub(super) fn input_piles(conn: &Conn, selection: &Selection) -> Result<Vec<(InputPile, u64)>> {
    if selection.excludes_inputs() {
        return Ok(Vec::new());
    }
    let sql = "SELECT batch, app, method, reason, n FROM input_tallies WHERE n > 0".to_owned();
    let mut narrowed = Narrowed::of(sql, Vec::new());
    match batch_number(conn, selection)? {
        Wanted::Any => {}
        Wanted::Unknown => return Ok(Vec::new()),
        Wanted::One(batch) => narrowed.restrict("batch", Some(batch.into())),
    }
    narrowed.restrict("reason", selection.reason.map(|reason| reason.as_str().into()));
    narrowed.restrict("app", selection.app.as_deref().map(Into::into));
    narrowed.restrict("method", selection.method.as_deref().map(Into::into));
    conn.query(&narrowed.sql, &narrowed.values, |row| Ok((InputPile::read(row)?, number(row, 4)?)))
}

/// The inputs of a selection after `after`, at most `limit`.
pub(super) fn inputs(conn: &Conn, selection: &Selection, after: i64, limit: usize) -> Result<Seqs> {
    if selection.excludes_inputs() {
        return Ok(page(Vec::new(), limit));
    }
    if !selection.ids.is_empty() || selection.prefix.is_some() {
        return Ok(page(selection::inputs_by_id(selection).seqs(conn, after)?, limit));
    }
    let most = limit.saturating_add(1);
    let mut seqs: Vec<i64> = Vec::new();
    for (pile, _) in input_piles(conn, selection)? {
        let values = values![pile.batch, pile.app, pile.method, pile.reason, after, most];
        seqs.extend(conn.query(INPUTS_ALIKE, values, |row| row.get::<i64>(0))?);
    }
    seqs.sort_unstable();
    Ok(page(seqs, limit))
}
