//! A file's first bytes: how it is encoded, and what stands in front of its first row.

use std::io::{BufRead, Read as _};

use super::{Format, no_utf8};
use crate::json::BOM;

/// How much of a line is looked at to tell UTF-16 from UTF-8 and one separator from another.
const LOOK_BYTES: u64 = 4_096;

/// What was found, besides a byte order mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Opening {
    /// Lines that were passed over.
    pub(super) lines: u64,
}

/// A source that gives its first bytes once more.
pub(super) type Opened<R> = std::io::Chain<std::io::Cursor<Vec<u8>>, R>;

/// Passes over a byte order mark and a line that tells spreadsheets the separator.
///
/// # Errors
/// The line, and why what follows cannot be read.
pub(super) fn open<R: BufRead>(mut source: R, format: Format) -> Result<(Opened<R>, Opening), (u64, String)> {
    let mut first = line(&mut source)?;
    if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) || is_utf_16(&first) {
        return Err((1, no_utf16(format)));
    }
    if first.starts_with(BOM) {
        first.drain(..BOM.len());
    }
    if first.starts_with(BOM) {
        return Err((1, "begins with the byte order mark (U+FEFF) twice: remove one".to_owned()));
    }
    if format == Format::Csv && first.windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n') {
        let message = "the lines end with a carriage return alone (U+000D), as old programs write them; save the file as \
                       \"CSV UTF-8 (Comma delimited)\"";
        return Err((1, message.to_owned()));
    }
    let mut opening = Opening::default();
    if format == Format::Csv
        && let Some(separator) = told_separator(&first)
    {
        if separator != "," {
            let message = format!(
                "says that the columns are separated by {separator:?}; expected commas: save the file as \"CSV UTF-8 \
                 (Comma delimited)\", and remove the line"
            );
            return Err((1, message));
        }
        opening.lines = 1;
        first = line(&mut source)?;
    }
    if format == Format::Csv
        && let Some(message) = other_separator(&first)
    {
        return Err((1 + opening.lines, message));
    }
    Ok((std::io::Cursor::new(first).chain(source), opening))
}

/// The next line with its end, or its beginning if it is long.
fn line(source: &mut impl BufRead) -> Result<Vec<u8>, (u64, String)> {
    let mut line = Vec::new();
    let read = source.take(LOOK_BYTES).read_until(b'\n', &mut line);
    read.map_err(|error| (1, format!("cannot be read: {error}")))?;
    Ok(line)
}

/// Whether every other byte is NUL where letters are ASCII, as in UTF-16.
fn is_utf_16(line: &[u8]) -> bool {
    let nuls = |offset: usize| line.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (nuls(0), nuls(1));
    // Not all of them: some letters may not be ASCII. And one NUL alone is a NUL.
    (even == 0 || odd == 0) && even + odd >= 2 && (even + odd) * 6 >= line.len()
}

fn no_utf16(format: Format) -> String {
    match format {
        Format::Csv => no_utf8(&[0xff, 0xfe]).to_owned(),
        Format::Jsonl => "is UTF-16; save it as UTF-8".to_owned(),
    }
}

/// `sep=,`, which some programs write in front for Excel; spreadsheets that do not know it add commas.
fn told_separator(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?.trim_end_matches(['\r', '\n']);
    let rest = line.strip_prefix('"').unwrap_or(line);
    let name = rest.get(..4)?;
    let separator = rest.get(4..)?;
    let separator = if rest.len() == line.len() { separator } else { separator.split('"').next()? };
    let mut letters = separator.chars();
    let first = letters.next()?;
    (name.eq_ignore_ascii_case("sep=") && letters.all(|letter| letter == ','))
        .then(|| separator.get(..first.len_utf8()))?
}

/// A header without a comma that has another separator.
fn other_separator(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?;
    if line.contains(',') {
        return None;
    }
    let separator = line.chars().find(|letter| [';', '\t', '，', '|'].contains(letter))?;
    Some(format!("the columns are separated by {separator:?}; expected commas"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bytes: &[u8], format: Format) -> Result<(String, u64), (u64, String)> {
        let (mut source, opening) = open(bytes, format)?;
        let mut rest = String::new();
        source.read_to_string(&mut rest).unwrap();
        Ok((rest, opening.lines))
    }

    fn csv(text: &str) -> Result<(String, u64), (u64, String)> {
        opened(text.as_bytes(), Format::Csv)
    }

    #[test]
    fn a_line_for_excel_is_passed_over_if_it_says_what_is_so() {
        for first in ["sep=,\n", "\u{feff}sep=,\r\n", "SEP=,\n", "\"sep=,\"\n", "sep=,,,,\n", "\"sep=,\",,\n"] {
            assert_eq!(csv(&format!("{first}name,capacity\n")), Ok(("name,capacity\n".to_owned(), 1)), "{first:?}");
        }
        for (first, separator) in [("sep=;\n", ";"), ("sep=\t\r\n", "\\t"), ("\"sep=;\"\n", ";")] {
            let (line, message) = csv(&format!("{first}name;capacity\n")).unwrap_err();
            assert!(line == 1 && message.contains(&format!("{separator:?}").replace("\\\\", "\\")), "{message}");
            assert!(message.contains("remove the line"), "{message}");
        }
        for kept in ["sep=", "separator,a\n", "sep=ab,\n", "sep,a\n", ""] {
            assert_eq!(csv(kept), Ok((kept.to_owned(), 0)));
        }
        assert_eq!(csv("sep=,\na;b\n").unwrap_err().0, 2);
        assert_eq!(opened(b"sep=,\n", Format::Jsonl), Ok(("sep=,\n".to_owned(), 0)));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_once() {
        assert_eq!(csv("\u{feff}a,b"), Ok(("a,b".to_owned(), 0)));
        assert!(csv("\u{feff}\u{feff}a,b").unwrap_err().1.contains("U+FEFF"));
        assert!(opened("\u{feff}\u{feff}{}".as_bytes(), Format::Jsonl).is_err());
    }

    #[test]
    fn utf_16_is_known_with_and_without_its_mark() {
        let le = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let be = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
        for text in ["name,capacity\nx,1\n", "\u{feff}名称,name\n", "{\"id\":\"会议室\"}\n", "名称,容量,名称 b\n"]
        {
            for (bytes, format) in [(le(text), Format::Csv), (be(text), Format::Jsonl)] {
                assert!(opened(&bytes, format).unwrap_err().1.contains("UTF-16"), "{text:?}");
            }
        }
        for text in ["name\0,capacity\n", "名称\n", "", "\0", "a\0\0b,c"] {
            assert_eq!(csv(text).unwrap().0, text, "no UTF-16");
        }
    }

    #[test]
    fn other_separators_are_named() {
        for header in ["a;b\n", "\"a\";\"b\"\n", "a\tb", "a，b\n", "a|b\n"] {
            assert!(csv(header).unwrap_err().1.ends_with("; expected commas"), "{header:?}");
        }
        assert!(csv("a,b\rc,d\r").unwrap_err().1.contains("U+000D"), "no line end that is read");
        assert!(csv("a,b\r\nc").is_ok() && csv("a,b\r").is_ok());
        assert!(csv("a;x,b\n").is_ok() && csv("name\n").is_ok());
    }
}
