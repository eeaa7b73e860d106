//! Ids, names and platforms' messages that would command a terminal, turn a line around or forge a line of the log.

use paceline::domain::messages::Cure;
use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;
use std::sync::Arc;

use paceline::domain::catalog::built_in;
use paceline::domain::decode::{Apps, Decoder, Defaults};
use paceline::domain::outcome::Failure;
use paceline::domain::reason::Reason;
use paceline::domain::time::Timestamp;
use paceline::domain::warning::Warning;
use paceline::engine::ports::{AmqpOrigin, Arrival, Intake, Ledger, Origin, Settlement, TakenOver};
use paceline::store::{Mode, SqlStore};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::commands::Place;

const NOW: Timestamp = Timestamp(1_795_248_000_000_000);
/// What a line of the log begins with.
const FORGED: &str = "2026-11-28T00:00:00.000000Z ERROR paceline: forged";
/// A reset, OSC 8, a bell, C1, both directions, nothing to see, a line that is not ours.
const EVIL: &str = "no\u{1b}c\u{1b}]8;;http://x\u{7}\u{9b}2J\u{202e}\u{2066}\u{200b}\u{feff}\r\n2026-11-28T00:00:00.000000Z ERROR paceline: forged";
/// An id may hold no control character; everything else it may.
const ID: &str = "会议室\u{202e}107\u{200b}👩\u{200d}🚀";
const BATCH: &str = "move\u{2066}\u{feff}";

fn failure() -> Failure {
    Failure {
        code: Some(121_006),
        detail: EVIL.into(),
        cure: Some(Cure::Older { text: EVIL.into() }),
        log_id: Some(EVIL.to_owned()),
        candidates: vec![EVIL.to_owned()],
        ..Failure::default()
    }
}

/// A ledger with such texts wherever somebody else's stand.
async fn place() -> Place {
    let place = Place::with_apps(&[]);
    let decoder = Decoder { catalog: Arc::new(built_in().unwrap()), apps: Apps::Any, rights: Arc::default() };
    let ledger = SqlStore::open(&place.path().join("paceline.db"), Mode::Worker, NOW).unwrap();
    let document = |id: &str| {
        json!({"id": id, "method": "feishu.vc.room.create", "app": "acme", "batch": BATCH, "meta": {"\u{202e}": EVIL},
            "body": {"name": "7F\u{202e}", "capacity": 4, "room_level_id": "omb_1"}})
    };
    let warning = Warning {
        field: EVIL.to_owned(),
        message: EVIL.to_owned(),
        message_zh: EVIL.to_owned(),
        values: vec![json!(EVIL)],
    };
    for (id, settlement) in [
        (ID.to_owned(), Settlement::Dead { reason: Reason::Rejected, failure: failure() }),
        (format!("{ID}-held"), Settlement::Held { failure: failure() }),
        (
            format!("{ID}-done"),
            Settlement::Succeeded {
                key: Some(EVIL.to_owned()),
                result: json!({"x": EVIL}),
                sole: true,
                warnings: vec![warning],
            },
        ),
        (format!("{ID}-late"), Settlement::Queued { not_before: None, charged: true, failure: Some(failure()) }),
    ] {
        let job = decoder.decode(document(&id).to_string().as_bytes(), &Defaults::default()).unwrap();
        let arrival = Arrival { input: Ok(Box::new(job)), origin: Origin::default() };
        let TakenOver::Queued(waiting) = ledger.take_over(vec![arrival], NOW).await.unwrap().remove(0) else {
            panic!("it is not queued")
        };
        ledger.acquire_all().await.unwrap().settle(waiting.seq, settlement, NOW).await.unwrap();
    }
    let raw =
        json!({"id": "input", "method": "feishu.vc.room.create", "app": "acme", "body": {EVIL: EVIL}}).to_string();
    let read = decoder.decode(raw.as_bytes(), &Defaults::default());
    let origin = Origin { raw: raw.into_bytes().into(), amqp: Some(AmqpOrigin::default()), ..Origin::default() };
    let arrival = Arrival { input: read.map(Box::new).map_err(Box::new), origin };
    assert_eq!(ledger.take_over(vec![arrival], NOW).await.unwrap(), [TakenOver::Rejected]);
    ledger.close().await;
    assert_eq!(place.run(&["suspend", "acme", "--reason", EVIL]).code, Some(0));
    place
}

/// Hidden signs of a text; a joiner inside an emoji is none.
fn hidden(text: &str) -> Vec<char> {
    let hidden = |sign: &char| {
        matches!(u32::from(*sign), 0..=0x9 | 0xb..=0x1f | 0x7f..=0x9f | 0x61c | 0x200b | 0x200c | 0x200e | 0x200f
            | 0x2028..=0x202e | 0x2060..=0x2069 | 0xfeff)
    };
    text.chars().filter(hidden).collect()
}

fn assert_harmless(what: &str, text: &str) {
    assert!(hidden(text).is_empty(), "{what}: {text:?}");
    let forged = text.lines().filter(|line| line.starts_with(FORGED)).count();
    assert_eq!(forged, 0, "{what}: {text}");
}

