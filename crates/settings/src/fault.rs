//! What is wrong with settings, and where. It knows no values: who writes a fault decides what of them is shown.

use std::fmt;
use std::sync::Arc;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Line `.1` (from 1) of file `.0`.
    Line(Arc<str>, usize),
    /// A file as a whole.
    File(Arc<str>),
    /// An environment variable.
    Variable(String),
    /// Nowhere: nothing was given.
    Nowhere,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line) => write!(out, "{file}:{line}"),
            Self::File(file) => out.write_str(file),
            Self::Variable(name) => out.write_str(name),
            Self::Nowhere => out.write_str("settings"),
        }
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where it stands.
    pub place: Place,
    /// The dotted path of the key; empty for a file as a whole.
    pub field: String,
    /// What was expected, and what stands there unless it is sensitive.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            write!(out, "{}: {}", self.place, self.message)
        } else {
            write!(out, "{}: {}: {}", self.place, self.field, self.message)
        }
    }
}

/// Every fault of the settings, in the order of the file and then of the environment's names; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            write!(out, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
