//! JSONL: a job document a line. Blank lines are skipped.

use std::io::{BufRead, Read};

use bytes::Bytes;

use super::{Draft, FileError, Input, Row};
use crate::domain::decode::{Decoder, Defaults};
use crate::domain::json;

/// The longest line, in bytes: far above any job, far below what memory holds.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

pub(super) struct Reader<R> {
    source: R,
    line: u64,
}

impl<R: BufRead> Reader<R> {
    pub(super) const fn new(source: R) -> Self {
        Self { source, line: 0 }
    }

    pub(super) fn next(&mut self, decoder: &Decoder, input: &Input) -> Result<Option<Draft>, FileError> {
        loop {
            self.line += 1;
            let mut bytes = Vec::new();
            let read = (&mut self.source).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut bytes);
            let count = read.map_err(|error| FileError::at(input, self.line, format!("cannot be read: {error}")))?;
            if count as u64 > LINE_BYTES_MAX {
                return Err(FileError::at(input, self.line, format!("the line has more than {LINE_BYTES_MAX} bytes")));
            }
            if count == 0 {
                return Ok(None);
            }
            // Also within a file: that of a second one behind the first.
            let text = bytes.strip_prefix(json::BOM).unwrap_or(&bytes);
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if text.trim_ascii().is_empty() {
                continue;
            }
            let defaults = Defaults {
                id: Some(format!("{}:{}", input.batch, self.line)),
                method: input.method.clone(),
                app: input.app.clone(),
                batch: Some(input.batch.clone()),
                ..Defaults::default()
            };
            let mut warnings = Vec::new();
            let row = Row {
                line: self.line,
                place: format!("{}:{}", input.name, self.line),
                raw: Bytes::copy_from_slice(text),
                cells: None,
                input: decoder.decode_with(text, &defaults, &mut warnings),
                warnings,
                columns: None,
            };
            return Ok(Some(Draft { row, base: None }));
        }
    }
}
