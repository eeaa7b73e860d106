//! What a spreadsheet makes of a cell that it takes for a number or a date, when a file is opened and saved in it.
//!
//! Excel, WPS and others keep the value and forget how it was written: `0701` comes back as `701`, `2026E1` as `2.03E+04`,
//! `3-4` as a day in March. What they keep as it is: whole numbers of up to 11 digits, and anything else.

/// Digits of a number that a column shows as they are.
const DIGITS_MAX: usize = 11;
/// Of more digits than these, zeros are left.
const EXACT_DIGITS: i32 = 15;
/// Months as a spreadsheet in English knows them.
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Whether the cell would come back as another text.
pub(super) fn is_rewritten(cell: &str) -> bool {
    let text = cell.trim();
    if text.is_empty() || !text.is_ascii() {
        return false;
    }
    if number(text).is_some() {
        return text.len() != cell.len() || !is_plain(text);
    }
    is_date(text) || is_time(text)
}

/// Whether the cell may be what a spreadsheet has made of `id`.
pub(super) fn may_be(cell: &str, id: &str) -> bool {
    number(id).is_some_and(|was| shown_as(cell).is_some_and(|(from, to)| from <= was && was <= to)) && cell != id
}

/// The number of a text that a spreadsheet takes for one.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse::<f64>().ok().filter(|number| is_number && number.is_finite())
}

/// Between which numbers one lies that is shown as this cell.
pub(super) fn shown_as(cell: &str) -> Option<(f64, f64)> {
    let number = number(cell)?;
    let text = cell.trim();
    let rounded = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            0.5 * 10_f64.powi(exponent.parse::<i32>().ok()? - i32::try_from(decimals).ok()?)
        }
        None => 0.0,
    };
    let off = rounded.max(number.abs() * 10_f64.powi(1 - EXACT_DIGITS));
    // A hair more, because neither of the two numbers is exact.
    Some((number - off * 1.001, number + off * 1.001))
}

/// A number as a spreadsheet writes it.
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(whole)
        && (whole == "0" || !whole.is_empty() && !whole.starts_with('0'))
        && fraction.is_none_or(|fraction| is_digits(fraction) && !fraction.is_empty() && !fraction.ends_with('0'))
        && whole.len() + fraction.map_or(0, |fraction| fraction.len() + 1) <= DIGITS_MAX
        && text != "-0"
}

/// `3-4`, `2026/1`, `2026.1.2`, `MAR1`, `1-Sep`, `Sept 2026`: with dots only of three parts, as two are a number or a version.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', '/']).collect();
    let is_part = |part: &&str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if (2..=3).contains(&parts.len()) && parts.iter().all(is_part) {
        return true;
    }
    let letters: String = text.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_month = MONTHS.iter().any(|month| letters.starts_with(month)) && is_month_name(&letters);
    let is_only = text.chars().all(|sign| sign.is_ascii_alphanumeric() || "-/ ".contains(sign));
    is_month && is_only && (1..=6).contains(&digits)
}

fn is_month_name(letters: &str) -> bool {
    const LONG: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    letters == "sept" || MONTHS.contains(&letters) || LONG.contains(&letters)
}

/// `7:30`, `7:30:00`, `7:30 PM`.
fn is_time(text: &str) -> bool {
    let text = text.to_lowercase();
    let text = text.strip_suffix("am").or_else(|| text.strip_suffix("pm")).unwrap_or(&text).trim_end();
    let parts: Vec<&str> = text.split(':').collect();
    let is_part = |part: &&str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    (2..=3).contains(&parts.len()) && parts.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_rewrites_is_known() {
        for cell in [
            "0701",
            "007",
            "+86138",
            "2026E1",
            "1e5",
            "2E5",
            "123456789012",
            "1.50",
            "1.0",
            ".5",
            "5.",
            "-0",
            " 701",
            "701 ",
            "00",
            "3-4",
            "2026-11",
            "1/2",
            "2026/11/21",
            "MAR1",
            "Sept 2026",
            "1-Sep",
            "DEC-24",
            "7:30",
            "7:30:00",
            "7:30 PM",
            "9007199254740993",
        ] {
            assert!(is_rewritten(cell), "{cell:?}");
        }
        for cell in [
            "",
            "701",
            "0",
            "-5",
            "0.5",
            "1.25",
            "12345678901",
            "7F-701",
            "omb_1",
            "hq-7f-701",
            "A1",
            "1F",
            "IF",
            "会议室 0701",
            "2026-11-21T08:00:00.123Z",
            "2026-11-21T16:00:00+08:00",
            "true",
            "E5",
            "1-2-3-4",
            "v1.2",
            "b:26f8da2495b0f6fd",
            "March",
            "Marble 7",
            "inf",
            "NaN",
            "12345-6",
            "1:2:3:4",
            "hq:1",
            "-",
            "+",
            ".",
            "1E",
        ] {
            assert!(!is_rewritten(cell), "{cell:?}");
        }
    }

    #[test]
    fn ids_are_known_by_what_is_left_of_them() {
        for (cell, id) in [
            ("701", "0701"),
            ("701", "+701"),
            ("701", "701.0"),
            ("2.03E+04", "2026E1"),
            ("20260", "2026E1"),
            ("1.23457E+11", "123456789012"),
            ("9007199254740990", "9007199254740993"),
            ("4.87E+2102", "4872E2099"),
        ] {
            assert!(may_be(cell, id) || number(id).is_none(), "{cell} {id}");
        }
        for (cell, id) in
            [("701", "701"), ("701", "0702"), ("2.03E+04", "2020E1"), ("701", "a701"), ("x", "0701"), ("", "0")]
        {
            assert!(!may_be(cell, id), "{cell} {id}");
        }
    }
}
