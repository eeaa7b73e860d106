//! How the worker is connected with its broker: kept here, because who asks may be another process.

use super::books::{Books, Trouble};
use crate::driver::{self, Conn, values};
use paceline_ports::operator::BrokerStanding;

/// Records how it is now; `None`: there is no broker, or nobody knows.
pub(super) fn set(books: &Books, standing: Option<&BrokerStanding>) -> Result<(), Trouble> {
    let conn = books.conn();
    let Some(BrokerStanding { since, status }) = standing else {
        conn.send("DELETE FROM broker", &[])?;
        return Ok(());
    };
    let status = serde_json::to_string(status).map_err(|error| driver::Error::unexpected(error.to_string()))?;
    conn.send(
        "INSERT INTO broker (\"only\", since, status) VALUES (1, $1, $2)
         ON CONFLICT (\"only\") DO UPDATE SET since = excluded.since, status = excluded.status",
        values![since, status],
    )?;
    Ok(())
}

/// What was recorded last; nothing of what a later version may have written.
pub(crate) fn read(conn: &Conn) -> driver::Result<Option<BrokerStanding>> {
    let row =
        conn.query_opt("SELECT since, status FROM broker", &[], |row| Ok((row.get(0)?, row.get::<String>(1)?)))?;
    Ok(row.and_then(|(since, status)| Some(BrokerStanding { since, status: serde_json::from_str(&status).ok()? })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::T0;
    use crate::ledger::{Mode, SqlStore};
    use paceline_domain::messages::{
        BrokerCause, BrokerCure, BrokerFault, BrokerPart, BrokerStatus, BrokerWords, IntakeLoad, IntakeState,
        LinkState, RelayState,
    };

    #[tokio::test]
    async fn what_was_recorded_is_read_back_as_data_and_forgotten_by_the_next_worker() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let down = BrokerCause::BrokerUnreachable { address: "mq:5672".into(), why: BrokerWords::NotAmqp };
        let down = BrokerFault::new(down, Some(BrokerCure::WaitOrUseTls));
        let full = BrokerFault::new(BrokerCause::QueueFull, None).of(BrokerPart::Queue { name: "d".into() });
        let status = BrokerStatus {
            consume: LinkState::Connected,
            publish: LinkState::Down { since_at: T0.to_string(), fault: BrokerFault::joined(vec![down; 2]) },
            intake: IntakeState::IntakePaused { load: IntakeLoad::new(9, true, Some(("acme".into(), 7))) },
            relay: RelayState::RelayStalled { faults: vec![full] },
        };
        let standing = BrokerStanding { since: T0, status };
        let worker = SqlStore::open(&path, Mode::Worker, T0).unwrap();
        worker.set_broker(standing.clone()).await.unwrap();
        let operator = crate::open(&path).unwrap();
        assert_eq!(operator.broker().unwrap(), Some(standing));
        worker.close().await;
        SqlStore::open(&path, Mode::Worker, T0).unwrap().close().await;
        assert_eq!(operator.broker().unwrap(), None);
    }
}
