//! Names that were looked up once: kept with their age, asked again when they are gone, and created where they are not there.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::check::Simulator;
use super::commands::{Outcome, Place};

const SECRETS: [(&str, &str); 2] = [("ACME_SECRET", "hunter2"), ("CAMPUS_SECRET", "swordfish")];
const WORLD: &str = r#"title = "w"
[quotas]
"*" = "50/s"
[listed]
"feishu.contact.user.batch_get_id" = [
    { user_id = "ou_ann", email = "ann@corp.com", mobile = "13800138000" },
    { user_id = "ou_bob", email = "bob@corp.com", mobile = "13900139000" },
]
"feishu.directory.employee.filter" = [{ base_info = { employee_id = "ou_eve" }, work_info = { job_number = "E7" } }]
"feishu.contact.department.children" = [
    { open_department_id = "od-rd", name = "研发部", parent_department_id = "0" },
    { open_department_id = "od-p1", name = "平台组", parent_department_id = "od-rd" },
    { open_department_id = "od-t1", name = "测试组", parent_department_id = "od-rd" },
    { open_department_id = "od-t2", name = "测试组", parent_department_id = "od-rd" },
]
"wecom.user.getuserid" = [{ userid = "lisi", mobile = "13800138000" }]
"wecom.user.get_userid_by_email" = [{ userid = "zhangsan", email = "z@corp.com" }]
"wecom.department.list" = [
    { id = 1, name = "公司", parentid = 0 },
    { id = 5, name = "研发部", parentid = 1 },
]
"#;
const ROOT: &str = r#"{"id":"hq","method":"feishu.vc.room_level.create","app":"acme","body":{"name":"总部","parent_id":"omb_root"}}
"#;

fn place(files: &[(&str, &str)]) -> (Place, Simulator) {
    let place = Place::new(files);
    place.write("world.toml", WORLD);
    let simulator = Simulator::start(&place, "world.toml");
    let settings = format!(
        "[apps.acme]\nplatform = \"feishu\"\nbase_url = \"{0}\"\napp_id = \"cli_a1\"\n\
         app_secret = {{ env = \"ACME_SECRET\" }}\n[apps.acme.quotas]\n\"feishu.vc.room.create\" = \"50/s\"\n\
         \"feishu.vc.room.patch\" = \"50/s\"\n\"feishu.vc.room_level.create\" = \"50/s\"\n\
         [apps.campus]\nplatform = \"wecom\"\nbase_url = \"{0}\"\ncorp_id = \"ww1\"\n\
         corp_secret = {{ env = \"CAMPUS_SECRET\" }}\n",
        simulator.address
    );
    place.write("paceline.toml", &settings);
    (place, simulator)
}

fn run(place: &Place, arguments: &[&str]) -> Outcome {
    place.run_with(arguments, &SECRETS)
}

fn rooms(place: &Place, command: &str, more: &[&str]) -> Outcome {
    let arguments = [command, "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"];
    run(place, &[&arguments[..], more].concat())
}

/// How many calls there were, by method: of jobs, and of look-ups.
fn calls(place: &Place) -> (i64, i64) {
    let ledger = rusqlite::Connection::open(place.path().join("paceline.db")).unwrap();
    let count = |sql: &str| ledger.query_row(sql, [], |row| row.get(0)).unwrap();
    (
        count("SELECT count(*) FROM attempts WHERE job IS NOT NULL"),
        count("SELECT count(*) FROM attempts WHERE job IS NULL AND purpose <> 2"),
    )
}

/// A job as the ledger has it.
fn job(place: &Place, id: &str) -> Value {
    let shown = run(place, &["jobs", "show", id, "--json"]);
    serde_json::from_str(&shown.out).unwrap_or_else(|error| panic!("{error}: {}", shown.transcript()))
}

/// A job's body as the ledger has it.
fn body(place: &Place, id: &str) -> Value {
    let ledger = rusqlite::Connection::open(place.path().join("paceline.db")).unwrap();
    let sql = "SELECT params FROM jobs WHERE id = ?1";
    let params: String = ledger.query_row(sql, [id], |row| row.get(0)).unwrap();
    let params: Value = serde_json::from_str(&params).unwrap();
    if params.is_array() { params[2].clone() } else { params }
}

