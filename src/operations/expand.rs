//! A timetable and a term's calendar as rows of jobs, checked against the method that they are for.

use paceline_timetable::{Lesson, Overlap, Plan, Rule, Sheet, Table, expand, overlaps};

use crate::domain::catalog::{Catalog, nearest};
use crate::domain::rows::guess::{How, guess, missing};
use crate::domain::rows::{FileFault, Preview};

/// A term as jobs.
#[derive(Debug)]
pub struct Expanded {
    /// Its meetings, and what is not held.
    pub plan: Plan,
    /// The rows of jobs.
    pub table: Table,
    /// What looks wrong.
    pub warnings: Vec<FileFault>,
}

/// Endings of iCalendar files.
const CALENDARS: [&str; 2] = ["ics", "ical"];

/// Whether a file's name is that of a calendar.
pub fn is_calendar(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| CALENDARS.contains(&ending.to_lowercase().as_str()))
}

/// The lessons of a table that was read whole.
///
/// # Errors
/// Every fault.
pub fn lessons(name: &str, table: Preview, rule: &Rule) -> Result<Vec<Lesson>, Vec<FileFault>> {
    if !table.faults.is_empty() {
        return Err(table.faults);
    }
    let rows = table.lines.into_iter().zip(table.rows).collect();
    Sheet { name: name.to_owned(), line: table.line, header: table.header, rows }.lessons(rule)
}

/// Holds the lessons of `file` in the rule's term.
///
/// # Errors
/// Every fault.
pub fn jobs(file: &str, rule: &Rule, lessons: Vec<Lesson>) -> Result<Expanded, Vec<FileFault>> {
    let plan = expand(file, rule, lessons)?;
    let table = plan.table(file, rule)?;
    let shared = overlaps(&plan).into_iter().map(|overlap| warning(file, &plan, &overlap));
    let warnings = plan.warnings.iter().cloned().chain(shared).collect();
    Ok(Expanded { plan, table, warnings })
}

/// What is wrong with what the rule says of its method.
pub fn faults_of_method(rule: &Rule, catalog: &Catalog) -> Vec<FileFault> {
    let Some(method) = catalog.job_method(&rule.method) else {
        let known = catalog.methods.keys().map(String::as_str);
        let near = nearest(&rule.method, known).map(|near| format!("; is {near} meant?")).unwrap_or_default();
        let message = format!("job.method: no method is called {:?}{near}", rule.method);
        return vec![rule.fault(rule.line, message)];
    };
    let names: Vec<String> = rule.parameters().map(|(_, name)| name.to_owned()).collect();
    let guesses = guess(catalog, method, &names);
    let mut faults = Vec::new();
    for ((line, name), guess) in rule.parameters().zip(&guesses) {
        let message = match (guess.how, &guess.column) {
            (How::Name | How::Alias, _) => continue,
            (How::Like | How::Nothing, Some(near)) => {
                format!("{} has no such parameter; is {near:?} meant?", method.name)
            }
            (How::Like | How::Nothing, None) => {
                format!("{} has no such parameter, or another one is it already", method.name)
            }
        };
        faults.push(rule.fault(line, format!("job.parameters.{name}: {message}")));
    }
    let missing = missing(method, &guesses);
    if !missing.is_empty() {
        let message = format!("job.parameters: {} also requires {}", method.name, missing.join(", "));
        faults.push(rule.fault(rule.line, message));
    }
    faults
}

fn warning(file: &str, plan: &Plan, overlap: &Overlap) -> FileFault {
    let (one, other) = overlap.lessons;
    let often = if overlap.times == 1 { "once".to_owned() } else { format!("{} times, first", overlap.times) };
    let message = format!(
        "{} and {} (line {}) have the {} {:?} at the same time: {often} at {:.0}",
        plan.called(other),
        plan.called(one),
        plan.lessons[one].line,
        overlap.shared,
        overlap.name,
        overlap.first.start,
    );
    FileFault { file: file.to_owned(), line: plan.lessons[other].line, column: None, message }
}
