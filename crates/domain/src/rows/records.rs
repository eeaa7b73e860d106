//! CSV's own grammar (RFC 4180), strictly: bytes into records, each with the line on which it starts.
//!
//! Written out here, because the csv crate reads any bytes as some record: a quote too many or too few lets rows vanish in
//! a cell, and nothing is said.
//!
//! Decision: docs/decisions/0028-csv-is-read-strictly.md

use std::io::BufRead;

use crate::checks::Check;
use crate::messages::{FileTrouble, HeaderTrouble, Rule};

/// A record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The line on which it starts, counted from 1.
    pub(super) line: u64,
    /// How many bytes it has in the file, without its line end.
    pub(super) bytes: usize,
}

/// A quote that is not where it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QuoteFault {
    /// The line on which it stands; of a cell in quotes, the one on which they open.
    pub(super) line: u64,
    /// The cell, counted from 0.
    pub(super) cell: usize,
    pub(super) kind: QuoteKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuoteKind {
    /// Inside a cell that does not begin with one.
    Stray,
    /// The same, in a formula such as `="0701"`.
    Formula,
    /// Closes a cell on this line, and text follows.
    Half { line: u64 },
    /// Opens a cell that nothing closes.
    Unclosed,
}

impl QuoteFault {
    fn is_within_its_line(self) -> bool {
        match self.kind {
            QuoteKind::Stray | QuoteKind::Formula => true,
            QuoteKind::Half { line } => line == self.line,
            QuoteKind::Unclosed => false,
        }
    }

    /// What is wrong, and what to do.
    pub(super) fn rule(self) -> Rule {
        let trouble = match self.kind {
            QuoteKind::Formula => return Check::Formula(String::new()).rule(),
            QuoteKind::Stray => HeaderTrouble::QuoteInside,
            QuoteKind::Half { line } if line != self.line => HeaderTrouble::QuoteClosedOn { line },
            QuoteKind::Half { .. } => HeaderTrouble::TextBehindQuote,
            QuoteKind::Unclosed => HeaderTrouble::QuoteUnclosed,
        };
        trouble.into()
    }
}

/// Why there is no next record.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The source failed, on this line.
    Io(u64, std::io::Error),
    /// A table that is no text cannot be read on, from this row.
    Unread(u64, FileTrouble),
    /// Quotes are not as they should be, here and further on, as far as it can be told.
    Quotes(Vec<QuoteFault>),
}

/// Why a record could not be read to its end.
enum Broken {
    Io(std::io::Error),
    Quote(QuoteFault),
}

/// Where the reader is in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
    Plain,
    Quoted,
    /// Behind a quote inside quotes: it closes them, or is the first of two.
    Quote,
    /// Behind the closing quote and a `\r`: only the line's end can follow.
    Return,
}

pub(super) struct Records<R> {
    source: R,
    separator: u8,
    /// The line of the next byte.
    line: u64,
    /// Bytes of a record that are kept.
    bytes_max: usize,
    /// The cells' texts, one behind the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl<R: BufRead> Records<R> {
    /// Of a record with more than `bytes_max` bytes only the beginning is kept. `line` is the one on which the source begins.
    pub(super) const fn new(source: R, separator: u8, line: u64, bytes_max: usize) -> Self {
        Self { source, separator, line, bytes_max, text: Vec::new(), ends: Vec::new() }
    }

    /// Reads the next record that is no blank line; `None` at the end of the file.
    pub(super) fn read(&mut self) -> Result<Option<Record>, Trouble> {
        loop {
            match self.record() {
                Ok(Some(_)) if self.ends.len() == 1 && self.text.is_empty() => {}
                Ok(record) => return Ok(record),
                Err(Broken::Io(error)) => return Err(Trouble::Io(self.line, error)),
                Err(Broken::Quote(first)) => return Err(Trouble::Quotes(self.faults_from(first))),
            }
        }
    }

    /// The cells of the record that was read last, or the first of them that is no UTF-8.
    pub(super) fn cells(&self) -> Result<Vec<&str>, &[u8]> {
        let mut start = 0;
        let mut cells = Vec::with_capacity(self.ends.len());
        for end in &self.ends {
            let cell = self.text.get(start..*end).unwrap_or_default();
            cells.push(std::str::from_utf8(cell).map_err(|_| cell)?);
            start = *end;
        }
        Ok(cells)
    }

