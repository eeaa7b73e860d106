//! A table of lessons: which column is what, and its rows as lessons.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Time, Weekday};
use paceline_domain::job::Column;
use paceline_domain::messages::{Rule as Message, TimetableTrouble};
use paceline_domain::rows::FileFault;

use crate::field::Field;
use crate::lesson::{Lesson, Slot};
use crate::rule::Rule;
use crate::words::{self, Parity, Unit, When, normal};

/// A table as it stands in its file.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// The file, for messages and places.
    pub name: String,
    /// The line of the header.
    pub line: u64,
    /// The header.
    pub header: Vec<String>,
    /// Its rows that are not blank, with their lines.
    pub rows: Vec<(u64, Vec<String>)>,
}

/// Reads the rows by a rule and collects what is wrong.
struct Reader<'s> {
    sheet: &'s Sheet,
    rule: &'s Rule,
    fields: BTreeMap<Field, usize>,
    faults: Vec<FileFault>,
}

impl Sheet {
    /// The rows as lessons.
    ///
    /// # Errors
    /// Every fault of the table, and of what the rule says of it.
    pub fn lessons(&self, rule: &Rule) -> Result<Vec<Lesson>, Vec<FileFault>> {
        let mut reader = Reader { sheet: self, rule, fields: BTreeMap::new(), faults: Vec::new() };
        reader.find_columns();
        let key = reader.key();
        if !reader.faults.is_empty() {
            return Err(reader.faults);
        }
        let mut lessons = Vec::new();
        for (line, cells) in &self.rows {
            reader.row(*line, cells, &key, &mut lessons);
        }
        if lessons.is_empty() && reader.faults.is_empty() {
            reader.fault(self.line, None, TimetableTrouble::NoLessons);
        }
        if reader.faults.is_empty() { Ok(lessons) } else { Err(reader.faults) }
    }
}

