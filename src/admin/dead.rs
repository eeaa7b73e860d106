//! Dead letters by what they have in common.

use axum::extract::State;
use axum::http::Uri;
use serde_json::json;

use super::answer;
use super::input::Fields;
use super::{Answer, Shared, selection};

/// Dead letters of one cause together, the most frequent first.
pub async fn groups(State(shared): State<Shared>, uri: Uri) -> Answer {
    let mut fields = Fields::of_query(uri.query());
    let selection = selection::of(&mut fields);
    fields.end()?;
    let groups = shared.books.read(move |ledger| ledger.dead_groups(&selection)).await?;
    let planner = shared.worker.engine.planner();
    let told = groups.into_iter().map(|group| {
        let method = group.method.as_ref().and_then(|method| planner.catalog.method(method));
        let app = group.app.as_ref().and_then(|app| planner.apps.get(app));
        let rule = group.code.and_then(|code| {
            let own = method.and_then(|method| method.errors.get(&code));
            own.or_else(|| app.and_then(|app| app.platform.errors.get(&code)))
        });
        let cure = rule.map_or_else(|| group.reason.cure().to_owned(), |rule| rule.cure.clone());
        let mut document = json!(group);
        document["meaning"] = json!(rule.map(|rule| &rule.message));
        document["cure"] = json!(cure);
        document
    });
    Ok(answer::document(&json!({"groups": told.collect::<Vec<_>>()})))
}
