//! What every method's file promises, tried value by value: nothing here names a method.

use std::collections::BTreeSet;

use paceline_domain::catalog::{Action, Creation, Kind, Method, Number, Schema, SchemaFormat, SchemaKind, built_in};
use paceline_domain::outcome::{Answer, Outcome, Reply, classify};
use serde_json::{Value, json};

/// A value to try somewhere inside a part of a request.
struct Trial<'a> {
    /// The dotted name of the place, as faults name it.
    field: String,
    /// The whole part with the value in its place.
    whole: Box<dyn Fn(Value) -> Value + 'a>,
    schema: &'a Schema,
}

/// Every place below a schema, with what surrounds it.
fn trials<'a>(part: &str, root: &'a Schema) -> Vec<Trial<'a>> {
    let mut left: Vec<Trial<'a>> = vec![Trial { field: part.to_owned(), whole: Box::new(|value| value), schema: root }];
    let mut done = Vec::new();
    while let Some(trial) = left.pop() {
        let whole = std::rc::Rc::new(trial.whole);
        for (name, property) in &trial.schema.properties {
            let (around, outer) = (std::rc::Rc::clone(&whole), trial.schema);
            let put = move |value: Value| {
                let mut map = outer.sample_object();
                if outer.one_of.contains(name) {
                    map.retain(|other, _| !outer.one_of.contains(other));
                }
                // What is allowed beside certain siblings alone is tried beside those.
                map.extend(property.only_when.iter().cloned());
                map.insert(name.clone(), value);
                around(Value::Object(map))
            };
            left.push(Trial { field: format!("{}.{name}", trial.field), whole: Box::new(put), schema: property });
        }
        if let Some(items) = &trial.schema.items {
            let around = std::rc::Rc::clone(&whole);
            let put = move |value: Value| around(Value::Array(vec![value]));
            left.push(Trial { field: format!("{}[0]", trial.field), whole: Box::new(put), schema: items });
        }
        let around = std::rc::Rc::clone(&whole);
        let whole = Box::new(move |value| around(value));
        done.push(Trial { field: trial.field, whole, schema: trial.schema });
    }
    done
}

/// Values at the limits of a schema, and values just beyond them.
fn edges(schema: &Schema) -> (Vec<Value>, Vec<Value>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    good.extend(schema.values.iter().cloned());
    match schema.kind {
        SchemaKind::String if !schema.values.is_empty() => bad.push(json!("no such value")),
        SchemaKind::String => text_edges(schema, &mut good, &mut bad),
        SchemaKind::Integer | SchemaKind::Number if schema.values.is_empty() => {
            for (limit, sign) in [(schema.minimum, -1), (schema.maximum, 1)] {
                let Some(limit) = limit else { continue };
                good.push(json!(limit));
                bad.push(match limit {
                    Number::Whole(number) => json!(number + sign),
                    Number::Fraction(number) => json!(number + f64::from(sign as i32) * 0.01),
                });
            }
            bad.push(json!("1"));
        }
        SchemaKind::Integer | SchemaKind::Number => bad.push(json!(-987_654)),
        SchemaKind::Array => {
            let Some(items) = &schema.items else { return (good, bad) };
            let of = |count: usize| Value::Array(vec![items.sample(); count]);
            good.extend(schema.items_max.map(of));
            good.extend(schema.items_min.map(of));
            bad.extend(schema.items_max.map(|most| of(most + 1)));
            bad.extend(schema.items_min.and_then(|least| least.checked_sub(1)).map(of));
        }
        SchemaKind::Object => bad.push(json!([])),
        SchemaKind::Boolean => bad.push(json!("true")),
    }
    (good, bad)
}

fn text_edges(schema: &Schema, good: &mut Vec<Value>, bad: &mut Vec<Value>) {
    bad.push(json!(1));
    if schema.pattern.is_some() {
        bad.push(json!("?"));
        return;
    }
    if schema.format == Some(SchemaFormat::UnixSeconds) {
        bad.push(json!("soon"));
        return;
    }
    let is_digits = schema.format.is_some();
    let of = |count: usize| Value::from(if is_digits { "1".repeat(count) } else { "会".repeat(count) });
    let bytes = |count: usize| Value::from("a".repeat(count));
    if let Some(least) = schema.length_min {
        bad.extend(least.checked_sub(1).map(of));
        if schema.bytes_max.is_none_or(|most| least * 3 <= most) {
            good.push(of(least));
        }
    }
    if let Some(most) = schema.length_max {
        bad.push(of(most + 1));
        if schema.bytes_max.is_none() {
            good.push(of(most));
        }
    }
    if let Some(most) = schema.bytes_max {
        good.push(bytes(most));
        bad.extend([bytes(most + 1), Value::from("会".repeat(most / 3 + 1))]);
    }
    if let Some((most, letters)) = schema.bytes_or_chars_max {
        good.extend([bytes(most), Value::from("会".repeat(letters))]);
        bad.extend([bytes(most.max(letters) + 1), Value::from("会".repeat(most.max(letters) + 1))]);
    }
}

