//! A stolen ledger, and a ledger that somebody writes to.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use paceline::domain::decode::Defaults;
use paceline::domain::job::Job;
use paceline::domain::reason::Reason;
use paceline::domain::rows::{Format, Input, Rows};
use paceline::domain::time::Timestamp;
use paceline::engine::ports::operator::{Edit, Selection};
use paceline::engine::ports::{AmqpOrigin, Arrival, Intake, JobSeq, Ledger, Origin, Settlement, TakenOver};
use paceline::store;
use paceline::store::{Mode, SqlStore};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::decoder;

const NOW: Timestamp = Timestamp(1_795_248_000_000_000);
const METHOD: &str = "wecom.meeting.create";
/// Six digits, as both platforms want them.
const PASSWORD: &str = "482913";
const EDITED: &str = "739164";

fn body(password: &str) -> Value {
    json!({"admin_userid": "u", "title": "t", "meeting_start": 1_795_348_600, "meeting_duration": 300,
        "settings": {"password": password}})
}

fn document(id: &str, password: &str) -> Value {
    json!({"id": id, "method": METHOD, "app": "campus", "body": body(password)})
}

fn job(id: &str, password: &str) -> Box<Job> {
    let Value::Object(document) = document(id, password) else { panic!("no object") };
    Box::new(decoder().read(document, &[], &Defaults::default()).unwrap())
}

/// A message of AMQP, whether it is a job or not.
fn message(document: &Value) -> Arrival {
    let Value::Object(fields) = document.clone() else { panic!("no object") };
    let origin = Origin { raw: document.to_string().into(), amqp: Some(AmqpOrigin::default()), ..Origin::default() };
    let read = decoder().read(fields, &[], &Defaults::default());
    Arrival { input: read.map(Box::new).map_err(Box::new), origin }
}

/// A row of a spreadsheet, for a method that may not exist.
fn row(method: &str) -> Arrival {
    let input = Input {
        name: "m.csv".to_owned(),
        batch: "m".to_owned(),
        method: Some(method.to_owned()),
        app: Some("campus".to_owned()),
        bytes_max: 1 << 20,
        layout: paceline::domain::rows::Layout::default(),
    };
    let text =
        format!("admin_userid,title,meeting_start,meeting_duration,settings.password\nu,t,1795348600,300,{PASSWORD}\n");
    let row = Rows::open(decoder(), input, Format::Csv, text.as_bytes()).unwrap().next().unwrap().unwrap();
    let origin =
        Origin { raw: row.raw.clone(), place: row.place.clone(), cells: row.cells.clone(), ..Origin::default() };
    Arrival { input: row.input.map(Box::new).map_err(Box::new), origin }
}

async fn take(ledger: &SqlStore, arrival: Arrival) -> TakenOver {
    ledger.take_over(vec![arrival], NOW).await.unwrap().remove(0)
}

async fn queue(ledger: &SqlStore, arrival: Arrival) -> JobSeq {
    let TakenOver::Queued(waiting) = take(ledger, arrival).await else { panic!("it is not queued") };
    waiting.seq
}

/// A ledger with the password in everything that a ledger keeps.
async fn ledger(folder: &Path) -> PathBuf {
    let path = folder.join("paceline.db");
    let ledger = SqlStore::open(&path, Mode::Worker, NOW).unwrap();
    queue(&ledger, row(METHOD)).await;
    assert_eq!(take(&ledger, row("wecom.meeting.creat")).await, TakenOver::Rejected);
    let dead = queue(&ledger, message(&document("a", PASSWORD))).await;
    let mut wrong = document("b", PASSWORD);
    wrong["surprise"] = json!(1);
    assert_eq!(take(&ledger, message(&wrong)).await, TakenOver::Rejected);
    assert_eq!(take(&ledger, message(&document("a", "000000"))).await, TakenOver::Rejected, "a conflict");
    let failure = paceline::domain::outcome::Failure::default();
    ledger
        .acquire_all()
        .await
        .unwrap()
        .settle(dead, Settlement::Dead { reason: Reason::Rejected, failure }, NOW)
        .await
        .unwrap();
    let mut operator = store::open(&path).unwrap();
    let selection = Selection { ids: vec!["a".to_owned()], ..Selection::default() };
    let letters = operator.select_dead(&selection).unwrap();
    let letter = letters.into_iter().find(|letter| operator.dead_job(letter).unwrap().is_some()).unwrap();
    let edit = Edit { letter, job: job("a", EDITED), redrive: false };
    assert_eq!(operator.edit_dead(vec![edit], NOW).unwrap().0, 1);
    drop(operator);
    ledger.close().await;
    path
}

