//! One event: when it is held for the first time, and when again.

use std::collections::{BTreeMap, BTreeSet};

use icalendar::parser::{Component, Property};
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use paceline_domain::messages::{TimeForm, TimetableTrouble};
use rrule::RRuleSet;

use crate::lesson::Slot;
use crate::rule::Rule;
use crate::term::Term;

/// No event of a term is held more often.
const HELD_MAX: u16 = 5_000;
/// A fault of a property.
pub(super) type Wrong = (&'static str, TimetableTrouble);

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Timed,
    AllDay,
    Cancelled,
}

/// An instant as a calendar writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// In UTC.
    Instant(Timestamp),
    /// By the clocks of a zone.
    Clock(DateTime, TimeZone),
    Day(Date),
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) uid: String,
    pub(super) kind: Kind,
    pub(super) values: BTreeMap<&'static str, String>,
    /// By whose clocks it is repeated.
    pub(super) zone: TimeZone,
    start: DateTime,
    end: DateTime,
    rules: Vec<String>,
    more: Vec<At>,
    except: Vec<At>,
    /// The meeting of a series that it stands in for.
    pub(super) changes: Option<At>,
}

impl At {
    /// By the clocks of a zone; a day begins at midnight.
    pub(super) fn by(&self, zone: &TimeZone) -> DateTime {
        match self {
            Self::Instant(at) => zone.to_datetime(*at),
            Self::Clock(at, own) if own == zone => *at,
            Self::Clock(at, own) => own.to_timestamp(*at).map_or(*at, |at| zone.to_datetime(at)),
            Self::Day(day) => day.to_datetime(jiff::civil::Time::midnight()),
        }
    }
}

impl Event {
    /// # Errors
    /// Every property that cannot be read.
    pub(super) fn read(component: &Component<'_>, rule: &Rule) -> Result<Self, Vec<Wrong>> {
        let mut faults = Vec::new();
        let mut keep = |wrong: Result<Vec<At>, Wrong>| wrong.map_err(|wrong| faults.push(wrong)).unwrap_or_default();
        let starts = keep(times(component, "DTSTART", rule));
        let ends = keep(times(component, "DTEND", rule));
        let more = keep(times(component, "RDATE", rule));
        let except = keep(times(component, "EXDATE", rule));
        let changes = keep(times(component, "RECURRENCE-ID", rule)).pop();
        let text = |name: &str| component.find_prop(name).map(|property| property.val.as_str().trim().to_owned());
        let uid = text("UID").unwrap_or_default();
        if uid.is_empty() {
            faults.push(("UID", TimetableTrouble::UidMissing));
        }
        if starts.is_empty() && !faults.iter().any(|(property, _)| *property == "DTSTART") {
            faults.push(("DTSTART", TimetableTrouble::StartMissing { form: TimeForm::InstantForm }));
        }
        if let Some(range) = component.find_prop("RECURRENCE-ID").and_then(|property| parameter(property, "RANGE")) {
            faults.push(("RECURRENCE-ID", TimetableTrouble::RangeUnread { range }));
        }
        let Some(first) = starts.first().filter(|_| faults.is_empty()) else { return Err(faults) };
        let zone = match first {
            At::Instant(_) => TimeZone::UTC,
            At::Clock(_, zone) => zone.clone(),
            At::Day(_) => rule.term.zone.clone(),
        };
        let start = first.by(&zone);
        let end = match (ends.first(), text("DURATION")) {
            (Some(end), _) => Ok(end.by(&zone)),
            (None, Some(duration)) => match duration.parse::<Span>().map(|span| start.checked_add(span)) {
                Ok(Ok(end)) => Ok(end),
                Ok(Err(_)) | Err(_) => Err(("DURATION", TimetableTrouble::DurationExpected { got: duration })),
            },
            (None, None) if matches!(first, At::Day(_)) => Ok(start),
            (None, None) => Err(("DTEND", TimetableTrouble::EndMissing)),
        };
        let is_cancelled = text("STATUS").is_some_and(|status| status.eq_ignore_ascii_case("CANCELLED"));
        let kind = match first {
            _ if is_cancelled => Kind::Cancelled,
            At::Day(_) => Kind::AllDay,
            At::Instant(_) | At::Clock(..) => Kind::Timed,
        };
        let end = end.and_then(|end| {
            let is_later = end > start || kind != Kind::Timed;
            is_later.then_some(end).ok_or(("DTEND", TimetableTrouble::EndNotBehind))
        });
        let end = end.map_err(|wrong| vec![wrong])?;
        let rules = component.properties.iter().filter(|property| property.name == "RRULE");
        let rules = rules.map(|property| property.val.as_str().to_owned()).collect();
        Ok(Self { uid, kind, values: values(component), zone, start, end, rules, more, except, changes })
    }

    pub(super) fn title(&self) -> &str {
        self.values.get("SUMMARY").filter(|title| !title.is_empty()).map_or(&self.uid, |title| title)
    }

    /// When it is held, by the clocks of its zone.
    ///
    /// # Errors
    /// A repetition that cannot be read.
    pub(super) fn slots(&self, term: &Term) -> Result<Vec<Slot>, Wrong> {
        let mut starts = BTreeSet::from([self.start]);
        for rule in &self.rules {
            starts.extend(self.repeated(rule, term).map_err(|why| ("RRULE", why))?);
        }
        starts.extend(self.more.iter().map(|at| match at {
            At::Day(day) => day.to_datetime(self.start.time()),
            At::Instant(_) | At::Clock(..) => at.by(&self.zone),
        }));
        for at in &self.except {
            match at {
                At::Day(day) => starts.retain(|start| start.date() != *day),
                At::Instant(_) | At::Clock(..) => drop(starts.remove(&at.by(&self.zone))),
            }
        }
        let length = self.end - self.start;
        Ok(starts.into_iter().map(|start| Slot { start, end: start.saturating_add(length) }).collect())
    }

