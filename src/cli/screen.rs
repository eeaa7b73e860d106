//! Standard error, shared by messages, the log and the progress of `run`: what is written while progress is shown comes
//! out above it, a whole line at a time, and progress is drawn again below. What cannot be written is lost: a full disk
//! behind it, or a reader that has left, is no reason to stop a batch.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};

use indicatif::ProgressBar;

use crate::domain::printable::lines;

/// Standard error; clones write to the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Screen {
    progress: Arc<RwLock<Option<ProgressBar>>>,
}

impl Screen {
    /// From now on what is written comes out above this.
    pub(super) fn keep_above(&self, progress: &ProgressBar) {
        *self.progress.write().unwrap_or_else(PoisonError::into_inner) = Some(progress.clone());
    }

    /// Nothing is shown any more.
    pub(super) fn release(&self) {
        *self.progress.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Writes all of it as it is.
    pub(super) fn put(&self, text: &[u8]) {
        // Cloned, so that what draws is free to write, too.
        let progress = self.progress.read().unwrap_or_else(PoisonError::into_inner).clone();
        let _ = match progress {
            Some(progress) => progress.suspend(|| io::stderr().write_all(text)),
            None => io::stderr().write_all(text),
        };
    }
}

impl Write for Screen {
    /// Shows what nobody sees, and what a terminal would take for a command.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.put(lines(&String::from_utf8_lossy(text)).as_bytes());
        Ok(text.len())
    }

    /// As one text: progress drawn between two pieces of a line would break it.
    fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.write_all(text.to_string().as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}