#[tokio::test]
async fn what_others_wrote_commands_no_terminal_and_forges_no_line() {
    let place = place().await;
    let held = format!("{ID}-held");
    let commands: [&[&str]; 22] = [
        &["status"],
        &["status", "--json"],
        &["jobs", "list"],
        &["jobs", "list", "--json"],
        &["jobs", "show", ID],
        &["jobs", "show", &held],
        &["jobs", "show", &format!("{ID}-done")],
        &["jobs", "list", "--warnings", "--json"],
        &["why", ID],
        &["why", &held],
        &["why", &format!("{ID}-done")],
        &["why", &format!("{ID}-late")],
        &["why", &held, "--json"],
        &["why", EVIL],
        &["dead", "list"],
        &["dead", "show", ID],
        &["dead", "show", "input"],
        &["dead", "redrive", "--batch", BATCH, "--dry-run"],
        &["undo", "--batch", BATCH],
        &["export", "--format", "jsonl"],
        &["resolve", ID, "--dead"],
        &["resume", "acme"],
    ];
    let mut shown = 0;
    for command in commands {
        let done = place.run(command);
        assert_ne!(done.code, Some(101), "{command:?}: {}", done.err);
        assert_harmless(&format!("{command:?}"), &done.out);
        assert_harmless(&format!("{command:?}, standard error"), &done.err);
        shown += usize::from(done.out.contains("<U+202E>107<U+200B>") || done.out.contains("\\u202e107\\u200b"));
    }
    assert!(shown > 12, "the ids are shown with what is hidden in them: {shown}");
    let why = place.run(&["why", ID]).out;
    assert!(why.contains("<U+000D><U+000A>2026-11-28T00:00:00.000000Z ERROR paceline: forged"), "{why}");
    assert!(why.contains("👩\u{200d}🚀"), "what is joined stays one: {why}");
}

#[tokio::test]
async fn json_says_the_same_whatever_is_escaped_in_it() {
    let place = place().await;
    let shown: Value = serde_json::from_str(&place.run(&["jobs", "show", ID, "--json"]).out).unwrap();
    assert_eq!((&shown["id"], &shown["detail"], &shown["meta"]["\u{202e}"]), (&json!(ID), &json!(EVIL), &json!(EVIL)));
}

/// What a command prints where standard output is a terminal.
fn on_terminal(place: &Place, arguments: &[&str]) -> String {
    let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&main).unwrap();
    unlockpt(&main).unwrap();
    let name = ptsname(&main, Vec::new()).unwrap().into_string().unwrap();
    let terminal = File::options().read(true).write(true).open(name).unwrap();
    let mut child = place.command(arguments).stdout(Stdio::from(terminal)).stderr(Stdio::null()).spawn().unwrap();
    let mut bytes = Vec::new();
    // It ends with an error once nobody holds the other side.
    let _ = File::from(main).read_to_end(&mut bytes);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // The terminal itself makes two of a line's end.
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

#[tokio::test]
async fn an_export_shows_on_a_terminal_what_it_keeps_in_a_file() {
    let place = place().await;
    let csv = ["export", "--format", "csv"];
    assert_harmless("csv on a terminal", &on_terminal(&place, &csv));
    assert_harmless("jsonl on a terminal", &on_terminal(&place, &["export", "--format", "jsonl"]));
    let piped = place.run(&csv).out;
    let commands: Vec<char> = piped.chars().filter(|sign| sign.is_control() && !"\t\r\n".contains(*sign)).collect();
    assert!(commands.is_empty(), "no file holds commands for a terminal");
    assert!(piped.contains(ID) && piped.contains("\r\n2026-11-28"), "texts stay as they are: {piped:?}");
}

#[test]
fn names_of_files_and_their_texts_forge_no_line() {
    let place = Place::with_apps(&[]);
    let name = format!("r\u{202e}\u{1b}[2J\n{FORGED}.csv");
    place.write(&name, &format!("id,name,capacity,room_level_id\n\"{ID}\",\"{EVIL}\",ten,omb_1\n"));
    let of = ["--method", "feishu.vc.room.create", "--app", "acme"];
    for command in [
        ["validate", &name],
        [EVIL, &name],
        ["plan", &name],
        ["submit", &name],
        ["run", &name],
        ["run", "absent\nx.csv"],
    ] {
        let done = place.run(&[&command[..], &of].concat());
        assert_ne!(done.code, Some(0));
        assert_harmless(command[0], &done.out);
        assert_harmless(command[0], &done.err);
    }
}

#[test]
fn a_line_of_the_log_is_one_line_and_turns_nothing_around() {
    let jobs = json!({"id": ID, "method": "feishu.vc.room.create", "app": "acme", "batch": BATCH,
        "body": {"name": "R", "capacity": 4, "room_level_id": "omb_1"}});
    let place = Place::with_apps(&[("jobs.jsonl", &jobs.to_string())]);
    for format in ["text", "json"] {
        let run = ["run", "jobs.jsonl", "--simulate", "--speed", "600", "--log-level", "trace", "--log-format", format];
        let ran = place.run(&run);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert_harmless(format, &ran.err);
        let wanted = if format == "json" { "\\u202e107" } else { "\\u{202e}107" };
        assert!(ran.err.contains(wanted), "{format}: {}", ran.err);
        let url = "sqlite://led\u{202e}ger.db";
        let secrets = [("ACME_SECRET", "a"), ("CAMPUS_SECRET", "b"), ("PACELINE_STORE__URL", url)];
        let worked = place.run_with(&["work", "--until-idle", "--log-format", format], &secrets);
        assert_eq!(worked.code, Some(0), "{}", worked.err);
        assert_harmless(format, &worked.err);
        assert!(worked.err.contains("led\\u202eger.db") || worked.err.contains("led<U+202E>ger.db"), "{}", worked.err);
    }
}
