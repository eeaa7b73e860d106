//! A success that is final only later: what was asked for (a room) says some seconds after the call whether it comes.
//! The catalog's `[decides]` names where the reply says so and what it says; the listing of `[creation]` is asked until
//! nothing is open.
//!
//! Decision: docs/decisions/0050-a-room-decides-after-the-call.md

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::catalog::{LookUp, Method};
use super::job::{Job, Params};
use super::look_up::{Criteria, listed_under};
use super::outcome::{lookup, text_of};
use super::warning::Warning;

/// Which items of a call decide after it, and how a reply or a listing says so.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Decides {
    /// Dotted path of the reply's list, inside the result.
    pub items: String,
    /// What an item shows that decides, in the parameters as in the reply: `{ type = "resource" }`.
    pub only: BTreeMap<String, Value>,
    /// The field of an item that names it, in the parameters as in the reply.
    pub name: String,
    /// The field that says how it has decided.
    pub field: String,
    /// What stands there as long as it has not.
    pub pending: String,
    /// What stands there if it comes.
    pub accepted: String,
    /// What stands there if it does not; the first word is the usual one.
    pub declined: Vec<String>,
    /// How long the platform takes as a rule, in seconds: asked then, and after that each time twice as late.
    pub after_s: u64,
    /// The warning that names who declined.
    pub declined_message: String,
    /// The same in Chinese.
    pub declined_message_zh: String,
    /// The warning that names who has not decided in time.
    pub undecided_message: String,
    /// The same in Chinese.
    pub undecided_message_zh: String,
}

/// How what was asked for has decided: names, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Not yet, or not listed yet.
    pub pending: Vec<String>,
    /// Against.
    pub declined: Vec<String>,
}

