//! What has become of jobs that were put to work.

use super::selection::json_list;
use super::{JobSeq, Operator};
use crate::document::{ENDING_COLUMNS, ENDING_COLUMNS_LEN, EndingRow};
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
    pub fn ended_among(&self, jobs: &[JobSeq]) -> Result<Vec<Followed>, LedgerError> {
        let wanted = json_list(jobs.iter().map(|seq| seq.0));
        self.read(|conn| {
            let sql = format!(
                "SELECT {ENDING_COLUMNS}, w.value FROM json_each(?1) w JOIN jobs j ON j.seq = w.value
                     JOIN lanes l USING (lane) LEFT JOIN batches b ON b.batch = j.batch WHERE j.state >= 2"
            );
            let mut found: Vec<Followed> = conn
                .prepare_cached(&sql)?
                .query_map([&wanted], |row| {
                    let ending = EndingRow::of_job(&crate::driver::Row(row))?;
                    Ok(Followed {
                        seq: JobSeq(row.get(ENDING_COLUMNS_LEN)?),
                        state: Some(ending.state),
                        ended_at: ending.ended_at,
                        document: ending.document(),
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
            let gone: Vec<i64> = conn
                .prepare_cached(
                    "SELECT value FROM json_each(?1) WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.seq = value)",
                )?
                .query_map([&wanted], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            found.extend(gone.into_iter().map(|seq| Followed {
                seq: JobSeq(seq),
                state: None,
                ended_at: None,
                document: serde_json::Value::Null,
            }));
            Ok(found)
        })
    }
}
