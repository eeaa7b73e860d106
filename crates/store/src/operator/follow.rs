//! What has become of jobs that were put to work.

use std::sync::LazyLock;

use crate::document::{self, ENDING_COLUMNS};
use crate::driver::{Conn, Result, values};
use paceline_ports::JobSeq;
use paceline_ports::operator::Followed;

/// How the job ended, or that it is gone; `None` while it goes on by itself.
pub(super) fn ended(conn: &Conn, seq: JobSeq) -> Result<Option<Followed>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {ENDING_COLUMNS} FROM jobs j JOIN lanes l ON l.lane = j.lane
                 LEFT JOIN batches b ON b.batch = j.batch WHERE j.seq = $1 AND j.state >= 2"
        )
    });
    if let Some(ending) = conn.query_opt(&SQL, values![seq], document::of_job)? {
        let (state, ended_at) = (Some(ending.state), ending.ended_at);
        return Ok(Some(Followed { seq, state, ended_at, document: ending.document() }));
    }
    let is_there: bool = conn.query_value("SELECT EXISTS (SELECT 1 FROM jobs WHERE seq = $1)", values![seq])?;
    let gone = Followed { seq, state: None, ended_at: None, document: serde_json::Value::Null };
    Ok((!is_there).then_some(gone))
}
