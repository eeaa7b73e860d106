//! Changing an object that a job created: a job of the method that `[update]` names, with what changed alone.
//!
//! Such a job is an ordinary one, so quotas, recovery and dead letters hold for it as for every other. What the platform
//! has by now is what the object was created with and what its updates have changed since.
//!
//! Decision: docs/decisions/0046-an-update-is-a-job.md

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::catalog::{Method, SchemaKind, Update, shown};
use super::decode::{Decoder, Defaults};
use super::difference::{self, Change};
use super::job::{ID_BYTES_MAX, Job, Params};
use super::look_up::set;
use super::outcome::text_of;

/// What ids and batches of updating jobs begin with.
pub const PREFIX: &str = "update:";

/// The batch of the jobs that update what a batch created.
pub fn batch(of: &str) -> String {
    format!("{PREFIX}{of}")
}

/// The id of the update of that number of what a job created, counted from 1.
pub fn id(of: &str, number: usize) -> String {
    let id = format!("{PREFIX}{number}:{of}");
    if id.len() <= ID_BYTES_MAX {
        return id;
    }
    let digest = Sha256::digest(of).first_chunk().map_or(0, |chunk| u128::from_be_bytes(*chunk));
    format!("{PREFIX}{number}:#{digest:032x}")
}

/// An earlier update, in the order in which they were made.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// The job.
    pub job: Job,
    /// How far it is.
    pub stage: Stage,
}

/// How far an update is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Applied.
    Done,
    /// Not sent yet.
    Waiting,
    /// Sent, and nobody knows what came of it.
    Unclear,
    /// Never applied.
    Gone,
}

/// An update that can be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The job.
    pub job: Job,
    /// The job as a message.
    pub document: String,
}

/// What a row says beside what the platform has.
#[derive(Clone, Debug, PartialEq)]
pub enum Compared {
    /// The same.
    Same,
    /// Something else.
    Changed {
        /// Field by field, with what is sensitive masked.
        changes: Vec<Change>,
        /// The job that brings it about, or why none can; no job if nothing has to be undone but updates that wait.
        update: Result<Option<Box<Prepared>>, String>,
        /// Ids of updates that wait and are not wanted any more.
        superseded: Vec<String>,
    },
}

/// Compares what a job succeeded with (`before`, and the key of what it created) with what its row wants now.
pub fn compare(decoder: &Decoder, before: &Job, key: Option<&str>, earlier: &[Earlier], now: &Job) -> Compared {
    let Some(method) = decoder.catalog.job_method(&before.lane.method) else {
        return changed(
            difference::between(before, now, None),
            Err("the catalog has no such method any more".to_owned()),
        );
    };
    // An object that was deleted and created anew has none of the updates of the first one.
    let is_of_it = |earlier: &&Earlier| {
        let id = method.update.as_ref().and_then(|update| earlier.job.params.get(&update.param));
        id.is_some_and(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned) == key.unwrap_or_default())
    };
    let own: Vec<&Earlier> = earlier.iter().filter(is_of_it).collect();
    let at = |stages: &[Stage]| {
        let mut job = before.clone();
        for earlier in own.iter().filter(|earlier| stages.contains(&earlier.stage)) {
            overlay(&mut job.params, &earlier.job.params, method.update.as_ref());
        }
        job
    };
    let wanted = at(&[Stage::Done, Stage::Waiting, Stage::Unclear]);
    let changes = difference::between(&wanted, now, Some(method));
    if changes.is_empty() {
        return Compared::Same;
    }
    if let Some(unclear) = own.iter().find(|earlier| earlier.stage == Stage::Unclear) {
        let why = format!("its update {} is not over yet: run the file again when it is", unclear.job.id);
        return changed(changes, Err(why));
    }
    let waiting = own.iter().filter(|earlier| earlier.stage == Stage::Waiting);
    let superseded = waiting.map(|earlier| earlier.job.id.clone()).collect();
    let has = at(&[Stage::Done]);
    if difference::between(&has, now, Some(method)).is_empty() {
        return Compared::Changed { changes, update: Ok(None), superseded };
    }
    let update = match (&method.update, key) {
        (None, _) => Err(format!("no method changes what {} creates", method.name)),
        (Some(_), None) => Err("the ledger does not know the id of what it created".to_owned()),
        (Some(update), Some(key)) => Draft { decoder, update, key, has: &has, now }.job(earlier.len() + 1),
    };
    Compared::Changed { changes, update: update.map(|update| Some(Box::new(update))), superseded }
}

/// What the platform has of a job's object, as far as the ledger knows: what it was created with, and the updates that
/// are done.
pub fn done(method: &Method, before: &Job, key: &str, earlier: &[Earlier]) -> Job {
    let mut job = before.clone().with_values(Some(method));
    for Earlier { job: update, stage } in earlier {
        let id = method.update.as_ref().and_then(|how| update.params.get(&how.param));
        let is_of_it = id.and_then(text_of).as_deref() == Some(key);
        if is_of_it && *stage == Stage::Done {
            overlay(&mut job.params, &update.params, method.update.as_ref());
        }
    }
    job
}

