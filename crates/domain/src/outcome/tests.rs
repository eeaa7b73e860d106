use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::catalog::{Catalog, built_in};

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| built_in().unwrap());

const ROOM: &str = "feishu.vc.room.create";
const MEETING: &str = "wecom.meeting.create";

fn of(method: &str, answer: Answer) -> Outcome {
    let method = CATALOG.method(method).unwrap();
    classify(&CATALOG.platforms[&method.family], method, &Reply::Answered(answer))
}

fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Answer { status, body: body.into(), ..Answer::default() }
}

fn room(status: u16, code: i64) -> Outcome {
    of(ROOM, answer(status, json!({"code": code, "msg": "words"}).to_string()))
}

fn meeting(code: i64) -> Outcome {
    of(MEETING, answer(200, json!({"errcode": code, "errmsg": "words"}).to_string()))
}

fn word(outcome: &Outcome) -> &'static str {
    outcome.as_str()
}

#[test]
fn the_documented_examples_are_successes_with_their_keys() {
    for method in CATALOG.methods.values() {
        let Outcome::Succeeded { key, result, .. } = of(&method.name, answer(200, method.reply.example.to_string()))
        else {
            panic!("{}", method.name);
        };
        assert_eq!(key.is_some(), method.reply.key.is_some(), "{}", method.name);
        assert!(result.get("code").is_none() && result.get("errcode").is_none() && result.get("msg").is_none());
    }
}

#[test]
fn what_is_gone_is_as_good_as_deleted_and_nothing_else_is() {
    let deleted = |method: &str, status, code| {
        let body = json!({"code": code, "errcode": code, "msg": "words", "errmsg": "words"}).to_string();
        word(&of(method, answer(status, body)))
    };
    assert_eq!(deleted("feishu.vc.room.delete", 404, 121_004), "gone");
    assert_eq!(deleted("feishu.vc.room.delete", 404, 121_005), "permanent", "no permission");
    assert_eq!(deleted("feishu.calendar.delete", 404, 191_000), "gone");
    assert_eq!(deleted("feishu.calendar.delete", 403, 191_002), "permanent", "not the owner");
    assert_eq!(deleted("wecom.meeting.cancel", 200, 400_041), "gone");
    assert_eq!(deleted("wecom.meeting.cancel", 200, 730_005), "permanent", "another app's");
    assert_eq!(word(&room(404, 121_004)), "permanent", "a create refers to what must be there");
}

#[test]
fn results_come_without_their_envelope() {
    let body = json!({"code": 0, "msg": "success", "data": {"room": {"room_id": "omm_1"}}}).to_string();
    let expected = Outcome::Succeeded {
        key: Some("omm_1".to_owned()),
        result: json!({"room": {"room_id": "omm_1"}}),
        warnings: Vec::new(),
    };
    assert_eq!(of(ROOM, answer(200, body)), expected);
    let body = json!({"errcode": 0, "errmsg": "ok", "meetingid": "m"}).to_string();
    let expected =
        Outcome::Succeeded { key: Some("m".to_owned()), result: json!({"meetingid": "m"}), warnings: Vec::new() };
    assert_eq!(of(MEETING, answer(200, body)), expected);
    let token = "feishu.auth.tenant_access_token.internal";
    let body = json!({"code": 0, "msg": "ok", "tenant_access_token": "t-1", "expire": 7200}).to_string();
    let Outcome::Succeeded { result, .. } = of(token, answer(200, body)) else { panic!("a token is a success") };
    let spec = &CATALOG.method(token).unwrap().reply;
    assert_eq!(lookup(&result, spec.token.as_ref().unwrap()), Some(&json!("t-1")));
    assert_eq!(lookup(&result, spec.expires.as_ref().unwrap()), Some(&json!(7200)));
}

#[test]
fn codes_decide_before_statuses() {
    for (status, code, expected) in [
        (404, 121_005, "permanent"),
        (404, 121_006, "transient"),
        (500, 121_001, "internal"),
        (400, 99_991_400, "throttled"),
        (429, 99_991_400, "throttled"),
        (429, 99_991_403, "suspended"),
        (200, 99_991_663, "access-token"),
        (400, 99_991_663, "access-token"),
        (400, 99_991_672, "suspended"),
    ] {
        assert_eq!(word(&room(status, code)), expected, "{status} {code}");
    }
    for (code, expected) in [
        (-1, "internal"),
        (6000, "transient"),
        (40058, "permanent"),
        (42001, "access-token"),
        (45009, "throttled"),
        (60020, "suspended"),
        (400_220, "suspended"),
        (400_222, "permanent"),
        (400_302, "uncertain"),
    ] {
        assert_eq!(word(&meeting(code)), expected, "{code}");
    }
}