#[test]
fn people_and_departments_are_found_many_at_a_call() {
    let config = |id: &str, body: Value| {
        json!({"id": id, "method": "feishu.vc.reserve_config.admin.patch", "app": "acme",
            "path": {"reserve_config_id": "omm_1"}, "body": {"scope_type": 2, "reserve_admin_config": body}})
    };
    let user = |name: &str| json!({"user_id": {"$find": name}});
    let dept = |name: &str| json!({"department_id": {"$find": name}});
    let room = json!({"id": "w", "method": "wecom.oa.meetingroom.add", "app": "campus", "body": {"name": "A",
        "capacity": 4, "range": {"user_list": [{"$find": "13800138000"}, {"$find": "邮箱:z@corp.com"}],
        "department_list": [{"$find": "研发部"}]}}});
    let lines = [
        config("a", json!({"users": [user("ann@corp.com"), user("BOB@corp.com")], "depts": [dept("研发部/平台组")]})),
        config("b", json!({"users": [user("+86 13800138000"), user("工号:E7"), user("ann@corp.com")], "depts": []})),
        room,
    ];
    let lines = lines.map(|line| line.to_string()).join("\n");
    let (place, _simulator) = place(&[("admins.jsonl", &lines)]);

    let planned = run(&place, &["plan", "admins.jsonl"]);
    assert!(planned.err.contains("3 names are looked up with feishu.contact.user.batch_get_id"), "{}", planned.err);
    let planned = run(&place, &["plan", "admins.jsonl", "--resolve"]);
    // One for the mails, one for the mobile, one for the number, two for the departments; three for WeCom.
    assert!(planned.err.contains("8 names looked up in 8 calls"), "{}", planned.transcript());
    let before = calls(&place).1;
    let again = run(&place, &["plan", "admins.jsonl", "--resolve"]);
    assert!(again.err.contains("8 names looked up in 0 calls"), "{}", again.transcript());
    let kept = run(&place, &["plan", "admins.jsonl"]);
    assert!(kept.err.contains("8 names known from earlier look-ups"), "{}", kept.transcript());

    let ran = run(&place, &["run", "admins.jsonl"]);
    assert_eq!((ran.code, calls(&place)), (Some(0), (3, before)), "{}", ran.transcript());
    let body = &body(&place, "b")["reserve_admin_config"]["users"];
    let ids: Vec<_> = body.as_array().unwrap().iter().map(|user| user["user_id"]["is"].as_str().unwrap()).collect();
    assert_eq!(ids, ["ou_ann", "ou_eve", "ou_ann"], "{body}");
    let range = &self::body(&place, "w")["range"];
    assert_eq!((&range["user_list"][1]["is"], &range["department_list"][0]["is"]), (&json!("zhangsan"), &json!(5)));

    // Two of one name are told apart by nobody, and people's own data are shortened.
    let bad = config("c", json!({"users": [user("nobody@corp.com")], "depts": [dept("研发部/测试组")]}));
    place.write("bad.jsonl", &format!("{bad}\n"));
    let refused = run(&place, &["run", "bad.jsonl"]);
    assert_eq!(refused.code, Some(2), "{}", refused.transcript());
    for words in ["there is nothing named \"n…@corp.com\"", "\"研发部/测试组\" is the name of several", "od-t1, od-t2"]
    {
        assert!(refused.err.contains(words), "{words}: {}", refused.transcript());
    }
    assert!(!refused.err.contains("nobody@"), "{}", refused.err);
}

#[test]
fn missing_levels_are_created_once_and_before_their_rooms() {
    let mut table = "名称,容量,层级\n".to_owned();
    for number in 0..300 {
        let level = ["总部/3号楼/2层", "总部/3号楼", "总部"][number % 3];
        writeln!(table, "R{number},{},{level}", 4 + number % 9).unwrap();
    }
    let (place, simulator) = place(&[("rooms.csv", &table), ("root.jsonl", ROOT)]);
    let root = run(&place, &["run", "root.jsonl"]);
    assert_eq!(root.code, Some(0), "{}", root.transcript());

    let refused = rooms(&place, "run", &[]);
    assert!(refused.err.contains("there is nothing named \"总部/3号楼\""), "{}", refused.transcript());
    let planned = rooms(&place, "plan", &["--resolve", "--create-levels"]);
    assert!(planned.err.contains("2 levels are not there and created first:\n  总部/3号楼\n  总部/3号楼/2层\n"));
    assert!(planned.out.contains("302 jobs take"), "{}", planned.transcript());
    let ran = rooms(&place, "run", &["--create-levels"]);
    assert_eq!((ran.code, calls(&place).0), (Some(0), 303), "{}", ran.transcript());
    let after = calls(&place);
    let again = rooms(&place, "run", &["--create-levels"]);
    assert_eq!((again.code, calls(&place)), (Some(0), after), "no call at all: {}", again.transcript());

    let exported = run(&place, &["export", "--batch", "rooms", "--columns", "名称,after.id,after.status"]);
    assert!(exported.out.lines().nth(1).unwrap().starts_with("R0,levels:"), "{}", exported.out);
    assert_eq!(exported.out.matches(",succeeded\n").count(), 200, "{}", exported.out);

    let changed = table.replacen("R0,4,", "R0,40,", 1).replacen("R1,5,", "R1,50,", 1).replacen("R2,6,", "R2,60,", 1);
    place.write("rooms.csv", &changed);
    let updated = rooms(&place, "run", &["--update", "--create-levels"]);
    assert_eq!((updated.code, calls(&place).0), (Some(0), after.0 + 3), "{}", updated.transcript());

    let rows = run(&place, &["jobs", "list", "--batch", "rooms", "--json"]);
    let key = rows.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).next().unwrap();
    let by_hand = json!({"id": "h", "method": "feishu.vc.room.patch", "app": "acme",
        "path": {"room_id": key["key"]}, "body": {"name": "大会议室"}});
    place.write("hand.jsonl", &format!("{by_hand}\n"));
    let other = [SECRETS[0], SECRETS[1], ("PACELINE_STORE__URL", "sqlite://other.db")];
    assert_eq!(place.run_with(&["run", "hand.jsonl"], &other).code, Some(0));
    let drifted = rooms(&place, "plan", &["--drift"]);
    assert!(drifted.out.contains("1 of 300 objects were changed on the platform by hand"), "{}", drifted.transcript());
    assert!(drifted.out.contains("→ \"大会议室\""), "{}", drifted.transcript());
    drop(simulator);
}

