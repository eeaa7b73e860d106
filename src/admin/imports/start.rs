//! The rows of a file become jobs, as those of `paceline submit` do: all of them, or none if any must not be sent.

use std::cell::RefCell;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;
use tokio::sync::mpsc::{Sender, channel};
use tracing::info;

use super::asked::Asked;
use super::check::Desk;
use super::held::Upload;
use super::{apart, find};
use crate::admin::actor::Actor;
use crate::admin::answer::Fault;
use crate::admin::body::Document;
use crate::admin::change::to_its_end;
use crate::admin::input::Id;
use crate::admin::{Answer, Shared, answer};
use crate::domain::activity::{Action, By, Facts};
use crate::domain::decode::Decoder;
use crate::domain::find::Answer as Name;
use crate::domain::messages::{RowsCure, RowsNotSent};
use crate::domain::rows::RowIds;
use crate::engine::ports::{Arrival, TakenOver};
use crate::operations::files::names::{Asker, not_read, wanted};
use crate::operations::files::{Again, Arrivals, Changes, Checked, Memory, Next, OnChange, Taken};

/// Rows in one transaction.
const CHUNK_ROWS: usize = 500;

/// Some rows on their way, and how many of those before needed nothing.
type Chunk = (Vec<Arrival>, u64);

/// Starts them.
pub(in crate::admin) async fn start(
    State(shared): State<Shared>,
    actor: Actor,
    Id(id): Id,
    document: Document,
) -> Answer {
    let mut fields = document.fields()?;
    let asked = Asked::of(&mut fields);
    fields.end()?;
    let upload = find(&shared, &id)?;
    let by = actor.by();
    to_its_end(async move {
        let decoder = (shared.worker.decoder)();
        look_up(&shared, &decoder, &asked, &upload).await?;
        let memory = asked.memory(&shared, &decoder, &upload)?;
        let (desk, ids) = (
            Desk { shared: Arc::clone(&shared), decoder, now: shared.now() },
            [asked.ids(&shared, &(shared.worker.decoder)()), asked.ids(&shared, &(shared.worker.decoder)())],
        );
        let (give, mut take) = channel(1);
        let reading = apart(&shared, move || desk.send(&memory, ids, &asked, by, &give));
        let taking = async {
            let mut taken = Taken::default();
            while let Some((chunk, settled)) = take.recv().await {
                taken.succeeded += settled;
                taken.add(&take_over(&shared, chunk).await?);
            }
            Ok::<_, Fault>(taken)
        };
        let (batches, taken) = tokio::try_join!(reading, taking)?;
        info!(file = upload.name, queued = taken.queued, rejected = taken.rejected, "a file was imported over HTTP");
        let mut answer = json!(taken);
        answer["batches"] = json!(batches);
        Ok(answer::document(&answer))
    })
    .await
}

async fn take_over(shared: &Shared, chunk: Vec<Arrival>) -> Result<Vec<TakenOver>, Fault> {
    if chunk.is_empty() {
        return Ok(Vec::new());
    }
    let outcomes = shared.worker.intake.take_over(chunk, shared.now()).await?;
    let queued = outcomes.iter().filter_map(|outcome| match outcome {
        TakenOver::Queued(waiting) => Some(waiting.clone()),
        TakenOver::Blocked | TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected => None,
    });
    shared.worker.engine.enqueue(queued.collect());
    Ok(outcomes)
}

/// Looks the names of the rows up, those that nobody has looked up yet, and keeps what there is with the file.
pub(super) async fn look_up(
    shared: &Shared,
    decoder: &Arc<Decoder>,
    asked: &Asked,
    upload: &Arc<Upload>,
) -> Result<(), Fault> {
    // What was not there a moment ago may be there now.
    upload.names().retain(|_, answer| matches!(answer, Name::Is(_)));
    let memory = asked.memory(shared, decoder, upload)?;
    let (ids, of) = (asked.ids(shared, decoder), Arc::clone(decoder));
    let mut names = apart(shared, move || wanted::<_, Fault>(&[memory], &of, &ids)).await?;
    names.retain(|_, names| !names.is_empty());
    if names.is_empty() {
        return Ok(());
    }
    let engine = Arc::clone(&shared.worker.engine);
    // A task of its own: who goes away in the middle of a call must not leave its record open.
    let asking = tokio::spawn(async move { Asker::new(&engine).all(&names).await });
    let asked = asking.await;
    let (found, unfound) =
        asked.map_err(|error| Fault::unavailable(error.to_string(), "the worker's log says more"))?;
    upload.names().extend(found);
    if unfound.is_empty() {
        return Ok(());
    }
    let causes = not_read(&unfound, &decoder.catalog);
    Err(Fault::not_sent(StatusCode::CONFLICT, &RowsNotSent::NamesNotKnown { causes }, None))
}

