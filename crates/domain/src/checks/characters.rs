//! Characters that do not belong into names and texts.

/// A control character, beside those that end or indent a line.
pub(super) fn control(text: &str) -> Option<char> {
    text.chars().find(|letter| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r'))
}

/// Whether the text has several lines. A line end at its end is a space like others.
pub(super) fn has_lines(text: &str) -> bool {
    text.trim().contains(['\n', '\r', '\u{2028}', '\u{2029}'])
}

/// The characters that nobody sees, each once. Those that belong to their neighbours are none: a joiner inside an emoji
/// or an Indic word, a mark of direction in Hebrew or Arabic.
pub(super) fn invisible(text: &str) -> Vec<char> {
    let mut found = Vec::new();
    if text.is_ascii() {
        return found;
    }
    let letters: Vec<char> = text.chars().collect();
    let is_right_to_left =
        letters.iter().any(|letter| matches!(letter, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}'));
    for (index, letter) in letters.iter().enumerate() {
        let is_lost = match letter {
            '\u{200c}' | '\u{200d}' => {
                let before = index.checked_sub(1).and_then(|before| letters.get(before).copied());
                !(before.is_some_and(joins) && letters.get(index + 1).copied().is_some_and(joins))
            }
            '\u{200e}' | '\u{200f}' | '\u{61c}' => !is_right_to_left,
            letter => is_ignorable(*letter),
        };
        if is_lost && !found.contains(letter) {
            found.push(*letter);
        }
    }
    found
}

/// Whether nobody sees the character, whatever stands beside it.
pub const fn is_ignorable(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
    )
}

/// Whether a joiner can stand beside the character: not beside Latin, Chinese, Japanese and Korean, which join nothing.
const fn joins(letter: char) -> bool {
    !matches!(
        letter,
        '\0'..='\u{58f}'
            | '\u{1100}'..='\u{11ff}'
            | '\u{2000}'..='\u{206f}'
            | '\u{2e80}'..='\u{302f}'
            | '\u{3031}'..='\u{3296}'
            | '\u{329a}'..='\u{a4cf}'
            | '\u{ac00}'..='\u{d7ff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe4f}'
            | '\u{ff00}'..='\u{ffef}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_its_neighbours_is_not_invisible() {
        for good in [
            "",
            "会议室A",
            "👨‍👩‍👧‍👦",
            "❤️‍🔥 lounge",
            "🏳️‍🌈",
            "👩🏽‍🚀",
            "क्‍ष",
            "می‌خواهم",
            "שלום\u{200f}!",
            "1️⃣",
            "ＡＢＣ",
            "é e\u{301}",
        ] {
            assert!(invisible(good).is_empty(), "{good:?}");
        }
    }

    #[test]
    fn what_nobody_sees_is_named_once() {
        assert_eq!(invisible("7F\u{200b}-701\u{200b}"), ['\u{200b}']);
        assert_eq!(invisible("\u{feff}7F\u{202e}"), ['\u{feff}', '\u{202e}']);
        for bad in ["7F\u{200d}", "会\u{200d}议", "a\u{200c}b", "\u{200d}👩", "7F\u{200e}", "a\u{ad}b"] {
            assert_eq!(invisible(bad).len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn line_ends_are_no_control_characters() {
        assert_eq!(control("a\tb\r\nc"), None);
        assert_eq!(control("a\u{0}"), Some('\0'));
        assert_eq!(
            [control("\u{7f}"), control("\u{85}"), control("\u{1b}[31m")].map(|found| found.is_some()),
            [true; 3]
        );
    }
}
