//! What a listed object must show to be what a job wanted to create, in a form that can be compared and hashed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{mark, resolve};
use crate::catalog::LookUp;
use crate::job::Job;
use crate::outcome::{lookup, text_of};

/// Values by field. Jobs of equal criteria cannot be told apart by a look-up, nor can their objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Criteria {
    /// Whether a mark is compared (a room's `custom_room_id`): else other people's objects may show the same.
    pub is_marked: bool,
    values: Vec<Option<String>>,
}

impl Criteria {
    /// What a job is recognised by, the mark first; nothing if no look-up can recognise it.
    pub fn of_job(look_up: &LookUp, job: &Job, mark_created: bool) -> Vec<Self> {
        if look_up.cut_beyond.iter().any(|(name, bytes)| is_longer(job, name, *bytes)) {
            return Vec::new();
        }
        if let Some(each) = &look_up.each {
            return Self::of_each(look_up, job, each);
        }
        let is_open = look_up.mark.keys().any(|name| job.params.get(name).is_none());
        let wanted = |is_marked: bool, job: &Job| {
            let fields = fields(look_up, is_marked);
            let values = fields.map(|(_, template)| normal(resolve(template, job, None).as_ref()));
            Self { is_marked, values: values.collect() }
        };
        let marked = || {
            let mut job = job.clone();
            mark(&mut job, look_up);
            wanted(true, &job)
        };
        match (is_open, mark_created) {
            _ if look_up.mark.is_empty() => vec![wanted(false, job)],
            (false, _) | (true, true) => vec![marked()],
            // It may have been sent while the setting was still on.
            (true, false) if !look_up.unmarked.is_empty() => vec![marked(), wanted(false, job)],
            (true, false) => Vec::new(),
        }
    }

    /// What each item of the job's list is recognised by: all of them must be there.
    fn of_each(look_up: &LookUp, job: &Job, each: &str) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for item in job.params.get(each).and_then(Value::as_array).into_iter().flatten() {
            let values =
                fields(look_up, false).map(|(_, template)| normal(resolve(template, job, Some(item)).as_ref()));
            let criteria = Self { is_marked: false, values: values.collect() };
            if !all.contains(&criteria) {
                all.push(criteria);
            }
        }
        all
    }

    /// What a listed or fetched item shows; nothing if it is no living object.
    pub fn of_item(look_up: &LookUp, item: &Value) -> Vec<Self> {
        if shows_any(item, &look_up.never) {
            return Vec::new();
        }
        let shown = |is_marked: bool| {
            let values = fields(look_up, is_marked).map(|(name, _)| normal(lookup(item, name)));
            Self { is_marked, values: values.collect() }
        };
        match (look_up.mark.is_empty(), look_up.unmarked.is_empty()) {
            (true, _) => vec![shown(false)],
            (false, true) => vec![shown(true)],
            (false, false) if shows_any(item, &look_up.unmarked_never) => vec![shown(true)],
            (false, false) => vec![shown(true), shown(false)],
        }
    }
}

fn is_longer(job: &Job, name: &str, bytes: usize) -> bool {
    job.params.get(name).and_then(Value::as_str).is_some_and(|text| text.len() > bytes)
}

/// What is compared, in the order of the names.
fn fields(look_up: &LookUp, is_marked: bool) -> impl Iterator<Item = (&String, &Value)> {
    let more = (!is_marked).then_some(&look_up.unmarked);
    let all: BTreeMap<_, _> = look_up.matches.iter().chain(more.into_iter().flatten()).collect();
    all.into_iter()
}

/// Whether one of the fields has one of its values.
fn shows_any(item: &Value, fields: &BTreeMap<String, Vec<Value>>) -> bool {
    fields.iter().any(|(name, values)| {
        let shown = normal(lookup(item, name));
        shown.is_some() && values.iter().any(|value| normal(Some(value)) == shown)
    })
}

