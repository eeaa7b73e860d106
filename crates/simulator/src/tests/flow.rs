//! Tokens, quotas, look-ups and books, request by request.

use std::collections::HashSet;

use super::*;

#[test]
fn a_room_quota_is_strict_to_the_microsecond() {
    let mut bench = Bench::new("[counting]\nrefused_count = false");
    let token = bench.feishu_token();
    for number in 0..20 {
        assert_eq!(bench.at(number).code(&room(&token, &format!("r{number}"))), 0);
    }
    let refused = bench.at(30 * SECOND).whole(&room(&token, "over"));
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("x-ogw-ratelimit-limit"), Some("20"));
    assert_eq!(refused.header("x-ogw-ratelimit-reset"), Some("30"));
    assert!(refused.header("x-tt-logid").is_some());
    assert_eq!(bench.at(60 * SECOND - 1).code(&room(&token, "early")), 99_991_400);
    assert_eq!(bench.at(60 * SECOND).code(&room(&token, "right")), 0);
    assert_eq!(bench.at(60 * SECOND).code(&room(&token, "second")), 99_991_400, "one place only");
    let books = bench.world.stats();
    let quota = books.quotas.iter().find(|quota| quota.method == "feishu.vc.room.create").unwrap();
    assert_eq!((quota.key.as_str(), quota.accepted, quota.refused), ("cli_a", 21, 3));
    assert_eq!((quota.windows[0].largest, quota.windows[0].is_breached), (23, true), "[1 µs, 60 s + 1 µs)");
    assert_eq!((books.created, books.refused, books.codes[&99_991_400]), (21, 3, 3));
}

#[test]
fn a_scenario_chooses_quota_status_and_header() {
    let mut bench = Bench::fast(
        "[quotas]\n\"feishu.vc.room.create\" = \"2/min\"\n[counting]\nreset_header = false\nfeishu_status = 400",
        60.0,
    );
    let token = bench.feishu_token();
    assert_eq!((bench.code(&room(&token, "a")), bench.code(&room(&token, "b"))), (0, 0));
    let refused = bench.at(SECOND - 1).whole(&room(&token, "c"));
    assert_eq!((refused.status, refused.header("x-ogw-ratelimit-reset")), (400, None));
    assert_eq!(bench.at(2 * SECOND).code(&room(&token, "d")), 0, "a minute is a second at sixtyfold speed");
    let mut lifted = Bench::new("[quotas]\n\"*\" = \"none\"");
    let token = lifted.feishu_token();
    assert!((0..500).all(|number| lifted.code(&room(&token, &number.to_string())) == 0));
    assert!(lifted.world.stats().quotas.is_empty());
}

#[test]
fn wecom_refuses_with_http_200_and_blocks_for_the_window() {
    let mut bench = Bench::new("[quotas]\n\"wecom.meeting.create\" = \"1/min\"\n[counting]\nrefused_count = false");
    let token = bench.wecom_token();
    assert_eq!(bench.code(&meeting(&token, 1)), 0);
    let refused = bench.at(40 * SECOND).whole(&meeting(&token, 2));
    assert_eq!((refused.status, refused.header("error-code")), (200, Some("45009")));
    assert!(String::from_utf8_lossy(&refused.body).contains("hint: [sim"));
    assert_eq!(bench.at(100 * SECOND - 1).code(&meeting(&token, 3)), 45_009, "blocked for a minute since the hit");
    assert_eq!(bench.at(100 * SECOND).code(&meeting(&token, 4)), 0);
}

