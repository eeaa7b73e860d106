use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::catalog::built_in;
use crate::job::Identity;

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(built_in().unwrap()));

fn decoder() -> Decoder {
    let app = |family: &str, users: &[&str]| AppFacts {
        family: family.to_owned(),
        users: users.iter().map(|user| (*user).to_owned()).collect(),
        editions: BTreeMap::new(),
        has_tenants: family == "feishu",
    };
    let apps = [("acme", app("feishu", &["anna"])), ("campus", app("wecom", &[]))];
    let apps = apps.map(|(name, facts)| (name.to_owned(), facts)).into();
    Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Named(apps), rights: Arc::default() }
}

fn room() -> Value {
    json!({"id": "r1", "method": "feishu.vc.room.create", "app": "acme",
           "body": {"name": "7F-701", "capacity": 10, "room_level_id": "omb_1"}})
}

fn meeting() -> Value {
    json!({"id": "m1", "method": "wecom.meeting.create", "app": "campus",
           "body": {"admin_userid": "zhang", "title": "例会", "meeting_start": 1_795_248_000, "meeting_duration": 300}})
}

fn decode(document: &Value) -> Result<Job, Rejection> {
    decoder().decode(document.to_string().as_bytes(), &Defaults::default())
}

/// The faults of a document as `field: message`, which must be faults of this reason.
fn faults(document: &Value, reason: Reason) -> Vec<String> {
    let rejection = decode(document).unwrap_err();
    assert_eq!(rejection.reason(), reason, "{rejection:?}");
    rejection.faults.iter().map(ToString::to_string).collect()
}

fn with(mut document: Value, pointer: &str, value: Value) -> Value {
    let (outer, name) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(outer).unwrap()[name] = value;
    document
}

fn assert_one(faults: &[String], parts: &[&str]) {
    assert_eq!(faults.len(), 1, "{faults:?}");
    for part in parts {
        assert!(faults[0].contains(part), "{part:?} in {faults:?}");
    }
}

#[test]
fn the_contracts_example_is_a_job() {
    let job = decode(&with(room(), "/batch", json!("hq-move"))).unwrap();
    assert_eq!(job.id, "r1");
    assert_eq!(job.lane.to_string(), "acme/feishu.vc.room.create");
    assert_eq!(job.batch.as_deref(), Some("hq-move"));
    assert_eq!((job.identity, job.priority), (Identity::Tenant, 4));
    assert_eq!(job.params.get("body.capacity"), Some(&json!(10)));
    assert_eq!(job.params.get("body.custom_room_id"), None, "the mark is the engine's");
    assert_eq!((job.not_before, job.not_after, job.reply_to, job.meta), (None, None, None, None));
}

#[test]
fn a_byte_order_mark_before_the_document_is_skipped() {
    let job = br#"{"id":"x","method":"feishu.calendar.create","app":"acme","body":{"summary":"s"}}"#;
    let marked = [&b"\xef\xbb\xbf"[..], job].concat();
    assert_eq!(decoder().decode(&marked, &Defaults::default()).unwrap().id, "x");
    let twice = [&b"\xef\xbb\xbf"[..], &marked].concat();
    assert!(decoder().decode(&twice, &Defaults::default()).is_err());
}

#[test]
fn every_optional_field_is_read() {
    let document = json!({
        "id": "x", "method": "feishu.calendar.create", "app": "acme", "tenant": "t1", "identity": "user:anna",
        "priority": 9, "not_before": "2026-11-21T16:00:00+08:00", "not_after": "2026-11-21T16:00:01+08:00",
        "reply_to": "replies", "meta": {"any": [1, null]}, "query": {}, "path": {}, "body": {"summary": "s"},
    });
    let job = decode(&document).unwrap();
    assert_eq!(job.lane.tenant, "t1");
    assert_eq!(job.identity, Identity::User("anna".to_owned()));
    assert_eq!(job.priority, 9);
    assert_eq!(job.not_before.unwrap().unix_seconds(), 1_795_248_000);
    assert_eq!(job.not_after.unwrap().unix_seconds(), 1_795_248_001);
    assert_eq!(job.reply_to.as_deref(), Some("replies"));
    assert_eq!(job.meta.unwrap()["any"], json!([1, null]));
}

#[test]
fn what_is_no_object_is_malformed() {
    for raw in ["", "[]", "null", "\"a\"", "{", "{}x", "{\"id\":\"\u{1}\"}"] {
        let rejection = decoder().decode(raw.as_bytes(), &Defaults::default()).unwrap_err();
        assert_eq!(rejection.reason(), Reason::Malformed, "{raw}");
        assert_eq!(rejection.faults.len(), 1);
    }
    let gbk = decoder().decode(b"{\"id\":\"\xbb\xe1\"}", &Defaults::default()).unwrap_err();
    assert!(gbk.detail().to_string().contains("UTF-8"), "{gbk:?}");
    for utf_16 in [&b"\xff\xfe{\0}\0"[..], b"\xfe\xff\0{\0}"] {
        let rejection = decoder().decode(utf_16, &Defaults::default()).unwrap_err();
        assert_eq!(rejection.detail().to_string(), "is UTF-16: expected JSON in UTF-8");
    }
}

