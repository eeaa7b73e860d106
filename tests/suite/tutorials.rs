//! The tutorials' commands that need no network and no account, on the tutorials' own files.

use super::commands::Place;

const TUTORIALS: &str = include_str!("../../docs/tutorials.md");
const TUTORIALS_ZH: &str = include_str!("../../docs/zh-CN/tutorials.md");
const FILES: [(&str, &str); 3] = [
    ("building.csv", include_str!("../../examples/building.csv")),
    ("term.csv", include_str!("../../examples/term.csv")),
    ("lecture.jsonl", include_str!("../../examples/lecture.jsonl")),
];

/// The commands of a page, without `paceline` and what is said beside them.
fn commands(page: &str) -> Vec<Vec<&str>> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("paceline "));
    lines.map(|line| line.split(" #").next().unwrap().split_whitespace().collect()).collect()
}

#[test]
fn what_the_tutorials_say_before_anything_is_sent_works() {
    let place = Place::new(&FILES);
    let mut tried = 0;
    for command in commands(TUTORIALS) {
        if !(["validate", "plan"].contains(&command[0]) || command.contains(&"--simulate")) {
            continue;
        }
        let done = place.run(&command);
        assert_eq!(done.code, Some(0), "{command:?}: {}", done.transcript());
        tried += 1;
    }
    assert_eq!(tried, 6, "each file is checked, planned or rehearsed");
}

#[test]
fn both_languages_give_the_same_commands() {
    assert_eq!(commands(TUTORIALS), commands(TUTORIALS_ZH));
    assert!(!commands(TUTORIALS).is_empty());
}

#[test]
fn a_building_is_made_from_top_to_bottom_and_undone_from_bottom_to_top() {
    let place = Place::new(&FILES);
    let run = place.run(&["run", "building.csv", "--app", "acme", "--simulate", "--speed", "60", "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.transcript());
    let store = [("PACELINE_STORE__URL", "sqlite://paceline.simulated.db")];
    let shown = place.run_with(&["jobs", "show", "a-101", "--json"], &store).out;
    assert!(shown.contains("omb_"), "the floor's id was filled in: {shown}");
    let undo = place.run_with(&["undo", "--batch", "building"], &store);
    for method in ["feishu.vc.room.delete", "feishu.vc.room_level.del"] {
        assert!(undo.out.contains(method), "{}", undo.transcript());
    }
}
