//! Rows that one call could carry: they differ in one list alone, and the method takes many items in it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::domain::catalog::Catalog;
use crate::domain::job::{Job, Params};

/// What merging rows would save, method by method.
#[derive(Debug, Default)]
pub struct Savings {
    /// By method and everything but the list: rows, and items on all of them.
    alike: HashMap<(String, [u8; 32]), (u64, u64)>,
}

/// Rows of one method that could be fewer.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Saving {
    /// The method.
    pub method: String,
    /// The list.
    pub field: String,
    /// Items that one call takes.
    pub items_max: u64,
    /// Rows that differ in it alone.
    pub rows: u64,
    /// Calls that would do.
    pub calls: u64,
}

impl fmt::Display for Saving {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, field, items_max, rows, calls } = self;
        let fewer = if *calls == 1 { "1 row".to_owned() } else { format!("{calls} rows") };
        let merged = format!("merged into {fewer} of up to {items_max} items they save {} calls", rows - calls);
        write!(out, "{method}: {rows} rows differ in {field} alone; {merged}")
    }
}

impl Savings {
    /// Notes a row's job.
    pub fn add(&mut self, job: &Job, catalog: &Catalog) {
        let merges = catalog.job_method(&job.lane.method).and_then(|method| method.merges.as_deref());
        let Some(field) = merges else { return };
        let Some(items) = job.params.get(field).and_then(Value::as_array) else { return };
        let key = (job.lane.method.clone(), without(job, field).content_hash());
        let (rows, all) = self.alike.entry(key).or_default();
        *rows += 1;
        *all += items.len() as u64;
    }

    /// What would be saved; nothing for rows that are alone or full.
    pub fn end(&self, catalog: &Catalog) -> Vec<Saving> {
        let mut all: BTreeMap<&str, Saving> = BTreeMap::new();
        for ((name, _), (rows, items)) in self.alike.iter().filter(|(_, (rows, _))| *rows > 1) {
            let Some(method) = catalog.job_method(name) else { continue };
            let Some(field) = &method.merges else { continue };
            let most = method.param(field).and_then(|schema| schema.items_max);
            let Some(items_max) = most.map(|most| most as u64).filter(|most| *most > 0) else { continue };
            let calls = items.div_ceil(items_max).max(1);
            if calls >= *rows {
                continue;
            }
            let fresh = || Saving { method: name.clone(), field: field.clone(), items_max, rows: 0, calls: 0 };
            let saving = all.entry(name).or_insert_with(fresh);
            saving.rows += rows;
            saving.calls += calls;
        }
        all.into_values().collect()
    }
}

/// The job without what may be merged, and without what tells it from its like.
fn without(job: &Job, field: &str) -> Job {
    let mut params: Params = job.params.clone();
    if let Some(name) = field.strip_prefix("body.") {
        params.body.remove(name);
    }
    Job { params, id: String::new(), filled: Vec::new(), ..job.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::catalog::built_in;
    use crate::domain::decode::{Apps, Decoder, Defaults};
    use crate::domain::rights::Rights;

    fn attendees(id: usize, event: &str, users: std::ops::Range<usize>) -> String {
        let attendees: Vec<_> = users.map(|user| json!({"type": "user", "user_id": format!("ou_{user}")})).collect();
        json!({"id": format!("a-{id}"), "method": "feishu.calendar.event.attendee.create", "app": "acme",
            "path": {"calendar_id": "c", "event_id": event}, "body": {"attendees": attendees}})
        .to_string()
    }

    fn savings(jobs: &[String]) -> Vec<Saving> {
        let catalog = std::sync::Arc::new(built_in().unwrap());
        let rights = std::sync::Arc::new(Rights::default());
        let decoder = Decoder { catalog: std::sync::Arc::clone(&catalog), apps: Apps::Any, rights };
        let mut savings = Savings::default();
        for job in jobs {
            savings.add(&decoder.decode(job.as_bytes(), &Defaults::default()).unwrap(), &catalog);
        }
        savings.end(&catalog)
    }

    #[test]
    fn rows_that_one_call_could_carry_are_counted() {
        let of_event = |event: &str, rows: usize, each: usize| -> Vec<String> {
            (0..rows).map(|row| attendees(row, event, row * each..(row + 1) * each)).collect()
        };
        assert!(savings(&of_event("e", 1, 5)).is_empty(), "alone");
        let found = savings(&[of_event("e", 3, 400), of_event("f", 2, 1)].concat());
        let expected = Saving {
            method: "feishu.calendar.event.attendee.create".to_owned(),
            field: "body.attendees".to_owned(),
            items_max: 1_000,
            rows: 5,
            calls: 3,
        };
        assert_eq!(found, [expected], "1200 people are two calls");
        assert!(savings(&of_event("e", 2, 1_000)).is_empty(), "full rows stay");
    }
}