    /// The beginnings that an RRULE gives. Clocks are counted as if they were UTC's: a series keeps its hour across a
    /// change of summer time, and what the clocks skip is found when the meetings are held.
    fn repeated(&self, rule: &str, term: &Term) -> Result<Vec<DateTime>, TimetableTrouble> {
        let written = |at: DateTime| at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut parts: Vec<String> = Vec::new();
        let mut is_endless = true;
        for part in rule.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            is_endless &= !matches!(name, "UNTIL" | "COUNT");
            parts.push(match (name, time(value, &self.zone)) {
                ("UNTIL", Some(At::Day(day))) => format!("UNTIL={}", written(day.at(23, 59, 59, 0))),
                ("UNTIL", Some(until)) => format!("UNTIL={}", written(until.by(&self.zone))),
                _ => part.to_owned(),
            });
        }
        if is_endless {
            parts.push(format!(
                "UNTIL={}",
                written(term.day(term.weeks, Weekday::Sunday).at(23, 59, 59, 0).max(self.start))
            ));
        }
        let set: RRuleSet = format!("DTSTART:{}\nRRULE:{}", written(self.start), parts.join(";"))
            .parse()
            .map_err(|why: rrule::RRuleError| TimetableTrouble::RepetitionUnread { error: why.to_string() })?;
        let found = set.all(HELD_MAX);
        if found.limited {
            return Err(TimetableTrouble::RepetitionLong { most: HELD_MAX });
        }
        let clock = |seconds: i64| Timestamp::from_second(seconds).map(|at| TimeZone::UTC.to_datetime(at));
        let starts: Result<Vec<_>, _> = found.dates.iter().map(|date| clock(date.timestamp())).collect();
        let starts = starts.map_err(|why| TimetableTrouble::RepetitionUnread { error: why.to_string() })?;
        if starts.contains(&self.start) {
            Ok(starts)
        } else {
            Err(TimetableTrouble::RepetitionElsewhere { start: self.start.to_string() })
        }
    }

    /// Whose clocks the meetings are shown by: those of the term for an event in UTC.
    pub(super) fn own_zone(&self, term: &Term) -> TimeZone {
        if self.is_in_utc() { term.zone.clone() } else { self.zone.clone() }
    }

    /// The same meetings by those clocks.
    pub(super) fn held(&self, slots: Vec<Slot>, term: &Term) -> Vec<Slot> {
        if !self.is_in_utc() {
            return slots;
        }
        let by = |at: DateTime| TimeZone::UTC.to_timestamp(at).map_or(at, |at| term.zone.to_datetime(at));
        slots.into_iter().map(|slot| Slot { start: by(slot.start), end: by(slot.end) }).collect()
    }

    fn is_in_utc(&self) -> bool {
        self.zone == TimeZone::UTC
    }
}

fn values(component: &Component<'_>) -> BTreeMap<&'static str, String> {
    let mut values = BTreeMap::new();
    for name in ["SUMMARY", "LOCATION", "DESCRIPTION", "UID"] {
        if let Some(property) = component.find_prop(name) {
            values.insert(name, property.val.as_str().trim().to_owned());
        }
    }
    if let Some(organizer) = component.find_prop("ORGANIZER") {
        let address = organizer.val.as_str().trim();
        let address =
            address.get(..7).filter(|start| start.eq_ignore_ascii_case("mailto:")).map_or(address, |_| &address[7..]);
        let name = parameter(organizer, "CN").unwrap_or_else(|| address.to_owned());
        values.insert("ORGANIZER", name);
    }
    values
}

fn parameter(property: &Property<'_>, name: &str) -> Option<String> {
    let found = property.params.iter().find(|parameter| parameter.key.as_str().eq_ignore_ascii_case(name))?;
    Some(found.val.as_ref()?.as_str().trim_matches('"').to_owned())
}

/// All times of all properties of that name.
fn times(component: &Component<'_>, name: &'static str, rule: &Rule) -> Result<Vec<At>, Wrong> {
    let mut found = Vec::new();
    for property in component.properties.iter().filter(|property| property.name == name) {
        let zone = match parameter(property, "TZID") {
            None => rule.term.zone.clone(),
            Some(id) => match rule.zone(&id) {
                Some(zone) => zone,
                None => return Err((name, TimetableTrouble::ZoneUnknown { id })),
            },
        };
        for text in property.val.as_str().split(',') {
            let at = time(text.trim(), &zone).ok_or_else(|| {
                (name, TimetableTrouble::FormExpected { form: TimeForm::InstantForm, got: text.to_owned() })
            })?;
            found.push(at);
        }
    }
    Ok(found)
}

fn time(text: &str, zone: &TimeZone) -> Option<At> {
    let has_length = |length: usize| text.len() == length && text.is_ascii();
    if has_length(8) {
        return Date::strptime("%Y%m%d", text).ok().map(At::Day);
    }
    let clock = |text: &str| DateTime::strptime("%Y%m%dT%H%M%S", text).ok();
    match text.strip_suffix('Z') {
        Some(utc) if has_length(16) => TimeZone::UTC.to_timestamp(clock(utc)?).ok().map(At::Instant),
        None if has_length(15) => clock(text).map(|at| At::Clock(at, zone.clone())),
        Some(_) | None => None,
    }
}
