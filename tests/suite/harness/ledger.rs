//! A ledger in memory, as far as the broker needs one: take-over with ids, and an outbox.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use paceline::domain::job::{Job, LaneKey};
use paceline::domain::outcome::Failure;
use paceline::domain::reason::Reason;
use paceline::domain::time::Timestamp;
use paceline::engine::ports::{
    Arrival, BATCH_COMPLETED, Delivered, Ending, Intake, JobSeq, Label, LedgerError, Origin, Outbox, Outgoing, Reached,
    TakenOver, Waiting,
};
use serde_json::json;
use tokio::sync::Notify;

/// When everything here ends.
const FINISHED_AT: &str = "2026-11-21T08:00:00.123Z";

#[derive(Default)]
pub(crate) struct MemoryLedger {
    books: Mutex<Books>,
    /// While set, every write is refused as on a full disk.
    pub full: AtomicBool,
    /// Woken by every new row of the outbox.
    pub changed: Notify,
}

#[derive(Default)]
struct Books {
    jobs: Vec<(Job, Origin)>,
    by_id: HashMap<String, usize>,
    /// Endings by job, for a job that comes again.
    ended: HashMap<usize, Ending>,
    outbox: BTreeMap<i64, (Ending, Reached)>,
    outbox_next: i64,
    take_overs: usize,
    arrivals: usize,
    ways: Vec<Option<Delivered>>,
    published: usize,
    reads_from_start: usize,
    refused_again: usize,
}

impl Books {
    fn put_out(&mut self, ending: Ending) {
        self.outbox_next += 1;
        self.outbox.insert(self.outbox_next, (ending, Reached::default()));
    }

    fn rows(&self, after: i64, limit: usize, aside: bool) -> Vec<Outgoing> {
        let rows = self.outbox.range(after + 1..).filter(|(_, (_, reached))| reached.is_aside() == aside);
        let row = |(&seq, (ending, reached)): (&i64, &(Ending, Reached))| Outgoing {
            seq,
            ending: ending.clone(),
            reached: *reached,
        };
        rows.take(limit).map(row).collect()
    }

    fn take(&mut self, arrival: Arrival) -> TakenOver {
        let job = match arrival.input {
            Ok(job) => *job,
            Err(rejection) => {
                let failure = Failure { detail: rejection.detail(), ..Failure::default() };
                let reason = rejection.reason();
                let reply_to = arrival.origin.amqp.as_ref().and_then(|amqp| amqp.reply_to.clone());
                self.put_out(ending(rejection.id.as_deref(), Some(reason), failure, arrival.origin, reply_to, None));
                return TakenOver::Rejected;
            }
        };
        if let Some(&at) = self.by_id.get(&job.id) {
            return match self.ended.get(&at).cloned() {
                None => TakenOver::Known,
                Some(dead) if dead.reason.is_some() => {
                    self.ended.remove(&at);
                    self.jobs[at].1 = arrival.origin;
                    TakenOver::Queued(waiting(at, &job))
                }
                Some(result) => {
                    self.put_out(result);
                    TakenOver::Succeeded
                }
            };
        }
        let at = self.jobs.len();
        self.by_id.insert(job.id.clone(), at);
        let waiting = waiting(at, &job);
        self.jobs.push((job, arrival.origin));
        TakenOver::Queued(waiting)
    }
}

fn waiting(at: usize, job: &Job) -> Waiting {
    Waiting {
        seq: JobSeq(i64::try_from(at).unwrap()),
        lane: job.lane.clone(),
        batch: "".into(),
        priority: job.priority,
        not_before: None,
        not_after: None,
        attempts: 0,
        uncertain: false,
    }
}

fn ending(
    id: Option<&str>,
    reason: Option<Reason>,
    failure: Failure,
    origin: Origin,
    reply_to: Option<String>,
    lane: Option<&LaneKey>,
) -> Ending {
    let status = if reason.is_some() { "dead" } else { "succeeded" };
    let app = lane.map_or("", |lane| &lane.app);
    let method = lane.map_or("", |lane| &lane.method);
    Ending {
        document: json!({"id": id, "app": app, "method": method, "status": status, "detail": failure.detail,
            "finished_at": FINISHED_AT})
        .to_string()
        .into(),
        label: Label {
            id: id.map(str::to_owned),
            method: Some(method.to_owned()),
            app: Some(app.to_owned()),
            ended_at: Timestamp::parse(FINISHED_AT).ok(),
        },
        reason,
        failure,
        attempts: u32::from(lane.is_some()),
        raw: origin.raw,
        amqp: origin.amqp.unwrap_or_default(),
        reply_to,
        routing_key: format!("{app}.{method}"),
    }
}

impl MemoryLedger {
    /// Ends a job well, or with a reason.
    pub(crate) fn end(&self, seq: JobSeq, dead: Option<(Reason, Failure)>) {
        {
            let mut books = self.books.lock().unwrap();
            let at = usize::try_from(seq.0).unwrap();
            let (job, origin) = books.jobs[at].clone();
            let (reason, failure) =
                dead.map_or((None, Failure::default()), |(reason, failure)| (Some(reason), failure));
            let ending = ending(Some(&job.id), reason, failure, origin, job.reply_to.clone(), Some(&job.lane));
            books.ended.insert(at, ending.clone());
            books.put_out(ending);
        }
        self.changed.notify_one();
    }

