//! Dead letters that never became jobs: where each came from, what it says, and what is wrong with it.

use axum::extract::State;
use axum::http::Uri;
use serde_json::json;

use super::answer::{self, Fault};
use super::input::{Fields, Id};
use super::{Answer, Shared, jobs, selection};
use crate::engine::ports::LedgerError;
use paceline_ports::operator::{Reports, Selection};

/// Inputs in the order in which they came.
pub(super) async fn list(State(shared): State<Shared>, uri: Uri) -> Answer {
    let mut fields = Fields::of_query(uri.query());
    let selection = selection::of(&mut fields);
    let (after, limit) = jobs::place(&mut fields);
    fields.end()?;
    let inputs = shared.inputs();
    let read = move |ledger: &dyn Reports| {
        let page = ledger.page_dead_inputs(&selection, after, limit)?;
        let lines = page.lines.iter().map(|line| {
            let input = ledger.input(line)?;
            Ok(input.map_or_else(|| json!(line), |input| inputs.line(line, &input)))
        });
        Ok((lines.collect::<Result<Vec<_>, LedgerError>>()?, page.next))
    };
    let (lines, next) = shared.books.read(read).await?;
    Ok(answer::document(&json!({"inputs": lines, "next": next.map(|next| next.to_string())})))
}

/// One input, by its number.
pub(super) async fn show(State(shared): State<Shared>, Id(number): Id, uri: Uri) -> Answer {
    Fields::of_query(uri.query()).end()?;
    let handle = format!("#{}", number.trim_start_matches('#'));
    // A job may have that very id.
    let (inputs, sought) = (shared.inputs(), format!("input:{handle}"));
    let read = move |ledger: &dyn Reports| {
        let line = ledger.list_dead(&Selection::of_id(&sought), 1)?.into_iter().next();
        let Some(line) = line else { return Ok(None) };
        Ok(ledger.input(&line)?.map(|input| inputs.sheet(&line, &input)))
    };
    match shared.books.read(read).await? {
        Some(document) => Ok(answer::document(&document)),
        None => Err(Fault::unknown(format!("there is no input {handle:?}"), "/api/v1/dead/inputs shows them")),
    }
}
