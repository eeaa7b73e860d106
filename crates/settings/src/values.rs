//! What each key says, as text: by it two readings of the settings are compared.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

use super::draft::Draft;
use super::key::{Key, Reload};
use super::keys;
use super::kind::Kind;
use super::tree::Raw;
use super::url::masked;

/// How much of a hash is enough to tell it from another.
const HASH_CHARS_SHOWN: usize = 15;

/// The values of all keys but those whose changes are told apart.
#[derive(Clone, Debug)]
pub(crate) struct Values(BTreeMap<&'static str, Value>);

/// What a key says; its `Debug` and its `Display` show no secret.
#[derive(Clone)]
pub(crate) struct Value {
    shown: String,
    /// What a file or a secret holds, beside what is shown of it.
    contents: Vec<SecretString>,
}

impl Values {
    /// Those of settings that have been read.
    pub(crate) fn of(draft: &Draft<'_>) -> Self {
        let compared = keys::all().filter(|key| key.reload != Reload::Apart);
        Self(compared.map(|key| (key.path, Value::of(draft, key))).collect())
    }

    /// What a key says, unless its changes are told apart.
    pub(crate) fn get(&self, key: &Key) -> Option<&Value> {
        self.0.get(key.path)
    }
}

impl Value {
    /// What is said below a name of the user's stands with that name.
    fn of(draft: &Draft<'_>, key: &Key) -> Self {
        let chosen = key.path.split('.').position(|name| name == "*");
        let mut paths: Vec<_> =
            draft.tree.leaves.keys().filter(|path| keys::matches(key.path, path, false)).cloned().collect();
        if chosen.is_none() {
            paths = vec![key.path.split('.').map(str::to_owned).collect()];
        }
        let each = paths.iter().filter_map(|path| {
            let shown = shown(draft, key, path)?;
            Some(chosen.map_or_else(|| shown.clone(), |at| format!("{} {shown}", path[at])))
        });
        let each: Vec<_> = each.collect();
        let absent = if key.kind == Kind::Patterns { "any" } else { "none" };
        Self {
            shown: if each.is_empty() { key.default.unwrap_or(absent).to_owned() } else { each.join(", ") },
            contents: paths.iter().filter_map(|path| content(draft, key, path)).collect(),
        }
    }
}

/// What the value stands for where it is not shown whole.
fn content(draft: &Draft<'_>, key: &Key, path: &[String]) -> Option<SecretString> {
    if key.kind == Kind::Hash {
        return draft.leaf(path)?.raw.as_text().map(Into::into);
    }
    draft.contents.get(path).cloned()
}

/// What may be shown of a value, if there is one.
fn shown(draft: &Draft<'_>, key: &Key, path: &[String]) -> Option<String> {
    let text = draft.leaf(path).and_then(|leaf| leaf.raw.as_text().map(str::to_owned));
    if let Some(url) = text.filter(|_| key.kind == Kind::StoreUrl) {
        return Some(if url.starts_with("sqlite:") { url } else { masked(&url) });
    }
    if key.kind.takes_reference() {
        return draft.is_given(path).then(|| "one (not shown)".to_owned());
    }
    let text = match draft.leaf(path)?.raw {
        Raw::Variable(text) if matches!(key.kind, Kind::Whole(..)) => text.trim().replace('_', ""),
        Raw::Variable(text) if key.kind == Kind::Patterns => {
            text.split(',').map(str::trim).collect::<Vec<_>>().join(", ")
        }
        Raw::Text(text) | Raw::Variable(text) => text,
        Raw::Whole(number) => number.to_string(),
        Raw::Fraction(number) => number.to_string(),
        Raw::Bool(flag) => flag.to_string(),
        Raw::List(list) => list.join(", "),
        Raw::Numbers(list) => format!("{list:?}"),
        Raw::Other(what) => what.to_owned(),
    };
    Some(match (key.kind, draft.contents.get(path)) {
        (Kind::Hash, _) => text.chars().take(HASH_CHARS_SHOWN).collect(),
        // A file, and which of its states.
        (Kind::Path, Some(content)) => format!("{text} ({})", digest(content)),
        _ => text,
    })
}

/// The beginning of one: enough to tell a file from its successor.
fn digest(content: &SecretString) -> String {
    let digest = Sha256::digest(content.expose_secret());
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        let contents = self.contents.iter().map(ExposeSecret::expose_secret);
        self.shown == other.shown && contents.eq(other.contents.iter().map(ExposeSecret::expose_secret))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.shown)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown)
    }
}
