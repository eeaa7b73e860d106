//! Names in files in the place of ids: looked up once for all rows, and shown with what there is where nothing has them.

use super::check::Simulator;
use super::commands::{Outcome, Place};
use super::harness::place::{SECRETS, at_platform, calls};

const LEVELS: &str = r#"{"id":"hq","method":"feishu.vc.room_level.create","app":"acme","body":{"name":"总部","parent_id":"omb_root"}}
{"id":"b2","method":"feishu.vc.room_level.create","app":"acme","body":{"name":"2层","parent_id":{"$from":"hq"}}}
{"id":"b3","method":"feishu.vc.room_level.create","app":"acme","body":{"name":"3层","parent_id":{"$from":"hq"}}}
{"id":"other","method":"feishu.vc.room_level.create","app":"acme","body":{"name":"分部","parent_id":"omb_root"}}
{"id":"o2","method":"feishu.vc.room_level.create","app":"acme","body":{"name":"2层","parent_id":{"$from":"other"}}}
"#;
const ROOMS: &str = "名称,容量,层级\n7F-1,4,总部/2层\n7F-2,4,总部／3层\n7F-3,6, 分部 / 2层\n7F-4,8,总部/2层\n";

fn with(place: &Place, command: &str, file: &str, more: &[&str]) -> Outcome {
    let arguments = [command, file, "--method", "feishu.vc.room.create", "--app", "acme"];
    place.run_with(&[&arguments[..], more].concat(), &SECRETS)
}

/// A platform that has five levels.
fn place() -> (Place, Simulator) {
    let quotas = "[apps.acme.quotas]\n\"feishu.vc.room.create\" = \"50/s\"\n\"feishu.vc.room.patch\" = \"50/s\"\n\
                  \"feishu.vc.room_level.create\" = \"50/s\"\n";
    let files = [("levels.jsonl", LEVELS), ("rooms.csv", ROOMS)];
    let (place, simulator) = at_platform(&files, "[quotas]\n'feishu.vc.*' = '50/s'\n", quotas);
    let levels = place.run_with(&["run", "levels.jsonl"], &SECRETS);
    assert_eq!(levels.code, Some(0), "{}", levels.transcript());
    (place, simulator)
}

/// The key of a level's job.
fn key(place: &Place, id: &str) -> String {
    let shown = place.run(&["jobs", "show", id, "--json"]);
    let document: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    document["key"].as_str().unwrap().to_owned()
}

#[test]
fn rooms_find_their_levels_by_path() {
    let (place, _simulator) = place();
    let planned = with(&place, "plan", "rooms.csv", &[]);
    let note =
        "note: 3 names are looked up with feishu.vc.room_level.list before anything is sent; --resolve does it now";
    assert!(planned.err.contains(note), "{}", planned.transcript());

    let before = calls(&place);
    let ran = with(&place, "run", "rooms.csv", &[]);
    assert_eq!((ran.code, calls(&place)), (Some(0), before + 4), "{}", ran.transcript());
    assert!(ran.err.contains("3 names looked up in 3 calls"), "the top and two branches, once each: {}", ran.err);
    for (level, rooms) in [("b2", &["7F-1", "7F-4"][..]), ("b3", &["7F-2"]), ("o2", &["7F-3"])] {
        let param = format!("room_level_id={}", key(&place, level));
        let read = place.run_with(&["read", "feishu.vc.room.list", "--app", "acme", "--param", &param], &SECRETS);
        assert!(rooms.iter().all(|room| read.out.contains(room)), "{level}: {}", read.transcript());
        assert_eq!(read.out.lines().count(), rooms.len() + 1, "{level}: {}", read.transcript());
    }

    // The same rows again are the same jobs, and their cells come back as they were written.
    let again = with(&place, "run", "rooms.csv", &[]);
    assert_eq!((again.code, calls(&place)), (Some(0), before + 4), "{}", again.transcript());
    let exported = place.run(&["export", "--batch", "rooms"]);
    assert!(exported.out.contains("7F-1,4,总部/2层,rooms:"), "{}", exported.out);
    place.write("other.csv", &ROOMS.replace("7F-1,4", "7F-1,9"));
    let twin = with(&place, "run", "other.csv", &[]);
    assert_eq!((twin.code, calls(&place)), (Some(2), before + 4), "by what was found: {}", twin.transcript());
}

#[test]
fn names_of_nothing_show_what_there_is() {
    let (place, _simulator) = place();
    let before = calls(&place);
    place.write("rooms.csv", "name,capacity,room_level_id\nA,4,总部/9层\nB,4,楼\n");
    let ran = with(&place, "run", "rooms.csv", &[]);
    assert_eq!((ran.code, calls(&place)), (Some(2), before), "{}", ran.transcript());
    for words in
        ["there is nothing named \"总部/9层\"; there are 2层, 3层", "there is nothing named \"楼\"; there are "]
    {
        assert!(ran.err.contains(words), "{words}: {}", ran.transcript());
    }
    let planned = with(&place, "plan", "rooms.csv", &["--resolve"]);
    assert!(planned.code == Some(2) && planned.err.contains("nothing named"), "{}", planned.transcript());

    // A rehearsal has an id for every name, another for another.
    let rehearsed = with(&place, "run", "rooms.csv", &["--simulate"]);
    assert_eq!(rehearsed.code, Some(0), "{}", rehearsed.transcript());
}

