//! What is wrong with the rows, what will happen to them, and which repeat or change what is there. Nothing is sent or kept.

use std::cell::RefCell;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::asked::Asked;
use super::findings::Findings;
use super::{apart, find};
use crate::admin::answer::Fault;
use crate::admin::body::Document;
use crate::admin::input::Id;
use crate::admin::{Answer, Shared, answer};
use crate::domain::decode::Decoder;
use crate::domain::difference::Change;
use crate::domain::messages::FileTrouble;
use crate::domain::rows::{Row, RowIds};
use crate::domain::time::Timestamp;
use crate::engine::planner::Planner;
use crate::operations::files::plan::{How, PlannedRows, plan};
use crate::operations::files::{
    Again, Beside, Changed, Checked, Firsts, Memory, Present, RowSource as _, Twin, check as look_through, names,
};
use crate::operations::forecast::Outset;

/// The most rows of a file: more are for the command line, which reads any number.
const ROWS_MAX: u64 = 50_000;

/// Checks and plans.
pub(in crate::admin) async fn check(State(shared): State<Shared>, Id(id): Id, document: Document) -> Answer {
    let mut fields = document.fields()?;
    let asked = Asked::of(&mut fields);
    fields.end()?;
    let upload = find(&shared, &id)?;
    let decoder = (shared.worker.decoder)();
    if asked.resolve {
        super::start::look_up(&shared, &decoder, &asked, &upload).await?;
    }
    let memory = asked.memory(&shared, &decoder, &upload)?;
    let ids = asked.ids(&shared, &decoder);
    let now = shared.now();
    let desk = Desk { shared: Arc::clone(&shared), decoder, now };
    let found = apart(&shared, move || desk.whole(&memory, &ids, &asked)).await?;
    Ok(answer::document(&found))
}

/// Where files are looked through.
pub(super) struct Desk {
    /// The server.
    pub shared: Shared,
    /// How rows are read.
    pub decoder: Arc<Decoder>,
    /// Now.
    pub now: Timestamp,
}

impl Desk {
    /// Everything, as a document.
    fn whole(&self, memory: &Memory, ids: &RowIds, asked: &Asked) -> Result<Value, Fault> {
        let ledger = self.shared.worker.store.untouched()?;
        let catalog = &self.decoder.catalog;
        let seeker = || ledger.as_deref().map(|ledger| ledger.seeker(catalog)).transpose();
        let findings = RefCell::<Findings>::default();
        let mut planned = PlannedRows::new(seeker()?, &self.decoder, asked.allow_duplicates);
        let mut again =
            seeker()?.map(|seeker| Again::new(seeker, &self.decoder, asked.allow_duplicates, asked.on_change));
        let mut wanted = names::Wanted::new();
        let checked = self.through(memory, ids, &findings, &mut |row| {
            planned.add(row);
            names::note(&mut wanted, row, catalog);
            if let Some(again) = &mut again {
                again.look(row);
            }
        })?;
        let planned = planned.end()?;
        let outset = |planner: Arc<Planner>| {
            let engine = &self.shared.worker.engine;
            Outset { planner, limits: engine.limits(), grace: engine.grace(), now: self.now, is_worked: true }
        };
        let quotas = |_: &mut dyn Iterator<Item = &_>| Ok(self.shared.worker.engine.planner());
        let plan = plan::<Fault>(&quotas, &outset, &checked, (&planned, ledger.as_deref()), self.now)?;
        let mut document = json!({
            "rows": checked.rows, "bad_rows": checked.bad_rows, "faults": checked.faults, "warnings": checked.warnings,
            "bad_files": checked.bad_files, "names": wanted.values().map(std::collections::BTreeSet::len).sum::<usize>(),
            "header": self.header(memory),
        });
        findings.into_inner().tell(&mut document);
        let known = plan.repeats.iter().filter(|repeat| repeat.how == How::Known).count();
        document["repeats"] = json!({"known": known});
        let again = again.map(Again::end).transpose()?;
        document["duplicates"] = twins(again.as_ref().map(|again| again.twins.as_slice()).unwrap_or_default());
        document["changed"] = again.map_or_else(|| json!({"count": 0, "rows": []}), |again| changed(&again.changed));
        document["plan"] = short(plan.document());
        Ok(document)
    }

    /// Looks every row through.
    pub(super) fn through(
        &self,
        memory: &Memory,
        ids: &RowIds,
        findings: &RefCell<Findings>,
        each: &mut dyn FnMut(&Row),
    ) -> Result<Checked, Fault> {
        let present = Present::new(Some(self.now), self.shared.worker.store.untouched()?);
        let mut rows = 0;
        let beside = Beside { decoder: &self.decoder, ids, present: &present };
        look_through::<_, Fault>(
            std::slice::from_ref(memory),
            beside,
            &mut names::Leave,
            &mut |finding| {
                findings.borrow_mut().add(finding);
                Ok(())
            },
            &mut |row| {
                rows += 1;
                if rows > ROWS_MAX {
                    return Err(too_many());
                }
                findings.borrow_mut().row(row);
                each(row);
                Ok(())
            },
        )
    }

    fn header(&self, memory: &Memory) -> Vec<String> {
        let Ok(Ok(rows)) = memory.rows(&self.decoder, &RowIds::default()) else { return Vec::new() };
        rows.header().map(<[String]>::to_vec).unwrap_or_default()
    }
}

fn too_many() -> Fault {
    Fault::file(StatusCode::BAD_REQUEST, &FileTrouble::FileTooLong { rows: ROWS_MAX })
}

/// The plan without a line for every row.
fn short(mut plan: Value) -> Value {
    let shown = |rows: &Value| rows.as_array().map(|rows| rows.iter().take(20).cloned().collect::<Vec<_>>());
    for list in ["late", "expiring"] {
        plan[format!("{list}_count")] = json!(plan[list].as_array().map(Vec::len));
        plan[list] = json!(shown(&plan[list]));
    }
    if let Some(plan) = plan.as_object_mut() {
        plan.remove("repeats");
        plan.remove("round_trip_ms");
    }
    plan
}

fn twins(batches: &[(String, Firsts<Twin>)]) -> Value {
    let count: u64 = batches.iter().map(|(_, rows)| rows.count).sum();
    let rows = batches.iter().flat_map(|(_, rows)| &rows.rows).take(50).map(|twin| {
        let earlier = &twin.earlier;
        json!({
            "line": twin.line, "earlier_id": earlier.id, "earlier_batch": earlier.batch,
            "earlier_status": earlier.state, "earlier_key": earlier.key,
        })
    });
    json!({"count": count, "rows": rows.collect::<Vec<_>>()})
}

fn changed(rows: &Firsts<Changed>) -> Value {
    let change = |change: &Change| json!({"field": change.field, "before": change.before, "now": change.now});
    let row = |row: &Changed| {
        let changes: Vec<_> = row.changes.iter().map(change).collect();
        json!({"line": row.line, "id": row.earlier.id, "changes": changes, "why": row.why})
    };
    json!({"count": rows.count, "rows": rows.rows.iter().map(row).collect::<Vec<_>>()})
}
