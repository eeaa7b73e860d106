//! A method as people read it, and as JSON for programs: what `paceline methods show` prints.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde_json::{Map, Value, json};

use super::{
    Action, Creation, Edition, ErrorRule, IdentityKind, Kind, LookUp, Method, MethodQuota, Platform, Rule, Schema,
    SuspendScope, ThrottleScope,
};
use crate::budget::MethodBudget;
use crate::decided_later::Decides;
use crate::messages::{Language, Render as _};
use crate::warning::WarningRule;

/// A wider cell pushes its own row to the right instead of all rows.
const COLUMN_WIDTH_MAX: usize = 48;

/// Everything the catalog knows about a method, in text of at most about 120 columns where its contents allow it.
pub fn describe(platform: &Platform, method: &Method) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write_method(&mut out, platform, method);
    out
}

fn write_method(out: &mut String, platform: &Platform, method: &Method) -> fmt::Result {
    writeln!(out, "{}  {} ({})", method.name, method.title, method.title_zh)?;
    writeln!(out, "{} {}{}", method.http_method, platform.base_url, method.path)?;
    let updated = if method.source.updated.is_empty() { "at an unknown date" } else { &method.source.updated };
    writeln!(out, "{}, updated {updated}, read {}", method.source.url, method.source.read)?;
    if let Some(Edition { setting, is, note }) = &method.edition {
        writeln!(out, "\nfor apps with {setting} = {is:?}; {note}")?;
    }
    match &method.counted_as {
        Some(other) => writeln!(out, "\nquotas, counted together with {other}: the same call")?,
        None => writeln!(out, "\nquotas")?,
    }
    for quota in &method.quotas {
        let text = quota.quota.to_string();
        writeln!(out, "  {text:<22}  per {:<10}  {}", quota.scope.to_string(), quota.note)?;
    }
    for MethodBudget { scope, budget, note } in &method.budgets {
        let text = budget.to_string();
        writeln!(out, "  {text:<22}  per {:<10}  {note}", scope.to_string())?;
    }
    if !method.identities.is_empty() {
        writeln!(out, "\nidentities  {}", identities(method).join(", "))?;
    }
    if !method.needs.is_empty() {
        writeln!(out, "\nneeds")?;
        for need in &method.needs {
            writeln!(out, "  - {need}")?;
        }
    }
    for (part, schema) in parts(method) {
        let rows = parameters(schema);
        if !rows.is_empty() {
            writeln!(out, "\n{part}")?;
            write_table(out, &rows)?;
        }
    }
    if let Some(name) = &method.expires {
        writeln!(out, "\nnot sent at or after {name}")?;
    }
    if !method.checks.is_empty() {
        writeln!(out, "\nchecks")?;
        write_table(out, &checks(method))?;
    }
    if method.kind == Kind::Job {
        writeln!(out, "\nthe same object  {}", identity(method))?;
    }
    writeln!(out, "\nreply  {}", reply(method))?;
    write_warnings(out, method)?;
    writeln!(out, "\nuncertain calls  {}", creation(method))?;
    if let Some(undo) = &method.undo {
        write!(out, "\nundone by  {} (its {} is the object's id", undo.method, undo.param)?;
        for (name, from) in &undo.params {
            write!(out, ", {name} = {}", word(from))?;
        }
        writeln!(out, ")")?;
    } else if !method.no_undo.is_empty() {
        writeln!(out, "\nundone by  nothing: {}", method.no_undo)?;
    }
    write_links(out, method)?;
    writeln!(out, "\nerrors of the method")?;
    write_table(out, &errors(method.errors.values()))?;
    writeln!(out, "\nerrors of every method of {}", platform.name)?;
    let inherited = platform.errors.values().filter(|rule| !method.errors.contains_key(&rule.code));
    write_table(out, &errors(inherited))
}