/// Everything in the folder but the key.
fn stolen(folder: &Path) -> Vec<u8> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension() != Some("key".as_ref()))
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// The beginnings of whatever could be a digest: as bytes, in hex, and in Base64.
fn beginnings(bytes: &[u8]) -> HashSet<[u8; 8]> {
    use base64::Engine as _;
    let mut found: HashSet<[u8; 8]> = bytes.windows(8).map(|part| part.try_into().unwrap()).collect();
    for part in bytes.windows(16) {
        let text = std::str::from_utf8(part).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        found.extend(text.and_then(|text| u64::from_str_radix(text, 16).ok()).map(u64::to_be_bytes));
    }
    for part in bytes.windows(12) {
        let decoded = base64::engine::general_purpose::STANDARD_NO_PAD.decode(part).ok();
        found.extend(decoded.and_then(|decoded| decoded.first_chunk::<8>().copied()));
    }
    found
}

/// Texts that a thief who knows everything but the password would hash, with a password's place in them.
fn guesses() -> Vec<Vec<u8>> {
    let (body, none) = (body(PASSWORD), json!({}));
    let mut texts = vec![PASSWORD.to_owned(), body.to_string(), document("a", PASSWORD).to_string()];
    for method in [METHOD, "wecom.meeting.creat"] {
        texts.push(json!([method, "campus", "", "tenant", none, none, body]).to_string());
        texts.push(json!([method, "campus", "", "tenant", [none, none, body]]).to_string());
    }
    texts.into_iter().map(String::into_bytes).collect()
}

/// Every password of six digits that one of the guesses proves.
fn dictionary(bytes: &[u8]) -> Vec<String> {
    let beginnings = beginnings(bytes);
    let mut proved = Vec::new();
    for mut text in guesses() {
        let at = text.windows(6).position(|part| part == PASSWORD.as_bytes()).unwrap();
        for guess in 0..1_000_000 {
            let password = format!("{guess:06}");
            text[at..at + 6].copy_from_slice(password.as_bytes());
            let digest = ring::digest::digest(&ring::digest::SHA256, &text);
            if beginnings.contains(digest.as_ref().first_chunk::<8>().unwrap()) {
                proved.push(password);
            }
        }
    }
    proved
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

#[tokio::test]
async fn a_stolen_ledger_tells_no_password_and_proves_no_guess() {
    let folder = tempfile::tempdir().unwrap();
    ledger(folder.path()).await;
    let mut bytes = stolen(folder.path());
    for text in [PASSWORD, EDITED, "NDgyOTEz", "gyOTEz", "Q4MjkxM"] {
        assert!(!holds(&bytes, text), "{text} stands in the ledger");
    }
    assert_eq!(dictionary(&bytes), Vec::<String>::new());
    // The search finds what it looks for where it is: the hash that a job's content has without a key.
    bytes.extend(job("a", PASSWORD).content_hash());
    assert_eq!(dictionary(&bytes), [PASSWORD]);
}

/// Runs a statement as somebody who can write to the file and has no key.
fn tamper(path: &Path, sql: &str) {
    assert_eq!(Connection::open(path).unwrap().execute(sql, []).unwrap(), 1, "{sql}");
}

#[tokio::test]
async fn a_sealed_value_that_is_moved_to_another_job_or_column_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("paceline.db");
    let ledger = SqlStore::open(&path, Mode::Worker, NOW).unwrap();
    let a = queue(&ledger, message(&document("a", PASSWORD))).await;
    let b = queue(&ledger, message(&document("b", EDITED))).await;
    assert_eq!(ledger.acquire_all().await.unwrap().job(a).await.unwrap(), *job("a", PASSWORD));
    for (sql, seq) in [
        ("UPDATE jobs SET params = (SELECT params FROM jobs WHERE id = 'a') WHERE id = 'b'", b),
        ("UPDATE jobs SET params = (SELECT CAST(raw AS TEXT) FROM jobs WHERE id = 'b') WHERE id = 'b'", b),
        ("UPDATE jobs SET id = 'c' WHERE id = 'a'", a),
    ] {
        tamper(&path, sql);
        let read = ledger.acquire_all().await.unwrap().job(seq).await;
        assert!(read.is_err(), "{sql}: {read:?}");
    }
    ledger.close().await;
}
