//! How SQLite goes about what people wait for: whatever is selected, never through all jobs, attempts or inputs.

use rusqlite::Connection;

use super::*;
use crate::ledger::piles as paths;
use crate::ledger::tallies::{Pile, Place};
use crate::operator::{batches, flow, groups, jobs, outlook, piles as pages, why};
use paceline_domain::reason::Reason;

/// What SQLite says it will do.
fn plan(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let count = statement.parameter_count();
    let values = vec![rusqlite::types::Value::Integer(1); count];
    let steps = statement.query_map(rusqlite::params_from_iter(values), |row| row.get(3)).unwrap();
    steps.collect::<Result<_, _>>().unwrap()
}

/// Tables and indices that may be read from end to end: they are as long as there are names, calls in flight, or jobs
/// with times of their own.
fn is_short(step: &str) -> bool {
    let short = ["lanes", "l", "batches", "b", "tallies", "t", "input_tallies", "json_each"];
    let table = step.split(' ').nth(1).unwrap_or_default();
    short.contains(&table) || ["jobs_timed", "attempts_open"].iter().any(|index| step.ends_with(index))
}

fn assert_short(conn: &Connection, sql: &str) {
    for step in plan(conn, sql) {
        let reads_all = step.starts_with("SCAN") && !is_short(&step);
        assert!(!reads_all && !step.contains("TEMP B-TREE"), "{step}\n{sql}");
    }
}

fn piles() -> Vec<Pile> {
    let place = Place { batch: 1, lane: 1, priority: 4 };
    let by_state = State::ALL.map(|state| place.pile(state, Some(Reason::Rejected), Some(7)));
    let without_cause = [State::Held, State::Dead].map(|state| place.pile(state, None, None));
    by_state.into_iter().chain(without_cause).chain([place.succeeded(true)]).collect()
}

/// Ids and beginnings with each other restriction, and with all of them.
fn named() -> Vec<Selection> {
    let text = || Some("x".to_owned());
    let all = Selection {
        ids: Vec::new(),
        prefix: None,
        state: Some(State::Dead),
        warnings: true,
        reason: Some(Reason::Rejected),
        code: Some(1),
        batch: text(),
        method: text(),
        app: text(),
        tenant: text(),
    };
    let none = Selection::default();
    let restricted = [
        none.clone(),
        Selection::of_state(State::Dead),
        Selection { reason: all.reason, ..none.clone() },
        Selection { warnings: true, ..none.clone() },
        Selection { code: all.code, ..none.clone() },
        Selection::of_batch("x"),
        Selection { method: text(), ..none.clone() },
        Selection { app: text(), ..none.clone() },
        Selection { tenant: text(), ..none },
        all,
    ];
    let by_ids = restricted.iter().map(|selection| Selection { ids: vec!["x".to_owned()], ..selection.clone() });
    let by_prefix = restricted.iter().map(|selection| Selection { prefix: text(), ..selection.clone() });
    by_ids.chain(by_prefix).collect()
}

#[tokio::test]
async fn no_list_reads_all_jobs() {
    let world = World::with_one_of_each().await;
    let conn = Connection::open(&world.path).unwrap();
    for pile in piles() {
        for from_the_end in [false, true] {
            let sql = paths::sql(&pile, from_the_end).unwrap();
            assert_short(&conn, &sql);
            assert!(plan(&conn, &sql)[0].contains("COVERING INDEX"), "{:?}", plan(&conn, &sql));
        }
    }
    for selection in named() {
        let jobs = selection::jobs_by_id(&selection).sql("j.seq");
        assert_short(&conn, &jobs);
        assert!(plan(&conn, &jobs)[0].contains("sqlite_autoindex_jobs_1 (id"), "{:?}", plan(&conn, &jobs));
        assert_short(&conn, &selection::inputs_by_id(&selection).sql("r.seq"));
    }
    let alike = [pages::EVERYTHING, pages::INPUTS_ALIKE, groups::NEWEST_INPUTS, backlog::TIMED];
    let in_flight = [batches::FLYING, jobs::IN_FLIGHT, jobs::RUNNING_CALLS, outlook::RUNNING];
    for sql in alike.into_iter().chain(in_flight) {
        assert_short(&conn, sql);
    }
    for sql in [flow::BY_MINUTE, outlook::OUTCOMES] {
        assert!(plan(&conn, sql).iter().any(|step| step.contains("attempts_of_lane (lane=? AND sent_at>?")), "{sql}");
    }
    assert!(plan(&conn, why::AHEAD).iter().any(|step| step.contains("jobs_waiting")));
    assert!(!plan(&conn, outlook::ROUND_TRIPS).iter().any(|step| step.contains("TEMP B-TREE")));
    for sql in [&*jobs::LINE_OF_ID, &*jobs::LINE, jobs::HISTORY, jobs::LAST] {
        assert_short(&conn, sql);
    }
}

/// The trap that the lists above go round: with the order by number, SQLite reads the table.
#[tokio::test]
async fn the_check_finds_a_plan_that_reads_all_jobs() {
    let world = World::new();
    let conn = Connection::open(&world.path).unwrap();
    let steps = plan(&conn, "SELECT seq FROM jobs WHERE state = 3 AND code = 7 ORDER BY seq LIMIT 9");
    assert!(steps.iter().any(|step| step.starts_with("SCAN") && !is_short(step)), "{steps:?}");
}
