//! From a catalog file's sections to a method or a platform. What spans several files is checked in `cross.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::read::{File, Section, offset_of};
use super::schema::{Kind as SchemaKind, Schema};
use super::{
    Action, Codes, Creation, DocSource, Envelope, ErrorRule, IdempotencyKey, LookUp, Method, MethodQuota, Platform,
    QuotaScope, ReplySpec, RequestExample, Resolve, SuspendScope, ThrottleScope, TokenPlace,
};
use crate::budget::{Budget, MethodBudget};
use crate::quota::Quota;
use crate::warning::WarningRule;

/// What one file holds.
pub(super) enum Item {
    /// A platform.
    Platform(Box<Platform>),
    /// A method.
    Method(Box<Method>),
    /// Codes that several methods share.
    Codes(Box<Codes>),
}

/// Reads a file; `None` if it has faults, which are noted in `file`.
pub(super) fn item(file: &mut File<'_>) -> Option<Item> {
    let mut root = file.parse()?;
    let name: String = root.require("name", file)?;
    let item = if name.rsplit('.').next() == Some("codes") {
        codes(name, &mut root, file).map(|codes| Item::Codes(Box::new(codes)))
    } else if name.contains('.') {
        method(name, &mut root, file).map(|method| Item::Method(Box::new(method)))
    } else {
        platform(name, &mut root, file).map(|platform| Item::Platform(Box::new(platform)))
    };
    root.finish(file);
    item.filter(|_| file.faults.is_empty())
}

fn codes<'i>(name: String, root: &mut Section<'i>, file: &mut File<'i>) -> Option<Codes> {
    let source = root.require::<DocSource>("source", file);
    let errors = errors(root, file);
    Some(Codes { name, source: source?, errors })
}

fn platform<'i>(name: String, root: &mut Section<'i>, file: &mut File<'i>) -> Option<Platform> {
    let family = root.require("family", file);
    let base_url = root.require::<String>("base_url", file);
    let token_method = root.require("token_method", file);
    let token_place = root.require::<TokenPlace>("token_place", file);
    let envelope = root.require::<Envelope>("envelope", file);
    let errors = errors(root, file);
    if let Some(url) = &base_url
        && (!url.starts_with("https://") || url.ends_with('/'))
    {
        file.fault(root.at(), "base_url", format!("expected https://<host> without a trailing slash, got {url:?}"));
    }
    Some(Platform {
        name,
        family: family?,
        base_url: base_url?,
        token_method: token_method?,
        token_place: token_place?,
        envelope: envelope?,
        errors,
    })
}

/// How names of a kind are looked up with the method.
fn resolves<'i>(method: &str, root: &mut Section<'i>, file: &mut File<'i>) -> Vec<Arc<Resolve>> {
    let resolves: Vec<Resolve> = root.or_default("resolves", file);
    let of_method = |resolve| Arc::new(Resolve { method: method.to_owned(), ..resolve });
    resolves.into_iter().map(of_method).collect()
}

