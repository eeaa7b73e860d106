//! What a person takes for the same: identities that differ only in width, case, spaces and signs that nobody sees.

use caseless::Caseless;
use serde_json::Value;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::characters::is_ignorable;

/// A value with every text in its normal form.
pub(super) fn alike(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(normal(text)),
        Value::Array(items) => items.iter().map(alike).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(name, value)| (name.clone(), alike(value))).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Equal for texts that look the same.
fn normal(text: &str) -> String {
    let folded = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        let seen = composed(text.to_owned());
        // Folded letters may combine anew.
        composed(seen.chars().filter(|letter| !is_ignorable(*letter)).default_case_fold().collect())
    };
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text in normal form KC, as most texts are.
fn composed(text: String) -> String {
    if is_nfkc_quick(text.chars()) == IsNormalized::Yes { text } else { text.nfkc().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_case_spaces_and_unseen_signs_make_no_difference() {
        for (one, other) in [
            ("Room 7", "room 7"),
            ("Room 7", "Ｒｏｏｍ　７"),
            ("Room 7", "Room\u{a0}\u{200b}7\u{feff}"),
            ("Room 7", " Room  7 "),
            ("会议室A", "会议室Ａ"),
            ("Straße", "STRASSE"),
            ("ΟΔΟΣ", "οδος"),
            ("é", "E\u{301}"),
            ("ﾎｰﾙ", "ホール"),
        ] {
            assert_eq!(normal(one), normal(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn what_people_tell_apart_differs() {
        for (one, other) in [
            ("Room 1", "Room 11"),
            ("1F", "IF"),
            ("l1", "ll"),
            ("Room1", "Room 1"),
            ("7F-1", "7F1"),
            ("0", "O"),
            ("А", "A"),
            ("会议室一", "会议室二"),
            ("a-b", "a_b"),
        ] {
            assert_ne!(normal(one), normal(other), "{one:?} {other:?}");
        }
    }
}
