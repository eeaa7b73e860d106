//! What has become of jobs that were put to work.

use std::sync::LazyLock;

use super::{JobSeq, Operator};
use crate::document::{ENDING_COLUMNS, EndingRow};
use crate::driver::{Conn, Result, values};
use crate::state::State;
use paceline_domain::time::Timestamp;
use paceline_ports::LedgerError;

/// A job that waits for nothing but a person any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Followed {
    /// Which.
    pub seq: JobSeq,
    /// How it stands; `None` if it was dropped.
    pub state: Option<State>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The contract's document.
    pub document: serde_json::Value,
}

impl Followed {
    /// Whether it went wrong: dead, or parked for a person.
    pub fn is_failure(&self) -> bool {
        matches!(self.state, Some(State::Dead | State::Held))
    }
}

impl Operator {
    /// Those of these jobs that have ended, are held, or were dropped.
    pub fn ended_among(&self, jobs: &[JobSeq]) -> std::result::Result<Vec<Followed>, LedgerError> {
        self.read_at_once(|conn| {
            let mut found = Vec::new();
            for seq in jobs {
                found.extend(ended(conn, *seq)?);
            }
            Ok(found)
        })
    }
}

/// How the job ended, or that it is gone; `None` while it goes on by itself.
fn ended(conn: &Conn, seq: JobSeq) -> Result<Option<Followed>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {ENDING_COLUMNS} FROM jobs j JOIN lanes l ON l.lane = j.lane
                 LEFT JOIN batches b ON b.batch = j.batch WHERE j.seq = $1 AND j.state >= 2"
        )
    });
    if let Some(ending) = conn.query_opt(&SQL, values![seq], EndingRow::of_job)? {
        let (state, ended_at) = (Some(ending.state), ending.ended_at);
        return Ok(Some(Followed { seq, state, ended_at, document: ending.document() }));
    }
    let is_there: bool = conn.query_value("SELECT EXISTS (SELECT 1 FROM jobs WHERE seq = $1)", values![seq])?;
    let gone = Followed { seq, state: None, ended_at: None, document: serde_json::Value::Null };
    Ok((!is_there).then_some(gone))
}
