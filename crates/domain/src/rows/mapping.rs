//! A map file: which column of a table is which parameter, where the headings do not say it.
//!
//! Besides columns it has constants, texts put together of several columns, words for values, and columns that say nothing
//! of the job. `csv.rs` adds what it makes up to each row, behind the columns of the file.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::column::Target;
use super::heading::{Headings, normal};
use super::{FileFault, Input};
use crate::catalog::nearest;
use crate::messages::{HeaderTrouble, Rule};

/// What a map file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    name: String,
    ignored: Vec<Entry<()>>,
    /// Heading → parameter.
    columns: Vec<Entry<String>>,
    /// Parameter → value.
    constants: Vec<Entry<String>>,
    /// Parameter → text.
    templates: Vec<Entry<Template>>,
    /// Parameter → what is written for a value, and the value.
    words: Vec<Entry<Vec<(String, String)>>>,
}

/// A key of the map file with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry<T> {
    line: u64,
    key: String,
    value: T,
}

/// A text with the names of columns in braces.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Column(String),
}

/// The file as TOML has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    #[serde(default)]
    ignored: Vec<Spanned<String>>,
    #[serde(default)]
    columns: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    constants: BTreeMap<Spanned<String>, Scalar>,
    #[serde(default)]
    templates: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    words: BTreeMap<Spanned<String>, BTreeMap<String, Scalar>>,
}

/// A value as a cell would have it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Whole(i64),
    Fraction(f64),
    Bool(bool),
}

impl fmt::Display for Scalar {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => out.write_str(text),
            Self::Whole(number) => write!(out, "{number}"),
            Self::Fraction(number) => write!(out, "{number}"),
            Self::Bool(is) => write!(out, "{is}"),
        }
    }
}

/// What a mapping makes of a file's columns.
#[derive(Default)]
pub(super) struct Mapped {
    /// What each column of the file is, where the mapping says it.
    pub(super) targets: Vec<Option<Target>>,
    /// What is added behind them.
    pub(super) added: Vec<Added>,
    pub(super) faults: Vec<FileFault>,
}

/// A column that is not in the file.
#[derive(Debug)]
pub(super) struct Added {
    pub(super) target: Target,
    /// How faults call it.
    pub(super) heading: String,
    line: u64,
    parts: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    /// The cell of this column.
    Cell(usize),
}

impl Added {
    /// Its cell in a row; empty if all cells that it is made of are.
    pub(super) fn cell(&self, cells: &[&str]) -> String {
        let cell = |index: &usize| cells.get(*index).map_or("", |cell| cell.trim());
        let is_used = |piece: &Piece| matches!(piece, Piece::Cell(index) if !cell(index).is_empty());
        let has_cells = self.parts.iter().any(|piece| matches!(piece, Piece::Cell(_)));
        if has_cells && !self.parts.iter().any(is_used) {
            return String::new();
        }
        let texts = self.parts.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Cell(index) => cell(index),
        });
        texts.collect()
    }
}

