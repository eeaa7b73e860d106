//! Reads JSON strictly: an object that holds the same key twice is a fault, because nobody can tell which was meant. And
//! writes it.

use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What some programs and editors put before UTF-8.
pub const BOM: &[u8] = b"\xef\xbb\xbf";

/// How long what we write is, mostly: growing it step by step takes longer than writing it.
const BYTES_EXPECTED: usize = 512;

/// Reads one JSON value, and the dotted names of the keys that stand in it twice.
///
/// # Errors
/// Those of `serde_json`, with line and column.
pub fn parse(raw: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    let mut twice = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(raw);
    let value = Strict { twice: &mut twice }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, twice))
}

/// A value as JSON. Nothing comes of one that is none, such as a map with keys that are no texts: nothing here is.
pub fn bytes(value: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(BYTES_EXPECTED);
    if serde_json::to_writer(&mut json, value).is_err() {
        json.clear();
    }
    json
}

/// Likewise, as text.
pub fn text(value: &impl Serialize) -> String {
    String::from_utf8(bytes(value)).unwrap_or_default()
}

struct Strict<'a> {
    twice: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("the number is out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let before = self.twice.len();
            let Some(item) = items.next_element_seed(Strict { twice: &mut *self.twice })? else { break };
            for name in &mut self.twice[before..] {
                *name = format!("[{}].{name}", list.len());
            }
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let before = self.twice.len();
            let value = entries.next_value_seed(Strict { twice: &mut *self.twice })?;
            for name in &mut self.twice[before..] {
                let dot = if name.starts_with('[') { "" } else { "." };
                *name = format!("{key}{dot}{name}");
            }
            if map.contains_key(&key) {
                self.twice.push(key.clone());
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        let raw = br#" {"a":[1,-2,2.5,18446744073709551615,true,null,"\u4f1a"],"b":{"c":{}}} "#;
        let (value, twice) = parse(raw).unwrap();
        assert_eq!(value, serde_json::from_slice::<Value>(raw).unwrap());
        assert!(twice.is_empty());
        for raw in [&b"{"[..], b"{}{}", b"nul", b"", b"1e999", b"\"\xff\""] {
            assert!(parse(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn names_every_key_that_stands_twice() {
        let (value, twice) = parse(br#"{"a":1,"b":[{},{"c":1,"c":2}],"b2":{"x":{"y":0,"y":0}},"a":2}"#).unwrap();
        assert_eq!(twice, ["b[1].c", "b2.x.y", "a"]);
        assert_eq!(value["a"], 2);
    }

    #[test]
    fn what_is_written_is_read_and_nothing_comes_of_what_is_no_json() {
        let value = serde_json::json!({"a": [1, 2.5, null], "b": "\u{4f1a}\"", "long": "x".repeat(2 * BYTES_EXPECTED)});
        assert_eq!(parse(&bytes(&value)).unwrap(), (value.clone(), Vec::new()));
        assert_eq!(text(&value), value.to_string());
        assert_eq!(text(&std::collections::BTreeMap::from([((1, 2), "a key of two numbers")])), "");
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "[".repeat(10_000);
        assert!(parse(deep.as_bytes()).is_err());
    }
}
