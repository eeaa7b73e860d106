//! Look-ups: which created objects a listing shows, page by page.

use serde_json::Value;

use super::objects::{Object, at, key_text};
use super::served::Looked;
use crate::domain::catalog::Method;
use crate::domain::job::Params;

/// The most items of a page when neither the request nor the document says.
const PAGE_DEFAULT: usize = 50;

/// Who looks, and what can be seen.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// App or corp: it sees its own objects.
    pub account: &'a str,
    /// Objects created after this instant are not listed yet. In microseconds since 1970.
    pub listed_until: i64,
    /// The most items of one page.
    pub page_max: usize,
}

impl View<'_> {
    /// Whether the object can be seen.
    pub fn shows(&self, object: &Object) -> bool {
        object.is_seen_by(self.account) && object.created_at <= self.listed_until
    }
}

/// A page: the objects, and the token of the next page.
pub struct Page<'a> {
    /// In order of creation.
    pub objects: Vec<&'a Object>,
    /// `None` on the last page.
    pub next: Option<String>,
}

/// Finds one page. `None` for a page token that was never given out.
pub fn page<'a>(
    listing: &Method,
    looked: &Looked,
    objects: &'a [Object],
    params: &Params,
    view: View<'_>,
) -> Option<Page<'a>> {
    let start = start(looked, params)?;
    let size = page_size(listing, params).min(view.page_max).max(1);
    let mut matching = objects
        .iter()
        .enumerate()
        .skip(start)
        .filter(|(_, object)| view.shows(object) && is_asked_for(looked, object, params));
    let page: Vec<&Object> = matching.by_ref().take(size).map(|(_, object)| object).collect();
    Some(Page { objects: page, next: matching.next().map(|(position, _)| format!("page-{position}")) })
}

/// What the request asks for, else the documented default.
fn page_size(listing: &Method, params: &Params) -> usize {
    let asked = ["query.page_size", "body.limit"].iter().find_map(|name| params.get(name)?.as_u64());
    let documented = || {
        let property = listing.query_schema.property("page_size").or_else(|| listing.body_schema.property("limit"))?;
        property.default.as_ref()?.as_u64()
    };
    asked.or_else(documented).map_or(PAGE_DEFAULT, |size| size as usize)
}

/// The position at which the page begins. An absent, empty or `0` token begins the listing.
fn start(looked: &Looked, params: &Params) -> Option<usize> {
    let token = looked.look_up.next.as_ref().and_then(|next| params.get(&next.param)).and_then(key_text);
    match token.as_deref() {
        None | Some("" | "0") => Some(0),
        Some(token) => token.strip_prefix("page-")?.parse().ok(),
    }
}

/// Whether the object fits what the request asks for: each parameter that the look-up fills from the job.
fn is_asked_for(looked: &Looked, object: &Object, params: &Params) -> bool {
    looked.look_up.params.iter().all(|(name, template)| {
        let Some(field) = template.as_str().and_then(|text| text.strip_prefix('$')) else { return true };
        let Some(asked) = params.get(name).filter(|asked| asked.as_str() != Some("")) else { return true };
        let Some(own) = object.params.get(field) else { return field == "id" };
        // WeCom: bounds of the meeting's start (https://developer.work.weixin.qq.com/document/path/97457, read 2026-11-21).
        match (name.as_str(), number(asked), number(own)) {
            ("body.begin_time", Some(asked), Some(own)) => own >= asked,
            // It bounds past meetings alone: all future ones are listed.
            ("body.end_time", ..) => true,
            ("body.userid", ..) => own == asked || is_invited(object, asked),
            _ => own == asked,
        }
    })
}

fn is_invited(object: &Object, user: &Value) -> bool {
    let invited = object.params.body.get("invitees").and_then(|invitees| at(invitees, "userid"));
    invited.and_then(Value::as_array).is_some_and(|invited| invited.contains(user))
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
