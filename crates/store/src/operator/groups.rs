//! Dead letters by why and where they died.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::piles;
use crate::driver::{self, Conn, Row, values};
use crate::ledger::piles as paths;
use crate::ledger::tallies::{InputPile, Pile};
use crate::state::State;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_ports::operator::{DeadGroup, Selection};

type Alike = (Reason, Option<i64>, Option<String>, Option<String>);

/// How many, the last death, and the newest: its number, and whether it is an input.
#[derive(Default)]
struct Sum {
    count: u64,
    latest_at: i64,
    newest: (bool, i64),
}

/// The groups, the largest first.
pub(super) fn read(conn: &Conn, selection: &Selection) -> driver::Result<Vec<DeadGroup>> {
    let dead = selection.in_state(State::Dead);
    let mut sums: BTreeMap<Alike, Sum> = BTreeMap::new();
    // Each asked once, not for each of thousands of piles.
    let (mut lanes, latest) = (HashMap::new(), latest_of_jobs(conn)?);
    for (pile, n) in piles::of(conn, &dead)? {
        let (method, app) = match lanes.entry(pile.lane) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(lane_of(conn, pile.lane)?),
        }
        .clone();
        let reason = pile.reason.unwrap_or(Reason::Malformed);
        let sum = sums.entry((reason, pile.code, method, app)).or_default();
        let newest = paths::first(conn, &pile, true, |_| true)?.unwrap_or(0);
        add(sum, n, latest.get(&pile).copied().unwrap_or_default(), (false, newest));
    }
    for (pile, n) in piles::input_piles(conn, &dead)? {
        let newest = newest_inputs(conn, &pile, 1)?.first().copied().unwrap_or(0);
        let sum = sums.entry(alike(&pile)).or_default();
        add(sum, n, latest_of_inputs(conn, &pile)?, (true, newest));
    }
    let group = |((reason, code, method, app), sum): (Alike, Sum)| -> driver::Result<DeadGroup> {
        let (is_input, seq) = sum.newest;
        let example_id = if is_input { format!("#{seq}") } else { id_of(conn, seq)? };
        let (count, latest_at) = (sum.count, Timestamp(sum.latest_at));
        Ok(DeadGroup { reason, code, method, app, count, latest_at, example_id })
    };
    let mut groups: Vec<_> = sums.into_iter().map(group).collect::<driver::Result<_>>()?;
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    Ok(groups)
}

/// Whether the inputs of a pile are in the group.
pub(super) fn has_inputs_of(group: &DeadGroup, pile: &InputPile) -> bool {
    (group.reason, group.code, group.method.clone(), group.app.clone()) == alike(pile)
}

/// The group of a pile's inputs.
fn alike(pile: &InputPile) -> Alike {
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    (pile.reason.parse().unwrap_or(Reason::Malformed), None, text(&pile.method), text(&pile.app))
}

fn add(sum: &mut Sum, n: u64, latest_at: i64, newest: (bool, i64)) {
    sum.count += n;
    sum.latest_at = sum.latest_at.max(latest_at);
    sum.newest = sum.newest.max(newest);
}

fn lane_of(conn: &Conn, lane: i64) -> driver::Result<(Option<String>, Option<String>)> {
    conn.query_one("SELECT method, app FROM lanes WHERE lane = $1", values![lane], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn id_of(conn: &Conn, seq: i64) -> driver::Result<String> {
    conn.query_value("SELECT id FROM jobs WHERE seq = $1", values![seq])
}

/// When the last job of each pile of dead ones died.
fn latest_of_jobs(conn: &Conn) -> driver::Result<HashMap<Pile, i64>> {
    let latest = format!("SELECT {}, t.latest_at FROM tallies t WHERE t.kind = $1 AND t.n > 0", paths::COLUMNS);
    let read = |row: &Row<'_>| Ok((paths::read(row)?.0, row.get(7)?));
    Ok(conn.query(&latest, values![State::Dead.number()], read)?.into_iter().collect())
}

fn latest_of_inputs(conn: &Conn, pile: &InputPile) -> driver::Result<i64> {
    conn.query_value(
        "SELECT latest_at FROM input_tallies WHERE batch = $1 AND app = $2 AND method = $3 AND reason = $4",
        values![pile.batch, pile.app, pile.method, pile.reason],
    )
}

/// The inputs of a pile, from the newest.
pub(super) const NEWEST_INPUTS: &str = "SELECT seq FROM rejected
     WHERE batch = $1 AND coalesce(app, '') = $2 AND coalesce(method, '') = $3 AND reason = $4
     ORDER BY seq DESC LIMIT $5";

/// The numbers of the newest inputs of a pile, the newest first.
pub(super) fn newest_inputs(conn: &Conn, pile: &InputPile, limit: usize) -> driver::Result<Vec<i64>> {
    conn.query(NEWEST_INPUTS, values![pile.batch, pile.app, pile.method, pile.reason, limit], |row| row.get(0))
}
