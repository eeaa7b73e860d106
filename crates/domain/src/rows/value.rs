//! Values as people write them in cells. What is read here can mean one thing only; the rest stays text, so that the
//! schema's check names it.

use super::heading::normal;

use unicode_normalization::UnicodeNormalization as _;

/// Between the items of a list in one cell.
pub(super) const LIST_SEPARATORS: [char; 3] = [';', '；', '、'];
/// Commas, which people also put between items, and which stand in names as well.
const COMMAS: [char; 2] = [',', '，'];

/// An integer: full-width digits, thousands in groups of three, and `.0` of a number that a spreadsheet kept as a
/// fraction.
pub(super) fn integer(text: &str) -> Option<i64> {
    // Most cells are written plainly, and files have millions of them.
    if let Ok(number) = text.trim().parse() {
        return Some(number);
    }
    let narrow: String = text.trim().nfkc().filter(|letter| !letter.is_whitespace()).collect();
    let (whole, fraction) = narrow.split_once('.').unwrap_or((narrow.as_str(), ""));
    if !fraction.bytes().all(|digit| digit == b'0') {
        return None;
    }
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let mut groups = digits.split(',');
    let first = groups.next()?;
    let is_grouped = digits.contains(',');
    let are_digits = |group: &str| !group.is_empty() && group.bytes().all(|digit| digit.is_ascii_digit());
    let is_well = are_digits(first)
        && (!is_grouped || first.len() <= 3)
        && groups.all(|group| group.len() == 3 && are_digits(group));
    if is_well { whole.replace(',', "").parse().ok() } else { None }
}

/// An integer, perhaps with a unit behind it; without one it is worth `unit` each.
pub(super) fn measured(text: &str, units: &[(String, i64)], unit: i64) -> Option<i64> {
    if let Some(number) = integer(text) {
        return number.checked_mul(unit);
    }
    let narrow = normal(text);
    let parts = units.iter().find_map(|(name, worth)| Some((narrow.strip_suffix(name.as_str())?, *worth)));
    let (number, worth) = parts?;
    integer(number)?.checked_mul(worth)
}

/// What people write in a cell instead of `true` and `false`.
pub(super) const YES_OR_NO: [&str; 4] = ["yes", "no", "是", "否"];

/// Yes or no.
pub(super) fn boolean(text: &str) -> Option<bool> {
    let narrow = text.trim().nfkc().collect::<String>().to_lowercase();
    match narrow.as_str() {
        "true" | "yes" | "1" | "是" => Some(true),
        "false" | "no" | "0" | "否" => Some(false),
        _ => None,
    }
}

/// The items of a list, without the spaces around them; a separator behind the last one is none between two.
pub(super) fn items(cell: &str) -> impl Iterator<Item = &str> {
    let cell = cell.trim();
    cell.strip_suffix(LIST_SEPARATORS).unwrap_or(cell).split(LIST_SEPARATORS).map(str::trim)
}

/// The first item that holds a comma, which may have been meant to separate two.
pub(super) fn doubtful_item(cell: &str) -> Option<&str> {
    items(cell).find(|item| item.contains(COMMAS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_and_spreadsheets_write_them() {
        for (text, number) in [
            ("10", 10),
            (" 10 ", 10),
            ("１２", 12),
            ("1,200", 1_200),
            ("１，２００", 1_200),
            ("12,345,678", 12_345_678),
            ("10.0", 10),
            ("1,200.00", 1_200),
            ("-3", -3),
            ("1\u{a0}200", 1_200),
            ("10.", 10),
        ] {
            assert_eq!(integer(text), Some(number), "{text:?}");
        }
        for text in
            ["", " ", "1.5", "1,20", "12,34,567", "1234,567", "1.200,0", "10人", "1e3", "0x10", ",100", "--1", ".0"]
        {
            assert_eq!(integer(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_unit_that_the_catalog_knows_is_read() {
        let units = [("人".to_owned(), 1), ("分钟".to_owned(), 60), ("小时".to_owned(), 3600)];
        for (text, number) in [("10人", 10), ("１０ 人", 10), ("1,200人", 1_200), ("90 分钟", 5_400), ("2小时", 7_200)]
        {
            assert_eq!(measured(text, &units, 1), Some(number), "{text:?}");
        }
        assert_eq!(measured("45", &units, 60), Some(2_700));
        for text in ["人", "约10人", "10座", "1.5小时", "10-20人", "9223372036854775807 分钟"] {
            assert_eq!(measured(text, &units, 1), None, "{text:?}");
        }
    }

    #[test]
    fn yes_and_no_in_both_languages() {
        for yes in ["TRUE", "true", "Yes", "1", "１", " 是 "] {
            assert_eq!(boolean(yes), Some(true), "{yes:?}");
        }
        for no in ["FALSE", "no", "0", "否"] {
            assert_eq!(boolean(no), Some(false), "{no:?}");
        }
        for neither in ["", "y", "对", "√", "2", "启用"] {
            assert_eq!(boolean(neither), None, "{neither:?}");
        }
    }

    #[test]
    fn items_stand_between_semicolons_of_either_width() {
        let all = |cell| items(cell).collect::<Vec<_>>();
        assert_eq!(all("a; b；c、d;"), ["a", "b", "c", "d"]);
        assert_eq!(all("a;;b"), ["a", "", "b"]);
        assert_eq!(doubtful_item("a;b, c;d"), Some("b, c"));
        assert_eq!(doubtful_item("甲，乙"), Some("甲，乙"));
        assert_eq!(doubtful_item("a;b"), None);
    }
}
