//! Jobs that are written as a table, in whatever format, read back as the same jobs.

use std::sync::{Arc, LazyLock};

use paceline_tables::{Book, Reader, Value as Cell};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{How, Memory, RowSource as _};
use crate::domain::catalog::{Catalog, built_in};
use crate::domain::decode::{Apps, Decoder, Defaults};
use crate::domain::job::Job;
use crate::domain::rows::exported::{harmless, in_workbook};
use crate::domain::rows::written::cell;
use crate::domain::rows::{Input, Layout, RowIds};

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(built_in().unwrap()));

const ROOM: &str = "feishu.vc.room.create";
const MEETING: &str = "wecom.meeting.create";
const FIELDS: [&str; 3] = ["id", "method", "app"];
/// Parameters of the one method, the other, or both.
const PARAMS: [&str; 15] = [
    "name",
    "capacity",
    "description",
    "room_level_id",
    "custom_room_id",
    "room_status.status",
    "room_status.disable_end_time",
    "device.name",
    "admin_userid",
    "title",
    "meeting_start",
    "meeting_duration",
    "invitees.userid",
    "settings.enable_waiting_room",
    "reminders.remind_before",
];

/// What separators, quotes, encodings and spreadsheets stumble over.
fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9会议室é<][-a-z0-9 ,;\t\"'=+@#<>|，；、：会议室漢\u{e9}\u{1f600}\u{1f469}\u{200d}\r\n]{0,12}[a-z室]"
}

fn line() -> impl Strategy<Value = String> {
    "[A-Z会]([-0-9 ,;\"'=+@#|，；、室é😀]{0,6}[A-Z室])?"
}

fn room() -> impl Strategy<Value = Value> {
    let status = (any::<bool>(), proptest::option::of(1_900_000_000_u64..2_000_000_000));
    let status = status.prop_map(|(status, end)| match end {
        None => json!({"status": status}),
        Some(end) => json!({"status": status, "disable_end_time": end.to_string()}),
    });
    let devices = proptest::collection::vec("设[A-Z]{1,3}[0-9, ]{0,2}[a-z]", 1..4)
        .prop_map(|names| names.into_iter().map(|name| json!({"name": name.trim()})).collect::<Vec<_>>());
    let some = |value: Option<Value>| value.unwrap_or(Value::Null);
    let optional = (
        proptest::option::of(text().prop_map(Value::from)),
        proptest::option::of("0?[1-9A-Z]{1,8}").prop_map(|id| id.map(Value::from)),
        proptest::option::of(status),
        proptest::option::of(devices.prop_map(Value::from)),
    );
    (line(), 1..5_000_u32, "omb_[0-9a-f]{4,8}", optional).prop_map(
        move |(name, capacity, level, (description, own, status, devices))| {
            json!({"name": name, "capacity": capacity, "room_level_id": level, "description": some(description),
                "custom_room_id": some(own), "room_status": some(status), "device": some(devices)})
        },
    )
}

fn meeting() -> impl Strategy<Value = Value> {
    let user = || "[a-z][a-z0-9_.@-]{0,8}[a-z]";
    let some = |value: Option<Value>| value.unwrap_or(Value::Null);
    let optional = (
        proptest::option::of(text().prop_map(Value::from)),
        proptest::option::of(proptest::collection::vec(user(), 1..4))
            .prop_map(|users| users.map(|it| json!({"userid": it}))),
        proptest::option::of(any::<bool>()).prop_map(|is| is.map(|is| json!({"enable_waiting_room": is}))),
        proptest::option::of(proptest::sample::subsequence(vec![0, 300, 900, 3_600], 1..4))
            .prop_map(|before| before.map(|before| json!({"remind_before": before}))),
    );
    (user(), line(), 1_900_000_000_u64..2_000_000_000, 300..86_400_u32, optional).prop_map(
        move |(organiser, title, start, duration, (description, users, settings, reminders))| {
            json!({"admin_userid": organiser, "title": title, "meeting_start": start, "meeting_duration": duration,
                "description": some(description), "invitees": some(users), "settings": some(settings),
                "reminders": some(reminders)})
        },
    )
}

/// Jobs of the two methods, in any order.
fn jobs() -> impl Strategy<Value = Vec<Value>> {
    let body =
        prop_oneof![room().prop_map(|body| (ROOM, "acme", body)), meeting().prop_map(|body| (MEETING, "campus", body))];
    proptest::collection::vec(body, 1..8).prop_map(|bodies| {
        let job = |(number, (method, app, body)): (usize, (&str, &str, Value))| {
            let body: Map<_, _> =
                body.as_object().unwrap().clone().into_iter().filter(|(_, it)| !it.is_null()).collect();
            json!({"id": format!("j{number}"), "method": method, "app": app, "body": body})
        };
        bodies.into_iter().enumerate().map(job).collect()
    })
}

