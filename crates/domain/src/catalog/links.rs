//! Checks what a method's file says of other methods and of its own look-up: undo, update, read, names, labels, codes.

use serde_json::Value;

use super::cross::{Faults, called, param_schema, required, result_of, same_callers, templates};
use super::probing;
use super::schema::{Kind as SchemaKind, Schema};
use super::{Catalog, Creation, Kind, LookUp, Method, NextPage, Read, Resolve, Undo, Update};
use crate::look_up::listed_under;
use crate::outcome::lookup;

/// Everything that is wrong with what the method's file says of others.
pub(super) fn method(catalog: &Catalog, method: &Method, faults: &mut Faults) {
    counted_as(catalog, method, faults);
    for name in method.codes.iter().filter(|name| !catalog.codes.contains_key(*name)) {
        faults.add("codes", format!("there is no file of codes {name:?}"));
    }
    if let Some(undo) = &method.undo {
        self::undo(catalog, method, undo, faults);
        if !method.no_undo.is_empty() {
            faults.add("no_undo", "contradicts [undo]");
        }
    }
    if let Some(update) = &method.update {
        self::update(catalog, method, update, faults);
    }
    if let Some(read) = &method.read {
        self::read(catalog, method, read, faults);
    }
    merges(method, faults);
    probing::probe(catalog, method, faults);
    idempotency_key(method, faults);
    label(method, faults);
    resolvers(catalog, method, faults);
}

/// What is counted as another method is another document of the same call.
fn counted_as(catalog: &Catalog, method: &Method, faults: &mut Faults) {
    let Some(name) = &method.counted_as else { return };
    match catalog.method(name) {
        None => faults.add("counted_as", format!("there is no method {name:?}")),
        Some(other) if other.counted_as.is_some() => {
            faults.add("counted_as", format!("{name} is itself counted as another method: name that one"));
        }
        Some(other) if (&other.http_method, &other.path) != (&method.http_method, &method.path) => {
            let call = format!("{} {}", other.http_method, other.path);
            faults.add("counted_as", format!("{name} is another call, {call}"));
        }
        Some(_) => {}
    }
}

/// The undoing method needs nothing but the object's id and what the creating job knows, may be sent again, and takes the
/// identities of the create.
fn undo(catalog: &Catalog, method: &Method, undo: &Undo, faults: &mut Faults) {
    if method.reply.key.is_none() {
        faults.add("undo", "reply.key must name the new object's id, or nobody knows what to undo");
    }
    let Some(called) = job_of_family(catalog, method, &undo.method, "undo.method", faults) else { return };
    if !matches!(called.creation, Creation::Natural) {
        faults.add("undo.method", format!("{} is not of the class \"natural\"", called.name));
    }
    if param_schema(called, &undo.param).is_none() {
        faults.add("undo.param", format!("{} has no parameter {}", called.name, undo.param));
    }
    let is_sealed =
        [&method.path_schema, &method.query_schema, &method.body_schema].iter().any(|it| it.holds_secrets());
    if is_sealed && !undo.params.is_empty() {
        faults.add(
            "undo.params",
            "the method has sensitive parameters: its jobs are sealed, and cannot be asked for these",
        );
    }
    templates(method, called, &undo.params, None, "undo.params", faults);
    for name in required(called).filter(|name| *name != undo.param && !undo.params.contains_key(name)) {
        faults.add("undo.param", format!("{} also requires {name}", called.name));
    }
}

/// The changing method takes the object's id, and the identities of the create.
fn update(catalog: &Catalog, method: &Method, update: &Update, faults: &mut Faults) {
    if method.reply.key.is_none() {
        faults.add("update", "reply.key must name the new object's id, or nobody knows what to change");
    }
    let Some(called) = job_of_family(catalog, method, &update.method, "update.method", faults) else { return };
    if param_schema(called, &update.param).is_none() {
        faults.add("update.param", format!("{} has no parameter {}", called.name, update.param));
    }
    for name in update.together.iter().flatten() {
        if !name.starts_with("body.") || param_schema(called, name).is_none() {
            faults.add("update.together", format!("{} has no parameter {name} in its body", called.name));
        }
    }
}

fn job_of_family<'a>(
    catalog: &'a Catalog,
    method: &Method,
    name: &str,
    field: &str,
    faults: &mut Faults,
) -> Option<&'a Method> {
    let Some(called) = catalog.job_method(name).filter(|called| called.family == method.family) else {
        faults.add(field, format!("{name:?} is no method for jobs of the same platform"));
        return None;
    };
    same_callers(method, called, field, faults);
    Some(called)
}

