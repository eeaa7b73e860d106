//! A page of a listing, read under the worker's own quotas.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::json;

use super::answer::{self, Fault};
use super::input::{Fields, Id};
use super::{Answer, Shared};
use crate::domain::decode::Apps;
use crate::domain::messages::Cause;
use crate::domain::reading::Reading;
use crate::engine::Unread;
use crate::operations::reading::{Wanted, judge, listing, why_unread};
use crate::operations::refused::Refused;

/// One page; `next` is where the one behind it begins.
pub(super) async fn page(State(shared): State<Shared>, Id(method): Id, uri: Uri) -> Answer {
    let mut fields = Fields::of_query(uri.query());
    let arguments = fields.prefixed("param.");
    let (tenant, identity, from) = (fields.text("tenant"), fields.text("identity"), fields.text("from"));
    let app = fields.text("app");
    if app.is_none() {
        fields.missing("app");
    }
    fields.end()?;
    let decoder = (shared.worker.decoder)();
    listing(&decoder.catalog, &method).map_err(|refused| Fault::unknown(refused.error, refused.cure))?;
    let wanted = Wanted { method, app: app.unwrap_or_default(), tenant, identity, arguments };
    let status = if has_app(&decoder.apps, &wanted.app) { StatusCode::BAD_REQUEST } else { StatusCode::NOT_FOUND };
    let call = judge(&decoder, &wanted).map_err(|it| Fault::new(status, it.error, it.cure))?;
    let method = listing(&decoder.catalog, &wanted.method).map_err(|it| Fault::unknown(it.error, it.cure))?;
    let reading = Reading::new(&decoder.catalog, method, call.params.clone(), from.as_deref());
    let Some(mut reading) = reading else {
        return Err(Fault::unknown(format!("{} feeds no method of the catalog", wanted.method), ""));
    };
    let engine = Arc::clone(&shared.worker.engine);
    let (lane, identity, params) = (call.lane, call.identity, reading.params().clone());
    // A task of its own: who goes away in the middle of a call must not leave its record open.
    let asked = tokio::spawn(async move { engine.read_page(&lane, &identity, &params).await }).await;
    let asked = asked.map_err(|error| Fault::unavailable(error.to_string(), "the worker's log says more"))?;
    let page = asked.map_err(|why| fault(&why))?;
    let broken = |cause: Cause| {
        Fault::new(StatusCode::BAD_GATEWAY, format!("{}: {cause}", wanted.method), "begin again at the first page")
    };
    let page = reading.turn(&page).map_err(broken)?;
    let feeds = method.read.as_ref().map(|read| &read.feeds);
    Ok(answer::document(&json!({
        "method": wanted.method,
        "feeds": feeds,
        "columns": reading.header(),
        "rows": page.rows,
        "items": page.items,
        "next": page.next,
    })))
}

fn has_app(apps: &Apps, app: &str) -> bool {
    match apps {
        Apps::Named(apps) => apps.contains_key(app),
        Apps::Any => true,
    }
}

fn fault(why: &Unread) -> Fault {
    let Refused { error, cure } = why_unread(why);
    match why {
        Unread::Suspended(_) => Fault::conflict(error, cure),
        Unread::Refused(_) => Fault::new(StatusCode::BAD_GATEWAY, error, cure),
        Unread::Later(_) | Unread::Ledger(_) | Unread::Stopping => Fault::unavailable(error, cure),
    }
}
