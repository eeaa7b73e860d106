//! The sentences of findings: the one place where they are made.

use super::{Check, Finding};
use crate::catalog::shown_text;

impl Check {
    /// What is wrong, without the values of one row: findings of one cause have it in common.
    pub fn rule(&self) -> String {
        match self {
            Self::Unit { unit, .. } => format!("looks like {unit}: expected Unix seconds"),
            Self::SpreadsheetError(_) => "expected a value, not a spreadsheet's error".to_owned(),
            Self::Shortened(_) => {
                "a spreadsheet shortened the number: format the column as text and enter all digits".to_owned()
            }
            Self::Formula(_) => "expected a value, not a spreadsheet's formula: enter the value itself in a column \
                                 formatted as text"
                .to_owned(),
            Self::Control(_) => "expected no control characters".to_owned(),
            Self::LineBreak(_) => "expected one line".to_owned(),
            Self::Invisible(_) => "expected no invisible characters".to_owned(),
            Self::Unreadable(_) => "characters were lost in a conversion (U+FFFD)".to_owned(),
            Self::Spaces(_) => "expected no space at the beginning or end".to_owned(),
            Self::CommaInItem(_) => "a comma inside an item: `;`, `；` or `、` separate items".to_owned(),
            Self::Hidden(check) => format!("{} (the value is not shown)", check.rule()),
            Self::Past(_) => "expected a time later than now".to_owned(),
            Self::Alike { .. } => "looks the same as another row".to_owned(),
            Self::Rule { message, .. } => message.clone(),
        }
    }

    /// What stands there, as people may see it; may be empty.
    pub fn got(&self) -> String {
        match self {
            Self::Unit { value, seconds, .. } => format!("{value} (in seconds: {seconds})"),
            Self::SpreadsheetError(text)
            | Self::Shortened(text)
            | Self::Formula(text)
            | Self::LineBreak(text)
            | Self::Unreadable(text)
            | Self::CommaInItem(text)
            | Self::Spaces(text) => shown_text(text),
            Self::Control(letter) => code(*letter),
            Self::Invisible(letters) => letters.iter().map(|letter| code(*letter)).collect::<Vec<_>>().join(", "),
            Self::Past(at) => at.to_string(),
            Self::Rule { got, .. } => got.clone(),
            Self::Hidden(_) | Self::Alike { .. } => String::new(),
        }
    }

    /// What is wrong and what stands there.
    pub fn message(&self) -> String {
        match (self, self.got()) {
            (Self::Alike { line }, _) => format!("looks the same as line {line}"),
            (_, got) if got.is_empty() => self.rule(),
            (_, got) => format!("{}, got {got}", self.rule()),
        }
    }
}

impl Finding {
    /// How people call the field: by its column, in a CSV file.
    pub fn label(&self) -> String {
        self.column.as_ref().map_or_else(|| self.field.clone(), ToString::to_string)
    }
}

/// `U+200B`.
pub(crate) fn code(letter: char) -> String {
    format!("U+{:04X}", u32::from(letter))
}