/// How it is recognised, changed, read, and what nobody has confirmed of it.
fn write_links(out: &mut String, method: &Method) -> fmt::Result {
    if let Some(update) = &method.update {
        writeln!(out, "\nchanged by  {} (its {} is the object's id)", update.method, update.param)?;
    }
    if method.probe.is_some() {
        writeln!(out, "\ncalibrated by  paceline calibrate")?;
    }
    if let Some(decides) = &method.decides {
        let only: Vec<_> = decides.only.iter().map(|(name, value)| format!("{name} = {}", word(value))).collect();
        let what = only.join(", ");
        let Decides { items, field, pending, after_s, .. } = decides;
        writeln!(
            out,
            "\ndecided later  {items} with {what}: asked for until {field} is no more {pending:?}, first after {after_s} s"
        )?;
    }
    if !method.label.is_empty() {
        writeln!(out, "\nlabel  {}", method.label)?;
    }
    if let Some(read) = &method.read {
        writeln!(out, "\nread as a table  each of {:?}, with the columns of {}", read.items, read.feeds)?;
    }
    if !method.unconfirmed.is_empty() {
        writeln!(out, "\nUNCONFIRMED, since no document says it")?;
        for fact in &method.unconfirmed {
            writeln!(out, "  - {fact}")?;
        }
    }
    Ok(())
}

/// A template as people read it.
fn word(template: &Value) -> String {
    template.as_str().map_or_else(|| template.to_string(), |text| text.trim_start_matches('$').to_owned())
}

/// What a success may leave out: the field of the reply that names it, and what it means.
fn write_warnings(out: &mut String, method: &Method) -> fmt::Result {
    if method.warnings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nwarnings of a success")?;
    let field = |rule: &WarningRule| match &rule.value {
        Some(value) => format!("{}[].{value}", rule.field),
        None => rule.field.clone(),
    };
    let rows: Vec<_> = method.warnings.iter().map(|rule| vec![field(rule), rule.message.clone()]).collect();
    write_table(out, &rows)
}

/// The same as JSON; schemas as JSON Schema.
pub fn to_json(platform: &Platform, method: &Method) -> Value {
    let quota = |quota: &MethodQuota| json!({"scope": quota.scope, "quota": quota.quota, "note": quota.note});
    let budget = |of: &MethodBudget| json!({"scope": of.scope, "quota": of.budget, "note": of.note});
    let (quotas, budgets) = (method.quotas.iter().map(quota), method.budgets.iter().map(budget));
    let schemas: Map<_, _> =
        parts(method).into_iter().map(|(part, schema)| (part.to_owned(), schema.to_json())).collect();
    json!({
        "name": method.name,
        "platform": platform.name,
        "kind": method.kind,
        "title": method.title,
        "title_zh": method.title_zh,
        "source": method.source,
        "needs": method.needs,
        "http_method": method.http_method,
        "url": format!("{}{}", platform.base_url, method.path),
        "identities": method.identities,
        "counted_as": method.counted_as,
        "edition": method.edition,
        "quotas": quotas.chain(budgets).collect::<Vec<_>>(),
        "parameters": schemas,
        "expires": method.expires,
        "identity": method.identity,
        "request": method.request.as_ref().map(|example| {
            json!({"http_method": example.http_method, "target": example.target, "body": example.body})
        }),
        "reply": {"key": method.reply.key, "example": method.reply.example, "shown": method.reply.shown},
        "warnings": method.warnings,
        "creation": creation_json(&method.creation),
        "undo": method.undo,
        "no_undo": method.no_undo,
        "update": method.update,
        "decides": method.decides,
        "read": method.read,
        "merges": method.merges,
        "probe": method.probe,
        "label": method.label,
        "unconfirmed": method.unconfirmed,
        "codes": method.codes,
        "checks": method.checks.iter().map(Rule::to_json).collect::<Vec<_>>(),
        "errors": method.errors.values().collect::<Vec<_>>(),
        "platform_errors": platform.errors.values().collect::<Vec<_>>(),
    })
}