impl Decides {
    /// Who decides of what a job asks for: the names, each once.
    pub fn wanted(&self, method: &Method, params: &Params) -> Vec<String> {
        let mut names = Vec::new();
        for name in self.asked(method, params).filter_map(|item| self.name_of(item)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Whether anybody decides about a job, who may still be named by another one.
    pub fn is_left_open(&self, method: &Method, params: &Params) -> bool {
        self.asked(method, params).next().is_some()
    }

    fn asked<'p>(&'p self, method: &Method, params: &'p Params) -> impl Iterator<Item = &'p Value> {
        let each = method.creation.look_up().and_then(|look_up| look_up.each.as_ref());
        let items = each.and_then(|each| params.get(each)).and_then(Value::as_array);
        items.into_iter().flatten().filter(|item| self.is_of(item))
    }

    /// How they have decided, as the result of the call itself says it.
    pub fn replied(&self, wanted: &[String], result: &Value) -> Standing {
        self.standing(wanted, &listed_under(result, &self.items).unwrap_or_default())
    }

    /// How they have decided, by these items. Whoever stands there twice comes if one of both says so: an earlier booking
    /// was taken off.
    pub fn standing(&self, wanted: &[String], items: &[&Value]) -> Standing {
        let mut standing = Standing::default();
        for name in wanted {
            let shown = items.iter().filter(|item| self.is_of(item) && self.name_of(item).as_ref() == Some(name));
            let said: Vec<&str> = shown.filter_map(|item| lookup(item, &self.field)?.as_str()).collect();
            let is_declined = |said: &&str| self.declined.iter().any(|word| word == said);
            if said.iter().any(|said| *said != self.pending && !is_declined(said)) {
                continue;
            }
            let is_open = said.is_empty() || said.contains(&self.pending.as_str());
            if is_open { &mut standing.pending } else { &mut standing.declined }.push(name.clone());
        }
        standing
    }

    /// How long after an instant to ask again, when so much time has passed since the call.
    pub fn again_after(&self, passed: Duration, speed: f64) -> Duration {
        passed.max(Duration::from_secs(self.after_s.max(1)).div_f64(speed))
    }

    /// What a success that leaves these out warns of.
    pub fn warnings(&self, standing: &Standing) -> Vec<Warning> {
        let field = format!("{}.{}", self.items, self.field);
        let warning = |names: &[String], message: &str, message_zh: &str| {
            (!names.is_empty()).then(|| Warning {
                field: field.clone(),
                message: message.to_owned(),
                message_zh: message_zh.to_owned(),
                values: names.iter().map(|name| Value::from(name.as_str())).collect(),
            })
        };
        let declined = warning(&standing.declined, &self.declined_message, &self.declined_message_zh);
        let undecided = warning(&standing.pending, &self.undecided_message, &self.undecided_message_zh);
        declined.into_iter().chain(undecided).collect()
    }

    /// Whether an item decides.
    pub fn is_of(&self, item: &Value) -> bool {
        self.only.iter().all(|(name, value)| lookup(item, name) == Some(value))
    }

    fn name_of(&self, item: &Value) -> Option<String> {
        lookup(item, &self.name).and_then(text_of)
    }
}

/// Of the items of a listing those that a job asked for, no matter what became of them.
pub fn own<'a>(look_up: &LookUp, job: &Job, items: &'a [Value]) -> Vec<&'a Value> {
    let wanted = Criteria::of_job(look_up, job, false);
    let bare = LookUp { never: BTreeMap::new(), ..look_up.clone() };
    items.iter().filter(|item| Criteria::of_item(&bare, item).iter().any(|shown| wanted.contains(shown))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::built_in;

    const METHOD: &str = "feishu.calendar.event.attendee.create";

    fn rooms() -> (std::sync::Arc<Method>, Decides) {
        let method = std::sync::Arc::clone(built_in().unwrap().method(METHOD).unwrap());
        let decides = method.decides.clone().unwrap();
        (method, decides)
    }

    fn room(name: &str, said: &str) -> Value {
        json!({"type": "resource", "room_id": name, "rsvp_status": said})
    }

    #[test]
    fn rooms_decide_and_people_do_not() {
        let (method, decides) = rooms();
        let body = json!({"attendees": [{"type": "user", "user_id": "ou_1"}, {"type": "resource", "room_id": "omm_1"},
            {"type": "resource", "room_id": "omm_2"}, {"type": "resource", "room_id": "omm_1"}]});
        let params = Params { body: body.as_object().unwrap().clone(), ..Params::default() };
        assert_eq!(decides.wanted(&method, &params), ["omm_1", "omm_2"]);
        assert!(decides.wanted(&method, &Params::default()).is_empty());
    }

    #[test]
    fn what_is_said_of_a_room_and_what_is_not() {
        let (_, decides) = rooms();
        let wanted: Vec<String> = ["a", "b", "c", "d", "e", "f"].map(str::to_owned).to_vec();
        let person = json!({"type": "user", "room_id": "f", "rsvp_status": "accept"});
        let result = json!({"attendees": [room("a", "accept"), room("b", "needs_action"), room("c", "decline"),
            room("d", "removed"), room("e", "removed"), room("e", "accept"), person]});
        let standing = decides.replied(&wanted, &result);
        assert_eq!((standing.pending, standing.declined), (vec!["b".into(), "f".into()], vec!["c".into(), "d".into()]));
        assert_eq!(decides.replied(&wanted, &Value::Null).pending, wanted, "a reply that says nothing");
    }

    #[test]
    fn who_declined_and_who_is_late_are_two_warnings() {
        let (_, decides) = rooms();
        assert!(decides.warnings(&Standing::default()).is_empty());
        let both = Standing { pending: vec!["b".into()], declined: vec!["c".into(), "d".into()] };
        let warnings = decides.warnings(&both);
        assert_eq!(warnings.iter().map(|warning| warning.values.len()).collect::<Vec<_>>(), [2, 1]);
        assert!(warnings.iter().all(|warning| !warning.message.is_empty() && !warning.message_zh.is_empty()));
        assert_ne!(warnings[0].message, warnings[1].message);
    }

    #[test]
    fn questions_become_rarer() {
        let (_, decides) = rooms();
        let mut passed = Duration::ZERO;
        let mut asked = 0;
        while passed < Duration::from_secs(60) {
            passed += decides.again_after(passed, 1.0);
            asked += 1;
        }
        assert!(asked <= 6, "{asked} calls in a minute");
    }
}
