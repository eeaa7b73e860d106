//! A file that lies in memory.

use std::convert::Infallible;
use std::io::Read as _;
use std::sync::Arc;

use paceline_tables::{Reader, Unreadable};

use super::check::{RowSource, SomeRows};
use super::written::{How, Named, Written, fault, unreadable};
use crate::domain::decode::Decoder;
use crate::domain::find::Names;
use crate::domain::messages::FileTrouble;
use crate::domain::rows::{FileError, Input, Preview, RowIds};
use crate::operations::refused::Refused;

/// A file in memory, and what somebody said of it.
#[derive(Clone, Debug)]
pub struct Memory {
    bytes: Reader,
    /// How it is written, or what is wrong with it.
    pub written: Result<Written, FileTrouble>,
    /// What stands in for what its rows leave out.
    pub input: Input,
    /// What is known of the names in its rows.
    pub names: Names,
}

impl Memory {
    /// Looks at its first bytes; its name is that of the input, and may tell nothing.
    pub fn of(bytes: Reader, input: Input, how: &How) -> Self {
        let named = Named::of(&input.name).unwrap_or(Named::Nothing);
        let written = Written::of(bytes.again(), &named, how);
        Self { bytes, written, input, names: Names::default() }
    }

    /// Its text, or why it is none.
    ///
    /// # Errors
    /// Why it cannot be read as text.
    pub fn text(&self, how: &How) -> Result<String, FileTrouble> {
        let mut text = String::new();
        let mut found =
            paceline_tables::text(self.bytes.again(), how.encoding.as_deref()).map_err(|error| unreadable(&error))?;
        found.source.read_to_string(&mut text).map_err(|error| unreadable(&Unreadable::Io(error)))?;
        Ok(text)
    }

    /// Its header and first rows.
    ///
    /// # Errors
    /// The outer one: it is no table. The inner one: what is wrong with it.
    pub fn preview(&self, rows: usize) -> Result<Result<Preview, FileError>, Refused> {
        match &self.written {
            Ok(written) => written.preview(self.bytes.again(), &self.input, rows),
            Err(trouble) => Ok(Err(fault(&self.input, trouble))),
        }
    }

    /// What separates its columns, if it is a CSV file.
    pub fn separator(&self) -> Option<char> {
        self.written.as_ref().ok()?.separator(self.bytes.again(), &self.input)
    }
}

impl RowSource for Memory {
    type Error = Infallible;

    fn input(&self) -> &Input {
        &self.input
    }

    fn rows(&self, decoder: &Arc<Decoder>, ids: &RowIds) -> Result<Result<SomeRows, FileError>, Infallible> {
        let rows = match &self.written {
            Ok(written) => written.rows(self.bytes.again(), &self.input, decoder),
            Err(trouble) => Err(fault(&self.input, trouble)),
        };
        Ok(rows.map(|rows| rows.with_ids(ids).with_names(&self.names)))
    }
}
