//! Map files: which column of a table is which parameter, guessed once and kept for next time.

use super::commands::Place;
use super::headings::jobs;

const ROOM: [&str; 4] = ["--method", "feishu.vc.room.create", "--app", "acme"];
const ROOMS: &str = "会议室,座位数,楼栋,楼层,用途,备注\n7F-701,10人,A,7,开,靠窗\n7F-702,12,A,7,关,\n";

#[test]
fn a_map_says_what_no_heading_says() {
    let map = "ignored = [\"备注\"]\n[columns]\n\"座位数\" = \"容量\"\n\"用途\" = \"room_status.status\"\n[constants]\n\
        room_level_id = \"omb_1\"\nmethod = \"feishu.vc.room.create\"\napp = \"acme\"\n[templates]\n\
        description = \"{楼栋}座{楼层}层\"\n[words.\"room_status.status\"]\n\"开\" = true\n\"关\" = false\n";
    let place = Place::with_apps(&[("rooms.csv", ROOMS), ("rooms.map.toml", map)]);
    let submitted = place.run(&["submit", "rooms.csv", "--map", "rooms.map.toml"]);
    assert_eq!(submitted.code, Some(0), "{}", submitted.transcript());
    let room = |name: &str, capacity: u32, status: bool| {
        serde_json::json!({"name": name, "capacity": capacity, "room_level_id": "omb_1", "description": "A座7层",
            "room_status": {"status": status}})
    };
    assert_eq!(jobs(&place, "rooms"), [room("7F-701", 10, true), room("7F-702", 12, false)]);
    let exported = place.run(&["export", "--batch", "rooms"]).out;
    assert!(exported.starts_with("会议室,座位数,楼栋,楼层,用途,备注,id,"), "{exported}");
    assert!(exported.contains("\n7F-701,10人,A,7,开,靠窗,"), "the cells are the file's own: {exported}");
    place.write("out.csv", &exported);
    let again = place.run(&["submit", "out.csv", "--map", "rooms.map.toml", "--batch", "rooms", "--json"]);
    assert_eq!(again.out, "{\"blocked\":0,\"known\":2,\"queued\":0,\"rejected\":0,\"succeeded\":0}\n", "{}", again.err);
}

#[test]
fn faults_of_a_map_are_told_by_line() {
    let place = Place::with_apps(&[("rooms.csv", ROOMS)]);
    let validate = |map: &str| {
        place.write("m.toml", map);
        place.run(&[&["validate", "rooms.csv", "--map", "m.toml"][..], &ROOM].concat())
    };
    for (map, words) in [
        ("ignored = [\n", "m.toml:1: unclosed array"),
        ("\n[column]\na = \"b\"\n", "m.toml:2: unknown field `column`"),
        ("[templates]\n\ndescription = \"{楼栋\"\n", "m.toml:3: templates.description: a brace is not closed"),
        ("[templates]\ndescription = \"x\"\n", "m.toml:2: templates.description: names no {column}"),
    ] {
        let told = validate(map);
        assert_eq!(told.code, Some(2), "{}", told.transcript());
        assert!(told.err.contains(words), "{map}: {}", told.err);
    }
    let told = validate(
        "ignored = [\"备住\"]\n[columns]\n\"座位数\" = \"capcity\"\n\"用途\" = \"name\"\n[constants]\nname = \"x\"\n\
         lvl = \"y\"\n[words.description]\na = \"b\"\n",
    );
    assert_eq!(told.code, Some(1), "{}", told.transcript());
    for words in [
        "m.toml:1: the file has no column \"备住\"; did you mean \"备注\"?",
        "rooms.csv:1: column 2 (座位数): no method has such a parameter",
        "rooms.csv:1: column 5 (用途): the same as column 1 (会议室)",
        "m.toml:6: body.name: column 1 gives it already",
        "m.toml:7: body.lvl: no method has such a parameter",
        "m.toml:8: words.description: no column gives it",
    ] {
        assert!(told.out.contains(words), "{words}: {}", told.out);
    }
    let wrong = validate(
        "ignored = [\"备注\", \"楼栋\", \"楼层\", \"用途\", \"座位数\"]\n[constants]\n\
         room_level_id = \"omb_1\"\ncapacity = \"many\"\n",
    );
    assert!(wrong.out.contains("capacity, by m.toml: "), "{}", wrong.out);
}

#[test]
fn a_map_is_guessed_shown_and_written() {
    let rooms = "会议室名称,capacty,楼栋,层级,备注\n7F-701,10,A,omb_1,靠窗\n7F-702,12,A,omb_1,\n7F-703,10,B,omb_1,\n";
    let place = Place::with_apps(&[("rooms.csv", rooms)]);
    let import = |more: &[&str]| place.run(&[&["import", "rooms.csv"], &ROOM[..], more].concat());
    let asked = import(&[]);
    assert_eq!(asked.code, Some(2), "{}", asked.transcript());
    assert!(asked.err.contains("--yes writes the map without asking"), "{}", asked.err);
    assert!(!place.path().join("rooms.map.toml").exists());
    let written = import(&["--yes"]);
    assert_eq!(written.code, Some(0), "{}", written.transcript());
    let row = |name: &str| written.out.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(row("会议室名称").contains(" name ") && row("会议室名称").ends_with("7F-701 · 7F-702 · 7F-703"));
    assert!(row("capacty").contains(" capacity ") && row("capacty").ends_with("10 · 12"), "{}", written.out);
    assert!(row("备注").contains("(not read)"), "{}", written.out);
    let map = std::fs::read_to_string(place.path().join("rooms.map.toml")).unwrap();
    assert!(map.contains("ignored = [\"楼栋\", \"备注\"]"), "{map}");
    assert!(map.contains("\"capacty\" = \"capacity\"  # a guess"), "{map}");
    let valid = place.run(&[&["validate", "rooms.csv", "--map", "rooms.map.toml"][..], &ROOM].concat());
    assert_eq!((valid.code, valid.out.as_str()), (Some(0), ""), "{}", valid.transcript());
    let again = import(&["--yes"]);
    assert_eq!(again.code, Some(2), "nothing is overwritten: {}", again.transcript());
    let short = place.run(&["import", "rooms.csv", "--method", "wecom.meeting.create", "--yes", "-o", "other.toml"]);
    assert!(short.err.contains("no column gives what the method requires: admin_userid, "), "{}", short.err);
}
