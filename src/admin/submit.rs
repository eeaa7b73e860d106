//! Jobs that come over HTTP: validated as those of the broker are, and in the ledger before they are answered.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tracing::info;

use super::actor::Actor;
use super::answer::{self, Fault};
use super::body::Document;
use super::change::to_its_end;
use super::input::{Fields, kind};
use super::{Answer, Shared, Worker};
use crate::domain::activity::{Action, Deed, Facts};
use crate::domain::checks::{Finding, Source};
use crate::domain::decode::{Decoder, Defaults};
use crate::domain::job::{Fault as JobFault, Job, Rejection};
use crate::domain::reason::Reason;
use crate::engine::ports::{Arrival, Origin, TakenOver};
use paceline_ports::operator::{Reports, Selection, Sought};

/// Jobs in one request.
const JOBS_MAX: usize = 1_000;

/// The field that holds the list of jobs.
const JOBS: &str = "jobs";
/// Duplicates that are told in one answer.
const DUPLICATES_MAX: usize = 20;

/// Takes jobs over. If one would create again what is there, none is taken, unless that is allowed. One that is refused does not stop the others, and is no dead letter: who sent it is told.
pub(super) async fn submit(State(shared): State<Shared>, actor: Actor, document: Document) -> Answer {
    let decoder = (shared.worker.decoder)();
    let (read, allow_duplicates) = read(&decoder, document)?;
    let jobs: Vec<Job> = read.iter().filter_map(|(job, _)| job.as_ref().ok()).cloned().collect();
    let ids = jobs.iter().map(|job| job.id.as_str());
    let by = Arc::new(Deed { by: actor.by(), action: Action::Submit, facts: Facts::ids(ids) });
    if !allow_duplicates && !jobs.is_empty() {
        refuse_duplicates(&shared, &decoder, jobs).await?;
    }
    to_its_end(async move {
        let mut submitted = Submitted::default();
        let (mut places, mut arrivals) = (Vec::new(), Vec::new());
        for (index, (read, warnings)) in read.into_iter().enumerate() {
            match read {
                Ok(job) => {
                    submitted.warn(index, &job.id, &warnings);
                    places.push((index, job.id.clone()));
                    let origin = Origin { is_answered: true, by: Some(Arc::clone(&by)), ..Origin::default() };
                    arrivals.push(Arrival { input: Ok(Box::new(job)), origin });
                }
                Err(rejection) => {
                    submitted.refuse(
                        index,
                        rejection.id.as_deref(),
                        rejection.reason(),
                        &rejection.detail().to_string(),
                    );
                }
            }
        }
        let Worker { engine, intake, .. } = &*shared.worker;
        let taken = if arrivals.is_empty() { Vec::new() } else { intake.take_over(arrivals, shared.now()).await? };
        let mut queued = Vec::new();
        for ((index, id), taken) in places.into_iter().zip(taken) {
            match taken {
                TakenOver::Queued(waiting) => {
                    queued.push(waiting);
                    submitted.accepted.push(id);
                }
                TakenOver::Blocked => submitted.accepted.push(id),
                TakenOver::Known | TakenOver::Succeeded => submitted.known.push(id),
                TakenOver::Rejected => submitted.refuse(index, Some(&id), Reason::IdConflict, &conflict(&id)),
            }
        }
        engine.enqueue(queued);
        submitted.answer(&shared).await
    })
    .await
}

fn conflict(id: &str) -> String {
    format!(
        "the id {id:?} belongs to another job: its method, app, tenant, identity or parameters differ; that job is \
         untouched"
    )
}

/// A job or why it is none, and what a person should look at.
type Read = (Result<Job, Rejection>, Vec<Finding>);

/// Refuses the whole request if a job would create again what a job of another id created or is about to create.
async fn refuse_duplicates(shared: &Shared, decoder: &Arc<Decoder>, jobs: Vec<Job>) -> Result<(), Fault> {
    let catalog = Arc::clone(&decoder.catalog);
    let seek = move |ledger: &dyn Reports| {
        let seeker = ledger.seeker(&catalog)?;
        let (mut told, mut count) = (Vec::new(), 0);
        for job in &jobs {
            let (_, twin) = seeker.seek(Sought { job, is_row: false, by_content: false })?;
            let Some(twin) = twin else { continue };
            count += 1;
            if told.len() < DUPLICATES_MAX {
                told.push(json!({
                    "id": job.id, "earlier_id": twin.id, "earlier_batch": twin.batch, "earlier_status": twin.state,
                    "earlier_key": twin.key,
                }));
            }
        }
        Ok((told, count))
    };
    let (told, count) = shared.books.read(seek).await?;
    if count == 0 {
        return Ok(());
    }
    let jobs = if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") };
    let error =
        format!("{jobs} would create again what jobs of other ids created or are about to create; none was accepted");
    let cure = "leave them out, or create them once more with {\"jobs\": […], \"allow_duplicates\": true}";
    Err(Fault::conflict(error, cure).with_duplicates(told, count))
}

