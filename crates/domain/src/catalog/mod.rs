//! The catalog: everything the program knows about a method, read from one file a method.
//!
//! `config/platforms/*.toml` and `config/methods/*.toml` are compiled in; a directory named in the settings extends
//! or overrides them. [`Catalog::extend`] refuses a file with any fault, naming file, line and field.

mod check;
mod code;
mod creation;
mod cross;
mod file;
mod limits;
mod links;
mod load;
mod pattern;
mod probing;
mod read;
mod request;
mod resolve;
mod rule;
mod sample;
mod schema;
mod show;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use check::nearest;
pub(crate) use check::{At, got, shortened, shown, shown_text};
pub use code::{Action, ErrorRule, SuspendScope, ThrottleScope};
pub use creation::{Creation, Detail, IdempotencyKey, LookUp, NextPage, Read, Undo, Undoes, Update};
pub use load::{CatalogError, Source as CatalogSource, built_in, load};
pub use pattern::Pattern;
pub use request::RequestExample;
pub use resolve::{Create, Resolve};
pub use rule::{Period, Rule, RuleKind};
pub use schema::{Format as SchemaFormat, Kind as SchemaKind, Number, Schema, Wrong};
pub use show::{describe, to_json};

use super::budget::MethodBudget;
use super::decided_later::Decides;
use super::probe::Probe;
use super::quota::Quota;
use super::warning::WarningRule;

/// All platforms and methods.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// By the name that `apps.<name>.platform` uses.
    pub platforms: BTreeMap<String, Arc<Platform>>,
    /// By full name, e.g. `feishu.vc.room.create`.
    pub methods: BTreeMap<String, Arc<Method>>,
    /// Codes that several methods share, by the name of their file.
    pub codes: BTreeMap<String, Arc<Codes>>,
}

impl Catalog {
    /// The method of that name, whatever its kind.
    pub fn method(&self, name: &str) -> Option<&Arc<Method>> {
        self.methods.get(name)
    }

    /// The method of that name, if jobs may name it.
    pub fn job_method(&self, name: &str) -> Option<&Arc<Method>> {
        self.methods.get(name).filter(|method| method.kind == Kind::Job)
    }
}

/// Codes that several methods of a family share: a file of the kind `codes`.
#[derive(Clone, Debug)]
pub struct Codes {
    /// E.g. `feishu.calendar.codes`.
    pub name: String,
    /// Where they were read.
    pub source: DocSource,
    /// They.
    pub errors: BTreeMap<i64, ErrorRule>,
}

/// One platform: Feishu, Lark or WeCom.
#[derive(Clone, Debug)]
pub struct Platform {
    /// `feishu`, `lark` or `wecom`.
    pub name: String,
    /// The family whose methods it serves: `feishu` for Feishu and Lark.
    pub family: String,
    /// Where its API is served, e.g. `https://open.feishu.cn`.
    pub base_url: String,
    /// The method that fetches an access token.
    pub token_method: String,
    /// Where the access token goes in a request.
    pub token_place: TokenPlace,
    /// How replies are wrapped.
    pub envelope: Envelope,
    /// Codes that every method of the platform may answer.
    pub errors: BTreeMap<i64, ErrorRule>,
}

/// Where an access token goes in a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenPlace {
    /// `Authorization: Bearer …`.
    AuthorizationHeader,
    /// `?access_token=…`: URLs of such a platform are secrets.
    QueryAccessToken,
}

/// How a platform wraps its replies: names of top-level fields and headers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The field of the code, 0 for success.
    pub code: String,
    /// The field of the message.
    pub message: String,
    /// The field that holds the result; empty when the result stands beside the code.
    #[serde(default)]
    pub data: String,
    /// The header that carries the platform's log id, in lower case.
    #[serde(default)]
    pub log_id_header: String,
    /// A dotted path to the log id inside the body.
    #[serde(default)]
    pub log_id_field: String,
    /// The header with the seconds until a rate limit ends, in lower case.
    #[serde(default)]
    pub reset_header: String,
}

