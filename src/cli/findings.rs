//! What was found in files of jobs, for people those of one cause together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Write;

use crate::domain::checks::Severity;
use crate::domain::messages::{Language, Render as _};
use crate::operations::files::{Cause, Finding};

use super::said::{self, At};

/// How many causes of each severity are printed for people; programs get every finding.
const CAUSES_SHOWN_MAX: usize = 20;
/// Up to so many findings of one cause are printed one by one.
const ONE_BY_ONE_MAX: u64 = 3;
/// How many lines are named of those of one cause.
const LINES_SHOWN_MAX: usize = 5;

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
    pub(super) fn print(&self, out: &mut dyn Write, language: Language) -> std::io::Result<()> {
        for (causes, severity) in [(&self.faults, Severity::Fault), (&self.warnings, Severity::Warning)] {
            for group in &causes.groups {
                group.print(out, language)?;
            }
            if causes.left_out > 0 {
                writeln!(out, "{}", said::left_out(causes.left_out, severity, language))?;
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

    fn print(&self, out: &mut dyn Write, language: Language) -> std::io::Result<()> {
        let Some(first) = self.first.first() else { return Ok(()) };
        if self.count <= ONE_BY_ONE_MAX {
            return self.first.iter().try_for_each(|finding| {
                let Finding { place, severity, spot, .. } = finding;
                let at = At { place, severity: *severity, spot: spot.as_ref() };
                writeln!(out, "{}", said::at(&at, &finding.fact.message.render(language), language))
            });
        }
        let (message, rule) = (first.fact.message.render(language), first.fact.rule.render(language));
        let what = match self.is_uniform {
            true => message,
            false if message.starts_with(&rule) => said::and_like(&message, language),
            false => rule,
        };
        let (place, what) = if self.rows == 1 {
            (&first.place, said::times(self.count, &what, language))
        } else {
            let mut lines: Vec<_> = self.lines.iter().map(ToString::to_string).collect();
            if self.rows > LINES_SHOWN_MAX as u64 {
                lines.push("…".to_owned());
            }
            (&first.cause.file, said::in_rows(self.rows, &what, &lines, language))
        };
        let at = At { place, severity: first.severity, spot: first.whole.as_ref() };
        writeln!(out, "{}", said::at(&at, &what, language))
    }
}
