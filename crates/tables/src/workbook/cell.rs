//! A typed cell as text.

use calamine::{Data, DataRef, ExcelDateTime};

use super::CellFault;

/// From here on a number has more digits than spreadsheets keep.
const ROUNDED_FROM: f64 = 1e15;

/// A cell as text; empty if it has no value.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) fault: Option<CellFault>,
}

impl Cell {
    pub(super) fn of(value: &DataRef<'_>) -> Self {
        let text = match value {
            DataRef::Empty => String::new(),
            DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
            DataRef::SharedString(text) => (*text).to_owned(),
            DataRef::Bool(is) => is.to_string(),
            DataRef::Int(number) => number.to_string(),
            DataRef::Float(number) => return Self::of_number(*number),
            DataRef::DateTime(at) => date(*at),
            // `#N/A` and its kin: the checks know what to say of them.
            DataRef::Error(error) => error.to_string(),
        };
        Self { text, fault: None }
    }

    fn of_number(number: f64) -> Self {
        Self { text: number.to_string(), fault: (number.abs() >= ROUNDED_FROM).then_some(CellFault::Rounded) }
    }
}

/// The same cell, of a format that is read whole.
pub(super) fn borrowed(value: &Data) -> DataRef<'_> {
    match value {
        Data::Empty => DataRef::Empty,
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => DataRef::SharedString(text),
        Data::Int(number) => DataRef::Int(*number),
        Data::Float(number) => DataRef::Float(*number),
        Data::Bool(is) => DataRef::Bool(*is),
        Data::DateTime(at) => DataRef::DateTime(*at),
        Data::Error(error) => DataRef::Error(error.clone()),
    }
}

/// `2026-11-28T09:00:00`: workbooks know no time zone. A time of day without a date is `09:00:00`.
fn date(at: ExcelDateTime) -> String {
    // Serial numbers are fractions of days: a second is more than their error.
    let (days, is_time_of_day) = (at.as_f64(), at.is_duration() || at.as_f64() < 1.0);
    if is_time_of_day {
        let seconds = (days * 86_400.0).round() as u64;
        return format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    }
    let (year, month, day, hour, minute, second, milli) = at.to_ymd_hms_milli();
    match (hour, minute, second, milli) {
        (0, 0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        (_, _, _, 0) => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"),
        _ => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}"),
    }
}

/// `A`, `B`, … `Z`, `AA`, …: what spreadsheets call a column.
pub(super) fn letters(column: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        letters.push(char::from(b'A' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}
