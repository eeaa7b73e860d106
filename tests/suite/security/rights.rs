//! Files: whose settings are obeyed, who may write beside the ledger, where an export lands, and a new key under way.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use serde_json::Value;

use crate::check::Simulator;
use crate::commands::{Place, SETTINGS};
use crate::harness::process::Process;
use crate::harness::until;

const SECRETS: [(&str, &str); 2] = [("ACME_SECRET", "hunter2"), ("CAMPUS_SECRET", "swordfish")];
const ROOMS: &str = "id,name,capacity,room_level_id\na,7F-1,4,omb_1\n";

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn settings_of_another_user_are_obeyed_only_if_somebody_names_them() {
    let place = Place::with_apps(&[]);
    let path = place.path().join("paceline.toml");
    // Only root can lay a file of somebody else's; without that right there is no such file to refuse.
    if chown(&path, Some(54_321), None).is_err() {
        return;
    }
    for command in [&["status"][..], &["check", "--offline"], &["jobs", "list"]] {
        let refused = place.run_with(command, &SECRETS);
        assert_eq!(refused.code, Some(2), "{command:?}: {}", refused.err);
        assert!(
            refused.err.contains("belongs to another user (54321)") && refused.err.contains("--config"),
            "{}",
            refused.err
        );
        assert!(!place.path().join("paceline.db").exists());
    }
    let named = place.run_with(&["check", "--offline", "--config", "paceline.toml"], &SECRETS);
    assert_eq!(named.code, Some(0), "{}", named.err);
    assert!(named.out.contains("belongs to another user (54321), who can change it"), "{}", named.out);
}

#[test]
fn check_warns_of_settings_and_folders_that_others_can_write() {
    let place = Place::with_apps(&[]);
    fs::create_dir(place.path().join("ledger")).unwrap();
    let (settings, folder) = (place.path().join("paceline.toml"), place.path().join("ledger"));
    let store = ("PACELINE_STORE__URL", "sqlite://ledger/paceline.db");
    let look = || {
        let checked = place.run_with(&["check", "--offline", "--json"], &[&SECRETS[..], &[store]].concat());
        assert_eq!(checked.code, Some(0), "a warning is no fault: {}", checked.err);
        let findings: Vec<Value> = serde_json::from_str(&checked.out).unwrap();
        let rights = findings.into_iter().filter(|finding| finding["what"] == "rights");
        rights
            .map(|finding| format!("{} {} {}", finding["verdict"], finding["detail"], finding["cure"]))
            .collect::<Vec<_>>()
    };
    set_mode(&settings, 0o644);
    set_mode(&folder, 0o755);
    assert_eq!(look(), Vec::<String>::new());
    set_mode(&settings, 0o664);
    set_mode(&folder, 0o777);
    let found = look();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|it| it.contains("\"warning\"") && it.contains("chmod go-w")), "{found:?}");
    assert!(
        found[0].contains("paceline.toml can be written") && found[1].contains("ledger can be written"),
        "{found:?}"
    );
}

#[test]
fn an_export_replaces_a_link_and_not_what_it_leads_to() {
    let place = Place::with_apps(&[("rooms.csv", ROOMS), ("theirs", "kept")]);
    let submit = ["submit", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"];
    assert_eq!(place.run(&submit).code, Some(0));
    let out = place.path().join("out.csv");
    symlink(place.path().join("theirs"), &out).unwrap();
    let exported = place.run(&["export", "--format", "csv", "--output", "out.csv"]);
    assert_eq!(exported.code, Some(0), "{}", exported.err);
    let metadata = fs::symlink_metadata(&out).unwrap();
    assert!(metadata.is_file() && metadata.permissions().mode() & 0o777 == 0o600, "{metadata:?}");
    assert!(fs::read_to_string(&out).unwrap().contains("feishu.vc.room.create"));
    assert_eq!(fs::read_to_string(place.path().join("theirs")).unwrap(), "kept");
    assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw());
}

