//! The least that a schema accepts, for examples and tests.

use serde_json::{Map, Value, json};

use super::schema::{Kind, Schema};

impl Schema {
    /// The least valid value: its example, else what it must have.
    pub fn sample(&self) -> Value {
        if let Some(example) = self.examples.first().or_else(|| self.values.first()) {
            return example.clone();
        }
        match self.kind {
            Kind::Object => Value::Object(self.sample_object()),
            Kind::Array => self.items.iter().map(|item| item.sample()).collect(),
            Kind::String => "1".repeat(self.length_min.unwrap_or(1).max(1)).into(),
            Kind::Integer | Kind::Number => self.minimum.map_or(json!(1), |least| json!(least)),
            Kind::Boolean => true.into(),
        }
    }

    /// The properties that an object must have, with a sample each.
    pub fn sample_object(&self) -> Map<String, Value> {
        let is_needed = |name: &String| self.requires(name) || self.one_of.first() == Some(name);
        let needed = self.properties.iter().filter(|(name, _)| is_needed(name));
        let mut map: Map<_, _> = needed.map(|(name, property)| (name.clone(), property.sample())).collect();
        for (name, property) in &self.properties {
            if property.required_when.iter().any(|(sibling, value)| map.get(sibling) == Some(value)) {
                map.insert(name.clone(), property.sample());
            }
        }
        map
    }
}