/// What a method is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Jobs may name it.
    Job,
    /// The worker itself calls it to find out whether a create happened.
    LookUp,
    /// The worker itself calls it to fetch an access token.
    Token,
}

/// One API operation.
#[derive(Clone, Debug)]
pub struct Method {
    /// E.g. `feishu.vc.room.create`.
    pub name: String,
    /// The platform family, the first part of the name.
    pub family: String,
    /// What it is for.
    pub kind: Kind,
    /// What it does, in English.
    pub title: String,
    /// The documentation's own title.
    pub title_zh: String,
    /// Where this was read.
    pub source: DocSource,
    /// What must be arranged on the platform before it works (scopes, bot, allow-list), a sentence each.
    pub needs: Vec<String>,
    /// `GET`, `POST`, `PATCH`, `PUT` or `DELETE`.
    pub http_method: String,
    /// Path with `:placeholders`, e.g. `/open-apis/vc/v1/rooms`.
    pub path: String,
    /// The identities that the documents allow; empty for token methods.
    pub identities: Vec<IdentityKind>,
    /// The method whose call this is, too: another document of the same URL, so the platform counts both as one.
    pub counted_as: Option<String>,
    /// Which of the documents of one URL it is, where an app's settings choose.
    pub edition: Option<Edition>,
    /// Every documented quota; never empty. The first is the one that `[apps.X.quotas]` overrides by the method's name alone.
    /// Those of the other method where it is counted as one.
    pub quotas: Vec<MethodQuota>,
    /// What is counted by the calendar beside them.
    pub budgets: Vec<MethodBudget>,
    /// An object schema for the path's placeholders.
    pub path_schema: Schema,
    /// An object schema for the query.
    pub query_schema: Schema,
    /// An object schema for the body.
    pub body_schema: Schema,
    /// The documented call, if the file has it.
    pub request: Option<RequestExample>,
    /// What the reply says.
    pub reply: ReplySpec,
    /// What a successful reply may have left out.
    pub warnings: Vec<WarningRule>,
    /// How an uncertain call of it is treated.
    pub creation: Creation,
    /// How what it creates is deleted again; `None` if the platform has no way, or none is known.
    pub undo: Option<Undo>,
    /// Why nothing undoes it, where nothing does; may be empty.
    pub no_undo: String,
    /// How what it created is changed.
    pub update: Option<Update>,
    /// What decides only after the call has succeeded.
    pub decides: Option<Decides>,
    /// How people read the listing, for a method that they may call as one.
    pub read: Option<Read>,
    /// How `paceline calibrate` tries it on a test tenant.
    pub probe: Option<Probe>,
    /// A list of the body: calls that differ in it alone can be made as one, up to its `maxItems`.
    pub merges: Option<String>,
    /// How names of a kind are looked up with it.
    pub resolves: Vec<Arc<Resolve>>,
    /// Whether what it creates is looked up by name, and created where it is not there.
    pub is_made_by_name: bool,
    /// How people recognise a job of it: text with parameters in braces, `{body.name}`; may be empty.
    pub label: String,
    /// What the documents leave open and nobody has confirmed, a sentence each.
    pub unconfirmed: Vec<String>,
    /// The creates of the catalog that it undoes; not read from its file but from theirs.
    pub undoes: Vec<Undoes>,
    /// A parameter (dotted, e.g. `body.meeting_start`, in Unix seconds) at which the job becomes pointless.
    pub expires: Option<String>,
    /// The parameters (dotted, e.g. `body.name`) that make two jobs of it the same object; none: all of them do.
    pub identity: Vec<String>,
    /// Its codes, own and shared; they come before the platform's.
    pub errors: BTreeMap<i64, ErrorRule>,
    /// Those that its own file names: they come before the shared ones.
    pub own_errors: BTreeMap<i64, ErrorRule>,
    /// The files of shared codes that hold for it.
    pub codes: Vec<String>,
    /// Rules across fields and rows.
    pub checks: Vec<Rule>,
}

impl Method {
    /// The schema of a parameter under its dotted name (`body.title`); lists are stepped into.
    pub fn param(&self, name: &str) -> Option<&Schema> {
        cross::param_schema(self, name)
    }
}

