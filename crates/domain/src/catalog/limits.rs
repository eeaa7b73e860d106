//! What a schema asks of a value, as messages.

use serde_json::Value;

use super::schema::{Format, Schema};
use crate::messages::{Bilingual, Limit, Limits};

impl Schema {
    /// The limits of a value, those of a list's items after those of the list.
    pub fn limits(&self) -> Limits {
        let mut limits = Vec::new();
        if self.length_min == Some(1) && self.length_max.is_none() {
            limits.push(Limit::NotEmpty);
        } else {
            limits.extend(match (self.length_min, self.length_max) {
                (Some(least), Some(most)) => Some(Limit::Length { least, most }),
                (Some(least), None) => Some(Limit::LengthLeast { least }),
                (None, Some(most)) => Some(Limit::LengthMost { most }),
                (None, None) => None,
            });
        }
        limits.extend(self.bytes_max.map(|most| Limit::Bytes { most }));
        let either = self.bytes_or_chars_max;
        limits.extend(either.map(|(bytes, characters)| Limit::BytesOrCharacters { bytes, characters }));
        limits.extend(match (self.minimum, self.maximum) {
            (Some(least), Some(most)) => Some(Limit::Range { least: least.to_string(), most: most.to_string() }),
            (Some(least), None) => Some(Limit::RangeLeast { least: least.to_string() }),
            (None, Some(most)) => Some(Limit::RangeMost { most: most.to_string() }),
            (None, None) => None,
        });
        limits.extend(self.shape());
        limits.extend(self.number_of_items());
        limits.extend(self.format.map(|format| match format {
            Format::Digits => Limit::DigitsAlone,
            Format::UnixSeconds => Limit::SecondsSince1970,
        }));
        limits.extend(self.known_values());
        let pair = |(name, value): &(String, Value)| (name.clone(), value.to_string());
        limits.extend(self.only_when.iter().map(pair).map(|(name, value)| Limit::OnlyBeside { name, value }));
        limits.extend(self.required_when.iter().map(pair).map(|(name, value)| Limit::RequiredWhen { name, value }));
        if !self.one_of.is_empty() {
            limits.push(Limit::OneOf { names: self.one_of.clone() });
        }
        limits.extend(self.default.as_ref().map(|default| Limit::Default { value: default.to_string() }));
        let of_items = self.items.as_deref().map(Self::limits).filter(|limits| !limits.0.is_empty());
        limits.extend(of_items.map(|limits| Limit::Each { limits: Box::new(limits) }));
        Limits(limits)
    }

    fn shape(&self) -> Option<Limit> {
        self.pattern.as_ref()?;
        let example = self.examples.iter().find_map(Value::as_str).unwrap_or_default();
        Some(Limit::Shape { shape: Bilingual { en: self.kind_of_id(), zh: format!("形如 {example:?}") } })
    }

    fn number_of_items(&self) -> Option<Limit> {
        match (self.items_min, self.items_max, &self.not_counted) {
            (_, Some(most), Some(besides)) => Some(Limit::ItemsMostBesides { most, besides: besides.clone() }),
            (Some(least), Some(most), None) => Some(Limit::Items { least, most }),
            (Some(least), None, _) => Some(Limit::ItemsLeast { least }),
            (None, Some(most), None) => Some(Limit::ItemsMost { most }),
            (None, None, _) => None,
        }
    }

    /// The values of `enum`, each with its note; the notes are in English alone.
    fn known_values(&self) -> Option<Limit> {
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let values: Vec<String> = self.values.iter().map(plain).collect();
        let noted = values.iter().enumerate().map(|(index, value)| match self.value_notes.get(index) {
            Some(note) => format!("{value} = {note}"),
            None => value.clone(),
        });
        let values = Bilingual { en: noted.collect::<Vec<_>>().join(" | "), zh: values.join(" | ") };
        (!values.en.is_empty()).then_some(Limit::Values { values })
    }
}
