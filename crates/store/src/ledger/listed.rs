//! Names: what look-ups have shown, and the jobs that wait for one.

use std::sync::LazyLock;

use super::books::{Books, Trouble};
use super::chains;
use super::held::Held;
use super::job_row::{self, JOB_COLUMNS, JOB_COLUMNS_LEN, JOB_TABLES, JobRow, JobText};
use super::settle;
use crate::driver::{Conn, Result, values};
use crate::state::State;
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_ports::{JobSeq, Kept, Named, QuotaDomain, Settlement};

/// What was read of a place since that instant.
pub(crate) fn of(conn: &Conn, directory: &str, place: &str, since: Timestamp) -> Result<Option<Kept>> {
    let sql = "SELECT items, read_at FROM listed WHERE directory = $1 AND place = $2 AND read_at >= $3";
    conn.query_opt(sql, values![directory, place, since], |row| Ok(Kept { items: row.get(0)?, read_at: row.get(1)? }))
}

/// Keeps what was read of places.
pub(crate) fn keep(conn: &Conn, directory: &str, places: &[(String, String)], read_at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO listed (directory, place, items, read_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (directory, place) DO UPDATE SET items = excluded.items, read_at = excluded.read_at";
    for (place, items) in places {
        conn.send(sql, values![directory, place, items, read_at])?;
    }
    Ok(())
}

/// Forgets everything that was read of a look-up.
pub(crate) fn forget(conn: &Conn, directory: &str) -> Result<()> {
    conn.send("DELETE FROM listed WHERE directory = $1", values![directory])
}

/// Forgets what was read before.
pub(crate) fn prune(conn: &Conn, before: Timestamp) -> Result<()> {
    conn.send("DELETE FROM listed WHERE read_at < $1", values![before])
}

/// The first jobs of a domain after one that wait for names.
pub(crate) fn nameless(
    conn: &Conn,
    domain: &QuotaDomain,
    after: JobSeq,
    limit: usize,
) -> Result<Vec<(JobSeq, JobRow)>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {JOB_COLUMNS}, j.seq FROM {JOB_TABLES}
             WHERE j.finds = 1 AND j.state = 6 AND j.seq > $1 ORDER BY j.seq LIMIT $2"
        )
    });
    let (mut found, mut after) = (Vec::new(), after);
    // However many others' jobs come before.
    while found.len() < limit {
        let page: Vec<(JobSeq, JobRow)> = conn.query(&SQL, values![after, limit], |row| {
            Ok((row.get(JOB_COLUMNS_LEN)?, JobRow::read(row, conn.seal())?))
        })?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        found.extend(page.into_iter().filter(|(_, row)| domain.covers(row.lane())));
    }
    found.truncate(limit);
    Ok(found)
}

/// Writes the ids down that were found for jobs' names, or ends jobs whose names have none. Those that nothing else keeps go
/// on.
pub(crate) fn named(
    books: &mut Books,
    held: &Held,
    found: &[(JobSeq, Named)],
    now: Timestamp,
) -> std::result::Result<(), Trouble> {
    for (seq, named) in found {
        let waits = "SELECT EXISTS (SELECT 1 FROM jobs WHERE seq = $1 AND state = 6 AND finds = 1)";
        // A person has ended it meanwhile, or given it other content.
        if !books.conn().query_value::<bool>(waits, values![seq])? {
            continue;
        }
        let Some(standing) = settle::standing(books, *seq)? else { continue };
        held.check(books, standing.place.lane)?;
        match named {
            Named::As(job) => {
                job_row::name(books, *seq, &JobText::of(job.clone()))?;
                chains::go_on(books, *seq, now)?;
            }
            Named::Not(cause) => {
                let failure = Failure { detail: cause.clone(), ..Failure::default() };
                let dead = Settlement::Dead { reason: Reason::Invalid, failure };
                settle::apply(books, *seq, standing, &dead, false, now)?;
            }
        }
    }
    Ok(())
}

/// Lets a job wait until its names are looked up anew; its place among the blocked ones is the caller's to note.
pub(crate) fn look_again(conn: &Conn, seq: JobSeq) -> Result<()> {
    conn.send("UPDATE jobs SET finds = 1 WHERE seq = $1", values![seq])
}

/// The state in which a job begins again whose names were looked up before: their ids may be gone.
pub(crate) fn begin_again(conn: &Conn, seq: JobSeq) -> Result<Option<State>> {
    let changed = conn.execute("UPDATE jobs SET finds = 1 WHERE seq = $1 AND finds IS NOT NULL", values![seq])?;
    Ok((changed > 0).then_some(State::Blocked))
}
