//! `paceline read`, and a page over HTTP: listings as rows to edit and run.

use serde_json::{Value, json};

use super::admin_changes::{Desk, TOKEN};
use super::check::Simulator;
use super::commands::{Outcome, Place};

const ROOMS: &str = "\
name,capacity,room_level_id,description
7F-701,10,omb_1,
7F-702,4,omb_1,\"quiet, small\"
7F-703,6,omb_1,投影；白板
8F-801,8,omb_2,
7F-704,12,omb_1,
";
const SECRET: [(&str, &str); 1] = [("S", "s")];

/// A simulator with five rooms, four of them on one level.
fn site() -> (Place, Simulator) {
    site_with("")
}

fn site_with(scenario: &str) -> (Place, Simulator) {
    let place = Place::new(&[("rooms.csv", ROOMS), ("scenario.toml", scenario)]);
    let simulator = Simulator::start(&place, "scenario.toml");
    place.write("paceline.toml", &settings(&simulator.address));
    let run =
        place.run_with(&["run", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme", "--json"], &SECRET);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    (place, simulator)
}

fn settings(address: &str) -> String {
    format!(
        "[apps.acme]\nplatform = \"feishu\"\nbase_url = \"{address}\"\napp_id = \"cli_a1\"\napp_secret = {{ env = \"S\" }}\n"
    )
}

fn read(place: &Place, arguments: &[&str]) -> Outcome {
    place.run_with(&[&["read", "feishu.vc.room.list", "--app", "acme"], arguments].concat(), &SECRET)
}

/// A transcript without the ids that the simulator made and the order in which it did.
fn steady(run: &Outcome) -> String {
    let mut text = run.transcript();
    while let Some((before, rest)) = text.split_once("omm_") {
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
        text = format!("{before}<room>{}", &rest[end..]);
    }
    // Rooms are listed as they were made, which is as their calls came to be sent.
    let mut lines: Vec<&str> = text.lines().collect();
    lines.chunk_by_mut(|one, next| one.starts_with("<room>") && next.starts_with("<room>")).for_each(<[&str]>::sort);
    lines.join("\n")
}

#[test]
fn what_is_read_can_be_edited_and_run() {
    let (place, _simulator) = site();
    let all = read(&place, &["--param", "room_level_id=omb_1", "--param", "page_size=3", "-o", "level.csv"]);
    assert_eq!(all.code, Some(0), "{}", all.err);
    let table = std::fs::read_to_string(place.path().join("level.csv")).unwrap();
    let names: Vec<&str> = table.lines().filter_map(|line| line.split(',').nth(3)).collect();
    assert_eq!(table.lines().count(), 5, "{table}");
    assert!(
        table.starts_with("path.room_id,capacity,custom_room_id,description,name,room_level_id\n"),
        "{table}{names:?}"
    );
    place.write("level.csv", &table.replace("7F-702", "7F-702 quiet room"));
    let method = ["--method", "feishu.vc.room.patch", "--app", "acme"];
    let checked = place.run(&[&["validate", "level.csv"], &method[..]].concat());
    assert!(checked.err.contains("4 rows, no fault"), "{}{}", checked.out, checked.err);
    let run = place.run_with(&[&["run", "level.csv"], &method[..]].concat(), &SECRET);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let again = read(&place, &["--jsonl"]);
    let items: Vec<Value> = again.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |name: &str| items.iter().filter(|item| item["name"] == name).count();
    assert_eq!((items.len(), count("7F-702 quiet room"), count("7F-702")), (5, 1, 0), "{}", again.out);
}

#[test]
fn a_reading_is_told_in_words() {
    let (place, _simulator) = site();
    insta::assert_snapshot!("read", steady(&read(&place, &["--param", "page_size=2"])));
    let wrong = read(&place, &["--param", "level=omb_1"]);
    insta::assert_snapshot!("read_unknown_parameter", wrong.transcript());
    insta::assert_snapshot!("read_wrong_value", read(&place, &["--param", "page_size=1000"]).transcript());
    let create = place.run_with(&["read", "feishu.vc.room.create", "--app", "acme"], &SECRET);
    insta::assert_snapshot!("read_no_listing", create.transcript());
    let nobody = place.run_with(&["read", "feishu.vc.room.list", "--app", "nobody"], &SECRET);
    assert_eq!(nobody.code, Some(2), "{}", nobody.err);
}

#[test]
fn what_was_cut_short_goes_on_where_it_ended() {
    let fault = "[[faults]]\nmethod = 'feishu.vc.room.list'\nkind = 'code'\ncode = 121002\nevery = 2\n";
    let (place, _simulator) = site_with(fault);
    let first = read(&place, &["--param", "page_size=3"]);
    assert_eq!(first.code, Some(1), "{}", first.err);
    assert!(first.err.starts_with("error: 121002: "), "{}", first.err);
    let from = first.err.split_once("--from \"").and_then(|(_, rest)| rest.split_once('"')).unwrap().0;
    let rest = read(&place, &["--param", "page_size=3", "--from", from]);
    assert_eq!(rest.code, Some(0), "{}", rest.err);
    let both = first.out + &rest.out;
    let names: Vec<&str> = both.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(names.len(), 5, "each room once, and no second header: {both}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_reads_a_page_over_http() {
    let desk = Desk::with_admin("", "[admin]\ntoken = { env = \"ADMIN_TOKEN\" }\nread = \"open\"").await;
    let token = format!("Authorization: Bearer {TOKEN}");
    let get = |query: &str, headers: &[&str]| {
        desk.ask("GET", &format!("/api/v1/reads/feishu.vc.room.list?{query}"), headers, "")
    };
    assert_eq!(get("app=acme", &[]).0, 401, "it spends the platform's quota");
    let (status, page) = get("app=acme&param.page_size=2", &[&token]);
    assert_eq!(status, 200, "{page}");
    assert_eq!(
        (&page["feeds"], &page["rows"], &page["next"]),
        (&json!("feishu.vc.room.patch"), &json!([]), &Value::Null)
    );
    assert_eq!(page["columns"][0], "path.room_id");
    let (status, fault) = get("app=acme&param.page_size=none", &[&token]);
    assert_eq!(status, 400, "{fault}");
    let (status, fault) = desk.ask("GET", "/api/v1/reads/feishu.vc.room.get?app=acme", &[&token], "");
    assert_eq!(status, 404, "{fault}");
    let (status, fault) = get("app=nobody", &[&token]);
    assert_eq!(status, 404, "{fault}");
    assert!(fault["error"].as_str().unwrap().contains("there are acme"), "{fault}");
    // The worker holds the quotas, so no other process of the ledger may call.
    let secrets = [SECRET[0], ("ADMIN_TOKEN", TOKEN)];
    let beside = desk.place.run_with(&["read", "feishu.vc.room.list", "--app", "acme"], &secrets);
    assert_eq!(beside.code, Some(2), "{}", beside.err);
    assert!(beside.err.contains("hint: ask it: GET /api/v1/reads/METHOD"), "{}", beside.err);
    let (status, _) =
        desk.ask("POST", "/api/v1/suspend", &["Content-Type: application/json", &token], r#"{"app":"acme"}"#);
    assert_eq!(status, 200);
    let (status, fault) = get("app=acme", &[&token]);
    assert_eq!(status, 409, "{fault}");
    assert!(fault["error"].as_str().unwrap().starts_with("acme is suspended"), "{fault}");
}
