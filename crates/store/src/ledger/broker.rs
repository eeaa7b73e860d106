//! How the worker stands with its broker: kept here, because who asks may be another process.

use super::books::Books;
use crate::driver::{Conn, Result, values};
use paceline_ports::operator::BrokerStanding;

/// Records how it stands now; `None`: there is no broker, or nobody knows.
pub(super) fn set(books: &Books, standing: Option<&BrokerStanding>) -> Result<()> {
    let conn = books.conn();
    let Some(BrokerStanding { ready, since, is_full, jobs_in, results_out }) = standing else {
        conn.execute("DELETE FROM broker", &[])?;
        return Ok(());
    };
    conn.execute(
        "INSERT INTO broker (\"only\", ready, since, jobs_in, results_out, is_full) VALUES (1, $1, $2, $3, $4, $5)
         ON CONFLICT (\"only\") DO UPDATE SET ready = excluded.ready, since = excluded.since, jobs_in = excluded.jobs_in,
             results_out = excluded.results_out, is_full = excluded.is_full",
        values![ready, since, jobs_in, results_out, is_full],
    )?;
    Ok(())
}

/// What was recorded last.
pub(crate) fn read(conn: &Conn) -> Result<Option<BrokerStanding>> {
    conn.query_opt("SELECT ready, since, jobs_in, results_out, is_full FROM broker", &[], |row| {
        Ok(BrokerStanding {
            ready: row.get(0)?,
            since: row.get(1)?,
            jobs_in: row.get(2)?,
            results_out: row.get(3)?,
            is_full: row.get(4)?,
        })
    })
}