fn parts(method: &Method) -> [(&'static str, &Schema); 3] {
    [("path", &method.path_schema), ("query", &method.query_schema), ("body", &method.body_schema)]
}

fn identities(method: &Method) -> Vec<&'static str> {
    let word = |kind: &IdentityKind| match kind {
        IdentityKind::Tenant => "tenant",
        IdentityKind::User => "user:<name>",
    };
    method.identities.iter().map(word).collect()
}

/// One row a parameter: name, type, required, limits, description.
fn parameters(schema: &Schema) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    add_parameters(schema, "", &mut rows);
    rows
}

fn add_parameters(schema: &Schema, prefix: &str, rows: &mut Vec<Vec<String>>) {
    for (name, property) in &schema.properties {
        let dotted = format!("{prefix}{name}");
        let required = if schema.requires(name) { "required" } else { "" };
        rows.push(vec![dotted.clone(), kind(property), required.to_owned(), limits(property), description(property)]);
        add_parameters(innermost(property), &format!("{dotted}."), rows);
    }
}

fn innermost(schema: &Schema) -> &Schema {
    schema.items.as_deref().map_or(schema, innermost)
}

fn kind(schema: &Schema) -> String {
    match &schema.items {
        Some(items) => format!("list of {}", kind(items)),
        None => schema.kind.to_string(),
    }
}

fn description(schema: &Schema) -> String {
    let sensitive = if schema.sensitive { " (masked in all messages)" } else { "" };
    let aliases = schema.aliases.join(", ");
    let aliases = if aliases.is_empty() { aliases } else { format!(" (also called {aliases})") };
    let mut ways: Vec<&str> = schema.resolve.iter().map(|by| by.method.as_str()).collect();
    ways.dedup();
    let named = if ways.is_empty() { String::new() } else { format!(" (by name: {})", ways.join(", ")) };
    format!("{}{sensitive}{aliases}{named}", schema.description)
}

/// The limits of a value in words.
fn limits(schema: &Schema) -> String {
    schema.limits().render(Language::English)
}

fn reply(method: &Method) -> String {
    match (&method.reply.key, &method.reply.token) {
        (Some(key), _) => format!("the new object's id is {key}"),
        (None, Some(token)) => format!("the access token is {token}"),
        (None, None) => "holds no id of a new object".to_owned(),
    }
}

fn identity(method: &Method) -> String {
    match method.identity.as_slice() {
        [] => "where all parameters are equal".to_owned(),
        names => format!("where these are equal: {}", names.join(", ")),
    }
}

fn creation(method: &Method) -> String {
    match &method.creation {
        Creation::Natural => "may be sent again: that does no harm".to_owned(),
        Creation::None => "held for a person: nothing tells whether the call was applied".to_owned(),
        Creation::LookUp(look_up) => look_up_words(look_up),
        Creation::IdempotencyKey(by_key) => {
            let first = match &by_key.look_up {
                Some(look_up) => format!("{}; if it is not there, ", look_up_words(look_up)),
                None => String::new(),
            };
            format!(
                "{first}sent again with the same {}, which the job's id makes: the platform drops a second one",
                by_key.field
            )
        }
    }
}

fn look_up_words(look_up: &LookUp) -> String {
    let mut words = format!("looked up with {} after {} s", look_up.method, look_up.delay.as_secs());
    if let Some(detail) = &look_up.detail {
        let _ = write!(words, ", each item with {}", detail.method);
    }
    if let Some(each) = &look_up.each {
        let _ = write!(words, "; all of {each} must be there, or none: if only some are, a person decides");
    } else if look_up.state {
        words.push_str("; it counts as done if it is there, no matter who brought it about");
    }
    let _ = write!(words, "; it is the same where {}", fields_words(&look_up.matches));
    for (name, template) in &look_up.mark {
        let _ = write!(words, "; an absent {name} is set to the job's {}", template.trim_start_matches('$'));
    }
    for (name, bytes) in &look_up.cut_beyond {
        let _ = write!(words, "; held for a person where {name} has more than {bytes} bytes, which a listing may cut");
    }
    if !look_up.unmarked.is_empty() {
        let _ = write!(words, ", or with mark_created = false {} are compared", fields_words(&look_up.unmarked));
    }
    words
}

