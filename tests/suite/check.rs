//! `paceline check` against a simulator on loopback: what it finds, and that it leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

use super::commands::{Outcome, Place};

/// A simulator in a process of its own, on a free port.
pub(crate) struct Simulator {
    child: Child,
    pub address: String,
    /// Kept open: a process whose standard error is gone ends.
    _err: BufReader<ChildStderr>,
}

impl Simulator {
    pub(crate) fn start(place: &Place, scenario: &str) -> Self {
        let mut command: Command = place.command(&["simulate", "--listen", "127.0.0.1:0", "--scenario", scenario]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        err.read_line(&mut line).unwrap();
        let address = line.split_once(" on ").and_then(|(_, rest)| rest.split_once(';')).unwrap().0.to_owned();
        Self { child, address, _err: err }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

const SECRETS: [(&str, &str); 2] = [("ACME_SECRET", "hunter2"), ("CAMPUS_SECRET", "swordfish")];

/// Two apps at an address, and what else the settings say.
fn settings(address: &str, rest: &str) -> String {
    format!(
        "{rest}\n[apps.acme]\nplatform = \"feishu\"\nbase_url = \"{address}\"\napp_id = \"cli_a1\"\n\
         app_secret = {{ env = \"ACME_SECRET\" }}\n[apps.campus]\nplatform = \"wecom\"\nbase_url = \"{address}\"\n\
         corp_id = \"ww1\"\ncorp_secret = {{ env = \"CAMPUS_SECRET\" }}\n"
    )
}

/// Runs it twice, for people and for programs; both must say nothing of a secret and leave the folder as it is.
fn check(place: &Place, arguments: &[&str]) -> (Outcome, Vec<(String, String, String)>) {
    let before = place.names();
    let people = place.run_with(&[&["check"], arguments].concat(), &SECRETS);
    let programs = place.run_with(&[&["check", "--json"], arguments].concat(), &SECRETS);
    assert_eq!(people.code, programs.code);
    assert_eq!(place.names(), before, "nothing is created");
    for text in [&people.out, &people.err, &programs.out, &programs.err] {
        assert!(SECRETS.iter().all(|(_, secret)| !text.contains(secret)), "{text}");
    }
    let list: Vec<Value> = serde_json::from_str(&programs.out).unwrap();
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_owned();
    let findings = list.iter().map(|finding| {
        (text(finding, "what"), text(finding, "verdict"), text(finding, "detail") + " | " + &text(finding, "cure"))
    });
    (people, findings.collect())
}

fn of<'f>(findings: &'f [(String, String, String)], what: &str) -> (&'f str, &'f str) {
    let found = findings.iter().find(|(name, ..)| name == what);
    let (_, verdict, words) = found.unwrap_or_else(|| panic!("no finding {what}: {findings:?}"));
    (verdict, words)
}

#[test]
fn all_is_well_where_the_secrets_are_right() {
    let place = Place::new(&[]);
    let simulator = Simulator::start(&place, "calm");
    place.write("paceline.toml", &settings(&simulator.address, ""));
    let (people, findings) = check(&place, &[]);
    assert_eq!(people.code, Some(0), "{}", people.transcript());
    insta::assert_snapshot!("check_well", people.transcript().replace(&simulator.address, "<simulator>"));
    assert!(findings.iter().all(|(_, verdict, _)| verdict == "ok"), "{findings:?}");
    let (people, findings) = check(&place, &["--app", "campus"]);
    assert!(people.err.contains("1 token call,"), "{}", people.err);
    assert!(findings.iter().all(|(what, ..)| what != "app acme"));
    let (people, findings) = check(&place, &["--offline"]);
    assert!(people.err.contains("no platform was called"), "{}", people.err);
    assert!(findings.iter().all(|(what, ..)| what != "app campus"));
}

#[test]
fn a_wrong_secret_is_tried_once_and_told_with_its_cure() {
    let place = Place::new(&[]);
    let simulator = Simulator::start(&place, "wrong-secret");
    place.write("paceline.toml", &settings(&simulator.address, ""));
    let (people, findings) = check(&place, &[]);
    assert_eq!(people.code, Some(1), "{}", people.transcript());
    assert!(people.err.contains("2 faults, 0 warnings; 2 token calls,"), "{}", people.err);
    let (verdict, words) = of(&findings, "app acme");
    let readings = ["check app_id and app_secret in the settings first", "if both are right, have the app enabled"];
    assert!(verdict == "fault" && words.contains("10014"), "{words}");
    assert!(readings.iter().all(|reading| words.contains(reading)), "the code has two readings: {words}");
    let (verdict, words) = of(&findings, "app campus");
    assert!(verdict == "fault" && words.contains("40001") && words.contains("correct corp_secret"), "{words}");
    assert_eq!(of(&findings, "settings").0, "ok");
}

#[test]
fn what_cannot_be_reached_is_told_with_its_cure() {
    let place = Place::new(&[]);
    // Bound and never listened on, so that nobody else can have it.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let broker = format!("[broker]\nurl = \"amqp://guest:hunter2@127.0.0.1:{port}/%2f\"");
    place.write("paceline.toml", &settings(&format!("http://127.0.0.1:{port}"), &broker));
    let (people, findings) = check(&place, &[]);
    assert_eq!(people.code, Some(1), "{}", people.transcript());
    for (what, cure) in
        [("app acme", "nothing listens"), ("app campus", "nothing listens"), ("broker connection", "start RabbitMQ")]
    {
        let (verdict, words) = of(&findings, what);
        assert!(verdict == "fault" && words.contains(cure), "{what}: {words}");
    }
    assert!(people.out.contains("fix: nothing listens there"), "{}", people.out);
    place.write("paceline.toml", &settings(&format!("https://127.0.0.1:{port}"), ""));
    assert!(of(&check(&place, &[]).1, "app acme").1.contains("nothing listens"));
}

#[test]
fn a_server_without_tls_is_told_from_one_that_is_not_there() {
    let place = Place::new(&[]);
    let simulator = Simulator::start(&place, "calm");
    place.write("paceline.toml", &settings(&simulator.address.replace("http://", "https://"), ""));
    let (people, findings) = check(&place, &["--app", "acme"]);
    assert_eq!(people.code, Some(1));
    assert!(of(&findings, "app acme").1.contains("no TLS"), "{findings:?}");
}

#[test]
fn every_part_is_looked_at_though_another_is_at_fault() {
    let place = Place::new(&[("paceline.db", "this is no database, whatever its name says")]);
    let own = "[apps.acme.quotas]\n\"feishu.vc.rooms.create\" = \"1/s\"\n";
    place.write("paceline.toml", &(settings("http://127.0.0.1:9", "") + own));
    let (people, findings) = check(&place, &[]);
    assert_eq!(people.code, Some(1), "{}", people.transcript());
    assert!(of(&findings, "ledger").1.contains("no SQLite database"), "{findings:?}");
    assert!(of(&findings, "quotas").1.contains("feishu.vc.rooms.create"), "{findings:?}");
    assert_eq!(of(&findings, "apps").0, "warning");
    assert_eq!(of(&findings, "clock").0, "ok");

    place.write("paceline.toml", &settings("http://127.0.0.1:9", "[catalog]\ndir = \"mine\""));
    let (people, findings) = check(&place, &["--offline"]);
    assert_eq!((people.code, of(&findings, "catalog").0), (Some(1), "fault"));
}

#[test]
fn settings_that_cannot_be_read_are_2() {
    let place = Place::new(&[]);
    place.write("paceline.toml", &settings("http://127.0.0.1:9", ""));
    let without = place.run(&["check"]);
    assert_eq!((without.code, without.out.as_str()), (Some(2), ""));
    assert!(without.err.contains("ACME_SECRET is not set"), "{}", without.err);
    let unknown = place.run_with(&["check", "--app", "acne"], &SECRETS);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("there are: acme, campus"), "{}", unknown.err);
    assert_eq!(place.run_with(&["check", "--app", "acme", "--offline"], &SECRETS).code, Some(2));
}

#[test]
fn a_ledger_is_looked_at_and_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::with_apps(&[("good.csv", "name,capacity,room_level_id\nx,1,omb_o\n")]);
    let submit = ["submit", "good.csv", "--method", "feishu.vc.room.create", "--app", "acme"];
    assert_eq!(place.run(&submit).code, Some(0));
    let path = place.path().join("paceline.db");
    let bytes = std::fs::read(&path).unwrap();
    let (people, findings) = check(&place, &["--offline"]);
    assert_eq!((people.code, of(&findings, "ledger").0), (Some(0), "ok"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (people, findings) = check(&place, &["--offline"]);
    assert_eq!(people.code, Some(0), "the next start mends it");
    assert!(
        findings
            .iter()
            .any(|(what, verdict, words)| what == "ledger" && verdict == "warning" && words.contains("0644"))
    );
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}