#[test]
fn defaults_stand_in_and_are_kept_for_what_cannot_be_read() {
    let defaults = Defaults {
        id: Some("d".to_owned()),
        method: Some("feishu.vc.room.create".to_owned()),
        app: Some("acme".to_owned()),
        batch: Some("b".to_owned()),
        priority: Some(7),
        reply_to: Some("q".to_owned()),
        sender: None,
        is_filed: false,
    };
    let document = json!({"body": room()["body"]}).to_string();
    let job = decoder().decode(document.as_bytes(), &defaults).unwrap();
    assert_eq!((job.id.as_str(), job.batch.as_deref(), job.priority), ("d", Some("b"), 7));
    assert_eq!(job.reply_to.as_deref(), Some("q"));
    let own = with(with(room(), "/priority", json!(0)), "/reply_to", json!("own")).to_string();
    let job = decoder().decode(own.as_bytes(), &defaults).unwrap();
    assert_eq!((job.id.as_str(), job.priority, job.reply_to.as_deref()), ("r1", 0, Some("own")));
    let rejection = decoder().decode(b"nonsense", &defaults).unwrap_err();
    assert_eq!((rejection.id.as_deref(), rejection.app.as_deref()), (Some("d"), Some("acme")));
    let too_high = decoder().decode(document.as_bytes(), &Defaults { priority: Some(10), ..defaults }).unwrap_err();
    assert_eq!(too_high.reason(), Reason::Invalid);
}

#[test]
fn what_every_job_needs_is_named_at_once() {
    let found = faults(&json!({}), Reason::Malformed);
    let missing = ["id: missing required field", "method: missing required field", "app: missing required field"];
    assert_eq!(found, missing);
    let rejection = decode(&json!({"id": 7, "method": "m", "app": "a"})).unwrap_err();
    assert_eq!(rejection.reason(), Reason::Malformed);
    assert_eq!(rejection.faults[0].to_string(), "id: expected a string, got 7");
    assert_eq!(rejection.id, None);
    assert_eq!(rejection.method.as_deref(), Some("m"), "what could be read is kept");
}

#[test]
fn wrong_types_of_fields_are_malformed() {
    for (name, value) in [
        ("tenant", json!(1)),
        ("identity", json!({})),
        ("priority", json!("high")),
        ("priority", json!(1.5)),
        ("not_before", json!(1_795_248_000)),
        ("reply_to", json!(null)),
        ("meta", json!([])),
        ("body", json!("{}")),
        ("query", json!(null)),
    ] {
        let found = faults(&with(room(), &format!("/{name}"), value), Reason::Malformed);
        assert!(found[0].starts_with(&format!("{name}: expected ")), "{found:?}");
        assert_eq!(found.len(), 1, "a body of the wrong type lacks nothing: {found:?}");
    }
}

#[test]
fn every_fault_is_named_at_once() {
    let mut document = with(room(), "/priority", json!(10));
    document["nmae"] = json!(1);
    document["body"] = json!({"name": "", "capacity": "ten", "device": [{"name": "a"}, {"nam": "b"}]});
    document["not_before"] = json!("tomorrow");
    let found = faults(&document, Reason::Invalid);
    for field in [
        "priority:",
        "not_before:",
        "body.room_level_id: missing required field",
        "body.name: must not be empty",
        "body.capacity: expected an integer, got \"ten\"",
        "body.device[1].name: missing required field",
        "body.device[1].nam: no such parameter; did you mean \"name\"?",
        "nmae: no such field of a job",
    ] {
        assert!(found.iter().any(|fault| fault.starts_with(field)), "{field} in {found:#?}");
    }
    assert_eq!(found.len(), 8, "{found:#?}");
}

#[test]
fn unknown_methods_and_apps_have_reasons_of_their_own() {
    let found = faults(&with(room(), "/method", json!("feishu.vc.room.creat")), Reason::UnknownMethod);
    assert_one(&found, &["did you mean \"feishu.vc.room.create\"?"]);
    let found = faults(&with(room(), "/method", json!("feishu.vc.room.list")), Reason::UnknownMethod);
    assert_one(&found, &["called by the worker itself"]);
    let found = faults(&with(room(), "/app", json!("acne")), Reason::UnknownApp);
    assert_one(&found, &["did you mean \"acme\"?"]);
    let found = faults(&with(room(), "/app", json!("campus")), Reason::Invalid);
    assert_one(&found, &["belongs to wecom", "to feishu"]);
}