/// A job's cells: its parameters' as the program writes them, empty for what it does not have.
fn cells(job: &Value) -> Vec<String> {
    let method = CATALOG.job_method(job["method"].as_str().unwrap()).unwrap();
    let fields = FIELDS.iter().map(|field| job[field].as_str().unwrap().to_owned());
    let param = |name: &&str| {
        let Some(schema) = method.param(&format!("body.{name}")) else { return String::new() };
        cell(schema, &job["body"], &name.split('.').collect::<Vec<_>>()).unwrap()
    };
    fields.chain(PARAMS.iter().map(param)).collect()
}

fn header() -> Vec<String> {
    FIELDS.iter().chain(&PARAMS).map(|name| (*name).to_owned()).collect()
}

fn table(jobs: &[Value], separator: char, line_end: &str) -> String {
    let quoted = |cell: String| format!("\"{}\"", harmless(&cell, false).replace('"', "\"\""));
    let line =
        |cells: Vec<String>| cells.into_iter().map(quoted).collect::<Vec<_>>().join(&separator.to_string()) + line_end;
    std::iter::once(header()).chain(jobs.iter().map(cells)).map(line).collect()
}

fn workbook(jobs: &[Value]) -> Vec<u8> {
    let mut book = Book::new(&["jobs"]).unwrap();
    book.header(0, &header()).unwrap();
    for job in jobs {
        // As the program writes results: numbers and truths as such, everything else as text.
        let typed = |(name, cell): (&str, String)| match name.split('.').fold(&job["body"], |at, name| &at[name]) {
            Value::Number(number) if name != "meeting_start" => Cell::Number(number.as_f64().unwrap()),
            Value::Bool(is) => Cell::Bool(*is),
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                Cell::Text(in_workbook(&cell).into_owned())
            }
        };
        let row: Vec<_> = FIELDS.into_iter().chain(PARAMS).zip(cells(job)).map(typed).collect();
        book.row(0, &row).unwrap();
    }
    book.finish().unwrap()
}

/// The jobs in every format: a file's name, its bytes, and the encoding where its bytes do not tell it.
fn files(jobs: &[Value]) -> Vec<(String, Vec<u8>, Option<&'static str>)> {
    let utf_16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect()
    };
    let mut files = Vec::new();
    for (kind, separator, line_end) in [("comma", ',', "\r\n"), ("semicolon", ';', "\n"), ("tab", '\t', "\r\n")] {
        let text = table(jobs, separator, line_end);
        files.push((format!("{kind}.csv"), text.clone().into_bytes(), None));
        files.push((format!("{kind}-bom.csv"), format!("\u{feff}{text}").into_bytes(), None));
        files.push((format!("{kind}-le.csv"), utf_16(&text, u16::to_le_bytes), None));
        files.push((format!("{kind}-be.csv"), utf_16(&text, u16::to_be_bytes), None));
        let (bytes, _, has_gaps) = encoding_rs::GB18030.encode(&text);
        if !has_gaps {
            files.push((format!("{kind}-gb.csv"), bytes.into_owned(), Some("gb18030")));
        }
    }
    files.push(("jobs.xlsx".to_owned(), workbook(jobs), None));
    let lines: Vec<_> = jobs.iter().map(Value::to_string).collect();
    files.push(("jobs.jsonl".to_owned(), lines.join("\n").into_bytes(), None));
    files
}

fn decoder() -> Arc<Decoder> {
    Arc::new(Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Any, rights: Arc::default() })
}

fn read(name: &str, bytes: Vec<u8>, encoding: Option<&str>) -> Result<Vec<Job>, String> {
    let input = Input {
        name: name.to_owned(),
        batch: "b".to_owned(),
        method: None,
        app: None,
        bytes_max: 1 << 20,
        layout: Layout::default(),
    };
    let how = How { sheet: None, encoding: encoding.map(str::to_owned) };
    let memory = Memory::of(Reader::from(Arc::<[u8]>::from(bytes)), input, &how);
    let rows = memory.rows(&decoder(), &RowIds::default()).unwrap().map_err(|error| error.to_string())?;
    rows.map(|row| {
        let row = row.map_err(|error| error.to_string())?;
        row.input.map_err(|rejection| format!("{:?}", rejection.faults))
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_table_reads_back_as_the_same_jobs_in_every_format(jobs in jobs()) {
        let (decoder, defaults) = (decoder(), Defaults::default());
        let wanted: Vec<Job> =
            jobs.iter().map(|job| decoder.decode(job.to_string().as_bytes(), &defaults).unwrap()).collect();
        for (name, bytes, encoding) in files(&jobs) {
            let found = read(&name, bytes, encoding).map_err(|why| TestCaseError::fail(format!("{name}: {why}")))?;
            prop_assert_eq!(found.len(), wanted.len(), "{}", name);
            for (found, wanted) in found.iter().zip(&wanted) {
                let facts = |job: &Job| (job.id.clone(), job.lane.clone(), job.params.clone());
                prop_assert_eq!(facts(found), facts(wanted), "{}", name);
            }
        }
    }
}
