//! Tables of text, aligned by what a terminal shows: a Chinese character takes two columns.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub(super) use crate::domain::printable::plain;

/// Which side a column's cells stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a header, two spaces between columns, nothing behind the last.
#[derive(Debug)]
pub(super) struct Table {
    header: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub(super) fn new<const N: usize>(header: [(&str, Align); N]) -> Self {
        Self { header: header.map(|(name, align)| (name.to_owned(), align)).into(), rows: Vec::new() }
    }

    /// Adds a row; what a terminal could take for a command is made harmless.
    #[expect(clippy::needless_pass_by_value, reason = "rows are made where they are added")]
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.header.len());
        self.rows.push(cells.iter().map(|cell| plain(cell)).collect());
    }

    /// Writes header and rows.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let names: Vec<_> = self.header.iter().map(|(name, _)| name.clone()).collect();
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&names]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or_default()
        };
        let widths: Vec<_> = (0..names.len()).map(width).collect();
        for row in [&names].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for ((cell, (_, align)), width) in row.iter().zip(&self.header).zip(&widths) {
                let blank = " ".repeat(width - cell.width());
                match align {
                    Align::Left => line.extend([cell, blank.as_str(), "  "]),
                    Align::Right => line.extend([blank.as_str(), cell, "  "]),
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The text in at most `columns`, with `…` where it was cut.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut cut: String = fitting(text.chars(), columns.saturating_sub(1)).collect();
    cut.push('…');
    // Some characters are wider together than one by one.
    while cut.width() > columns && cut.pop().is_some() {}
    cut
}

/// The text in at most `columns`, with `…` in its middle where it was too long: both ends of a name tell it from others.
pub(super) fn shorten(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let left = columns.saturating_sub(1);
    let head: String = fitting(text.chars(), left / 2).collect();
    let tail: Vec<_> = fitting(text.chars().rev(), left - left / 2).collect();
    let ellipsis = if columns == 0 { "" } else { "…" };
    format!("{head}{ellipsis}{}", tail.into_iter().rev().collect::<String>())
}

/// As many of the characters as fit.
fn fitting(chars: impl Iterator<Item = char>, columns: usize) -> impl Iterator<Item = char> {
    let mut left = columns;
    chars.take_while(move |char| {
        let width = char.width().unwrap_or_default();
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_for_chinese_too() {
        let mut table = Table::new([("NAME", Align::Left), ("N", Align::Right), ("LAST", Align::Left)]);
        table.row(["会议室".to_owned(), "7".to_owned(), "x".to_owned()]);
        table.row(["a\u{1b}[31m\nb".to_owned(), "1000".to_owned(), String::new()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "NAME                       N  LAST\n会议室                     7  x\na<U+001B>[31m<U+000A>b  1000\n"
        );
    }

    #[test]
    fn cutting_counts_columns() {
        assert_eq!(cut("会议室", 6), "会议室");
        assert_eq!(cut("会议室", 5), "会议…");
        assert_eq!(cut("会议室", 4), "会…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
    }

    #[test]
    fn shortening_keeps_both_ends() {
        assert_eq!(shorten("acme/feishu.vc.room.create", 26), "acme/feishu.vc.room.create");
        assert_eq!(shorten("acme/feishu.vc.room.create", 15), "acme/fe….create");
        assert_eq!(shorten("会议室/教室", 7), "会…室", "half a character is none");
        assert_eq!((shorten("abc", 1), shorten("abc", 0)), ("…".to_owned(), String::new()));
    }
}