    /// Tells of a batch's end.
    pub(crate) fn complete(&self, batch: &str) {
        let document = json!({"event": BATCH_COMPLETED, "batch": batch, "finished_at": FINISHED_AT});
        let ending = ending(Some(batch), None, Failure::default(), Origin::default(), None, None);
        let event = Ending { document: document.to_string().into(), routing_key: BATCH_COMPLETED.to_owned(), ..ending };
        self.books.lock().unwrap().put_out(event);
        self.changed.notify_one();
    }

    /// The ids taken over, in order.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.books.lock().unwrap().jobs.iter().map(|(job, _)| job.id.clone()).collect()
    }

    /// Jobs known.
    pub(crate) fn jobs(&self) -> usize {
        self.books.lock().unwrap().jobs.len()
    }

    /// A job and where it came from.
    pub(crate) fn job_of(&self, id: &str) -> (Job, Origin) {
        let books = self.books.lock().unwrap();
        books.jobs[books.by_id[id]].clone()
    }

    /// Messages that arrived, known ones included.
    pub(crate) fn arrivals(&self) -> usize {
        self.books.lock().unwrap().arrivals
    }

    /// How each message came, where that is kept.
    pub(crate) fn ways(&self) -> Vec<Option<Delivered>> {
        self.books.lock().unwrap().ways.clone()
    }

    /// Transactions that took something over.
    pub(crate) fn take_overs(&self) -> usize {
        self.books.lock().unwrap().take_overs
    }

    /// Rows not yet published.
    pub(crate) fn unpublished(&self) -> usize {
        self.books.lock().unwrap().outbox.len()
    }

    /// Rows that wait for a subscriber alone.
    pub(crate) fn aside(&self) -> usize {
        self.books.lock().unwrap().outbox.values().filter(|(_, reached)| reached.is_aside()).count()
    }

    /// How often such a row was refused once more.
    pub(crate) fn refused_again(&self) -> usize {
        self.books.lock().unwrap().refused_again
    }

    /// How often the outbox was read from its first row.
    pub(crate) fn reads_from_start(&self) -> usize {
        self.books.lock().unwrap().reads_from_start
    }

    /// Rows forgotten after their publication.
    pub(crate) fn published(&self) -> usize {
        self.books.lock().unwrap().published
    }

    fn writable(&self) -> Result<(), LedgerError> {
        if self.full.load(Ordering::SeqCst) { Err(LedgerError::Full("disk quota".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl Intake for MemoryLedger {
    async fn take_over(&self, arrivals: Vec<Arrival>, _now: Timestamp) -> Result<Vec<TakenOver>, LedgerError> {
        self.writable()?;
        let taken = {
            let mut books = self.books.lock().unwrap();
            books.take_overs += 1;
            books.arrivals += arrivals.len();
            let way = |arrival: &Arrival| arrival.origin.amqp.as_ref().and_then(|amqp| amqp.delivered.clone());
            books.ways.extend(arrivals.iter().map(way));
            arrivals.into_iter().map(|arrival| books.take(arrival)).collect()
        };
        self.changed.notify_one();
        Ok(taken)
    }
}

#[async_trait]
impl Outbox for MemoryLedger {
    async fn claim(&self, after: i64, limit: usize) -> Result<Vec<Outgoing>, LedgerError> {
        let mut books = self.books.lock().unwrap();
        books.reads_from_start += usize::from(after == 0);
        Ok(books.rows(after, limit, false))
    }

    async fn claim_aside(&self, limit: usize) -> Result<Vec<Outgoing>, LedgerError> {
        let mut rows = self.books.lock().unwrap().rows(0, usize::MAX, true);
        rows.sort_by_key(|row| (row.reached.number(), row.seq));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn extend(&self, _seqs: Vec<i64>) -> Result<(), LedgerError> {
        self.writable()
    }

    async fn reached(&self, rows: Vec<(i64, Reached)>) -> Result<(), LedgerError> {
        self.writable()?;
        let mut books = self.books.lock().unwrap();
        for (seq, reached) in rows {
            let row = books.outbox.get_mut(&seq).unwrap();
            let is_again = row.1.is_aside() && reached.is_aside();
            row.1 = reached;
            books.refused_again += usize::from(is_again);
        }
        Ok(())
    }

    async fn done(&self, seqs: Vec<i64>) -> Result<(), LedgerError> {
        self.writable()?;
        let mut books = self.books.lock().unwrap();
        for seq in seqs {
            assert!(books.outbox.remove(&seq).is_some(), "row {seq} was forgotten twice");
            books.published += 1;
        }
        Ok(())
    }
}

/// A ledger to be shared.
pub(crate) fn in_memory() -> Arc<MemoryLedger> {
    Arc::new(MemoryLedger::default())
}
