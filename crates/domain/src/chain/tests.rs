use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::graph::Graph;
use super::*;
use crate::catalog::{Catalog, Kind, built_in};
use crate::decode::{Apps, Decoder, Defaults};
use crate::reason::Reason;
use crate::rights::{Patterns, Publisher, Rights, Sender};

fn decoder() -> Decoder {
    Decoder { catalog: Arc::new(built_in().unwrap()), apps: Apps::Any, rights: Arc::default() }
}

#[expect(clippy::needless_pass_by_value, reason = "reads as a literal")]
fn room(level: Value) -> Value {
    json!({"id": "r1", "method": "feishu.vc.room.create", "app": "acme",
        "body": {"name": "7F-701", "capacity": 10, "room_level_id": level}})
}

fn read(document: &Value) -> Job {
    decoder().decode(document.to_string().as_bytes(), &Defaults::default()).unwrap()
}

fn faults(document: &Value) -> Vec<String> {
    let rejection = decoder().decode(document.to_string().as_bytes(), &Defaults::default()).unwrap_err();
    rejection.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_job_waits_for_whom_it_names_and_for_whom_it_takes_from() {
    let mut document = room(json!({"$from": "level"}));
    document["after"] = json!(["old", "level", "old"]);
    let job = read(&document);
    assert_eq!(job.after, ["old", "level"]);
    assert_eq!(job.prerequisites(), ["old", "level"]);
    let expected = Reference { field: "body.room_level_id".to_owned(), id: "level".to_owned(), at: None };
    assert_eq!(references(&job.params), [expected]);
}

#[test]
fn what_is_filled_in_is_no_content() {
    let mut job = read(&room(json!({"$from": "level"})));
    let before = job.content_hash();
    job.filled = vec![json!("omb_1")];
    assert_eq!(job.content_hash(), before);
    assert_ne!(read(&room(json!({"$from": "level", "at": "room_level.room_level_id"}))).content_hash(), before);
    let decoder = decoder();
    let sent = job.with_values(decoder.catalog.job_method("feishu.vc.room.create").map(AsRef::as_ref));
    assert_eq!(sent.params.body["room_level_id"], "omb_1");
    assert_ne!(sent.content_hash(), before);
}

#[test]
fn a_wrong_reference_is_named_with_what_was_expected() {
    let expected = r#"body.room_level_id: expected {"$from":"ID"} or {"$from":"ID","at":"field.path"}"#.to_owned();
    for wrong in [
        json!({"$from": ""}),
        json!({"$from": 1}),
        json!({"$from": "a", "at": ""}),
        json!({"$from": "a", "at": "x..y"}),
        json!({"$from": "a", "at": 1}),
        json!({"$from": "a", "field": "x"}),
        json!({"$from": "a\n"}),
    ] {
        assert_eq!(faults(&room(wrong.clone())), std::slice::from_ref(&expected), "{wrong}");
    }
    for wrong in [json!("a"), json!([""]), json!([1]), json!([["a"]])] {
        let mut document = room(json!("omb_1"));
        document["after"] = wrong.clone();
        let faults = faults(&document);
        assert!(faults[0].starts_with("after: expected a list of job ids"), "{wrong}: {faults:?}");
    }
}

#[test]
fn nobody_waits_for_itself() {
    let itself = "names the job itself: expected the id of another job";
    assert_eq!(faults(&room(json!({"$from": "r1"}))), [format!("body.room_level_id: {itself}")]);
    let mut document = room(json!("omb_1"));
    document["after"] = json!(["r1"]);
    assert_eq!(faults(&document), [format!("after: {itself}")]);
}

#[test]
fn a_password_is_never_taken_from_a_result() {
    let meeting = json!({"id": "m", "method": "wecom.meeting.create", "app": "campus", "body": {"admin_userid": "u",
        "title": "t", "meeting_start": 1_795_248_600, "meeting_duration": 300,
        "settings": {"password": {"$from": "x", "at": "password"}}}});
    assert_eq!(
        faults(&meeting),
        ["body.settings.password: is sensitive: it cannot be taken from another job's result"]
    );
}

/// Every parameter of every documented call, one by one.
#[test]
fn every_parameter_that_is_no_secret_can_be_taken_from_a_result() {
    let catalog = built_in().unwrap();
    let mut tried = 0;
    for method in catalog.methods.values().filter(|method| method.kind == Kind::Job) {
        let Some(example) = &method.request else { continue };
        let params = example.params(method).unwrap();
        for name in params.body.keys() {
            let schema = method.body_schema.property(name).unwrap();
            let mut changed = params.clone();
            changed.body[name] = json!({"$from": "x", "at": "a.b"});
            let mut faults = Vec::new();
            method.body_schema.check_object("body", &changed.body, &mut faults);
            faults.extend(crate::checks::faults_of_params(method, &changed));
            assert_eq!(faults.is_empty(), !schema.holds_secrets(), "{} {name}: {faults:?}", method.name);
            changed.body[name] = json!({"$from": "x"});
            let mut of_key = Vec::new();
            method.body_schema.check_object("body", &changed.body, &mut of_key);
            let is_text = matches!(schema.kind, SchemaKind::String | SchemaKind::Integer);
            assert_eq!(of_key.is_empty(), is_text && !schema.holds_secrets(), "{} {name}", method.name);
            tried += 1;
        }
    }
    assert!(tried > 60, "{tried}");
}

fn hr() -> Publisher {
    let any = || Patterns::new(vec!["*".to_owned()]);
    let user = Some("hr-user".to_owned());
    Publisher { user, apps: any(), methods: any(), identities: any(), reply_to: None }
}

#[test]
fn a_publisher_refers_to_its_own_jobs() {
    let publishers = BTreeMap::from([("hr".to_owned(), hr())]);
    let rights = Rights { ids_by_publisher: true, publishers, ..Rights::default() };
    let decoder = Decoder { rights: Arc::new(rights), ..decoder() };
    let mut document = room(json!({"$from": "level"}));
    document["after"] = json!(["old"]);
    let defaults = Defaults { sender: Some(Sender { user_id: Some("hr-user".to_owned()) }), ..Defaults::default() };
    let job = decoder.decode(document.to_string().as_bytes(), &defaults).unwrap();
    assert_eq!((job.id.as_str(), job.prerequisites()), ("hr/r1", vec!["hr/old".to_owned(), "hr/level".to_owned()]));
}

#[test]
fn cells_refer_to_jobs() {
    for (cell, reference) in [
        ("@{level-1}", Some(json!({"$from": "level-1"}))),
        (" @{ level-1 } ", Some(json!({"$from": "level-1"}))),
        ("@{c:calendar.calendar_id}", Some(json!({"$from": "c", "at": "calendar.calendar_id"}))),
        ("@{hq:1:}", Some(json!({"$from": "hq:1"}))),
        ("@{hq:1:event.event_id}", Some(json!({"$from": "hq:1", "at": "event.event_id"}))),
        ("@level", None),
        ("@{level", None),
        ("x @{level}", None),
    ] {
        assert_eq!(of_cell(cell), reference, "{cell}");
    }
}

#[test]
fn values_come_from_the_key_or_from_a_field() {
    let result = json!({"event": {"event_id": "e1", "rooms": [{"id": "a"}, {"id": 7}]}, "none": null});
    let take = |at: Option<&str>, key: Option<&str>| value_of("j", at, key, &result);
    assert_eq!(take(None, Some("k")), Ok(json!("k")));
    assert_eq!(take(None, None), Err(Cause::NoKeyToTake { id: "j".to_owned() }));
    assert_eq!(take(Some("event.event_id"), None), Ok(json!("e1")));
    assert_eq!(take(Some("event.rooms.1.id"), None), Ok(json!(7)));
    assert_eq!(take(Some("event.rooms"), None), Ok(json!([{"id": "a"}, {"id": 7}])));
    for at in ["event.room", "event.rooms.2", "event.event_id.x", "none", "event.rooms.x"] {
        assert_eq!(take(Some(at), Some("k")), Err(Cause::NothingToTake { id: "j".to_owned(), at: at.to_owned() }));
    }
}

#[test]
fn values_are_put_where_their_references_stand_and_as_the_method_wants_them() {
    let catalog = built_in().unwrap();
    let method = catalog.job_method("wecom.oa.meetingroom.book").unwrap();
    let map = |value: Value| value.as_object().cloned().unwrap();
    let mut params = Params {
        body: map(json!({"meetingroom_id": {"$from": "r"}, "subject": {"$from": "s", "at": "n"},
        "attendees": ["a", {"$from": "t"}]})),
        ..Params::default()
    };
    let order: Vec<String> = references(&params).into_iter().map(|reference| reference.id).collect();
    assert_eq!(order, ["t", "r", "s"]);
    fill(&mut params, &[json!("u"), json!("17"), json!(5)], Some(method));
    assert_eq!(params.body, map(json!({"meetingroom_id": 17, "subject": "5", "attendees": ["a", "u"]})));
    let mut left = Params { body: map(json!({"a": {"$from": "x"}, "b": {"$from": "y"}})), ..Params::default() };
    fill(&mut left, &[json!(1)], None);
    assert_eq!(left.body, map(json!({"a": 1, "b": {"$from": "y"}})));
}

#[test]
fn what_does_not_fit_once_it_is_there_is_named() {
    let catalog: Catalog = built_in().unwrap();
    let method = catalog.job_method("feishu.vc.room.create").unwrap();
    let mut job = read(&room(json!({"$from": "level"})));
    job.filled = vec![json!("not a level")];
    let faults = faults_of_filled(&job.clone().with_values(Some(method)), method);
    assert!(faults[0].to_string().starts_with("body.room_level_id: expected a level id"), "{faults:?}");
    assert_eq!(faults[0].reason, Reason::Invalid);
    job.filled = vec![json!("omb_4ad1")];
    assert_eq!(faults_of_filled(&job.with_values(Some(method)), method), []);
}

/// For each job the ones that it waits for, of so many.
fn waits() -> impl Strategy<Value = Vec<Vec<usize>>> {
    (1..9_usize).prop_flat_map(|count| prop::collection::vec(prop::collection::vec(0..count + 1, 0..3), count))
}

proptest! {
    /// Whoever is on no cycle and waits for none has a depth, and stands behind everybody that it waits for.
    #[test]
    fn depths_and_cycles_are_those_of_the_graph(waits in waits()) {
        let mut graph = Graph::default();
        let name = |n: &usize| format!("j{n}");
        for (n, prerequisites) in waits.iter().enumerate() {
            graph.add(&name(&n), prerequisites.iter().map(name).collect());
        }
        let reaches = |from: usize| {
            let (mut seen, mut left) = (Vec::new(), waits[from].clone());
            while let Some(next) = left.pop() {
                if !seen.contains(&next) {
                    seen.push(next);
                    left.extend(waits.get(next).into_iter().flatten());
                }
            }
            seen
        };
        let depths = graph.depths();
        for n in 0..waits.len() {
            let way = graph.cycle_of(&name(&n));
            prop_assert_eq!(way.is_some(), reaches(n).contains(&n));
            if let Some(way) = way {
                prop_assert_eq!((way.first(), way.last()), (Some(&name(&n)), Some(&name(&n))));
                for pair in way.windows(2) {
                    prop_assert!(graph.prerequisites(&pair[0]).contains(&pair[1]), "{:?}", way);
                }
            }
            let is_endless = reaches(n).contains(&n)
                || reaches(n).iter().any(|other| *other < waits.len() && reaches(*other).contains(other));
            prop_assert_eq!(depths.contains_key(name(&n).as_str()), !is_endless);
            if let Some(depth) = depths.get(name(&n).as_str()) {
                let before = waits[n].iter().filter_map(|other| depths.get(name(other).as_str())).max();
                prop_assert_eq!(*depth, before.map_or(0, |before| before + 1));
            }
        }
    }
}
