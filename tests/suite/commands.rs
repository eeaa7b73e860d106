//! The commands as a shell sees them: exit code, standard output, standard error. Each in a folder of its own.
//!
//! Transcripts stand in `snapshots/`; what differs from run to run (instants, the folder) is replaced.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub(crate) const SETTINGS: &str = "\
[apps.acme]
platform = \"feishu\"
app_id = \"cli_a1\"
app_secret = { env = \"ACME_SECRET\" }

[apps.campus]
platform = \"wecom\"
corp_id = \"ww1\"
corp_secret = { env = \"CAMPUS_SECRET\" }
";

const ROOMS: &str = "\
id,name,capacity,room_level_id
a,会议室 7F-701,10,omb_1
b,7F-702,ten,omb_1
c,7F-703,4,
";

/// A folder with files, in which commands run.
pub(crate) struct Place(TempDir);

/// What a command left behind.
pub(crate) struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Outcome {
    /// Exit code and both streams, with what differs from run to run replaced.
    pub(crate) fn transcript(&self) -> String {
        let part = |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("--- {name}\n{text}") };
        let code = self.code.map_or("signal".to_owned(), |code| code.to_string());
        steady(&format!("exit {code}\n{}{}", part("stdout", &self.out), part("stderr", &self.err)))
    }
}

impl Place {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    /// With settings of two apps.
    pub(crate) fn with_apps(files: &[(&str, &str)]) -> Self {
        let place = Self::new(files);
        place.write("paceline.toml", SETTINGS);
        place
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// What stands in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap().map(Result::unwrap);
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paceline"));
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        // Tests run side by side, and one machine has one port of that number.
        command.env("PACELINE_ADMIN__LISTEN", "");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(arguments, &[])
    }

    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
        let done = self.command(arguments).envs(variables.iter().copied()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Outcome { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
    }
}

/// Replaces instants like `2026-11-21T08:00:00.123Z` by `<time>`.
fn steady(text: &str) -> String {
    let is_instant = |piece: &str| {
        let shape: String = piece.chars().map(|char| if char.is_ascii_digit() { '9' } else { char }).collect();
        shape == "9999-99-99T99:99:99.999Z"
    };
    let (mut out, mut rest) = (String::new(), text);
    while let Some(next) = rest.chars().next() {
        let step = match rest.get(..24) {
            Some(piece) if is_instant(piece) => {
                out.push_str("<time>");
                24
            }
            _ => {
                out.push(next);
                next.len_utf8()
            }
        };
        rest = &rest[step..];
    }
    out
}

#[test]
fn wrong_usage_is_2_and_says_what_was_expected() {
    let place = Place::with_apps(&[]);
    insta::assert_snapshot!("usage_unknown_command", place.run(&["rnu"]).transcript());
    insta::assert_snapshot!("usage_resolve_without_verdict", place.run(&["resolve", "a"]).transcript());
    insta::assert_snapshot!("usage_unknown_state", place.run(&["jobs", "list", "--state", "done"]).transcript());
    insta::assert_snapshot!(
        "usage_log_level",
        place.run(&["methods", "list", "--log-level", "hyper=trace"]).transcript()
    );
    insta::assert_snapshot!(
        "usage_log_variable",
        place.run_with(&["methods", "list"], &[("PACELINE_LOG", "loud")]).transcript()
    );
    insta::assert_snapshot!("usage_file_ending", place.run(&["validate", "rooms.xlsx"]).transcript());
    insta::assert_snapshot!("usage_missing_file", place.run(&["validate", "nowhere.csv"]).transcript());
}

#[test]
fn help_and_version_go_to_standard_output() {
    let place = Place::new(&[]);
    for arguments in [["--help"], ["--version"]] {
        let outcome = place.run(&arguments);
        assert_eq!(outcome.code, Some(0));
        assert!(outcome.out.contains("paceline") && outcome.err.is_empty(), "{}", outcome.transcript());
    }
}

#[test]
fn wrong_settings_are_told_all_at_once_and_without_their_secrets() {
    let text = "[htpp]\n[engine]\nattempts_max = 0\n[apps.acme]\nplatform = \"feishu\"\napp_secret = \"hunter2\"\n\
                base_url = \"http://open.feishu.cn\"\n";
    let place = Place::new(&[("paceline.toml", text), ("broken.toml", "[http\n")]);
    let outcome = place.run_with(&["methods", "list"], &[("PACELINE_HTTP__REQUEST_TIMEOUT_MS", "soon")]);
    insta::assert_snapshot!("settings_faults", outcome.transcript());
    assert!(!outcome.err.contains("hunter2"));
    insta::assert_snapshot!("settings_syntax", place.run(&["methods", "list", "--config", "broken.toml"]).transcript());
    insta::assert_snapshot!(
        "settings_missing",
        place.run_with(&["status"], &[("PACELINE_CONFIG", "nope.toml")]).transcript()
    );
}

#[test]
fn the_file_of_defaults_loads_as_it_stands() {
    let place = Place::new(&[]);
    std::fs::create_dir(place.path().join("config")).unwrap();
    let defaults = concat!(env!("CARGO_MANIFEST_DIR"), "/config/paceline.toml");
    std::fs::copy(defaults, place.path().join("config/paceline.toml")).unwrap();
    assert_eq!(place.run(&["methods", "list"]).code, Some(0));
}

#[test]
fn every_fault_of_a_file_is_named_by_line_and_field() {
    let place =
        Place::with_apps(&[("rooms.csv", ROOMS), ("good.csv", "id,name,capacity,room_level_id\na,x,1,omb_o\n")]);
    let rooms = ["--method", "feishu.vc.room.create", "--app", "acme"];
    let with = |command: &[&'static str]| place.run(&[command, &rooms].concat());
    insta::assert_snapshot!("validate_faults", with(&["validate", "rooms.csv"]).transcript());
    insta::assert_snapshot!("validate_json", with(&["validate", "rooms.csv", "--json"]).transcript());
    insta::assert_snapshot!("validate_good", with(&["validate", "good.csv"]).transcript());
    insta::assert_snapshot!("validate_header", place.run(&["validate", "rooms.csv"]).transcript());
    insta::assert_snapshot!("submit_refuses_the_file", with(&["submit", "rooms.csv"]).transcript());
    assert!(!place.path().join("paceline.db").exists(), "a refused file leaves no ledger");
    insta::assert_snapshot!("plan_refuses_the_file", with(&["plan", "rooms.csv"]).transcript());
    insta::assert_snapshot!("plan_header", place.run(&["plan", "rooms.csv"]).transcript());
}

#[test]
fn a_method_or_app_of_the_command_line_that_nobody_knows_is_said_once() {
    let place = Place::with_apps(&[("rooms.csv", ROOMS)]);
    let wrong = ["--method", "feishu.vc.rooms.create", "--app", "acne"];
    insta::assert_snapshot!(
        "validate_wrong_flags",
        place.run(&[&["validate", "rooms.csv"], &wrong[..]].concat()).transcript()
    );
    let skipping = place.run(&[&["submit", "rooms.csv", "--skip-invalid"], &wrong[..]].concat());
    assert_eq!((skipping.code, skipping.err.lines().count()), (Some(2), 2), "{}", skipping.err);
}

#[test]
fn jobs_are_submitted_looked_at_and_ended() {
    let place = Place::with_apps(&[("rooms.csv", ROOMS)]);
    let rooms = ["--method", "feishu.vc.room.create", "--app", "acme", "--skip-invalid"];
    insta::assert_snapshot!("status_without_ledger", place.run(&["status"]).transcript());
    insta::assert_snapshot!(
        "submit_skips_invalid",
        place.run(&[&["submit", "rooms.csv"][..], &rooms].concat()).transcript()
    );
    insta::assert_snapshot!("status", place.run(&["status"]).transcript());
    insta::assert_snapshot!("jobs_list", place.run(&["jobs", "list"]).transcript());
    insta::assert_snapshot!("jobs_show", place.run(&["jobs", "show", "a"]).transcript());
    insta::assert_snapshot!("jobs_show_unknown", place.run(&["jobs", "show", "x"]).transcript());
    insta::assert_snapshot!("dead_list", place.run(&["dead", "list"]).transcript());
    insta::assert_snapshot!("dead_show", place.run(&["dead", "show", "#1"]).transcript());
    insta::assert_snapshot!("dead_redrive_still_invalid", place.run(&["dead", "redrive", "#1"]).transcript());
    insta::assert_snapshot!("export_csv_batch", place.run(&["export", "--batch", "rooms"]).transcript());
    insta::assert_snapshot!("resolve_not_held", place.run(&["resolve", "a", "--retry"]).transcript());
    insta::assert_snapshot!("suspend_unknown_app", place.run(&["suspend", "acne"]).transcript());
    insta::assert_snapshot!("suspend", place.run(&["suspend", "acme", "--reason", "maintenance"]).transcript());
    insta::assert_snapshot!("status_suspended", place.run(&["status"]).transcript());
    insta::assert_snapshot!("resume", place.run(&["resume", "acme"]).transcript());
    insta::assert_snapshot!("jobs_cancel", place.run(&["jobs", "cancel", "a", "x"]).transcript());
    insta::assert_snapshot!("dead_drop", place.run(&["dead", "drop", "--all"]).transcript());
    insta::assert_snapshot!("export_jsonl", place.run(&["export"]).transcript());
}

#[test]
fn an_input_becomes_a_job_when_its_app_is_there() {
    let place = Place::with_apps(&[(
        "jobs.jsonl",
        "{\"id\":\"d\",\"method\":\"feishu.calendar.create\",\"app\":\"later\",\"body\":{\"summary\":\"x\"}}\n",
    )]);
    assert_eq!(place.run(&["submit", "jobs.jsonl", "--skip-invalid"]).code, Some(1));
    assert_eq!(place.run(&["dead", "redrive", "--all"]).code, Some(1), "there is no such app yet");
    place.write("paceline.toml", &SETTINGS.replace("apps.acme", "apps.later"));
    let redriven = place.run(&["dead", "redrive", "--all", "--json"]);
    assert_eq!(
        (redriven.code, redriven.out.as_str()),
        (Some(0), "{\"changed\":0,\"left\":0,\"redriven\":1,\"still_invalid\":0,\"would_expire\":0}\n"),
        "{}",
        redriven.err
    );
    assert!(place.run(&["jobs", "show", "d"]).out.starts_with("d: queued\n"));
    assert!(!place.run(&["dead", "list"]).out.contains("later"));
}

#[test]
fn the_same_file_again_does_nothing_twice() {
    let place = Place::with_apps(&[("rooms.csv", "name,capacity,room_level_id\nx,1,omb_o\ny,2,omb_o\n")]);
    let arguments = ["submit", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme", "--json"];
    assert_eq!(place.run(&arguments).out, "{\"blocked\":0,\"known\":0,\"queued\":2,\"rejected\":0,\"succeeded\":0}\n");
    assert_eq!(place.run(&arguments).out, "{\"blocked\":0,\"known\":2,\"queued\":0,\"rejected\":0,\"succeeded\":0}\n");
    place.write("rooms.csv", "name,capacity,room_level_id\nx,9,omb_o\n");
    let conflict = place.run(&arguments);
    assert_eq!(
        (conflict.code, conflict.out.as_str()),
        (Some(1), "{\"blocked\":0,\"known\":0,\"queued\":0,\"rejected\":1,\"succeeded\":0}\n")
    );
    assert!(place.run(&["dead", "list"]).out.contains("id-conflict"));
}

#[test]
fn the_catalog_is_shown_and_extended() {
    let place = Place::with_apps(&[]);
    insta::assert_snapshot!("methods_list", place.run(&["methods", "list"]).transcript());
    insta::assert_snapshot!(
        "methods_show_unknown",
        place.run(&["methods", "show", "feishu.vc.rooms.create"]).transcript()
    );
    let shown: serde_json::Value =
        serde_json::from_str(&place.run(&["methods", "show", "feishu.vc.room.create", "--json"]).out).unwrap();
    assert_eq!(shown["name"], "feishu.vc.room.create");
    place.write("paceline.toml", "[catalog]\ndir = \"mine\"\n");
    insta::assert_snapshot!("catalog_empty", place.run(&["methods", "list"]).transcript());
    std::fs::create_dir_all(place.path().join("mine/methods")).unwrap();
    place.write("mine/methods/feishu.x.toml", "titel = 1\n");
    let faults = place.run(&["methods", "list"]);
    assert_eq!(faults.code, Some(2));
    assert!(faults.err.contains("mine/methods/feishu.x.toml"), "{}", faults.err);
}

#[test]
fn the_simulator_stays_on_loopback_and_explains_what_it_does_not_know() {
    let place = Place::with_apps(&[]);
    insta::assert_snapshot!("simulate_not_loopback", place.run(&["simulate", "--listen", "0.0.0.0:0"]).transcript());
    insta::assert_snapshot!("simulate_unknown_scenario", place.run(&["simulate", "--scenario", "nope"]).transcript());
    insta::assert_snapshot!("simulate_speed", place.run(&["simulate", "--speed", "0"]).transcript());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = place.run(&["simulate", "--listen", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("--listen, or end what uses that one"), "{}", refused.err);
}

#[test]
fn a_rehearsal_ends_with_a_summary_and_begins_anew_each_time() {
    let place = Place::with_apps(&[
        ("rooms.csv", ROOMS),
        ("good.csv", "id,name,capacity,room_level_id\ngood:1,x,1,omb_1\ngood:2,y,2,omb_1\n"),
        ("levels.toml", "[known]\nlevels = [\"omb_2\"]\n"),
    ]);
    let rooms = ["--method", "feishu.vc.room.create", "--app", "acme", "--simulate", "--speed", "600"];
    let run = |more: &[&'static str]| place.run(&[&["run"], more, &rooms].concat());
    let refused = run(&["rooms.csv"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{}", refused.err);
    assert!(refused.err.contains("nothing was sent"), "{}", refused.err);
    let first: serde_json::Value = serde_json::from_str(&run(&["good.csv", "--json"]).out).unwrap();
    assert_eq!((&first["total"], &first["succeeded"], &first["throttled"]), (&2.into(), &2.into(), &0.into()));
    assert!(first["planned_s"].as_f64().unwrap() > 0.0, "{first}");
    let books = serde_json::json!({"created": 2, "twice": 0, "deleted": 0, "over_quota": 0, "refused": 0,
        "unchecked": ["levels"]});
    assert_eq!(first["books"], books);
    let again = run(&["good.csv"]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(again.out.contains("planned 1 s, took "), "{}", again.out);
    let end = "\nsimulator's books: 2 created, 0 twice, 0 over quota, 0 refused\n\
               not checked: rights, and whether the levels exist (a scenario's [known] can list them)\n";
    assert!(again.out.ends_with(end), "{}", again.out);
    let rehearsed = [("PACELINE_STORE__URL", "sqlite://paceline.simulated.db")];
    let job = place.run_with(&["jobs", "show", "good:1"], &rehearsed);
    assert!(
        job.out.starts_with("good:1: succeeded\n") && job.out.contains("1 attempts, 1 charged"),
        "{}",
        job.transcript()
    );
    let skipped = run(&["rooms.csv", "--skip-invalid"]);
    assert_eq!(skipped.code, Some(1));
    assert!(
        skipped.out.contains("2 dead invalid: column 3 (capacity): expected an integer, got \"ten\""),
        "{}",
        skipped.out
    );
    let listed = run(&["good.csv", "--scenario", "levels.toml"]);
    assert_eq!(listed.code, Some(1), "{}", listed.transcript());
    assert!(
        listed.out.contains("2 dead rejected 121004") && listed.out.ends_with("not checked: rights\n"),
        "{}",
        listed.out
    );
    assert!(!place.path().join("paceline.db").exists(), "a rehearsal leaves the ledger alone");
    assert_eq!(run(&["good.csv"]).code, Some(0));
    for audited in [
        place.run(&["audit", "--simulate"]),
        place.run(&["audit", "--simulate", "--speed", "600"]),
        place.run_with(&["audit"], &rehearsed),
    ] {
        assert_eq!(audited.code, Some(0), "{}", audited.transcript());
        assert!(audited.out.contains("20/100ms") && audited.out.contains(" kept\n"), "{}", audited.transcript());
    }
}

/// Messages for people are lost where nobody can read them; the batch is not.
#[test]
fn a_batch_goes_on_when_standard_error_is_full() {
    let place = Place::new(&[("rooms.csv", "name,capacity,room_level_id\nx,1,omb_o\n")]);
    let args =
        ["run", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme", "--simulate", "--speed", "600"];
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = place.command(&args).stderr(full).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 created, 0 twice"), "{output:?}");
}

/// Records calls of acme's rooms in the ledger as the worker does: sent and replied so many microseconds after `BASE`.
fn record(place: &Place, calls: impl IntoIterator<Item = (i64, i64)>, outcome: &str) {
    const BASE: i64 = 1_795_248_000_000_000;
    let conn = rusqlite::Connection::open(place.path().join("paceline.db")).unwrap();
    let lane = "INSERT OR IGNORE INTO lanes (app, tenant, method) VALUES ('acme', '', 'feishu.vc.room.create')";
    conn.execute(lane, []).unwrap();
    for (sent, replied) in calls {
        conn.execute(
            "INSERT INTO attempts (lane, purpose, sent_at, deadline_at, ended_at, replied, outcome)
             SELECT lane, 0, ?1, ?1 + 30000000, ?2, 1, ?3 FROM lanes WHERE method = 'feishu.vc.room.create'",
            rusqlite::params![BASE + sent, BASE + replied, outcome],
        )
        .unwrap();
    }
}

#[test]
fn an_audit_finds_the_one_call_that_left_a_microsecond_too_soon() {
    let place = Place::with_apps(&[("rooms.csv", "name,capacity,room_level_id\nx,1,omb_o\n")]);
    assert_eq!(place.run(&["audit"]).code, Some(2), "there is no ledger");
    assert_eq!(place.run(&["audit", "--since", "yesterday"]).code, Some(2));
    place.run(&["submit", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"]);
    insta::assert_snapshot!("audit_without_calls", place.run(&["audit"]).transcript());

    // 20 calls of 20/min, the first replied after 0.3 s; so the next may leave 60.3 s after it was sent.
    record(&place, [(0, 300_000)], "throttled");
    record(&place, (1..20).map(|n| (n * 1_000_000, n * 1_000_000 + 300_000)), "succeeded");
    record(&place, [(60_300_000, 60_400_000)], "succeeded");
    insta::assert_snapshot!("audit_kept", place.run(&["audit"]).transcript());
    record(&place, [(60_999_999 + 300_000, 61_400_000)], "succeeded");
    let exceeded = place.run(&["audit"]);
    assert_eq!(exceeded.code, Some(1));
    insta::assert_snapshot!("audit_exceeded", exceeded.transcript());

    let json: serde_json::Value = serde_json::from_str(&place.run(&["audit", "--json"]).out).unwrap();
    let window = &json["windows"][0];
    assert_eq!((&json["kept"], &json["calls"]), (&false.into(), &22.into()));
    assert_eq!((&window["largest"], &window["limit"], &window["refused"]), (&21.into(), &20.into(), &1.into()));
    assert_eq!(window["largest_at"], "2026-11-21T08:01:01.299Z");
    assert_eq!((&window["largest_when_sent"], &window["largest_when_replied"]), (&20.into(), &20.into()));

    // A call that was counted before the instant given is in no span from then on.
    let since = |at: &'static str| place.run(&["audit", "--since", at]).code;
    assert_eq!(since("2026-11-21T08:00:01.3Z"), Some(1));
    assert_eq!(since("2026-11-21T08:00:01.300001Z"), Some(0));

    place.write("paceline.toml", &format!("{SETTINGS}[apps.acme.quotas]\n\"feishu.vc.room.create\" = \"21/min\"\n"));
    assert_eq!(place.run(&["audit"]).code, Some(0), "judged by the quota of now");
    place.write("paceline.toml", &SETTINGS.replace("apps.acme", "apps.other"));
    insta::assert_snapshot!("audit_of_an_unknown_app", place.run(&["audit"]).transcript());
}

#[test]
fn an_audit_tells_how_much_of_the_quota_was_used_while_jobs_waited() {
    let rows = (0..41).map(|n| format!("r{n},1,omb_o\n")).collect::<Vec<_>>().concat();
    let place = Place::with_apps(&[]);
    place.write("rooms.csv", &format!("name,capacity,room_level_id\n{rows}"));
    place.run(&["submit", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"]);
    // 20 a minute at once, and the last one alone: the optimum. The first one was taken over long before it might be sent.
    record(&place, (0..41).map(|n| (n / 20 * 60_400_000, n / 20 * 60_400_000 + 300_000)), "succeeded");
    let conn = rusqlite::Connection::open(place.path().join("paceline.db")).unwrap();
    let came = "UPDATE jobs SET created_at = (SELECT min(sent_at) FROM attempts), state = 5, ended_at = created_at;
        UPDATE jobs SET not_before = created_at, created_at = created_at - 3600000000 WHERE seq = 1;
        UPDATE attempts SET job = seq";
    conn.execute_batch(came).unwrap();
    let used = || -> serde_json::Value {
        let audit: serde_json::Value = serde_json::from_str(&place.run(&["audit", "--json"]).out).unwrap();
        let window = &audit["windows"][0];
        serde_json::json!([window["jobs_waited_s"], window["granted"], window["allowed"], window["use"]])
    };
    assert_eq!(used(), serde_json::json!([120.8, 41, 41, 1.0]));
    // Two minutes later, while the last job waited: 40 could have been sent in them.
    conn.execute(
        "UPDATE attempts SET sent_at = sent_at + 120000000, ended_at = ended_at + 120000000 WHERE seq = 41",
        [],
    )
    .unwrap();
    assert_eq!(used(), serde_json::json!([240.8, 41, 81, 41.0 / 81.0]));
    let told = place.run(&["audit"]);
    assert!(told.out.contains(" 50.6 %  kept"), "{}", told.transcript());
}

#[test]
fn an_open_call_is_counted_until_its_deadline_and_grace() {
    let place = Place::with_apps(&[("rooms.csv", "name,capacity,room_level_id\nx,1,omb_o\n")]);
    place.run(&["submit", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"]);
    record(&place, (0..20).map(|_| (0, 300_000)), "lost");
    let conn = rusqlite::Connection::open(place.path().join("paceline.db")).unwrap();
    conn.execute("UPDATE attempts SET replied = 0", []).unwrap();
    let grace_us: i64 = 7_000_000;
    place.write("paceline.toml", &format!("{SETTINGS}[engine]\ngrace_ms = 7000\n"));
    let free = 30_000_000 + grace_us + 60_000_000;
    record(&place, [(free, free + 1)], "succeeded");
    assert_eq!(place.run(&["audit"]).code, Some(0));
    record(&place, [(free - 1, free)], "succeeded");
    assert_eq!(place.run(&["audit"]).code, Some(1));
}

#[test]
fn what_calls_somebody_needs_apps_and_their_secrets() {
    let place = Place::new(&[("good.csv", "name,capacity,room_level_id\nx,1,omb_o\n")]);
    let rooms = ["run", "good.csv", "--method", "feishu.vc.room.create", "--app", "acme"];
    insta::assert_snapshot!("run_without_apps", place.run(&rooms).transcript());
    insta::assert_snapshot!("work_without_apps", place.run(&["work"]).transcript());
    insta::assert_snapshot!("run_speed_alone", place.run(&[&rooms[..], &["--speed", "2"]].concat()).transcript());
    place.write("paceline.toml", SETTINGS);
    insta::assert_snapshot!("run_without_secrets", place.run(&rooms).transcript());
    place.write("paceline.toml", &format!("{SETTINGS}[apps.acme.quotas]\n\"feishu.vc.rooms.create\" = \"1/s\"\n"));
    let secrets = [("ACME_SECRET", "a"), ("CAMPUS_SECRET", "b")];
    insta::assert_snapshot!("run_unknown_quota", place.run_with(&rooms, &secrets).transcript());
    assert!(!place.path().join("paceline.db").exists());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::with_apps(&[]);
    for arguments in [&["methods", "list"][..], &["completions", "bash"], &["--help"]] {
        let mut child = place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&done.stderr), "", "{arguments:?}");
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    let place = Place::new(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let outcome = place.run(&["completions", shell]);
        assert_eq!(outcome.code, Some(0), "{shell}");
        assert!(outcome.out.contains("redrive"), "{shell}");
    }
}
