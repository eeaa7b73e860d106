//! Every job method of the catalog works on the simulator without code of its own.

use serde_json::{Map, Value};

use super::*;
use crate::endpoint::platform_of;
use paceline_domain::catalog::{Action, Kind, Method, Schema, SchemaFormat, SchemaKind, TokenPlace};
use paceline_domain::outcome::{Answer, Outcome, Reply, classify};

/// A valid value made from a schema: its own example, else the least that it allows.
fn sample(schema: &Schema) -> Value {
    if schema.format == Some(SchemaFormat::UnixSeconds) {
        let later = epoch().unix_seconds() + 86_400;
        return if schema.kind == SchemaKind::String { later.to_string().into() } else { later.into() };
    }
    if let Some(example) = schema.examples.first() {
        return example.clone();
    }
    match schema.kind {
        SchemaKind::Object => Value::Object(object(schema)),
        SchemaKind::Array => Value::Array(schema.items.iter().map(|item| sample(item)).collect()),
        SchemaKind::String => "1".repeat(schema.length_min.unwrap_or(1).max(1)).into(),
        SchemaKind::Integer | SchemaKind::Number => {
            schema.minimum.map_or_else(|| 1.into(), |least| serde_json::json!(least))
        }
        SchemaKind::Boolean => true.into(),
    }
}

/// The required properties, with an example each.
fn object(schema: &Schema) -> Map<String, Value> {
    let is_needed = |name: &String| schema.requires(name) || schema.one_of.first() == Some(name);
    let required = schema.properties.iter().filter(|(name, _)| is_needed(name));
    let mut map: Map<_, _> = required.map(|(name, property)| (name.clone(), sample(property))).collect();
    for (name, property) in &schema.properties {
        if property.required_when.iter().any(|(sibling, value)| map.get(sibling) == Some(value)) {
            map.insert(name.clone(), sample(property));
        }
    }
    map
}

fn request(method: &Method, place: &TokenPlace, tokens: (&str, &str)) -> SimRequest {
    let mut target = method.path.clone();
    for (name, value) in object(&method.path_schema) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned).replace('@', "%40");
        target = target.replace(&format!(":{name}"), &text);
    }
    let mut query: Vec<String> = object(&method.query_schema)
        .iter()
        .map(|(name, value)| format!("{name}={}", value.to_string().trim_matches('"')))
        .collect();
    let authorization = match place {
        TokenPlace::AuthorizationHeader => Some(tokens.0.to_owned()),
        TokenPlace::QueryAccessToken => {
            query.push(format!("access_token={}", tokens.1));
            None
        }
    };
    let body = object(&method.body_schema);
    let body = if body.is_empty() { bytes::Bytes::new() } else { Value::Object(body).to_string().into() };
    SimRequest::new(&method.http_method, &format!("{target}?{}", query.join("&")), authorization, body)
}

/// Whether the documents name a code for what is deleted already.
fn knows_gone(method: &Method) -> bool {
    method.errors.values().any(|rule| rule.action == Action::Gone)
}

/// Whether it deletes what is not there in this world.
fn deletes(method: &Method) -> bool {
    !method.undoes.is_empty() || knows_gone(method) || method.http_method == "DELETE"
}

#[test]
fn every_job_method_succeeds_and_gives_its_key_back() {
    let catalog = catalog();
    let mut bench = Bench::new("");
    let (feishu, wecom) = (bench.feishu_token(), bench.wecom_token());
    let is_create = |method: &&Arc<Method>| method.kind == Kind::Job && !deletes(method);
    let jobs: Vec<_> = catalog.methods.values().filter(is_create).collect();
    assert!(jobs.len() >= 4);
    for method in jobs {
        let platform = platform_of(&catalog, &method.family).unwrap();
        let mut keys = Vec::new();
        for _ in 0..2 {
            let message = bench.whole(&request(method, &platform.token_place, (&feishu, &wecom)));
            let answer = Answer { status: message.status, body: message.body, ..Answer::default() };
            let outcome = classify(platform, method, &Reply::Answered(answer));
            let Outcome::Succeeded { key, .. } = outcome else { panic!("{}: {outcome:?}", method.name) };
            assert_eq!(key.is_some(), method.reply.key.is_some(), "{}", method.name);
            keys.extend(key);
        }
        if let [first, second] = keys.as_slice() {
            assert_ne!(first, second, "{}: ids are unique", method.name);
            let book = &bench.world.stats().methods[method.counted_name()];
            let made = if method.counted_as.is_none() { (2, 1, 1) } else { (4, 1, 3) };
            assert_eq!(
                (book.created, book.distinct, book.duplicates),
                made,
                "{}: both documents together",
                method.name
            );
        }
    }
}

