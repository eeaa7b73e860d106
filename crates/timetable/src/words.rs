//! How people write when a lesson is: `周二第3-4节{1-16周|单周}`, `weeks 1-16, odd weeks, Tue sections 3-4`, `10:00-11:40`.

use std::ops::RangeInclusive;

use jiff::civil::{Time, Weekday};
use unicode_normalization::UnicodeNormalization as _;

/// What stands between the first and the last of a range.
const TO: [char; 10] = ['-', '‐', '‑', '‒', '–', '—', '―', '~', '至', '到'];
/// What stands between two numbers of a list.
const AND: [char; 2] = [',', '、'];
/// What says nothing between two parts.
const FILL: &str = ",、.;:()[]{}<>|/第的·";
/// The days as Chinese has them, Monday first; Sunday has two.
const DAYS: [(char, Weekday); 8] = [
    ('一', Weekday::Monday),
    ('二', Weekday::Tuesday),
    ('三', Weekday::Wednesday),
    ('四', Weekday::Thursday),
    ('五', Weekday::Friday),
    ('六', Weekday::Saturday),
    ('日', Weekday::Sunday),
    ('天', Weekday::Sunday),
];
const NAMES: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// A list such as 1-8, 10.
pub(crate) type Ranges = Vec<RangeInclusive<u16>>;

/// Every other week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parity {
    Odd,
    Even,
}

impl Parity {
    pub(crate) const fn has(self, week: u16) -> bool {
        matches!(self, Self::Odd) == (week % 2 == 1)
    }
}

/// What numbers without a unit are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Weeks,
    Parity,
    Day,
    Sections,
    /// They have one, or nobody knows what they are.
    None,
}

/// What was read so far of when a lesson is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) days: Vec<Weekday>,
    /// Lists of weeks; a list may be of odd or even weeks only.
    pub(crate) weeks: Vec<(Ranges, Option<Parity>)>,
    /// Odd or even weeks, of all lists that do not say it themselves.
    pub(crate) parity: Option<Parity>,
    /// It is held in all weeks, and that is written there.
    pub(crate) is_weekly: bool,
    pub(crate) sections: Ranges,
    pub(crate) times: Vec<(Time, Time)>,
}

/// Letters of any width and case as one, as `words.rs` compares them.
pub(crate) fn normal(text: &str) -> String {
    text.nfkc().collect::<String>().trim().to_lowercase()
}

/// Reads a text as far as it goes.
///
/// # Errors
/// From where on it cannot be read.
pub(crate) fn read(text: &str, unit: Unit, when: &mut When) -> Result<(), String> {
    let letters: Vec<char> = normal(text).chars().collect();
    let mut reader = Reader { letters: &letters, at: 0 };
    loop {
        reader.skip(|letter| letter.is_whitespace() || FILL.contains(letter));
        let start = reader.at;
        if reader.peek().is_none() {
            return Ok(());
        }
        if reader.part(unit, when).is_none() {
            return Err(letters[start..].iter().collect());
        }
    }
}

/// A day by its name alone: `Thursday`, `周四`.
pub(crate) fn weekday(text: &str) -> Option<Weekday> {
    let mut when = When::default();
    read(text, Unit::Day, &mut when).ok()?;
    match when.days.as_slice() {
        [day] if when == (When { days: vec![*day], ..When::default() }) => Some(*day),
        _ => None,
    }
}

/// `08:00-08:45`.
pub(crate) fn span(text: &str) -> Option<(Time, Time)> {
    let mut when = When::default();
    read(text, Unit::None, &mut when).ok()?;
    match when.times.as_slice() {
        [span] if when == (When { times: vec![*span], ..When::default() }) => Some(*span),
        _ => None,
    }
}

