//! Single jobs: listed, shown with their attempts, exported, decided on.

use std::ops::ControlFlow;

use serde::Serialize;
use serde_json::Value;

use super::{EndingRow, Page, Selection};
use crate::{JobSeq, LedgerError, State};
use paceline_domain::activity::Facts;
use paceline_domain::job::{Job, LaneKey};
use paceline_domain::messages::{Cause, Cure, Detail};
use paceline_domain::time::Timestamp;
use paceline_domain::undo::Created;

/// One job in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobLine {
    /// Its number, for paging.
    pub seq: i64,
    /// Whether a call of it is in flight.
    pub running: bool,
    /// 0 to 9.
    pub priority: u8,
    /// Not sent before.
    pub not_before: Option<Timestamp>,
    /// Expired at.
    pub not_after: Option<Timestamp>,
    /// When it was taken over.
    pub created_at: Timestamp,
    /// When a person edited it; absent if nobody did.
    pub edited_at: Option<Timestamp>,
    /// File name and line; absent for AMQP.
    pub place: Option<String>,
    /// The contract's document, as far as the job has come.
    #[serde(flatten)]
    pub document: Value,
    /// What the document says, typed.
    #[serde(skip)]
    pub ending: EndingRow,
}

/// One attempt of a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttemptLine {
    /// Its number.
    pub seq: i64,
    /// `job` or `look-up`.
    pub purpose: &'static str,
    /// Not later than its first byte left.
    pub sent_at: Timestamp,
    /// When it was over; absent while it is in flight.
    pub ended_at: Option<Timestamp>,
    /// One word; absent while it is in flight.
    pub outcome: Option<String>,
    /// HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// The platform's code.
    pub code: Option<i64>,
    /// What went wrong, if anything did.
    #[serde(flatten)]
    pub detail: Detail,
    /// The platform's log id.
    pub log_id: Option<String>,
}

/// A job with its attempts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobSheet {
    /// The job.
    #[serde(flatten)]
    pub line: JobLine,
    /// Its attempts, in order. Those of an earlier life (before a redrive) are among them.
    pub history: Vec<AttemptLine>,
}

/// A held job in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeldLine {
    /// The job.
    #[serde(flatten)]
    pub line: JobLine,
    /// Keys of objects that may be the job's.
    pub candidates: Vec<String>,
    /// The last attempt; absent if none is recorded.
    pub last_attempt: Option<AttemptLine>,
}

/// What came of a cancellation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cancelled {
    /// Ended now.
    pub cancelled: usize,
    /// Matched, but a call of it is in flight: it ends by its reply.
    pub running: usize,
}

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
    pub document: Value,
}

impl Followed {
    /// Whether it went wrong: dead, or parked for a person.
    pub fn is_failure(&self) -> bool {
        matches!(self.state, Some(State::Dead | State::Held))
    }
}

/// One row of an export.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportRow {
    /// The contract's document, as far as the job has come.
    pub document: Value,
    /// File name and line; empty for AMQP.
    pub place: String,
    /// For a CSV row: its cells, in the file's order.
    pub cells: Option<Vec<String>>,
    /// Why it is not a success, as the document says it in English.
    pub detail: Cause,
    /// What to do about it.
    pub cure: Option<Cure>,
    /// The documents of the jobs that it waited for, and of those that waited for it, where they were asked for.
    pub linked: [Vec<Value>; 2],
}

/// Jobs of a lane that ended alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The lane.
    pub lane: LaneKey,
    /// How they stand.
    pub state: State,
    /// Whether it is known what they created.
    pub has_key: bool,
    /// How many.
    pub count: u64,
}

/// What a person found out about a held or uncertain job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It was applied; the new object has this id.
    Succeeded {
        /// Id of the new object.
        key: String,
    },
    /// It was not applied: send it again, from the start.
    Retry,
    /// It shall not be sent again.
    Dead,
    /// What kept the look-up from telling is mended: look again.
    LookUp,
}

