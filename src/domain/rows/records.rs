//! CSV's own grammar: bytes into records, each with the line on which it starts.

use std::io::{BufRead, Chain};

use csv::{ByteRecord, Terminator};

use super::{FileError, Input};

/// Ends the last record as every other ends, so that lines can be counted.
const LAST_LINE_FEED: &[u8] = b"\n";

pub(super) struct Records<R> {
    source: csv::Reader<Chain<R, &'static [u8]>>,
    record: ByteRecord,
    /// Whether the last cell carries the `\r` of a `\r\n`.
    carriage_return: bool,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(source: R) -> Self {
        let mut builder = csv::ReaderBuilder::new();
        // Left to itself the csv crate ends a record at `\r` and counts lines at `\n`: one line too few.
        builder.has_headers(false).flexible(true).terminator(Terminator::Any(b'\n'));
        let source = builder.from_reader(source.chain(LAST_LINE_FEED));
        Self { source, record: ByteRecord::new(), carriage_return: false }
    }

    /// Reads the next record that is no blank line, and says where it starts; `None` at the end of the file.
    pub(super) fn read(&mut self, input: &Input) -> Result<Option<u64>, FileError> {
        loop {
            let more = self.source.read_byte_record(&mut self.record).map_err(|error| {
                let line = error.position().map_or(1, csv::Position::line);
                FileError::at(input, line, format!("cannot be read: {error}"))
            })?;
            if !more {
                return Ok(None);
            }
            let last = self.record.len().checked_sub(1).and_then(|index| self.record.get(index)).unwrap_or_default();
            self.carriage_return = last.ends_with(b"\r");
            if !(self.record.len() == 1 && last == b"\r") {
                return Ok(Some(self.source.position().line().saturating_sub(1 + self.line_feeds()).max(1)));
            }
        }
    }

    /// Line feeds inside the record's cells.
    #[expect(clippy::naive_bytecount, reason = "a record is short")]
    fn line_feeds(&self) -> u64 {
        self.record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64
    }

    /// The cells of the record that was read last, or the first of them that is no UTF-8.
    pub(super) fn cells(&self) -> Result<Vec<&str>, &[u8]> {
        let mut cells = Vec::with_capacity(self.record.len());
        for cell in &self.record {
            cells.push(std::str::from_utf8(cell).map_err(|_| cell)?);
        }
        if self.carriage_return
            && let Some(last) = cells.last_mut()
        {
            *last = last.strip_suffix('\r').unwrap_or(last);
        }
        Ok(cells)
    }
}
