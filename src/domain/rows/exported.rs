//! A file that `paceline export` wrote and that is read again: its result columns say nothing, and its harmless cells are
//! what they were.
//!
//! Writing and reading stand side by side here, so that they cannot part ways.

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

/// A cell that no spreadsheet takes for a formula; numbers stay numbers. [`original`] undoes it.
pub fn harmless(cell: &str) -> String {
    let is_formula = cell.trim_start_matches('\'').starts_with(FORMULA) && cell.parse::<f64>().is_err();
    if is_formula { format!("'{cell}") } else { cell.to_owned() }
}

/// The cell that was made harmless.
pub fn original(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.trim_start_matches('\'').starts_with(FORMULA) => rest,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_no_formulas() {
        assert_eq!(["-5", "+1", "-x", "a=b", "'=1"].map(harmless), ["-5", "+1", "'-x", "a=b", "''=1"]);
        assert_eq!(["'-x", "'a", "''=1", "-5"].map(original), ["-x", "'a", "'=1", "-5"]);
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
        fn what_was_made_harmless_comes_back(cell in "['=+@a1 \\t-]{0,6}") {
            let written = harmless(&cell);
            prop_assert_eq!(original(&written), cell.as_str());
            prop_assert!(!written.starts_with(FORMULA) || written.parse::<f64>().is_ok());
        }
    }
}
