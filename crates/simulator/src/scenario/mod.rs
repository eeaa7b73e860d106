//! A scenario: what the simulated world is like, read from TOML.
//!
//! It says how long requests travel, how quotas are counted, which faults strike and when. It knows nothing of requests.
//! Start at [`Scenario`]; [`read`] turns text into one and names every fault of the text at once.

mod check;
mod decisions;
mod fault;
mod latency;
mod left_out;
mod read;
mod undocumented;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use paceline_domain::quota::Quota;

pub use decisions::Decisions;
pub(super) use fault::FaultTrigger;
pub use fault::{Fault, FaultKind};
pub use latency::{Latency, Spread, SpreadKind};
pub use left_out::LeftOut;
pub use read::{ScenarioError, built_in_names};
pub(super) use undocumented::Repeat;
pub use undocumented::Undocumented;

/// What the simulated world is like. Everything has a default; the default world is quick and calm.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// What it is for, one sentence.
    pub title: String,
    /// Seed of every random draw; the same seed and the same order of arrivals give the same answers.
    pub seed: u64,
    /// How long requests and replies travel.
    pub latency: Latency,
    /// By method name or pattern (`feishu.vc.*`, `*`): a quota in place of the method's first documented one, or `none` to lift all.
    pub quotas: BTreeMap<String, QuotaChoice>,
    /// How quotas are counted and refused.
    pub counting: Counting,
    /// How long access tokens live.
    pub tokens: TokenRules,
    /// Secrets that are checked, by app id or corp id; any secret is accepted for the others.
    pub apps: BTreeMap<String, AppSecret>,
    /// User access tokens that are good; any other is refused.
    pub users: BTreeMap<String, User>,
    /// What there is on the platform, by kind (`users`, `levels`, …): what is not listed is unknown. A kind that is left out
    /// is not checked.
    pub known: BTreeMap<String, Vec<String>>,
    /// Who and what there is beside the books, by the look-up that finds it (`feishu.contact.user.batch_get_id`): items as
    /// that look-up shows them.
    pub listed: BTreeMap<String, Vec<Value>>,
    /// What a call that names this id is answered, e.g. the level of a tenant that has no levels.
    pub codes: BTreeMap<String, i64>,
    /// How listings behave.
    pub listing: Listing,
    /// What the platform does where its documents say nothing.
    pub undocumented: Undocumented,
    /// How what decides later decides.
    pub decisions: Decisions,
    /// Which of the platform's optional checks are on.
    pub checks: Checks,
    /// The most calls in flight, by method name or pattern; above it calls are refused (45033, 190010).
    pub concurrency: BTreeMap<String, u32>,
    /// Other programs that use the same apps.
    pub background: Vec<Background>,
    /// What other programs and people create.
    pub objects: Vec<Others>,
    /// What happens to apps and tokens at a given time.
    pub events: Vec<Event>,
    /// What goes wrong with requests; the first that strikes decides.
    pub faults: Vec<Fault>,
    /// What successful replies say was left out.
    pub warnings: Vec<LeftOut>,
}

/// A quota of the scenario's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuotaChoice {
    /// No quota at all.
    Lifted,
    /// In place of the method's first one.
    Is(Quota),
}

impl<'de> Deserialize<'de> for QuotaChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "none" {
            return Ok(Self::Lifted);
        }
        text.parse().map(Self::Is).map_err(|message| serde::de::Error::custom(format!("{message}, or \"none\"")))
    }
}

/// How the platform's windows work; the documents do not say, so all three kinds can be rehearsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowKind {
    /// At most N in every half-open span of W: the strictest.
    #[default]
    Sliding,
    /// At most N between two multiples of W.
    Fixed,
    /// N at once, refilled evenly over W.
    TokenBucket,
}

/// How quotas are counted and refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Counting {
    /// The kind of window.
    pub window: WindowKind,
    /// Whether a refused call is counted too.
    pub refused_count: bool,
    /// Whether Feishu's refusals carry `x-ogw-ratelimit-limit` and `x-ogw-ratelimit-reset`.
    pub reset_header: bool,
    /// The HTTP status of Feishu's refusals: 429, or 400 as on older methods.
    pub feishu_status: u16,
    /// Calls of a calendar month in UTC+8 that Feishu lets each app make (99991403 beyond); 0 for no such budget.
    pub month_calls: u64,
    /// Whether WeCom blocks the key for one window's length after a hit, as documented.
    pub wecom_block: bool,
}

impl Default for Counting {
    fn default() -> Self {
        Self {
            window: WindowKind::Sliding,
            refused_count: true,
            reset_header: true,
            feishu_status: 429,
            month_calls: 0,
            wecom_block: true,
        }
    }
}

/// How long access tokens live. Not shortened by the rehearsal's speed: clients renew by a fixed margin.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenRules {
    /// Life of a new token, in seconds.
    pub life_s: u64,
    /// While more than this remains, the same token is returned again, in seconds.
    pub same_above_s: u64,
    /// Whether apps that `[apps]` does not name are refused.
    pub known_apps_only: bool,
    /// Whether every secret is refused.
    pub wrong_secret: bool,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self { life_s: 7_200, same_above_s: 1_800, known_apps_only: false, wrong_secret: false }
    }
}

