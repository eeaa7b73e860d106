//! The rule file: a term's calendar, the times of its sections, which column is what, and the jobs to make.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use paceline_domain::messages::{HeaderTrouble, Rule as Message, TimeForm, TimetableTrouble};
use paceline_domain::rows::FileFault;
use serde::Deserialize;
use toml::Spanned;

use crate::field::Field;
use crate::template::Template;
use crate::term::{MakeUp, Term, WEEKS_MAX, in_week_of};
use crate::words;

/// Between the first and the last day of a span.
const TO: &str = "..";

/// What a rule file says.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(crate) name: String,
    pub(crate) term: Term,
    /// From when to when each section goes.
    pub(crate) sections: BTreeMap<u16, (Time, Time)>,
    /// Which heading has a field, with the line that says it.
    pub(crate) columns: BTreeMap<Field, (u64, String)>,
    /// Names of time zones that are no IANA names → what they are.
    zones: BTreeMap<String, TimeZone>,
    /// A field or heading → what is written → what is put in its place.
    pub(crate) words: BTreeMap<String, BTreeMap<String, String>>,
    /// What a lesson is known by, if it is not as usual, with the line.
    pub(crate) key: Option<(u64, Vec<String>)>,
    /// The line of the method.
    pub line: u64,
    /// The method that the jobs call.
    pub method: String,
    /// The app that they are for.
    pub app: Option<String>,
    /// What their parameters hold, in the file's order.
    pub(crate) parameters: Vec<Parameter>,
}

