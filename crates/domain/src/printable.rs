//! Texts that are not ours, as they may be printed: ids, file names and platforms' messages can hold signs that nobody
//! sees, that turn a line around, or that a terminal takes for commands. They are shown as `<U+202E>`, never passed on.
//!
//! Hidden are: control characters (C0, DEL, C1), the separators of lines and paragraphs, marks and overrides of direction,
//! signs without width and what fills a place without being seen, and tags. A joiner (U+200D) stays where it joins two
//! pictographs, so that 👩‍🚀 is one; in other places it tells two texts apart that look the same, and is shown. So is the
//! non-joiner (U+200C), without which Persian looks a little different.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::checks::is_ignorable;

const JOINER: char = '\u{200d}';
/// Asks for a pictograph in colour.
const IN_COLOUR: char = '\u{fe0f}';

/// The text in one line, with every hidden sign shown.
pub fn plain(text: &str) -> String {
    shown(text, |_| false).into_owned()
}

/// A text of several lines, with every other hidden sign shown.
pub fn lines(text: &str) -> Cow<'_, str> {
    shown(text, |sign| sign == '\n')
}

/// The same JSON with every hidden sign escaped. Between its texts JSON has none but line ends and tabs, which stay.
pub fn json(text: &str) -> Cow<'_, str> {
    let mut units = [0; 2];
    rewritten(
        text,
        |sign| !matches!(sign, '\t' | '\n' | '\r'),
        |out, sign| {
            for unit in sign.encode_utf16(&mut units) {
                // A text takes whatever is written to it.
                let _ = write!(out, "\\u{unit:04x}");
            }
        },
    )
}

/// The text with its hidden signs shown, but those that may stay.
pub fn shown(text: &str, may_stay: impl Fn(char) -> bool) -> Cow<'_, str> {
    rewritten(text, |sign| !may_stay(sign), show)
}

/// How a hidden sign is shown.
pub fn show(out: &mut String, sign: char) {
    let _ = write!(out, "<U+{:04X}>", u32::from(sign));
}

/// Rewrites the hidden signs that `is_meant` picks.
fn rewritten(text: &str, is_meant: impl Fn(char) -> bool, mut write: impl FnMut(&mut String, char)) -> Cow<'_, str> {
    let mut out: Option<String> = None;
    let mut signs = text.char_indices().peekable();
    // Whether what stands before a joiner can be joined.
    let mut is_joinable = false;
    while let Some((at, sign)) = signs.next() {
        let joins = sign == JOINER && is_joinable && signs.peek().is_some_and(|(_, next)| is_pictograph(*next));
        if is_hidden(sign) && !joins && is_meant(sign) {
            write(out.get_or_insert_with(|| text[..at].to_owned()), sign);
        } else if let Some(out) = &mut out {
            out.push(sign);
        }
        is_joinable = is_pictograph(sign) || (sign == IN_COLOUR && is_joinable);
    }
    out.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Whether a sign is one that is shown, not passed on.
pub fn is_hidden(sign: char) -> bool {
    sign.is_control()
        || is_ignorable(sign)
        || matches!(sign, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Arrows, signs and pictures, of which some are joined into one.
const fn is_pictograph(sign: char) -> bool {
    matches!(sign, '\u{a9}' | '\u{ae}' | '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_nobody_sees_is_shown_by_its_number() {
        for (text, wanted) in [
            ("a\u{202e}b", "a<U+202E>b"),
            ("\u{1b}[2J\u{9b}31m\u{7}", "<U+001B>[2J<U+009B>31m<U+0007>"),
            ("x\r\nINFO forged", "x<U+000D><U+000A>INFO forged"),
            ("hq\u{200b}-7\u{feff}", "hq<U+200B>-7<U+FEFF>"),
            ("a\u{200d}b 会\u{200d}议", "a<U+200D>b 会<U+200D>议"),
            ("\u{2066}\u{2069}\u{61c}\u{200f}", "<U+2066><U+2069><U+061C><U+200F>"),
            ("\u{2028}\u{e0041}", "<U+2028><U+E0041>"),
        ] {
            assert_eq!(plain(text), wanted);
        }
        assert_eq!(lines("a\n\tb\u{200b}"), "a\n<U+0009>b<U+200B>");
    }

    #[test]
    fn names_stay_readable() {
        for text in ["会议室 7F-701", "👩‍🚀 ❤️‍🔥 👨‍👩‍👧‍👦 🏳️‍🌈 👩🏽‍🚀 1️⃣", "Ünïcödé é e\u{301}", "שלום", "ｆｕｌｌ　ｗｉｄｔｈ"]
        {
            assert_eq!(plain(text), text);
            assert!(matches!(json(text), Cow::Borrowed(_)), "nothing is copied for nothing");
        }
    }

    fn hidden(text: &str) -> bool {
        // Written anew, so that a slip above does not hide itself: the classes that the manual names.
        let is_one = |sign: char| {
            matches!(u32::from(sign), 0..=0x1f | 0x7f..=0x9f | 0x61c | 0x200b | 0x200c | 0x200e | 0x200f | 0x2028..=0x202e
                | 0x2060..=0x2069 | 0xfeff | 0xe0000..=0xe007f)
        };
        text.chars().any(is_one)
    }

    /// Texts in which such signs are frequent.
    fn odd() -> impl Strategy<Value = String> {
        let signs = "[a会👩\u{fe0f}\\x00-\\x1f\\x7f-\\x9f\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{2069}\u{feff}\u{e0000}-\u{e007f}]{0,20}";
        prop_oneof![".*", signs]
    }

    proptest! {
        #[test]
        fn no_hidden_sign_is_printed(text in odd()) {
            let printed = plain(&text);
            prop_assert!(!hidden(&printed), "{printed:?}");
            for (at, _) in printed.match_indices(JOINER) {
                let is_joined = printed[at + JOINER.len_utf8()..].starts_with(is_pictograph);
                prop_assert!(is_joined, "{printed:?}");
            }
            prop_assert_eq!(plain(&printed), printed.as_str(), "again changes nothing");
        }

        #[test]
        fn json_says_the_same_and_shows_it(text in odd()) {
            let document = serde_json::json!({&text: [&text, 1]});
            let written = json(&document.to_string()).into_owned();
            prop_assert!(!hidden(&written), "{written:?}");
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), document);
        }
    }
}
