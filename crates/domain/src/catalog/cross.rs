//! Checks what one file of the catalog says about another, or one section about another.

use std::collections::BTreeMap;

use serde_json::Value;

use super::schema::Schema;
use super::{Action, Catalog, Creation, Kind, LookUp, Method};
use crate::look_up::listed_under;
use crate::outcome::{lookup, unwrap_envelope};

/// Faults of one method: the field and what is wrong with it.
pub(super) struct Faults(Vec<(String, String)>);

impl Faults {
    pub(super) fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push((field.into(), message.into()));
    }
}

/// Everything that is wrong with a platform in this catalog.
pub(super) fn platform(catalog: &Catalog, name: &str) -> Vec<(String, String)> {
    let mut faults = Faults(Vec::new());
    let Some(platform) = catalog.platforms.get(name) else { return faults.0 };
    match catalog.method(&platform.token_method) {
        Some(method) if method.kind == Kind::Token => {}
        Some(_) => faults.add("token_method", format!("{} is not of kind \"token\"", platform.token_method)),
        None => faults.add("token_method", format!("there is no method {}", platform.token_method)),
    }
    faults.0
}

/// Everything that is wrong with a method in this catalog.
pub(super) fn method(catalog: &Catalog, method: &Method) -> Vec<(String, String)> {
    let mut faults = Faults(Vec::new());
    placeholders(method, &mut faults);
    identities(method, &mut faults);
    if let Some(name) = &method.expires
        && param_schema(method, name).is_none_or(|schema| schema.format != Some(super::SchemaFormat::UnixSeconds))
    {
        faults.add("expires", format!("{name} is no parameter with x-format = \"unix-seconds\""));
    }
    identity(method, &mut faults);
    super::links::method(catalog, method, &mut faults);
    reply(catalog, method, &mut faults);
    shown(catalog, method, &mut faults);
    codes(catalog, method, &mut faults);
    warnings(&result_of(catalog, method), method, &mut faults);
    if let Some(spec) = method.creation.look_up() {
        look_up(catalog, method, spec, &mut faults);
    }
    super::links::decides(&result_of(catalog, method), method, &mut faults);
    faults.0.extend(super::rule::faults(method));
    let gone = method.errors.values().filter(|rule| rule.action == Action::Gone);
    for rule in gone.filter(|_| !matches!(method.creation, Creation::Natural)) {
        let message = format!("{}: gone belongs to methods of the class \"natural\"", rule.code);
        faults.add("errors", message);
    }
    // A call that follows from other faults is no fault of its own.
    if faults.0.is_empty() {
        super::links::request(method, &mut faults);
    }
    faults.0
}

fn placeholders(method: &Method, faults: &mut Faults) {
    if !method.path.starts_with('/') {
        faults.add("path", "must start with a slash");
    }
    let named: Vec<&str> = method.path.split('/').filter_map(|segment| segment.strip_prefix(':')).collect();
    for name in &named {
        if !method.path_schema.requires(name) {
            faults.add("path_params", format!("must name and require the path's placeholder {name:?}"));
        }
    }
    for (name, _) in method.path_schema.properties.iter().filter(|(name, _)| !named.contains(&name.as_str())) {
        faults.add(format!("path_params.properties.{name}"), format!("the path has no placeholder :{name}"));
    }
}

fn identities(method: &Method, faults: &mut Faults) {
    match (method.kind, method.identities.is_empty()) {
        (Kind::Token, false) => faults.add("identities", "a token method is called without an identity"),
        (Kind::Job | Kind::LookUp, true) => faults.add("identities", "needs \"tenant\", \"user\" or both"),
        _ => {}
    }
    if method.kind == Kind::LookUp && !matches!(method.creation, Creation::Natural) {
        faults.add("creation.class", "a look-up changes nothing: expected \"natural\"");
    }
}

