//! How the fields of a section's struct are read: by their type and their key's entry in the table.

use std::path::PathBuf;
use std::time::Duration;

use super::Ca;
use super::draft::{Draft, path};
use super::key::Unit;
use super::keys;

/// What a key's value can become.
pub(crate) trait Field {
    /// The value of a key, its default if absent; faults go to the draft.
    fn read(draft: &mut Draft<'_>, dotted: &str) -> Self;
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Field for $number {
            fn read(draft: &mut Draft<'_>, dotted: &str) -> Self {
                Self::try_from(draft.whole(dotted)).unwrap_or(Self::MAX)
            }
        })*
    };
}

numbers!(u16, u32, usize);

impl Field for Duration {
    fn read(draft: &mut Draft<'_>, dotted: &str) -> Self {
        let number = draft.whole(dotted);
        match keys::find(&path(dotted)).and_then(|key| key.unit) {
            Some(Unit::Days) => Self::from_secs(number * 86_400),
            Some(Unit::Seconds) => Self::from_secs(number),
            _ => Self::from_millis(number),
        }
    }
}

/// 0 is for ever.
impl Field for Option<Duration> {
    fn read(draft: &mut Draft<'_>, dotted: &str) -> Self {
        Some(Duration::read(draft, dotted)).filter(|duration| !duration.is_zero())
    }
}

impl Field for String {
    fn read(draft: &mut Draft<'_>, dotted: &str) -> Self {
        draft.text(&path(dotted)).unwrap_or_default()
    }
}

/// An empty text is nothing.
impl Field for Option<String> {
    fn read(draft: &mut Draft<'_>, dotted: &str) -> Self {
        Some(String::read(draft, dotted)).filter(|text| !text.is_empty())
    }
}

impl Field for Option<PathBuf> {
    fn read(draft: &mut Draft<'_>, dotted: &str) -> Self {
        Option::<String>::read(draft, dotted).map(PathBuf::from)
    }
}

impl Field for Option<Vec<String>> {
    fn read(draft: &mut Draft<'_>, dotted: &str) -> Self {
        draft.list(&path(dotted))
    }
}

/// The certificates of a PEM file.
impl Field for Option<Ca> {
    fn read(draft: &mut Draft<'_>, dotted: &str) -> Self {
        let file = Option::<PathBuf>::read(draft, dotted)?;
        let pem = draft.certificates(dotted, &file)?;
        Some(Ca { path: file, pem })
    }
}
