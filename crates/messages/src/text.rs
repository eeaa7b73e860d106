//! The languages, and how a value stands in a sentence.

use serde::{Deserialize, Serialize};

/// A language that sentences are made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Simplified Chinese.
    Chinese,
}

/// What can stand in a sentence.
pub trait Render {
    /// Its text.
    fn render(&self, language: Language) -> String;
}

/// A text that comes with its translation, as the catalog's do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bilingual {
    /// English.
    pub en: String,
    /// Chinese; empty where nobody has translated it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub zh: String,
}

impl Render for Bilingual {
    fn render(&self, language: Language) -> String {
        match language {
            Language::Chinese if !self.zh.is_empty() => self.zh.clone(),
            Language::English | Language::Chinese => self.en.clone(),
        }
    }
}

impl Render for String {
    fn render(&self, _: Language) -> String {
        self.clone()
    }
}

impl<T: Render> Render for Box<T> {
    fn render(&self, language: Language) -> String {
        (**self).render(language)
    }
}

/// Sentences one after the other, in one line.
pub(crate) fn in_one_line(all: &[impl Render], language: Language) -> String {
    let separator = match language {
        Language::English => "; ",
        Language::Chinese => "；",
    };
    all.iter().map(|one| one.render(language)).collect::<Vec<_>>().join(separator)
}

/// Names one after the other.
impl Render for Vec<String> {
    fn render(&self, language: Language) -> String {
        self.join(match language {
            Language::English => ", ",
            Language::Chinese => "、",
        })
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Render for $number {
            fn render(&self, _: Language) -> String {
                self.to_string()
            }
        })*
    };
}

numbers!(i64, u16, u32, u64, usize);