fn changed(changes: Vec<Change>, update: Result<Option<Box<Prepared>>, String>) -> Compared {
    Compared::Changed { changes, update, superseded: Vec::new() }
}

/// What an update changed, in what was there, without the id of the object.
fn overlay(params: &mut Params, update: &Params, how: Option<&Update>) {
    params.query.extend(update.query.clone());
    params.body.extend(update.body.clone());
    let Some(name) = how.and_then(|how| how.param.strip_prefix("body.")) else { return };
    let (outer, last) = name.rsplit_once('.').unwrap_or(("", name));
    let mut steps = outer.split('.').filter(|step| !step.is_empty());
    let inner = steps.try_fold(&mut params.body, |map, step| map.get_mut(step)?.as_object_mut());
    inner.map(|map| map.remove(last));
}

/// An update on its way to be a job.
struct Draft<'a> {
    decoder: &'a Decoder,
    update: &'a Update,
    key: &'a str,
    /// What the platform has.
    has: &'a Job,
    /// What it should have.
    now: &'a Job,
}

impl Draft<'_> {
    fn job(&self, number: usize) -> Result<Prepared, String> {
        let Some(method) = self.decoder.catalog.job_method(&self.update.method) else {
            return Err(format!("the catalog has no method {}", self.update.method));
        };
        if self.has.lane != self.now.lane || self.has.identity != self.now.identity {
            return Err("another method, app, tenant or identity makes another object of it".to_owned());
        }
        if let Some(name) = differing(&self.has.params.path, &self.now.params.path).first() {
            return Err(format!("path.{name} cannot be changed"));
        }
        let mut params = Params::default();
        let known = |part: &str, name: &str| method.schema(part).is_some_and(|schema| schema.property(name).is_some());
        let copied = |part: &str, from: &Map<String, Value>| {
            let kept = from.iter().filter(|(name, _)| known(part, name));
            kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>()
        };
        params.path = copied("path", &self.now.params.path);
        // What ids in the body are: it is said with every call.
        params.query = copied("query", &self.now.params.query);
        params.body = self.body(method)?;
        self.name(method, &mut params);
        let mut document = json!({
            "id": id(&self.now.id, number),
            "method": method.name,
            "app": self.now.lane.app,
            "batch": batch(self.now.batch.as_deref().unwrap_or_default()),
            "identity": self.now.identity.to_string(),
            "priority": self.now.priority,
            "path": params.path,
            "query": params.query,
            "body": params.body,
        });
        if !self.now.lane.tenant.is_empty() {
            document["tenant"] = json!(self.now.lane.tenant);
        }
        let document = document.to_string();
        let decoded = self.decoder.decode(document.as_bytes(), &Defaults::default());
        let prepared = decoded.map(|job| Prepared { job, document });
        prepared.map_err(|rejection| format!("{} does not take it: {}", method.name, rejection.detail()))
    }

    /// The parameters that changed, each as a whole: what is left out of an object might be reset.
    fn body(&self, method: &Method) -> Result<Map<String, Value>, String> {
        let (has, now) = (&self.has.params.body, &self.now.params.body);
        let mut names = differing(has, now);
        if names.is_empty() {
            return Err("nothing of it can be changed: only how it is called did".to_owned());
        }
        for group in &self.update.together {
            let group: Vec<&str> = group.iter().filter_map(|name| name.strip_prefix("body.")).collect();
            if group.iter().any(|name| names.contains(name)) {
                names.extend(group.into_iter().filter(|name| now.contains_key(*name)));
            }
        }
        let mut body = Map::new();
        for name in names {
            let Some(value) = now.get(name) else {
                let was = has.get(name).map(shown).unwrap_or_default();
                return Err(format!("body.{name} is empty now, and an update cannot take a value away (it was {was})"));
            };
            if method.body_schema.property(name).is_none() {
                return Err(format!("{} cannot change body.{name}", method.name));
            }
            body.insert(name.to_owned(), value.clone());
        }
        Ok(body)
    }

    /// Says which object it is. Ids that are numbers are kept as text.
    fn name(&self, method: &Method, params: &mut Params) {
        let is_number = method.param(&self.update.param).is_some_and(|schema| schema.kind == SchemaKind::Integer);
        let number = self.key.parse::<i64>().ok().filter(|_| is_number).map(Value::from);
        set(params, &self.update.param, number.unwrap_or_else(|| self.key.into()));
    }
}

