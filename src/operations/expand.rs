//! A timetable and a term's calendar as rows of jobs, checked against the method that they are for.

use paceline_timetable::{Lesson, Overlap, Plan, Rule, Sheet, Table, expand, overlaps};

use crate::domain::catalog::{Catalog, nearest};
use crate::domain::messages::{HowOften, Rule as Message, TimetableTrouble};
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
        let name = rule.method.clone();
        let trouble = match nearest(&rule.method, known) {
            None => TimetableTrouble::NoMethodCalled { name },
            Some(near) => TimetableTrouble::NoMethodCalledBut { name, near: near.to_owned() },
        };
        return vec![rule.fault(rule.line, Message::of_entry("job.method", trouble))];
    };
    let names: Vec<String> = rule.parameters().map(|(_, name)| name.to_owned()).collect();
    let guesses = guess(catalog, method, &names);
    let mut faults = Vec::new();
    for ((line, name), guess) in rule.parameters().zip(&guesses) {
        let called = || method.name.clone();
        let trouble = match (guess.how, &guess.column) {
            (How::Name | How::Alias, _) => continue,
            (How::Like | How::Nothing, Some(near)) => {
                TimetableTrouble::NoParameterBut { method: called(), near: near.clone() }
            }
            (How::Like | How::Nothing, None) => TimetableTrouble::NoParameter { method: called() },
        };
        faults.push(rule.fault(line, Message::of_entry(format!("job.parameters.{name}"), trouble)));
    }
    let missing = missing(method, &guesses);
    if !missing.is_empty() {
        let names = missing.iter().map(ToString::to_string).collect();
        let trouble = TimetableTrouble::AlsoRequires { method: method.name.clone(), names };
        faults.push(rule.fault(rule.line, Message::of_entry("job.parameters", trouble)));
    }
    faults
}

fn warning(file: &str, plan: &Plan, overlap: &Overlap) -> FileFault {
    let (one, other) = overlap.lessons;
    let time = format!("{:.0}", overlap.first.start);
    let trouble = TimetableTrouble::LessonsMeet {
        one: plan.called(other),
        other: plan.called(one),
        line: plan.lessons[one].line,
        what: overlap.shared.message(),
        name: overlap.name.clone(),
        often: Box::new(match overlap.times {
            1 => HowOften::HeldOnce { time },
            times => HowOften::HeldOften { times, time },
        }),
    };
    FileFault { file: file.to_owned(), line: plan.lessons[other].line, column: None, message: trouble.into() }
}