#[test]
fn access_tokens_are_checked() {
    let mut bench = Bench::new("[apps.cli_a]\nsecret = \"s\"\n[apps.ww1]\nsecret = \"s\"");
    let credentials = |secret: &str| post(FEISHU_TOKEN, None, &json!({"app_id": "cli_a", "app_secret": secret}));
    assert_eq!(bench.code(&credentials("wrong")), 10_014);
    assert_eq!(bench.code(&post(FEISHU_TOKEN, None, &json!({"app_id": "cli_a"}))), 10_003);
    assert_eq!(bench.code(&get("/cgi-bin/gettoken?corpid=ww1&corpsecret=wrong", None)), 40_001);
    assert_eq!(bench.code(&get("/cgi-bin/gettoken?corpid=ww1", None)), 41_004);
    let (feishu, wecom) = (bench.feishu_token(), bench.wecom_token());
    assert_eq!(bench.feishu_token(), feishu, "the same again");
    for (token, code) in [(None, 99_991_661), (Some("Bearer x"), 99_991_671), (Some("Bearer t-made-up"), 99_991_663)] {
        let mut request = room("", "r");
        request.authorization = token.map(str::to_owned);
        let (status, body) = bench.call(&request);
        assert_eq!((status, body["code"].as_i64()), (400, Some(code)), "{body}");
    }
    assert_eq!(bench.code(&post("/cgi-bin/meeting/create", None, &json!({}))), 41_001);
    assert_eq!(bench.code(&meeting("made-up", 1)), 40_014);
    bench.at(7_200 * SECOND);
    assert_eq!((bench.code(&room(&feishu, "r")), bench.code(&meeting(&wecom, 1))), (99_991_663, 42_001));
    let renewed = bench.feishu_token();
    assert_ne!(renewed, feishu);
    assert_eq!(bench.code(&room(&renewed, "r")), 0);
    assert_eq!(bench.world.revoke_tokens(false), 3, "expired ones are no longer good, but known");
    assert_eq!(bench.code(&room(&renewed, "r")), 99_991_663);
}

#[test]
fn user_tokens_are_good_where_users_may_call() {
    let mut bench = Bench::new("[users]\nu-1 = \"cli_z\"");
    assert_eq!(bench.code(&post(CALENDARS, Some("Bearer u-1"), &json!({"summary": "a"}))), 0);
    assert_eq!(bench.code(&room("Bearer u-1", "r")), 99_991_668, "rooms are for the app itself");
    let accounts: HashSet<String> = bench.world.objects().into_iter().map(|line| line.account).collect();
    assert_eq!(accounts, HashSet::from(["cli_z".to_owned()]));
    bench.world.revoke_tokens(true);
    assert_eq!(bench.code(&post(CALENDARS, Some("Bearer u-1"), &json!({"summary": "a"}))), 99_991_668);
}

#[test]
fn events_strike_at_their_time() {
    let mut bench = Bench::new(
        "[[events]]\nat_s = 60\nrevoke_tokens = true\n[[events]]\nat_s = 120\napp = \"cli_a\"\nsecret = \"new\"",
    );
    let token = bench.feishu_token();
    assert_eq!(bench.at(60 * SECOND - 1).code(&room(&token, "a")), 0);
    assert_eq!(bench.at(60 * SECOND).code(&room(&token, "b")), 99_991_663);
    let token = bench.feishu_token();
    assert_eq!(bench.at(120 * SECOND).code(&room(&token, "c")), 99_991_663);
    let wrong = post(FEISHU_TOKEN, None, &json!({"app_id": "cli_a", "app_secret": "s"}));
    assert_eq!(bench.code(&wrong), 10_014);
}

#[test]
fn replies_carry_what_was_asked_for_and_nothing_of_the_example() {
    let mut bench = Bench::new("");
    let token = bench.feishu_token();
    let (_, body) = bench.call(&room(&token, "7F-701"));
    let made = &body["data"]["room"];
    assert_eq!((&made["name"], &made["capacity"]), (&json!("7F-701"), &json!(4)));
    assert!(made.get("description").is_none() && made.get("custom_room_id").is_none(), "{made}");
    assert!(made["room_id"].as_str().unwrap().starts_with("omm_"));
    let wecom = bench.wecom_token();
    let (_, body) = bench.call(&meeting(&wecom, 1));
    assert!(body.get("excess_users").is_none() && body["meetingid"].is_string(), "{body}");
}

#[test]
fn a_success_says_what_was_left_out() {
    let mut bench = Bench::new(include_str!("../../../../config/scenarios/warnings.toml"));
    let wecom = bench.wecom_token();
    let named: Vec<_> = (0..10).map(|n| bench.call(&meeting(&wecom, n)).1["excess_users"].clone()).collect();
    let is_named: Vec<_> = named.iter().map(|users| users == &json!(["zhangsan", "lisi"])).collect();
    assert_eq!(is_named, [false, false, false, false, true, false, false, false, false, true]);
    assert!(named.iter().all(|users| users.is_null() || users.is_array()), "{named:?}");
}

