//! One event, one line: whatever a value holds, it begins no line of its own and colours nothing.

use std::io::{self, Write};

use crate::cli::screen::Screen;
use crate::domain::printable::plain;

/// What an event is written to.
pub(super) struct Line {
    pub(super) screen: Screen,
    /// Whether the layer above colours its lines. It escapes the same commands in values itself.
    pub(super) is_coloured: bool,
}

impl Write for Line {
    /// Takes a whole event, as both layers write them.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.screen.put(one(&String::from_utf8_lossy(event), self.is_coloured).as_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.screen.flush()
    }
}

/// The event as one line.
fn one(event: &str, is_coloured: bool) -> String {
    let text = event.strip_suffix('\n').unwrap_or(event);
    let shown = if is_coloured { coloured(text) } else { plain(text) };
    shown + "\n"
}

/// The text with its hidden signs shown, all but those that set a colour.
fn coloured(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut out = plain(parts.next().unwrap_or_default());
    for part in parts {
        let numbers = part.strip_prefix('[').unwrap_or_default();
        let end = numbers.find(|sign: char| !sign.is_ascii_digit() && sign != ';').unwrap_or(numbers.len());
        match numbers.split_at(end) {
            (numbers, rest) if rest.starts_with('m') => out.extend(["\u{1b}[", numbers, &plain(rest)]),
            _ => out.push_str(&plain(&format!("\u{1b}{part}"))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_event_is_one_line(event in "(.|\\n|\u{1b}|\u{202e}){0,20}", is_coloured: bool) {
            let line = one(&event, is_coloured);
            prop_assert!(line.ends_with('\n') && line.lines().count() == 1, "{line:?}");
            let rest = line.trim_end_matches('\n');
            let without_colours: String = rest.split('\u{1b}').map(|part| part.split_once('m').map_or(part, |it| it.1)).collect();
            let bare = if is_coloured { &without_colours } else { rest };
            prop_assert!(!bare.contains(crate::domain::printable::is_hidden) || bare.contains('\u{200d}'), "{line:?}");
        }
    }

    #[test]
    fn colours_stay_and_nothing_else() {
        assert_eq!(coloured("\u{1b}[2m12:00\u{1b}[0m a"), "\u{1b}[2m12:00\u{1b}[0m a");
        assert_eq!(coloured("a\u{1b}[2Jb\u{1b}]8;;x\u{7}c\u{1b}"), "a<U+001B>[2Jb<U+001B>]8;;x<U+0007>c<U+001B>");
        assert_eq!(coloured("\u{1b}[1;31mx\nINFO y\u{202e}"), "\u{1b}[1;31mx<U+000A>INFO y<U+202E>");
    }
}