fn method<'i>(name: String, root: &mut Section<'i>, file: &mut File<'i>) -> Option<Method> {
    let kind = root.require("kind", file);
    let title = root.require("title", file);
    let title_zh = root.or_default("title_zh", file);
    let source = root.require::<DocSource>("source", file);
    let needs = root.or_default("needs", file);
    let http_method = http_method(root, file);
    let path = root.require::<String>("path", file);
    let identities = root.or_default("identities", file);
    let counted_as = root.take("counted_as", file);
    let edition = root.take("edition", file);
    let (quotas, budgets) = quotas(root, counted_as.as_ref(), file);
    let path_schema = schema("path_params", root, file);
    let query_schema = schema("query", root, file);
    let body_schema = schema("body", root, file);
    let request = request(root, file);
    let reply = reply(root, file);
    let warnings = warnings(root, file);
    let creation = creation(root, file);
    let undo = root.take("undo", file);
    let no_undo = root.or_default("no_undo", file);
    let update = root.take("update", file);
    let decides = root.take("decides", file);
    let read = root.take("read", file);
    let expires = root.take("expires", file);
    let identity = root.or_default("identity", file);
    let codes = root.or_default("codes", file);
    let errors = errors(root, file);
    let checks = super::rule::rules(root, file);
    let family = name.split('.').next().unwrap_or_default().to_owned();
    Some(Method {
        // Read before anything that is missing ends this.
        label: root.or_default("label", file),
        merges: root.take("merges", file),
        probe: root.take("probe", file),
        resolves: resolves(&name, root, file),
        unconfirmed: root.or_default("unconfirmed", file),
        name,
        family,
        kind: kind?,
        title: title?,
        title_zh,
        source: source?,
        needs,
        http_method: http_method?,
        path: path?,
        identities,
        counted_as,
        edition,
        quotas,
        budgets,
        path_schema,
        query_schema,
        body_schema,
        request,
        reply: reply?,
        warnings,
        creation: creation?,
        undo,
        no_undo,
        update,
        decides,
        read,
        is_made_by_name: false,
        undoes: Vec::new(),
        expires,
        identity,
        own_errors: errors.clone(),
        errors,
        codes,
        checks,
    })
}

fn http_method<'i>(root: &mut Section<'i>, file: &mut File<'i>) -> Option<String> {
    let word = root.require::<String>("http_method", file)?;
    if !["GET", "POST", "PATCH", "PUT", "DELETE"].contains(&word.as_str()) {
        file.fault(root.at(), "http_method", format!("expected GET, POST, PATCH, PUT or DELETE, got {word:?}"));
    }
    Some(word)
}

/// A method without a quota does not load: never "unlimited" by omission. One that is counted as another has that one's.
fn quotas<'i>(
    root: &mut Section<'i>,
    counted_as: Option<&String>,
    file: &mut File<'i>,
) -> (Vec<MethodQuota>, Vec<MethodBudget>) {
    let before = file.faults.len();
    let (mut quotas, mut budgets): (Vec<MethodQuota>, Vec<MethodBudget>) = (Vec::new(), Vec::new());
    for mut section in root.sections("quotas", file) {
        let at = section.at();
        let scope = section.require("scope", file);
        let limit = section.require::<Limit>("quota", file);
        let note = section.or_default("note", file);
        let is_known = |known: QuotaScope| Some(known) == scope;
        let is_twice = match limit {
            Some(Limit::Calendar(budget)) => {
                budgets.iter().any(|known| is_known(known.scope) && known.budget.period == budget.period)
            }
            _ => quotas.iter().any(|known| is_known(known.scope)),
        };
        if is_twice {
            file.fault(at, &section.field("scope"), "duplicate scope; join the windows of one scope with a comma");
        }
        section.finish(file);
        match (scope, limit) {
            (Some(scope), Some(Limit::Windows(quota))) => quotas.push(MethodQuota { scope, quota, note }),
            (Some(scope), Some(Limit::Calendar(budget))) => budgets.push(MethodBudget { scope, budget, note }),
            _ => {}
        }
    }
    if let Some(other) = counted_as {
        if !quotas.is_empty() || !budgets.is_empty() {
            file.fault(root.at(), "quotas", format!("belong into the file of {other}, as which it is counted"));
        }
        return (Vec::new(), Vec::new());
    }
    if quotas.is_empty() && file.faults.len() == before {
        file.fault(
            root.at(),
            "quotas",
            "a method needs at least one [[quotas]] with scope and quota, such as \"20/min\"",
        );
    }
    (quotas, budgets)
}

/// What may stand as a quota: windows, or the calls of a calendar day or month.
enum Limit {
    Windows(Quota),
    Calendar(Budget),
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let limit =
            if text.contains("calendar") { text.parse().map(Self::Calendar) } else { text.parse().map(Self::Windows) };
        limit.map_err(serde::de::Error::custom)
    }
}

