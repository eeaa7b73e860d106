//! Counts all rows, and compares with what is kept: for tests.

use std::path::Path;

use rusqlite::Connection;

use crate::contract::{
    T0, all_waiting, at, begin, call, death, ended, failure, from_file, job, queue, rejection, success, take, warned,
};
use crate::ledger::{Mode, SqlStore};
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_ports::operator::Selection;
use paceline_ports::{AttemptEnd, Domain, Ledger, Settlement};

/// Batch, lane, kind, priority, reason, code, how many; of inputs: batch, app, method, reason, how many.
type Row = Vec<rusqlite::types::Value>;

/// Panics unless the tallies are what counting the rows gives.
pub(crate) fn recount(path: &Path) {
    let conn = Connection::open(path).unwrap();
    let list = |columns: usize, sql: &str| -> Vec<Row> {
        let mut statement = conn.prepare(sql).unwrap();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
        statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let none = i64::MIN;
    let counted = format!(
        "SELECT batch, lane, iif(warnings IS NULL, state, 8) AS kind, CASE WHEN state <= 1 THEN priority ELSE 0 END AS priority,
             CASE WHEN state IN (3, 4) THEN coalesce(reason, '') ELSE '' END AS reason,
             CASE WHEN state IN (2, 3) THEN coalesce(code, {none}) ELSE {none} END AS code,
             count(*) AS n, max(ended_at) AS latest_at
         FROM jobs GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6"
    );
    let kept = "SELECT batch, lane, kind, priority, reason, code, n FROM tallies WHERE n <> 0 AND kind <> 7
        ORDER BY 1, 2, 3, 4, 5, 6";
    assert_eq!(list(7, kept), list(7, &counted));
    let early = format!(
        "SELECT t.batch FROM ({counted}) c JOIN tallies t USING (batch, lane, kind, reason, code)
         WHERE kind = 3 AND t.latest_at < c.latest_at"
    );
    assert!(list(1, &early).is_empty(), "the last of a pile died later than is kept");
    let counted = "SELECT batch, coalesce(app, ''), coalesce(method, ''), reason, count(*) FROM rejected
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";
    assert_eq!(
        list(5, "SELECT batch, app, method, reason, n FROM input_tallies ORDER BY 1, 2, 3, 4"),
        list(5, counted)
    );
}

/// Makes a ledger of version 4 of one of this version: the same rows, and the tallies as they were kept then.
fn of_version_4(new: &Path, old: &Path) {
    let conn = Connection::open(old).unwrap();
    for script in [
        include_str!("../../migrations/0001.sql"),
        include_str!("../../migrations/0002.sql"),
        include_str!("../../migrations/0003.sql"),
        include_str!("../../migrations/0004.sql"),
    ] {
        conn.execute_batch(script).unwrap();
    }
    conn.execute("ATTACH ?1 AS new", [new.to_str().unwrap()]).unwrap();
    for table in ["meta", "lanes", "batches", "jobs", "attempts", "rejected", "outbox", "owned"] {
        // What the table did not have yet is left out.
        let columns = format!("SELECT group_concat(name, ', ') FROM pragma_table_info('{table}', 'main')");
        let columns: String = conn.query_row(&columns, [], |row| row.get(0)).unwrap();
        conn.execute_batch(&format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")).unwrap();
    }
    conn.execute_batch(
        "INSERT INTO main.tallies SELECT batch, state, count(*) FROM main.jobs GROUP BY 1, 2
             UNION ALL SELECT batch, 6, count(*) FROM main.rejected GROUP BY 1
             UNION ALL SELECT batch, 7, sum(n) FROM new.tallies WHERE kind = 7 GROUP BY 1;
         DELETE FROM main.meta WHERE name = 'key';
         DETACH new; PRAGMA user_version = 4; PRAGMA application_id = 0x50414345;",
    )
    .unwrap();
}

#[tokio::test]
async fn a_ledger_of_version_4_gets_its_tallies() {
    let folder = tempfile::tempdir().unwrap();
    let (new, old) = (folder.path().join("new.db"), folder.path().join("old.db"));
    let ledger = SqlStore::open(&new, Mode::Worker, T0).unwrap();
    let settlements = [
        None,
        Some(Settlement::Uncertain { not_before: at(9), charged: true, failure: failure("why") }),
        Some(Settlement::Held { failure: failure("why") }),
        Some(death(Reason::Rejected)),
        Some(death(Reason::Exhausted)),
        Some(Settlement::Dead { reason: Reason::Expired, failure: Failure::default() }),
        Some(Settlement::Cancelled),
        Some(success("omm_1")),
    ];
    for n in 0..40 {
        let mut job = job(&format!("id-{n}"));
        job.batch = (n % 3 > 0).then(|| format!("batch-{}", n % 3));
        job.priority = 4 + n % 2;
        let seq = queue(&ledger, from_file(job, &format!("f:{n}"))).await.seq;
        let attempt = begin(&ledger.domain(), seq, 0).await;
        let settlement = settlements[usize::from(n) % settlements.len()].clone();
        let outcome = if n % 5 == 0 { "throttled" } else { "other" };
        let settlement = settlement.map(|settlement| (seq, settlement));
        ledger.domain().end_attempt(AttemptEnd { outcome, ..ended(attempt, 1, settlement) }.into()).await.unwrap();
        let mut input = from_file(crate::contract::job("-"), &format!("g:{n}"));
        input.input = Err(Box::new(rejection(None, Some("batch-1"))));
        take(&ledger, input).await;
    }
    let counts = ledger.counts(None).await.unwrap();
    assert_eq!((counts.total, counts.throttled), (80, 8));
    of_version_4(&new, &old);
    ledger.close().await;

    // Whichever comes first upgrades it.
    let groups = crate::open(&old).unwrap().dead_groups(&Selection::default()).unwrap();
    assert_eq!(groups, crate::open(&new).unwrap().dead_groups(&Selection::default()).unwrap());
    assert_eq!(groups.len(), 4);
    recount(&old);
    let upgraded = SqlStore::open(&old, Mode::Worker, T0).unwrap();
    assert_eq!(upgraded.counts(None).await.unwrap(), counts);
    let one = Some(vec!["batch-1".to_owned()]);
    let fresh = SqlStore::open(&new, Mode::Worker, T0).unwrap();
    assert_eq!(upgraded.counts(one.clone()).await.unwrap(), fresh.counts(one).await.unwrap());
    assert_eq!(all_waiting(&upgraded.domain()).await, all_waiting(&fresh.domain()).await);
    let seq = all_waiting(&upgraded.domain()).await[0].seq;
    call(&upgraded.domain(), seq, 20, warned("omm_2")).await;
    assert_eq!(upgraded.counts(None).await.unwrap().warnings, 1);
    recount(&old);
}
