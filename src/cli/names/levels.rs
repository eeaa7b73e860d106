//! Levels of paths that are not there: jobs that create them, each once for all rows, parents first.
//!
//! Decision: docs/decisions/0065-missing-levels-are-jobs.md

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::domain::catalog::Create;
use crate::domain::chain::FROM;
use crate::domain::decode::{Decoder, Defaults};
use crate::domain::find::{self, Answer, Directory, Nothing};
use crate::domain::job::{Job, Params};
use crate::domain::rows::Row;
use crate::engine::Found;

/// The batch of all of them.
pub(super) const BATCH: &str = "levels";

/// The key of what the ledger's job of this one's id has made.
pub(super) type Made<'a> = &'a mut dyn FnMut(&Job) -> anyhow::Result<Option<String>>;

/// The jobs, in an order in which each comes after the one above it.
#[derive(Default)]
pub(super) struct Levels {
    rows: Vec<Row>,
    ids: HashSet<String>,
}

impl Levels {
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Lets jobs make what was not found, where the catalog says how. `made` is what the ledger's job of the same id has
    /// made: as that is not there any more, another job makes it again.
    pub(super) fn create(&mut self, found: &mut Found, decoder: &Decoder, made: Made<'_>) -> anyhow::Result<()> {
        let mut missing: Vec<_> = found.iter_mut().collect();
        missing.sort_by_key(|(left, _)| *left);
        for ((directory, path), answer) in missing {
            let (Answer::Nothing(Nothing { below: Some(below), missing, .. }), Some(create)) =
                (&*answer, &directory.resolve.create)
            else {
                continue;
            };
            let steps = find::steps(path);
            let there = steps.len().saturating_sub(missing.len());
            let mut above = Value::from(below.as_str());
            let mut last = None;
            for depth in there..steps.len() {
                let id = self.level(directory, create, (&steps, depth), &above, (decoder, &mut *made))?;
                above = json!({ FROM: id });
                last = Some(id);
            }
            if let Some(id) = last {
                *answer = Answer::Made(id);
            }
        }
        Ok(())
    }

    /// The id of the job that makes a step of a path.
    fn level(
        &mut self,
        directory: &Directory,
        create: &Create,
        (steps, depth): (&[&str], usize),
        above: &Value,
        (decoder, made): (&Decoder, Made<'_>),
    ) -> anyhow::Result<String> {
        let path = steps.get(..=depth).unwrap_or_default().join("/");
        let lane = &directory.lane;
        let mut whose = json!([lane.app, lane.tenant, directory.identity.to_string(), create.method, path]);
        let mut params = Params::default();
        params.put(&create.name, steps.get(depth).copied().into());
        params.put(&create.parent, above.clone());
        let mut document = json!({"method": create.method, "app": lane.app, "batch": BATCH});
        if !lane.tenant.is_empty() {
            document["tenant"] = Value::from(lane.tenant.as_str());
        }
        document["identity"] = Value::from(directory.identity.to_string());
        let Params { path: in_path, query, body } = params;
        for (part, map) in [("path", in_path), ("query", query), ("body", body)] {
            put(&mut document, part, map);
        }
        loop {
            let id = id_of(&whose);
            if self.ids.contains(&id) {
                return Ok(id);
            }
            document["id"] = Value::from(id.as_str());
            let raw = document.to_string();
            let input = decoder.decode(raw.as_bytes(), &Defaults::default());
            // Somebody deleted it. By its key the next job has an id of its own, the same one in every run.
            if let Ok(job) = &input
                && let Some(key) = made(job)?
            {
                whose = json!([whose, key]);
                continue;
            }
            self.rows.push(Row::made(path, raw.into(), input));
            self.ids.insert(id.clone());
            return Ok(id);
        }
    }
}

fn id_of(whose: &Value) -> String {
    let hash = Sha256::digest(whose.to_string());
    hash.iter().take(8).fold(format!("{BATCH}:"), |id, byte| format!("{id}{byte:02x}"))
}

fn put(document: &mut Value, part: &str, map: Map<String, Value>) {
    if !map.is_empty() {
        document[part] = Value::Object(map);
    }
}
