//! Reads typed values out of a [`Tree`], with the defaults of the list of keys, and collects faults on the way.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::fault::{Fault, Place};
use super::field::Field as _;
use super::key::Key;
use super::keys;
use super::kind::Kind;
use super::tree::{Leaf, Raw, Tree};

/// Reads a file of text; the one way in which settings touch the disk.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&Path, As) -> io::Result<String>;

/// What a file is read as: that decides who else may read and write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum As {
    /// Named by the user: settings, or something that is no secret.
    Named,
    /// Settings that lie in the present folder.
    Found,
    /// A secret.
    Secret,
}

/// Settings on their way from text to types.
pub(crate) struct Draft<'a> {
    /// What was given.
    pub tree: Tree,
    /// The environment.
    pub variables: BTreeMap<String, String>,
    /// The disk.
    pub read_file: ReadFile<'a>,
    /// Whether secrets are read; without, they are empty.
    pub with_secrets: bool,
    /// What the files and secrets hold that keys refer to, by the key's path.
    pub contents: BTreeMap<Vec<String>, SecretString>,
    /// What was found wrong so far.
    pub faults: Vec<Fault>,
}

/// A dotted path as its names.
pub(crate) fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

impl Draft<'_> {
    /// Adds a fault of the value at `path`.
    pub(crate) fn fault(&mut self, path: &[String], message: impl Into<String>) {
        let place = self.place(path);
        self.faults.push(Fault { place, field: path.join("."), message: message.into() });
    }

    /// Where the value stands, or else the nearest table around it.
    pub(crate) fn place(&self, path: &[String]) -> Place {
        if let Some(leaf) = self.tree.leaves.get(path) {
            return leaf.place.clone();
        }
        let around = (1..=path.len()).rev().find_map(|length| self.tree.tables.get(&path[..length]));
        around.cloned().unwrap_or(Place::Nowhere)
    }

    /// The value at `path`, if one was given.
    pub(crate) fn leaf(&self, path: &[String]) -> Option<Leaf> {
        self.tree.leaves.get(path).cloned()
    }

    /// The value of a key, its default if absent.
    fn raw(&self, key: &Key, path: &[String]) -> Raw {
        self.leaf(path).map_or_else(|| Raw::Variable(key.default.unwrap_or_default().to_owned()), |leaf| leaf.raw)
    }

    /// "expected …, got …" with the value unless it is sensitive.
    pub(crate) fn expected(&mut self, path: &[String], kind: Kind, raw: &Raw) {
        let got = if kind.is_sensitive() { "something else".to_owned() } else { shown(raw) };
        self.fault(path, format!("expected {kind}, got {got}"));
    }

    /// Text of a key, its default if absent.
    pub(crate) fn text(&mut self, path: &[String]) -> Option<String> {
        let key = keys::find(path)?;
        let Some(leaf) = self.leaf(path) else { return key.default.map(str::to_owned) };
        let fits = |text: &str| match key.kind {
            Kind::TextOrEmpty | Kind::Path | Kind::Listen => true,
            Kind::OneOf(words) => words.contains(&text),
            Kind::Text
            | Kind::Whole(..)
            | Kind::Share
            | Kind::Part
            | Kind::Bool
            | Kind::StoreUrl
            | Kind::BrokerUrl
            | Kind::BrokerUrls
            | Kind::BaseUrl
            | Kind::Secret
            | Kind::Hash
            | Kind::Command
            | Kind::Patterns
            | Kind::Codes
            | Kind::Quota => !text.trim().is_empty(),
        };
        let text = leaf.raw.as_text().filter(|text| fits(text)).map(str::to_owned);
        if text.is_none() {
            self.expected(path, key.kind, &leaf.raw);
        }
        text
    }

    /// A whole number within its key's bounds; 0 after a fault.
    pub(crate) fn whole(&mut self, dotted: &str) -> u64 {
        self.whole_at(&path(dotted))
    }

    /// The same, of a path whose names may hold dots.
    pub(crate) fn whole_at(&mut self, path: &[String]) -> u64 {
        let Some(key) = keys::find(path) else { return 0 };
        let Kind::Whole(min, max) = key.kind else { return 0 };
        let raw = self.raw(key, path);
        let number = match &raw {
            Raw::Whole(number) => u64::try_from(*number).ok(),
            Raw::Variable(text) => text.trim().replace('_', "").parse().ok(),
            Raw::Text(_) | Raw::Fraction(_) | Raw::Bool(_) | Raw::List(_) | Raw::Numbers(_) | Raw::Other(_) => None,
        };
        number.filter(|number| (min..=max).contains(number)).unwrap_or_else(|| {
            self.expected(path, key.kind, &raw);
            0
        })
    }

    /// A fraction within its key's bounds; 1 after a fault.
    pub(crate) fn share(&mut self, path: &[String]) -> f64 {
        let Some(key) = keys::find(path) else { return 1.0 };
        let max = if key.kind == Kind::Part { 1.0_f64.next_down() } else { 1.0 };
        let raw = self.raw(key, path);
        let share = match &raw {
            Raw::Fraction(share) => Some(*share),
            Raw::Whole(share) => Some(*share as f64),
            Raw::Variable(text) => text.trim().parse().ok(),
            Raw::Text(_) | Raw::Bool(_) | Raw::List(_) | Raw::Numbers(_) | Raw::Other(_) => None,
        };
        share.filter(|share| *share > 0.0 && *share <= max).unwrap_or_else(|| {
            self.expected(path, key.kind, &raw);
            1.0
        })
    }

    /// `true` or `false`; `false` after a fault.
    pub(crate) fn flag(&mut self, path: &[String]) -> bool {
        let Some(key) = keys::find(path) else { return false };
        let raw = self.raw(key, path);
        let flag = match &raw {
            Raw::Bool(flag) => Some(*flag),
            Raw::Variable(text) => text.trim().parse().ok(),
            Raw::Text(_) | Raw::Whole(_) | Raw::Fraction(_) | Raw::List(_) | Raw::Numbers(_) | Raw::Other(_) => None,
        };
        flag.unwrap_or_else(|| {
            self.expected(path, key.kind, &raw);
            false
        })
    }

    /// A list of texts, `None` if absent or wrong; in a variable they stand with commas between them.
    pub(crate) fn list(&mut self, path: &[String]) -> Option<Vec<String>> {
        let (key, leaf) = (keys::find(path)?, self.leaf(path)?);
        let list = match &leaf.raw {
            Raw::List(list) => Some(list.clone()),
            Raw::Variable(text) => Some(text.split(',').map(|item| item.trim().to_owned()).collect()),
            Raw::Text(_) | Raw::Whole(_) | Raw::Fraction(_) | Raw::Bool(_) | Raw::Numbers(_) | Raw::Other(_) => None,
        };
        let list = list.filter(|list| list.iter().all(|item| !item.is_empty()));
        if list.is_none() {
            self.expected(path, key.kind, &leaf.raw);
        }
        list
    }

    /// A list of whole numbers, empty if absent or wrong; in a variable they stand with commas between them.
    pub(crate) fn codes(&mut self, path: &[String]) -> Vec<i64> {
        let (Some(key), Some(leaf)) = (keys::find(path), self.leaf(path)) else { return Vec::new() };
        let codes = match &leaf.raw {
            Raw::Numbers(codes) => Some(codes.clone()),
            Raw::Variable(text) => text.split(',').map(|code| code.trim().parse().ok()).collect(),
            Raw::Text(_) | Raw::Whole(_) | Raw::Fraction(_) | Raw::Bool(_) | Raw::List(_) | Raw::Other(_) => None,
        };
        codes.unwrap_or_else(|| {
            self.expected(path, key.kind, &leaf.raw);
            Vec::new()
        })
    }

    /// A path, `None` if absent or empty.
    pub(crate) fn file_path(&mut self, dotted: &str) -> Option<PathBuf> {
        Option::<PathBuf>::read(self, dotted)
    }

    /// The text of a key's file of PEM certificates.
    pub(crate) fn certificates(&mut self, dotted: &str, file: &Path) -> Option<String> {
        let message = match (self.read_file)(file, As::Named) {
            Ok(pem) if pem.contains("-----BEGIN CERTIFICATE-----") => {
                self.contents.insert(path(dotted), pem.clone().into());
                return Some(pem);
            }
            Ok(_) => format!("expected PEM certificates in {}, found none", file.display()),
            Err(error) => format!("{} cannot be read: {error}", file.display()),
        };
        self.fault(&path(dotted), message);
        None
    }

    /// Whether a secret was given, in whatever way.
    pub(crate) fn is_given(&self, path: &[String]) -> bool {
        self.tree.leaves.contains_key(path) || self.tree.tables.contains_key(path)
    }
}

/// A value as a message shows it.
pub(crate) fn shown(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) | Raw::Variable(text) => format!("{text:?}"),
        Raw::Whole(number) => number.to_string(),
        Raw::Fraction(number) => number.to_string(),
        Raw::Bool(flag) => flag.to_string(),
        Raw::List(list) => format!("{list:?}"),
        Raw::Numbers(list) => format!("{list:?}"),
        Raw::Other(what) => (*what).to_owned(),
    }
}