fn fields_words(fields: &BTreeMap<String, Value>) -> String {
    fields.iter().map(|(field, template)| format!("{field} = {}", word(template))).collect::<Vec<_>>().join(", ")
}

fn creation_json(creation: &Creation) -> Value {
    let mut out = creation.look_up().map_or_else(|| json!({}), look_up_json);
    out["class"] = json!(creation.as_str());
    if let Creation::IdempotencyKey(by_key) = creation {
        out["field"] = json!(by_key.field);
    }
    out
}

fn look_up_json(look_up: &LookUp) -> Value {
    json!({
        "mark": look_up.mark,
        "delay_s": look_up.delay.as_secs(),
        "method": look_up.method,
        "params": look_up.params,
        "least": look_up.least,
        "items": look_up.items,
        "next": look_up.next,
        "each": look_up.each,
        "state": look_up.state,
        "detail": look_up.detail,
        "matches": look_up.matches,
        "unmarked": look_up.unmarked,
        "cut_beyond": look_up.cut_beyond,
        "key": look_up.key,
    })
}

/// One row a rule: how grave, of which parameters, what is expected, for which jobs.
fn checks(method: &Method) -> Vec<Vec<String>> {
    let row = |rule: &Rule| {
        let when = rule.when.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>();
        let when = if when.is_empty() { String::new() } else { format!(" (when {})", when.join(", ")) };
        let whose = if rule.fields.is_empty() { "all jobs".to_owned() } else { rule.fields.join(", ") };
        vec![rule.severity.as_str().to_owned(), whose, format!("{}{when}", rule.message)]
    };
    method.checks.iter().map(row).collect()
}

/// One row a code: code, message, what is done, cure.
fn errors<'a>(rules: impl Iterator<Item = &'a ErrorRule>) -> Vec<Vec<String>> {
    let row =
        |rule: &ErrorRule| vec![rule.code.to_string(), outcome(&rule.action), rule.message.clone(), rule.cure.clone()];
    rules.map(row).collect()
}

fn outcome(action: &Action) -> String {
    match action {
        Action::Throttled { scope: ThrottleScope::Method, .. } => "throttled (method)".to_owned(),
        Action::Throttled { scope: ThrottleScope::App, .. } => "throttled (app)".to_owned(),
        Action::Throttled { scope: ThrottleScope::Concurrency, .. } => "throttled (concurrency)".to_owned(),
        Action::Transient { verify: true } => "transient, verified first".to_owned(),
        Action::Transient { verify: false } => "transient".to_owned(),
        Action::Permanent => "permanent".to_owned(),
        Action::Uncertain { exists: true, .. } => "uncertain, not sent again".to_owned(),
        Action::Uncertain { settle_s: 0, .. } => "uncertain".to_owned(),
        Action::Uncertain { settle_s, .. } => format!("uncertain for {settle_s} s"),
        Action::Gone => "gone already: as good as done".to_owned(),
        Action::AccessToken => "access token renewed".to_owned(),
        Action::Suspend { scope: SuspendScope::App } => "suspends the app".to_owned(),
        Action::Suspend { scope: SuspendScope::Tenant } => "suspends the tenant".to_owned(),
        Action::Suspend { scope: SuspendScope::Lane } => "suspends the lane".to_owned(),
        Action::Suspend { scope: SuspendScope::Month } => "suspends the app for the month".to_owned(),
    }
}