#[test]
fn a_rehearsal_makes_apps_up() {
    let decoder = Decoder { apps: Apps::Any, ..decoder() };
    let anything = with(with(room(), "/app", json!("演练-1")), "/identity", json!("tenant"));
    assert!(decoder.decode(anything.to_string().as_bytes(), &Defaults::default()).is_ok());
    let bad = with(room(), "/app", json!("a b"));
    let rejection = decoder.decode(bad.to_string().as_bytes(), &Defaults::default()).unwrap_err();
    assert_eq!(rejection.reason(), Reason::UnknownApp);
}

#[test]
fn ids_are_bounded_in_bytes_and_printable() {
    let id = |id: String| with(room(), "/id", json!(id));
    assert!(decode(&id("会".repeat(85))).is_ok(), "255 bytes");
    assert_one(&faults(&id("会".repeat(85) + "a"), Reason::Invalid), &["id: expected at most 255 bytes, got 256"]);
    assert_one(&faults(&id(String::new()), Reason::Invalid), &["id: must not be empty"]);
    assert_one(&faults(&id("a\nb".to_owned()), Reason::Invalid), &["control characters"]);
}

#[test]
fn the_routing_key_fits_a_short_string() {
    let decoder = Decoder { apps: Apps::Any, ..decoder() };
    let decode = |letters: usize| {
        let document = with(room(), "/app", json!("a".repeat(letters)));
        decoder.decode(document.to_string().as_bytes(), &Defaults::default())
    };
    let room_for_app = 255 - ".feishu.vc.room.create".len();
    assert!(decode(room_for_app).is_ok());
    assert_eq!(decode(room_for_app + 1).unwrap_err().reason(), Reason::Invalid);
}

#[test]
fn identities_are_those_of_the_method_and_the_settings() {
    let calendar = json!({"id": "c", "method": "feishu.calendar.create", "app": "acme"});
    let as_user = |document: &Value, who: &str| with(document.clone(), "/identity", json!(who));
    assert!(decode(&as_user(&calendar, "user:anna")).is_ok());
    let found = faults(&as_user(&calendar, "user:ana"), Reason::Invalid);
    assert_one(&found, &["no user \"ana\"", "did you mean \"user:anna\"?"]);
    assert_one(&faults(&as_user(&room(), "user:anna"), Reason::Invalid), &["only called as the app, \"tenant\""]);
    assert_one(&faults(&as_user(&room(), "user:"), Reason::Invalid), &["expected \"tenant\" or \"user:<name>\""]);
}

#[test]
fn priorities_go_from_0_to_9() {
    for priority in [0, 9] {
        assert_eq!(decode(&with(room(), "/priority", json!(priority))).unwrap().priority, priority);
    }
    for priority in [-1, 10, 260] {
        let found = faults(&with(room(), "/priority", json!(priority)), Reason::Invalid);
        assert_one(&found, &["from 0 to 9", &priority.to_string()]);
    }
}

#[test]
fn times_are_rfc_3339_and_in_order() {
    let times =
        |before: &str, after: &str| with(with(room(), "/not_before", json!(before)), "/not_after", json!(after));
    assert!(decode(&times("2026-11-21T08:00:00Z", "2026-11-21T08:00:00.001Z")).is_ok());
    let found = faults(&times("2026-11-21T16:00:00+08:00", "2026-11-21T08:00:00Z"), Reason::Invalid);
    assert_one(&found, &["not_before:", "is not before not_after"]);
    assert_one(&faults(&with(room(), "/not_after", json!("2026-11-21")), Reason::Invalid), &["expected a time like"]);
}

#[test]
fn a_meeting_expires_when_it_starts() {
    let start = Timestamp::from_unix_seconds(1_795_248_000);
    assert_eq!(decode(&meeting()).unwrap().not_after, Some(start));
    let own = |text: &str| decode(&with(meeting(), "/not_after", json!(text))).unwrap().not_after.unwrap();
    assert_eq!(own("2026-11-21T07:59:59Z").unix_seconds(), 1_795_247_999, "the job's own is earlier");
    assert_eq!(own("2026-11-21T08:00:01Z"), start, "the meeting's start is earlier");
    let late = with(meeting(), "/not_before", json!("2026-11-21T08:00:00Z"));
    assert_one(&faults(&late, Reason::Invalid), &["not_before:", "is not before body.meeting_start"]);
    let both = with(
        with(meeting(), "/not_before", json!("2026-11-21T08:00:00Z")),
        "/not_after",
        json!("2026-11-21T07:00:00Z"),
    );
    assert_one(&faults(&both, Reason::Invalid), &["is not before not_after"]);
}

