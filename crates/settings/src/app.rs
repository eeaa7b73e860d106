//! `[apps.NAME]`: the credentials, pace and choices of one app.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use paceline_domain::catalog::QuotaScope;
use paceline_domain::quota::Quota;

use super::draft::Draft;
use super::fault::Place;
use super::tree::normal;
use super::url;

/// The longest name of a tenant, in bytes: that which a job can give.
const TENANT_BYTES_MAX: usize = 255;

/// `[apps.NAME]`. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct App {
    /// `feishu`, `lark` or `wecom`.
    pub platform: String,
    /// Where the API is, without a trailing slash; `None` for the platform's own address.
    pub base_url: Option<String>,
    /// How the app proves itself.
    pub credentials: Credentials,
    /// User access tokens by the name that jobs use.
    pub users: BTreeMap<String, SecretString>,
    /// What is done with an uncertain create that no look-up can settle.
    pub on_uncertain: OnUncertain,
    /// What becomes of a job of whose rooms some declined.
    pub on_room_declined: OnDeclined,
    /// What is chosen where one URL of the platform has several documents, by key: `meetings` → `basic`.
    pub editions: BTreeMap<String, String>,
    /// Whether a create's absent marker field is filled with the job's id.
    pub mark_created: bool,
    /// The part of every quota that this app may use: above 0, at most 1.
    pub share: f64,
    /// Calls of a calendar month, if there is such a budget.
    pub month_calls: Option<u64>,
    /// Quotas that replace documented ones.
    pub quotas: Vec<QuotaOverride>,
    /// Those of one tenant, by the name that jobs use.
    pub tenants: BTreeMap<String, Vec<QuotaOverride>>,
    /// What was found out of methods that the documents do not say.
    pub calibrated: Vec<Calibrated>,
}

/// What was found out of a method on a test tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calibrated {
    /// The method, as written.
    pub method: String,
    /// How long the platform may take to list a new object.
    pub delay: Option<Duration>,
    /// Codes that say that there is nothing left to delete.
    pub gone_codes: Vec<i64>,
    /// Where, for messages.
    pub place: Place,
}

/// How an app proves itself. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Feishu and Lark.
    App {
        /// `app_id`.
        id: String,
        /// `app_secret`.
        secret: SecretString,
    },
    /// `WeCom`.
    Corp {
        /// `corp_id`.
        id: String,
        /// `corp_secret`.
        secret: SecretString,
    },
}

/// What is done with an uncertain create that no look-up can settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUncertain {
    /// Parked for a person.
    Hold,
    /// Sent again.
    Retry,
}

/// What becomes of a job of whose rooms some declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDeclined {
    /// It succeeds with a warning.
    Warn,
    /// It is a dead letter.
    Dead,
}

/// A quota that replaces a documented one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaOverride {
    /// The method, as written.
    pub method: String,
    /// `None` for the method's first quota.
    pub scope: Option<QuotaScope>,
    /// What is written.
    pub quota: Quota,
    /// Where, for messages.
    pub place: Place,
}

impl QuotaOverride {
    /// Whether it is for the method of this name.
    pub fn is_for(&self, method: &str) -> bool {
        is_name_of(&self.method, &self.place, method)
    }
}

impl Calibrated {
    /// Whether it is for the method of this name.
    pub fn is_for(&self, method: &str) -> bool {
        is_name_of(&self.method, &self.place, method)
    }
}

/// A variable's name cannot hold dots, so there `_` stands for them.
fn is_name_of(written: &str, place: &Place, method: &str) -> bool {
    written == method || matches!(place, Place::Variable(_)) && normal(written) == normal(method)
}