/// A parameter with its text.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) line: u64,
    pub(crate) name: String,
    pub(crate) template: Template,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    term: DraftTerm,
    #[serde(default)]
    sections: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    columns: BTreeMap<Spanned<String>, String>,
    #[serde(default)]
    time_zones: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    words: BTreeMap<String, BTreeMap<String, String>>,
    job: DraftJob,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftTerm {
    time_zone: Spanned<String>,
    first_day: Spanned<toml::Value>,
    weeks: Spanned<u16>,
    #[serde(default)]
    holidays: Vec<Spanned<toml::Value>>,
    #[serde(default)]
    make_up: Vec<DraftMakeUp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftMakeUp {
    day: Spanned<toml::Value>,
    takes: Spanned<toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftJob {
    method: Spanned<String>,
    #[serde(default)]
    app: Option<String>,
    #[serde(default)]
    key: Option<Spanned<Vec<String>>>,
    parameters: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// Collects the faults of a file by their lines.
struct Checker<'t> {
    name: &'t str,
    text: &'t str,
    faults: Vec<FileFault>,
}

impl Rule {
    /// Reads a rule file.
    ///
    /// # Errors
    /// Every fault with its line.
    pub fn read(name: &str, text: &str) -> Result<Self, Vec<FileFault>> {
        let mut checker = Checker { name, text, faults: Vec::new() };
        let draft: Draft = toml::from_str(text).map_err(|error| {
            let at = error.span().unwrap_or_default();
            checker.add(&at, HeaderTrouble::TomlBroken { error: error.message().to_owned() });
            std::mem::take(&mut checker.faults)
        })?;
        let term = checker.term(&draft.term);
        let mut zones = BTreeMap::new();
        for (name, zone) in &draft.time_zones {
            zones.extend(checker.zone("time_zones", zone).map(|zone| (name.clone(), zone)));
        }
        let sections = checker.sections(&draft.sections);
        let columns = checker.columns(draft.columns);
        let key = draft.job.key.map(|key| (checker.line(&key.span()), key.into_inner()));
        if let Some((line, _)) = key.as_ref().filter(|(_, names)| names.is_empty()) {
            let form = "[\"course\"]".to_owned();
            checker.at(*line, Message::of_entry("job.key", TimetableTrouble::KeyExpected { form }));
        }
        let parameters = checker.parameters(draft.job.parameters);
        let words = draft.words.into_iter().map(|(name, words)| {
            (words::normal(&name), words.into_iter().map(|(word, value)| (words::normal(&word), value)).collect())
        });
        let words = words.collect();
        match term {
            Some(term) if checker.faults.is_empty() => Ok(Self {
                name: name.to_owned(),
                term,
                sections,
                columns,
                zones,
                words,
                key,
                line: checker.line(&draft.job.method.span()),
                method: draft.job.method.into_inner(),
                app: draft.job.app,
                parameters,
            }),
            _ => {
                checker.faults.sort_by_key(|fault| fault.line);
                Err(checker.faults)
            }
        }
    }

    /// What the rows are to hold, with the lines that say it.
    pub fn parameters(&self) -> impl Iterator<Item = (u64, &str)> {
        self.parameters.iter().map(|parameter| (parameter.line, parameter.name.as_str()))
    }

    /// A time zone by its IANA name, or by a name that the rule explains.
    pub(crate) fn zone(&self, name: &str) -> Option<TimeZone> {
        let named = || TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some());
        self.zones.get(name).cloned().or_else(named)
    }

    /// What is put in the place of a value, under the name of its field or its heading.
    ///
    /// # Errors
    /// The rule has words for the field, and this is none of them.
    pub(crate) fn word(&self, field: &str, heading: &str, value: &str) -> Result<String, TimetableTrouble> {
        let words = self.words.get(&words::normal(heading)).or_else(|| self.words.get(field));
        match words.filter(|_| !value.is_empty()) {
            None => Ok(value.to_owned()),
            Some(words) => words
                .get(&words::normal(value))
                .cloned()
                .ok_or_else(|| TimetableTrouble::NoSuchWord { field: field.to_owned(), value: value.to_owned() }),
        }
    }

    /// A fault of the rule file.
    pub fn fault(&self, line: u64, message: impl Into<Message>) -> FileFault {
        FileFault { file: self.name.clone(), line, column: None, message: message.into() }
    }
}

impl Checker<'_> {
    fn line(&self, at: &Range<usize>) -> u64 {
        self.text.bytes().take(at.start).filter(|byte| *byte == b'\n').count() as u64 + 1
    }

    fn add(&mut self, at: &Range<usize>, message: impl Into<Message>) {
        self.at(self.line(at), message);
    }

    fn at(&mut self, line: u64, message: impl Into<Message>) {
        self.faults.push(FileFault { file: self.name.to_owned(), line, column: None, message: message.into() });
    }

    /// A fault of a key.
    fn of(&mut self, at: &Range<usize>, key: &str, trouble: TimetableTrouble) {
        self.add(at, Message::of_entry(key, trouble));
    }

    fn term(&mut self, draft: &DraftTerm) -> Option<Term> {
        let zone = self.zone("term.time_zone", &draft.time_zone);
        let first = self.day("term.first_day", &draft.first_day);
        let weeks = *draft.weeks.get_ref();
        if !(1..=WEEKS_MAX).contains(&weeks) {
            self.of(&draft.weeks.span(), "term.weeks", TimetableTrouble::WeeksOutside { most: WEEKS_MAX, got: weeks });
        }
        let mut term = Term::new(zone?, first?, weeks.clamp(1, WEEKS_MAX));
        for holiday in &draft.holidays {
            if let Some((first, last)) = self.days(holiday) {
                term.holidays.extend(first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last));
            }
        }
        for make_up in &draft.make_up {
            let Some(day) = self.day("term.make_up.day", &make_up.day) else { continue };
            let Some(takes) = self.takes(&make_up.takes, day) else { continue };
            let line = self.line(&make_up.day.span());
            if let Some(why) = term.refuses(day, takes) {
                self.at(line, Message::of_entry("term.make_up", why));
            } else {
                term.make_ups.push(MakeUp { line, day, takes });
            }
        }
        Some(term)
    }

    fn zone(&mut self, field: &str, name: &Spanned<String>) -> Option<TimeZone> {
        let zone = TimeZone::get(name.get_ref()).ok().filter(|zone| zone.iana_name().is_some());
        if zone.is_none() {
            self.of(&name.span(), field, TimetableTrouble::ZoneExpected { got: name.get_ref().clone() });
        }
        zone
    }

    fn day(&mut self, field: &str, value: &Spanned<toml::Value>) -> Option<Date> {
        let text = text(value.get_ref());
        let day = text.parse().ok();
        if day.is_none() {
            self.of(&value.span(), field, TimetableTrouble::FormExpected { form: TimeForm::DateForm, got: text });
        }
        day
    }

    fn days(&mut self, value: &Spanned<toml::Value>) -> Option<(Date, Date)> {
        let text = text(value.get_ref());
        let (first, last) = text.split_once(TO).unwrap_or((&text, &text));
        match (first.trim().parse::<Date>(), last.trim().parse::<Date>()) {
            (Ok(first), Ok(last)) if first <= last && (last - first).get_days() < i32::from(WEEKS_MAX) * 7 => {
                Some((first, last))
            }
            _ => {
                let got = text.clone();
                self.of(&value.span(), "term.holidays", TimetableTrouble::HolidaysExpected { got });
                None
            }
        }
    }

    /// The day whose lessons are held: a date, or a weekday of the same week.
    fn takes(&mut self, value: &Spanned<toml::Value>, day: Date) -> Option<Date> {
        let text = text(value.get_ref());
        let taken = text.parse::<Date>().ok().or_else(|| Some(in_week_of(day, words::weekday(&text)?)));
        if taken.is_none() {
            self.of(&value.span(), "term.make_up.takes", TimetableTrouble::TakesExpected { got: text });
        }
        taken
    }

    fn sections(&mut self, draft: &BTreeMap<Spanned<String>, Spanned<String>>) -> BTreeMap<u16, (Time, Time)> {
        let mut sections = BTreeMap::new();
        for (number, times) in draft {
            let number_read = number.get_ref().parse::<u16>().ok();
            if number_read.is_none() {
                let got = number.get_ref().clone();
                self.of(&number.span(), "sections", TimetableTrouble::SectionNumberExpected { got });
            }
            let times_read = words::span(times.get_ref());
            if times_read.is_none() {
                let (key, got) = (format!("sections.{}", number.get_ref()), times.get_ref().clone());
                self.of(&times.span(), &key, TimetableTrouble::SectionTimesExpected { got });
            }
            sections.extend(number_read.zip(times_read));
        }
        let mut before: Option<(u16, Time)> = None;
        for (number, (from, to)) in &sections {
            if let Some((other, end)) = before.filter(|(_, end)| end > from) {
                let (from, end) = (format!("{from:.0}"), format!("{end:.0}"));
                let span = draft.keys().find(|key| key.get_ref().parse() == Ok(*number)).map(Spanned::span);
                let key = format!("sections.{number}");
                self.of(&span.unwrap_or_default(), &key, TimetableTrouble::SectionsOverlap { from, other, end });
            }
            before = Some((*number, *to));
        }
        sections
    }

    fn columns(&mut self, draft: BTreeMap<Spanned<String>, String>) -> BTreeMap<Field, (u64, String)> {
        let mut columns = BTreeMap::new();
        for (field, heading) in draft {
            let line = self.line(&field.span());
            if let Some(field) = Field::of(field.get_ref()) {
                columns.insert(field, (line, heading));
            } else {
                let known = Field::ALL.map(|field| field.name().to_owned()).to_vec();
                let key = format!("columns.{}", field.get_ref());
                self.at(line, Message::of_entry(key, TimetableTrouble::FieldExpected { known }));
            }
        }
        columns
    }

    fn parameters(&mut self, draft: BTreeMap<Spanned<String>, Spanned<String>>) -> Vec<Parameter> {
        let mut drafts: Vec<_> = draft.into_iter().collect();
        drafts.sort_by_key(|(name, _)| name.span().start);
        let mut parameters = Vec::new();
        for (name, text) in drafts {
            let line = self.line(&name.span());
            let name = name.into_inner();
            match Template::read(text.get_ref()) {
                Ok(template) => parameters.push(Parameter { line, name, template }),
                Err(why) => self.at(line, Message::of_entry(format!("job.parameters.{name}"), why)),
            }
        }
        if parameters.is_empty() && self.faults.is_empty() {
            self.at(1, Message::of_entry("job.parameters", TimetableTrouble::ParametersExpected));
        }
        parameters
    }
}

/// A date may stand with quotes or without.
fn text(value: &toml::Value) -> String {
    let date = value.as_datetime().map(ToString::to_string);
    let text = value.as_str().map(|text| text.trim().to_owned());
    text.or(date).unwrap_or_else(|| value.type_str().to_owned())
}

#[cfg(test)]
mod tests;
