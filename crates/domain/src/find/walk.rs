//! From a name to what has it, over what is known of a look-up.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::directory::Directory;
use super::steps;
use crate::catalog::Resolve;
use crate::look_up::listed_under;
use crate::outcome::{lookup, text_of};

/// Names that are shown where one was not found.
const CANDIDATES_MAX: usize = 5;

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its id.
    Is(String),
    /// Another job makes it: that job's id.
    Made(String),
    /// Nothing has it.
    Nothing(Nothing),
    /// Several have it: their ids.
    Several(Vec<String>),
}

/// Where a name was not found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nothing {
    /// Names that are there instead.
    pub there: Vec<String>,
    /// Of a path, the id of the last that is there; at the top, of what all there are below, if it is one.
    pub below: Option<String>,
    /// Of a path, the names that are not there.
    pub missing: Vec<String>,
}

/// An item of a look-up, as far as names go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its id.
    pub key: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Another name of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<String>,
    /// The id of the one above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<String>,
}

/// What is known of a look-up: the items of a place, if it was asked for.
pub type Known<'k> = &'k dyn Fn(&str) -> Option<Arc<[Listed]>>;

/// The next step to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// This place has to be asked for first.
    Ask(String),
    /// It is known.
    Done(Answer),
}

/// The place of everything that a listing has, or of its top.
pub const TOP: &str = "";

/// The place of what is below one.
pub fn place_below(key: &str) -> String {
    format!("below {key}")
}

/// The place of what has one name.
pub fn place_of(asked: &str) -> String {
    format!("is {asked}")
}

/// What a place is asked with: the id of the one above, `None` at the top.
pub fn parent_of(place: &str) -> Option<&str> {
    place.strip_prefix("below ")
}

/// The name that a place is asked for.
pub fn asked_of(place: &str) -> Option<&str> {
    place.strip_prefix("is ")
}

/// The items of a page; `None` if it has no list where one should be.
pub fn listed(result: &Value, resolve: &Resolve) -> Option<Vec<Listed>> {
    let items = if resolve.items.is_empty() { vec![result] } else { listed_under(result, &resolve.items)? };
    let text = |item: &Value, path: &str| lookup(item, path).and_then(text_of);
    let listed = |item: &Value| {
        let optional = |path: &Option<String>| path.as_deref().and_then(|path| text(item, path));
        let name = if resolve.name.is_empty() { String::new() } else { text(item, &resolve.name).unwrap_or_default() };
        let key = text(item, &resolve.key).filter(|key| !key.is_empty())?;
        Some(Listed { key, name, also: optional(&resolve.also), above: optional(&resolve.above) })
    };
    Some(items.into_iter().filter_map(listed).collect())
}

/// Whether what was asked for is what is listed: letter case does not count, and a number may come with its country's code.
pub fn is_same(asked: &str, listed: &str) -> bool {
    let is_number = |text: &str| text.chars().all(|digit| digit.is_ascii_digit() || digit == '+');
    asked.eq_ignore_ascii_case(listed) || (is_number(asked) && is_number(listed) && listed.ends_with(asked))
}

/// Answers a name, or says what to ask first.
pub fn walk(directory: &Directory, name: &str, known: Known<'_>) -> Step {
    let resolve = &directory.resolve;
    if resolve.is_asked() {
        let asked = resolve.asked(name);
        let place = place_of(&asked);
        let Some(items) = known(&place) else { return Step::Ask(place) };
        let has = |item: &Listed| item.name.is_empty() || is_same(&asked, &item.name);
        return Step::Done(pick(items.iter().filter(|item| has(item)), Nothing::default));
    }
    if resolve.is_tree() { in_tree(resolve, name, known) } else { in_list(name, known) }
}

fn in_list(name: &str, known: Known<'_>) -> Step {
    let Some(items) = known(TOP) else { return Step::Ask(TOP.to_owned()) };
    let name = name.trim();
    let nothing = || Nothing { there: like(name, &items.iter().collect::<Vec<_>>()), ..Nothing::default() };
    Step::Done(pick(items.iter().filter(|item| is_called(item, name)), nothing))
}

/// Follows a path from the top. A listing without a parameter for the one above gives the whole tree at once.
fn in_tree(resolve: &Resolve, path: &str, known: Known<'_>) -> Step {
    let steps = steps(path);
    let mut parent: Option<String> = None;
    for (index, step) in steps.iter().enumerate() {
        let asked = parent.as_deref().filter(|_| resolve.parent.is_some());
        let place = asked.map_or_else(|| TOP.to_owned(), place_below);
        let Some(items) = known(&place) else { return Step::Ask(place) };
        let mut there = below(&items, parent.as_deref());
        // A corp's root has the corp's name, which people leave out.
        if let ([root], None, None) = (there.as_slice(), &parent, &resolve.parent)
            && !is_called(root, step)
        {
            parent = Some(root.key.clone());
            there = below(&items, parent.as_deref());
        }
        let tops = there.iter().map(|item| item.above.clone()).collect::<BTreeSet<_>>();
        let top = if tops.len() == 1 { tops.into_iter().next().flatten() } else { None };
        let missing = steps.get(index..).unwrap_or_default().iter().map(|step| (*step).to_owned());
        let nothing =
            || Nothing { there: like(step, &there), below: parent.clone().or(top), missing: missing.collect() };
        match pick(there.iter().copied().filter(|item| is_called(item, step)), nothing) {
            Answer::Is(id) => parent = Some(id),
            other @ (Answer::Made(_) | Answer::Nothing(_) | Answer::Several(_)) => return Step::Done(other),
        }
    }
    Step::Done(parent.map_or_else(|| Answer::Nothing(Nothing::default()), Answer::Is))
}

/// The items directly below one, of a listing that may give the whole tree; below none, those whose parent is not listed.
fn below<'i>(items: &'i [Listed], parent: Option<&str>) -> Vec<&'i Listed> {
    let is_listed = |key: &str| items.iter().any(|item| item.key == key);
    let is_below = |item: &&Listed| match (item.above.as_deref(), parent) {
        (Some(above), Some(parent)) => above == parent,
        (Some(above), None) => !is_listed(above),
        (None, _) => true,
    };
    items.iter().filter(is_below).collect()
}

fn is_called(item: &Listed, name: &str) -> bool {
    item.name.trim() == name || item.also.as_deref().is_some_and(|also| also.trim() == name)
}

fn pick<'i>(found: impl Iterator<Item = &'i Listed>, nothing: impl FnOnce() -> Nothing) -> Answer {
    let mut keys: Vec<String> = found.map(|item| item.key.clone()).collect();
    keys.dedup();
    match keys.len() {
        0 => Answer::Nothing(nothing()),
        1 => Answer::Is(keys.remove(0)),
        _ => Answer::Several(keys),
    }
}

/// Names that are there, in order, those first that are like the one that is not.
fn like(name: &str, items: &[&Listed]) -> Vec<String> {
    let mut others: Vec<String> = items.iter().map(|item| item.name.clone()).collect();
    others.sort_unstable();
    others.sort_by_key(|other| !(other.contains(name) || name.contains(other.as_str())));
    others.truncate(CANDIDATES_MAX);
    others
}