#[test]
fn what_is_created_is_deleted_once_and_unknown_ids_are_told_apart() {
    let catalog = catalog();
    let mut bench = Bench::new("");
    let (feishu, wecom) = (bench.feishu_token(), bench.wecom_token());
    let undoing: Vec<_> = catalog.methods.values().filter(|method| !method.undoes.is_empty()).collect();
    assert!(undoing.len() > 8, "{undoing:?}");
    for method in &undoing {
        let platform = platform_of(&catalog, &method.family).unwrap();
        let (create, param) = (&method.undoes[0].method, &method.undoes[0].param);
        let mut send = |method: &Method, key: Option<&str>| {
            let mut method = method.clone();
            if let (Some(key), Some((part, name))) = (key, param.split_once('.')) {
                let schema = if part == "path" { &mut method.path_schema } else { &mut method.body_schema };
                let schema = &mut schema.properties.iter_mut().find(|(known, _)| known == name).unwrap().1;
                let number = key.parse::<i64>().ok().filter(|_| schema.kind == SchemaKind::Integer);
                schema.examples = vec![number.map_or_else(|| key.into(), Value::from)];
            }
            let message = bench.whole(&request(&method, &platform.token_place, (&feishu, &wecom)));
            let answer = Answer { status: message.status, body: message.body, ..Answer::default() };
            classify(platform, &method, &Reply::Answered(answer))
        };
        let create = catalog.method(create).unwrap();
        let Outcome::Succeeded { key: Some(key), .. } = send(create, None) else { panic!("{}", create.name) };
        assert_eq!(send(method, Some(&key)).as_str(), "succeeded", "{}", method.name);
        let again = if knows_gone(method) { "gone" } else { "permanent" };
        assert_eq!(send(method, Some(&key)).as_str(), again, "{}: a second time", method.name);
        let alike = format!("{key}0");
        assert_eq!(send(method, Some(&alike)).as_str(), again, "{}: never there", method.name);
        let Outcome::Succeeded { key: Some(_), .. } = send(create, None) else { panic!("{}", create.name) };
        let books = bench.world.stats();
        assert_eq!((books.methods[&method.name].deleted, books.methods[&create.name].duplicates), (1, 0));
    }
    let deleted = bench.world.objects().iter().filter(|object| object.is_deleted).count();
    assert_eq!((bench.world.stats().deleted, deleted), (undoing.len() as u64, undoing.len()));
}

#[test]
fn a_missing_required_field_is_refused_with_a_documented_code() {
    let catalog = catalog();
    let mut bench = Bench::new("");
    let (feishu, wecom) = (bench.feishu_token(), bench.wecom_token());
    for method in
        catalog.methods.values().filter(|method| method.kind == Kind::Job && !method.body_schema.required.is_empty())
    {
        let platform = platform_of(&catalog, &method.family).unwrap();
        let mut request = request(method, &platform.token_place, (&feishu, &wecom));
        request.body = "{}".into();
        let message = bench.whole(&request);
        let answer = Answer { status: message.status, body: message.body, ..Answer::default() };
        let outcome = classify(platform, method, &Reply::Answered(answer));
        let code = outcome.failure().and_then(|failure| failure.code).unwrap();
        assert!(matches!(outcome, Outcome::Permanent(_)), "{}: {outcome:?}", method.name);
        assert!(method.errors.contains_key(&code) || platform.errors.contains_key(&code), "{}: {code}", method.name);
    }
    assert_eq!(bench.world.stats().created, 0);
}

#[test]
fn a_new_method_is_served_without_code_of_its_own() {
    let mut catalog = (*catalog()).clone();
    let mut method = (**catalog.method("feishu.vc.room.create").unwrap()).clone();
    method.name = "feishu.things.create".to_owned();
    let text = Schema { kind: SchemaKind::String, ..Schema::default() };
    method.path = "/open-apis/things/v1/places/:place_id/things".to_owned();
    method.reply.key = Some("thing.thing_id".to_owned());
    method.reply.example =
        json!({"code": 0, "msg": "ok", "data": {"thing": {"thing_id": "th_0123456789abcdef", "name": "x"}}});
    method.path_schema.properties = vec![("place_id".to_owned(), text)];
    method.path_schema.required = vec!["place_id".to_owned()];
    catalog.methods.insert(method.name.clone(), Arc::new(method));
    let mut bench = Bench::new("");
    bench.world = World::new(Arc::new(catalog), scenario(""), 1.0, &still(|| Clock::at(epoch())));
    let token = bench.feishu_token();
    let body = json!({"name": "hammer", "capacity": 1, "room_level_id": "omb_l"});
    let mut make = || bench.call(&post("/open-apis/things/v1/places/p%2F1/things", Some(&token), &body)).1;
    let (first, second) = (make(), make());
    assert_eq!((&first["code"], &first["data"]["thing"]["name"]), (&json!(0), &json!("hammer")), "{first}");
    let id = first["data"]["thing"]["thing_id"].as_str().unwrap();
    assert!(id.starts_with("th_") && id.len() == 19 && second["data"]["thing"]["thing_id"] != json!(id), "{id}");
    assert_eq!(bench.world.stats().duplicates, 1);
}

#[test]
fn shipped_scenarios_name_methods_that_exist() {
    let catalog = catalog();
    for name in crate::built_in_names() {
        let scenario = Scenario::load(name).unwrap();
        assert_eq!(scenario.unknown_names(&catalog), Vec::<String>::new(), "{name}");
    }
    assert_eq!(scenario("[quotas]\n\"feishu.vc.rom.*\" = \"none\"").unknown_names(&catalog).len(), 1);
    let found = scenario("[quotas]\n\"wecom.meeting.create_advanced\" = \"none\"").unknown_names(&catalog);
    assert_eq!(found, ["quotas: \"wecom.meeting.create_advanced\" is served as wecom.meeting.create: name that"]);
    assert!(scenario("[quotas]\n\"wecom.meeting.*\" = \"none\"").unknown_names(&catalog).is_empty());
}