/// All apps that have a table, those with faults left out.
pub(crate) fn apps(draft: &mut Draft<'_>) -> BTreeMap<String, App> {
    let names: Vec<_> = draft
        .tree
        .tables
        .keys()
        .filter(|path| path.len() == 2 && path[0] == "apps")
        .map(|path| path[1].clone())
        .collect();
    let mut apps = BTreeMap::new();
    for name in names {
        let is_name = (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !is_name {
            let field = ["apps".to_owned(), name.clone()];
            draft.fault(&field, format!("expected a name of 1 to 64 letters, digits, _ and -, got {name:?}"));
        }
        if let Some(app) = app(draft, &name) {
            apps.insert(name, app);
        }
    }
    agree(draft, &apps);
    apps
}

/// Apps of one corp choose the same: what one of them creates, the others see.
fn agree(draft: &mut Draft<'_>, apps: &BTreeMap<String, App>) {
    let mut first: BTreeMap<(&str, Option<&str>, &str), (&str, &str)> = BTreeMap::new();
    for (name, app) in apps {
        let Credentials::Corp { id, .. } = &app.credentials else { continue };
        for (key, chosen) in &app.editions {
            let corp = (id.as_str(), app.base_url.as_deref(), key.as_str());
            let (other, theirs) = *first.entry(corp).or_insert((name.as_str(), chosen.as_str()));
            if theirs != chosen {
                let field = ["apps".to_owned(), name.clone(), key.clone()];
                draft.fault(
                    &field,
                    format!("expected {theirs:?}, as apps.{other} has it: both are apps of one corp; got {chosen:?}"),
                );
            }
        }
    }
}

fn app(draft: &mut Draft<'_>, name: &str) -> Option<App> {
    let field = |key: &str| ["apps".to_owned(), name.to_owned(), key.to_owned()].to_vec();
    let platform_field = field("platform");
    if !draft.is_given(&platform_field) {
        draft.fault(&platform_field, "expected \"feishu\" or \"lark\" or \"wecom\", got nothing");
    }
    let platform = draft.text(&platform_field);
    let credentials = platform.as_deref().and_then(|platform| credentials(draft, platform, &field));
    let base_url = base_url(draft, &field("base_url"));
    let users = entries(draft, &field("users"))
        .into_iter()
        .filter_map(|path| Some((path[3].clone(), draft.secret(&path)?)))
        .collect();
    let on_uncertain = match draft.text(&field("on_uncertain")).as_deref() {
        Some("retry") => OnUncertain::Retry,
        _ => OnUncertain::Hold,
    };
    let on_room_declined = match draft.text(&field("on_room_declined")).as_deref() {
        Some("dead") => OnDeclined::Dead,
        _ => OnDeclined::Warn,
    };
    let editions = editions(draft, platform.as_deref(), &field);
    let mark_created = draft.flag(&field("mark_created"));
    let share = draft.share(&field("share"));
    let month_calls = month_calls(draft, name, platform.as_deref());
    let quotas = quotas(draft, &field("quotas"));
    let tenants = tenants(draft, &field("tenants"));
    let calibrated = calibrated(draft, &field("catalog"));
    Some(App {
        platform: platform?,
        base_url,
        credentials: credentials?,
        users,
        on_uncertain,
        on_room_declined,
        editions,
        mark_created,
        share,
        month_calls,
        quotas,
        tenants,
        calibrated,
    })
}

/// `[apps.NAME.catalog."METHOD"]`, in the order of the methods.
fn calibrated(draft: &mut Draft<'_>, table: &[String]) -> Vec<Calibrated> {
    let mut all = Vec::new();
    for path in entries(draft, table) {
        let field = |key: &str| [&path[..], &[key.to_owned()]].concat();
        let delay = draft.is_given(&field("delay_s")).then(|| draft.whole_at(&field("delay_s")));
        if draft.is_given(&field("read")) {
            draft.text(&field("read"));
        }
        all.push(Calibrated {
            method: path[table.len()].clone(),
            delay: delay.map(Duration::from_secs),
            gone_codes: draft.codes(&field("gone_codes")),
            place: draft.place(&path),
        });
    }
    all
}

/// The calls of a month; 0 is no such budget.
fn month_calls(draft: &mut Draft<'_>, name: &str, platform: Option<&str>) -> Option<u64> {
    let dotted = format!("apps.{name}.month_calls");
    let field = ["apps", name, "month_calls"].map(str::to_owned);
    if platform == Some("wecom") && draft.is_given(&field) {
        draft.fault(&field, "expected only for feishu and lark, whose plans count the calls of a month");
    }
    Some(draft.whole(&dotted)).filter(|calls| *calls > 0)
}

/// The choices of a WeCom app; the other platforms have none.
fn editions(
    draft: &mut Draft<'_>,
    platform: Option<&str>,
    field: &dyn Fn(&str) -> Vec<String>,
) -> BTreeMap<String, String> {
    let path = field("meetings");
    if platform == Some("wecom") {
        return draft.text(&path).map(|chosen| ("meetings".to_owned(), chosen)).into_iter().collect();
    }
    if draft.is_given(&path) {
        draft.fault(&path, "expected only for wecom, whose meetings have two editions");
    }
    BTreeMap::new()
}

/// `[apps.NAME.tenants.TENANT]`, by tenant.
fn tenants(draft: &mut Draft<'_>, table: &[String]) -> BTreeMap<String, Vec<QuotaOverride>> {
    let mut tenants = BTreeMap::new();
    for path in entries(draft, table) {
        let name = path[table.len()].clone();
        if name.is_empty() || name.len() > TENANT_BYTES_MAX {
            draft.fault(&path, format!("expected the name of a tenant, 1 to {TENANT_BYTES_MAX} bytes, got {name:?}"));
        }
        let own = quotas(draft, &[&path[..], &["quotas".to_owned()]].concat());
        tenants.insert(name, own);
    }
    tenants
}

fn quotas(draft: &mut Draft<'_>, table: &[String]) -> Vec<QuotaOverride> {
    entries(draft, table).into_iter().filter_map(|path| quota(draft, &path)).collect()
}

/// The paths of the entries directly in a table, whatever they are.
pub(super) fn entries(draft: &Draft<'_>, table: &[String]) -> Vec<Vec<String>> {
    let mut paths: Vec<_> = draft.tree.directly_in(table).cloned().collect();
    paths.sort();
    paths.dedup();
    paths
}

fn credentials(draft: &mut Draft<'_>, platform: &str, field: &dyn Fn(&str) -> Vec<String>) -> Option<Credentials> {
    let (mine, others) = match platform {
        "wecom" => (["corp_id", "corp_secret"], ["app_id", "app_secret"]),
        _ => (["app_id", "app_secret"], ["corp_id", "corp_secret"]),
    };
    for (other, own) in others.into_iter().zip(mine) {
        if draft.is_given(&field(other)) {
            draft.fault(&field(other), format!("expected {own} instead: the platform is {platform}"));
        }
    }
    for key in mine {
        if !draft.is_given(&field(key)) {
            draft.fault(&field(key), format!("expected, because the platform is {platform}, got nothing"));
        }
    }
    let [id, secret] = mine.map(field);
    let id = if draft.is_given(&id) { draft.text(&id) } else { None };
    let secret = if draft.is_given(&secret) { draft.secret(&secret) } else { None };
    let (id, secret) = (id?, secret?);
    Some(if platform == "wecom" { Credentials::Corp { id, secret } } else { Credentials::App { id, secret } })
}

fn base_url(draft: &mut Draft<'_>, field: &[String]) -> Option<String> {
    let text = draft.text(field)?;
    let Some(parts) = url::parts(&text) else {
        draft.fault(field, "expected an address like https://open.feishu.cn, got something else (not shown)");
        return None;
    };
    let message = if parts.user_info.is_some() || parts.rest.contains(['?', '#']) {
        "expected an address without user, query and fragment, got some".to_owned()
    } else if parts.scheme != "https" && !(parts.scheme == "http" && url::is_loopback(parts.host)) {
        format!(
            "expected https:// (http:// only to loopback: credentials would be readable on the way), got {}",
            url::masked(&text)
        )
    } else {
        return Some(text.trim_end_matches('/').to_owned());
    };
    draft.fault(field, message);
    None
}

fn quota(draft: &mut Draft<'_>, path: &[String]) -> Option<QuotaOverride> {
    let text = draft.text(path)?;
    let name = path.last()?;
    let (method, scope) = match name.split_once('@') {
        None => (name.clone(), None),
        Some((method, name)) => {
            let Some(scope) = scope(name) else {
                draft.fault(path, format!("expected a scope behind @: app-tenant, corp, app or host, got {name:?}"));
                return None;
            };
            (method.to_owned(), Some(scope))
        }
    };
    match text.parse() {
        Ok(quota) => Some(QuotaOverride { method, scope, quota, place: draft.place(path) }),
        Err(message) => {
            draft.fault(path, message);
            None
        }
    }
}

fn scope(text: &str) -> Option<QuotaScope> {
    [QuotaScope::AppTenant, QuotaScope::Corp, QuotaScope::App, QuotaScope::Host]
        .into_iter()
        .find(|scope| scope.to_string() == text)
}