#[test]
fn a_secret_comes_from_a_credential_of_the_unit() {
    let settings = SETTINGS.replace("{ env = \"ACME_SECRET\" }", "{ credential = \"acme_secret\" }");
    let place = Place::new(&[("paceline.toml", &settings)]);
    let folder = place.path().join("credentials");
    fs::create_dir(&folder).unwrap();
    let check = |variables: &[(&str, &str)]| {
        place.run_with(&["check", "--offline"], &[&[("CAMPUS_SECRET", "swordfish")], variables].concat())
    };
    let outside = check(&[]);
    assert_eq!(outside.code, Some(2));
    assert!(outside.err.contains("LoadCredential=acme_secret:PATH"), "{}", outside.err);
    let variable = [("CREDENTIALS_DIRECTORY", folder.to_str().unwrap())];
    let missing = check(&variable);
    assert!(missing.code == Some(2) && missing.err.contains("acme_secret cannot be read"), "{}", missing.err);
    fs::write(folder.join("acme_secret"), "hunter2\n").unwrap();
    set_mode(&folder.join("acme_secret"), 0o644);
    let open = check(&variable);
    assert!(open.code == Some(2) && open.err.contains("chmod 600"), "{}", open.err);
    set_mode(&folder.join("acme_secret"), 0o400);
    let good = check(&variable);
    assert_eq!(good.code, Some(0), "{}", good.err);
    assert!(!good.out.contains("hunter2") && !good.err.contains("hunter2"));
}

/// What a meeting's row holds but its number.
const MEETINGS: &str = "id,admin_userid,title,meeting_start,meeting_duration,settings.password\n";

#[tokio::test]
async fn a_new_key_is_begun_beside_a_running_worker() {
    let place = Place::new(&[("world.toml", "title = 'calm'\n")]);
    let simulator = Simulator::start(&place, "world.toml");
    place.write(
        "paceline.toml",
        &format!(
            "[apps.campus]\nplatform = \"wecom\"\nbase_url = \"{}\"\ncorp_id = \"ww1\"\ncorp_secret = {{ env = \"ACME_SECRET\" }}\n",
            simulator.address
        ),
    );
    let meeting = |id: &str| {
        place.write(&format!("{id}.csv"), &format!("{MEETINGS}{id},u,{id},2099-01-01T08:00:00+08:00,3600,482913\n"));
        let file = format!("{id}.csv");
        let submit = ["submit", &file, "--method", "wecom.meeting.create", "--app", "campus"];
        let submitted = place.run_with(&submit, &SECRETS);
        assert_eq!(submitted.code, Some(0), "{}", submitted.err);
    };
    let state = |id: &str| {
        let shown: Value = serde_json::from_str(&place.run(&["jobs", "show", id, "--json"]).out).unwrap();
        shown["status"].as_str().unwrap().to_owned()
    };
    let mut worker = Process::start(&place, &["work"]);
    worker.says(&["working"]).await;
    meeting("first");
    until("the first meeting is there", || state("first") == "succeeded").await;
    assert_eq!(place.run(&["suspend", "campus"]).code, Some(0));
    meeting("waiting");
    let key = || fs::read_to_string(place.path().join("paceline.db.key")).unwrap();
    let before = key();

    let rekeyed = place.run(&["store", "rekey", "--json"]);
    assert_eq!(rekeyed.code, Some(0), "{}", rekeyed.err);
    let done: Value = serde_json::from_str(&rekeyed.out).unwrap();
    assert_eq!(done["version"], 2, "{done}");
    assert!(key() != before && key().trim().len() == before.trim().len(), "one key is left, and it is another one");

    // What was sealed by the old key is sent, what comes is taken, and the worker goes on.
    assert_eq!(place.run(&["resume", "campus"]).code, Some(0));
    until("the waiting meeting is there", || state("waiting") == "succeeded").await;
    meeting("after");
    until("the last meeting is there", || state("after") == "succeeded").await;
    assert!(!worker.has_ended(), "{}", worker.log());
    assert!(!worker.log().contains("482913"), "{}", worker.log());
    worker.signal("TERM");
    worker.ends_with(0).await;

    // With the old key nobody works it any more.
    fs::write(place.path().join("paceline.db.key"), before).unwrap();
    let refused = place.run_with(&["work", "--until-idle"], &SECRETS);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
}
