//! One job: what it says, how it stands and why, and its attempts.

use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};

use super::answer::{self, Fault};
use super::input::{Fields, Id};
use super::{Answer, Shared, forecast, jobs};
use crate::domain::job::{Job, LaneKey};
use crate::domain::mask;
use crate::engine::Engine;
use crate::engine::forecast::Forecast;
use crate::engine::planner::Planner;
use crate::engine::ports::LedgerError;
use crate::engine::why::{Asked, Why, explain, gather};
use paceline_ports::operator::{JobSheet, Outlook, Rejected, Reports};

/// What is read of one job at a time.
struct Found {
    sheet: JobSheet,
    /// What it says, or why that cannot be read.
    job: Result<Option<Job>, LedgerError>,
    why: Why,
}

/// One job.
pub(super) async fn show(State(shared): State<Shared>, Id(id): Id, uri: Uri) -> Answer {
    Fields::of_query(uri.query()).end()?;
    let (engine, cached) = (shared.worker.engine.clone(), shared.forecast.glance(&shared.worker.engine));
    let sought = id.clone();
    let read = move |ledger: &dyn Reports| {
        let Some(sheet) = ledger.show_job(&sought)? else { return Ok(Err(ledger.rejection_of(&sought)?)) };
        let why = why(ledger, &sheet, &engine, cached.as_deref())?;
        Ok(Ok(Found { job: ledger.job(&sought), sheet, why }))
    };
    match shared.books.read(read).await? {
        Ok(found) => Ok(answer::document(&document(&found, &shared.worker.engine.planner()))),
        Err(rejection) => Err(unknown(&id, rejection)),
    }
}

/// The job with the id `cancel`, at whose address others are cancelled.
pub(super) async fn show_cancel(shared: State<Shared>, uri: Uri) -> Answer {
    show(shared, Id("cancel".to_owned()), uri).await
}

fn unknown(id: &str, rejection: Option<Rejected>) -> Fault {
    let Some(Rejected { number, reason, detail }) = rejection else {
        return jobs::unknown(id);
    };
    let error = format!("{id:?} never became a job, {reason}: {detail}");
    Fault::unknown(error, format!("`paceline dead show '#{number}'` shows the input"))
}

/// Why it waits or how it ended. What the engine holds back it tells itself; the ledger tells of calls, jobs that go
/// first and the job.
fn why(
    ledger: &dyn Reports,
    sheet: &JobSheet,
    engine: &Engine,
    cached: Option<&forecast::Cached>,
) -> Result<Why, LedgerError> {
    let (planner, now) = (engine.planner(), engine.clock().now());
    let text = |field: &str| sheet.line.document[field].as_str().unwrap_or_default().to_owned();
    let lane = LaneKey { app: text("app"), tenant: text("tenant"), method: text("method") };
    let is_queued = text("status") == "queued" && !sheet.line.running;
    let plan = planner.plan(&lane).filter(|_| is_queued);
    let has_budgets = plan.as_ref().is_some_and(|plan| !plan.budgets.is_empty());
    let called = if has_budgets { ledger.called()? } else { Vec::new() };
    let quotas = plan.map(|plan| plan.quotas).unwrap_or_default();
    let shares_quota = |other: &LaneKey| {
        let theirs = planner.plan(other).map(|plan| plan.quotas).unwrap_or_default();
        theirs.iter().any(|(key, _)| quotas.iter().any(|(own, _)| own == key))
    };
    let past = ledger.past_of(&|other| shares_quota(other).then(|| now - planner.span_of(other)))?;
    let (suspensions, restraints) = (engine.view().suspensions, engine.restraints());
    let outlook = Outlook { past, called, suspensions, restraints, ..Outlook::default() };
    let forecast: Option<&Forecast> = cached.map(|cached| &cached.forecast);
    let asked = Asked { planner: &planner, outlook: &outlook, forecast, grace: engine.grace(), now };
    Ok(explain(&gather(ledger, sheet, &asked)?))
}

fn document(found: &Found, planner: &Planner) -> Value {
    let mut document = jobs::line(&found.sheet.line, planner);
    let method = found.sheet.line.document["method"].as_str().and_then(|method| planner.catalog.method(method));
    let hidden = match &found.job {
        Ok(Some(job)) => {
            document["identity"] = json!(job.identity.to_string());
            document["reply_to"] = json!(job.reply_to);
            (document["after"], document["filled"]) = (json!(job.after), json!(job.taken()));
            let method = method.map(AsRef::as_ref);
            match mask::visible(&job.clone().with_values(method), method) {
                Some(params) => {
                    document["path"] = Value::Object(params.path);
                    document["query"] = Value::Object(params.query);
                    document["body"] = Value::Object(params.body);
                    None
                }
                None => Some("a parameter is sensitive, and the catalog does not say (any more) which".to_owned()),
            }
        }
        Ok(None) => Some("the job was forgotten a moment ago".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    document["parameters_hidden"] = json!(hidden);
    document["why"] = json!(found.why);
    document["history"] = json!(found.sheet.history);
    document
}