/// Absent and empty are the same, and so are a number and its digits: platforms answer either.
fn normal(value: Option<&Value>) -> Option<String> {
    let value = value.filter(|value| !value.is_null() && value.as_str() != Some(""))?;
    // No text of a platform begins with a null character.
    Some(text_of(value).unwrap_or_else(|| format!("\0{value}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::{job, look_up, room};
    use super::*;

    fn recognises(look_up: &LookUp, job: &Job, mark_created: bool, item: &Value) -> bool {
        let shown = Criteria::of_item(look_up, item);
        Criteria::of_job(look_up, job, mark_created).iter().any(|wanted| shown.contains(wanted))
    }

    #[test]
    fn a_marked_room_is_known_by_its_mark_alone() {
        let rooms = look_up("feishu.vc.room.create");
        let marked = room("hq-1", json!({}));
        assert!(recognises(&rooms, &marked, true, &json!({"custom_room_id": "hq-1", "name": "renamed"})));
        assert!(!recognises(&rooms, &marked, true, &json!({"custom_room_id": "hq-2"})));
        let by_hand = json!({"name": "R", "capacity": 8, "room_level_id": "omb_1"});
        assert!(!recognises(&rooms, &marked, true, &by_hand));
        let given = room("hq-1", json!({"custom_room_id": "12"}));
        for mark_created in [true, false] {
            assert!(recognises(&rooms, &given, mark_created, &json!({"custom_room_id": 12})));
            assert!(!recognises(&rooms, &given, mark_created, &by_hand));
        }
    }

    #[test]
    fn a_title_that_a_listing_may_cut_is_not_looked_for() {
        let meetings = look_up("wecom.meeting.create_advanced");
        let of = |title: String| {
            let body = json!({"admin_userid": "li", "title": title, "meeting_start": 1, "meeting_duration": 300});
            Criteria::of_job(&meetings, &job("x", body), true).len()
        };
        assert_eq!((of("a".repeat(40)), of("a".repeat(41))), (1, 0));
        assert_eq!((of("会".repeat(13)), of("会".repeat(14))), (1, 0), "in bytes");
    }

    #[test]
    fn an_unmarked_room_is_known_by_what_was_asked_for() {
        let rooms = look_up("feishu.vc.room.create");
        let unmarked = room("hq-1", json!({}));
        let item = json!({"name": "R", "capacity": 8, "room_level_id": "omb_1", "custom_room_id": ""});
        assert!(recognises(&rooms, &unmarked, false, &item));
        for (field, other) in [
            ("name", json!("S")),
            ("capacity", json!(9)),
            ("room_level_id", json!("omb_2")),
            ("custom_room_id", json!("x")),
        ] {
            let mut differs = item.clone();
            differs[field] = other;
            assert!(!recognises(&rooms, &unmarked, false, &differs), "{field}");
        }
        assert!(
            recognises(&rooms, &unmarked, false, &json!({"custom_room_id": "hq-1"})),
            "sent before the setting changed"
        );
        let mut blind = rooms;
        blind.unmarked.clear();
        assert!(Criteria::of_job(&blind, &unmarked, false).is_empty());
    }

    #[test]
    fn calendars_and_meetings_are_compared_field_by_field() {
        let calendars = look_up("feishu.calendar.create");
        let wanted = job("a", json!({"summary": "S", "description": ""}));
        let item = json!({"summary": "S", "role": "owner", "type": "shared"});
        assert!(recognises(&calendars, &wanted, true, &item), "empty is absent");
        assert!(!recognises(&calendars, &wanted, true, &json!({"summary": "S", "role": "reader", "type": "shared"})));
        let meetings = look_up("wecom.meeting.create");
        let fields =
            |start: Value| json!({"admin_userid": "li", "title": "t", "meeting_start": start, "meeting_duration": 300});
        assert!(recognises(&meetings, &job("a", fields(json!("1700"))), true, &fields(json!(1700))));
        assert!(!recognises(&meetings, &job("a", fields(json!(1701))), true, &fields(json!(1700))));
    }

    #[test]
    fn what_is_cancelled_or_deleted_is_nobody_s() {
        let meetings = look_up("wecom.meeting.create");
        let fields = json!({"admin_userid": "li", "title": "t", "meeting_start": 1700, "meeting_duration": 300});
        let wanted = job("a", fields.clone());
        let listed = |status: Option<Value>| {
            let mut item = fields.clone();
            if let Some(status) = status {
                item["status"] = status;
            }
            item
        };
        for alive in [None, Some(json!(1)), Some(json!(2)), Some(json!(3)), Some(Value::Null), Some(json!("1"))] {
            assert!(recognises(&meetings, &wanted, true, &listed(alive.clone())), "{alive:?}");
        }
        for dead in [json!(4), json!(5), json!("4")] {
            assert!(!recognises(&meetings, &wanted, true, &listed(Some(dead.clone()))), "{dead}");
        }
        let calendars = look_up("feishu.calendar.create");
        let wanted = job("a", json!({"summary": "S"}));
        let listed = |is_deleted| json!({"summary": "S", "role": "owner", "type": "shared", "is_deleted": is_deleted});
        assert!(recognises(&calendars, &wanted, true, &listed(false)));
        assert!(!recognises(&calendars, &wanted, true, &listed(true)));
    }

    #[test]
    fn an_unmarked_one_alone_may_have_conditions_of_its_own() {
        let mut rooms = look_up("feishu.vc.room.create");
        rooms.unmarked_never = [("status".to_owned(), vec![json!("gone")])].into();
        let unmarked = room("hq-1", json!({}));
        let item = json!({"name": "R", "capacity": 8, "room_level_id": "omb_1", "status": "gone"});
        assert!(!recognises(&rooms, &unmarked, false, &item));
        let marked = json!({"custom_room_id": "hq-1", "status": "gone"});
        assert!(recognises(&rooms, &unmarked, false, &marked));
    }

    #[test]
    fn what_is_no_text_equals_itself_alone() {
        assert_eq!(normal(Some(&json!(true))), normal(Some(&json!(true))));
        assert_ne!(normal(Some(&json!(true))), normal(Some(&json!("true"))));
        assert_eq!((normal(Some(&json!(""))), normal(Some(&Value::Null))), (None, None));
    }
}
