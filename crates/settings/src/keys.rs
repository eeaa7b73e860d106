//! Looks keys up in the [`table`](super::table): whether a path is one, or a table that holds some.

use super::key::Key;
use super::table::SECTIONS;

/// The key that bounds a message or line, which its refusal names.
pub const BODY_BYTES_MAX: &str = paceline_domain::decode::BODY_BYTES_MAX;

/// Every key there is, in the order of `config/paceline.toml`.
pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    SECTIONS.into_iter().flat_map(|section| section.keys)
}

/// The key of a path, if there is one.
pub fn find(path: &[String]) -> Option<&'static Key> {
    all().find(|key| matches(key.path, path, false))
}

/// Whether the path is a table that holds keys.
pub fn is_table(path: &[String]) -> bool {
    all().any(|key| matches(key.path, path, true))
}

/// The names that could stand as the last part of a path, for "did you mean".
pub(crate) fn siblings(path: &[String]) -> Vec<&'static str> {
    let Some((_, parents)) = path.split_last() else { return Vec::new() };
    let mut names: Vec<_> = all()
        .filter(|key| parents.is_empty() || matches(key.path, parents, true))
        .filter_map(|key| key.path.split('.').nth(parents.len()))
        .filter(|name| *name != "*")
        .collect();
    names.dedup();
    names
}

/// Whether `path` fits the pattern whole, or as a proper prefix of it.
pub(crate) fn matches(pattern: &str, path: &[String], as_prefix: bool) -> bool {
    let mut parts = pattern.split('.');
    let fits = path.iter().all(|name| parts.next().is_some_and(|part| part == "*" || part == name));
    fits && parts.next().is_some() == as_prefix
}

#[cfg(test)]
mod tests;
