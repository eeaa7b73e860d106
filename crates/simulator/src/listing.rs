//! Look-ups: which created objects a listing shows, page by page.

use serde_json::Value;

use super::endpoint::Looked;
use super::objects::{Object, Objects, at, key_text};
use super::owner::Owner;
use paceline_domain::catalog::{Method, Wrong};
use paceline_domain::job::Params;

/// The most items of a page when neither the request nor the document says.
const PAGE_DEFAULT: usize = 50;

/// Who looks, and what can be seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// Who looks: an identity sees its own objects.
    pub owner: &'a Owner,
    /// Objects created after this instant are not listed yet. In microseconds since 1970.
    pub listed_until: i64,
    /// The most items of one page.
    pub page_max: usize,
}

impl View<'_> {
    /// Whether the object can be seen.
    pub(crate) fn shows(&self, object: &Object) -> bool {
        object.is_seen_by(self.owner) && object.created_at <= self.listed_until
    }

    /// Whether the object is among what changed after that number of changes; a deleted one, too.
    fn shows_change(&self, object: &Object, since: u64) -> bool {
        object.belongs_to(self.owner) && object.created_at <= self.listed_until && object.changed > since
    }

    /// The newest change before which nothing is still to be listed.
    fn revision(&self, objects: &Objects, create: &str) -> u64 {
        let unlisted = objects.of(create).iter().filter(|object| object.created_at > self.listed_until);
        unlisted.map(|object| object.changed - 1).min().unwrap_or_else(|| objects.revision())
    }
}

/// A page: the objects, and the token of the next page.
pub(crate) struct Page<'a> {
    /// In order of creation.
    pub objects: Vec<&'a Object>,
    /// `None` on the last page.
    pub next: Option<String>,
    /// What asks for changes after this page.
    pub changes: String,
}

/// A parameter that names no page, and what is wrong with it.
pub(crate) type BadPage = (String, Wrong);

/// What stands before the position in a page's token, and between it and the changes that it belongs to.
const PAGE: (&str, &str) = ("page-", "-after-");
/// What stands before the number of changes.
const CHANGES: &str = "changes-";

/// Finds one page.
///
/// # Errors
/// A page's or a change's token that was never given out, or two that do not belong together.
pub(crate) fn page<'a>(
    listing: &Method,
    looked: &Looked,
    objects: &'a Objects,
    params: &Params,
    view: View<'_>,
) -> Result<Page<'a>, BadPage> {
    let since = since(listing, objects, params)?;
    let by_number = looked.look_up.next.as_ref().filter(|next| next.token.is_empty());
    let before = by_number.and_then(|next| params.get(&next.param)?.as_u64()).unwrap_or_default();
    let start = if by_number.is_some() { 0 } else { start(looked, params, since)? };
    let size = page_size(listing, params).min(view.page_max).max(1);
    let is_shown = |object: &Object| since.map_or_else(|| view.shows(object), |since| view.shows_change(object, since));
    let mut matching = objects
        .of(&looked.create.name)
        .iter()
        .enumerate()
        .skip(start)
        .filter(|(_, object)| is_shown(object) && is_asked_for(looked, object, params))
        .skip(usize::try_from(before).unwrap_or(usize::MAX));
    let page: Vec<&Object> = matching.by_ref().take(size).map(|(_, object)| object).collect();
    let after = since.map_or_else(String::new, |since| format!("{}{since}", PAGE.1));
    let next = matching.next().map(|(position, _)| format!("{}{position}{after}", PAGE.0));
    Ok(Page { objects: page, next, changes: format!("{CHANGES}{}", view.revision(objects, &looked.create.name)) })
}

/// The number of changes after which the request asks; `None` if it asks for everything.
fn since(listing: &Method, objects: &Objects, params: &Params) -> Result<Option<u64>, BadPage> {
    let Some(changes) = &listing.reply.shown.changes else { return Ok(None) };
    let Some(token) = token(params, &changes.param) else { return Ok(None) };
    let since = token.strip_prefix(CHANGES).and_then(|number| number.parse().ok());
    let known = since.filter(|since| *since <= objects.revision());
    known.map(Some).ok_or_else(|| (changes.param.clone(), Wrong::Unknown))
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
fn start(looked: &Looked, params: &Params, since: Option<u64>) -> Result<usize, BadPage> {
    let Some(next) = &looked.look_up.next else { return Ok(0) };
    let Some(token) = token(params, &next.param).filter(|token| token != "0") else { return Ok(0) };
    let bad = |wrong| (next.param.clone(), wrong);
    let rest = token.strip_prefix(PAGE.0).ok_or_else(|| bad(Wrong::Unknown))?;
    let (position, after) = rest.split_once(PAGE.1).map_or((rest, None), |(position, after)| (position, Some(after)));
    let position = position.parse().map_err(|_| bad(Wrong::Unknown))?;
    if after.map(str::to_owned) == since.map(|since| since.to_string()) {
        Ok(position)
    } else {
        Err(bad(Wrong::Conflict))
    }
}

/// A token parameter; an empty one is none.
fn token(params: &Params, name: &str) -> Option<String> {
    params.get(name).and_then(key_text).filter(|token| !token.is_empty())
}

/// Whether the object fits what the request asks for: each parameter that the look-up fills from the job.
fn is_asked_for(looked: &Looked, object: &Object, params: &Params) -> bool {
    looked.look_up.params.iter().all(|(name, template)| {
        let Some(field) = template.as_str().and_then(|text| text.strip_prefix('$')) else { return true };
        let Some(asked) = params.get(name).filter(|asked| asked.as_str() != Some("")) else { return true };
        let Some(own) = object.params.get(field) else { return field == "id" };
        if let Some(is_inside) = is_in_span(looked, object, name, asked) {
            return is_inside;
        }
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

/// Where a listing is asked for a span of time, whether the object reaches into it; `None` for other parameters.
fn is_in_span(looked: &Looked, object: &Object, name: &str, asked: &Value) -> Option<bool> {
    let (part, bound) = name.split_once('.')?;
    let of = |bound: &str| {
        let template = looked.look_up.params.get(&format!("{part}.{bound}"))?.as_str()?;
        number(object.params.get(template.strip_prefix('$')?)?)
    };
    // A listing without both bounds has rules of its own.
    let (start, end) = (of("start_time")?, of("end_time")?);
    match bound {
        "start_time" => Some(end > number(asked)?),
        "end_time" => Some(start < number(asked)?),
        _ => None,
    }
}

fn is_invited(object: &Object, user: &Value) -> bool {
    let invited = object.params.body.get("invitees").and_then(|invitees| at(invitees, "userid"));
    invited.and_then(Value::as_array).is_some_and(|invited| invited.contains(user))
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
