//! iCalendar files: events as lessons, their repetitions by the clocks of their time zone.

mod event;
mod lines;

use std::collections::{BTreeMap, HashMap};

use icalendar::parser::{Component, read_components, unfold};
use jiff::civil::DateTime;
use paceline_domain::messages::{Rule as Message, TimetableTrouble};
use paceline_domain::rows::FileFault;

use crate::lesson::{Lesson, Slot};
use crate::rule::Rule;
use crate::words::normal;
use event::{Event, Kind};
use lines::Lines;

/// How every calendar begins.
pub const BEGINNING: &str = "BEGIN:VCALENDAR";
/// What an event has, and how a rule calls it.
const PROPERTIES: [(&str, &str); 5] = [
    ("SUMMARY", "course"),
    ("LOCATION", "room"),
    ("ORGANIZER", "teacher"),
    ("DESCRIPTION", "description"),
    ("UID", "uid"),
];

/// What a calendar holds.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// Its events as lessons.
    pub lessons: Vec<Lesson>,
    /// Events that are left out, and why.
    pub warnings: Vec<FileFault>,
}

struct Reader<'r> {
    name: &'r str,
    rule: &'r Rule,
    lines: Lines,
    faults: Vec<FileFault>,
}

/// Reads a calendar.
///
/// # Errors
/// Every fault with the line of its property.
pub fn lessons(name: &str, text: &str, rule: &Rule) -> Result<Calendar, Vec<FileFault>> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = Reader { name, rule, lines: Lines::of(text), faults: Vec::new() };
    let unfolded = unfold(text);
    let roots = read_components(&unfolded).map_err(|error| {
        let trouble = TimetableTrouble::NoCalendar { form: BEGINNING.to_owned() };
        vec![reader.fault(reader.lines.of_error(&error), trouble)]
    })?;
    let events = reader.events(&roots);
    if let Some((line, names)) = &rule.key {
        for name in names.iter().filter(|name| !PROPERTIES.iter().any(|(_, known)| known == name)) {
            let there = PROPERTIES.map(|(_, known)| known.to_owned()).to_vec();
            let trouble = TimetableTrouble::NoEventHas { name: name.clone(), there };
            reader.faults.push(rule.fault(*line, Message::of_entry("job.key", trouble)));
        }
    }
    let mut calendar = Calendar { lessons: Vec::new(), warnings: Vec::new() };
    let changed = changed(&events);
    for (index, event) in &events {
        let title = event.title().to_owned();
        let why = match event.kind {
            Kind::Timed => {
                calendar.lessons.extend(reader.lesson(*index, event, &changed));
                continue;
            }
            Kind::AllDay => TimetableTrouble::AllDayLeftOut { title },
            Kind::Cancelled => TimetableTrouble::CancelledLeftOut { title },
        };
        calendar.warnings.push(reader.fault(reader.lines.of_event(*index), why));
    }
    reader.faults.sort_by_key(|fault| fault.line);
    if reader.faults.is_empty() { Ok(calendar) } else { Err(reader.faults) }
}

/// The beginnings that other events of the same UID change or cancel.
fn changed(events: &[(usize, Event)]) -> HashMap<&str, Vec<DateTime>> {
    let series = |uid: &str| events.iter().find(|(_, event)| event.uid == uid && event.changes.is_none());
    let mut changed: HashMap<&str, Vec<DateTime>> = HashMap::new();
    for (_, event) in events {
        if let Some(at) = &event.changes
            && let Some((_, series)) = series(&event.uid)
        {
            changed.entry(&event.uid).or_default().push(at.by(&series.zone));
        }
    }
    changed
}

impl Reader<'_> {
    fn fault(&self, line: u64, message: impl Into<Message>) -> FileFault {
        FileFault { file: self.name.to_owned(), line, column: None, message: message.into() }
    }

    fn add(&mut self, index: usize, property: &str, why: TimetableTrouble) {
        let line = self.lines.of_property(index, property);
        self.faults.push(self.fault(line, Message::of_entry(property, why)));
    }

    fn events(&mut self, roots: &[Component<'_>]) -> Vec<(usize, Event)> {
        // Events stand in calendars; what stands in events (alarms) is no event.
        let calendars = roots.iter().filter(|component| component.name == "VCALENDAR");
        let components = calendars.flat_map(|calendar| &calendar.components);
        let mut events = Vec::new();
        for (index, component) in components.filter(|component| component.name == "VEVENT").enumerate() {
            match Event::read(component, self.rule) {
                Ok(event) => events.push((index, event)),
                Err(faults) => {
                    for (property, why) in faults {
                        self.add(index, property, why);
                    }
                }
            }
        }
        if events.is_empty() && self.faults.is_empty() {
            self.faults.push(self.fault(1, TimetableTrouble::NoEvents));
        }
        events
    }

    fn lesson(&mut self, index: usize, event: &Event, changed: &HashMap<&str, Vec<DateTime>>) -> Option<Lesson> {
        let mut slots: Vec<Slot> = match event.slots(&self.rule.term) {
            Ok(slots) => slots,
            Err((property, why)) => {
                self.add(index, property, why);
                return None;
            }
        };
        if event.changes.is_none() {
            let others = changed.get(event.uid.as_str());
            slots.retain(|slot| others.is_none_or(|others| !others.contains(&slot.start)));
        }
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for (property, name) in PROPERTIES {
            let value = event.values.get(property).map_or("", String::as_str);
            match self.rule.word(name, property, value) {
                Ok(word) => drop(values.insert(name.to_owned(), word)),
                Err(why) => self.add(index, property, why),
            }
        }
        let key = match &self.rule.key {
            None => vec![event.uid.clone()],
            Some((_, names)) => {
                let known = names.iter().filter_map(|name| values.get(name)).map(|value| normal(value));
                known.collect()
            }
        };
        let line = self.lines.of_event(index);
        Some(Lesson {
            line,
            key,
            values,
            zone: event.own_zone(&self.rule.term),
            slots: event.held(slots, &self.rule.term),
        })
    }
}

#[cfg(test)]
mod tests;