/// What makes two jobs the same object stands in ids, which are no secret.
fn identity(method: &Method, faults: &mut Faults) {
    for (index, name) in method.identity.iter().enumerate() {
        match param_schema(method, name) {
            None => faults.add("identity", format!("the method has no parameter {name}")),
            Some(schema) if schema.holds_secrets() => {
                faults.add("identity", format!("{name} is sensitive, and ids are made of the identity"));
            }
            Some(_) if method.identity[..index].contains(name) => {
                faults.add("identity", format!("names {name} twice"));
            }
            Some(_) => {}
        }
    }
}

fn reply(catalog: &Catalog, method: &Method, faults: &mut Faults) {
    let token_fields = [("reply.token", &method.reply.token), ("reply.expires", &method.reply.expires)];
    for (field, path) in token_fields {
        match (method.kind == Kind::Token, path.is_some()) {
            (true, false) => faults.add(field, "a token method must name it"),
            (false, true) => faults.add(field, "belongs to token methods"),
            _ => {}
        }
    }
    let Some(platform) = catalog.platforms.values().find(|platform| platform.family == method.family) else {
        faults.add("name", format!("no platform is of the family {:?}", method.family));
        return;
    };
    let result = unwrap_envelope(&platform.envelope, method.reply.example.clone());
    let paths = [("reply.key", &method.reply.key), token_fields[0], token_fields[1]];
    for (field, path) in paths.iter().filter_map(|(field, path)| Some((*field, path.as_ref()?))) {
        if lookup(&result, path).is_none() {
            faults.add(field, format!("reply.example holds nothing under {path:?}"));
        }
    }
}

/// What `[reply.shown]` names must stand in the example, and its parameters must be some create's.
fn shown(catalog: &Catalog, method: &Method, faults: &mut Faults) {
    let shown = &method.reply.shown;
    let result = result_of(catalog, method);
    if let Some(item) = &shown.item
        && lookup(&result, item).is_none()
    {
        faults.add("reply.shown.item", format!("reply.example holds nothing under {item:?}"));
    }
    for name in shown.from.values().flatten() {
        let family = catalog.methods.values().filter(|other| other.family == method.family);
        if !family.into_iter().any(|other| param_schema(other, name).is_some()) {
            faults.add("reply.shown.from", format!("no method has a parameter {name}"));
        }
    }
    if let Some(changes) = &shown.changes {
        if lookup(&result, &changes.token).is_none() {
            faults.add("reply.shown.changes.token", format!("reply.example holds nothing under {:?}", changes.token));
        }
        if param_schema(method, &changes.param).is_none() {
            faults.add("reply.shown.changes.param", format!("the method has no parameter {}", changes.param));
        }
    }
}

/// Codes of parameters must be documented ones.
fn codes(catalog: &Catalog, method: &Method, faults: &mut Faults) {
    let platform = catalog.platforms.values().find(|platform| platform.family == method.family);
    let is_known = |code: &i64| {
        method.errors.contains_key(code) || platform.is_some_and(|platform| platform.errors.contains_key(code))
    };
    let parts = [("path_params", &method.path_schema), ("query", &method.query_schema), ("body", &method.body_schema)];
    let mut left: Vec<(String, &Schema)> = parts.map(|(part, schema)| (part.to_owned(), schema)).into();
    while let Some((field, schema)) = left.pop() {
        for code in schema.codes.values().filter(|code| !is_known(code)) {
            let message = format!("{code} is a code of neither the method nor its platform");
            faults.add(format!("{field}.x-codes"), message);
        }
        left.extend(schema.properties.iter().map(|(name, inner)| (format!("{field}.properties.{name}"), inner)));
        left.extend(schema.items.iter().map(|items| (format!("{field}.items"), &**items)));
    }
}

