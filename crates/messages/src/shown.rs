//! Messages in JSON that people and programs read: the English text, and beside it the message as data.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::{Cause, Cure, WhyFact};

/// What can be done, if anything: `cure` and `cure_fact`, to be flattened into an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToDo(pub Option<Cure>);

/// What went wrong: `detail`, null for nothing, and `detail_fact`, to be flattened into an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail(pub Cause);

/// A fact: `text` and `text_fact`, to be flattened into an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said(pub WhyFact);

impl Serialize for Said {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("text", &self.0.to_string())?;
        map.serialize_entry("text_fact", &self.0)?;
        map.end()
    }
}

impl Serialize for ToDo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(cure) = &self.0 {
            map.serialize_entry("cure", &cure.to_string())?;
            map.serialize_entry("cure_fact", cure)?;
        }
        map.end()
    }
}

impl Serialize for Detail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.0.is_empty() {
            map.serialize_entry("detail", &None::<&str>)?;
        } else {
            map.serialize_entry("detail", &self.0.to_string())?;
            map.serialize_entry("detail_fact", &self.0)?;
        }
        map.end()
    }
}
