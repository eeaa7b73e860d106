//! One thing that was found in a file of jobs.

use serde::Serialize;

use crate::domain::checks::{Finding as Found, Severity};
use crate::domain::job::{Column, Fault};
use crate::domain::messages::{Rule, Spot, Wrong};
use crate::domain::reason::Reason;
use crate::domain::rows::{FileFault, Row};

/// One thing found in a row, or in a file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// The line on which the row starts.
    pub line: u64,
    /// `file:line`.
    pub place: String,
    /// The column of a CSV file, counted from 1; `null` where there is none.
    pub column: Option<usize>,
    /// Dotted name of the field; empty for the row or file as a whole.
    pub field: String,
    /// How grave it is.
    pub severity: Severity,
    /// What was expected, and what stands there.
    pub message: String,
    /// The id of the row's job, if one could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The reason that a fault's dead letter would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What stands in the header of its column; empty without one.
    #[serde(skip)]
    pub heading: String,
    /// The message as data.
    #[serde(skip)]
    pub fact: Fact,
    /// The column, or else the field; `None` for the row or file as a whole.
    #[serde(skip)]
    pub spot: Option<Spot>,
    /// The same without the item of a list.
    #[serde(skip)]
    pub whole: Option<Spot>,
    /// What findings of one cause have in common.
    #[serde(skip)]
    pub cause: Cause,
}

/// What was expected, alone and with what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What was expected.
    pub rule: Rule,
    /// What stands there as well.
    pub message: Wrong,
}

/// What findings of one cause have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cause {
    /// The file.
    pub file: String,
    /// What people call the field.
    pub label: String,
    /// What was expected.
    pub rule: String,
}

impl Finding {
    /// A fault of a row.
    pub fn of_fault(row: &Row, file: &str, id: Option<&str>, fault: &Fault) -> Self {
        Self::of_fault_at(file, row.line, id, fault)
    }

    fn of_fault_at(file: &str, line: u64, id: Option<&str>, fault: &Fault) -> Self {
        let common = Common { file, line, id, column: fault.column.as_ref(), field: &fault.field };
        let message = Wrong::new(None, fault.rule.clone(), fault.got.clone());
        let found = common.of_fact(Severity::Fault, Fact { rule: fault.rule.clone(), message });
        Self { reason: Some(fault.reason), ..found }
    }

    /// Something else that was found in a row.
    pub fn of_row(row: &Row, file: &str, id: Option<&str>, found: &Found) -> Self {
        let common = Common { file, line: row.line, id, column: found.column.as_ref(), field: &found.field };
        let reason = (found.severity == Severity::Fault).then_some(Reason::Expired);
        Self { reason, ..common.of_fact(found.severity, Fact::of(found)) }
    }

    /// Something that several rows show together, at one of them.
    pub fn of_rows(file: &str, line: u64, found: &Found) -> Self {
        let common = Common { file, line, id: None, column: None, field: &found.field };
        common.of_fact(found.severity, Fact::of(found))
    }

    /// A fault of a file as a whole.
    pub fn of_file(fault: &FileFault) -> Self {
        let common = Common { file: &fault.file, line: fault.line, id: None, column: fault.column.as_ref(), field: "" };
        let message = Wrong::new(None, fault.message.clone(), None);
        let found = common.of_fact(Severity::Fault, Fact { rule: fault.message.clone(), message });
        Self { reason: Some(Reason::Malformed), ..found }
    }
}

/// A row that is no longer at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    /// Its file.
    pub file: &'a str,
    /// Its line.
    pub line: u64,
    /// Its job's id.
    pub id: &'a str,
}

impl At<'_> {
    /// A fault of it.
    pub(super) fn finding(&self, fault: &Fault) -> Finding {
        Finding::of_fault_at(self.file, self.line, Some(self.id), fault)
    }
}

/// What every finding says of its place.
struct Common<'a> {
    file: &'a str,
    line: u64,
    id: Option<&'a str>,
    column: Option<&'a Column>,
    field: &'a str,
}

impl Fact {
    fn of(found: &Found) -> Self {
        Self { rule: found.check.rule(), message: found.check.wrong() }
    }
}

impl Common<'_> {
    fn of_fact(&self, severity: Severity, fact: Fact) -> Finding {
        let (rule, message) = (fact.rule.to_string(), fact.message.to_string());
        let of_field = || Spot::Field { field: self.field.to_owned() };
        let of_column = |column: &Column| Some(column.spot()).filter(|spot| !spot.to_string().is_empty());
        let spot = match self.column {
            Some(column) => of_column(column),
            None => (!self.field.is_empty()).then(of_field),
        };
        let whole =
            self.column.map_or_else(|| spot.clone(), |column| of_column(&Column { item: None, ..column.clone() }));
        let label = whole.as_ref().map(ToString::to_string).unwrap_or_default();
        Finding {
            file: self.file.to_owned(),
            line: self.line,
            place: format!("{}:{}", self.file, self.line),
            column: self.column.map(|column| column.number).filter(|number| *number > 0),
            field: self.field.to_owned(),
            severity,
            message,
            id: self.id.map(str::to_owned),
            reason: None,
            heading: self.column.map(|column| column.header.clone()).unwrap_or_default(),
            fact,
            spot,
            whole,
            cause: Cause { file: self.file.to_owned(), label, rule },
        }
    }
}
