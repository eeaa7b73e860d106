//! A file that `paceline export` wrote and that is read again: its result columns say nothing, and its harmless cells are
//! what they were.
//!
//! Writing and reading stand side by side here, so that they cannot part ways.

use super::rewritten::is_rewritten;

/// The columns that an export adds behind a batch's own.
pub const RESULT_COLUMNS: [&str; 9] =
    ["status", "key", "reason", "code", "detail", "cure", "log_id", "finished_at", WARNINGS];

/// The result column that says in words what a success left out.
pub const WARNINGS: &str = "warnings";

/// Stands in front of a result column where a batch has a column of that name.
pub const PREFIX: &str = "paceline_";

/// What stands in a cell in place of a sensitive value.
pub const MASK: &str = "******";

/// What a spreadsheet takes for the beginning of a formula, or for a blank in front of one.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// What the result columns of a row say of its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Its state in words; empty if the row is new.
    pub status: String,
    /// The id of what it created, if it did.
    pub key: String,
}

/// The result that a column of an export holds; `None` for other columns.
pub fn result_of(header: &str) -> Option<&'static str> {
    let bare = header.strip_prefix(PREFIX).unwrap_or(header);
    RESULT_COLUMNS.into_iter().find(|column| *column == bare)
}

/// Whether a header has all result columns. Exports of earlier versions have no column of warnings.
pub fn is_export(header: &[String]) -> bool {
    let results = header.iter().filter_map(|name| result_of(name)).filter(|column| *column != WARNINGS);
    results.count() >= RESULT_COLUMNS.len() - 1
}

/// A cell that comes back from a spreadsheet as it is: none takes it for a formula, a number written in another way or a
/// date. [`original`] undoes it.
pub fn harmless(cell: &str) -> String {
    if is_harmed(cell) { format!("'{cell}") } else { cell.to_owned() }
}

/// The cell that was made harmless.
pub fn original(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if is_harmed(rest) => rest,
        _ => cell,
    }
}

fn is_harmed(cell: &str) -> bool {
    let text = cell.trim_start_matches('\'');
    is_rewritten(text) || (text.starts_with(FORMULA) && text.parse::<f64>().is_err())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_no_formulas() {
        assert_eq!(["-5", "-x", "a=b", "'=1"].map(harmless), ["-5", "'-x", "a=b", "''=1"]);
        assert_eq!(["'-x", "'a", "''=1", "-5"].map(original), ["-x", "'a", "'=1", "-5"]);
    }

    #[test]
    fn what_a_spreadsheet_rewrites_is_kept_as_text() {
        let cells = ["0701", "2026E1", "+86138", "3-4", "701", "7F-701", "'0701"];
        let written = ["'0701", "'2026E1", "'+86138", "'3-4", "701", "7F-701", "''0701"];
        assert_eq!(cells.map(harmless), written);
        assert_eq!(written.map(|cell| original(cell).to_owned()), cells);
    }

    #[test]
    fn result_columns_are_known_with_and_without_their_prefix() {
        assert_eq!(
            ["status", "paceline_code", "paceline_name", "name"].map(result_of),
            [Some("status"), Some("code"), None, None]
        );
    }

    #[test]
    fn exports_of_earlier_versions_are_known() {
        let header: Vec<_> = RESULT_COLUMNS.map(str::to_owned).into();
        let without = |left_out: &str| {
            let rest: Vec<_> = header.iter().filter(|column| *column != left_out).cloned().collect();
            is_export(&rest)
        };
        assert!(is_export(&header) && without(WARNINGS));
        assert!(!without("cure") && !without("status"));
    }

    proptest! {
        #[test]
        fn what_was_made_harmless_comes_back(cell in "['=+@aE01/: \\t-]{0,6}") {
            let written = harmless(&cell);
            prop_assert_eq!(original(&written), cell.as_str());
            prop_assert!(!written.starts_with(FORMULA) || written.parse::<f64>().is_ok());
            prop_assert!(!is_rewritten(&written));
        }
    }
}
