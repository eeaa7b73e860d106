//! Finding out from a listing whether a create happened: templates, pages and matches, without the calls.

use serde_json::{Map, Value};

use super::catalog::{LookUp, Method, NextPage};
use super::job::{Job, Params};
use super::outcome::{lookup, text_of};

/// Writes the method's mark into the parameters that the job left open, so that a look-up has something to compare.
pub fn mark(job: &mut Job, look_up: &LookUp) {
    for (name, template) in &look_up.mark {
        if job.params.get(name).is_some() {
            continue;
        }
        if let Some(value) = resolve(&Value::String(template.clone()), job, None) {
            set(&mut job.params, name, value);
        }
    }
}

/// The parameters of a listing (or of the call for one item) for this job; absent where the job says nothing.
pub fn params_of<'a>(
    templates: impl IntoIterator<Item = (&'a String, &'a Value)>,
    job: &Job,
    item: Option<&Value>,
) -> Params {
    let mut params = Params::default();
    for (name, template) in templates {
        if let Some(value) = resolve(template, job, item) {
            set(&mut params, name, value);
        }
    }
    params
}

/// Puts the token of the next page into the listing's parameters; `false` if there is no further page.
pub fn turn_page(next: &NextPage, result: &Value, params: &mut Params) -> bool {
    let more = next.more.is_empty() || lookup(result, &next.more).and_then(Value::as_bool).unwrap_or(false);
    // WeCom's last page may say nothing, "0", or its own cursor again: its document does not tell.
    let token = lookup(result, &next.token).and_then(text_of).filter(|token| !token.is_empty() && token != "0");
    let is_new = token.as_deref() != params.get(&next.param).and_then(Value::as_str);
    match token {
        Some(token) if more && is_new => {
            set(params, &next.param, Value::String(token));
            true
        }
        Some(_) | None => false,
    }
}

/// Whether a listed item is what the job wanted to create.
pub fn is_match(look_up: &LookUp, job: &Job, item: &Value) -> bool {
    look_up.matches.iter().all(|(field, template)| {
        let wanted = resolve(template, job, Some(item));
        same(lookup(item, field), wanted.as_ref())
    })
}

/// The id of a listed item.
pub fn key_of(look_up: &LookUp, item: &Value) -> Option<String> {
    lookup(item, &look_up.key).and_then(text_of)
}

/// Whether a job may be marked at all: the method has a look-up that compares a mark.
pub fn mark_of(method: &Method) -> Option<&LookUp> {
    match &method.creation {
        super::catalog::Creation::LookUp(look_up) if !look_up.mark.is_empty() => Some(look_up),
        super::catalog::Creation::LookUp(_) | super::catalog::Creation::Natural | super::catalog::Creation::None => {
            None
        }
    }
}

fn resolve(template: &Value, job: &Job, item: Option<&Value>) -> Option<Value> {
    let Some(name) = template.as_str().and_then(|text| text.strip_prefix('$')) else {
        return Some(template.clone());
    };
    match name.split_once('.') {
        None if name == "id" => Some(Value::String(job.id.clone())),
        None if name == "item" => item.cloned(),
        Some(("item", field)) => item.and_then(|item| lookup(item, field)).cloned(),
        None | Some(_) => job.params.get(name).cloned(),
    }
}

/// Absent and empty are the same, and so are a number and its digits: platforms answer either.
fn same(left: Option<&Value>, right: Option<&Value>) -> bool {
    fn present(value: Option<&Value>) -> Option<&Value> {
        value.filter(|value| !value.is_null() && value.as_str() != Some(""))
    }
    match (present(left), present(right)) {
        (None, None) => true,
        (Some(left), Some(right)) => left == right || (text_of(left).is_some() && text_of(left) == text_of(right)),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn set(params: &mut Params, name: &str, value: Value) {
    let Some((part, rest)) = name.split_once('.') else { return };
    let map = match part {
        "path" => &mut params.path,
        "query" => &mut params.query,
        _ => &mut params.body,
    };
    set_in(map, rest, value);
}

fn set_in(map: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            map.insert(name.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = map.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                set_in(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::job::{Identity, LaneKey};

    fn job(body: Value) -> Job {
        let Value::Object(body) = body else { panic!("a body is an object") };
        Job {
            id: "hq-1".to_owned(),
            lane: LaneKey { app: "a".to_owned(), tenant: String::new(), method: "m".to_owned() },
            batch: None,
            identity: Identity::Tenant,
            params: Params { body, ..Params::default() },
            priority: 4,
            not_before: None,
            not_after: None,
            reply_to: None,
            meta: None,
        }
    }

    fn rooms() -> LookUp {
        LookUp {
            mark: [("body.custom_room_id".to_owned(), "$id".to_owned())].into(),
            delay: std::time::Duration::ZERO,
            method: "list".to_owned(),
            params: [
                ("query.room_level_id".to_owned(), json!("$body.room_level_id")),
                ("query.page_size".to_owned(), json!(100)),
            ]
            .into(),
            items: "rooms".to_owned(),
            next: None,
            detail: None,
            matches: [("custom_room_id".to_owned(), json!("$body.custom_room_id"))].into(),
            key: "room_id".to_owned(),
        }
    }

    #[test]
    fn an_absent_mark_is_written_and_a_present_one_kept() {
        let mut open = job(json!({"name": "x"}));
        mark(&mut open, &rooms());
        assert_eq!(open.params.body["custom_room_id"], "hq-1");
        let mut given = job(json!({"custom_room_id": "7F-701"}));
        mark(&mut given, &rooms());
        assert_eq!(given.params.body["custom_room_id"], "7F-701");
    }

    #[test]
    fn matches_treat_empty_as_absent_and_digits_as_numbers() {
        let job = job(json!({"custom_room_id": "12"}));
        assert!(is_match(&rooms(), &job, &json!({"custom_room_id": 12})));
        assert!(!is_match(&rooms(), &job, &json!({"custom_room_id": ""})));
        let params = params_of(&rooms().params, &job, None);
        assert_eq!(Value::Object(params.query), json!({"page_size": 100}));
    }

    #[test]
    fn pages_turn_while_there_is_a_token_and_more() {
        let next = NextPage {
            token: "page_token".to_owned(),
            more: "has_more".to_owned(),
            param: "query.page_token".to_owned(),
        };
        let mut params = Params::default();
        assert!(turn_page(&next, &json!({"has_more": true, "page_token": "p2"}), &mut params));
        assert_eq!(params.query["page_token"], "p2");
        assert!(!turn_page(&next, &json!({"has_more": true, "page_token": "p2"}), &mut params), "the same page again");
        assert!(!turn_page(&next, &json!({"has_more": true, "page_token": "0"}), &mut params));
        assert!(!turn_page(&next, &json!({"has_more": false, "page_token": "p3"}), &mut params));
        assert!(!turn_page(&next, &json!({"has_more": true, "page_token": ""}), &mut params));
    }
}