/// The secret that is checked for an app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSecret {
    /// The only accepted one.
    pub secret: Secret,
}

/// A secret of the simulated world. It should be made up; it is not shown all the same.
#[derive(Clone, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// Whose a user access token is: an app's id, or the app with the user's name. Without a name each token is another user's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "UserText")]
pub struct User {
    /// The app whose quotas it spends.
    pub app: String,
    /// The user; two tokens of one user see the same things.
    pub user: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an app id, or { app = \"…\", user = \"…\" }")]
enum UserText {
    App(String),
    Named { app: String, user: String },
}

impl From<UserText> for User {
    fn from(text: UserText) -> Self {
        match text {
            UserText::App(app) => Self { app, user: None },
            UserText::Named { app, user } => Self { app, user: Some(user) },
        }
    }
}

/// How listings behave.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listing {
    /// How long a new object stays invisible, in milliseconds.
    pub delay_ms: u64,
    /// The most items of one page, whatever is asked for; 0 for no such limit.
    pub page_max: usize,
}

/// Which of the platform's optional checks are on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Checks {
    /// WeCom answers 400302 to a meeting that exists already.
    pub wecom_duplicates: bool,
    /// WeCom answers 400222 to a meeting that starts in the past.
    pub past_start: bool,
    /// Whether fields that the documents do not name, `null`, numbers in place of digits and a missing `Content-Type` are
    /// refused. What the platforms do with them is not documented.
    pub strict: bool,
}

impl Default for Checks {
    fn default() -> Self {
        Self { wecom_duplicates: false, past_start: true, strict: false }
    }
}

/// Another program that uses the same app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Background {
    /// The method it calls, by name or pattern.
    pub method: String,
    /// How often.
    pub calls_per_min: f64,
    /// From when, in seconds since the scenario began.
    #[serde(default)]
    pub from_s: f64,
    /// Until when; left out: for ever.
    pub until_s: Option<f64>,
}

/// Objects that somebody else creates. They stand in listings, and in the books only as not the worker's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Others {
    /// The method that creates such objects.
    pub method: String,
    /// The app id or corp id that they belong to; left out: everybody sees them.
    #[serde(default)]
    pub account: String,
    /// The user of that app to whom they belong; left out: the app itself.
    #[serde(default)]
    pub user: String,
    /// When, in seconds since the scenario began.
    #[serde(default)]
    pub at_s: f64,
    /// How many.
    #[serde(default = "one")]
    pub count: u32,
    /// The create's body. `{n}` in a text stands for the object's number, from 0 on.
    pub body: Map<String, Value>,
}

const fn one() -> u32 {
    1
}

impl Others {
    /// The body of the object of that number.
    pub fn body_of(&self, number: u32) -> Map<String, Value> {
        let filled = |value: &Value| {
            value.as_str().map_or_else(|| value.clone(), |text| Value::from(text.replace("{n}", &number.to_string())))
        };
        self.body.iter().map(|(name, value)| (name.clone(), filled(value))).collect()
    }
}

/// What happens to apps and tokens at a given time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When, in seconds since the scenario began.
    pub at_s: f64,
    /// All access tokens handed out so far become invalid.
    #[serde(default)]
    pub revoke_tokens: bool,
    /// The app whose secret changes.
    pub app: Option<String>,
    /// Its new secret.
    pub secret: Option<Secret>,
}

/// The entry of `map` that fits a method best: its own name, else the longest pattern.
pub fn best<'a, T>(map: &'a BTreeMap<String, T>, method: &str) -> Option<&'a T> {
    map.iter().filter(|(pattern, _)| fits(pattern, method)).max_by_key(|(pattern, _)| pattern.len()).map(|(_, it)| it)
}

/// Whether a pattern (`feishu.calendar.*`, `*.create`, `*`) fits a method's name; one `*` stands for anything.
pub fn fits(pattern: &str, method: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == method,
        Some((head, tail)) => {
            method.len() >= head.len() + tail.len() && method.starts_with(head) && method.ends_with(tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_by_one_star() {
        for (pattern, method, expected) in [
            ("*", "feishu.vc.room.create", true),
            ("feishu.*", "feishu.vc.room.create", true),
            ("feishu.*", "wecom.meeting.create", false),
            ("*.create", "wecom.meeting.create", true),
            ("feishu.*.create", "feishu.calendar.create", true),
            ("feishu.calendar.*.create", "feishu.calendar.create", false),
            ("wecom.meeting.create", "wecom.meeting.create", true),
            ("wecom.meeting.creat", "wecom.meeting.create", false),
        ] {
            assert_eq!(fits(pattern, method), expected, "{pattern} {method}");
        }
    }

    #[test]
    fn the_most_exact_entry_wins() {
        let map = BTreeMap::from([("*".to_owned(), 1), ("feishu.*".to_owned(), 2), ("feishu.a".to_owned(), 3)]);
        assert_eq!(best(&map, "feishu.a"), Some(&3));
        assert_eq!(best(&map, "feishu.b"), Some(&2));
        assert_eq!(best(&map, "wecom.a"), Some(&1));
    }
}