#[test]
fn rooms_are_listed_by_level_page_by_page_after_a_while() {
    let mut bench = Bench::new("[quotas]\n\"*\" = \"none\"\n[listing]\ndelay_ms = 2000\npage_max = 2");
    let token = bench.feishu_token();
    for number in 0..5 {
        let level = if number == 2 { "omb_2" } else { "omb_1" };
        let body = json!({"name": format!("r{number}"), "capacity": 1, "room_level_id": level, "custom_room_id": format!("c{number}")});
        assert_eq!(bench.at(number * SECOND).code(&post(ROOMS, Some(&token), &body)), 0);
    }
    let mut list = |now: i64, level: &str| {
        let (mut names, mut page_token, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let target = format!("{ROOMS}?page_size=100&room_level_id={level}&page_token={page_token}");
            let (_, body) = bench.at(now).call(&get(&target, Some(&token)));
            let data = &body["data"];
            pages += 1;
            for item in data["rooms"].as_array().unwrap() {
                assert!(item["room_id"].as_str().unwrap().starts_with("omm_") && item.get("description").is_none());
                names.push(item["custom_room_id"].as_str().unwrap().to_owned());
            }
            if data["has_more"] == json!(false) {
                return (names.join(" "), pages);
            }
            data["page_token"].as_str().unwrap().clone_into(&mut page_token);
        }
    };
    assert_eq!(list(6 * SECOND, "omb_1"), ("c0 c1 c3 c4".to_owned(), 2));
    assert_eq!(list(6 * SECOND, "omb_2"), ("c2".to_owned(), 1));
    assert_eq!(list(6 * SECOND, ""), ("c0 c1 c2 c3 c4".to_owned(), 3));
    let mut fresh = Bench::new("[listing]\ndelay_ms = 2000");
    let token = fresh.feishu_token();
    fresh.code(&room(&token, "r"));
    let mut count =
        |now: i64| fresh.at(now).call(&get(ROOMS, Some(&token))).1["data"]["rooms"].as_array().unwrap().len();
    assert_eq!((count(2 * SECOND - 1), count(2 * SECOND)), (0, 1));
    assert_eq!(fresh.code(&get(&format!("{ROOMS}?page_token=made-up"), Some(&token))), 121_003);
    assert_eq!(fresh.code(&get(&format!("{ROOMS}?page_size=101"), Some(&token))), 121_003);
}

#[test]
fn calendars_and_meetings_are_found_as_the_catalog_looks_for_them() {
    let mut bench = Bench::new("");
    let (feishu, wecom) = (bench.feishu_token(), bench.wecom_token());
    bench.code(&post(CALENDARS, Some(&feishu), &json!({"summary": "Hall", "description": "[p-1]"})));
    let (_, body) = bench.call(&get(&format!("{CALENDARS}?page_size=1000"), Some(&feishu)));
    let item = &body["data"]["calendar_list"][0];
    assert_eq!(
        (&item["summary"], &item["description"], &item["role"]),
        (&json!("Hall"), &json!("[p-1]"), &json!("owner"))
    );
    for number in 0..3 {
        bench.code(&meeting(&wecom, number));
    }
    let start = epoch().unix_seconds() + 3_600;
    let list = |begin: i64, cursor: &str, user: &str| {
        let body = json!({"userid": user, "begin_time": begin, "cursor": cursor, "limit": 1});
        post(&format!("/cgi-bin/meeting/get_user_meetingid?access_token={wecom}"), None, &body)
    };
    let (_, first) = bench.call(&list(start + 1, "0", "zhang"));
    let (_, second) = bench.call(&list(start + 1, first["next_cursor"].as_str().unwrap(), "zhang"));
    assert_eq!(second["next_cursor"], json!(""));
    let (_, none) = bench.call(&list(start, "0", "li"));
    assert_eq!(none["meetingid_list"], json!([]));
    let info =
        |id: &str| post(&format!("/cgi-bin/meeting/get_info?access_token={wecom}"), None, &json!({"meetingid": id}));
    let (_, found) = bench.call(&info(second["meetingid_list"][0].as_str().unwrap()));
    assert_eq!((&found["title"], &found["meeting_start"]), (&json!("m2"), &json!(start + 2)));
    assert!(found.get("description").is_none(), "{found}");
    assert_eq!(bench.code(&info("made-up")), 90_602);
}

