//! What a program of somebody else's would notice if the simulator answered unlike the platforms' documents.

use super::*;

const MINUTE_OF: &str = "/events/e-1_0/meeting_minute";
const GET_INFO: &str = "/cgi-bin/meeting/get_info?access_token=";
const USERS: &str =
    "[users]\nu-ann = \"cli_a\"\nu-bob = \"cli_a\"\n\"u-ann-2\" = { app = \"cli_a\", user = \"u-ann\" }\n";

fn calendar(token: &str, body: &Value) -> SimRequest {
    post(CALENDARS, Some(token), body)
}

fn delete(target: &str, token: &str) -> SimRequest {
    SimRequest::new("DELETE", target, Some(token.to_owned()), bytes::Bytes::new())
}

/// The titles in a listing of calendars.
fn titles(bench: &mut Bench, target: &str, token: &str) -> Vec<String> {
    let (_, body) = bench.call(&get(target, Some(token)));
    let items = body["data"]["calendar_list"].as_array().unwrap_or_else(|| panic!("{body}"));
    items.iter().map(|item| item["summary"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_app_and_each_user_have_calendars_of_their_own() {
    let mut bench = Bench::new(USERS);
    let app = bench.feishu_token();
    let (ann, bob) = ("Bearer u-ann", "Bearer u-bob");
    for (token, summary) in [(app.as_str(), "app"), (ann, "ann"), (bob, "bob")] {
        assert_eq!(bench.code(&calendar(token, &json!({"summary": summary}))), 0);
    }
    for (token, expected) in [(app.as_str(), "app"), (ann, "ann"), (bob, "bob"), ("Bearer u-ann-2", "ann")] {
        assert_eq!(titles(&mut bench, CALENDARS, token), [expected], "{token}");
    }
    let id = bench.world.objects().into_iter().find(|line| line.user == "u-ann").unwrap().key;
    let target = format!("{CALENDARS}/{id}");
    assert_eq!(bench.code(&get(&target, Some(bob))), 191_002, "somebody else's");
    assert_eq!(bench.code(&delete(&target, &app)), 191_002);
    assert_eq!(bench.code(&delete(&target, "Bearer u-ann-2")), 0);
}

#[test]
fn only_declared_users_have_good_tokens() {
    let mut bench = Bench::new(USERS);
    let (status, body) = bench.call(&calendar("Bearer u-carl", &json!({})));
    assert_eq!((status, &body["code"]), (400, &json!(99_991_668)), "{body}");
    assert_eq!(bench.code(&calendar("Bearer u-ann", &json!({}))), 0);
}

#[test]
fn documented_defaults_stand_in_replies() {
    let mut bench = Bench::new("");
    let token = bench.feishu_token();
    let (_, made) = bench.call(&calendar(&token, &json!({})));
    let id = made["data"]["calendar"]["calendar_id"].as_str().unwrap().to_owned();
    let (_, listed) = bench.call(&get(CALENDARS, Some(&token)));
    let (_, read) = bench.call(&get(&format!("{CALENDARS}/{id}"), Some(&token)));
    for shown in [&made["data"]["calendar"], &listed["data"]["calendar_list"][0], &read["data"]] {
        assert_eq!(shown["calendar_id"], json!(id));
        assert_eq!((&shown["summary"], &shown["description"]), (&json!(""), &json!("")), "{shown}");
        assert_eq!(shown["permissions"], json!("show_only_free_busy"));
        assert_eq!((&shown["color"], &shown["role"]), (&json!(-14_513_409), &json!("owner")));
    }
}

#[test]
fn one_room_or_calendar_is_read_by_its_id() {
    let mut bench = Bench::new("");
    let token = bench.feishu_token();
    let (_, made) = bench.call(&room(&token, "7F-701"));
    let made = &made["data"]["room"];
    let target = format!("{ROOMS}/{}", made["room_id"].as_str().unwrap());
    let (_, read) = bench.call(&get(&target, Some(&token)));
    assert_eq!(&read["data"]["room"]["name"], &json!("7F-701"));
    for field in ["room_id", "display_id"] {
        assert_eq!(read["data"]["room"][field], made[field], "{field}");
    }
    let (_, other) = bench.call(&room(&token, "7F-702"));
    assert_ne!(other["data"]["room"]["display_id"], made["display_id"], "each has its own");
    assert_eq!(bench.code(&delete(&target, &token)), 0);
    assert_eq!(bench.code(&get(&target, Some(&token))), 121_004);
    assert_eq!(bench.code(&get(&format!("{CALENDARS}/feishu.cn_x@group.calendar.feishu.cn"), Some(&token))), 191_000);
}

#[test]
fn page_tokens_and_sync_tokens_come_when_they_are_documented() {
    let mut bench = Bench::new("[listing]\npage_max = 2");
    let token = bench.feishu_token();
    for summary in ["a", "b", "c"] {
        bench.code(&calendar(&token, &json!({"summary": summary})));
    }
    let (_, first) = bench.call(&get(CALENDARS, Some(&token)));
    let first = &first["data"];
    assert_eq!((&first["has_more"], first.get("sync_token")), (&json!(true), None), "{first}");
    let page = first["page_token"].as_str().unwrap();
    let (_, last) = bench.call(&get(&format!("{CALENDARS}?page_token={page}"), Some(&token)));
    let last = &last["data"];
    assert_eq!((&last["has_more"], last.get("page_token")), (&json!(false), None), "{last}");
    let sync = last["sync_token"].as_str().unwrap();

    let rooms = bench.call(&get(ROOMS, Some(&token))).1;
    assert_eq!(rooms["data"].get("page_token"), None, "{rooms}");
    for (query, code) in [
        ("page_token=made-up".to_owned(), 190_008),
        ("sync_token=made-up".to_owned(), 190_008),
        (format!("sync_token={sync}&page_token={page}"), 190_009),
    ] {
        let (status, body) = bench.call(&get(&format!("{CALENDARS}?{query}"), Some(&token)));
        assert_eq!((status, &body["code"]), (400, &json!(code)), "{query}: {body}");
    }
}

#[test]
fn a_sync_token_gives_what_changed_since() {
    let mut bench = Bench::new("");
    let token = bench.feishu_token();
    let mut ids = Vec::new();
    for summary in ["a", "b"] {
        let (_, body) = bench.call(&calendar(&token, &json!({"summary": summary})));
        ids.push(body["data"]["calendar"]["calendar_id"].as_str().unwrap().to_owned());
    }
    let (_, all) = bench.call(&get(CALENDARS, Some(&token)));
    let target = format!("{CALENDARS}?sync_token={}", all["data"]["sync_token"].as_str().unwrap());
    assert!(titles(&mut bench, &target, &token).is_empty(), "nothing happened since");
    bench.code(&calendar(&token, &json!({"summary": "c"})));
    bench.code(&delete(&format!("{CALENDARS}/{}", ids[0]), &token));
    let (_, changed) = bench.call(&get(&target, Some(&token)));
    let changed: Vec<_> = changed["data"]["calendar_list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["summary"].as_str().unwrap(), item["is_deleted"].as_bool().unwrap()))
        .collect();
    assert_eq!(changed, [("a", true), ("c", false)]);
    assert_eq!(titles(&mut bench, CALENDARS, &token), ["b", "c"], "a whole listing shows no deleted ones");
}

#[test]
fn minutes_are_refused_where_calendar_or_event_are_not() {
    let minute =
        |calendar: &str, token: &str| post(&format!("{CALENDARS}/{calendar}{MINUTE_OF}"), Some(token), &json!({}));
    let mut any = Bench::new("");
    let token = any.feishu_token();
    assert_eq!(any.code(&minute("c@group.calendar.feishu.cn", &token)), 0, "a scenario that lists none checks none");
    let (_, made) = any.call(&calendar(&token, &json!({})));
    let own = made["data"]["calendar"]["calendar_id"].as_str().unwrap();
    any.code(&delete(&format!("{CALENDARS}/{own}"), &token));
    assert_eq!(any.code(&minute(own, &token)), 191_003, "deleted");

    let mut known = Bench::new("[known]\ncalendars = [\"c\"]\nevents = []\n[codes]\n\"plain\" = 195110");
    let token = known.feishu_token();
    assert_eq!(known.code(&minute("d", &token)), 191_000);
    assert_eq!(known.code(&minute("c", &token)), 193_001);
    let (status, body) =
        known.call(&post(&format!("{CALENDARS}/c/events/plain/meeting_minute"), Some(&token), &json!({})));
    assert_eq!((status, &body["code"]), (400, &json!(195_110)), "{body}");
}

#[test]
fn a_scenario_lists_levels_and_users() {
    let mut bench =
        Bench::new("[known]\nlevels = [\"omb_1\"]\nusers = [\"zhang\", \"li\"]\n[codes]\n\"omb_old\" = 125001");
    let (feishu, wecom) = (bench.feishu_token(), bench.wecom_token());
    let at_level =
        |level: &str| post(ROOMS, Some(&feishu), &json!({"name": level, "capacity": 4, "room_level_id": level}));
    assert_eq!(bench.code(&at_level("omb_1")), 0);
    assert_eq!(bench.code(&at_level("omb_2")), 121_004);
    assert_eq!(bench.code(&at_level("omb_old")), 125_001);
    let with = |invitees: Value| {
        let mut body = json!({"admin_userid": "zhang", "title": "t", "meeting_duration": 600,
            "meeting_start": epoch().unix_seconds() + 3_600});
        body["invitees"] = json!({"userid": invitees});
        post(&format!("/cgi-bin/meeting/create?access_token={wecom}"), None, &body)
    };
    assert_eq!(bench.code(&with(json!(["li"]))), 0);
    assert_eq!(bench.code(&with(json!(["li", "wang"]))), 400_021);
    let error = Simulator::start(catalog(), scenario("[known]\nlevel = []"), 1.0, still(|| Clock::at(epoch())));
    let error = error.err().unwrap().to_string();
    assert!(error.contains("no parameter names \"level\"") && error.contains("levels"), "{error}");
}

#[test]
fn other_types_than_json_are_refused_as_bodies() {
    let mut bench = Bench::new("");
    let token = bench.feishu_token();
    let mut typed = |content_type: Option<&str>, request: SimRequest| {
        bench.code(&request.with_content_type(content_type.map(str::to_owned)))
    };
    for good in [
        None,
        Some("application/json"),
        Some("application/json; charset=utf-8"),
        Some("Application/JSON;charset=\"UTF-8\""),
    ] {
        assert_eq!(typed(good, room(&token, "r")), 0, "{good:?}");
    }
    for bad in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=gbk"] {
        assert_eq!(typed(Some(bad), room(&token, "r")), 9_499, "{bad}");
        assert_eq!(typed(Some(bad), post(FEISHU_TOKEN, None, &json!({"app_id": "a", "app_secret": "s"}))), 9_499);
    }
    let target = format!("{CALENDARS}/c{MINUTE_OF}");
    assert_eq!(
        typed(Some("text/plain"), SimRequest::new("POST", &target, Some(token), bytes::Bytes::new())),
        0,
        "no body"
    );
}

#[test]
fn a_meeting_is_read_as_it_was_created_and_cancelled() {
    let mut bench = Bench::new("");
    let token = bench.wecom_token();
    let start = epoch().unix_seconds() + 3_600;
    let body = json!({"admin_userid": "zhang", "title": "t", "meeting_start": start, "meeting_duration": 600,
        "agentid": 7, "cal_id": "wc_1", "invitees": {"userid": ["li", "zhang", "wang"]},
        "settings": {"remind_scope": 1, "hosts": {"userid": ["li"]}},
        "reminders": {"is_repeat": 1, "repeat_type": 1, "remind_before": [300]}});
    let (_, made) = bench.call(&post(&format!("/cgi-bin/meeting/create?access_token={token}"), None, &body));
    let id = json!({"meetingid": made["meetingid"]});
    let info = post(&format!("{GET_INFO}{token}"), None, &id);
    let (_, read) = bench.call(&info);
    let members: Vec<_> =
        read["attendees"]["member"].as_array().unwrap().iter().map(|it| it["userid"].clone()).collect();
    assert_eq!(members, ["zhang", "li", "wang"]);
    assert_eq!(read["attendees"]["member"][1]["status"], json!(2), "not joined");
    assert_eq!((&read["agentid"], &read["cal_id"], &read["status"]), (&json!(7), &json!("wc_1"), &json!(1)));
    let settings = json!({"remind_scope": 1, "enable_waiting_room": false, "allow_enter_before_host": true,
        "enable_enter_mute": 2, "enable_screen_watermark": false, "hosts": {"userid": ["li"]}});
    assert_eq!(read["settings"], settings, "with the documented defaults");
    let reminders = json!({"is_repeat": 1, "repeat_type": 1, "repeat_interval": 1, "remind_before": [300]});
    assert_eq!(read["reminders"], reminders);
    let code = read["meeting_code"].as_str().unwrap();
    assert!(code.len() == 9 && code != "123456789" && read["meeting_link"].as_str().unwrap().contains("wecomm.com/"));
    let by_code = post(&format!("{GET_INFO}{token}"), None, &json!({"meeting_code": code}));
    assert_eq!(bench.call(&by_code).1["title"], json!("t"));

    let cancel = post(&format!("/cgi-bin/meeting/cancel?access_token={token}"), None, &id);
    assert_eq!((bench.code(&cancel), bench.code(&cancel)), (0, 400_041));
    let (_, read) = bench.call(&info);
    assert_eq!((&read["errcode"], &read["status"]), (&json!(0), &json!(4)), "cancelled, and shown");
    assert_eq!(bench.code(&post(&format!("{GET_INFO}{token}"), None, &json!({"meetingid": "made-up"}))), 90_602);
}

#[test]
fn meetings_are_listed_over_180_days_at_most() {
    let mut bench = Bench::new("");
    let token = bench.wecom_token();
    let list = |days: i64| {
        let body = json!({"userid": "zhang", "begin_time": 1_600_000_000, "end_time": 1_600_000_000 + days * 86_400});
        post(&format!("/cgi-bin/meeting/get_user_meetingid?access_token={token}"), None, &body)
    };
    assert_eq!((bench.code(&list(180)), bench.code(&list(181))), (0, 40_058));
}