/// A field that no documented reply has would never warn of anything.
fn warnings(example: &Value, method: &Method, faults: &mut Faults) {
    if method.kind != Kind::Job && !method.warnings.is_empty() {
        faults.add("warnings", "belongs to methods of the kind \"job\"");
    }
    for (index, rule) in method.warnings.iter().enumerate() {
        let found = lookup(example, &rule.field);
        let items = found
            .and_then(Value::as_array)
            .map_or_else(|| found.into_iter().collect(), |items| items.iter().collect::<Vec<_>>());
        if items.is_empty() {
            faults
                .add(format!("warnings[{index}].field"), format!("reply.example holds nothing under {:?}", rule.field));
        }
        if let Some(value) = &rule.value
            && items.iter().any(|item| lookup(item, value).is_none())
        {
            faults.add(
                format!("warnings[{index}].value"),
                format!("reply.example has no {value:?} in an item of {:?}", rule.field),
            );
        }
    }
}

/// The schema of a parameter under its dotted name (`body.title`).
pub(super) fn param_schema<'a>(method: &'a Method, name: &str) -> Option<&'a Schema> {
    let (part, rest) = name.split_once('.')?;
    method.schema(part)?.at(rest)
}

fn look_up(catalog: &Catalog, method: &Method, spec: &LookUp, faults: &mut Faults) {
    for (name, template) in &spec.mark {
        let field = format!("creation.mark.{name}");
        if param_schema(method, name).is_none() {
            faults.add(&field, format!("the method has no parameter {name}"));
        }
        template_faults(method, &Value::from(template.as_str()), None, &field, faults);
    }
    let Some(listing) = called(catalog, method, &spec.method, "creation.method", faults) else { return };
    params(method, listing, &spec.params, None, "creation.params", faults);
    let listed = result_of(catalog, listing);
    match listed_under(&listed, &spec.items) {
        Some(items) if !items.is_empty() => items_faults(catalog, method, spec, items[0], faults),
        _ => {
            let message = format!("the example of {} has no list {:?} with an item", listing.name, spec.items);
            faults.add("creation.items", message);
        }
    }
    if let Some(next) = &spec.next {
        super::links::next_page(listing, &listed, next, "creation.next", faults);
    }
    super::links::state(method, spec, faults);
    for (key, fields) in [("matches", &spec.matches), ("unmarked", &spec.unmarked)] {
        for (name, template) in fields {
            let item = if spec.each.is_some() { Some("each") } else { None };
            template_faults(method, template, item, &format!("creation.{key}.{name}"), faults);
        }
    }
    if spec.mark.is_empty() && !(spec.unmarked.is_empty() && spec.unmarked_never.is_empty()) {
        faults.add("creation.unmarked", "belongs to a look-up with a mark");
    }
    for name in spec.cut_beyond.keys().filter(|name| param_schema(method, name).is_none()) {
        faults.add("creation.cut_beyond", format!("the method has no parameter {name}"));
    }
    for name in spec.least.iter().filter(|name| !spec.params.get(*name).is_some_and(is_template)) {
        faults.add("creation.least", format!("{name} is no parameter that a job fills"));
    }
}

/// The fields that are compared must stand in the documented example of what is listed or fetched.
fn items_faults(catalog: &Catalog, method: &Method, spec: &LookUp, first: &Value, faults: &mut Faults) {
    if lookup(first, &spec.key).is_none() {
        faults.add("creation.key", format!("the example of {} has no {:?} in an item", spec.method, spec.key));
    }
    let detailed = spec.detail.as_ref().and_then(|detail| {
        let fetch = called(catalog, method, &detail.method, "creation.detail.method", faults)?;
        params(method, fetch, &detail.params, Some("item"), "creation.detail.params", faults);
        let item = lookup(&result_of(catalog, fetch), &detail.item).cloned();
        if item.is_none() {
            faults.add("creation.detail.item", format!("the example of {} has no {:?}", fetch.name, detail.item));
        }
        item
    });
    let compared = if spec.detail.is_some() { detailed } else { Some(first.clone()) };
    let Some(compared) = compared else { return };
    let equal = [("matches", spec.matches.keys()), ("unmarked", spec.unmarked.keys())];
    let never = [("matches", spec.never.keys()), ("unmarked", spec.unmarked_never.keys())];
    let equal = equal.into_iter().flat_map(|(key, names)| names.map(move |name| (key, name)));
    let never = never.into_iter().flat_map(|(key, names)| names.map(move |name| (key, name)));
    for (key, name) in equal.chain(never) {
        if lookup(&compared, name).is_none() {
            faults.add(format!("creation.{key}.{name}"), "stands in no documented example of what is compared");
        }
    }
}

