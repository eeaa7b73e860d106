//! A table of lessons: which column is what, and its rows as lessons.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Time, Weekday};
use paceline_domain::job::Column;
use paceline_domain::messages::{Rule as Message, TimeForm, TimetableTrouble};
use paceline_domain::rows::FileFault;

use crate::lesson::{Lesson, Slot};
use crate::rule::Rule;
use crate::words::{self, Parity, Unit, When, normal};

/// What a column of a timetable may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Course,
    Code,
    Class,
    Teacher,
    Room,
    Weeks,
    Parity,
    Day,
    Sections,
    LastSection,
    When,
}

impl Field {
    pub(crate) const ALL: [Self; 11] = [
        Self::Course,
        Self::Code,
        Self::Class,
        Self::Teacher,
        Self::Room,
        Self::Weeks,
        Self::Parity,
        Self::Day,
        Self::Sections,
        Self::LastSection,
        Self::When,
    ];

    /// How the rule file calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Course => "course",
            Self::Code => "code",
            Self::Class => "class",
            Self::Teacher => "teacher",
            Self::Room => "room",
            Self::Weeks => "weeks",
            Self::Parity => "parity",
            Self::Day => "day",
            Self::Sections => "sections",
            Self::LastSection => "last_section",
            Self::When => "when",
        }
    }

    /// How timetables head it, besides.
    const fn headings(self) -> &'static [&'static str] {
        match self {
            Self::Course => &["课程", "课程名称", "课程名", "科目", "课名", "course name", "title", "subject"],
            Self::Code => &["课程号", "课程代码", "课程编号", "课序号", "选课号", "course code", "course id"],
            Self::Class => &["班级", "教学班", "教学班名称", "上课班级", "行政班", "group"],
            Self::Teacher => {
                &["教师", "任课教师", "授课教师", "上课教师", "老师", "教师姓名", "lecturer", "instructor"]
            }
            Self::Room => &["教室", "上课教室", "上课地点", "地点", "场地", "教室名称", "location", "place"],
            Self::Weeks => &["周次", "上课周次", "起止周", "周数", "week"],
            Self::Parity => &["单双周", "单周/双周", "odd/even"],
            Self::Day => &["星期", "星期几", "周几", "上课星期", "weekday"],
            Self::Sections => {
                &["节次", "上课节次", "节数", "开始节数", "开始节次", "section", "period", "periods", "时间段", "time"]
            }
            Self::LastSection => &["结束节数", "结束节次", "last section", "end section"],
            Self::When => &["上课时间", "时间", "排课时间", "schedule"],
        }
    }

    /// What numbers without a unit are in its column; `None` if it says nothing of the time.
    const fn unit(self) -> Option<Unit> {
        match self {
            Self::Weeks => Some(Unit::Weeks),
            Self::Parity => Some(Unit::Parity),
            Self::Day => Some(Unit::Day),
            Self::Sections => Some(Unit::Sections),
            Self::When => Some(Unit::None),
            Self::Course | Self::Code | Self::Class | Self::Teacher | Self::Room | Self::LastSection => None,
        }
    }

    const fn example(self) -> TimeForm {
        match self {
            Self::Weeks => TimeForm::WeeksForm,
            Self::Parity => TimeForm::ParityForm,
            Self::Day => TimeForm::DayForm,
            Self::Sections | Self::LastSection => TimeForm::SectionsForm,
            Self::When => TimeForm::WhenForm,
            Self::Course | Self::Code | Self::Class | Self::Teacher | Self::Room => TimeForm::TextForm,
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    fn is_headed(self, heading: &str) -> bool {
        let heading = normal(heading);
        self.name() == heading || self.headings().contains(&heading.as_str())
    }
}

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
        if !self.fields.contains_key(&Field::When) {
            for field in [Field::Day, Field::Sections] {
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
        if self.faults.len() > faults {
            return;
        }
        for when in whens {
            let slots = self.slots(line, &when);
            lessons.push(Lesson {
                line,
                key: known.clone(),
                values: values.clone(),
                zone: self.rule.term.zone.clone(),
                slots,
            });
        }
    }

    /// What each column holds, under its heading and under its field's name.
    fn values(&mut self, line: u64, cells: &[String]) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        let rule = self.rule;
        for (index, heading) in self.sheet.header.iter().enumerate() {
            let field = self.fields.iter().find(|(_, of)| **of == index).map(|(field, _)| field.name());
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

    /// When the row's lessons are: one, or several if the cell of the time has several parts.
    fn whens(&mut self, line: u64, cells: &[String]) -> Vec<(When, usize)> {
        let mut base = When::default();
        let mut last = 0;
        let mut parts = vec![""];
        for (field, index) in self.fields.clone() {
            let Some(unit) = field.unit() else { continue };
            let cell = cells.get(index).map_or("", |cell| cell.trim());
            last = index;
            if field == Field::When {
                parts = cell.split([';', '；', '\n']).filter(|part| !part.trim().is_empty()).collect();
            } else if let Err(rest) = words::read(cell, unit, &mut base) {
                self.unread(line, index, field, &rest);
            }
            if cell.is_empty() && field != Field::Parity {
                self.fault(line, Some(index), TimetableTrouble::CellIsEmpty { form: field.example() });
            }
        }
        self.reach_to_last(line, cells, &mut base);
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

    /// Some tables give the first section and the last one, each in its column.
    fn reach_to_last(&mut self, line: u64, cells: &[String], when: &mut When) {
        let Some(index) = self.fields.get(&Field::LastSection).copied() else { return };
        let (cell, mut end) = (cells.get(index).map_or("", |cell| cell.trim()), When::default());
        match (words::read(cell, Unit::Sections, &mut end), when.sections.as_slice(), end.sections.as_slice()) {
            (Ok(()), [first], [last]) if first.start() <= last.end() => {
                when.sections = vec![*first.start()..=*last.end()];
            }
            (Ok(()), ..) if cell.is_empty() => {
                self.fault(line, Some(index), TimetableTrouble::CellIsEmpty { form: TimeForm::SectionsForm });
            }
            (read, ..) => self.unread(line, index, Field::LastSection, &read.err().unwrap_or_else(|| cell.to_owned())),
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

#[cfg(test)]
mod tests;
