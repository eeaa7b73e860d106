//! Dead letters that never became jobs: where each came from, what it says, and what is wrong with it.

use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};

use super::answer::{self, Fault};
use super::input::{Fields, Id};
use super::{Answer, Shared, jobs, selection};
use crate::domain::catalog::Catalog;
use crate::domain::{json as json_text, mask};
use crate::operations::inputs::Inputs;
use crate::store::operator::{DeadLine, Operator, RejectedInput, Selection};

/// Longer inputs are not shown whole.
const SHOWN_BYTES_MAX: usize = 64 * 1_024;

/// Inputs in the order in which they came.
pub async fn list(State(shared): State<Shared>, uri: Uri) -> Answer {
    let mut fields = Fields::of_query(uri.query());
    let selection = selection::of(&mut fields);
    let (after, limit) = jobs::place(&mut fields);
    fields.end()?;
    let page = shared.books.read(move |ledger| ledger.page_dead_inputs(&selection, after, limit)).await?;
    Ok(answer::document(&json!({"inputs": page.lines, "next": page.next.map(|next| next.to_string())})))
}

/// One input, by its number.
pub async fn show(State(shared): State<Shared>, Id(number): Id, uri: Uri) -> Answer {
    Fields::of_query(uri.query()).end()?;
    let handle = format!("#{}", number.trim_start_matches('#'));
    // A job may have that very id.
    let (inputs, sought) = (shared.inputs(), format!("input:{handle}"));
    let read = move |ledger: &Operator| {
        let selection = Selection::of_id(&sought);
        let Some(line) = ledger.list_dead(&selection, 1)?.into_iter().next() else { return Ok(None) };
        let Some(letter) = ledger.select_dead(&selection)?.into_iter().next() else { return Ok(None) };
        let input = ledger.rejected_input(&letter)?;
        Ok(input.map(|input| document(&line, &input, &inputs)))
    };
    match shared.books.read(read).await? {
        Some(document) => Ok(answer::document(&document)),
        None => Err(Fault::unknown(format!("there is no input {handle:?}"), "/api/v1/dead/inputs shows them")),
    }
}

fn document(line: &DeadLine, input: &RejectedInput, inputs: &Inputs) -> Value {
    let raw = &input.origin.raw;
    let (content, hidden) = shown(raw, &inputs.decoder.catalog);
    let faults = inputs.faults(input);
    let faults = faults.iter().map(|fault| json!({"field": fault.field, "message": fault.message()}));
    let mut document = json!(line);
    document["faults"] = faults.collect();
    document["bytes"] = json!(raw.len());
    document["content"] = content;
    document["content_hidden"] = json!(hidden);
    document
}

/// What it says: its JSON, or its text, with everything masked that any method calls sensitive; or why it is not shown.
fn shown(raw: &[u8], catalog: &Catalog) -> (Value, Option<String>) {
    if raw.len() > SHOWN_BYTES_MAX {
        return (Value::Null, Some(format!("it is longer than {SHOWN_BYTES_MAX} bytes")));
    }
    if let Ok((value, _)) = json_text::parse(raw) {
        return (mask::input(catalog, &value), None);
    }
    let text = String::from_utf8_lossy(raw).into_owned();
    if mask::may_hold_secrets(catalog, &text) {
        return (Value::Null, Some("it is not JSON, and a name in it is that of a sensitive parameter".to_owned()));
    }
    (Value::from(text), None)
}
