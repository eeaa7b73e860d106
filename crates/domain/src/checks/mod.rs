//! What is plainly wrong with a job although its types and limits are right, found before it is sent.
//!
//! `values.rs` judges single values by what they are (times, ids, texts), for every method alike. `rules.rs` follows the
//! rules across fields that a method's file declares (`[[checks]]`), `across.rs` those across the rows of a file. A fault
//! is what the platform surely refuses; a warning is what a person should look at, and it stops nothing.
//!
//! Decision: docs/decisions/0026-checks-faults-and-warnings.md

pub mod across;
mod alike;
mod characters;
mod formula;
mod rules;
mod spreadsheet;
mod text;
mod values;

use serde::{Deserialize, Serialize};

use super::catalog::Method;
use super::job::{Column, Fault, Job, Params};
use super::messages::Bilingual;
use super::time::Timestamp;

pub use characters::is_ignorable;
pub(crate) use spreadsheet::is_spoilt;
pub(crate) use text::code;
pub use values::Source;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The platform surely refuses it.
    Fault,
    /// A person should look at it.
    Warning,
}

impl Severity {
    /// The word in catalog files and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Warning => "warning",
        }
    }
}

/// What was found at one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// Dotted name of the field, e.g. `body.name`; empty for the job as a whole.
    pub field: String,
    /// The column of a CSV file that it comes from.
    pub column: Option<Column>,
    /// What it is. Its sentence is made in `text.rs`.
    pub check: Check,
}

/// What can be found, with the values that its sentence needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A time in a smaller unit than seconds.
    Unit {
        /// `milliseconds`, `microseconds` or `nanoseconds`.
        unit: &'static str,
        /// What stands there.
        value: i64,
        /// The same in seconds.
        seconds: i64,
    },
    /// An error value of a spreadsheet, such as `#N/A`.
    SpreadsheetError(String),
    /// A long number as a spreadsheet shortens it, such as `1.38E+10`.
    Shortened(String),
    /// A spreadsheet's formula in place of its value.
    Formula(String),
    /// A control character.
    Control(char),
    /// A line break in a text of one line.
    LineBreak(String),
    /// Characters that nobody sees; each once.
    Invisible(Vec<char>),
    /// A character stands for bytes that could not be read.
    Unreadable(String),
    /// An item of a list in a cell that may be meant as several.
    CommaInItem(String),
    /// Spaces before or behind the text.
    Spaces(String),
    /// A text with one of these faults that must not be shown.
    Hidden(Box<Check>),
    /// The instant has passed.
    Past(Timestamp),
    /// Another row of the file wants the same, as far as people can tell.
    Alike {
        /// The other row's line.
        line: u64,
    },
    /// A rule of the method's file.
    Rule {
        /// What it says.
        message: Bilingual,
        /// What stands there instead, as people may see it; may be empty.
        got: String,
    },
}

impl Check {
    /// Whether it explains why the value does not fit its type, if it does not.
    pub(crate) fn is_about_the_value(&self) -> bool {
        match self {
            Self::Unit { .. } | Self::SpreadsheetError(_) | Self::Shortened(_) | Self::Formula(_) => true,
            Self::Hidden(check) => check.is_about_the_value(),
            Self::Control(_)
            | Self::LineBreak(_)
            | Self::Invisible(_)
            | Self::Unreadable(_)
            | Self::CommaInItem(_)
            | Self::Spaces(_)
            | Self::Past(_)
            | Self::Alike { .. }
            | Self::Rule { .. } => false,
        }
    }
}

impl Finding {
    fn new(severity: Severity, field: impl Into<String>, check: Check) -> Self {
        Self { severity, field: field.into(), column: None, check }
    }

    /// The finding as a fault of the input.
    pub(crate) fn into_fault(self) -> Fault {
        Fault { column: self.column, got: self.check.got(), ..Fault::invalid(self.field, self.check.rule()) }
    }
}

/// What single values and the method's own rules say about a job's parameters.
pub(crate) fn of_params(method: &Method, params: &Params, source: Source, found: &mut Vec<Finding>) {
    values::check(method, params, source, found);
    rules::check(method, params, found);
}

/// The faults alone, of a document.
pub(crate) fn faults_of_params(method: &Method, params: &Params) -> Vec<Fault> {
    let mut found = Vec::new();
    of_params(method, params, Source::Document, &mut found);
    found.into_iter().filter(|finding| finding.severity == Severity::Fault).map(Finding::into_fault).collect()
}

/// Why a cell is no value: a spreadsheet would work it out.
pub(crate) fn formula(cell: &str, is_secret: bool) -> Option<Fault> {
    let found = || Check::Formula(cell.trim().to_owned());
    let check = formula::is_formula(cell).then(found)?;
    let check = if is_secret { Check::Hidden(Box::new(check)) } else { check };
    Some(Finding::new(Severity::Fault, "", check).into_fault())
}

/// What nobody sees of a name: control characters and invisible ones, each once.
pub(crate) fn unseen(name: &str) -> Vec<char> {
    let mut unseen = characters::invisible(name);
    for letter in name.chars().filter(|letter| letter.is_control()) {
        if !unseen.contains(&letter) {
            unseen.push(letter);
        }
    }
    unseen
}

/// Whether the job comes too late to be sent: at the parameter that says so, or at its own deadline.
pub fn past(method: &Method, job: &Job, now: Timestamp) -> Option<Finding> {
    if let Some(at) = super::decode::implied_deadline(method, &job.params).filter(|at| *at <= now) {
        let field = method.expires.as_deref().unwrap_or_default();
        return Some(Finding::new(Severity::Fault, field, Check::Past(at)));
    }
    let at = job.not_after.filter(|at| *at <= now)?;
    Some(Finding::new(Severity::Warning, "not_after", Check::Past(at)))
}

#[cfg(test)]
mod tests;