#[test]
fn what_people_changed_by_hand_is_named() {
    let (place, simulator) = place();
    assert_eq!(with(&place, "run", "rooms.csv", &[]).code, Some(0));
    let calm = with(&place, "plan", "rooms.csv", &["--resolve", "--drift"]);
    assert!(calm.out.contains("0 of 4 objects were changed on the platform by hand"), "{}", calm.transcript());
    assert_eq!(calm.code, Some(0), "{}", calm.transcript());

    // Another program, with a ledger of its own, changes a room and deletes another.
    let keys: Vec<(String, String)> = place
        .run(&["jobs", "list", "--batch", "rooms", "--json"])
        .out
        .lines()
        .map(|line| {
            let job: serde_json::Value = serde_json::from_str(line).unwrap();
            (job["id"].as_str().unwrap().to_owned(), job["key"].as_str().unwrap().to_owned())
        })
        .collect();
    let by_hand = format!(
        "{}\n{}\n",
        serde_json::json!({"id": "h1", "method": "feishu.vc.room.patch", "app": "acme",
            "path": {"room_id": keys[0].1}, "body": {"name": "大会议室"}}),
        serde_json::json!({"id": "h2", "method": "feishu.vc.room.delete", "app": "acme", "path": {"room_id": keys[1].1}}),
    );
    place.write("hand.jsonl", &by_hand);
    let other = [("ACME_SECRET", "hunter2"), ("PACELINE_STORE__URL", "sqlite://other.db")];
    let changed = place.run_with(&["run", "hand.jsonl"], &other);
    assert_eq!(changed.code, Some(0), "{}", changed.transcript());

    let drifted = with(&place, "plan", "rooms.csv", &["--resolve", "--drift"]);
    assert_eq!(drifted.code, Some(1), "{}", drifted.transcript());
    assert!(drifted.out.contains("2 of 4 objects were changed on the platform by hand"), "{}", drifted.transcript());
    assert!(drifted.out.contains("): body.name: \"7F-1\" → \"大会议室\"\n"), "{}", drifted.transcript());
    assert!(drifted.out.contains(&format!("{} ({}): not there any more", keys[1].0, keys[1].1)), "{}", drifted.out);
    let json = with(&place, "plan", "rooms.csv", &["--resolve", "--drift", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(document["drift"]["rows"].as_array().unwrap().len(), 2, "{}", json.out);
    drop(simulator);
}

#[test]
fn each_look_up_that_cannot_be_read_is_told_once_with_its_cause() {
    let fault = |method: &str, code: u32| {
        format!("[[faults]]\nmethod = '{method}'\nkind = 'code'\ncode = {code}\nchance = 1.0\n")
    };
    let scenario = [fault("feishu.vc.room_level.list", 121_005), fault("feishu.contact.user.batch_get_id", 99_991_672)];
    let room = |id: &str, level: &str| {
        serde_json::json!({"id": id, "method": "feishu.vc.room.create", "app": "acme",
            "body": {"name": id, "capacity": 4, "room_level_id": {"$find": level}}})
    };
    let admins = serde_json::json!({"id": "admins", "method": "feishu.vc.reserve_config.admin.patch", "app": "acme",
        "path": {"reserve_config_id": "omm_1"},
        "body": {"scope_type": 2, "reserve_admin_config": {"users": [{"user_id": {"$find": "ann@corp.com"}}], "depts": []}}});
    let jobs =
        [room("r1", "总部/2层"), admins, room("r2", "总部/3层"), serde_json::json!({"id": "bad", "method": "x"})];
    let jobs = jobs.map(|job| format!("{job}\n")).concat();
    let (place, _simulator) = at_platform(&[("jobs.jsonl", &jobs)], &scenario.concat(), "");

    for command in [&["plan", "jobs.jsonl", "--resolve"][..], &["run", "jobs.jsonl", "--skip-invalid"]] {
        let refused = place.run_with(command, &SECRETS);
        assert_eq!(refused.code, Some(2), "{}", refused.transcript());
        for words in [
            "feishu.vc.room_level.list of acme cannot be read, and these names are looked up there (2): 总部/2层, 总部/3层: 121005: ",
            "feishu.contact.user.batch_get_id of acme cannot be read, and these names are looked up there (1): a…@corp.com: 99991672: ",
            "(log id ",
            "add the scope that the platform names to the app",
            "jobs.jsonl:4: ",
            "nothing was sent",
        ] {
            assert!(refused.err.contains(words), "{words}: {}", refused.transcript());
        }
        for words in [" cannot be read, ", "(log id "] {
            assert_eq!(refused.err.matches(words).count(), 2, "{words}: {}", refused.transcript());
        }
        let chinese = place.run_with(&[command, &["--lang", "zh"]].concat(), &SECRETS);
        for words in ["acme 的 feishu.vc.room_level.list 无法读取", "给应用加上平台指出的权限", "没有发出任何请求"]
        {
            assert!(chinese.err.contains(words), "{words}: {}", chinese.transcript());
        }
    }
    assert_eq!(calls(&place), 0);
}
