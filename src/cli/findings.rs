//! What was found in files of jobs, for people (those of one cause together) and for programs (one object each).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Write;

use serde::Serialize;

use crate::domain::checks::{Finding as Found, Severity};
use crate::domain::job::{Column, Fault};
use crate::domain::reason::Reason;
use crate::domain::rows::{FileFault, Row};

use super::table::plain;

/// How many causes of each severity are printed for people; programs get every finding.
const CAUSES_SHOWN_MAX: usize = 20;
/// Up to so many findings of one cause are printed one by one.
const ONE_BY_ONE_MAX: u64 = 3;
/// How many lines are named of those of one cause.
const LINES_SHOWN_MAX: usize = 5;

/// One thing found in a row, or in a file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
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
    /// What people call the field, and what findings of one cause have in common.
    #[serde(skip)]
    label: String,
    #[serde(skip)]
    cause: Cause,
}

/// What findings of one cause have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Cause {
    file: String,
    label: String,
    rule: String,
}

impl Finding {
    /// A fault of a row.
    pub(super) fn of_fault(row: &Row, file: &str, id: Option<&str>, fault: &Fault) -> Self {
        Self::of_fault_at(file, row.line, id, fault)
    }

    fn of_fault_at(file: &str, line: u64, id: Option<&str>, fault: &Fault) -> Self {
        let common = Common { file, line, id, column: fault.column.as_ref(), field: &fault.field };
        Self { reason: Some(fault.reason), ..common.finding(Severity::Fault, fault.rule.to_string(), fault.message()) }
    }

    /// Something else that was found in a row.
    pub(super) fn of_row(row: &Row, file: &str, id: Option<&str>, found: &Found) -> Self {
        let common = Common { file, line: row.line, id, column: found.column.as_ref(), field: &found.field };
        let reason = (found.severity == Severity::Fault).then_some(Reason::Expired);
        Self { reason, ..common.finding(found.severity, found.check.rule().to_string(), found.check.message()) }
    }

    /// Something that several rows show together, at one of them.
    pub(super) fn of_rows(file: &str, line: u64, found: &Found) -> Self {
        let common = Common { file, line, id: None, column: None, field: &found.field };
        common.finding(found.severity, found.check.rule().to_string(), found.check.message())
    }

    /// A fault of a file as a whole.
    pub(super) fn of_file(fault: &FileFault) -> Self {
        let common = Common { file: &fault.file, line: fault.line, id: None, column: fault.column.as_ref(), field: "" };
        let message = fault.message.clone();
        Self { reason: Some(Reason::Malformed), ..common.finding(Severity::Fault, message.clone(), message) }
    }

    /// `rooms.csv:17: warning: column 5 (capacity): expected …`, in one line.
    pub(super) fn sentence(&self) -> String {
        plain(&format!("{}: {}{}", self.place, self.prefix(&self.label), self.message))
    }

    fn prefix(&self, label: &str) -> String {
        let severity = if self.severity == Severity::Warning { "warning: " } else { "" };
        let colon = if label.is_empty() { "" } else { ": " };
        format!("{severity}{label}{colon}")
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

impl Common<'_> {
    fn finding(&self, severity: Severity, rule: String, message: String) -> Finding {
        let label = |column: Option<Column>| column.map_or_else(|| self.field.to_owned(), |column| column.to_string());
        let whole = self.column.map(|column| Column { item: None, ..column.clone() });
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
            label: label(self.column.cloned()),
            cause: Cause { file: self.file.to_owned(), label: label(whole), rule },
        }
    }
}

/// Findings for people: those of one cause in one line, faults before warnings, and of both the first causes.
#[derive(Debug, Default)]
pub(super) struct Findings {
    faults: Causes,
    warnings: Causes,
}

#[derive(Debug, Default)]
struct Causes {
    groups: Vec<Group>,
    places: HashMap<Cause, usize>,
    left_out: u64,
}

/// Findings of one cause.
#[derive(Debug)]
struct Group {
    first: Vec<Finding>,
    count: u64,
    lines: Vec<u64>,
    last_line: u64,
    rows: u64,
    /// Whether all say the same.
    is_uniform: bool,
}

impl Findings {
    /// Notes a finding.
    pub(super) fn add(&mut self, finding: &Finding) {
        match finding.severity {
            Severity::Fault => self.faults.add(finding),
            Severity::Warning => self.warnings.add(finding),
        }
    }

    /// Prints what was noted.
    pub(super) fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for (causes, what) in [(&self.faults, "fault"), (&self.warnings, "warning")] {
            for group in &causes.groups {
                group.print(out)?;
            }
            if causes.left_out > 0 {
                let (left_out, plural) = (causes.left_out, if causes.left_out == 1 { "" } else { "s" });
                let hint = "`paceline validate --json` prints them all";
                writeln!(out, "… and {left_out} more {what}{plural} of other causes; {hint}")?;
            }
        }
        Ok(())
    }
}

impl Causes {
    fn add(&mut self, finding: &Finding) {
        let number = self.groups.len();
        match self.places.entry(finding.cause.clone()) {
            Entry::Occupied(place) => self.groups[*place.get()].add(finding),
            Entry::Vacant(_) if number == CAUSES_SHOWN_MAX => {
                self.left_out += 1;
            }
            Entry::Vacant(place) => {
                place.insert(number);
                let (first, lines) = (vec![finding.clone()], vec![finding.line]);
                let group = Group { first, count: 1, lines, last_line: finding.line, rows: 1, is_uniform: true };
                self.groups.push(group);
            }
        }
    }
}

impl Group {
    fn add(&mut self, finding: &Finding) {
        self.count += 1;
        if self.count <= ONE_BY_ONE_MAX {
            self.first.push(finding.clone());
        }
        self.is_uniform &= self.first.first().is_some_and(|first| first.message == finding.message);
        // Several items of one list are one row.
        if self.last_line != finding.line {
            self.last_line = finding.line;
            self.rows += 1;
            if self.lines.len() < LINES_SHOWN_MAX {
                self.lines.push(finding.line);
            }
        }
    }

    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Some(first) = self.first.first() else { return Ok(()) };
        if self.count <= ONE_BY_ONE_MAX {
            return self.first.iter().try_for_each(|finding| writeln!(out, "{}", finding.sentence()));
        }
        let Cause { file, label, rule } = &first.cause;
        let what = match self.is_uniform {
            true => first.message.clone(),
            false if first.message.starts_with(rule) => format!("{} and the like", first.message),
            false => rule.clone(),
        };
        let prefix = first.prefix(label);
        if self.rows == 1 {
            return writeln!(out, "{}", plain(&format!("{}: {prefix}{} times: {what}", first.place, self.count)));
        }
        let mut lines: Vec<_> = self.lines.iter().map(ToString::to_string).collect();
        if self.rows > LINES_SHOWN_MAX as u64 {
            lines.push("…".to_owned());
        }
        writeln!(out, "{}", plain(&format!("{file}: {prefix}{} rows: {what}; lines {}", self.rows, lines.join(", "))))
    }
}