impl Resolution {
    /// Those of the jobs, with what is said of them.
    pub fn facts(&self, of_jobs: Facts) -> Facts {
        match self {
            Self::Succeeded { key } => of_jobs.text("verdict", "succeeded").text("key", key),
            Self::Retry => of_jobs.text("verdict", "retry"),
            Self::Dead => of_jobs.text("verdict", "dead"),
            Self::LookUp => of_jobs.text("verdict", "look-up"),
        }
    }
}

/// Single jobs, and rows of an export.
pub trait JobReports {
    /// The jobs that match, after the number `after`, in the order of take-over, at most `limit`.
    fn list_jobs(&self, selection: &Selection, after: i64, limit: usize) -> Result<Vec<JobLine>, LedgerError>;

    /// A page of [`Self::list_jobs`]. A page can hold fewer than `limit` although there are more: what bounds it is then
    /// the time that it takes.
    fn page_jobs(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<JobLine>, LedgerError>;

    /// One job; `None` if it was forgotten.
    fn job_line(&self, seq: JobSeq) -> Result<Option<JobLine>, LedgerError>;

    /// One job with its attempts; `None` if there is none of this id.
    fn show_job(&self, id: &str) -> Result<Option<JobSheet>, LedgerError>;

    /// What the job of this id says, its parameters among it; `None` if there is none. Whoever shows it has to mask it.
    fn job(&self, id: &str) -> Result<Option<Job>, LedgerError>;

    /// The jobs of which a call is in flight, that match; the selection's state is not looked at.
    fn page_running(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<JobLine>, LedgerError>;

    /// Held jobs with what was found out about them last; the selection's state is not looked at.
    fn page_held(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<HeldLine>, LedgerError>;

    /// How many of the matching jobs [`JobCommands::cancel`] would cancel, and how many it would leave alone.
    fn cancellable(&self, selection: &Selection, dependents: bool) -> Result<Cancelled, LedgerError>;

    /// How many calls are in flight.
    fn running(&self) -> Result<u64, LedgerError>;

    /// How many jobs, and inputs that never became jobs, match. By tallies alone, unless ids or their beginning are given.
    fn count(&self, selection: &Selection) -> Result<u64, LedgerError>;

    /// Those of these jobs that have ended, are held, or were dropped.
    fn ended_among(&self, jobs: &[JobSeq]) -> Result<Vec<Followed>, LedgerError>;

    /// Calls `each` for every row that matches until it breaks. Rows of one file come in the file's order; `linked`: with
    /// the jobs that they wait for, and that wait for them.
    fn export(
        &self,
        selection: &Selection,
        linked: bool,
        each: &mut dyn FnMut(ExportRow) -> ControlFlow<()>,
    ) -> Result<(), LedgerError>;
}

/// What jobs have created.
pub trait UndoReports {
    /// How the selected jobs stand, and whether the ledger knows what they created.
    fn made(&self, selection: &Selection) -> Result<Vec<Made>, LedgerError>;

    /// A page of what the selected jobs have created and is still there as far as the ledger knows.
    fn created(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<Created>, LedgerError>;

    /// The jobs that the job of this id waited for.
    fn waited_for(&self, id: &str) -> Result<Vec<String>, LedgerError>;

    /// How many deletions of the batch found nothing to delete.
    fn gone_before(&self, batch: &str) -> Result<u64, LedgerError>;
}

/// What people do to jobs.
pub trait JobCommands {
    /// Resolves a held or uncertain job.
    ///
    /// # Errors
    /// [`LedgerError::Failed`] with a sentence: no such job, it is in another state, a call of it is in flight, or another
    /// job owns that object.
    fn resolve(&mut self, id: &str, resolution: &Resolution, now: Timestamp) -> Result<(), LedgerError>;

    /// Resolves every matching job that is held and not in flight; says how many. The selection's state is not looked at.
    fn resolve_held(
        &mut self,
        selection: &Selection,
        resolution: &Resolution,
        now: Timestamp,
    ) -> Result<usize, LedgerError>;

    /// Cancels the matching jobs that are queued and not in flight now, or blocked; the selection's state is not looked at.
    /// Who waits for one of them is cancelled with `dependents`, and a dead letter without.
    fn cancel(&mut self, selection: &Selection, dependents: bool, now: Timestamp) -> Result<Cancelled, LedgerError>;
}
