//! The rows of jobs: a meeting or a series a row, with an id that stays as it is when rows of the timetable move.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use paceline_domain::catalog::nearest;
use paceline_domain::messages::{Rule as Message, TimetableTrouble};
use paceline_domain::rows::FileFault;
use sha2::{Digest as _, Sha256};

use crate::expand::{Meeting, Plan};
use crate::field::Field;
use crate::lesson::Lesson;
use crate::rule::Rule;
use crate::series::{Series, series};

/// What a meeting has besides its lesson's columns.
const NAMES: [&str; 11] = [
    "start",
    "end",
    "date",
    "week",
    "weekday",
    "minutes",
    "seconds",
    "time_zone",
    "recurrence",
    "repeat_weeks",
    "repeat_until",
];
/// Those that only a series has; whoever names one gets series.
const OF_SERIES: [&str; 3] = ["recurrence", "repeat_weeks", "repeat_until"];
/// Bytes of the hash in an id: a million lessons have two of one id once in a million terms.
const HASH_BYTES: usize = 8;

/// Rows of jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The names of its columns.
    pub header: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}

impl Plan {
    /// The rows that the rule asks for. `file` is where the lessons come from.
    ///
    /// # Errors
    /// Every name in braces that nothing has.
    pub fn table(&self, file: &str, rule: &Rule) -> Result<Table, Vec<FileFault>> {
        let faults = self.unknown_names(rule);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut header = vec!["id".to_owned(), "method".to_owned()];
        header.extend(rule.app.iter().map(|_| "app".to_owned()));
        header.extend(rule.parameters.iter().map(|parameter| parameter.name.clone()));
        header.push("# from".to_owned());
        let mut table = Table { header, rows: Vec::new() };
        for meetings in self.meetings.chunk_by(|one, other| one.lesson == other.lesson) {
            let Some(lesson) = meetings.first().map(|meeting| &self.lessons[meeting.lesson]) else { continue };
            for series in series_of(rule, meetings) {
                let row = Row { rule, lesson, first: &meetings[series.first], last: &meetings[series.last], series };
                table.rows.push(row.cells(file));
            }
        }
        Ok(table)
    }

    fn unknown_names(&self, rule: &Rule) -> Vec<FileFault> {
        let known = |name: &str| NAMES.contains(&name) || self.lessons.iter().any(|it| it.values.contains_key(name));
        let mut faults = Vec::new();
        for parameter in &rule.parameters {
            for name in parameter.template.names().filter(|name| !known(name)) {
                let columns = self.lessons.iter().flat_map(|lesson| lesson.values.keys().map(String::as_str));
                let near = nearest(name, NAMES.into_iter().chain(columns)).map(str::to_owned);
                let (name, key) = (name.to_owned(), format!("job.parameters.{}", parameter.name));
                let trouble = match near {
                    Some(near) => TimetableTrouble::NoName { name, near },
                    None => TimetableTrouble::NoNameOf { name, there: NAMES.map(str::to_owned).to_vec() },
                };
                faults.push(rule.fault(parameter.line, Message::of_entry(key, trouble)));
            }
        }
        faults
    }
}

fn series_of(rule: &Rule, meetings: &[Meeting]) -> Vec<Series> {
    if rule.parameters.iter().any(|parameter| parameter.template.names().any(|name| OF_SERIES.contains(&name))) {
        return series(meetings);
    }
    (0..meetings.len()).map(|index| Series { first: index, last: index, count: 1, weeks: 0 }).collect()
}

struct Row<'p> {
    rule: &'p Rule,
    lesson: &'p Lesson,
    first: &'p Meeting,
    last: &'p Meeting,
    series: Series,
}

impl Row<'_> {
    fn cells(&self, file: &str) -> Vec<String> {
        let mut cells = vec![self.id(), self.rule.method.clone()];
        cells.extend(self.rule.app.clone());
        cells.extend(self.rule.parameters.iter().map(|parameter| parameter.template.fill(|name| self.value(name))));
        cells.push(format!("{file}:{}", self.lesson.line));
        cells
    }

    fn id(&self) -> String {
        let mut hash = Sha256::new();
        let app = self.rule.app.as_deref().unwrap_or_default();
        for part in [self.rule.method.as_str(), app].into_iter().chain(self.lesson.key.iter().map(String::as_str)) {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let mut id = String::new();
        for byte in &hash.finalize()[..HASH_BYTES] {
            // Writing to a String cannot fail.
            let _ = write!(id, "{byte:02x}");
        }
        id + &self.first.slot.start.strftime("-%Y%m%d-%H%M").to_string()
    }

    fn value(&self, name: &str) -> String {
        let Meeting { slot, start, end, .. } = self.first;
        let zone = &self.lesson.zone;
        let written = |at: jiff::Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        match name {
            "start" => written(*start),
            "end" => written(*end),
            "date" => slot.start.date().to_string(),
            "week" => self.rule.term.week(slot.start.date()).to_string(),
            "weekday" => slot.start.strftime("%A").to_string(),
            "minutes" => ((*end - *start).get_seconds() / 60).to_string(),
            "seconds" => (*end - *start).get_seconds().to_string(),
            "time_zone" => zone.iana_name().unwrap_or_default().to_owned(),
            "recurrence" if self.series.count > 1 => {
                let until = self.last.start.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
                format!("FREQ=WEEKLY;INTERVAL={};UNTIL={until}", self.series.weeks)
            }
            "repeat_weeks" if self.series.count > 1 => self.series.weeks.to_string(),
            "repeat_until" if self.series.count > 1 => written(self.last.start),
            name if OF_SERIES.contains(&name) => String::new(),
            name => self.lesson.values.get(name).cloned().unwrap_or_default(),
        }
    }
}

impl Plan {
    /// The room that a lesson is in, and who teaches it; for messages.
    pub fn called(&self, lesson: usize) -> String {
        let lesson = &self.lessons[lesson];
        let class = lesson.value(Field::Class);
        if class.is_empty() { lesson.title().to_owned() } else { format!("{} ({class})", lesson.title()) }
    }
}
