//! What a file is, and which of its columns may be which parameter.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::asked::Reading;
use super::{apart, find};
use crate::admin::answer::Fault;
use crate::admin::body::Document;
use crate::admin::input::Id;
use crate::admin::{Answer, Shared, answer};
use crate::domain::catalog::{Kind, Method};
use crate::domain::decode::{AppFacts, Apps, Decoder, FIELDS};
use crate::domain::messages::{FileTrouble, Language};
use crate::domain::rows::exported::MASK;
use crate::domain::rows::guess::{Guess, How, guess, is_secret, missing};
use crate::domain::rows::template::template;
use crate::domain::rows::{Format, Preview};
use crate::domain::time::Timestamp;
use crate::operations::expand::is_calendar;
use crate::operations::files::{Memory, Written};

/// Values that are shown of each column.
const SAMPLES: usize = 3;
/// Rows in which they are looked for.
const ROWS: usize = 50;
/// Columns by which a method is guessed.
const JUDGED: usize = 64;

/// Looks at a file.
pub(in crate::admin) async fn look(State(shared): State<Shared>, Id(id): Id, document: Document) -> Answer {
    let mut fields = document.fields()?;
    let reading = Reading::of(&mut fields);
    fields.end()?;
    let upload = find(&shared, &id)?;
    let now = shared.now();
    let mut found = upload.document(now);
    let decoder = (shared.worker.decoder)();
    let memory = reading.memory(&shared, &upload)?;
    let name = upload.name.clone();
    let seen = apart(&shared, move || seen(&decoder, &memory, reading.method.as_deref(), &name, now)).await?;
    if let (Value::Object(found), Value::Object(seen)) = (&mut found, seen) {
        found.extend(seen);
    }
    Ok(answer::document(&found))
}

fn seen(
    decoder: &Arc<Decoder>,
    memory: &Memory,
    method: Option<&str>,
    name: &str,
    now: Timestamp,
) -> Result<Value, Fault> {
    let unread = |trouble: &FileTrouble| Fault::file(StatusCode::BAD_REQUEST, trouble);
    let written = memory.written.as_ref().map_err(unread)?;
    let preview = match written {
        Written::Text { format: Format::Jsonl, .. } => None,
        Written::Text { .. } if is_calendar(name) => None,
        Written::Text { .. } | Written::Workbook { .. } => Some(preview(memory)?),
    };
    let header = preview.as_ref().map(|preview| preview.header.as_slice()).unwrap_or_default();
    let method = match method {
        Some(method) => Some(&**decoder.catalog.job_method(method).ok_or_else(|| unknown(method))?),
        None => likeliest(decoder, header),
    };
    let mut document = way(memory, written, is_calendar(name));
    document["batch"] = super::asked::stem(name).into();
    document["apps"] = apps(decoder, method);
    document["line"] = json!(preview.as_ref().map(|preview| preview.line));
    document["method"] = json!(method.map(|method| &method.name));
    let guesses = method.map(|method| guess(&decoder.catalog, method, header));
    document["parameters"] = method.map_or_else(|| json!([]), |method| parameters(method, now));
    document["missing"] = match (method, &guesses) {
        (Some(method), Some(guesses)) if preview.is_some() => json!(missing(method, guesses)),
        _ => json!([]),
    };
    document["columns"] = preview.map_or_else(|| json!([]), |preview| columns(method, guesses.as_deref(), &preview));
    Ok(document)
}

fn preview(memory: &Memory) -> Result<Preview, Fault> {
    let preview = memory.preview(ROWS).map_err(|it| Fault::new(StatusCode::BAD_REQUEST, it.error, it.cure))?;
    preview.map_err(|error| Fault::faulty(&error))
}

fn unknown(method: &str) -> Fault {
    Fault::new(StatusCode::BAD_REQUEST, format!("no method is called {method:?}"), "/api/v1/methods has them")
}

