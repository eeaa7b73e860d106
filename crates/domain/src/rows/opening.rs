//! A file's first bytes: what stands in front of its header, and what separates its columns.

use std::io::{BufRead, Read as _};

use super::{Format, Layout};
use crate::json::BOM;
use crate::messages::{HeaderTrouble, Rule};

/// How much of a line is looked at to tell one separator from another.
const LOOK_BYTES: u64 = 4_096;

/// Separators that are told by themselves, the likeliest first.
const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// What was found, besides a byte order mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// Lines that were passed over.
    pub(super) lines: u64,
    /// What separates the columns of a CSV file.
    pub(super) separator: u8,
}

/// A source that gives its first bytes once more.
pub(super) type Opened<R> = std::io::Chain<std::io::Cursor<Vec<u8>>, R>;

/// The line, and why what follows cannot be read.
pub(super) type Broken = (u64, Box<Rule>);

fn broken(line: u64, trouble: impl Into<Rule>) -> Broken {
    (line, Box::new(trouble.into()))
}

/// Passes over a byte order mark, a line that tells spreadsheets the separator, and titles above the header.
///
/// # Errors
/// The line, and why what follows cannot be read.
pub(super) fn open<R: BufRead>(mut source: R, format: Format, layout: &Layout) -> Result<(Opened<R>, Opening), Broken> {
    let mut first = line(&mut source, 1)?;
    if first.starts_with(BOM) {
        first.drain(..BOM.len());
    }
    if first.starts_with(BOM) {
        return Err(broken(1, HeaderTrouble::TwoMarks));
    }
    let mut opening = Opening { lines: 0, separator: b',' };
    if format == Format::Csv {
        let told;
        (first, told) = header(&mut source, first, layout, &mut opening.lines)?;
        opening.separator = match layout.separator.or(told) {
            Some(separator) => separator,
            None => separator(&first).map_err(|trouble| broken(1 + opening.lines, trouble))?,
        };
    }
    Ok((std::io::Cursor::new(first).chain(source), opening))
}

/// The line of the header, and the separator that a line in front tells.
fn header(
    source: &mut impl BufRead,
    mut first: Vec<u8>,
    layout: &Layout,
    lines: &mut u64,
) -> Result<(Vec<u8>, Option<u8>), Broken> {
    if first.windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n') {
        return Err(broken(1, HeaderTrouble::CarriageReturns));
    }
    let told = match told_separator(&first).map(|told| (told, u8::try_from(told))) {
        None => None,
        Some((_, Ok(byte))) if byte.is_ascii() => Some(byte),
        Some((told, _)) => {
            return Err(broken(1, HeaderTrouble::OddSeparatorTold { separator: format!("{told:?}") }));
        }
    };
    let mut pass = |first: &mut Vec<u8>| -> Result<(), Broken> {
        *lines += 1;
        while !first.ends_with(b"\n") {
            let more = line(source, *lines)?;
            if more.is_empty() {
                break;
            }
            *first = more;
        }
        *first = line(source, *lines + 1)?;
        Ok(())
    };
    if told.is_some() {
        pass(&mut first)?;
    }
    for _ in 1..layout.header_row.unwrap_or(1) {
        pass(&mut first)?;
    }
    Ok((first, told))
}

/// The next line with its end, or its beginning if it is long.
fn line(source: &mut impl BufRead, number: u64) -> Result<Vec<u8>, Broken> {
    let mut line = Vec::new();
    let read = source.take(LOOK_BYTES).read_until(b'\n', &mut line);
    read.map_err(|error| broken(number, super::unreadable(&error)))?;
    Ok(line)
}

/// `sep=,`, which some programs write in front for Excel; spreadsheets that do not know it add commas.
fn told_separator(line: &[u8]) -> Option<char> {
    let line = std::str::from_utf8(line).ok()?.trim_end_matches(['\r', '\n']);
    let rest = line.strip_prefix('"').unwrap_or(line);
    let name = rest.get(..4)?;
    let separator = rest.get(4..)?;
    let separator = if rest.len() == line.len() { separator } else { separator.split('"').next()? };
    let mut letters = separator.chars();
    let first = letters.next()?;
    // A spreadsheet that does not know it adds the separators of the columns that the line lacks.
    (name.eq_ignore_ascii_case("sep=") && letters.all(|letter| [',', ';', '\t'].contains(&letter))).then_some(first)
}

/// What separates the columns: what stands most often in the header, outside of quotes.
fn separator(line: &[u8]) -> Result<u8, HeaderTrouble> {
    let Ok(line) = std::str::from_utf8(line) else { return Ok(b',') };
    let count = |separator: char| line.split('"').step_by(2).map(|part| part.matches(separator).count()).sum::<usize>();
    let mut found = (',', 0);
    for separator in SEPARATORS {
        let times = count(separator);
        if times > found.1 {
            found = (separator, times);
        }
    }
    if found.1 == 0 {
        match line.chars().find(|letter| ['，', '、', '|'].contains(letter)) {
            Some('|') => return Err(HeaderTrouble::BarSeparator),
            Some(other) => return Err(HeaderTrouble::OddSeparator { separator: format!("{other:?}") }),
            None => {}
        }
    }
    Ok(found.0 as u8)
}

#[cfg(test)]
mod tests;