impl Reader<'_> {
    fn fault(&mut self, line: u64, column: Option<usize>, trouble: TimetableTrouble) {
        let column = column.map(|index| Column {
            number: index + 1,
            header: self.sheet.header.get(index).cloned().unwrap_or_default(),
            item: None,
        });
        self.faults.push(FileFault { file: self.sheet.name.clone(), line, column, message: trouble.into() });
    }

    fn find_columns(&mut self) {
        for field in Field::ALL {
            if let Some((line, heading)) = self.rule.columns.get(&field) {
                let named = |known: &String| normal(known) == normal(heading);
                if let Some(index) = self.sheet.header.iter().position(named) {
                    self.fields.insert(field, index);
                } else {
                    let (heading, there) = (heading.clone(), self.sheet.header.clone());
                    let trouble = TimetableTrouble::HeadedNowhere { heading, there };
                    let message = Message::of_entry(format!("columns.{}", field.name()), trouble);
                    self.faults.push(self.rule.fault(*line, message));
                }
                continue;
            }
            let is_named = |index: &usize| {
                let heading = normal(&self.sheet.header[*index]);
                self.rule.columns.values().any(|(_, named)| normal(named) == heading)
            };
            let fitting = |index: &usize| field.is_headed(&self.sheet.header[*index]) && !is_named(index);
            let found: Vec<usize> = (0..self.sheet.header.len()).filter(fitting).collect();
            match found.as_slice() {
                [] => {}
                [index] => drop(self.fields.insert(field, *index)),
                [_, second, ..] => {
                    let field = field.name().to_owned();
                    self.fault(self.sheet.line, Some(*second), TimetableTrouble::SecondColumnFor { field });
                }
            }
        }
        // A table that has both gives the times for people to read; the rule says when a section is.
        if [Field::Sections, Field::When].iter().any(|field| self.fields.contains_key(field)) {
            self.fields.retain(|field, _| !matches!(field, Field::From | Field::To));
        }
        if !self.fields.contains_key(&Field::When) {
            let how_long = if self.fields.contains_key(&Field::From) { Field::From } else { Field::Sections };
            for field in [Field::Day, how_long] {
                if !self.fields.contains_key(&field) {
                    let (heading, field) = (field.headings()[0].to_owned(), field.name().to_owned());
                    self.fault(self.sheet.line, None, TimetableTrouble::NoColumnFor { field, heading });
                }
            }
        }
    }

    /// The columns that a lesson is known by.
    fn key(&mut self) -> Vec<usize> {
        if let Some((line, names)) = &self.rule.key {
            let mut key = Vec::new();
            for name in names {
                if let Some(index) = self.column(name) {
                    key.push(index);
                } else {
                    let trouble = TimetableTrouble::NoColumnHas { name: name.clone() };
                    self.faults.push(self.rule.fault(*line, Message::of_entry("job.key", trouble)));
                }
            }
            return key;
        }
        let course = [Field::Code, Field::Course].into_iter().find_map(|field| self.fields.get(&field).copied());
        if course.is_none() {
            self.fault(self.sheet.line, None, TimetableTrouble::NoCourse);
        }
        course.into_iter().chain(self.fields.get(&Field::Class).copied()).collect()
    }

    /// A column by the name of its field, or by its heading.
    fn column(&self, name: &str) -> Option<usize> {
        let by_field = Field::of(name).and_then(|field| self.fields.get(&field).copied());
        by_field.or_else(|| self.sheet.header.iter().position(|heading| normal(heading) == normal(name)))
    }

    fn row(&mut self, line: u64, cells: &[String], key: &[usize], lessons: &mut Vec<Lesson>) {
        let faults = self.faults.len();
        let cell = |index: usize| cells.get(index).map_or("", |cell| cell.trim());
        let known: Vec<String> = key.iter().map(|index| normal(cell(*index))).collect();
        if let Some(first) = key.first().filter(|_| known.iter().all(String::is_empty)) {
            self.fault(line, Some(*first), TimetableTrouble::KeyIsEmpty);
        }
        let beyond = cells.iter().skip(self.sheet.header.len()).position(|cell| !cell.trim().is_empty());
        if let Some(beyond) = beyond {
            self.fault(line, Some(self.sheet.header.len() + beyond), TimetableTrouble::CellBeyond);
        }
        let whens = self.whens(line, cells);
        let values = self.values(line, cells);
        let rooms = self.rooms(line, cells, whens.len());
        if self.faults.len() > faults {
            return;
        }
        for (when, room) in whens.into_iter().zip(rooms) {
            let slots = self.slots(line, &when);
            let mut values = values.clone();
            if let Some(index) = self.fields.get(&Field::Room) {
                values.insert(self.sheet.header[*index].clone(), room.clone());
                values.insert(Field::Room.name().to_owned(), room);
            }
            lessons.push(Lesson { line, key: known.clone(), values, zone: self.rule.term.zone.clone(), slots });
        }
    }

    /// What each column but the room's holds, under its heading and under its field's name.
    fn values(&mut self, line: u64, cells: &[String]) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        let rule = self.rule;
        for (index, heading) in self.sheet.header.iter().enumerate() {
            let field = self.fields.iter().find(|(_, of)| **of == index).map(|(field, _)| *field);
            // Each part of the time may have one of its own.
            if field == Some(Field::Room) {
                continue;
            }
            let field = field.map(Field::name);
            let cell = cells.get(index).map_or("", |cell| cell.trim());
            let value = rule.word(field.unwrap_or(heading), heading, cell).unwrap_or_else(|why| {
                self.fault(line, Some(index), why);
                String::new()
            });
            values.insert(heading.clone(), value.clone());
            values.extend(field.map(|field| (field.to_owned(), value)));
        }
        values
    }

    fn cell<'c>(&self, cells: &'c [String], field: Field) -> &'c str {
        let cell = self.fields.get(&field).and_then(|index| cells.get(*index));
        cell.map_or("", |cell| cell.trim())
    }

    /// When the row's lessons are: one, or several if the cell of the time has several parts.
    fn whens(&mut self, line: u64, cells: &[String]) -> Vec<(When, usize)> {
        let mut base = When::default();
        let mut last = 0;
        let mut parts = vec![""];
        for (field, index) in self.fields.clone() {
            let Some(unit) = field.unit() else { continue };
            let cell = self.cell(cells, field);
            last = index;
            if cell.is_empty() && field != Field::Parity {
                self.fault(line, Some(index), TimetableTrouble::CellIsEmpty { form: field.example() });
            } else if field == Field::When {
                parts = several(cell);
            } else if let Err(rest) = words::read(&self.with_its_end(line, field, cells), unit, &mut base) {
                self.unread(line, index, field, &rest);
            }
        }
        let mut whens = Vec::new();
        for part in parts {
            let mut when = base.clone();
            match words::read(part, Unit::None, &mut when) {
                Ok(()) => whens.push((when, last)),
                Err(rest) => self.unread(line, last, Field::When, &rest),
            }
        }
        whens
    }

    /// What a field's cell holds, and behind it what the column of the end holds, if there is one.
    fn with_its_end(&mut self, line: u64, field: Field, cells: &[String]) -> String {
        let first = self.cell(cells, field).to_owned();
        let Some((end, index)) = field.end().and_then(|end| Some((end, *self.fields.get(&end)?))) else {
            return first;
        };
        match self.cell(cells, end) {
            "" => {
                self.fault(line, Some(index), TimetableTrouble::CellIsEmpty { form: end.example() });
                first
            }
            last => format!("{first}-{last}"),
        }
    }

    /// The room of each part of the time: its own, where the cell has as many, or the one of all.
    fn rooms(&mut self, line: u64, cells: &[String], times: usize) -> Vec<String> {
        let Some(index) = self.fields.get(&Field::Room).copied() else { return vec![String::new(); times] };
        let (cell, rule) = (self.cell(cells, Field::Room), self.rule);
        let rooms = if times > 1 { several(cell) } else { vec![cell] };
        let heading = &self.sheet.header[index];
        let mut named = Vec::new();
        for room in &rooms {
            match rule.word(Field::Room.name(), heading, room.trim()) {
                Ok(room) => named.push(room),
                Err(why) => self.fault(line, Some(index), why),
            }
        }
        match rooms.len() {
            0 => vec![String::new(); times],
            1 => named.into_iter().cycle().take(times).collect(),
            rooms if rooms == times => named,
            rooms => {
                self.fault(line, Some(index), TimetableTrouble::RoomsForTimes { rooms, times });
                Vec::new()
            }
        }
    }

    fn unread(&mut self, line: u64, index: usize, field: Field, rest: &str) {
        let (rest, form) = (rest.to_owned(), field.example());
        self.fault(line, Some(index), TimetableTrouble::UnreadFrom { rest, form });
    }

    fn slots(&mut self, line: u64, (when, column): &(When, usize)) -> Vec<Slot> {
        let faults = self.faults.len();
        let column = |reader: &Self, field: Field| reader.fields.get(&field).copied().unwrap_or(*column);
        let mut times: BTreeSet<(Time, Time)> = when.times.iter().copied().collect();
        if times.is_empty() || !when.sections.is_empty() {
            match self.times(when) {
                Ok(found) => times.extend(found),
                Err(why) => self.fault(line, Some(column(self, Field::Sections)), why),
            }
        }
        if when.days.is_empty() {
            self.fault(line, Some(column(self, Field::Day)), TimetableTrouble::NoDay { form: Field::Day.example() });
        }
        let weeks = self.weeks(when).unwrap_or_else(|why| {
            self.fault(line, Some(column(self, Field::Weeks)), why);
            BTreeSet::new()
        });
        if self.faults.len() > faults {
            return Vec::new();
        }
        let days: BTreeSet<_> = when.days.iter().map(|day| Weekday::to_monday_zero_offset(*day)).collect();
        let mut slots = Vec::new();
        for week in weeks {
            for day in days.iter().filter_map(|day| Weekday::from_monday_zero_offset(*day).ok()) {
                let day = self.rule.term.day(week, day);
                slots.extend(
                    times.iter().map(|(from, to)| Slot { start: day.to_datetime(*from), end: day.to_datetime(*to) }),
                );
            }
        }
        slots
    }

    /// From when to when; sections that follow each other are one lesson.
    fn times(&self, when: &When) -> Result<Vec<(Time, Time)>, TimetableTrouble> {
        let known = &self.rule.sections;
        let numbers: BTreeSet<u16> = when.sections.iter().cloned().flatten().collect();
        if numbers.is_empty() {
            return Err(TimetableTrouble::NoSections { form: Field::Sections.example() });
        }
        let missing: Vec<_> = numbers.iter().filter(|number| !known.contains_key(number)).map(u16::to_string).collect();
        if !missing.is_empty() {
            let known: Vec<_> = known.keys().map(u16::to_string).collect();
            return Err(if known.is_empty() {
                TimetableTrouble::SectionsNone { missing }
            } else {
                TimetableTrouble::SectionsUnknown { missing, known }
            });
        }
        let mut times: Vec<(u16, Time, Time)> = Vec::new();
        for number in numbers {
            let (from, to) = known[&number];
            match times.last_mut() {
                Some((last, _, end)) if *last + 1 == number => (*last, *end) = (number, to),
                Some(_) | None => times.push((number, from, to)),
            }
        }
        Ok(times.into_iter().map(|(_, from, to)| (from, to)).collect())
    }

    fn weeks(&self, when: &When) -> Result<BTreeSet<u16>, TimetableTrouble> {
        let all = self.rule.term.weeks;
        let has = |parity: Option<Parity>, week: &u16| parity.is_none_or(|parity| parity.has(*week));
        // Without any list of weeks the lesson is held in all that the term has.
        let every = [(vec![1..=all], None)];
        let lists = if when.weeks.is_empty() { every.as_slice() } else { when.weeks.as_slice() };
        let mut weeks = BTreeSet::new();
        for (list, parity) in lists {
            if let (Some(of), Some(other)) = (parity, when.parity)
                && *of != other
            {
                return Err(TimetableTrouble::OddAndEven);
            }
            for range in list {
                if *range.start() == 0 || *range.end() > all {
                    let (first, last) = (*range.start(), *range.end());
                    return Err(TimetableTrouble::WeeksBeyond { first, last, all });
                }
                weeks.extend(range.clone().filter(|week| has(parity.or(when.parity), week)));
            }
        }
        if weeks.is_empty() {
            return Err(TimetableTrouble::NoWeek);
        }
        Ok(weeks)
    }
}

/// What stands in one cell for several meetings.
fn several(cell: &str) -> Vec<&str> {
    cell.split([';', '；', '\n']).filter(|part| !part.trim().is_empty()).collect()
}

#[cfg(test)]
mod tests;