/// Writes rows with their columns aligned; the last is as long as it is.
fn write_table(out: &mut String, rows: &[Vec<String>]) -> fmt::Result {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column: usize| rows.iter().filter_map(|row| Some(shown_width(row.get(column)?))).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).min(COLUMN_WIDTH_MAX)).collect();
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            let padding = width.saturating_sub(shown_width(cell));
            write!(line, " {cell}{:padding$} ", "")?;
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// How many columns of a terminal a text takes: Chinese letters take two.
fn shown_width(text: &str) -> usize {
    text.chars()
        .map(|letter| if matches!(letter, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{ffef}') { 2 } else { 1 })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::super::built_in;
    use super::*;

    #[test]
    fn everything_a_method_knows_is_shown() {
        let catalog = built_in().unwrap();
        for method in catalog.methods.values() {
            let platform = &catalog.platforms[&method.family];
            let text = describe(platform, method);
            for (_, schema) in parts(method) {
                for leaf in schema.leaves() {
                    assert!(text.lines().any(|line| line.trim_start().split(' ').next() == Some(&leaf)), "{leaf}");
                }
            }
            for rule in method.errors.values().chain(platform.errors.values()) {
                assert!(text.contains(&format!("\n  {} ", rule.code)), "{}: {}", method.name, rule.code);
            }
            for rule in &method.warnings {
                assert!(text.contains(&format!("\n  {}", rule.field)) && text.contains(&rule.message));
            }
            for quota in &method.quotas {
                assert!(text.contains(&quota.quota.to_string()));
            }
            assert!(method.checks.iter().all(|rule| text.contains(&rule.message)), "{}", method.name);
            assert!(!text.lines().any(|line| line.ends_with(' ')));
            let json = to_json(platform, method);
            assert_eq!(json["errors"].as_array().unwrap().len(), method.errors.len());
            assert_eq!(json["warnings"].as_array().unwrap().len(), method.warnings.len());
            assert_eq!(json["checks"].as_array().unwrap().len(), method.checks.len());
            assert_eq!(json["creation"]["class"], method.creation.as_str());
        }
    }

    #[test]
    fn limits_are_put_into_words() {
        let catalog = built_in().unwrap();
        let body = &catalog.method("wecom.meeting.create").unwrap().body_schema;
        let limits = |name: &str| limits(body.at(name).unwrap());
        assert_eq!(limits("title"), "not empty, ≤ 40 bytes or ≤ 20 characters");
        assert_eq!(limits("settings.password"), "4 to 6 characters, digits");
        let userid = "a userid (letters, digits, _, -, @ and .) such as \"lisi\"";
        assert_eq!(limits("invitees.userid"), format!("≤ 300 items, each 1 to 64 characters, {userid}"));
        assert_eq!(
            limits("settings.hosts.userid"),
            format!("≤ 10 items besides admin_userid, each 1 to 64 characters, {userid}")
        );
        assert_eq!(limits("meeting_duration"), "300 to 86399");
        assert_eq!(limits("reminders.repeat_interval"), "1 to 2, only when repeat_type = 1, default 1");
        assert_eq!(limits("reminders.is_repeat"), "0 = no | 1 = yes, default 0");
    }

    #[test]
    fn json_errors_say_what_is_done() {
        let catalog = built_in().unwrap();
        let method = catalog.method("wecom.meeting.create").unwrap();
        let json = to_json(&catalog.platforms["wecom"], method);
        let rule = |list: &str, code: i64| {
            json[list].as_array().unwrap().iter().find(|rule| rule["code"] == code).unwrap().clone()
        };
        assert_eq!(rule("errors", 400_301)["outcome"], "uncertain");
        assert_eq!(rule("errors", 400_301)["settle_s"], 300);
        assert_eq!(rule("platform_errors", 45009)["scope"], "method");
        assert_eq!(rule("platform_errors", 45009)["blocks_s"], json!([60, 3600, 86400]));
    }
}
