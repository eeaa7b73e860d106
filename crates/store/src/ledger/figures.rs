//! What only the ledger knows and a monitor wants: read as one snapshot, without looking through jobs.

use super::outbox;
use crate::driver::{Conn, Result, Row, values};
use crate::state::State;
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;
use paceline_ports::Figures;

/// Jobs of a pile that are looked at for the oldest one whose time has come.
const LOOKED_AT_MAX: i64 = 1_000;

pub(crate) fn read(conn: &Conn, now: Timestamp) -> Result<Figures> {
    let outbox = outbox::count(conn)?;
    let mut figures = Figures { read_at: now, outbox, ..Figures::default() };
    piles(conn, &mut figures)?;
    oldest(conn, now, &mut figures)?;
    Ok(figures)
}

fn count(row: &Row<'_>, at: usize) -> Result<u64> {
    Ok(u64::try_from(row.get::<i64>(at)?).unwrap_or(0))
}

fn piles(conn: &Conn, figures: &mut Figures) -> Result<()> {
    let sums = "SELECT l.app, l.tenant, l.method, t.kind, t.reason, CAST(sum(t.n) AS BIGINT)
         FROM tallies t JOIN lanes l ON l.lane = t.lane
         WHERE t.kind IN (2, 3, 6) GROUP BY l.lane, t.kind, t.reason";
    conn.query_each(sums, &[], |row| {
        let (app, tenant, method): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let by = count(row, 5)?;
        let lane = LaneKey { app, tenant, method };
        match State::of_number(row.get(3)?) {
            Some(State::Held) => figures.lanes.entry(lane).or_default().held = by,
            Some(State::Blocked) => figures.lanes.entry(lane).or_default().blocked = by,
            _ => *figures.dead.entry((lane.app, lane.method, row.get(4)?)).or_default() += by,
        }
        Ok(())
    })
}

/// The first of each pile by its index, which leads in the order of take-over.
fn oldest(conn: &Conn, now: Timestamp, figures: &mut Figures) -> Result<()> {
    let firsts = "SELECT l.app, l.tenant, l.method,
             (SELECT created_at FROM (SELECT j.created_at, j.not_before FROM jobs j
                 WHERE j.state <= 1 AND j.batch = t.batch AND j.lane = t.lane AND j.state = t.kind
                     AND j.priority = t.priority
                 ORDER BY j.seq LIMIT $2) AS looked_at
              WHERE not_before IS NULL OR not_before <= $1 LIMIT 1)
         FROM tallies t JOIN lanes l ON l.lane = t.lane
         WHERE t.kind <= 1 AND t.n > 0";
    conn.query_each(firsts, values![now, LOOKED_AT_MAX], |row| {
        let Some(at) = row.get::<Option<Timestamp>>(3)? else { return Ok(()) };
        let lane = LaneKey { app: row.get(0)?, tenant: row.get(1)?, method: row.get(2)? };
        let oldest = &mut figures.lanes.entry(lane).or_default().oldest_at;
        *oldest = Some(oldest.map_or(at, |other| other.min(at)));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::contract::{T0, job};
    use crate::ledger::{Mode, SqlStore};
    use paceline_domain::job::Job;
    use paceline_domain::outcome::Failure;
    use paceline_domain::reason::Reason;
    use paceline_ports::LaneFigures;
    use paceline_ports::{AmqpOrigin, Arrival, Domain, Intake, JobSeq, Origin, Settlement};

    fn at(second: u64) -> Timestamp {
        T0 + Duration::from_secs(second)
    }

    async fn take(ledger: &SqlStore, job: Job, second: u64) {
        let origin = Origin { amqp: Some(AmqpOrigin::default()), ..Origin::default() };
        ledger.take_over(vec![Arrival { input: Ok(Box::new(job)), origin }], at(second)).await.unwrap();
    }

    #[tokio::test]
    async fn the_oldest_is_the_first_whose_time_has_come() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(SqlStore::open(&folder.path().join("l.db"), Mode::Worker, T0).unwrap());
        let lane = job("a").lane;
        let oldest =
            async |second| ledger.figures(at(second)).await.unwrap().lanes.get(&lane).and_then(|it| it.oldest_at);
        assert_eq!(oldest(0).await, None);
        take(&ledger, Job { not_before: Some(at(100)), ..job("a") }, 1).await;
        take(&ledger, job("b"), 2).await;
        take(&ledger, Job { priority: 9, ..job("c") }, 3).await;
        assert_eq!(oldest(10).await, Some(at(2)), "a waits for its own time");
        assert_eq!(oldest(100).await, Some(at(1)));
        let succeeded =
            Settlement::Succeeded { key: None, result: serde_json::Value::Null, sole: false, warnings: Vec::new() };
        ledger.domain().settle(JobSeq(2), succeeded, at(11)).await.unwrap();
        assert_eq!(oldest(12).await, Some(at(3)), "of whatever priority");
    }

    #[tokio::test]
    async fn held_blocked_dead_and_unpublished_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = SqlStore::open(&folder.path().join("l.db"), Mode::Worker, T0).unwrap();
        for (n, id) in (0..).zip(["a", "b", "c"]) {
            take(&ledger, job(id), n).await;
        }
        take(&ledger, Job { after: vec!["never".to_owned()], ..job("d") }, 4).await;
        let failure = Failure { code: Some(7), ..Failure::default() };
        let dead = Settlement::Dead { reason: Reason::Rejected, failure: failure.clone() };
        ledger.domain().settle(JobSeq(1), dead.clone(), at(5)).await.unwrap();
        ledger.domain().settle(JobSeq(2), dead, at(5)).await.unwrap();
        ledger.domain().settle(JobSeq(3), Settlement::Held { failure }, at(5)).await.unwrap();
        let figures = ledger.figures(at(6)).await.unwrap();
        let key = job("a").lane;
        assert_eq!(figures.lanes.get(&key), Some(&LaneFigures { held: 1, blocked: 1, oldest_at: None }));
        assert_eq!(figures.dead.get(&(key.app, key.method, "rejected".to_owned())), Some(&2));
        // Two dead letters.
        assert_eq!((figures.outbox, figures.read_at), (2, at(6)));
    }
}
