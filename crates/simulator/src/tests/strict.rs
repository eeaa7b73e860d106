//! What a tolerant simulator takes and a strict one refuses, and the documented codes for bad values.

use super::*;

const STRICT: &str = "[checks]\nstrict = true";

/// What both kinds answer to a request made with the access tokens of Feishu and WeCom.
fn both(request: impl Fn(&str, &str) -> SimRequest) -> (i64, i64) {
    let answer = |text: &str| {
        let mut bench = Bench::new(text);
        let (feishu, wecom) = (bench.feishu_token(), bench.wecom_token());
        let request = request(&feishu, &wecom).with_content_type(Some("application/json".to_owned()));
        bench.code(&request)
    };
    (answer(""), answer(STRICT))
}

fn room_with(field: &str, value: &Value) -> (i64, i64) {
    both(|feishu, _| {
        let mut body = json!({"name": "r", "capacity": 1, "room_level_id": "omb_1"});
        body[field] = value.clone();
        post(ROOMS, Some(feishu), &body)
    })
}

#[test]
fn what_documents_leave_open_is_tolerated_unless_strict() {
    assert_eq!(room_with("description", &json!("d")), (0, 0));
    assert_eq!(room_with("description", &Value::Null), (0, 121_003), "null");
    assert_eq!(room_with("role", &json!("owner")), (0, 121_003), "a field of replies");
    let status = |start: Value| room_with("room_status", &json!({"status": false, "disable_start_time": start}));
    assert_eq!(status(json!("1652356050")), (0, 0));
    assert_eq!(status(json!(1_652_356_050)), (0, 121_003), "a number in place of digits");
    assert_eq!(room_with("capacity", &json!("ten")), (121_003, 121_003), "no platform reads that");
    assert_eq!(both(|feishu, _| get(&format!("{ROOMS}?sort=name"), Some(feishu))), (0, 121_003), "an unknown query");
}

#[test]
fn a_strict_simulator_wants_a_content_type() {
    for (text, code) in [("", 0), (STRICT, 9_499)] {
        let mut bench = Bench::new(text);
        let token = bench.feishu_token();
        assert_eq!(bench.code(&room(&token, "r")), code, "{text}");
    }
}

#[test]
fn bad_values_have_the_documented_codes() {
    let answer = |change: &dyn Fn(&mut Value)| {
        both(|_, wecom| {
            let mut body = json!({"admin_userid": "zhang", "title": "t", "meeting_duration": 600,
                "meeting_start": epoch().unix_seconds() + 3_600});
            change(&mut body);
            post(&format!("/cgi-bin/meeting/create?access_token={wecom}"), None, &body)
        })
        .1
    };
    let with = |field: &str, value: Value| {
        answer(&|body| {
            let place = field.split('.').fold(body, |place, name| &mut place[name]);
            *place = value.clone();
        })
    };
    let many = |count: usize| Value::Array((0..count).map(|number| json!(format!("u{number}"))).collect());
    let start = epoch().unix_seconds();
    for (field, value, code) in [
        ("settings.remind_scope", json!(5), 400_025),
        ("reminders.repeat_type", json!(3), 400_026),
        ("settings.hosts.userid", many(11), 400_027),
        ("invitees.userid", many(301), 400_020),
        ("settings.password", json!("12"), 400_030),
        ("settings.enable_waiting_room", json!("yes"), 400_031),
        ("reminders.repeat_until", json!(-1), 400_032),
        ("reminders.repeat_interval", json!(0), 400_033),
        ("meeting_start", json!("soon"), 400_034),
        ("meeting_start", json!(start), 400_222),
        ("meeting_duration", json!(60), 400_035),
        ("title", json!("x".repeat(300)), 400_042),
        ("location", json!("x".repeat(300)), 40_058),
    ] {
        assert_eq!(with(field, value), code, "{field}");
    }
    let without = answer(&|body| drop(body.as_object_mut().unwrap().remove("admin_userid")));
    assert_eq!(without, 400_040, "missing");
}
