//! A file that `paceline export` wrote and that is read again: its result columns say nothing, and its harmless cells are
//! what they were.
//!
//! Writing and reading stand side by side here, so that they cannot part ways.

use std::borrow::Cow;

use super::rewritten::is_rewritten;
use crate::messages::Language;
use crate::printable::{is_hidden, show};

/// The columns that an export adds behind a batch's own.
pub const RESULT_COLUMNS: [&str; 9] =
    ["status", "key", "reason", "code", "detail", "cure", "log_id", "finished_at", WARNINGS];

/// The same in Chinese. None of them is what people call a parameter.
const RESULT_COLUMNS_ZH: [&str; 9] =
    ["处理结果", "对象 ID", "失败原因", "错误码", "错误详情", "处理建议", "日志 ID", "完成时间", "结果提示"];

/// States in the column of results, and the same in Chinese.
const STATES_ZH: [(&str, &str); 7] = [
    ("queued", "排队中"),
    ("uncertain", "结果不明"),
    ("held", "待人工处理"),
    ("dead", "失败"),
    ("cancelled", "已取消"),
    ("succeeded", "成功"),
    ("blocked", "等待前置任务"),
];

/// The result column that says in words what a success left out.
pub const WARNINGS: &str = "warnings";

/// Stands in front of a result column where a batch has a column of that name.
pub const PREFIX: &str = "paceline_";

/// What stands in a cell in place of a sensitive value.
pub const MASK: &str = "******";

/// What a spreadsheet takes for the beginning of a formula, or for a blank in front of one.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\n'];
/// What separates cells where a comma does not: a formula behind one would stand in a cell of its own.
const SEPARATORS: [char; 2] = [';', '\t'];
/// How a sign begins that is shown by its number.
const NUMBER: &str = "<U+";

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
    let is_it = |(name, chinese): &(&str, &str)| *name == bare || *chinese == bare;
    RESULT_COLUMNS.into_iter().zip(RESULT_COLUMNS_ZH).find(is_it).map(|(name, _)| name)
}

/// What a result column is called.
pub fn heading(column: &str, language: Language) -> &str {
    let chinese = RESULT_COLUMNS.iter().zip(RESULT_COLUMNS_ZH).find(|(name, _)| **name == column);
    chinese.filter(|_| language == Language::Chinese).map_or(column, |(_, chinese)| chinese)
}

/// What the column of results calls a state.
pub fn status(state: &str, language: Language) -> &str {
    let chinese = STATES_ZH.iter().find(|(name, _)| *name == state);
    chinese.filter(|_| language == Language::Chinese).map_or(state, |(_, chinese)| chinese)
}

/// The state that the column of results names, whatever the language.
pub(super) fn state_of(cell: &str) -> &str {
    STATES_ZH.iter().find(|(_, chinese)| *chinese == cell).map_or(cell, |(name, _)| name)
}

/// Whether a header has all result columns. Exports of earlier versions have no column of warnings.
pub fn is_export(header: &[String]) -> bool {
    let results = header.iter().filter_map(|name| result_of(name)).filter(|column| *column != WARNINGS);
    results.count() >= RESULT_COLUMNS.len() - 1
}

/// A cell that comes back from a spreadsheet as it is: none takes it for a formula, a number written in another way or a
/// date. Control characters are shown by their numbers; on a terminal everything is that nobody sees, line ends too.
/// [`original`] undoes it all.
pub fn harmless(cell: &str, is_on_terminal: bool) -> String {
    let shown = shown(cell, is_on_terminal);
    if shown != cell || is_harmed(cell) { format!("'{shown}") } else { shown }
}

/// A cell for a workbook, which keeps texts as they are: only what it cannot hold is shown by its number.
/// [`original`] undoes it.
pub fn in_workbook(cell: &str) -> Cow<'_, str> {
    let is_foul = |sign: char| {
        sign == '\r' || sign == '\u{fffe}' || sign == '\u{ffff}' || (sign.is_control() && !"\t\n".contains(sign))
    };
    if !cell.contains(is_foul) && !cell.contains(NUMBER) {
        // An apostrophe in front would be taken off in reading.
        return if original(cell) == cell { Cow::Borrowed(cell) } else { Cow::Owned(format!("'{cell}")) };
    }
    let mut out = String::from("'");
    let mut rest = cell;
    while let Some(sign) = rest.chars().next() {
        if is_foul(sign) || rest.starts_with(NUMBER) {
            show(&mut out, sign);
        } else {
            out.push(sign);
        }
        rest = &rest[sign.len_utf8()..];
    }
    Cow::Owned(out)
}

/// The cell that was made harmless.
pub fn original(cell: &str) -> Cow<'_, str> {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.contains(NUMBER) || is_harmed(rest) => hidden(rest),
        _ => Cow::Borrowed(cell),
    }
}

/// Whether the cell belongs between quotes: for a reader with other separators it would be several.
pub fn is_quoted(cell: &str) -> bool {
    cell.contains(SEPARATORS)
}

fn shown(cell: &str, is_on_terminal: bool) -> String {
    let mut out = String::with_capacity(cell.len());
    let mut rest = cell;
    while let Some(sign) = rest.chars().next() {
        let next = &rest[sign.len_utf8()..];
        let is_shown = match sign {
            // Or reading it again would find a number that nobody wrote.
            '<' => rest.starts_with(NUMBER),
            ';' => next.starts_with(FORMULA),
            '\t' => is_on_terminal || next.starts_with(FORMULA),
            '\n' | '\r' => is_on_terminal,
            sign => sign.is_control() || (is_on_terminal && is_hidden(sign)),
        };
        if is_shown {
            show(&mut out, sign);
        } else {
            out.push(sign);
        }
        rest = next;
    }
    out
}