impl Mapping {
    /// Reads a map file.
    ///
    /// # Errors
    /// Every fault with its line.
    pub fn read(name: &str, text: &str) -> Result<Self, Vec<FileFault>> {
        let mut mapping = Self { name: name.to_owned(), ..Self::default() };
        let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() as u64 + 1;
        let draft: Draft = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            vec![mapping.fault(line(at), HeaderTrouble::TomlBroken { error: error.message().to_owned() })]
        })?;
        let mut faults = Vec::new();
        for (key, value) in draft.templates {
            let (line, key) = (line(key.span().start), key.into_inner());
            match Template::read(value.get_ref()) {
                Ok(value) => mapping.templates.push(Entry { line, key, value }),
                Err(why) => faults.push(mapping.fault(line, Rule::of_entry(format!("templates.{key}"), why))),
            }
        }
        let named = |key: Spanned<String>| (line(key.span().start), key.into_inner());
        mapping.ignored =
            draft.ignored.into_iter().map(named).map(|(line, key)| Entry { line, key, value: () }).collect();
        let columns = draft.columns.into_iter().map(|(key, value)| (named(key), value.into_inner()));
        mapping.columns = columns.map(|((line, key), value)| Entry { line, key, value }).collect();
        let constants = draft.constants.into_iter().map(|(key, value)| (named(key), value.to_string()));
        mapping.constants = constants.map(|((line, key), value)| Entry { line, key, value }).collect();
        let words = draft.words.into_iter().map(|(key, words)| {
            let words = words.into_iter().map(|(word, value)| (normal(&word), value.to_string())).collect();
            (named(key), words)
        });
        mapping.words = words.map(|((line, key), value)| Entry { line, key, value }).collect();
        if faults.is_empty() { Ok(mapping) } else { Err(faults) }
    }

    /// What the mapping makes of a header. `meant` tells what a name of a parameter is, or why it is none.
    pub(super) fn of_header(&self, header: &[String], headings: &Headings) -> Mapped {
        let mut mapped = Mapped { targets: vec![None; header.len()], added: Vec::new(), faults: Vec::new() };
        let mut missing = Vec::new();
        let mut index = |line: u64, heading: &str| {
            let found = header.iter().position(|known| known == heading);
            if found.is_none() {
                missing.push((line, heading.to_owned()));
            }
            found
        };
        for entry in &self.ignored {
            if let Some(index) = index(entry.line, &entry.key) {
                mapped.targets[index] = Some(Target::Ignored);
            }
        }
        for entry in &self.columns {
            if let Some(index) = index(entry.line, &entry.key) {
                mapped.targets[index] = Some(target(&entry.value, headings));
            }
        }
        for entry in &self.constants {
            let parts = vec![Piece::Text(entry.value.clone())];
            mapped.added.push(self.added(entry.line, &entry.key, parts, headings));
        }
        for entry in &self.templates {
            let piece = |part: &Part| match part {
                Part::Text(text) => Some(Piece::Text(text.clone())),
                Part::Column(heading) => index(entry.line, heading).map(Piece::Cell),
            };
            let parts: Vec<_> = entry.value.0.iter().filter_map(piece).collect();
            mapped.added.push(self.added(entry.line, &entry.key, parts, headings));
        }
        for (line, heading) in missing {
            let near = nearest(&heading, header.iter().map(String::as_str)).map(str::to_owned);
            let trouble = match near {
                None => HeaderTrouble::FileWithoutColumn { heading },
                Some(near) => HeaderTrouble::FileWithoutColumnBut { heading, near },
            };
            mapped.faults.push(self.fault(line, trouble));
        }
        mapped.use_up();
        mapped
    }

    /// The words for the values of a parameter's column.
    pub(super) fn words(&self, target: &Target, headings: &Headings) -> Option<&[(String, String)]> {
        let entry = self.words.iter().find(|entry| self::target(&entry.key, headings) == *target)?;
        Some(&entry.value)
    }

    /// Words for the values of what no column gives, each with its fault.
    pub(super) fn unused_words(&self, targets: &[Target], headings: &Headings) -> Vec<FileFault> {
        let is_unused = |entry: &&Entry<_>| !targets.contains(&target(&entry.key, headings));
        let fault = |entry: &Entry<_>| {
            self.fault(entry.line, Rule::of_entry(format!("words.{}", entry.key), HeaderTrouble::NothingGives))
        };
        self.words.iter().filter(is_unused).map(fault).collect()
    }

    /// A fault of a column that the mapping adds.
    pub(super) fn fault_of(&self, added: &Added, why: impl Into<Rule>) -> FileFault {
        self.fault(added.line, Rule::of_entry(added.target.field(), why))
    }

    /// The files' own names for what the mapping needs: nobody else may say something of them.
    fn added(&self, line: u64, name: &str, parts: Vec<Piece>, headings: &Headings) -> Added {
        Added { target: target(name, headings), heading: format!("{name}, by {}", self.name), line, parts }
    }

    fn fault(&self, line: u64, message: impl Into<Rule>) -> FileFault {
        FileFault { file: self.name.clone(), line, column: None, message: message.into() }
    }
}

impl Mapped {
    /// Columns that stand in a template need not be anything else.
    fn use_up(&mut self) {
        for piece in self.added.iter().flat_map(|added| &added.parts) {
            if let Piece::Cell(index) = piece
                && let Some(target @ None) = self.targets.get_mut(*index)
            {
                *target = Some(Target::Ignored);
            }
        }
    }
}

impl Template {
    fn read(text: &str) -> Result<Self, HeaderTrouble> {
        let form = || "{column}".to_owned();
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (column, behind) =
                behind.split_once('}').ok_or_else(|| HeaderTrouble::ColumnNotClosed { form: form() })?;
            if column.trim().is_empty() {
                return Err(HeaderTrouble::ColumnExpected);
            }
            parts.extend((!before.is_empty()).then(|| Part::Text(before.to_owned())));
            parts.push(Part::Column(column.trim().to_owned()));
            rest = behind;
        }
        parts.extend((!rest.is_empty()).then(|| Part::Text(rest.to_owned())));
        let has_columns = parts.iter().any(|part| matches!(part, Part::Column(_)));
        if has_columns { Ok(Self(parts)) } else { Err(HeaderTrouble::NoColumnInText { form: form() }) }
    }
}

/// What a name in the map file means: a parameter by its name or its alias, or a field of the job.
fn target(name: &str, headings: &Headings) -> Target {
    match (Target::of(name), headings.find(name).as_slice()) {
        (Target::Param(..), [called]) => Target::of(&called.column),
        (target, _) => target,
    }
}

/// A word of the map as the value of a column that reads cells so.
pub(super) fn values(words: &[(String, String)], read: impl Fn(&str) -> Value) -> Vec<(String, Value)> {
    words.iter().map(|(word, value)| (word.clone(), read(value))).collect()
}

/// The mapping of a file's layout.
pub(super) fn of(input: &Input) -> Option<&Mapping> {
    input.layout.mapping.as_deref()
}