#[test]
fn a_methods_own_rule_comes_before_the_platforms() {
    assert_eq!(word(&meeting(40001)), "access-token");
    let body = json!({"errcode": 40001, "errmsg": "invalid credential"}).to_string();
    assert_eq!(word(&of("wecom.gettoken", answer(200, body))), "suspended");
}

#[test]
fn refusals_carry_reset_and_blocks() {
    let reset = Reset::after(Duration::from_secs(7));
    let body = json!({"code": 99_991_400, "msg": "slow"}).to_string();
    let Outcome::Throttled { scope, reset: found, blocks, .. } = of(ROOM, Answer { reset, ..answer(429, body) }) else {
        panic!("throttled");
    };
    assert_eq!((scope, found, blocks), (ThrottleScope::Method, reset, vec![]));
    let Outcome::Throttled { blocks, reset, .. } = meeting(45009) else { panic!("throttled") };
    assert_eq!((reset, blocks), (Reset::default(), [60, 3600, 86400].map(Duration::from_secs).to_vec()));
}

#[test]
fn an_identical_meeting_is_waited_for() {
    let settle = |outcome| {
        let Outcome::Uncertain { settle, .. } = outcome else { panic!("{outcome:?}") };
        settle
    };
    assert_eq!(settle(meeting(400_301)), Duration::from_secs(300));
    assert_eq!(settle(meeting(400_302)), Duration::ZERO);
}

#[test]
fn unlisted_codes_are_permanent_unless_the_server_failed() {
    for (status, expected) in
        [(200, "permanent"), (400, "permanent"), (499, "permanent"), (500, "uncertain"), (504, "uncertain")]
    {
        assert_eq!(word(&room(status, 7_654_321)), expected, "{status}");
    }
    assert_eq!(word(&room(429, 7_654_321)), "throttled");
    assert_eq!(room(400, 7_654_321).failure().unwrap().code, Some(7_654_321));
    assert_eq!(word(&room(500, 0)), "uncertain", "a server error is no success, whatever the code says");
}

#[test]
fn answers_without_a_code_come_from_something_between() {
    let html = |status| word(&of(ROOM, answer(status, "<html>")));
    for status in [301, 302, 307, 308, 401, 403, 404, 405, 407] {
        let outcome = of(ROOM, answer(status, "<html>"));
        let Outcome::Suspended { scope: SuspendScope::App, failure } = &outcome else {
            panic!("{status}: {outcome:?}")
        };
        assert_eq!(failure.cure, Some(Cure::CheckBetween), "{failure:?}");
        assert_eq!((failure.status, failure.code), (Some(status), None));
    }
    for status in [400, 402, 406, 409, 413, 414, 431, 499] {
        assert_eq!(html(status), "permanent", "{status}");
    }
    for status in [200, 204, 408, 500, 502, 503, 504, 599] {
        assert_eq!(html(status), "uncertain", "{status}");
    }
    assert_eq!(html(429), "throttled");
    for body in
        ["", "[]", "{}", "{\"code\":null}", "{\"code\":{}}", "{\"code\":\"\"}", "{\"errcode\":0}", "{\"code\":0"]
    {
        assert_eq!(word(&of(ROOM, answer(200, body))), "uncertain", "{body:?}");
    }
}

#[test]
fn a_code_may_be_text() {
    let body = json!({"code": "121003", "msg": "param error"}).to_string();
    assert_eq!(word(&of(ROOM, answer(400, body))), "permanent");
    let body = json!({"code": "0", "data": {"room": {"room_id": 5}}}).to_string();
    let Outcome::Succeeded { key, .. } = of(ROOM, answer(200, body)) else { panic!("a success") };
    assert_eq!(key.as_deref(), Some("5"), "numbers are keys as well");
}

#[test]
fn no_answer_tells_sent_from_not_sent() {
    let method = CATALOG.method(ROOM).unwrap();
    let of = |reply| classify(&CATALOG.platforms["lark"], method, &reply);
    assert_eq!(word(&of(Reply::NotSent("refused".into()))), "not-sent");
    assert_eq!(word(&of(Reply::Lost(Cause::TimedOut))), "uncertain");
}

