//! What becomes of a call of which nobody knows whether it was applied, and how what a method makes is deleted, changed and
//! read.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How an uncertain call is treated.
#[derive(Clone, Debug)]
pub enum Creation {
    /// Reading, deleting, setting: sending it again does no harm.
    Natural,
    /// A look-up tells whether it happened.
    LookUp(Box<LookUp>),
    /// The platform takes a key and creates one object for it, however often it is sent.
    IdempotencyKey(Box<IdempotencyKey>),
    /// Nothing can tell: a person decides.
    None,
}

/// The parameter that makes a repeated create harmless.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// Its dotted name, e.g. `query.idempotency_key`.
    pub field: String,
    /// How to find out whether the create happened; it comes before another call.
    pub look_up: Option<LookUp>,
}

impl Creation {
    /// The word used in the catalog's files.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Natural => "natural",
            Self::LookUp(_) => "look-up",
            Self::IdempotencyKey(_) => "idempotency-key",
            Self::None => "none",
        }
    }

    /// The look-up that tells whether a create happened, if there is one.
    pub const fn look_up(&self) -> Option<&LookUp> {
        match self {
            Self::LookUp(look_up) => Some(look_up),
            Self::IdempotencyKey(by_key) => by_key.look_up.as_ref(),
            Self::Natural | Self::None => None,
        }
    }

    /// Lets new objects be listed so late; `false` if nothing is looked up.
    pub fn set_delay(&mut self, delay: Duration) -> bool {
        let look_up = match self {
            Self::LookUp(look_up) => Some(&mut **look_up),
            Self::IdempotencyKey(by_key) => by_key.look_up.as_mut(),
            Self::Natural | Self::None => None,
        };
        look_up.map(|look_up| look_up.delay = delay).is_some()
    }

    /// Whether nothing but a person can tell what became of an uncertain call.
    pub const fn is_blind(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether an uncertain call may be sent again at once: it does no harm, or the platform drops the second one.
    pub const fn is_repeatable(&self) -> bool {
        match self {
            Self::Natural => true,
            Self::IdempotencyKey(by_key) => by_key.look_up.is_none(),
            Self::LookUp(_) | Self::None => false,
        }
    }
}

/// How what a method creates is deleted again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// A method of kind job.
    pub method: String,
    /// Its parameter that takes the object's id, dotted: `path.room_id`.
    pub param: String,
    /// Its other parameters, from the creating job: dotted name → template (`$path.calendar_id`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
}

/// How what a method created is changed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// A method of kind job.
    pub method: String,
    /// Its parameter that takes the object's id, dotted: `path.room_id`.
    pub param: String,
    /// Parameters that are sent together, if one of them changed: `[["body.city", "body.floor"]]`.
    #[serde(default)]
    pub together: Vec<Vec<String>>,
}

/// A listing as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// Dotted path of the list inside the result; it may step into lists.
    pub items: String,
    /// The method whose parameters the columns are: what is read can be edited and run.
    pub feeds: String,
    /// Column → dotted path inside an item, where they differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
    /// Parameters of the listing that a reading has unless it is told others: dotted name → value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
    /// How to get the next page.
    pub next: Option<NextPage>,
}

/// A create that a method undoes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undoes {
    /// The create.
    pub method: String,
    /// The parameter of the undoing method that holds the object's id.
    pub param: String,
}

/// How to find out whether a create happened: page through a listing and compare.
///
/// Values are templates: a string that starts with `$` refers to the job (`$id`, `$body.title`, `$path.x`), to the
/// listed item (`$item`, `$item.field`), anything else is literal.
#[derive(Clone, Debug)]
pub struct LookUp {
    /// Written into an absent parameter of the create, so that there is something to compare: name → template.
    pub mark: BTreeMap<String, String>,
    /// How long the platform may take until a new object is listed.
    pub delay: Duration,
    /// The listing, a method of kind look-up.
    pub method: String,
    /// Parameters of the listing: dotted name (`query.page_size`) → template.
    pub params: BTreeMap<String, Value>,
    /// Of these, lower bounds: the least of several jobs' values serves them all.
    pub least: Vec<String>,
    /// Dotted path of the items inside the result; it may step into lists.
    pub items: String,
    /// How to get the next page.
    pub next: Option<NextPage>,
    /// A list among the create's parameters of which one call makes an object each: all of them are compared, as `$each`.
    pub each: Option<String>,
    /// What the call brings about is a state and nobody's own object: it does not matter who brought it about.
    pub state: bool,
    /// A second call for each item, when the listing has ids only.
    pub detail: Option<Detail>,
    /// Dotted field of the item → template that it must equal; an absent field equals an absent or empty value.
    pub matches: BTreeMap<String, Value>,
    /// Compared as well where the create carries no mark.
    pub unmarked: BTreeMap<String, Value>,
    /// Dotted field of the item → values that it must not have (`none_of` in `matches`): what shows one of them is
    /// nobody's object, because it is cancelled or deleted. An absent field passes.
    pub never: BTreeMap<String, Vec<Value>>,
    /// The same where the create carries no mark (`none_of` in `unmarked`).
    pub unmarked_never: BTreeMap<String, Vec<Value>>,
    /// Parameters of the create whose longer texts a listing may cut, and from how many bytes on: jobs with one are not
    /// looked up.
    pub cut_beyond: BTreeMap<String, usize>,
    /// Dotted path of the object's id inside the item; empty when the item is the id.
    pub key: String,
}

/// How a listing is paged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NextPage {
    /// Dotted path of the next page's token inside the result; no token, no further page. Empty where `param` counts the
    /// items that were listed before: an empty page is then the last.
    #[serde(default)]
    pub token: String,
    /// Dotted path of a boolean that says whether there is more; empty if there is none.
    #[serde(default)]
    pub more: String,
    /// The parameter that takes the token, e.g. `query.page_token`.
    pub param: String,
}

/// A call that fetches one listed item.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Detail {
    /// A method of kind look-up.
    pub method: String,
    /// Its parameters: dotted name → template.
    pub params: BTreeMap<String, Value>,
    /// Dotted path of the item inside its result; empty for the whole.
    #[serde(default)]
    pub item: String,
}
