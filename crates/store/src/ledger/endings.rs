//! The rows of jobs that end: those of several jobs are written at one time.

use super::tallies::Pile;
use crate::driver::{Conn, Insertion, Result, values};
use crate::facts;
use crate::ledger::settle::Standing;
use crate::state::State;
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_ports::JobSeq;

/// How a job ended.
pub(super) struct Ended<'a> {
    pub(super) state: State,
    pub(super) key: Option<&'a str>,
    pub(super) result: Option<String>,
    pub(super) warnings: Option<String>,
    pub(super) reason: Option<Reason>,
    pub(super) failure: Option<&'a Failure>,
}

impl Ended<'_> {
    pub(super) const fn of(state: State) -> Self {
        Self { state, key: None, result: None, warnings: None, reason: None, failure: None }
    }
}

/// A job's row as it is to be.
struct Ending {
    seq: JobSeq,
    state: i64,
    attempts: i64,
    at: Timestamp,
    is_told: bool,
    /// The number of the row that tells of it.
    outbox: Option<i64>,
    key: Option<String>,
    result: Option<String>,
    warnings: Option<String>,
    reason: Option<&'static str>,
    status: Option<u16>,
    code: Option<i64>,
    detail: Option<String>,
    cure: Option<String>,
    log_id: Option<String>,
}

/// Jobs that have ended, though their rows do not say so yet.
#[derive(Default)]
pub(crate) struct Endings(Vec<Ending>);

impl Endings {
    /// One more; gives the pile that it comes into.
    pub(super) fn add(
        &mut self,
        seq: JobSeq,
        standing: Standing,
        ended: Ended<'_>,
        attempts: i64,
        at: Timestamp,
    ) -> Pile {
        let Ended { state, key, result, warnings, reason, failure } = ended;
        let code = failure.and_then(|failure| failure.code);
        let pile = if state == State::Succeeded {
            standing.place.succeeded(warnings.is_some())
        } else {
            standing.place.pile(state, reason, code)
        };
        self.0.push(Ending {
            seq,
            state: state.number(),
            attempts,
            at,
            is_told: standing.from_amqp,
            outbox: None,
            key: key.map(str::to_owned),
            result,
            warnings,
            reason: reason.map(Reason::as_str),
            status: failure.and_then(|failure| failure.status),
            code,
            detail: facts::detail(failure),
            cure: facts::cure(failure),
            log_id: failure.and_then(|failure| failure.log_id.clone()),
        });
        pile
    }

    /// Writes them all, with a row of the outbox for each that somebody is told of.
    pub(crate) fn write(&mut self, conn: &Conn) -> Result<()> {
        let told: Vec<_> = self.0.iter().filter(|ending| ending.is_told).map(|ending| [ending.seq.0.into()]).collect();
        let tell = Insertion { sql: "INSERT INTO outbox (job) VALUES ($1)", known_by: ("job", 0) };
        let numbers = conn.insert_all(tell, &told)?;
        for (ending, number) in self.0.iter_mut().filter(|ending| ending.is_told).zip(numbers) {
            ending.outbox = number;
        }
        let rows = self.0.iter().map(|ending| {
            *values![
                ending.seq,
                ending.state,
                ending.attempts,
                ending.at,
                ending.outbox,
                ending.key,
                ending.result,
                ending.warnings,
                ending.reason,
                ending.status,
                ending.code,
                ending.detail,
                ending.cure,
                ending.log_id,
            ]
        });
        conn.send_all(
            "UPDATE jobs SET state = $2, attempts = $3, ended_at = $4, outbox = $5, key = $6, result = $7,
                 warnings = $8, reason = $9, http_status = $10, code = $11, detail = $12, cure = $13, log_id = $14
             WHERE seq = $1",
            &rows.collect::<Vec<_>>(),
        )?;
        self.0.clear();
        Ok(())
    }
}