impl Method {
    /// The schema of a part of the request: `path`, `query` or `body`.
    pub fn schema(&self, part: &str) -> Option<&Schema> {
        match part {
            "path" => Some(&self.path_schema),
            "query" => Some(&self.query_schema),
            "body" => Some(&self.body_schema),
            _ => None,
        }
    }

    /// What its parameters name (`x-names`): the kinds of things that must exist on the platform.
    pub fn names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        let mut left = vec![&self.path_schema, &self.query_schema, &self.body_schema];
        while let Some(schema) = left.pop() {
            names.extend(Some(schema.names.as_str()).filter(|name| !name.is_empty()));
            left.extend(schema.properties.iter().map(|(_, inner)| inner).chain(schema.items.as_deref()));
        }
        names
    }

    /// Whether a call of it that is made twice makes two objects.
    pub fn creates(&self) -> bool {
        self.kind == Kind::Job && !matches!(self.creation, Creation::Natural)
    }

    /// The method's name in quota keys: what the platform knows the call as.
    pub fn counted_name(&self) -> &str {
        self.counted_as.as_deref().unwrap_or(&self.name)
    }
}

/// Which of several documents of one URL a method is. Its words make up a sentence: "set to basic meetings".
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Edition {
    /// The key of `[apps.X]` that chooses.
    pub setting: String,
    /// Its value for this method.
    pub is: String,
    /// Why one app does not use both, for messages.
    pub note: String,
}

/// Where a fact was read.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DocSource {
    /// Address of the document.
    pub url: String,
    /// When the platform last changed it, as it says.
    #[serde(default)]
    pub updated: String,
    /// When it was read for this file.
    pub read: String,
}

/// As whom a method may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityKind {
    /// The app, with a tenant access token.
    Tenant,
    /// A user, with a user access token.
    User,
}

/// What the platform counts a quota by. The method is always part of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuotaScope {
    /// App and tenant: Feishu and Lark.
    AppTenant,
    /// The corp, all its apps together: WeCom.
    Corp,
    /// The app alone.
    App,
    /// The caller's address, all apps of the process together.
    Host,
}

impl QuotaScope {
    /// The word in settings, the catalog and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AppTenant => "app-tenant",
            Self::Corp => "corp",
            Self::App => "app",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for QuotaScope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A quota of a method, as documented.
#[derive(Clone, Debug)]
pub struct MethodQuota {
    /// What it is counted by.
    pub scope: QuotaScope,
    /// Its windows.
    pub quota: Quota,
    /// Where the number comes from, and whether it is confirmed for this method.
    pub note: String,
}

/// Where the interesting parts of a successful reply stand.
#[derive(Clone, Debug)]
pub struct ReplySpec {
    /// Dotted path, inside the result, of the new object's id; `None` if the reply has none.
    pub key: Option<String>,
    /// For token methods: the field of the access token.
    pub token: Option<String>,
    /// For token methods: the field with its life in seconds.
    pub expires: Option<String>,
    /// The documented example of a successful reply, the whole body.
    pub example: Value,
    /// What the example cannot say of how it shows objects.
    pub shown: Shown,
}

/// How a reply shows objects, beyond what its example says. A simulated platform goes by it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shown {
    /// Dotted path, inside the result, of the one object that the method fetches; empty for the whole result.
    pub item: Option<String>,
    /// Fields of which every object has a value of its own, shaped like the example's.
    pub unique: Vec<String>,
    /// Fields that repeat parameters of the create under another name: dotted path → the parameters. A path may step
    /// into a list, which then has an item for each value.
    pub from: BTreeMap<String, Vec<String>>,
    /// What the fields of a deleted object say; without it a deleted object is not shown.
    pub deleted: BTreeMap<String, Value>,
    /// How a listing gives what changed since an earlier one.
    pub changes: Option<Changes>,
}

/// How a listing gives what changed since an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// Dotted path, inside the result, of the token that stands for now. It is on the last page alone.
    pub token: String,
    /// The parameter that takes the token of an earlier listing.
    pub param: String,
}