fn request<'i>(root: &mut Section<'i>, file: &mut File<'i>) -> Option<RequestExample> {
    let mut section = root.section("request", file)?;
    let text = section.require::<String>("example", file);
    let (at, field) = (section.at(), section.field("example"));
    section.finish(file);
    RequestExample::parse(&text?).map_err(|why| file.fault(at, &field, why)).ok()
}

fn reply<'i>(root: &mut Section<'i>, file: &mut File<'i>) -> Option<ReplySpec> {
    let Some(mut section) = root.section("reply", file) else {
        file.fault(root.at(), "reply", "missing required field");
        return None;
    };
    let key = section.take("key", file);
    let token = section.take("token", file);
    let expires = section.take("expires", file);
    let example = section.require::<String>("example", file).and_then(|text| {
        serde_json::from_str::<Value>(&text)
            .map_err(|error| file.fault(section.at(), &section.field("example"), format!("not valid JSON: {error}")))
            .ok()
    });
    let shown = section.or_default("shown", file);
    section.finish(file);
    Some(ReplySpec { key, token, expires, example: example?, shown })
}

fn warnings<'i>(root: &mut Section<'i>, file: &mut File<'i>) -> Vec<WarningRule> {
    let mut rules: Vec<WarningRule> = Vec::new();
    for mut section in root.sections("warnings", file) {
        let at = section.at();
        let field = section.require::<String>("field", file);
        let value = section.take("value", file);
        let message = section.require::<String>("message", file);
        let message_zh = section.or_default("message_zh", file);
        let name = |key: &str| section.field(key);
        let (field_name, message_name) = (name("field"), name("message"));
        section.finish(file);
        let (Some(field), Some(message)) = (field, message) else { continue };
        if field.is_empty() {
            file.fault(at, &field_name, "expected the dotted path of a field of the result");
        } else if rules.iter().any(|known| known.field == field) {
            file.fault(at, &field_name, format!("duplicate field {field:?}"));
        } else if message.trim().is_empty() {
            file.fault(at, &message_name, "expected a sentence that says what the field means");
        } else {
            rules.push(WarningRule { field, value, message, message_zh });
        }
    }
    rules
}

fn creation<'i>(root: &mut Section<'i>, file: &mut File<'i>) -> Option<Creation> {
    let Some(mut section) = root.section("creation", file) else {
        file.fault(
            root.at(),
            "creation",
            "missing required field: class = \"idempotency-key\", \"look-up\", \"natural\" or \"none\"",
        );
        return None;
    };
    let class: Option<String> = section.require("class", file);
    let creation = match class.as_deref() {
        Some("natural") => Some(Creation::Natural),
        Some("none") => Some(Creation::None),
        Some("look-up") => look_up(&mut section, file).map(|look_up| Creation::LookUp(Box::new(look_up))),
        Some("idempotency-key") => {
            let field = section.require("field", file);
            let has_look_up = section.has("method");
            let look_up = has_look_up.then(|| look_up(&mut section, file)).flatten();
            field.map(|field| Creation::IdempotencyKey(Box::new(IdempotencyKey { field, look_up })))
        }
        Some(other) => {
            let expected = "\"idempotency-key\", \"look-up\", \"natural\" or \"none\"";
            let message = format!("expected {expected}, got {other:?}");
            file.fault(section.at(), &section.field("class"), message);
            return None;
        }
        None => None,
    };
    section.finish(file);
    creation
}

