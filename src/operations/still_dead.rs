//! Why a dead letter stays one, as facts: each surface makes its own sentence of them.

use std::fmt;

use crate::domain::job::Fault;
use crate::domain::messages::Cause;
use crate::domain::time::Timestamp;

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StillDead {
    /// It was dropped, or came back to work, since it was selected.
    Gone,
    /// Its deadline has passed, so it would expire again.
    Expired(Option<Timestamp>),
    /// Likewise with the content that it would get.
    ExpiredAsEdited,
    /// A row of a CSV file of which a cell could not be read; what was wrong then.
    Row(Cause),
    /// A row of a CSV file, which is corrected there.
    RowOfFile,
    /// What it says is no JSON object.
    NoObject,
    /// It never became a job, so it cannot be corrected without being put back to work.
    NeverAJob,
    /// Its id belongs to another job.
    IdTaken,
    /// It is no valid job.
    Invalid(Vec<Fault>),
}

/// A letter, by its handle, and why it stays dead.
pub type Kept = (String, StillDead);

impl StillDead {
    /// Its name for programs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Expired(_) => "expired",
            Self::ExpiredAsEdited => "expired-as-edited",
            Self::Row(_) => "row",
            Self::RowOfFile => "row-of-file",
            Self::NoObject => "no-object",
            Self::NeverAJob => "never-a-job",
            Self::IdTaken => "id-taken",
            Self::Invalid(_) => "invalid",
        }
    }

    /// What is wrong with its fields.
    pub fn faults(&self) -> &[Fault] {
        if let Self::Invalid(faults) = self { faults } else { &[] }
    }
}

impl fmt::Display for StillDead {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => out.write_str("it changed since it was selected"),
            Self::Expired(at) => {
                let at = at.map_or_else(String::new, |at| format!(" ({at})"));
                write!(out, "its deadline has passed{at}, so it would expire again")
            }
            Self::ExpiredAsEdited => out.write_str(
                "its deadline has passed, so it stays dead, with its new content; change not_after or the start, too",
            ),
            Self::Row(detail) => write!(out, "{detail}; correct the row and run its file again"),
            Self::RowOfFile => out.write_str("it is a row of a CSV file; correct it there and run the file again"),
            Self::NoObject => out.write_str("it is not a JSON object, so it cannot be edited; publish it anew"),
            Self::NeverAJob => out.write_str("it never became a job, and can only be edited with --redrive"),
            Self::IdTaken => out.write_str("its id still belongs to another job"),
            Self::Invalid(faults) => {
                let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
                out.write_str(&faults.join("; "))
            }
        }
    }
}
