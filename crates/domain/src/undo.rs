//! Undoing a batch: for each object that a job created, a job that deletes it.
//!
//! The undoing job is an ordinary one, so quotas, recovery and dead letters hold for it as for every other.
//!
//! Decision: docs/decisions/0024-an-undo-is-jobs.md

use serde_json::Value;

use super::catalog::{Catalog, SchemaKind, Undo};
use super::job::{ID_BYTES_MAX, Identity, Job, LaneKey, PRIORITY_DEFAULT, Params};
use super::look_up::set;

/// What ids and batches of undoing jobs begin with.
pub const PREFIX: &str = "undo:";

/// An object, and the job that created it.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// The job's number.
    pub seq: i64,
    /// The job's id.
    pub id: String,
    /// Its lane.
    pub lane: LaneKey,
    /// As whom it was created, and is deleted.
    pub identity: Identity,
    /// The object.
    pub key: String,
    /// What it was created with; nothing if that is sealed.
    pub params: Params,
    /// The file and line that it came from; empty if from none.
    pub place: String,
}

/// The batch of the jobs that undo a batch.
pub fn batch(of: &str) -> String {
    format!("{PREFIX}{of}")
}

/// The lane of the jobs that undo those of a lane.
pub fn lane(of: &LaneKey, undo: &Undo) -> LaneKey {
    LaneKey { method: undo.method.clone(), ..of.clone() }
}

/// The job that deletes the object; `None` if the catalog has no way. An id that was undone before, created anew and is undone again takes the next `round`.
pub fn job(created: &Created, catalog: &Catalog, batch: &str, round: usize) -> Option<Job> {
    let undo = catalog.job_method(&created.lane.method)?.undo.as_ref()?;
    let method = catalog.job_method(&undo.method)?;
    let mut params = Params::default();
    // Ids that are numbers are kept as text.
    let is_number = method.param(&undo.param).is_some_and(|schema| schema.kind == SchemaKind::Integer);
    let number = created.key.parse::<i64>().ok().filter(|_| is_number).map(Value::from);
    set(&mut params, &undo.param, number.unwrap_or_else(|| created.key.clone().into()));
    for (name, template) in &undo.params {
        let value = match template.as_str().and_then(|text| text.strip_prefix('$')) {
            Some("id") => Some(Value::from(created.id.as_str())),
            Some(parameter) => created.params.get(parameter).cloned(),
            None => Some(template.clone()),
        };
        if let Some(value) = value {
            set(&mut params, name, value);
        }
    }
    Some(Job {
        id: id(created, round),
        lane: lane(&created.lane, undo),
        batch: Some(batch.to_owned()),
        identity: created.identity.clone(),
        after: Vec::new(),
        params,
        filled: Vec::new(),
        object: None,
        is_confidential: false,
        priority: PRIORITY_DEFAULT,
        not_before: None,
        not_after: None,
        reply_to: None,
        meta: None,
        trace: None,
    })
}

/// `undo:<id>`; by the job's number where that would be too long for an id.
fn id(created: &Created, round: usize) -> String {
    let again = if round > 1 { format!(":{round}") } else { String::new() };
    let id = format!("{PREFIX}{}{again}", created.id);
    if id.len() <= ID_BYTES_MAX { id } else { format!("{PREFIX}#{}{again}", created.seq) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::built_in;

    fn created(id: &str) -> Created {
        let lane = LaneKey {
            app: "acme".to_owned(),
            tenant: "t".to_owned(),
            method: "feishu.calendar.event.create".to_owned(),
        };
        let identity = Identity::User("li".to_owned());
        let mut params = Params::default();
        params.path.insert("calendar_id".to_owned(), json!("c1"));
        Created { seq: 7, id: id.to_owned(), lane, identity, key: "k1".to_owned(), params, place: String::new() }
    }

    fn undo(created: &Created, round: usize) -> Job {
        job(created, &built_in().unwrap(), "undo:move", round).unwrap()
    }

    #[test]
    fn the_job_deletes_that_object_as_the_same_identity_in_the_same_tenant() {
        let job = undo(&created("x"), 1);
        assert_eq!((job.id.as_str(), job.batch.as_deref()), ("undo:x", Some("undo:move")));
        assert_eq!(job.lane.to_string(), "acme/t/feishu.calendar.event.delete");
        assert_eq!(job.identity, Identity::User("li".to_owned()));
        let params = json!([job.params.path, job.params.query, job.params.body]);
        assert_eq!(params, json!([{"calendar_id": "c1", "event_id": "k1"}, {}, {}]));
    }

    #[test]
    fn an_id_that_is_a_number_stays_one() {
        let mut created = Created { key: "17".to_owned(), ..created("x") };
        "wecom.oa.meetingroom.add".clone_into(&mut created.lane.method);
        let job = undo(&created, 1);
        assert_eq!(json!(job.params.body), json!({"meetingroom_id": 17}));
    }

    #[test]
    fn ids_stay_short_and_apart() {
        assert_eq!(undo(&created("x"), 2).id, "undo:x:2");
        let longest = "i".repeat(ID_BYTES_MAX - PREFIX.len());
        assert_eq!(undo(&created(&longest), 1).id.len(), ID_BYTES_MAX);
        assert_eq!(undo(&created(&format!("{longest}i")), 1).id, "undo:#7");
    }
}