fn look_up<'i>(section: &mut Section<'i>, file: &mut File<'i>) -> Option<LookUp> {
    let mark = section.or_default("mark", file);
    let delay_s: Option<u64> = section.require("delay_s", file);
    let method = section.require("method", file);
    let params = section.or_default("params", file);
    let least = section.or_default("least", file);
    let items = section.require("items", file);
    let next = section.take("next", file);
    let each = section.take("each", file);
    let state = section.or_default("state", file);
    let detail = section.take("detail", file);
    let matches = section.require::<BTreeMap<String, Value>>("matches", file);
    let unmarked = section.or_default("unmarked", file);
    let cut_beyond = section.or_default("cut_beyond", file);
    let key = section.or_default("key", file);
    let (matches, never) = matches.map(|fields| none_of(fields, "matches", section, file)).unzip();
    let (unmarked, unmarked_never) = none_of(unmarked, "unmarked", section, file);
    if matches.as_ref().is_some_and(BTreeMap::is_empty) {
        file.fault(section.at(), &section.field("matches"), "needs at least one field to compare");
    }
    Some(LookUp {
        mark,
        delay: Duration::from_secs(delay_s?),
        method: method?,
        params,
        least,
        items: items?,
        next,
        each,
        state,
        detail,
        matches: matches?,
        unmarked,
        never: never?,
        unmarked_never,
        cut_beyond,
        key,
    })
}

/// Takes the fields out that say what an item must not show: `status = { none_of = [4, 5] }`.
fn none_of<'i>(
    fields: BTreeMap<String, Value>,
    key: &str,
    section: &Section<'i>,
    file: &mut File<'i>,
) -> (BTreeMap<String, Value>, BTreeMap<String, Vec<Value>>) {
    let (mut equal, mut never) = (BTreeMap::new(), BTreeMap::new());
    for (name, value) in fields {
        let Value::Object(condition) = &value else {
            equal.insert(name, value);
            continue;
        };
        let values = condition.get("none_of").and_then(Value::as_array).filter(|_| condition.len() == 1);
        let is_plain = |value: &Value| {
            value.is_boolean() || value.is_number() || value.as_str().is_some_and(|text| !text.starts_with('$'))
        };
        if let Some(values) = values.filter(|values| !values.is_empty() && values.iter().all(is_plain)) {
            never.insert(name, values.clone());
        } else {
            let message = "expected a value, or { none_of = [values that it must not have] }";
            let at = offset_of(&file.offsets, &section.field(key)).unwrap_or_else(|| section.at());
            file.fault(at, &section.field(&format!("{key}.{name}")), message);
        }
    }
    (equal, never)
}

fn errors<'i>(root: &mut Section<'i>, file: &mut File<'i>) -> BTreeMap<i64, ErrorRule> {
    let mut rules = BTreeMap::new();
    for mut section in root.sections("errors", file) {
        let at = section.at();
        let code: Option<i64> = section.require("code", file);
        let http = section.or_default("http", file);
        let message = section.require("message", file);
        let message_zh = section.or_default("message_zh", file);
        let action = action(&mut section, file);
        let cure = section.require("cure", file);
        let cure_zh = section.or_default("cure_zh", file);
        let attempts_max = section.take::<u32>("attempts_max", file);
        if attempts_max == Some(0) {
            file.fault(at, &section.field("attempts_max"), "expected at least 1, got 0");
        } else if attempts_max.is_some()
            && !matches!(action, Some(Action::Transient { .. } | Action::Uncertain { .. }) | None)
        {
            let message = "belongs to codes that are tried again: outcome = \"transient\" or \"uncertain\"";
            file.fault(at, &section.field("attempts_max"), message);
        }
        let field = section.field("code");
        section.finish(file);
        let (Some(code), Some(message), Some(action), Some(cure)) = (code, message, action, cure) else { continue };
        if rules
            .insert(code, ErrorRule { code, http, message, message_zh, action, attempts_max, cure, cure_zh })
            .is_some()
        {
            file.fault(at, &field, format!("duplicate code {code}"));
        }
    }
    rules
}

