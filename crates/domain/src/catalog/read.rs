//! Reads TOML key by key, so that one pass names every fault of a file with its line.
//!
//! It knows nothing of methods or platforms; `file.rs` does.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::check::nearest;

/// One file that is being read.
pub(super) struct File<'i> {
    name: &'i str,
    text: &'i str,
    /// One a fault: `file:line: field: what is wrong`.
    pub(super) faults: Vec<String>,
    /// Where every field that was read stands in the text, by its dotted name.
    pub(super) offsets: BTreeMap<String, usize>,
}

/// A table of the file: keys are taken out of it, and what is left over at the end is unknown.
pub(super) struct Section<'i> {
    table: DeTable<'i>,
    path: String,
    at: usize,
    asked: Vec<&'static str>,
}

/// Where a field stands, or else the innermost of the fields around it that has a place of its own.
pub(super) fn offset_of(offsets: &BTreeMap<String, usize>, field: &str) -> Option<usize> {
    let mut known = field;
    loop {
        if let Some(at) = offsets.get(known) {
            return Some(*at);
        }
        known = known.rsplit_once('.')?.0;
    }
}

/// The line of a byte of the text, counted from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

impl<'i> File<'i> {
    pub(super) fn new(name: &'i str, text: &'i str) -> Self {
        Self { name, text, faults: Vec::new(), offsets: BTreeMap::new() }
    }

    /// The whole file as a section; broken TOML is a fault.
    pub(super) fn parse(&mut self) -> Option<Section<'i>> {
        match DeTable::parse(self.text) {
            Ok(table) => {
                let at = table.span().start;
                Some(Section { table: table.into_inner(), path: String::new(), at, asked: Vec::new() })
            }
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                self.fault(at, "", error.message());
                None
            }
        }
    }

    /// Notes a fault at a position of the text.
    pub(super) fn fault(&mut self, at: usize, field: &str, message: impl Display) {
        let (name, line) = (self.name, line_of(self.text, at));
        let colon = if field.is_empty() { "" } else { ": " };
        self.faults.push(format!("{name}:{line}: {field}{colon}{message}"));
    }
}

impl<'i> Section<'i> {
    /// The dotted name of a key of this section.
    pub(super) fn field(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where the section starts in the text.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The dotted name of the section itself.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether the key stands there and was not taken yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn remove(&mut self, key: &'static str, file: &mut File<'i>) -> Option<Spanned<DeValue<'i>>> {
        self.asked.push(key);
        let value = self.table.remove(key)?;
        file.offsets.insert(self.field(key), value.span().start);
        Some(value)
    }

    /// Takes a key; absent is `None`, as is a value that does not fit, which is a fault.
    pub(super) fn take<T: DeserializeOwned>(&mut self, key: &'static str, file: &mut File<'i>) -> Option<T> {
        let value = self.remove(key, file)?;
        let at = value.span().start;
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => Some(value),
            Err(error) => {
                let at = error.span().map_or(at, |span| span.start);
                file.fault(at, &self.field(key), error.message());
                None
            }
        }
    }

    /// Takes a key that must be there.
    pub(super) fn require<T: DeserializeOwned>(&mut self, key: &'static str, file: &mut File<'i>) -> Option<T> {
        if !self.table.contains_key(key) {
            self.asked.push(key);
            file.fault(self.at, &self.field(key), "missing required field");
            return None;
        }
        self.take(key, file)
    }

    /// Takes a key that may be absent.
    pub(super) fn or_default<T: DeserializeOwned + Default>(&mut self, key: &'static str, file: &mut File<'i>) -> T {
        self.take(key, file).unwrap_or_default()
    }

    /// Takes a table.
    pub(super) fn section(&mut self, key: &'static str, file: &mut File<'i>) -> Option<Self> {
        let value = self.remove(key, file)?;
        let path = self.field(key);
        Self::of(value, path, file)
    }

    /// Takes a list of tables; absent is empty.
    pub(super) fn sections(&mut self, key: &'static str, file: &mut File<'i>) -> Vec<Self> {
        let Some(value) = self.remove(key, file) else { return Vec::new() };
        let (at, path) = (value.span().start, self.field(key));
        let DeValue::Array(items) = value.into_inner() else {
            file.fault(at, &path, format!("expected a list of tables, [[{path}]]"));
            return Vec::new();
        };
        items
            .into_iter()
            .enumerate()
            .filter_map(|(index, item)| Self::of(item, format!("{path}[{index}]"), file))
            .collect()
    }

    /// All keys as sections of their own, in the file's order.
    pub(super) fn entries(self, file: &mut File<'i>) -> Vec<(String, Self)> {
        let mut entries: Vec<_> = self.table.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            .filter_map(|(key, value)| {
                let key = key.into_inner().into_owned();
                let path = format!("{}.{key}", self.path);
                file.offsets.insert(path.clone(), value.span().start);
                Some((key, Self::of(value, path, file)?))
            })
            .collect()
    }

    fn of(value: Spanned<DeValue<'i>>, path: String, file: &mut File<'i>) -> Option<Self> {
        let at = value.span().start;
        let kind = value.get_ref().type_str();
        if let DeValue::Table(table) = value.into_inner() {
            return Some(Self { table, path, at, asked: Vec::new() });
        }
        file.fault(at, &path, format!("expected a table, got a {kind}"));
        None
    }

    /// Ends the section: every key that nobody took is unknown.
    pub(super) fn finish(self, file: &mut File<'i>) {
        for key in self.table.keys() {
            let hint = match nearest(key.get_ref(), self.asked.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("there are {}", self.asked.join(", ")),
            };
            file.fault(key.span().start, &self.field(key.get_ref()), format!("no such key; {hint}"));
        }
    }
}
