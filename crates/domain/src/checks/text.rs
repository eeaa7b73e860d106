//! The sentences of findings: the one place where they are made.

use super::{Check, Finding};
use crate::catalog::shown_text;
use crate::messages::{Got, Rule, Wrong};

impl Check {
    /// What is wrong, without the values of one row: findings of one cause have it in common.
    pub fn rule(&self) -> Rule {
        match self {
            Self::Unit { unit, .. } => Rule::LooksLike { unit: (*unit).to_owned() },
            Self::SpreadsheetError(_) => Rule::SpreadsheetError,
            Self::Shortened(_) => Rule::SpreadsheetShortened,
            Self::Formula(_) => Rule::SpreadsheetFormula,
            Self::Control(_) => Rule::ExpectedNoControl,
            Self::LineBreak(_) => Rule::ExpectedOneLine,
            Self::Invisible(_) => Rule::ExpectedNoInvisible,
            Self::Unreadable(_) => Rule::CharactersLost,
            Self::Spaces(_) => Rule::ExpectedNoSpaces,
            Self::CommaInItem(_) => Rule::CommaInItem,
            Self::Hidden(check) => Rule::ValueHidden { rule: Box::new(check.rule()) },
            Self::Past(_) => Rule::LaterThanNow,
            Self::Alike { .. } => Rule::SameAsAnother,
            Self::Rule { message, .. } => Rule::OfMethod { message: message.clone() },
        }
    }

    /// What stands there, as people may see it, if there is something to see.
    pub fn got(&self) -> Option<Got> {
        Some(match self {
            Self::Unit { value, seconds, .. } => Got::InSeconds { value: *value, seconds: *seconds },
            Self::SpreadsheetError(text)
            | Self::Shortened(text)
            | Self::Formula(text)
            | Self::LineBreak(text)
            | Self::Unreadable(text)
            | Self::CommaInItem(text)
            | Self::Spaces(text) => shown_text(text).into(),
            Self::Control(letter) => code(*letter).into(),
            Self::Invisible(letters) => {
                letters.iter().map(|letter| code(*letter)).collect::<Vec<_>>().join(", ").into()
            }
            Self::Past(at) => at.to_string().into(),
            Self::Rule { got, .. } if !got.is_empty() => got.as_str().into(),
            Self::Hidden(_) | Self::Alike { .. } | Self::Rule { .. } => return None,
        })
    }

    /// What is wrong and what stands there.
    pub fn message(&self) -> String {
        self.wrong().to_string()
    }

    /// The same as data.
    pub fn wrong(&self) -> Wrong {
        if let Self::Alike { line } = self {
            return Wrong::new(None, Rule::SameAsLine { line: *line }, None);
        }
        Wrong::new(None, self.rule(), self.got())
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