#[test]
fn a_key_that_stands_twice_is_refused_with_its_id_kept() {
    let raw = br#"{"id":"r1","method":"feishu.vc.room.create","app":"acme",
        "body":{"name":"a","name":"b","capacity":1,"room_level_id":"omb_o"}}"#;
    let rejection = decoder().decode(raw, &Defaults::default()).unwrap_err();
    assert_eq!(rejection.reason(), Reason::Malformed);
    assert_eq!(rejection.id.as_deref(), Some("r1"));
    assert_eq!(rejection.detail().to_string(), "body.name: appears more than once");
}

#[test]
fn secrets_stay_out_of_messages() {
    for password in [json!("12x4secret"), json!(123_456), json!("1")] {
        let document = with(meeting(), "/body/settings", json!({"password": password}));
        let rejection = decode(&document).unwrap_err();
        let text = format!("{} {rejection:?}", rejection.detail());
        assert!(!text.contains("12x4") && !text.contains("123456") && !text.contains("got \"1\""), "{text}");
        assert!(text.contains("body.settings.password"), "{text}");
    }
}

#[test]
fn the_same_params_in_another_order_are_the_same_content() {
    let a = decode(&room()).unwrap();
    let raw = br#"{"body":{"room_level_id":"omb_1","capacity":10,"name":"7F-701"},"app":"acme","priority":9,
        "method":"feishu.vc.room.create","id":"r1"}"#;
    let b = decoder().decode(raw, &Defaults::default()).unwrap();
    assert_eq!(a.content_hash(), b.content_hash());
}

#[test]
fn a_path_cannot_step_up() {
    let minutes = |id: &str| {
        json!({"id": "m", "method": "feishu.calendar.event.meeting_minute.create", "app": "acme",
               "path": {"calendar_id": id, "event_id": "e_0"}})
    };
    assert!(decode(&minutes("feishu.cn_x@group.calendar.feishu.cn")).is_ok());
    for id in [".", ".."] {
        assert_one(&faults(&minutes(id), Reason::Invalid), &["path.calendar_id", "expected an id"]);
    }
}

#[test]
fn a_custom_app_has_one_tenant() {
    let meeting = json!({"id": "w", "method": "wecom.meeting.create", "app": "campus", "tenant": "t1",
        "body": {"admin_userid": "u", "title": "t", "meeting_start": 4_000_000_000_i64, "meeting_duration": 300}});
    assert_one(&faults(&meeting, Reason::Invalid), &["tenant", "leave it out"]);
}

#[test]
fn only_what_holds_a_password_is_confidential() {
    let is_confidential =
        |settings: Value| decode(&with(meeting(), "/body/settings", settings)).unwrap().is_confidential;
    assert!(is_confidential(json!({"password": "123456"})));
    assert!(!is_confidential(json!({"enable_enter_mute": 1})));
}

#[test]
fn an_app_s_meetings_are_of_one_edition() {
    let decode_with = |chosen: &str, method: &str| {
        let mut decoder = decoder();
        if let Apps::Named(apps) = &mut decoder.apps {
            let facts = apps.get_mut("campus").unwrap();
            facts.editions = [("meetings".to_owned(), chosen.to_owned())].into();
        }
        let document = with(meeting(), "/method", json!(method)).to_string();
        decoder.decode(document.as_bytes(), &Defaults::default())
    };
    let (basic, advanced) = ("wecom.meeting.create", "wecom.meeting.create_advanced");
    assert!(decode_with("basic", basic).is_ok() && decode_with("advanced", advanced).is_ok());
    let refused = |chosen, method| {
        let rejection = decode_with(chosen, method).unwrap_err();
        assert_eq!(rejection.reason(), Reason::Invalid);
        rejection.faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        refused("basic", advanced),
        [
            "method: app campus is set to basic meetings, and wecom.meeting.create_advanced is for advanced meetings: use \
          wecom.meeting.create, or set meetings = \"advanced\" under [apps.campus] (what the basic interfaces created cannot \
          be used with the advanced ones)"
        ]
    );
    assert_one(&refused("advanced", basic), &["set to advanced meetings", "use wecom.meeting.create_advanced, or"]);
    // What both editions share is for either.
    for chosen in ["basic", "advanced"] {
        let mut decoder = decoder();
        if let Apps::Named(apps) = &mut decoder.apps {
            apps.get_mut("campus").unwrap().editions = [("meetings".to_owned(), chosen.to_owned())].into();
        }
        let cancel = json!({"id": "c", "method": "wecom.meeting.cancel", "app": "campus", "body": {"meetingid": "m"}});
        assert!(decoder.decode(cancel.to_string().as_bytes(), &Defaults::default()).is_ok());
    }
}