#[test]
fn failures_tell_what_the_platform_said_and_what_to_do() {
    let body = json!({"code": 125_001, "msg": "", "error": {"log_id": "in-body"}}).to_string();
    let outcome = of(ROOM, answer(404, body.clone()));
    let failure = outcome.failure().unwrap();
    let Cause::Meaning { meaning } = &failure.detail else { panic!("{failure:?}") };
    assert_eq!(meaning.en, "cannot create/update room at this level");
    let documented = json!({"code": 125_001, "msg": meaning.en}).to_string();
    assert_eq!(
        of(ROOM, answer(404, documented)).failure().unwrap().detail,
        failure.detail,
        "the same, in its own words"
    );
    let own = json!({"code": 125_001, "msg": "no"}).to_string();
    assert_eq!(of(ROOM, answer(404, own)).failure().unwrap().detail, "no".into());
    let Some(Cure::Advice { advice }) = &failure.cure else { panic!("{failure:?}") };
    assert!(advice.en.contains("flexible room levels") && !advice.zh.is_empty(), "{advice:?}");
    assert_eq!(failure.log_id.as_deref(), Some("in-body"));
    let header = Answer { log_id: Some("in-header".to_owned()), ..answer(404, body) };
    assert_eq!(of(ROOM, header).failure().unwrap().log_id.as_deref(), Some("in-header"));
    let hint = "invalid userid, hint: [1700000000_1_abc], from ip: 1.2.3.4";
    let body = json!({"errcode": 40003, "errmsg": hint}).to_string();
    let outcome = of(MEETING, answer(200, body));
    assert_eq!(outcome.failure().unwrap().log_id.as_deref(), Some("1700000000_1_abc"));
    let long = json!({"code": 121_003, "msg": "会".repeat(900)}).to_string();
    assert_eq!(of(ROOM, answer(400, long)).failure().unwrap().detail.to_string().chars().count(), 500);
}

#[test]
fn a_success_that_left_something_out_has_warnings() {
    let warnings = |body: Value| {
        let Outcome::Succeeded { key, warnings, .. } = of(MEETING, answer(200, body.to_string())) else {
            panic!("a success");
        };
        (key.unwrap(), warnings)
    };
    let (key, found) = warnings(json!({"errcode": 0, "errmsg": "ok", "meetingid": "m", "excess_users": ["zhangsan"]}));
    assert_eq!((key.as_str(), found.len()), ("m", 1));
    let Warning { field, message, message_zh, values } = &found[0];
    assert_eq!((&**field, &**message), ("excess_users", "invited without a valid meeting account"));
    assert!(!message_zh.is_empty() && *values == [json!("zhangsan")], "{found:?}");
    for whole in [json!({"errcode": 0, "meetingid": "m"}), json!({"errcode": 0, "meetingid": "m", "excess_users": []})]
    {
        assert!(warnings(whole).1.is_empty());
    }
}

#[test]
fn a_success_without_the_documented_id_is_no_success_yet() {
    let of_room = |room: Value| of(ROOM, answer(200, json!({"code": 0, "msg": "success", "data": room}).to_string()));
    for nothing in [
        json!({}),
        json!({"room": null}),
        json!({"room": {"room_id": ""}}),
        json!({"room": {"room_id": " "}}),
        json!({"room": {"room_id": null}}),
        json!({"room": {"room_id": ["omm_1"]}}),
        json!({"room": {"room_id": true}}),
    ] {
        let Outcome::Uncertain { failure, .. } = of_room(nothing.clone()) else { panic!("{nothing}") };
        assert_eq!((failure.code, failure.status), (Some(0), Some(200)));
        assert_eq!(failure.detail, Cause::NoKey { path: "room.room_id".to_owned() });
    }
    for method in CATALOG.methods.values().filter(|method| method.reply.key.is_some()) {
        let bare = json!({"code": 0, "errcode": 0}).to_string();
        assert_eq!(word(&of(&method.name, answer(200, bare))), "uncertain", "{}", method.name);
    }
    assert_eq!(word(&of("feishu.vc.room.delete", answer(200, json!({"code": 0}).to_string()))), "succeeded");
    let numbered = of_room(json!({"room": {"room_id": 12}}));
    assert!(matches!(numbered, Outcome::Succeeded { key: Some(key), .. } if key == "12"), "a number is an id, too");
}