/// What people read: its columns are parameters of the method that it feeds, and stand in the documented example.
fn read(catalog: &Catalog, method: &Method, read: &Read, faults: &mut Faults) {
    if method.kind != Kind::LookUp {
        faults.add("read", "belongs to methods of the kind \"look-up\"");
    }
    let listed = result_of(catalog, method);
    let first = listed_under(&listed, &read.items).and_then(|items| items.first().copied());
    if first.is_none() {
        faults.add("read.items", format!("reply.example has no list {:?} with an item", read.items));
    }
    let Some(fed) = job_of_family(catalog, method, &read.feeds, "read.feeds", faults) else { return };
    for (column, path) in &read.columns {
        if param_schema(fed, column).is_none() {
            faults.add("read.columns", format!("{} has no parameter {column}", fed.name));
        }
        if first.is_some_and(|item| lookup(item, path).is_none()) {
            faults.add("read.columns", format!("reply.example has no {path:?} in an item of {:?}", read.items));
        }
    }
    for (name, value) in &read.params {
        let mut wrong = Vec::new();
        match param_schema(method, name) {
            None => faults.add("read.params", format!("the method has no parameter {name}")),
            Some(schema) => schema.check(name, value, &mut wrong),
        }
        for fault in wrong {
            faults.add("read.params", fault.to_string());
        }
    }
    if let Some(next) = &read.next {
        next_page(method, &listed, next, "read.next", faults);
    }
}

/// A page's token stands in the example; where there is none, an integer counts the items that were listed before.
pub(super) fn next_page(listing: &Method, listed: &Value, next: &NextPage, field: &str, faults: &mut Faults) {
    let schema = param_schema(listing, &next.param);
    if schema.is_none() {
        faults.add(format!("{field}.param"), format!("{} has no parameter {}", listing.name, next.param));
    }
    for (key, path) in [("token", &next.token), ("more", &next.more)] {
        if !path.is_empty() && lookup(listed, path).is_none() {
            faults.add(format!("{field}.{key}"), format!("the example of {} has no {path:?}", listing.name));
        }
    }
    if next.token.is_empty() {
        if schema.is_some_and(|schema| schema.kind != SchemaKind::Integer) {
            faults.add(format!("{field}.param"), "without a token, an integer that counts items is expected");
        }
        if !next.more.is_empty() {
            faults.add(format!("{field}.more"), "belongs to a token; a listing by number ends with an empty page");
        }
    }
}

/// A state has no id of its own; a list of objects is one, since no single id stands for it.
pub(super) fn state(method: &Method, spec: &LookUp, faults: &mut Faults) {
    if let Some(each) = &spec.each {
        if param_schema(method, each).is_none_or(|schema| schema.kind != SchemaKind::Array) {
            faults.add("creation.each", format!("the method has no list {each}"));
        }
        if !spec.state {
            faults.add("creation.each", "belongs to state = true: no single id stands for several objects");
        }
    }
    if spec.state && method.reply.key.is_some() {
        faults.add("creation.state", "contradicts reply.key: a state has no id of its own");
    }
    if spec.state && !spec.mark.is_empty() {
        faults.add("creation.mark", "belongs to an object of one job, and this is a state");
    }
}

/// What decides later is a list that the look-up compares one by one, and the reply says how it stands.
pub(super) fn decides(result: &Value, method: &Method, faults: &mut Faults) {
    let Some(decides) = &method.decides else { return };
    let look_up = method.creation.look_up().filter(|look_up| look_up.state);
    let Some(each) = look_up.and_then(|look_up| look_up.each.as_ref()) else {
        return faults.add("decides", "needs a [creation] with state = true and each: its listing is asked");
    };
    let item = param_schema(method, each).and_then(|schema| schema.items.as_deref());
    for name in decides.only.keys().chain([&decides.name]) {
        if item.is_none_or(|item| item.at(name).is_none()) {
            faults.add("decides", format!("an item of {each} has no {name}"));
        }
    }
    match listed_under(result, &decides.items).as_deref() {
        Some([first, ..]) => {
            for name in decides.only.keys().chain([&decides.name, &decides.field]) {
                if lookup(first, name).is_none() {
                    faults.add("decides", format!("reply.example has no {name:?} in an item of {:?}", decides.items));
                }
            }
        }
        _ => faults.add("decides.items", format!("reply.example has no list {:?} with an item", decides.items)),
    }
    if decides.declined.is_empty() {
        faults.add("decides.declined", "needs at least one word");
    }
}

/// The documented call is one that the schemas accept.
pub(super) fn request(method: &Method, faults: &mut Faults) {
    let Some(example) = &method.request else { return };
    match example.params(method) {
        Ok(params) => {
            let mut wrong = Vec::new();
            for (part, map) in [("path", &params.path), ("query", &params.query), ("body", &params.body)] {
                if let Some(schema) = method.schema(part) {
                    schema.check_object(part, map, &mut wrong);
                }
            }
            for fault in wrong {
                faults.add("request.example", fault.to_string());
            }
        }
        Err(why) => faults.add("request.example", why),
    }
}