pub(super) fn result_of(catalog: &Catalog, method: &Method) -> Value {
    let platform = catalog.platforms.values().find(|platform| platform.family == method.family);
    platform.map_or(Value::Null, |platform| unwrap_envelope(&platform.envelope, method.reply.example.clone()))
}

pub(super) fn called<'a>(
    catalog: &'a Catalog,
    method: &Method,
    name: &str,
    field: &str,
    faults: &mut Faults,
) -> Option<&'a Method> {
    let Some(called) = catalog.method(name) else {
        faults.add(field, format!("there is no method {name:?}"));
        return None;
    };
    if called.kind != Kind::LookUp {
        faults.add(field, format!("{name} is not of kind \"look-up\""));
        return None;
    }
    if called.family != method.family {
        faults.add(field, format!("{name} belongs to another platform"));
    }
    same_callers(method, called, field, faults);
    Some(called)
}

/// Whoever may call the method may call the other one.
pub(super) fn same_callers(method: &Method, called: &Method, field: &str, faults: &mut Faults) {
    if method.identities.iter().any(|identity| !called.identities.contains(identity)) {
        faults.add(field, format!("{} does not take every identity that this method takes", called.name));
    }
}

/// Parameters of a call: known to the called method, complete, and from templates that refer to something.
fn params(
    method: &Method,
    called: &Method,
    params: &BTreeMap<String, Value>,
    item: Option<&str>,
    field: &str,
    faults: &mut Faults,
) {
    templates(method, called, params, item, field, faults);
    for name in required(called).filter(|name| !params.contains_key(name)) {
        faults.add(field, format!("lacks {name}, which {} requires", called.name));
    }
}

/// Parameters of a call: known to the called method, and from templates that refer to something.
pub(super) fn templates(
    method: &Method,
    called: &Method,
    params: &BTreeMap<String, Value>,
    item: Option<&str>,
    field: &str,
    faults: &mut Faults,
) {
    for (name, template) in params {
        let at = format!("{field}.{name}");
        match param_schema(called, name) {
            None => faults.add(&at, format!("{} has no parameter {name}", called.name)),
            Some(schema) if !is_template(template) => {
                let mut wrong = Vec::new();
                schema.check(name, template, &mut wrong);
                for fault in wrong {
                    faults.add(&at, fault.message());
                }
            }
            Some(_) => {}
        }
        template_faults(method, template, item, &at, faults);
    }
}

/// Everything that a call of the method must have, dotted.
pub(super) fn required(method: &Method) -> impl Iterator<Item = String> {
    let parts = [("path", &method.path_schema), ("query", &method.query_schema), ("body", &method.body_schema)];
    parts.into_iter().flat_map(|(part, schema)| schema.required.iter().map(move |name| format!("{part}.{name}")))
}

fn is_template(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with('$'))
}

/// `item` is how templates may call the listed item, or the item of the create's own list, where there is one.
fn template_faults(method: &Method, template: &Value, item: Option<&str>, field: &str, faults: &mut Faults) {
    let Some(name) = template.as_str().and_then(|text| text.strip_prefix('$')) else { return };
    let known = match name.split_once('.') {
        None => name == "id" || Some(name) == item,
        Some((outer, rest)) if Some(outer) == item => !rest.is_empty(),
        Some(_) => param_schema(method, name).is_some(),
    };
    if !known {
        let items = item.map_or_else(String::new, |item| format!(", ${item} or ${item}.<field>"));
        faults.add(field, format!("${name} refers to nothing: expected $id, $path.x, $query.x, $body.x{items}"));
    }
}
