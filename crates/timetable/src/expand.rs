//! Lessons held in a term: single meetings, what is left out and why, and what looks wrong.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use paceline_domain::messages::{Rule as Message, TimetableTrouble};
use paceline_domain::rows::FileFault;

use crate::lesson::{Lesson, Slot};
use crate::rule::Rule;
use crate::term::Held;

/// A lesson held once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// Which lesson, counted from 0.
    pub lesson: usize,
    /// When, by the clocks of its time zone.
    pub slot: Slot,
    /// Its beginning.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// The day that it was moved from.
    pub moved_from: Option<Date>,
}

/// What is not held, by days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// On a holiday that no other day makes up for.
    pub holidays: BTreeMap<Date, usize>,
    /// On a day that has another day's lessons.
    pub displaced: BTreeMap<Date, usize>,
    /// Before the term, or behind it.
    pub outside: BTreeMap<Date, usize>,
}

/// A term's meetings.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The lessons in the file's order.
    pub lessons: Vec<Lesson>,
    /// Their meetings, lesson by lesson, the earliest first.
    pub meetings: Vec<Meeting>,
    /// What is not held.
    pub left: Left,
    /// Make-up days of which a person should know something.
    pub warnings: Vec<FileFault>,
}

/// Holds the lessons in the rule's term. `file` is where they come from.
///
/// # Errors
/// Every lesson at an hour that the clocks skip or repeat, and every two that would be one.
pub fn expand(file: &str, rule: &Rule, lessons: Vec<Lesson>) -> Result<Plan, Vec<FileFault>> {
    let mut plan = Plan { lessons, meetings: Vec::new(), left: Left::default(), warnings: Vec::new() };
    let mut faults = Vec::new();
    for (index, lesson) in plan.lessons.iter().enumerate() {
        let first = plan.meetings.len();
        for slot in &lesson.slots {
            let day = slot.start.date();
            let left = match rule.term.held(day) {
                Held::On(days) => {
                    for held in days {
                        match meeting(index, lesson, *slot, held) {
                            Ok(meeting) => plan.meetings.push(meeting),
                            Err(why) => faults.push(fault(file, lesson.line, why)),
                        }
                    }
                    continue;
                }
                Held::Holiday => &mut plan.left.holidays,
                Held::Displaced => &mut plan.left.displaced,
                Held::Outside => &mut plan.left.outside,
            };
            *left.entry(day).or_default() += 1;
        }
        plan.meetings[first..].sort_by_key(|meeting| meeting.start);
    }
    faults.extend(twice(file, &plan));
    plan.warnings = warnings(rule, &plan);
    if faults.is_empty() { Ok(plan) } else { Err(faults) }
}

fn meeting(index: usize, lesson: &Lesson, slot: Slot, held: Date) -> Result<Meeting, TimetableTrouble> {
    let day = slot.start.date();
    let days = i64::from((held - day).get_days()).days();
    let slot = Slot { start: slot.start.saturating_add(days), end: slot.end.saturating_add(days) };
    let instant = |at: jiff::civil::DateTime| {
        let zone = lesson.zone.iana_name().unwrap_or_default().to_owned();
        let unclear = TimetableTrouble::ClocksSkip { time: format!("{at:.0}"), zone };
        lesson.zone.to_ambiguous_timestamp(at).unambiguous().map_err(|_| unclear)
    };
    let moved_from = (held != day).then_some(day);
    Ok(Meeting { lesson: index, slot, start: instant(slot.start)?, end: instant(slot.end)?, moved_from })
}

/// Lessons that are known by the same and begin at the same time: they would have one id.
fn twice(file: &str, plan: &Plan) -> Vec<FileFault> {
    let mut first: HashMap<(&[String], Timestamp), usize> = HashMap::new();
    let mut found: BTreeMap<(u64, u64), Slot> = BTreeMap::new();
    for meeting in &plan.meetings {
        let lesson = &plan.lessons[meeting.lesson];
        match first.entry((&lesson.key, meeting.start)) {
            Entry::Vacant(free) => drop(free.insert(meeting.lesson)),
            Entry::Occupied(other) => {
                found.entry((plan.lessons[*other.get()].line, lesson.line)).or_insert(meeting.slot);
            }
        }
    }
    let said = |((other, line), slot): (&(u64, u64), &Slot)| {
        fault(file, *line, TimetableTrouble::SameLesson { line: *other, time: format!("{:.0}", slot.start) })
    };
    found.iter().map(said).collect()
}

fn warnings(rule: &Rule, plan: &Plan) -> Vec<FileFault> {
    let mut warnings = Vec::new();
    let mut warn = |line: u64, trouble: TimetableTrouble| {
        warnings.push(rule.fault(line, Message::of_entry("term.make_up", trouble)));
    };
    for make_up in &rule.term.make_ups {
        let (day, takes) = (make_up.day, make_up.takes);
        let (written, of) = (day.to_string(), takes.to_string());
        if !rule.term.holidays.contains(&takes) && !rule.term.make_ups.iter().any(|other| other.day == takes) {
            warn(make_up.line, TimetableTrouble::TakesNoHoliday { day: of.clone() });
        }
        if !plan.meetings.iter().any(|meeting| meeting.moved_from == Some(takes)) {
            warn(make_up.line, TimetableTrouble::TakesNothing { takes: of.clone(), day: written.clone() });
        }
        if let Some(count) = plan.left.displaced.get(&day) {
            warn(make_up.line, TimetableTrouble::OwnNotHeld { day: written, takes: of, count: *count });
        }
    }
    warnings
}

fn fault(file: &str, line: u64, trouble: TimetableTrouble) -> FileFault {
    FileFault { file: file.to_owned(), line, column: None, message: trouble.into() }
}