    /// The beginning of the record that was read last, as bytes.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    fn record(&mut self) -> Result<Option<Record>, Broken> {
        self.text.clear();
        self.ends.clear();
        let (line, mut bytes) = (self.line, 0_usize);
        let (mut at, mut last, mut opened) = (At::Start, 0, line);
        loop {
            let Some(byte) = self.byte()? else {
                return match at {
                    _ if bytes == 0 => Ok(None),
                    At::Quoted => Err(self.fault(opened, QuoteKind::Unclosed)),
                    At::Start | At::Plain | At::Quote | At::Return => {
                        Ok(Some(self.end_record((at, last), line, bytes)))
                    }
                };
            };
            bytes += 1;
            let kept;
            (at, kept) = match (at, byte) {
                (At::Start | At::Plain | At::Quote | At::Return, b'\n') => {
                    let record = self.end_record((at, last), line, bytes - 1);
                    self.line += 1;
                    return Ok(Some(record));
                }
                (At::Start, b'"') => {
                    opened = self.line;
                    (At::Quoted, None)
                }
                (At::Start | At::Plain | At::Quote, byte) if byte == self.separator => {
                    self.ends.push(self.text.len());
                    (At::Start, None)
                }
                (At::Plain, b'"') => return Err(self.fault(self.line, self.stray())),
                (At::Start | At::Plain, _) => (At::Plain, Some(byte)),
                (At::Quoted, b'"') => (At::Quote, None),
                (At::Quoted, _) | (At::Quote, b'"') => (At::Quoted, Some(byte)),
                (At::Quote, b'\r') => (At::Return, None),
                (At::Quote | At::Return, _) => return Err(self.fault(opened, QuoteKind::Half { line: self.line })),
            };
            last = byte;
            self.line += u64::from(byte == b'\n');
            if bytes <= self.bytes_max {
                self.text.extend(kept);
            }
        }
    }

    const fn fault(&self, line: u64, kind: QuoteKind) -> Broken {
        Broken::Quote(QuoteFault { line, cell: self.ends.len(), kind })
    }

    /// Ends the last cell; the `\r` of a `\r\n` is no part of it.
    fn end_record(&mut self, (at, last): (At, u8), line: u64, bytes: usize) -> Record {
        let is_return = last == b'\r';
        if is_return && at == At::Plain && bytes <= self.bytes_max {
            self.text.pop();
        }
        self.ends.push(self.text.len());
        Record { line, bytes: bytes - usize::from(is_return) }
    }

    /// What a quote is inside the cell that is being read.
    fn stray(&self) -> QuoteKind {
        let start = self.ends.last().copied().unwrap_or_default();
        let cell = self.text.get(start..).unwrap_or_default().trim_ascii_start();
        if cell.starts_with(b"=") { QuoteKind::Formula } else { QuoteKind::Stray }
    }

    /// All quote faults from this one on, each line anew: behind a cell whose quotes span lines nobody can tell where rows
    /// begin.
    fn faults_from(&mut self, first: QuoteFault) -> Vec<QuoteFault> {
        let mut faults = vec![first];
        while let Some(last) = faults.last().copied()
            && last.is_within_its_line()
            && self.skip_line().unwrap_or(false)
        {
            let next = loop {
                match self.record() {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(Broken::Io(_)) => return faults,
                    Err(Broken::Quote(fault)) => break fault,
                }
            };
            faults.push(next);
        }
        faults
    }

    /// Passes over the rest of the line; `false` at the end of the file.
    fn skip_line(&mut self) -> Result<bool, Broken> {
        while let Some(byte) = self.byte()? {
            if byte == b'\n' {
                self.line += 1;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn byte(&mut self) -> Result<Option<u8>, Broken> {
        loop {
            match self.source.fill_buf() {
                Ok(bytes) => {
                    let byte = bytes.first().copied();
                    self.source.consume(usize::from(byte.is_some()));
                    return Ok(byte);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Broken::Io(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