fn action<'i>(section: &mut Section<'i>, file: &mut File<'i>) -> Option<Action> {
    let outcome: String = section.require("outcome", file)?;
    Some(match outcome.as_str() {
        "throttled" => Action::Throttled {
            scope: section.require::<ThrottleScope>("scope", file)?,
            blocks_s: section.or_default("blocks_s", file),
        },
        "transient" => Action::Transient { verify: section.or_default("verify", file) },
        "permanent" => Action::Permanent,
        "uncertain" => Action::Uncertain {
            settle_s: section.or_default("settle_s", file),
            exists: section.or_default("exists", file),
        },
        "gone" => Action::Gone,
        "access-token" => Action::AccessToken,
        "suspend" => Action::Suspend { scope: section.require::<SuspendScope>("scope", file)? },
        other => {
            let expected = "throttled, transient, permanent, uncertain, gone, access-token or suspend";
            file.fault(section.at(), &section.field("outcome"), format!("expected {expected}, got {other:?}"));
            return None;
        }
    })
}

/// The object schema of a part of the request; an absent part takes no parameters.
fn schema<'i>(key: &'static str, root: &mut Section<'i>, file: &mut File<'i>) -> Schema {
    root.section(key, file).map(|section| keywords(section, SchemaKind::Object, file)).unwrap_or_default()
}

fn keywords<'i>(mut section: Section<'i>, kind: SchemaKind, file: &mut File<'i>) -> Schema {
    let before = file.faults.len();
    let properties = section.section("properties", file).map(|properties| {
        let entries = properties.entries(file);
        entries.into_iter().map(|(name, entry)| (name, keywords(entry, SchemaKind::Object, file))).collect()
    });
    let items = section.section("items", file).map(|items| Box::new(keywords(items, SchemaKind::Object, file)));
    let has_type = section.has("type");
    let given: Option<SchemaKind> = section.take("type", file);
    // What belongs to a type that nobody knows cannot be told.
    let is_misread = has_type && given.is_none();
    let schema = Schema {
        kind: given.unwrap_or(kind),
        title: section.or_default("title", file),
        description: section.or_default("description", file),
        description_zh: section.or_default("description_zh", file),
        properties: properties.unwrap_or_default(),
        required: section.or_default("required", file),
        items,
        length_min: section.take("minLength", file),
        length_max: section.take("maxLength", file),
        bytes_max: section.take("x-max-bytes", file),
        bytes_or_chars_max: section.take("x-max-bytes-or-chars", file),
        pattern: section.take("pattern", file),
        called: section.or_default("x-called", file),
        minimum: section.take("minimum", file),
        maximum: section.take("maximum", file),
        items_min: section.take("minItems", file),
        items_max: section.take("maxItems", file),
        not_counted: section.take("x-not-counted", file),
        values: section.or_default("enum", file),
        value_notes: section.or_default("x-enum-notes", file),
        default: section.take("default", file),
        examples: section.or_default("examples", file),
        format: section.take("x-format", file),
        sensitive: section.or_default("x-sensitive", file),
        lines: section.or_default("x-lines", file),
        only_when: section.or_default::<Map<String, Value>>("x-only-when", file).into_iter().collect(),
        required_when: section.or_default::<Map<String, Value>>("x-required-when", file).into_iter().collect(),
        one_of: section.or_default("x-one-of", file),
        max_after: section.or_default::<BTreeMap<String, i64>>("x-max-after", file).into_iter().collect(),
        codes: section.or_default("x-codes", file),
        names: section.or_default("x-names", file),
        aliases: section.or_default("aliases", file),
        words: section.or_default::<Map<String, Value>>("x-words", file).into_iter().collect(),
        units: section.or_default::<BTreeMap<String, i64>>("x-units", file).into_iter().collect(),
        resolve: section.take("x-resolve", file).map(Arc::new).into_iter().collect(),
    };
    let mut faults = Vec::new();
    if !is_misread {
        schema.keyword_faults(section.path(), &mut faults);
    }
    if faults.is_empty() && file.faults.len() == before {
        schema.value_faults(section.path(), &mut faults);
    }
    for fault in faults {
        let at = offset_of(&file.offsets, &fault.field).unwrap_or_else(|| section.at());
        file.fault(at, &fault.field, fault.message());
    }
    section.finish(file);
    schema
}
