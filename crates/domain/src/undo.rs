//! Undoing a batch: for each object that a job created, a job that deletes it.
//!
//! The undoing job is an ordinary one, so quotas, recovery and dead letters hold for it as for every other.
//!
//! Decision: docs/decisions/0024-an-undo-is-jobs.md

use super::catalog::Undo;
use super::job::{ID_BYTES_MAX, Identity, Job, LaneKey, PRIORITY_DEFAULT, Params};

/// What ids and batches of undoing jobs begin with.
pub const PREFIX: &str = "undo:";

/// An object, and the job that created it.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

/// The batch of the jobs that undo a batch.
pub fn batch(of: &str) -> String {
    format!("{PREFIX}{of}")
}

/// The lane of the jobs that undo those of a lane.
pub fn lane(of: &LaneKey, undo: &Undo) -> LaneKey {
    LaneKey { method: undo.method.clone(), ..of.clone() }
}

/// The job that deletes the object. An id that was undone before, created anew and is undone again takes the next `round`.
pub fn job(created: &Created, undo: &Undo, batch: &str, round: usize) -> Job {
    let mut params = Params::default();
    if let Some((part, name)) = undo.param.split_once('.') {
        let map = match part {
            "path" => &mut params.path,
            "query" => &mut params.query,
            _ => &mut params.body,
        };
        map.insert(name.to_owned(), created.key.clone().into());
    }
    Job {
        id: id(created, round),
        lane: lane(&created.lane, undo),
        batch: Some(batch.to_owned()),
        identity: created.identity.clone(),
        params,
        object: None,
        is_confidential: false,
        priority: PRIORITY_DEFAULT,
        not_before: None,
        not_after: None,
        reply_to: None,
        meta: None,
        trace: None,
    }
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

    fn created(id: &str) -> Created {
        let lane = LaneKey { app: "acme".to_owned(), tenant: "t".to_owned(), method: "a.b.create".to_owned() };
        let identity = Identity::User("li".to_owned());
        Created { seq: 7, id: id.to_owned(), lane, identity, key: "k1".to_owned() }
    }

    fn undo() -> Undo {
        Undo { method: "a.b.delete".to_owned(), param: "path.b_id".to_owned() }
    }

    #[test]
    fn the_job_deletes_that_object_as_the_same_identity_in_the_same_tenant() {
        let job = job(&created("x"), &undo(), "undo:move", 1);
        assert_eq!((job.id.as_str(), job.batch.as_deref()), ("undo:x", Some("undo:move")));
        assert_eq!(job.lane.to_string(), "acme/t/a.b.delete");
        assert_eq!(job.identity, Identity::User("li".to_owned()));
        assert_eq!(json!([job.params.path, job.params.query, job.params.body]), json!([{"b_id": "k1"}, {}, {}]));
    }

    #[test]
    fn ids_stay_short_and_apart() {
        assert_eq!(job(&created("x"), &undo(), "b", 2).id, "undo:x:2");
        let longest = "i".repeat(ID_BYTES_MAX - PREFIX.len());
        assert_eq!(job(&created(&longest), &undo(), "b", 1).id.len(), ID_BYTES_MAX);
        assert_eq!(job(&created(&format!("{longest}i")), &undo(), "b", 1).id, "undo:#7");
    }
}