fn parts(method: &Method) -> [(&'static str, &Schema); 3] {
    [("path", &method.path_schema), ("query", &method.query_schema), ("body", &method.body_schema)]
}

/// Whether the value of that place is found faulty, itself and nothing below it.
fn is_faulty(part: &str, root: &Schema, whole: &Value, field: &str) -> bool {
    let mut faults = Vec::new();
    root.check(part, whole, &mut faults);
    faults.iter().any(|fault| fault.field == field)
}

#[test]
fn each_limit_holds_at_it_and_not_beyond_it() {
    let catalog = built_in().unwrap();
    let (mut tried, mut wrong) = (0, BTreeSet::new());
    for method in catalog.methods.values() {
        for (part, root) in parts(method) {
            for Trial { field, whole, schema } in trials(part, root) {
                let (good, bad) = edges(schema);
                for (value, expected) in
                    good.into_iter().map(|it| (it, false)).chain(bad.into_iter().map(|it| (it, true)))
                {
                    // A part of a request is always an object.
                    if field == part {
                        continue;
                    }
                    tried += 1;
                    if is_faulty(part, root, &whole(value.clone()), &field) != expected {
                        let shown: String = value.to_string().chars().take(60).collect();
                        wrong.insert(format!("{}: {field}: {shown}: a fault is {expected}", method.name));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 1_000, "{tried}");
}

#[test]
fn what_must_be_there_is_missed() {
    for method in built_in().unwrap().methods.values() {
        for (part, root) in parts(method) {
            for Trial { field, whole, schema } in trials(part, root) {
                for name in &schema.required {
                    let mut map = schema.sample_object();
                    map.remove(name);
                    let missed = format!("{field}.{name}");
                    assert!(is_faulty(part, root, &whole(Value::Object(map)), &missed), "{}: {missed}", method.name);
                }
                for (name, property) in &schema.properties {
                    for (sibling, value) in &property.required_when {
                        let mut map = schema.sample_object();
                        map.insert(sibling.clone(), value.clone());
                        map.remove(name);
                        let missed = format!("{field}.{name}");
                        assert!(
                            is_faulty(part, root, &whole(Value::Object(map)), &missed),
                            "{}: {missed}",
                            method.name
                        );
                    }
                }
                if let [first, second, ..] = schema.one_of.as_slice() {
                    let mut map = schema.sample_object();
                    for name in [first, second] {
                        map.insert(name.clone(), schema.property(name).map(Schema::sample).unwrap());
                    }
                    assert!(is_faulty(part, root, &whole(Value::Object(map.clone())), &field), "{}: both", method.name);
                    map.retain(|name, _| !schema.one_of.contains(name));
                    assert!(is_faulty(part, root, &whole(Value::Object(map)), &field), "{}: neither", method.name);
                }
            }
        }
    }
}

#[test]
fn every_job_has_its_documented_call_and_the_schemas_accept_it() {
    for method in built_in().unwrap().methods.values().filter(|method| method.kind == Kind::Job) {
        let example = method.request.as_ref().unwrap_or_else(|| panic!("{}: no [request] example", method.name));
        let params = example.params(method).unwrap();
        let mut faults = Vec::new();
        for ((part, schema), map) in parts(method).into_iter().zip([&params.path, &params.query, &params.body]) {
            schema.check_object(part, map, &mut faults);
        }
        assert!(faults.is_empty(), "{}: {faults:?}", method.name);
    }
}

#[test]
fn each_code_has_the_outcome_that_its_file_says() {
    let catalog = built_in().unwrap();
    for method in catalog.methods.values() {
        let platform = catalog.platforms.values().find(|platform| platform.family == method.family).unwrap();
        for (code, rule) in
            platform.errors.iter().filter(|(code, _)| !method.errors.contains_key(code)).chain(&method.errors)
        {
            let body = json!({ (platform.envelope.code.clone()): code, (platform.envelope.message.clone()): "m" });
            let status = Some(rule.http).filter(|http| *http > 0).unwrap_or(200);
            let answer = Answer { status, body: body.to_string().into(), ..Answer::default() };
            let outcome = classify(platform, method, &Reply::Answered(answer));
            let is_as_said = match &rule.action {
                Action::Throttled { .. } => matches!(outcome, Outcome::Throttled { .. }),
                Action::Transient { verify: true } => matches!(outcome, Outcome::Internal(_)),
                Action::Transient { verify: false } => matches!(outcome, Outcome::Transient(_)),
                Action::Permanent => matches!(outcome, Outcome::Permanent(_)),
                Action::Uncertain { .. } => matches!(outcome, Outcome::Uncertain { .. }),
                Action::Gone => matches!(outcome, Outcome::Gone(_)),
                Action::AccessToken => matches!(outcome, Outcome::AccessToken(_)),
                Action::Suspend { .. } => matches!(outcome, Outcome::Suspended { .. }),
            };
            assert!(is_as_said, "{}: {code}: {outcome:?}", method.name);
            let failure = outcome.failure().unwrap();
            let advice = failure.cure.as_ref().map(ToString::to_string);
            assert_eq!((failure.code, advice.as_ref()), (Some(*code), Some(&rule.cure)), "{}", method.name);
        }
    }
}

#[test]
fn every_job_says_how_it_is_undone_or_that_it_is_not() {
    for method in built_in().unwrap().methods.values().filter(|method| method.kind == Kind::Job) {
        let is_said = method.undo.is_some() || !method.no_undo.is_empty();
        assert!(is_said, "{}: neither [undo] nor no_undo", method.name);
        assert!(!method.identity.is_empty(), "{}: no identity", method.name);
    }
}

#[test]
fn what_has_no_look_up_says_why_in_its_file() {
    let methods = built_in().unwrap().methods;
    let blind = methods.values().filter(|method| matches!(method.creation, Creation::None));
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/methods");
    for method in blind {
        let text = std::fs::read_to_string(dir.join(format!("{}.toml", method.name))).unwrap();
        let before = text.split("[creation]").next().unwrap().trim_end().lines().next_back().unwrap();
        assert!(before.starts_with("# "), "{}: a comment before [creation] says why nothing can tell", method.name);
    }
}