/// Undoes [`shown`].
fn hidden(text: &str) -> Cow<'_, str> {
    let mut parts = text.split(NUMBER);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let sign = part.split_once('>').and_then(|(number, rest)| {
            let sign = u32::from_str_radix(number, 16).ok().and_then(char::from_u32)?;
            Some((sign, rest))
        });
        match sign {
            Some((sign, rest)) => {
                out.push(sign);
                out.push_str(rest);
            }
            None => out.extend([NUMBER, part]),
        }
    }
    Cow::Owned(out)
}

fn is_harmed(cell: &str) -> bool {
    let text = cell.trim_start_matches('\'');
    is_rewritten(text) || (text.starts_with(FORMULA) && text.parse::<f64>().is_err())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_file(cell: &str) -> String {
        harmless(cell, false)
    }

    #[test]
    fn numbers_are_no_formulas() {
        assert_eq!(["-5", "-x", "a=b", "'=1"].map(in_file), ["-5", "'-x", "a=b", "''=1"]);
        assert_eq!(["'-x", "'a", "''=1", "-5"].map(original), ["-x", "'a", "'=1", "-5"]);
        assert_eq!(["＝1", "＋1", "－x", "＠x", "\n=1"].map(in_file), ["'＝1", "'＋1", "'－x", "'＠x", "'\n=1"]);
    }

    #[test]
    fn a_formula_behind_another_separator_gets_no_cell_of_its_own() {
        let cells = ["a;=1", "a\t＝1", "a;\t=1", "a;b", "a; - b", "Agenda:\n- one"];
        let written = ["'a<U+003B>=1", "'a<U+0009>＝1", "'a<U+003B><U+0009>=1", "a;b", "a; - b", "Agenda:\n- one"];
        assert_eq!(cells.map(in_file), written);
        assert_eq!(written.map(|cell| original(cell).into_owned()), cells);
        assert_eq!(["a;b", "a\tb", "a,b"].map(is_quoted), [true, true, false]);
    }

    #[test]
    fn commands_for_a_terminal_are_shown_and_texts_stay() {
        let cells = ["\u{1b}[2J", "\u{9b}31m", "a\r\nb", "7F\u{202e}107", "会议室 👩‍🚀", "<U+202E>"];
        assert_eq!(
            cells.map(in_file),
            ["'<U+001B>[2J", "'<U+009B>31m", "a\r\nb", "7F\u{202e}107", "会议室 👩‍🚀", "'<U+003C>U+202E>"]
        );
        let on_terminal = cells.map(|cell| harmless(cell, true));
        assert_eq!(on_terminal[2..4], ["'a<U+000D><U+000A>b", "'7F<U+202E>107"]);
        assert_eq!(on_terminal.map(|cell| original(&cell).into_owned()), cells);
    }

    #[test]
    fn what_a_spreadsheet_rewrites_is_kept_as_text() {
        let cells = ["0701", "2026E1", "+86138", "3-4", "701", "7F-701", "'0701"];
        let written = ["'0701", "'2026E1", "'+86138", "'3-4", "701", "7F-701", "''0701"];
        assert_eq!(cells.map(in_file), written);
        assert_eq!(written.map(|cell| original(cell).into_owned()), cells);
    }

    #[test]
    fn result_columns_are_known_with_and_without_their_prefix() {
        assert_eq!(
            ["status", "paceline_code", "paceline_name", "name"].map(result_of),
            [Some("status"), Some("code"), None, None]
        );
    }

    #[test]
    fn a_chinese_export_is_read_as_an_english_one() {
        let header = RESULT_COLUMNS.map(|column| heading(column, Language::Chinese).to_owned());
        assert!(is_export(&header) && header.iter().all(|name| !name.is_ascii()));
        assert_eq!(header.each_ref().map(|name| result_of(name).unwrap()), RESULT_COLUMNS);
        for (name, chinese) in STATES_ZH {
            assert_eq!((status(name, Language::Chinese), state_of(chinese), state_of(name)), (chinese, name, name));
            assert_eq!((status(name, Language::English), heading("key", Language::English)), (name, "key"));
        }
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
        fn what_was_made_harmless_comes_back(
            cell in "['=+@aE01/: \\t-]{0,6}|['<U+003B>＝;\\x00-\\x1f\\x7f-\\x9f\u{200b}-\u{202e}]{0,12}|.*",
            is_on_terminal: bool,
        ) {
            let written = harmless(&cell, is_on_terminal);
            let back = original(&written);
            prop_assert_eq!(&*back, &*cell);
            prop_assert!(!written.starts_with(FORMULA) || written.parse::<f64>().is_ok());
            prop_assert!(!is_rewritten(&written));
            let is_foul = |sign: char| sign.is_control() && (is_on_terminal || !"\t\r\n".contains(sign));
            prop_assert!(!written.contains(is_foul), "{written:?}");
            let kept = in_workbook(&cell);
            prop_assert_eq!(&*original(&kept), &*cell);
            for separator in SEPARATORS {
                prop_assert!(!written.split(separator).skip(1).any(|cell| cell.starts_with(FORMULA)), "{written:?}");
            }
        }
    }
}
