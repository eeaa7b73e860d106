//! Who changed what: the facts of the trail that the ledger keeps of people's changes. Pure.
//!
//! What it never holds: secrets, and the values of jobs' parameters.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, Value};

/// Ids that one change names; it has their number, too.
const IDS_MAX: usize = 20;

/// By what way somebody changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// A command on the ledger's machine.
    Command,
    /// The admin server.
    Http,
    /// A signal to the worker.
    Signal,
}

impl Via {
    /// The word that the ledger keeps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Http => "http",
            Self::Signal => "signal",
        }
    }
}

/// Somebody who changes something, by one change of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// By what way.
    pub via: Via,
    /// The user of the operating system, or the token's name.
    pub name: String,
    /// The user's id, for commands.
    pub uid: Option<u32>,
    /// Tells this change from others: a large one is many transactions.
    pub change: i64,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Jobs of a file or over HTTP were accepted.
    Submit,
    /// Deletions of what jobs created were ordered.
    Undo,
    /// Dead letters went back to work.
    Redrive,
    /// Dead letters were corrected.
    Edit,
    /// Dead letters were forgotten.
    Drop,
    /// Queued jobs were cancelled.
    Cancel,
    /// What became of held jobs was said.
    Resolve,
    /// An app or a lane was suspended.
    Suspend,
    /// It goes on.
    Resume,
    /// The ledger has a new key.
    Rekey,
    /// The ledger was carried to this place.
    Copy,
    /// The worker read its settings again.
    Reload,
}

impl Action {
    /// Every action, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Submit,
        Self::Undo,
        Self::Redrive,
        Self::Edit,
        Self::Drop,
        Self::Cancel,
        Self::Resolve,
        Self::Suspend,
        Self::Resume,
        Self::Rekey,
        Self::Copy,
        Self::Reload,
    ];

    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Undo => "undo",
            Self::Redrive => "redrive",
            Self::Edit => "edit",
            Self::Drop => "drop",
            Self::Cancel => "cancel",
            Self::Resolve => "resolve",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Rekey => "rekey",
            Self::Copy => "copy",
            Self::Reload => "reload",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|action| action.as_str() == text);
        found.ok_or_else(|| format!("no such action {text:?}; there are {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// A change that is to be told of in the transaction that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// Who.
    pub by: By,
    /// What.
    pub action: Action,
    /// Of which: names and words, no values of parameters.
    pub facts: Facts,
}

/// Which things a change is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(pub Map<String, Value>);

impl Facts {
    /// These ids, the first of them.
    pub fn ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        Self::default().list("ids", ids)
    }

    /// And this, unless it is empty.
    #[must_use]
    pub fn text(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }

    /// And these, the first of them, unless there are none.
    #[must_use]
    pub fn list<'a>(mut self, name: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        let values: Vec<Value> = values.into_iter().take(IDS_MAX).map(Value::from).collect();
        if !values.is_empty() {
            self.0.insert(name.to_owned(), values.into());
        }
        self
    }

    /// And this number.
    #[must_use]
    pub fn number(mut self, name: &str, value: i64) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Adds what a later transaction of the same change names: further ids.
    pub fn absorb(&mut self, later: Self) {
        for (name, value) in later.0 {
            match (self.0.get_mut(&name), value) {
                (Some(Value::Array(known)), Value::Array(more)) => {
                    for item in more {
                        if known.len() < IDS_MAX && !known.contains(&item) {
                            known.push(item);
                        }
                    }
                }
                (Some(_), _) => {}
                (None, value) => {
                    self.0.insert(name, value);
                }
            }
        }
    }
}

impl fmt::Display for Facts {
    /// `batch hq-move; ids a, b`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let words = match value.as_array() {
                Some(items) => items.iter().map(word).collect::<Vec<_>>().join(", "),
                None => word(value),
            };
            write!(out, "{}{name} {words}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_action_is_read_as_it_is_written() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(action));
            assert_eq!(json!(action), action.as_str());
        }
        assert!("Redrive".parse::<Action>().unwrap_err().contains("there are submit, undo, redrive"));
    }

    #[test]
    fn a_change_names_twenty_ids_whatever_it_is_about() {
        let many: Vec<_> = (0..1_000).map(|n| n.to_string()).collect();
        let mut facts = Facts::ids(many.iter().take(15).map(String::as_str)).text("batch", "b").text("app", "");
        facts.absorb(Facts::ids(many.iter().map(String::as_str)).text("batch", "c").number("code", 7));
        assert_eq!(facts.0["ids"].as_array().unwrap().len(), 20);
        assert_eq!((&facts.0["batch"], &facts.0["code"], facts.0.get("app")), (&json!("b"), &json!(7), None));
        assert_eq!(Facts::ids(["a", "b"]).text("batch", "m").to_string(), "batch m; ids a, b");
    }
}
