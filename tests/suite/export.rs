//! The way of a spreadsheet: a file with faults is run, exported, mended by a person and run again.

use super::check::Simulator;
use super::commands::Place;

const SECRETS: [(&str, &str); 1] = [("ACME_SECRET", "hunter2")];
const RUN: [&str; 6] = ["run", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"];

/// The first two rooms are refused by the platform for good.
const SCENARIO: &str = "title = 'two bad rooms'\n[quotas]\n'feishu.vc.room.*' = '50/s'\n\
    [[faults]]\nkind = 'code'\ncode = 125001\nmethod = 'feishu.vc.room.create'\nfirst = 2\n";

fn settings(address: &str) -> String {
    format!(
        "[apps.acme]\nplatform = \"feishu\"\nbase_url = \"{address}\"\napp_id = \"cli_a1\"\n\
         app_secret = {{ env = \"ACME_SECRET\" }}\n[apps.acme.quotas]\n\"feishu.vc.room.create\" = \"50/s\"\n\
         [engine]\nconcurrency_max = 1\n"
    )
}

fn count(place: &Place, state: &str) -> usize {
    place.run(&["jobs", "list", "--state", state, "--json"]).out.lines().count()
}

#[test]
fn a_mended_export_sends_only_what_was_mended() {
    // Without ids of their own: they come from batch and content, and a file of another name would be another batch.
    let rooms = "name,capacity,room_level_id,description\n=7F-1,4,omb_1,\n7F-2,4,omb_bad,+floor\n7F-3,ten,omb_1,\n7F-4,4,omb_1,\n7F-5,4,omb_1,x\n";
    let place = Place::new(&[("rooms.csv", rooms), ("world.toml", SCENARIO)]);
    let simulator = Simulator::start(&place, "world.toml");
    place.write("paceline.toml", &settings(&simulator.address));
    let first = place.run_with(&[&RUN[..], &["--skip-invalid"]].concat(), &SECRETS);
    assert_eq!(
        (first.code, count(&place, "succeeded"), count(&place, "dead")),
        (Some(1), 2, 2),
        "{}",
        first.transcript()
    );

    let exported = place.run(&["export", "--batch", "rooms", "--bom", "--output", "out.csv"]);
    assert_eq!(exported.code, Some(0), "{}", exported.transcript());
    let bytes = std::fs::read(place.path().join("out.csv")).unwrap();
    assert!(bytes.starts_with(b"\xef\xbb\xbf"));
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let ids: Vec<&str> = lines.iter().map(|line| line.split(',').nth(4).unwrap()).collect();
    assert!(lines[0].ends_with("name,capacity,room_level_id,description,id,method,app,batch,status,key,reason,code,detail,cure,log_id,finished_at,warnings"));
    assert!(
        lines[1].starts_with("'=7F-1,4,omb_1,,rooms:")
            && lines[1].contains(",feishu.vc.room.create,acme,rooms,dead,,rejected,125001,"),
        "{text}"
    );
    assert!(lines[2].contains(",omb_bad,'+floor,rooms:") && lines[2].contains(",dead,,rejected,125001,"), "{text}");
    assert!(lines[3].contains(",ten,omb_1,,rooms:") && lines[3].contains(",dead,,invalid,,"), "{text}");

    // As it is, everything that can be sent again is sent again; what is done is not.
    let mended = text.replace("7F-2,4,omb_bad", "7F-2,4,omb_1").replace("7F-3,ten", "7F-3,10");
    place.write("mended.csv", &mended);
    let planned = place.run_with(&["plan", "mended.csv"], &SECRETS);
    assert!(!planned.out.contains("duplicate"), "{}", planned.transcript());
    let second = place.run_with(&["run", "mended.csv"], &SECRETS);
    assert_eq!((count(&place, "succeeded"), count(&place, "dead")), (5, 0), "{}", second.transcript());
    let untouched = place.run(&["jobs", "show", ids[4], "--json"]);
    let calls = untouched.out.matches("\"purpose\"").count();
    assert_eq!(calls, 1, "what was done is not called again: {}", untouched.out);
    let mended = place.run(&["jobs", "show", ids[2], "--json"]);
    assert!(mended.out.contains("\"status\":\"succeeded\""), "{}", mended.out);

    // The batch keeps its own columns, and the cells are those that were mended.
    let again = place.run(&["export", "--batch", "rooms"]);
    let lines: Vec<&str> = again.out.lines().collect();
    assert!(lines[0].starts_with("name,capacity,room_level_id,description,id,") && !lines[0].contains("paceline_"));
    assert_eq!(lines.len(), 6, "{}", again.out);
    assert!(lines.iter().any(|line| line.starts_with(&format!("7F-3,10,omb_1,,{},", ids[3]))), "{}", again.out);
    assert!(lines.iter().any(|line| line.starts_with(&format!("7F-2,4,omb_1,'+floor,{},", ids[2]))), "{}", again.out);

    // A row that succeeded and was changed afterwards is shown to a person before anything is sent.
    place.write("changed.csv", &text.replace("7F-5,4", "7F-5,5"));
    let changed = place.run_with(&["run", "changed.csv", "--skip-invalid"], &SECRETS);
    assert_eq!(changed.code, Some(2), "{}", changed.transcript());
    let line = format!("changed.csv:6: {} (succeeded, ", ids[5]);
    assert!(changed.err.contains(&line) && changed.err.contains(": body.capacity: 4 → 5\n"), "{}", changed.err);
    assert_eq!((count(&place, "succeeded"), count(&place, "dead")), (5, 0));
}

#[test]
fn moved_columns_and_masked_cells_are_understood() {
    let meetings = "id,admin_userid,title,meeting_start,meeting_duration,settings.password\n\
        m1,li,One,2036-01-01T08:00:00+08:00,3600,1234\nm2,li,Two,2036-01-01T10:00:00+08:00,360x,4321\n";
    let place = Place::with_apps(&[("talks.csv", meetings)]);
    let submit = ["submit", "talks.csv", "--method", "wecom.meeting.create", "--app", "campus", "--skip-invalid"];
    assert_eq!(place.run(&submit).code, Some(1));
    let out = place.run(&["export", "--batch", "talks"]).out;
    assert!(out.contains("******") && !out.contains("1234") && !out.contains("4321"), "{out}");
    // A spreadsheet may move columns; what waits already is left alone although its password is masked.
    let moved: Vec<String> = out
        .lines()
        .map(|line| {
            let (id, rest) = line.split_once(',').unwrap();
            let (organiser, rest) = rest.split_once(',').unwrap();
            format!("{organiser},{id},{rest}\n")
        })
        .collect();
    place.write("moved.csv", &moved.concat());
    let masked = place.run(&["validate", "moved.csv"]);
    assert!(
        masked.out.contains("is masked in an export") && masked.out.matches("masked").count() == 1,
        "{}",
        masked.transcript()
    );
    place.write("moved.csv", &moved.concat().replace("360x,******", "3600,4321"));
    let submitted = place.run(&["submit", "moved.csv"]);
    assert_eq!(submitted.code, Some(0), "{}", submitted.transcript());
    assert!(submitted.err.contains("1 queued in the ledger, 0 known"), "{}", submitted.err);
    let again = place.run(&["export", "--batch", "talks"]).out;
    assert!(again.lines().nth(2).unwrap().starts_with("m2,li,Two,2036-01-01T10:00:00+08:00,3600,******"), "{again}");
}