/// What a request may be: one job, a list of jobs, or an object that holds the list and says more.
type Body = (Vec<Read>, bool);

/// Every job, or why it is none, and whether duplicates are allowed.
fn read(decoder: &Arc<Decoder>, document: Document) -> Result<Body, Fault> {
    let Document { value, twice } = document;
    if !value.get(JOBS).is_some_and(Value::is_array) {
        return Ok((read_list(decoder, value, &twice, "")?, false));
    }
    let Value::Object(object) = value else { return Ok((Vec::new(), false)) };
    let mut fields = Fields::of_object(object, "");
    for name in twice.iter().filter(|name| !name.starts_with("jobs[")) {
        fields.fault(name, "appears more than once");
    }
    let allow_duplicates = fields.flag("allow_duplicates");
    let jobs = fields.value(JOBS).unwrap_or_default();
    fields.end()?;
    Ok((read_list(decoder, jobs, &twice, JOBS)?, allow_duplicates))
}

/// `twice` names the keys that the body has more than once, those of the list under `prefix`.
fn read_list(decoder: &Arc<Decoder>, value: Value, twice: &[String], prefix: &str) -> Result<Vec<Read>, Fault> {
    let Value::Array(jobs) = value else { return Ok(vec![read_one(decoder, value, twice)]) };
    if jobs.len() > JOBS_MAX {
        let error = format!("the body holds {} jobs, and {JOBS_MAX} are the most", jobs.len());
        return Err(Fault::new(StatusCode::BAD_REQUEST, error, "send them in several requests"));
    }
    let of_one = |index: usize| {
        let place = format!("{prefix}[{index}].");
        twice.iter().filter_map(|name| name.strip_prefix(&place).map(str::to_owned)).collect::<Vec<_>>()
    };
    Ok(jobs.into_iter().enumerate().map(|(index, job)| read_one(decoder, job, &of_one(index))).collect())
}

fn read_one(decoder: &Decoder, job: Value, twice: &[String]) -> Read {
    // What it says is not told: it may be a job in quotes, with its password.
    let what = kind(&job);
    if let Value::Object(document) = job {
        let mut warnings = Vec::new();
        let read = decoder.judge(document, twice, &Defaults::default(), Source::Document, &mut warnings);
        return (read, warnings);
    }
    let fault = JobFault::malformed("", format!("expected a JSON object, got {what}"));
    (Err(Rejection { faults: vec![fault], ..Rejection::default() }), Vec::new())
}

#[derive(Default)]
struct Submitted {
    accepted: Vec<String>,
    known: Vec<String>,
    refused: Vec<Value>,
    warnings: Vec<Value>,
}

impl Submitted {
    fn refuse(&mut self, index: usize, id: Option<&str>, reason: Reason, detail: &str) {
        self.refused.push(json!({"index": index, "id": id, "reason": reason, "detail": detail}));
    }

    fn warn(&mut self, index: usize, id: &str, found: &[Finding]) {
        self.warnings.extend(found.iter().map(
            |finding| json!({"index": index, "id": id, "field": finding.field, "message": finding.check.message()}),
        ));
    }

    async fn answer(mut self, shared: &Shared) -> Answer {
        // Conflicts are found later than faults.
        self.refused.sort_by_key(|refused| refused["index"].as_u64());
        info!(
            accepted = self.accepted.len(),
            known = self.known.len(),
            refused = self.refused.len(),
            "jobs were submitted over HTTP"
        );
        let mut statuses = HashMap::new();
        if !self.known.is_empty() {
            let selection = Selection { ids: self.known.clone(), ..Selection::default() };
            for line in shared.books.read(move |ledger| ledger.list_jobs(&selection, 0, JOBS_MAX)).await? {
                let id = line.document["id"].as_str().unwrap_or_default().to_owned();
                statuses.insert(id, line.document["status"].clone());
            }
        }
        let known = self.known.iter().map(|id| json!({"id": id, "status": statuses.get(id)}));
        Ok(answer::document(&json!({
            "accepted": self.accepted, "known": known.collect::<Vec<_>>(), "refused": self.refused,
            "warnings": self.warnings,
        })))
    }
}