struct Reader<'l> {
    letters: &'l [char],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn skip(&mut self, fits: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&fits) {
            self.at += 1;
        }
    }

    fn blanks(&mut self) {
        self.skip(char::is_whitespace);
    }

    fn take(&mut self, fits: impl Fn(char) -> bool) -> Option<char> {
        let letter = self.peek().filter(|letter| fits(*letter))?;
        self.at += 1;
        Some(letter)
    }

    fn text(&mut self, text: &str) -> bool {
        let fits = text.chars().enumerate().all(|(n, letter)| self.letters.get(self.at + n) == Some(&letter));
        self.at += if fits { text.chars().count() } else { 0 };
        fits
    }

    /// What `read` gives, or nothing read at all.
    fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let start = self.at;
        let found = read(self);
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn part(&mut self, unit: Unit, when: &mut When) -> Option<()> {
        if let Some(times) = self.attempt(Self::times) {
            when.times.push(times);
            return Some(());
        }
        if self.peek().is_some_and(|letter| letter.is_ascii_digit()) {
            return self.numbers(unit, None, when);
        }
        if let Some(parity) = self.attempt(Self::parity) {
            return when.add_parity(parity, unit);
        }
        if self.text("每周") || self.text("全周") || self.text("全部") || self.text("全") {
            when.is_weekly = true;
            return Some(());
        }
        if self.text("周") || self.text("星期") || self.text("礼拜") {
            self.blanks();
            return self.day(when);
        }
        if matches!(unit, Unit::Day | Unit::None) && self.attempt(|reader| reader.day(when)).is_some() {
            return Some(());
        }
        let word = self.word()?;
        if let Some((_, day)) = NAMES.iter().find(|(name, _)| word.len() >= 2 && name.starts_with(&word)) {
            when.days.push(*day);
            return Some(());
        }
        if matches!(word.as_str(), "every" | "all" | "each") {
            self.blanks();
            when.is_weekly = self.attempt(|reader| unit_word(&reader.word()?)).is_none_or(|unit| unit == Unit::Weeks);
            return when.is_weekly.then_some(());
        }
        let told = unit_word(&word)?;
        self.blanks();
        self.peek().filter(char::is_ascii_digit)?;
        self.numbers(unit, Some(told), when)
    }

    fn word(&mut self) -> Option<String> {
        let start = self.at;
        self.skip(|letter| letter.is_ascii_alphabetic());
        (self.at > start).then(|| self.letters[start..self.at].iter().collect())
    }

    fn day(&mut self, when: &mut When) -> Option<()> {
        let letter = self.take(|letter| DAYS.iter().any(|(known, _)| *known == letter))?;
        when.days.extend(DAYS.iter().find(|(known, _)| *known == letter).map(|(_, day)| *day));
        Some(())
    }

    /// `单`, `双周`, `odd`, `even weeks`.
    fn parity(&mut self) -> Option<Parity> {
        let parity = match self.peek()? {
            '单' | '奇' => Parity::Odd,
            '双' | '偶' => Parity::Even,
            _ => {
                let parity = match self.word()?.as_str() {
                    "odd" => Parity::Odd,
                    "even" => Parity::Even,
                    _ => return None,
                };
                self.attempt(|reader| {
                    reader.blanks();
                    unit_word(&reader.word()?).filter(|unit| *unit == Unit::Weeks)
                });
                return Some(parity);
            }
        };
        self.at += 1;
        self.text("数");
        // 单周二 is the odd weeks' Tuesday: one 周 stands for both then.
        if self.peek() == Some('周') && !self.letters.get(self.at + 1).is_some_and(|next| is_day(*next)) {
            self.at += 1;
        }
        Some(parity)
    }

    fn times(&mut self) -> Option<(Time, Time)> {
        let from = self.time()?;
        self.blanks();
        self.take(|letter| TO.contains(&letter))?;
        self.blanks();
        let to = self.time()?;
        (from < to).then_some((from, to))
    }

    fn time(&mut self) -> Option<Time> {
        let hour = self.number()?;
        self.take(|letter| letter == ':')?;
        let minute = self.number()?;
        Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()
    }

    fn number(&mut self) -> Option<u16> {
        let start = self.at;
        self.skip(|letter| letter.is_ascii_digit());
        self.letters[start..self.at].iter().collect::<String>().parse().ok()
    }

    /// A list of numbers with its unit before or behind it.
    fn numbers(&mut self, unit: Unit, told: Option<Unit>, when: &mut When) -> Option<()> {
        let (mut list, suffix) = self.list(told.is_none())?;
        let found = told.or(suffix);
        // 1-5、7-11单: written to the last range, where 1-5、7-11周(单) is said of the whole list.
        let of_last = found.is_none() && self.peek().is_some_and(|letter| "单奇双偶".contains(letter));
        let parity = match found {
            // 1-16(单)周
            None | Some(Unit::Weeks) => self.attempt(|reader| {
                reader.skip(|letter| letter.is_whitespace() || "([{|".contains(letter));
                let parity = reader.parity()?;
                reader.skip(|letter| ")]}".contains(letter));
                Some(parity)
            }),
            Some(_) => None,
        };
        let found = match (found, parity) {
            (None, Some(_)) if unit != Unit::Sections => {
                self.text("周");
                Unit::Weeks
            }
            (found, _) => found.unwrap_or(unit),
        };
        match found {
            Unit::Weeks => {
                let before = if of_last { list.len() - 1 } else { 0 };
                let rest = list.split_off(before);
                when.weeks.extend([(list, None), (rest, parity)].into_iter().filter(|(list, _)| !list.is_empty()));
            }
            Unit::Sections => when.sections.extend(list),
            Unit::Day => {
                let days =
                    list.into_iter().flatten().map(|day| Weekday::from_monday_one_offset(i8::try_from(day).ok()?).ok());
                when.days.extend(days.collect::<Option<Vec<_>>>()?);
            }
            Unit::Parity | Unit::None => return None,
        }
        Some(())
    }

    /// `1-8,10`, `1周-8周`: numbers up to their unit, if it stands behind them.
    fn list(&mut self, with_unit: bool) -> Option<(Ranges, Option<Unit>)> {
        let mut list = Vec::new();
        loop {
            let from = self.number()?;
            let mut unit = self.unit(with_unit);
            let to = self.attempt(|reader| {
                reader.blanks();
                reader.take(|letter| TO.contains(&letter))?;
                reader.blanks();
                reader.text("第");
                reader.number()
            });
            if to.is_some() {
                unit = self.unit(with_unit).or(unit);
            }
            let to = to.unwrap_or(from);
            list.push((from <= to).then_some(from..=to)?);
            if unit.is_some() {
                return Some((list, unit));
            }
            let goes_on = self.attempt(|reader| {
                reader.blanks();
                reader.take(|letter| AND.contains(&letter))?;
                reader.blanks();
                reader.text("第");
                reader.peek().filter(char::is_ascii_digit)
            });
            if goes_on.is_none() {
                return Some((list, None));
            }
        }
    }

    fn unit(&mut self, is_wanted: bool) -> Option<Unit> {
        if !is_wanted {
            return None;
        }
        self.attempt(|reader| {
            reader.blanks();
            match reader.peek()? {
                '周' => reader.at += 1,
                '节' => {
                    reader.at += 1;
                    reader.text("课");
                    return Some(Unit::Sections);
                }
                _ => return unit_word(&reader.word()?),
            }
            Some(Unit::Weeks)
        })
    }
}

impl When {
    /// Of the list that was read last, or of all if it has a column of its own or none was read.
    fn add_parity(&mut self, parity: Parity, unit: Unit) -> Option<()> {
        match self.weeks.last_mut().filter(|_| unit != Unit::Parity) {
            Some((_, of)) if of.is_none() => *of = Some(parity),
            None if self.parity.is_none() => self.parity = Some(parity),
            Some(_) | None => return None,
        }
        Some(())
    }
}

fn is_day(letter: char) -> bool {
    DAYS.iter().any(|(known, _)| *known == letter)
}

fn unit_word(word: &str) -> Option<Unit> {
    match word {
        "week" | "weeks" | "wk" | "wks" | "w" => Some(Unit::Weeks),
        "section" | "sections" | "sec" | "period" | "periods" | "lesson" | "lessons" => Some(Unit::Sections),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