/// Names with other values on one side than on the other.
fn differing<'a>(left: &'a Map<String, Value>, right: &'a Map<String, Value>) -> BTreeSet<&'a str> {
    let names = left.keys().chain(right.keys()).filter(|name| left.get(*name) != right.get(*name));
    names.map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::built_in;
    use crate::decode::Apps;

    fn decoder() -> Decoder {
        Decoder { catalog: built_in().unwrap().into(), apps: Apps::Any, rights: std::sync::Arc::default() }
    }

    fn job(method: &str, body: &Value) -> Job {
        let document = json!({"id": "r", "method": method, "app": "acme", "batch": "b", "body": body});
        decoder().decode(document.to_string().as_bytes(), &Defaults::default()).unwrap()
    }

    fn room(body: &Value) -> Job {
        let mut all = json!({"name": "A", "capacity": 1, "room_level_id": "omb_1"});
        all.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        job("feishu.vc.room.create", &all)
    }

    fn updated(compared: Compared) -> (Job, Vec<String>) {
        let Compared::Changed { update, superseded, .. } = compared else { panic!("nothing changed") };
        (update.unwrap().unwrap().job, superseded)
    }

    #[test]
    fn what_changed_goes_out_alone_and_an_object_whole() {
        let status = |status: bool| json!({"room_status": {"status": status, "disable_reason": "works"}});
        let (before, mut now) = (room(&status(true)), room(&status(false)));
        now.params.body.insert("capacity".to_owned(), json!(3));
        let (update, _) = updated(compare(&decoder(), &before, Some("omm_1"), &[], &now));
        assert_eq!((update.id.as_str(), update.batch.as_deref()), ("update:1:r", Some("update:b")));
        assert_eq!(update.lane.method, "feishu.vc.room.patch");
        assert_eq!(json!(update.params.path), json!({"room_id": "omm_1"}));
        let body = json!({"capacity": 3, "room_status": {"status": false, "disable_reason": "works"}});
        assert_eq!(json!(update.params.body), body);
        assert_eq!(compare(&decoder(), &before, Some("omm_1"), &[], &before), Compared::Same);
    }

    #[test]
    fn the_newest_update_counts_and_one_that_waits_is_superseded() {
        let (first, second) = (room(&json!({})), room(&json!({"capacity": 2})));
        let of = |earlier: &[Earlier], now: &Job| compare(&decoder(), &first, Some("omm_1"), earlier, now);
        let (update, _) = updated(of(&[], &second));
        let at = |stage| vec![Earlier { job: update.clone(), stage }];
        for stage in [Stage::Done, Stage::Waiting, Stage::Unclear] {
            assert_eq!(of(&at(stage), &second), Compared::Same, "{stage:?}");
        }
        let (back, superseded) = updated(of(&at(Stage::Done), &first));
        assert_eq!(
            (back.id.as_str(), json!(back.params.body), superseded),
            ("update:2:r", json!({"capacity": 1}), vec![])
        );
        let third = room(&json!({"capacity": 3, "description": "x"}));
        let (newer, superseded) = updated(of(&at(Stage::Waiting), &third));
        assert_eq!((newer.id.as_str(), superseded), ("update:2:r", vec!["update:1:r".to_owned()]));
        let Compared::Changed { update, superseded, .. } = of(&at(Stage::Waiting), &first) else { panic!() };
        assert_eq!((update, superseded), (Ok(None), vec!["update:1:r".to_owned()]), "nothing was sent yet");
        let Compared::Changed { update: Err(why), .. } = of(&at(Stage::Unclear), &third) else { panic!() };
        assert!(why.contains("update:1:r is not over yet"), "{why}");
        let (again, _) = updated(of(&at(Stage::Gone), &second));
        assert_eq!(again.id, "update:2:r");
        let created_anew = compare(&decoder(), &first, Some("omm_2"), &at(Stage::Done), &first);
        assert_eq!(created_anew, Compared::Same, "the update was of another object");
    }

    #[test]
    fn what_cannot_be_changed_is_said() {
        let why = |before: &Job, key: Option<&str>, now: &Job| match compare(&decoder(), before, key, &[], now) {
            Compared::Changed { update: Err(why), .. } => why,
            other @ (Compared::Same | Compared::Changed { .. }) => panic!("{other:?}"),
        };
        let full = room(&json!({"description": "x"}));
        let gone = why(&full, Some("omm_1"), &room(&json!({})));
        assert!(gone.contains("body.description is empty now") && gone.contains("(it was \"x\")"), "{gone}");
        assert!(why(&full, None, &room(&json!({"description": "y"}))).contains("does not know the id"));
    }

    #[test]
    fn fields_that_belong_together_go_together() {
        let body = |floor: &str| json!({"name": "A", "capacity": 1, "city": "c", "building": "b", "floor": floor});
        let (before, now) = (job("wecom.oa.meetingroom.add", &body("1")), job("wecom.oa.meetingroom.add", &body("2")));
        let (update, _) = updated(compare(&decoder(), &before, Some("7"), &[], &now));
        assert_eq!(json!(update.params.body), json!({"meetingroom_id": 7, "city": "c", "building": "b", "floor": "2"}));
    }

    #[test]
    fn ids_stay_short_and_apart() {
        let long = "i".repeat(ID_BYTES_MAX);
        assert!(id(&long, 12).len() < 60 && id(&long, 1) != id(&long, 2));
        assert_eq!(id("x", 2), "update:2:x");
    }
}