/// How the file is read.
fn way(memory: &Memory, written: &Written, is_calendar: bool) -> Value {
    let mut sheets = Vec::new();
    let (format, encoding, sheet) = match written {
        Written::Text { encoding, .. } if is_calendar => ("calendar", Some(*encoding), None),
        Written::Text { format: Format::Csv, encoding } => ("csv", Some(*encoding), None),
        Written::Text { format: Format::Jsonl, encoding } => ("jsonl", Some(*encoding), None),
        Written::Workbook { sheet, notes, .. } => {
            sheets = std::iter::once(sheet).chain(&notes.others).collect();
            ("workbook", None, Some(sheet))
        }
    };
    let separator = if format == "csv" { memory.separator() } else { None };
    json!({
        "format": format, "encoding": encoding, "separator": separator, "sheet": sheet, "sheets": sheets,
        "notes": written.unseen().iter().map(|note| json!({"note": note.to_string(), "note_fact": note})).collect::<Vec<_>>(),
    })
}

/// The apps of the settings, and whether each can call the method.
fn apps(decoder: &Decoder, method: Option<&Method>) -> Value {
    let Apps::Named(apps) = &decoder.apps else { return json!([]) };
    let serves = |app: &AppFacts| method.is_none_or(|method| method.family == app.family);
    apps.iter().map(|(name, app)| json!({"name": name, "platform": app.family, "serves": serves(app)})).collect()
}

/// The method of which most columns surely are parameters, and least is missing.
fn likeliest<'d>(decoder: &'d Decoder, header: &[String]) -> Option<&'d Method> {
    let header = header.get(..JUDGED).unwrap_or(header);
    let families: BTreeSet<&str> = match &decoder.apps {
        Apps::Named(apps) => apps.values().map(|app| app.family.as_str()).collect(),
        Apps::Any => BTreeSet::new(),
    };
    let is_served = |method: &Method| families.is_empty() || families.contains(method.family.as_str());
    let methods = decoder.catalog.methods.values().filter(|method| method.kind == Kind::Job && is_served(method));
    let judged = methods.filter_map(|method| {
        let guesses = guess(&decoder.catalog, method, header);
        let is_parameter = |guess: &&Guess| guess.column.as_deref().is_some_and(|column| !FIELDS.contains(&column));
        let sure = guesses.iter().filter(is_parameter).filter(|guess| guess.how != How::Like).count();
        let lacking = missing(method, &guesses).len();
        let makes = method.creation.look_up().is_some() || !method.identity.is_empty();
        (sure > 0).then_some(((sure, usize::MAX - lacking, makes), &**method))
    });
    // Of equals the first by name.
    judged.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, method)| method)
}

/// What a column can be.
fn parameters(method: &Method, now: Timestamp) -> Value {
    let (english, chinese) = (template(method, Language::English, now), template(method, Language::Chinese, now));
    let of_method = english.columns.iter().zip(&chinese.columns).map(|(column, zh)| {
        json!({
            "column": column.name, "title": column.heading, "title_zh": zh.heading, "required": column.is_required,
            "is_field": false,
        })
    });
    let fields = FIELDS
        .iter()
        .map(|field| json!({"column": field, "title": field, "title_zh": field, "required": false, "is_field": true}));
    of_method.chain(fields).collect()
}

fn columns(method: Option<&Method>, guesses: Option<&[Guess]>, preview: &Preview) -> Value {
    let column = |(index, heading): (usize, &String)| {
        let guess = guesses.and_then(|guesses| guesses.get(index));
        let column = guess.and_then(|guess| guess.column.as_deref());
        let how = match guess.map_or(How::Nothing, |guess| guess.how) {
            How::Name => "name",
            How::Alias => "alias",
            How::Like => "like",
            How::Nothing => "nothing",
        };
        let is_hidden = method.zip(column).is_some_and(|(method, column)| is_secret(method, column));
        let samples = if is_hidden { vec![MASK] } else { preview.samples(index, SAMPLES) };
        json!({"number": index + 1, "heading": heading, "column": column, "how": how, "samples": samples})
    };
    preview.header.iter().enumerate().map(column).collect()
}
