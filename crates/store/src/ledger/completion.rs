//! The end of a batch: an event in the outbox, in the transaction that ends its last unfinished job.
//!
//! Only batches that come over AMQP have somebody to tell. A batch that is put to work again ends again, and is told again.
//!
//! Decision: docs/decisions/0015-batch-completion-is-an-outbox-row.md

use serde_json::json;

use super::waiting;
use crate::driver::{Conn, Result, values};
use paceline_domain::time::Timestamp;
use paceline_ports::BATCH_COMPLETED;

/// What an event says that its message names.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Told {
    pub(super) batch: String,
    pub(super) finished_at: Timestamp,
}

/// Tells of the batch if nothing of it is unfinished.
pub(super) fn tell(conn: &Conn, batch: i64, now: Timestamp) -> Result<()> {
    let name: Option<String> =
        conn.query_opt("SELECT name FROM batches WHERE batch = $1", values![batch], |row| row.get(0))?;
    let Some(name) = name else { return Ok(()) };
    let counts = waiting::counts(conn, Some(std::slice::from_ref(&name)))?;
    if counts.queued + counts.uncertain + counts.blocked > 0 {
        return Ok(());
    }
    let event = json!({
        "event": BATCH_COMPLETED, "batch": name, "total": counts.total, "succeeded": counts.succeeded,
        "warnings": counts.warnings, "dead": counts.dead, "held": counts.held, "cancelled": counts.cancelled, "finished_at": now,
    });
    // A row that belongs to neither a job nor an input is an event; its document stands where those have properties.
    conn.send("INSERT INTO outbox (amqp) VALUES ($1)", values![event.to_string()])
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::contract::{T0, at, death, document, failure, from_amqp, from_file, job, queue, success};
    use crate::ledger::{Mode, SqlStore};
    use paceline_domain::job::Job;
    use paceline_domain::reason::Reason;
    use paceline_ports::{Arrival, Domain, JobSeq, Outbox, Settlement};

    async fn events(ledger: &SqlStore) -> Vec<Value> {
        let rows = ledger.claim(0, 1_000).await.unwrap();
        let events = rows.into_iter().filter(|row| row.ending.routing_key == BATCH_COMPLETED);
        events.map(|row| document(&row.ending)).collect()
    }

    fn open() -> (tempfile::TempDir, SqlStore) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = SqlStore::open(&folder.path().join("ledger.db"), Mode::Worker, T0).unwrap();
        (folder, ledger)
    }

    async fn settle(ledger: &SqlStore, seq: JobSeq, settlement: Settlement) {
        ledger.domain().settle(seq, settlement, at(9)).await.unwrap();
    }

    fn of_batch(id: &str, batch: Option<&str>) -> Job {
        Job { batch: batch.map(str::to_owned), ..job(id) }
    }

    #[tokio::test]
    async fn the_last_ending_of_a_batch_is_told_once_and_again_after_a_redrive() {
        let (_folder, ledger) = open();
        let mut seqs = Vec::new();
        for id in ["a", "b", "c", "d"] {
            seqs.push(queue(&ledger, from_amqp(of_batch(id, Some("move")))).await.seq);
        }
        let held = Settlement::Held { failure: failure("who knows") };
        let uncertain = Settlement::Uncertain { not_before: at(20), charged: true, failure: failure("lost") };
        for (seq, settlement) in
            [(seqs[0], success("k")), (seqs[1], death(Reason::Rejected)), (seqs[2], held), (seqs[3], uncertain)]
        {
            settle(&ledger, seq, settlement).await;
        }
        assert!(events(&ledger).await.is_empty(), "one is still uncertain");
        settle(&ledger, seqs[3], Settlement::Cancelled).await;
        let told = events(&ledger).await;
        let expected = json!({
            "event": "batch.completed", "batch": "move", "total": 4, "succeeded": 1, "warnings": 0, "dead": 1, "held": 1,
            "cancelled": 1, "finished_at": at(9),
        });
        assert_eq!(told, [expected]);
        settle(&ledger, seqs[3], success("late")).await;
        assert_eq!(events(&ledger).await.len(), 1, "a late reply ends nothing");

        queue(&ledger, from_amqp(of_batch("b", Some("move")))).await;
        settle(&ledger, seqs[1], success("k2")).await;
        let told = events(&ledger).await;
        assert_eq!((told.len(), &told[1]["succeeded"], &told[1]["dead"]), (2, &json!(2), &json!(0)));
    }

    #[tokio::test]
    async fn nobody_is_told_of_files_and_of_jobs_without_a_batch() {
        let (_folder, ledger) = open();
        let file = from_file(of_batch("a", Some("rooms")), "rooms.csv:2");
        let alone = from_amqp(of_batch("b", None));
        for arrival in [file, alone] {
            let seq = queue(&ledger, arrival).await.seq;
            settle(&ledger, seq, success("k")).await;
        }
        assert!(events(&ledger).await.is_empty());
    }

    #[tokio::test]
    async fn batches_that_end_together_are_told_apart() {
        let (_folder, ledger) = open();
        let arrival = |id: &str, batch: &str| -> Arrival { from_amqp(of_batch(id, Some(batch))) };
        let first = queue(&ledger, arrival("a", "x")).await.seq;
        let second = queue(&ledger, arrival("b", "y")).await.seq;
        tokio::join!(settle(&ledger, first, success("k")), settle(&ledger, second, success("l")));
        let mut names: Vec<_> = events(&ledger).await.iter().map(|event| event["batch"].clone()).collect();
        names.sort_by_key(Value::to_string);
        assert_eq!(names, ["x", "y"]);
        let rows = ledger.claim(0, 10).await.unwrap();
        ledger.done(rows.iter().map(|row| row.seq).collect()).await.unwrap();
        assert!(events(&ledger).await.is_empty(), "published");
    }
}
