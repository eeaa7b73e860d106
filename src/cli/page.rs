//! Standard output: whatever a command prints for people, no sign reaches the terminal that nobody sees or that it would
//! take for a command. Callers see to it that a value stays in its line ([`crate::domain::printable::plain`]).

use std::io::{self, BufWriter, Stdout, Write};

use crate::domain::printable::lines;

/// Standard output.
pub(super) struct Page(BufWriter<Stdout>);

impl Page {
    /// The process's.
    pub(super) fn of_process() -> Self {
        Self(BufWriter::new(io::stdout()))
    }

    /// Passes everything on: for scripts, for files, and for what moves the cursor.
    pub(super) fn raw(&mut self) -> &mut BufWriter<Stdout> {
        &mut self.0
    }
}

impl Write for Page {
    /// Takes whole texts: half a character would come out as two replacements.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write_all(lines(&String::from_utf8_lossy(text)).as_bytes())?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
