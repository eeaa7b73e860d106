//! JSONL: a job document a line. Blank lines are skipped.

use std::cmp::Ordering;
use std::io::{BufRead, Read};

use bytes::Bytes;

use super::opening::{self, Opened};
use super::{Draft, FileError, Format, Input, Row, too_long, unreadable};
use crate::catalog::shown_text;
use crate::decode::{Decoder, Defaults};
use crate::json;
use crate::messages::HeaderTrouble;

pub(super) struct Reader<R> {
    source: Opened<R>,
    line: u64,
    /// Jobs that were read or passed over.
    jobs: u64,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn open(input: &Input, source: R) -> Result<Self, FileError> {
        if let Some((name, _)) = input.layout.wanted.first() {
            return Err(FileError::at(input, 1, HeaderTrouble::NoColumnsToName { name: shown_text(name) }));
        }
        let (source, _) = opening::open(source, Format::Jsonl, &input.layout)
            .map_err(|(line, message)| FileError::at(input, line, *message))?;
        Ok(Self { source, line: 0, jobs: 0 })
    }

    pub(super) fn next(&mut self, decoder: &Decoder, input: &Input) -> Result<Option<Draft>, FileError> {
        loop {
            self.line += 1;
            let (text, left_out) =
                self.read(input).map_err(|error| FileError::at(input, self.line, unreadable(&error)))?;
            if text.is_empty() {
                return Ok(None);
            }
            // Also within a file: that of a second one behind the first.
            let text = text.strip_prefix(json::BOM).unwrap_or(&text);
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if text.trim_ascii().is_empty() {
                continue;
            }
            if let Some(message) = no_line(text, &input.name) {
                return Err(FileError::at(input, self.line, message));
            }
            self.jobs += 1;
            match input.layout.place_of(self.jobs) {
                Ordering::Less => continue,
                Ordering::Equal => {}
                Ordering::Greater => return Ok(None),
            }
            let id = Some(format!("{}:{}", input.batch, self.line));
            if text.len() > input.bytes_max {
                return Ok(Some(too_long(input, self.line, text.len() + left_out, text, id)));
            }
            let defaults = Defaults {
                id,
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
                returned: None,
                columns: None,
            };
            return Ok(Some(Draft { row, base: None }));
        }
    }

    /// The next line, or so much of it that it is known to be too long, and how many bytes were left out.
    fn read(&mut self, input: &Input) -> std::io::Result<(Vec<u8>, usize)> {
        // Room for `\r\n`.
        let most = input.bytes_max.saturating_add(2);
        let (mut text, mut left_out) = (Vec::new(), 0);
        (&mut self.source).take(most as u64).read_until(b'\n', &mut text)?;
        while text.len() == most && !text.ends_with(b"\n") {
            let buffered = self.source.fill_buf()?;
            let end = buffered.iter().position(|byte| *byte == b'\n');
            let count = end.unwrap_or(buffered.len());
            left_out += count;
            self.source.consume(count + usize::from(end.is_some()));
            if end.is_some() || count == 0 {
                break;
            }
        }
        Ok((text, left_out))
    }
}

/// Why a line is no job and begins none: JSON that people and programs write, but not line by line.
fn no_line(text: &[u8], file: &str) -> Option<HeaderTrouble> {
    let text = text.trim_ascii();
    let lines = format!("{}.jsonl", file.rsplit_once('.').map_or(file, |(stem, _)| stem));
    let lines = if lines == file { "lines.jsonl" } else { lines.as_str() };
    if text.starts_with(b"[") {
        return Some(HeaderTrouble::JsonArray { command: format!("jq -c '.[]' {file} >{lines}") });
    }
    // A line that was cut ends anywhere; one of a document that is laid out for people ends behind a sign.
    let goes_on =
        text.starts_with(b"{") && text.last().is_some_and(|last| b"{[,:".contains(last)) && !text.ends_with(b"},");
    goes_on.then(|| HeaderTrouble::JsonSpread {
        command: format!("jq -c . {file} >{lines}"),
        of_array: "jq -c '.[]'".to_owned(),
    })
}
