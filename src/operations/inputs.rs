//! Inputs that never became jobs, read again: an app or a method may be there now, or a person has corrected them.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::still_dead::StillDead;
use crate::domain::activity::{Action, Facts};
use crate::domain::decode::{Decoder, Defaults};
use crate::domain::job::{Fault, Job};
use crate::domain::json;
use crate::domain::reason::Reason;
use crate::domain::rights::Sender;
use crate::domain::time::Timestamp;
use crate::engine::ports::{Arrival, JobSeq, LedgerError, Origin, Store, TakenOver};
use paceline_ports::operator::{Commands, Connect, Letter, RejectedInput, Reports};

/// Reads inputs, and hands those that are jobs now to the ledger.
pub struct Inputs {
    /// How jobs are read.
    pub decoder: Decoder,
    store: Arc<dyn Connect>,
    intake: Option<Arc<dyn Store>>,
}

/// An input, and the document that it holds.
type Document = (RejectedInput, Map<String, Value>);

/// What became of an input.
pub enum Again {
    /// It is a job now.
    Queued(JobSeq),
    /// It is a job that waits for others.
    Blocked,
    /// Its job was known already.
    Known,
    /// It is no job yet, and why.
    Refused(StillDead),
}

impl Inputs {
    /// With the apps and methods that `decoder` knows, for this store.
    pub const fn new(decoder: Decoder, store: Arc<dyn Connect>) -> Self {
        Self { decoder, store, intake: None }
    }

    /// The letter's job, or why it still is none.
    pub fn read(
        &self,
        operator: &dyn Reports,
        letter: &Letter,
    ) -> Result<Result<(RejectedInput, Job), StillDead>, LedgerError> {
        let Some(input) = operator.rejected_input(letter)? else { return Ok(Err(StillDead::Gone)) };
        if is_of_csv(&input) && !matches!(letter.reason, Reason::UnknownApp | Reason::UnknownMethod) {
            // What was wrong with a cell may not stand in the document that was made of the row.
            return Ok(Err(StillDead::Row(input.detail)));
        }
        let job = match self.decoder.decode(&input.origin.raw, &defaults_of(&input)) {
            Ok(job) => job,
            Err(rejection) => return Ok(Err(StillDead::Invalid(rejection.faults))),
        };
        refuse_conflict(operator, input, job)
    }

    /// What is wrong with an input, field by field, with the apps and methods of now; nothing if it only is in conflict
    /// with another, or would be a job now.
    pub fn faults(&self, input: &RejectedInput) -> Vec<Fault> {
        let read = self.decoder.decode(&input.origin.raw, &defaults_of(input));
        read.err().map(|rejection| rejection.faults).unwrap_or_default()
    }

    /// The letter's document, to be edited, with what stands in for its absent fields.
    pub fn document(operator: &dyn Reports, letter: &Letter) -> Result<Result<Document, StillDead>, LedgerError> {
        let Some(input) = operator.rejected_input(letter)? else { return Ok(Err(StillDead::Gone)) };
        if is_of_csv(&input) {
            return Ok(Err(StillDead::RowOfFile));
        }
        Ok(match json::parse(&input.origin.raw) {
            Ok((Value::Object(document), twice)) if twice.is_empty() => Ok((input, document)),
            _ => Err(StillDead::NoObject),
        })
    }

    /// The job of an edited document, or what is wrong with it.
    pub fn read_edited(
        &self,
        operator: &dyn Reports,
        input: RejectedInput,
        document: Map<String, Value>,
    ) -> Result<Result<(RejectedInput, Job), StillDead>, LedgerError> {
        match self.decoder.read(document, &[], &defaults_of(&input)) {
            Ok(job) => refuse_conflict(operator, input, job),
            Err(rejection) => Ok(Err(StillDead::Invalid(rejection.faults))),
        }
    }

    /// Hands the job to the ledger; its dead letter is over.
    pub async fn take_over(
        &mut self,
        operator: &mut dyn Commands,
        letter: &Letter,
        (input, job): (RejectedInput, Job),
        (action, now): (Action, Timestamp),
    ) -> Result<Again, LedgerError> {
        let intake = match &mut self.intake {
            Some(intake) => intake,
            none => none.insert(self.store.intake(now)?),
        };
        let by = operator.deed(action, Facts::ids([letter.handle.as_str()]));
        let origin = Origin { by: Some(Arc::new(by)), ..input.origin };
        let arrival = Arrival { input: Ok(Box::new(job)), origin };
        let again = match intake.take_over(vec![arrival], now).await?.pop() {
            Some(TakenOver::Queued(waiting)) => Again::Queued(waiting.seq),
            Some(TakenOver::Blocked) => Again::Blocked,
            Some(TakenOver::Known | TakenOver::Succeeded) => Again::Known,
            Some(TakenOver::Rejected) | None => Again::Refused(StillDead::IdTaken),
        };
        // A rejection of the very same input stands in its place.
        operator.replaced(letter)?;
        Ok(again)
    }

    /// Lets go of the ledger.
    pub async fn close(self) {
        if let Some(intake) = self.intake {
            intake.close().await;
        }
    }
}

/// Taken over, it would only become a second dead letter.
fn refuse_conflict(
    operator: &dyn Reports,
    input: RejectedInput,
    job: Job,
) -> Result<Result<(RejectedInput, Job), StillDead>, LedgerError> {
    if operator.is_conflict(&job.id, job.content_hash())? {
        return Ok(Err(StillDead::IdTaken));
    }
    Ok(Ok((input, job)))
}

const fn is_of_csv(input: &RejectedInput) -> bool {
    input.origin.cells.is_some()
}

fn defaults_of(input: &RejectedInput) -> Defaults {
    // Whoever redrives has every right, and may not know that the publisher had none.
    let sender = input.origin.amqp.as_ref().map(|amqp| Sender { user_id: amqp.user_id.clone() });
    let amqp = input.origin.amqp.clone().unwrap_or_default();
    Defaults {
        id: amqp.message_id.filter(|id| !id.is_empty()).or_else(|| input.id.clone()),
        method: amqp.kind.filter(|kind| !kind.is_empty()).or_else(|| input.method.clone()),
        app: amqp.app_id.filter(|app| !app.is_empty()).or_else(|| input.app.clone()),
        batch: input.batch.clone(),
        priority: amqp.priority,
        reply_to: amqp.reply_to.filter(|queue| !queue.is_empty()),
        sender,
        is_filed: false,
    }
}
