//! Dead letters: jobs that ended without success, and inputs that never became jobs.

use serde::Serialize;
use serde_json::Value;

use super::{Page, Selection};
use crate::{Delivered, JobSeq, LedgerError, Origin};
use paceline_domain::job::Job;
use paceline_domain::messages::Cause;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;

/// One dead letter in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeadLine {
    /// What names it in commands: the job's id, or `#<number>` of an input that never became a job.
    pub handle: String,
    /// File name and line, where it came from a file.
    pub place: Option<String>,
    /// How it came, if it is an input that came over AMQP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Delivered>,
    /// Whether it is an input that never became a job.
    #[serde(skip)]
    pub is_input: bool,
    /// The contract's document.
    #[serde(flatten)]
    pub document: Value,
}

/// A dead letter as it stood when it was selected. What changes it afterwards, another death for one, makes it another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// What names it in commands.
    pub handle: String,
    /// Why it died.
    pub reason: Reason,
    /// The platform's code.
    pub code: Option<i64>,
    /// Its method, if one could be read.
    pub method: Option<String>,
    /// A job's deadline.
    pub not_after: Option<Timestamp>,
    /// What it is.
    pub kind: LetterKind,
}

/// What a dead letter is, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterKind {
    /// A job, and when it died.
    Job {
        /// Its number.
        seq: i64,
        /// When it died.
        ended_at: i64,
    },
    /// An input that never became a job.
    Input {
        /// Its number.
        seq: i64,
    },
}

impl Letter {
    /// Whether it is an input that never became a job.
    pub const fn is_input(&self) -> bool {
        matches!(self.kind, LetterKind::Input { .. })
    }

    /// Whether it would expire again at once.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.not_after.is_some_and(|at| at <= now)
    }

    /// The number of the job, and when it died; `None` for an input.
    pub const fn job(&self) -> Option<(i64, i64)> {
        match self.kind {
            LetterKind::Job { seq, ended_at } => Some((seq, ended_at)),
            LetterKind::Input { .. } => None,
        }
    }

    /// The number of the input; `None` for a job.
    pub const fn input(&self) -> Option<i64> {
        match self.kind {
            LetterKind::Input { seq } => Some(seq),
            LetterKind::Job { .. } => None,
        }
    }
}

/// An input that never became a job, with what is needed to read it again.
#[derive(Clone, Debug)]
pub struct RejectedInput {
    /// The id, method, app and batch that could be read, or that stood in for them when it came.
    pub id: Option<String>,
    /// See `id`.
    pub method: Option<String>,
    /// See `id`.
    pub app: Option<String>,
    /// See `id`.
    pub batch: Option<String>,
    /// What was wrong with it.
    pub detail: Cause,
    /// As it came.
    pub origin: Origin,
}

/// Dead letters that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadGroup {
    /// Why they died.
    pub reason: Reason,
    /// The platform's code; absent where it gave none.
    pub code: Option<i64>,
    /// Their method; absent where none could be read.
    pub method: Option<String>,
    /// Their app; absent where none could be read.
    pub app: Option<String>,
    /// How many.
    pub count: u64,
    /// When the last one died that did, if it is among them still or not.
    pub latest_at: Timestamp,
    /// What names the newest of them, by take-over, in commands.
    pub example_id: String,
}

/// What a dead job shall be from now on.
pub struct Edit {
    /// The dead letter.
    pub letter: Letter,
    /// Its job, of the same id, method and app.
    pub job: Box<Job>,
    /// Whether it is put back to work at once.
    pub redrive: bool,
}

/// An input that never became a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its number, as in `#12`.
    pub number: i64,
    /// Why.
    pub reason: String,
    /// What was wrong with it.
    pub detail: Cause,
}

/// Dead letters: jobs that ended without success, and inputs that never became jobs.
pub trait DeadReports {
    /// The dead letters that match: jobs in the order of take-over, then inputs that never became jobs; at most `limit`.
    fn list_dead(&self, selection: &Selection, limit: usize) -> Result<Vec<DeadLine>, LedgerError>;

    /// A page of [`Self::list_dead`], after what an earlier one said to go on after; 0 for the first. As with jobs, it can
    /// hold fewer than `limit` although there are more.
    fn page_dead(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<DeadLine>, LedgerError>;

    /// A page of the inputs among them, after the number of an earlier page.
    fn page_dead_inputs(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<DeadLine>, LedgerError>;

    /// The dead letters that match now: jobs in the order of take-over, then inputs that never became jobs.
    ///
    /// # Errors
    /// An id that names two of them; the ledger's.
    fn select_dead(&self, selection: &Selection) -> Result<Vec<Letter>, LedgerError>;

    /// The input behind a letter, to be read and taken over again (an app was added to the settings, a method to the
    /// catalog); `None` if it is no input, or gone.
    fn rejected_input(&self, letter: &Letter) -> Result<Option<RejectedInput>, LedgerError>;

    /// The input of a line; `None` if it is a job's, or gone.
    fn input(&self, line: &DeadLine) -> Result<Option<RejectedInput>, LedgerError>;

    /// The newest inputs of a group of [`Self::dead_groups`], at most `limit`: what is wrong with them stands in them.
    fn newest_inputs(
        &self,
        selection: &Selection,
        group: &DeadGroup,
        limit: usize,
    ) -> Result<Vec<RejectedInput>, LedgerError>;

    /// Whether the id belongs to a job with other content, so that this one would only be rejected anew.
    fn is_conflict(&self, id: &str, hash: [u8; 32]) -> Result<bool, LedgerError>;

    /// The dead letters that match, in groups, the largest first. By tallies alone, unless ids or their beginning are
    /// given: those are not looked at.
    fn dead_groups(&self, selection: &Selection) -> Result<Vec<DeadGroup>, LedgerError>;

    /// The letter's job; `None` if it is an input that never became one, or is dead no longer.
    fn dead_job(&self, letter: &Letter) -> Result<Option<Job>, LedgerError>;

    /// The letters, and behind them those that are dead only because they waited for one of them, down their chains.
    fn with_dependents(&self, letters: Vec<Letter>) -> Result<Vec<Letter>, LedgerError>;

    /// Why an input with this id never became a job: reason and detail of the newest such input.
    fn rejection_of(&self, id: &str) -> Result<Option<Rejected>, LedgerError>;
}

/// What people do to dead letters.
pub trait DeadCommands {
    /// Queues the letters' jobs again, from the start; gives the numbers of those queued. Left as they are: letters that
    /// changed since they were selected, and inputs that never became jobs.
    fn redrive(&mut self, letters: &[Letter]) -> Result<Vec<JobSeq>, LedgerError>;

    /// Forgets the matching dead letters, jobs and inputs; says how many. Their ids may be used again; their calls stay
    /// recorded, because the platform has counted them.
    fn drop_dead(&mut self, selection: &Selection) -> Result<usize, LedgerError>;

    /// Forgets these letters, but for those that changed since they were selected; says how many.
    fn drop_letters(&mut self, letters: &[Letter]) -> Result<usize, LedgerError>;

    /// Forgets an input whose job has been taken over in its place, which is told of as what it was done for.
    fn replaced(&mut self, letter: &Letter) -> Result<(), LedgerError>;

    /// Writes the new contents, but for letters that changed since they were selected. Gives how many were written, and
    /// the jobs that were put back to work.
    fn edit_dead(&mut self, edits: Vec<Edit>, now: Timestamp) -> Result<(usize, Vec<JobSeq>), LedgerError>;
}
