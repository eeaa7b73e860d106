//! Dead letters by what they have in common.

use axum::extract::State;
use axum::http::Uri;
use serde_json::json;

use super::answer;
use super::input::Fields;
use super::{Answer, Shared, selection};
use crate::domain::catalog::ErrorRule;
use crate::engine::ports::LedgerError;
use paceline_ports::operator::Reports;

/// Inputs of a group that are read again to say what is wrong with them: pages ask for the groups every few seconds.
const LOOKED_AT_MAX: usize = 100;

/// Dead letters of one cause together, the most frequent first.
pub(super) async fn groups(State(shared): State<Shared>, uri: Uri) -> Answer {
    let mut fields = Fields::of_query(uri.query());
    let selection = selection::of(&mut fields);
    fields.end()?;
    let inputs = shared.inputs();
    let read = move |ledger: &dyn Reports| {
        let groups = ledger.dead_groups(&selection)?.into_iter();
        let of_inputs = groups.map(|group| {
            let newest = ledger.newest_inputs(&selection, &group, LOOKED_AT_MAX)?;
            Ok((group, inputs.same_faults(&newest), newest.len()))
        });
        of_inputs.collect::<Result<Vec<_>, LedgerError>>()
    };
    let groups = shared.books.read(read).await?;
    let planner = shared.worker.engine.planner();
    let told = groups.into_iter().map(|(group, faults, looked_at)| {
        let method = group.method.as_ref().and_then(|method| planner.catalog.method(method));
        let app = group.app.as_ref().and_then(|app| planner.apps.get(app));
        let rule = group.code.and_then(|code| {
            let own = method.and_then(|method| method.errors.get(&code));
            own.or_else(|| app.and_then(|app| app.platform.errors.get(&code)))
        });
        let cure = rule.and_then(ErrorRule::advice).unwrap_or_else(|| group.reason.cure());
        let mut document = json!(group);
        document["meaning"] = json!(rule.map(|rule| &rule.message));
        document["meaning_zh"] = json!(rule.map(|rule| &rule.message_zh));
        document["cure"] = json!(cure.to_string());
        document["cure_fact"] = json!(cure);
        document["faults"] = json!(faults);
        document["looked_at"] = json!(looked_at);
        document
    });
    Ok(answer::document(&json!({"groups": told.collect::<Vec<_>>()})))
}