#[test]
fn the_worker_looks_up_what_nobody_has_and_asks_again_for_what_is_gone() {
    let (place, _simulator) = place(&[("root.jsonl", ROOT)]);
    assert_eq!(run(&place, &["run", "root.jsonl"]).code, Some(0));
    let room = |id: &str, level: &str| {
        json!({"id": id, "method": "feishu.vc.room.create", "app": "acme",
            "body": {"name": id, "capacity": 4, "room_level_id": {"$find": level}}})
    };
    place.write("rooms.jsonl", &format!("{}\n{}\n{}\n", room("r1", "总部"), room("r2", "总部"), room("r3", "分部")));
    let submitted = run(&place, &["submit", "rooms.jsonl"]);
    assert_eq!(submitted.code, Some(0), "{}", submitted.transcript());
    assert!(submitted.err.contains("2 names are looked up by the worker"), "{}", submitted.transcript());
    assert_eq!(job(&place, "r1")["status"], "blocked");
    let why = run(&place, &["why", "r1"]);
    assert!(why.out.contains("waits for a name to be looked up"), "{}", why.transcript());
    let worked = run(&place, &["work", "--until-idle"]);
    assert_eq!(
        (job(&place, "r1")["status"].as_str(), job(&place, "r2")["status"].as_str()),
        (Some("succeeded"), Some("succeeded")),
        "{}",
        worked.transcript()
    );
    let dead = job(&place, "r3");
    assert_eq!((&dead["status"], &dead["reason"]), (&json!("dead"), &json!("invalid")));
    assert!(dead["detail"].as_str().unwrap().contains("there are 总部"), "{dead}");

    // Somebody makes the level that is not there: put to work again, the name is looked up again.
    let level = ROOT.replace("\"hq\"", "\"b\"").replace("总部", "分部");
    place.write("level.jsonl", &level);
    assert_eq!(run(&place, &["run", "level.jsonl"]).code, Some(0));
    let redriven = run(&place, &["dead", "redrive", "r3"]);
    assert_eq!(
        (redriven.code, job(&place, "r3")["status"].as_str()),
        (Some(0), Some("blocked")),
        "{}",
        redriven.transcript()
    );
    run(&place, &["work", "--until-idle"]);
    assert_eq!(job(&place, "r3")["status"], "succeeded");

    // The level is deleted by hand and made anew: the kept id is gone, and asked for once more.
    let key = job(&place, "b")["key"].clone();
    let by_hand =
        json!({"id": "d", "method": "feishu.vc.room_level.del", "app": "acme", "body": {"room_level_id": key}});
    place.write("hand.jsonl", &format!("{by_hand}\n{}", level.replace("\"b\"", "\"b2\"")));
    let other = [SECRETS[0], SECRETS[1], ("PACELINE_STORE__URL", "sqlite://other.db")];
    let hand = place.run_with(&["run", "hand.jsonl"], &other);
    assert_eq!(hand.code, Some(0), "{}", hand.transcript());
    place.write("more.jsonl", &format!("{}\n", room("r4", "分部")));
    let ran = run(&place, &["run", "more.jsonl"]);
    assert_eq!((ran.code, job(&place, "r4")["status"].as_str()), (Some(0), Some("succeeded")), "{}", ran.transcript());
    let found = &body(&place, "r4")["room_level_id"]["is"];
    assert!(found.is_string() && *found != key, "{found}");
}