impl Desk {
    /// Reads the rows twice: once to find what must not be sent, once to send them. Gives their batches.
    fn send(
        &self,
        memory: &Memory,
        [first, second]: [RowIds; 2],
        asked: &Asked,
        by: By,
        give: &Sender<Chunk>,
    ) -> Result<Vec<String>, Fault> {
        let (mut checked, mut changes) = self.judge(memory, &first, asked)?;
        changes.leave_out(std::mem::take(&mut checked.never));
        changes.add_to(&mut checked);
        let mut operator = self.shared.worker.store.commands()?;
        operator.act_as(by);
        changes.supersede::<Fault>(&mut *operator, self.now)?;
        let facts = Facts::default().list("files", [memory.input.name.as_str()]);
        let deed = Arc::new(operator.deed(Action::Submit, facts));
        let sources = std::slice::from_ref(memory);
        let mut arrivals =
            Arrivals::new(sources, (&self.decoder, second), (asked.skip_invalid, &changes), (operator, deed));
        let (mut chunk, mut settled) = (Vec::new(), 0);
        let stopped = || {
            Fault::not_sent(
                StatusCode::SERVICE_UNAVAILABLE,
                &RowsNotSent::WorkerStopping,
                Some(&RowsCure::StartFileAgain),
            )
        };
        while let Some(next) = arrivals.next::<Fault>(self.now)? {
            match next {
                Next::Settled => settled += 1,
                Next::Arrival(arrival) => chunk.push(*arrival),
            }
            if chunk.len() == CHUNK_ROWS {
                give.blocking_send((std::mem::take(&mut chunk), settled)).map_err(|_| stopped())?;
                settled = 0;
            }
        }
        give.blocking_send((chunk, settled)).map_err(|_| stopped())?;
        Ok(checked.batches)
    }

    /// What becomes of changed rows, unless something must not be sent.
    fn judge(&self, memory: &Memory, ids: &RowIds, asked: &Asked) -> Result<(Checked, Changes), Fault> {
        let ledger = self.shared.worker.store.untouched()?;
        let seeker = ledger.as_deref().map(|ledger| ledger.seeker(&self.decoder.catalog)).transpose()?;
        let mut again = seeker.map(|seeker| Again::new(seeker, &self.decoder, asked.allow_duplicates, asked.on_change));
        let findings = RefCell::default();
        let checked = self.through(memory, ids, &findings, &mut |row| {
            if let Some(again) = &mut again {
                again.look(row);
            }
        })?;
        let refuse = |why: &RowsNotSent, cure| Err(Fault::not_sent(StatusCode::CONFLICT, why, cure));
        if checked.bad_files > 0 {
            return refuse(&RowsNotSent::FileCutShort, Some(&RowsCure::SeeCheck));
        }
        if checked.faults > 0 && !asked.skip_invalid {
            let (bad, rows) = (checked.bad_rows, checked.rows);
            return refuse(&RowsNotSent::RowsWithFaults { bad, rows }, Some(&RowsCure::CorrectOrSkip));
        }
        if checked.rows == 0 {
            return refuse(&RowsNotSent::NoJobInFile, None);
        }
        let Some(again) = again.map(Again::end).transpose()? else { return Ok((checked, Changes::default())) };
        let twins: u64 = again.twins.iter().map(|(_, rows)| rows.count).sum();
        if twins > 0 {
            return refuse(&RowsNotSent::RowsCreateAgain { rows: twins }, Some(&RowsCure::TakeOutOrAllow));
        }
        let (changed, impossible) = (again.changed.count, again.impossible.count);
        if changed > 0 && asked.on_change == OnChange::Stop {
            return refuse(&RowsNotSent::RowsChanged { rows: changed }, Some(&RowsCure::KeepOrUpdate));
        }
        if impossible > 0 {
            return refuse(&RowsNotSent::ChangesNotSendable { rows: impossible }, Some(&RowsCure::PutRowsBack));
        }
        Ok((checked, again.changes))
    }
}