#[test]
fn a_call_with_two_documents_takes_what_either_accepts() {
    let mut bench = Bench::new("[quotas]\n\"wecom.meeting.create\" = \"3/min\"");
    let wecom = bench.wecom_token();
    let target = format!("/cgi-bin/meeting/create?access_token={wecom}");
    let start = epoch().unix_seconds() + 3_600;
    let advanced = |more: Value| {
        let mut body = json!({"admin_userid": "zhang", "title": "t".repeat(200), "meeting_start": start,
            "meeting_duration": 600, "guests": [{"area": "86", "phone_number": "13500000000"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post(&target, None, &body)
    };
    assert_eq!(bench.code(&meeting(&wecom, 0)), 0);
    let (_, made) = bench.call(&advanced(json!({})));
    assert_eq!((&made["errcode"], made["meeting_link"].is_string()), (&json!(0), true), "{made}");
    let long = "l".repeat(100);
    assert_eq!(bench.code(&advanced(json!({"location": long}))), 400_042, "of one document this, of the other that");
    assert_eq!(bench.code(&advanced(json!({}))), 45_009, "one URL, one quota");
    let list = json!({"userid": "zhang", "begin_time": start});
    let (_, listed) =
        bench.call(&post(&format!("/cgi-bin/meeting/get_user_meetingid?access_token={wecom}"), None, &list));
    assert_eq!(listed["meetingid_list"].as_array().unwrap().len(), 2);
    let books = bench.world.stats();
    let quota = books.quotas.iter().find(|quota| quota.scope == "corp" && quota.accepted == 3).unwrap();
    assert_eq!((quota.method.as_str(), quota.refused), ("wecom.meeting.create", 1));
}

#[test]
fn duplicates_are_counted_and_stale_or_repeated_meetings_refused() {
    let mut bench = Bench::new("[checks]\nwecom_duplicates = true");
    let (feishu, wecom) = (bench.feishu_token(), bench.wecom_token());
    for name in ["a", "b", "a"] {
        assert_eq!(bench.code(&room(&feishu, name)), 0, "the platform does not refuse a second room of the same name");
    }
    let books = bench.world.stats();
    assert_eq!((books.created, books.distinct, books.duplicates), (3, 2, 1));
    assert_eq!((bench.code(&meeting(&wecom, 1)), bench.code(&meeting(&wecom, 1))), (0, 400_302));
    assert_eq!(bench.code(&meeting(&wecom, -3_600)), 400_222, "it starts now");
    assert_eq!(bench.code(&meeting(&wecom, 1 - 3_600)), 0);
}

#[test]
fn what_is_not_served_says_so() {
    let mut bench = Bench::new("");
    let (status, body) = bench.call(&get("/open-apis/nothing", None));
    assert_eq!((status, &body["code"]), (404, &json!(99_991_201)));
    assert_eq!(bench.code(&SimRequest::new("DELETE", ROOMS, None, bytes::Bytes::new())), 99_991_301);
    let nothing = bench.whole(&get("/cgi-bin/nothing", None));
    assert_eq!((nothing.status, nothing.header("content-type")), (404, Some("text/plain")), "no code is documented");
    assert_eq!(bench.code(&get("/cgi-bin/meeting/create", None)), 40_058, "a body is missing");
    let token = bench.feishu_token();
    let mut broken = room(&token, "r");
    broken.body = "{\"name\":".into();
    assert_eq!(bench.code(&broken), 9_499);
}

#[test]
fn calls_above_the_concurrency_are_refused() {
    let mut bench = Bench::new("[concurrency]\n\"wecom.meeting.create\" = 1");
    let token = bench.wecom_token();
    let now = Mono(bench.start.0);
    let (first, second) = (meeting(&token, 1), meeting(&token, 2));
    let departure = bench.world.depart(&first, now);
    let endpoint = departure.method.unwrap();
    bench.world.depart(&second, now);
    assert_eq!(bench.code(&first), 45_033);
    bench.world.finish(&endpoint);
    assert_eq!(bench.code(&second), 0);
    assert_eq!(bench.world.stats().methods["wecom.meeting.create"].in_flight_max, 2);
}