/// A list that stands in the body itself, and says how many items it takes.
fn merges(method: &Method, faults: &mut Faults) {
    let Some(field) = &method.merges else { return };
    let schema = field.strip_prefix("body.").and_then(|name| method.body_schema.property(name));
    if schema.is_none_or(|schema| schema.kind != SchemaKind::Array || schema.items_max.is_none()) {
        faults.add("merges", format!("expected a list of the body with maxItems, such as body.attendees, got {field}"));
    }
}

fn idempotency_key(method: &Method, faults: &mut Faults) {
    let Creation::IdempotencyKey(by_key) = &method.creation else { return };
    let schema = param_schema(method, &by_key.field);
    if schema.is_none_or(|schema| schema.kind != SchemaKind::String) {
        faults.add("creation.field", format!("the method has no text parameter {}", by_key.field));
    }
    if schema.is_some_and(|schema| schema.length_min.is_some_and(|least| least > 64)) {
        faults.add("creation.field", "must take a key of 64 characters");
    }
}

/// `{body.name}`: what stands in braces are parameters that may be shown.
fn label(method: &Method, faults: &mut Faults) {
    for piece in method.label.split('{').skip(1) {
        let Some((name, _)) = piece.split_once('}') else {
            faults.add("label", "lacks a closing brace");
            continue;
        };
        match param_schema(method, name) {
            None => faults.add("label", format!("the method has no parameter {name}")),
            Some(schema) if schema.holds_secrets() => faults.add("label", format!("{name} is sensitive")),
            Some(_) => {}
        }
    }
}

/// Every `x-resolve` and `[[resolves]]` names a look-up of the same platform whose example has the name and the id.
fn resolvers(catalog: &Catalog, method: &Method, faults: &mut Faults) {
    for resolve in &method.resolves {
        if resolve.names.is_empty() {
            faults.add("resolves", "lacks `names`: which x-names it is for");
        }
        resolver(catalog, method, resolve, "resolves", faults);
    }
    let parts = [("path_params", &method.path_schema), ("query", &method.query_schema), ("body", &method.body_schema)];
    let mut left: Vec<(String, &Schema)> = parts.map(|(part, schema)| (part.to_owned(), schema)).into();
    while let Some((field, schema)) = left.pop() {
        for resolve in schema.resolve.iter().filter(|resolve| resolve.names.is_empty()) {
            resolver(catalog, method, resolve, &format!("{field}.x-resolve"), faults);
        }
        left.extend(schema.properties.iter().map(|(name, inner)| (format!("{field}.properties.{name}"), inner)));
        left.extend(schema.items.iter().map(|items| (format!("{field}.items"), &**items)));
    }
}

fn resolver(catalog: &Catalog, method: &Method, resolve: &Resolve, at: &str, faults: &mut Faults) {
    let Some(listing) = called(catalog, method, &resolve.method, at, faults) else { return };
    let listed = result_of(catalog, listing);
    let items = if resolve.items.is_empty() { Some(vec![&listed]) } else { listed_under(&listed, &resolve.items) };
    let item = items.and_then(|items| items.first().copied());
    let params = resolve.parent.iter().chain(resolve.ask.keys()).chain(resolve.params.keys());
    for param in params.filter(|param| param_schema(listing, param).is_none()) {
        faults.add(at, format!("{} has no parameter {param:?}", listing.name));
    }
    if resolve.is_asked() && resolve.asked_params().next().is_none() {
        faults.add(at, "`ask` has no $values, $value or $json for the names");
    }
    let named = Some(&resolve.name).filter(|name| !name.is_empty() || !resolve.is_asked());
    for path in named.into_iter().chain([&resolve.key]).chain(&resolve.also).chain(&resolve.above) {
        if item.is_none_or(|item| path.is_empty() || lookup(item, path).is_none()) {
            faults.add(at, format!("the example of {} has no {path:?} in an item", listing.name));
        }
    }
    if let Some(next) = &resolve.next {
        next_page(listing, &listed, next, at, faults);
    }
    if let Some(create) = &resolve.create {
        match catalog.job_method(&create.method).filter(|made| made.family == method.family && made.reply.key.is_some())
        {
            None => faults.add(at, format!("{:?} creates nothing on the same platform", create.method)),
            Some(made) => {
                for param in
                    [&create.name, &create.parent].into_iter().filter(|param| param_schema(made, param).is_none())
                {
                    faults.add(at, format!("{} has no parameter {param:?}", made.name));
                }
            }
        }
    }
}
