//! Good inputs made bad: a few cuts, copies and insertions each, so that most of an input still makes sense.

use proptest::prelude::*;
use proptest::sample::Index;

/// What parsers stumble over.
const TOKENS: &[&str] = &[
    "\0",
    "\u{feff}",
    "\r",
    "\n",
    "\r\n",
    "\"",
    "\"\"",
    "'",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    "[[",
    "]]",
    ",",
    ";",
    ":",
    "=",
    "#",
    "null",
    "true",
    "-0",
    "1e999",
    "-1",
    "0.5",
    "18446744073709551616",
    "9223372036854775807",
    "NaN",
    "{}",
    "[]",
    "{\"a\":",
    "\"id\":",
    "\"id\":\"x\",",
    "\"body\":",
    "\"method\":\"nobody.nothing\",",
    "code",
    "\"code\":0",
    "\"code\":190003",
    "2026-02-30T25:61:61Z",
    "2026-11-21T08:00:00+99:00",
    "会议室",
    "🛗",
    "e\u{301}",
    "\u{202e}",
    "%00",
    "%2f",
    "../",
    "${HOME}",
    "20/min",
    "0/s",
    "4294967296/day",
    "1/99999999day",
    "[apps.x]",
    "{ env = \"PATH\" }",
    "{ file = \"/dev/zero-is-not-read\" }",
];

#[derive(Clone, Debug)]
enum Edit {
    Cut(Index, usize),
    Copy(Index, usize, Index),
    Insert(Index, Vec<u8>),
    Flip(Index, u8),
    Truncate(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        3 => (at(), 0_usize..40).prop_map(|(from, length)| Edit::Cut(from, length)),
        2 => (at(), 0_usize..400, at()).prop_map(|(from, length, to)| Edit::Copy(from, length, to)),
        6 => (at(), prop::sample::select(TOKENS)).prop_map(|(to, token)| Edit::Insert(to, token.as_bytes().to_vec())),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(to, bytes)| Edit::Insert(to, bytes)),
        2 => (at(), any::<u8>()).prop_map(|(to, bits)| Edit::Flip(to, bits)),
        1 => at().prop_map(Edit::Truncate),
    ]
}

fn apply(bytes: &mut Vec<u8>, edit: Edit) {
    let place = |index: Index, length: usize| index.index(length + 1);
    match edit {
        Edit::Cut(from, length) => {
            let from = place(from, bytes.len());
            bytes.drain(from..(from + length).min(bytes.len()));
        }
        Edit::Copy(from, length, to) => {
            let from = place(from, bytes.len());
            let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
            let to = place(to, bytes.len());
            bytes.splice(to..to, piece);
        }
        Edit::Insert(to, piece) => {
            let to = place(to, bytes.len());
            bytes.splice(to..to, piece);
        }
        Edit::Flip(to, bits) => {
            let to = place(to, bytes.len().saturating_sub(1));
            if let Some(byte) = bytes.get_mut(to) {
                *byte ^= bits;
            }
        }
        Edit::Truncate(to) => bytes.truncate(place(to, bytes.len())),
    }
}

/// One of the seeds after some edits; now and then bytes that are nothing at all.
pub(super) fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edited = (prop::sample::select(seeds), prop::collection::vec(edit(), 0..6)).prop_map(|(mut bytes, edits)| {
        for edit in edits {
            apply(&mut bytes, edit);
        }
        bytes
    });
    prop_oneof![20 => edited, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}