#[test]
fn events_that_people_changed_in_a_calendar_are_named() {
    let calendar = r#"{"id":"c","method":"feishu.calendar.create","app":"acme","body":{"summary":"课表"}}"#;
    let (place, _simulator) = place(&[("calendar.jsonl", calendar)]);
    assert_eq!(run(&place, &["run", "calendar.jsonl"]).code, Some(0));
    let calendar = job(&place, "c")["key"].as_str().unwrap().to_owned();
    let header = "id,path.calendar_id,summary,start_time.timestamp,end_time.timestamp\n";
    let event = |n: i64| format!("e{n},课表,Event {n},{0},{1}\n", 1_900_000_000 + n * 7_200, 1_900_003_600 + n * 7_200);
    place.write("events.csv", &(0..3).fold(header.to_owned(), |text, n| text + &event(n)));
    let events = |command: &str, more: &[&str]| {
        let arguments = [command, "events.csv", "--method", "feishu.calendar.event.create", "--app", "acme"];
        run(&place, &[&arguments[..], more].concat())
    };
    let ran = events("run", &[]);
    assert_eq!(ran.code, Some(0), "by the calendar's title: {}", ran.transcript());
    let calm = events("plan", &["--drift"]);
    assert!(calm.out.contains("0 of 3 objects were changed on the platform by hand"), "{}", calm.transcript());
    let path = |id: &str| json!({"calendar_id": calendar, "event_id": job(&place, id)["key"]});
    let by_hand = [
        json!({"id": "h1", "method": "feishu.calendar.event.patch", "app": "acme", "path": path("e1"),
            "body": {"summary": "改过的"}}),
        json!({"id": "h2", "method": "feishu.calendar.event.delete", "app": "acme", "path": path("e2")}),
    ];
    place.write("hand.jsonl", &by_hand.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    let other = [SECRETS[0], SECRETS[1], ("PACELINE_STORE__URL", "sqlite://other.db")];
    let changed = place.run_with(&["run", "hand.jsonl"], &other);
    assert_eq!(changed.code, Some(0), "{}", changed.transcript());
    let drifted = events("plan", &["--drift"]);
    assert!(drifted.out.contains("2 of 3 objects were changed"), "{}", drifted.transcript());
    for words in ["body.summary: \"Event 1\" → \"改过的\"", "not there any more"] {
        assert!(drifted.out.contains(words), "{words}: {}", drifted.transcript());
    }
}

#[test]
fn a_level_that_somebody_deleted_is_created_once_more() {
    let (place, _simulator) = place(&[("rooms.csv", "名称,容量,层级\nR1,4,总部/3号楼\n"), ("root.jsonl", ROOT)]);
    assert_eq!(run(&place, &["run", "root.jsonl"]).code, Some(0));
    let ran = rooms(&place, "run", &["--create-levels"]);
    assert_eq!((ran.code, calls(&place).0), (Some(0), 3), "{}", ran.transcript());
    let levels = || -> Vec<Value> {
        let listed = run(&place, &["jobs", "list", "--batch", "levels", "--json"]);
        listed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let [level] = &levels()[..] else { panic!("{:?}", levels()) };

    let by_hand = json!({"id": "d", "method": "feishu.vc.room_level.del", "app": "acme",
        "body": {"room_level_id": level["key"]}});
    place.write("hand.jsonl", &format!("{by_hand}\n"));
    let other = [SECRETS[0], SECRETS[1], ("PACELINE_STORE__URL", "sqlite://other.db")];
    let hand = place.run_with(&["run", "hand.jsonl"], &other);
    assert_eq!(hand.code, Some(0), "{}", hand.transcript());

    // The id that was kept is tried once, and asked for once.
    place.write("rooms.csv", "名称,容量,层级\nR1,4,总部/3号楼\nR2,4,总部/3号楼\nR3,4,总部/3号楼\n");
    let met = rooms(&place, "run", &["--create-levels"]);
    assert_eq!(met.code, Some(1), "{}", met.transcript());
    let dead = run(&place, &["dead", "list", "--json"]);
    let told =
        "there is nothing named \\\"总部/3号楼\\\": correct the name, or let `paceline run --create-levels` create it";
    assert_eq!(dead.out.lines().filter(|line| line.contains(told)).count(), 2, "{}", dead.transcript());
    assert_eq!(levels().len(), 1);

    let before = calls(&place).0;
    let again = rooms(&place, "run", &["--create-levels"]);
    assert_eq!((again.code, calls(&place).0), (Some(0), before + 3), "a level, two rooms: {}", again.transcript());
    let made: Vec<_> = levels().iter().map(|level| (level["status"].clone(), level["key"].clone())).collect();
    assert_eq!(made.len(), 2, "{made:?}");
    assert!(made.iter().all(|(status, _)| status == "succeeded") && made[0].1 != made[1].1, "{made:?}");
    let after = calls(&place);
    let calm = rooms(&place, "run", &["--create-levels"]);
    assert_eq!((calm.code, calls(&place)), (Some(0), after), "no call at all: {}", calm.transcript());
}
