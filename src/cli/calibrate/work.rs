//! Carries a calibration out: makes the objects, asks about them, and deletes them from the last to the first.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::cli::context::Context;
use crate::cli::exit::refuse;
use crate::cli::signals;
use crate::domain::activity::{Action, Deed};
use crate::domain::catalog::{Catalog, Method};
use crate::domain::decode::{Decoder, Defaults};
use crate::domain::job::{Job, LaneKey, Params};
use crate::domain::messages::Cause;
use crate::domain::probe::{Object, ProbeCall, Values};
use crate::domain::time::Timestamp;
use crate::domain::undo::{self, Created};
use crate::engine::ports::{Arrival, LedgerError, Origin, TakenOver};
use crate::engine::{Engine, Unread};
use crate::operations::reading::why_unread;
use crate::settings::Settings;
use crate::wiring::{self, Parts, Surroundings, Worker};
use paceline_ports::operator::{Commands, JobSheet, Resolution, Selection};
use paceline_ports::{Mode, State, Store};

use super::findings::{Answer, Asked, End, Finding, Left};
use super::observed::Observed;
use super::plan::{Plan, Step};
use super::{BATCH, listing};

/// How often a job is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Objects that are asked for at once.
const PAGE: usize = 500;

/// A calibration under way.
pub(super) struct Session<'a> {
    pub(super) engine: Arc<Engine>,
    pub(super) clock: crate::clock::Clock,
    pub(super) wait: Duration,
    ledger: Arc<dyn Store>,
    people: Box<dyn Commands>,
    catalog: Arc<Catalog>,
    decoder: Decoder,
    plan: &'a Plan<'a>,
    deed: Arc<Deed>,
    batch: String,
    began: Timestamp,
    unique: String,
    interrupted: &'a AtomicBool,
    /// The objects that were made: method → job and id.
    made: BTreeMap<String, (Job, String)>,
    end: End,
}

/// A job that has ended, or will not end by itself.
struct Over {
    job: Job,
    sheet: JobSheet,
}

/// Makes, asks and deletes, by a worker of this command's own.
pub(super) async fn carry_out(
    context: &mut Context,
    settings: Settings,
    plan: &Plan<'_>,
    wait: Duration,
) -> anyhow::Result<End> {
    let catalog = wiring::catalog_of(&settings)?;
    let decoder = wiring::decoder(&settings, &catalog, false);
    let store = settings.store.clone();
    let parts = Parts::of(settings, Arc::clone(&catalog), Surroundings::Bare, context.source(), &context.clock)?;
    if wiring::is_worked(&store)
        && let Some(worker) = wiring::open_for_people(&store)?.worker()?
    {
        return Err(refuse(format!("{worker}, which alone may spend its quotas"), "stop it first"));
    }
    let mut observed = None;
    let parts = parts.observed(|inner| {
        let seen = Observed::new(inner, Arc::clone(&catalog));
        observed = Some(Arc::clone(&seen));
        seen
    });
    let mut signals = signals::Stop::listen()?;
    let ledger = parts.open(Mode::Worker)?;
    let batch = batch_of(plan);
    let mut people = wiring::open_for_people(&store)?;
    // Creates that an interrupted calibration has not sent are not wanted any more.
    people.cancel(&Selection::of_batch(&batch), false, context.clock.now())?;
    let batches = vec![batch.clone(), undo::batch(&batch)];
    let load = async |engine: &Arc<Engine>| engine.load(Some(batches.clone())).await;
    let (worker, _) = Worker::start(parts, Arc::clone(&ledger), load).await?;
    let interrupted = AtomicBool::new(false);
    let began = context.clock.now();
    let mut session = Session {
        engine: Arc::clone(&worker.engine),
        clock: context.clock.clone(),
        wait,
        ledger: Arc::clone(&ledger),
        deed: Arc::new(people.deed(Action::Submit, Selection::of_batch(&batch).facts())),
        people,
        catalog,
        decoder,
        plan,
        batch,
        unique: format!("{:016x}", began.0),
        began,
        interrupted: &interrupted,
        made: BTreeMap::new(),
        end: End::default(),
    };
    let outcome = until_signals(context, &worker.engine, &mut session, &mut signals).await;
    if let Some(why) = worker.engine.lost() {
        ledger.close().await;
        return Err(LedgerError::Unusable(why.to_owned()).into());
    }
    let left = session.left();
    let mut end = session.end;
    ledger.close().await;
    outcome?;
    end.left = left?;
    end.is_interrupted = interrupted.load(Ordering::Relaxed);
    end.headers = observed.map(|observed| observed.seen()).unwrap_or_default();
    Ok(end)
}

fn batch_of(plan: &Plan<'_>) -> String {
    match &plan.chosen.tenant {
        Some(tenant) => format!("{BATCH}{}/{tenant}", plan.chosen.app),
        None => format!("{BATCH}{}", plan.chosen.app),
    }
}

/// Works beside the engine. The first signal leads to the deletions at once, the second ends everything.
async fn until_signals(
    context: &mut Context,
    engine: &Arc<Engine>,
    session: &mut Session<'_>,
    signals: &mut signals::Stop,
) -> anyhow::Result<()> {
    let stopping = tokio::sync::Notify::new();
    let interrupted = session.interrupted;
    let signalled = async {
        signals.next().await;
        interrupted.store(true, Ordering::Relaxed);
        writeln!(context.err, "deleting what was made; Ctrl-C again quits immediately")?;
        signals.next().await;
        anyhow::Ok(())
    };
    let work = async {
        let done = tokio::select! {
            done = session.work() => done,
            cut = signalled => cut,
        };
        stopping.notify_one();
        done
    };
    let (_, done) = tokio::join!(engine.run(false, stopping.notified()), work);
    done
}

impl Session<'_> {
    async fn work(&mut self) -> anyhow::Result<()> {
        self.until_looked_up().await?;
        self.end.deleted_before = self.take_down(false).await?;
        for step in &self.plan.steps {
            if self.is_interrupted() {
                break;
            }
            let finding = self.try_out(*step).await?;
            self.end.findings.push(finding);
        }
        self.people.cancel(&Selection::of_batch(&self.batch), false, self.clock.now())?;
        self.take_down(true).await?;
        Ok(())
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Creates of an interrupted calibration that may have been applied are looked up first.
    async fn until_looked_up(&self) -> anyhow::Result<()> {
        loop {
            let counts = self.ledger.counts(Some(vec![self.batch.clone()])).await?;
            if counts.uncertain == 0 || self.is_interrupted() || !self.engine.suspensions_now().is_empty() {
                return Ok(());
            }
            self.clock.sleep_until(self.clock.mono() + LOOK_EVERY).await;
        }
    }

    async fn try_out(&mut self, step: Step<'_>) -> anyhow::Result<Finding> {
        let method = step.method;
        let mut finding =
            Finding { method: method.name.clone(), listing: step.listing().map(str::to_owned), ..Finding::default() };
        if let Some(need) = step.probe.needs().into_iter().find(|need| !self.made.contains_key(*need)) {
            finding.failed = Some(format!("there is no object of {need}"));
            return Ok(finding);
        }
        let params = self.params(method, &step.probe.params, None);
        let id = format!("{}:{}:{}", self.batch, self.unique, method.name);
        let first = match self.job(&id, &method.name, &self.batch, &params) {
            Ok(job) => self.over(job, true).await?,
            Err(why) => {
                finding.failed = Some(why);
                return Ok(finding);
            }
        };
        let ending = &first.sheet.line.ending;
        if ending.state != State::Succeeded {
            finding.failed = Some(self.why_not(&first));
            self.forget(&first)?;
            return Ok(finding);
        }
        let key = ending.key.clone().unwrap_or_default();
        self.made.insert(method.name.clone(), (first.job.clone(), key.clone()));
        if let Some(look_up) = method.creation.look_up() {
            let replied = first.sheet.history.iter().rev().find_map(|attempt| attempt.ended_at).unwrap_or(self.began);
            finding.shown = Some(listing::shown(self, look_up, &first.job, &key, replied).await?);
        }
        if !self.is_interrupted() {
            finding.repeat = self.repeat(&id, step, &params).await?;
        }
        if let Some(delete) = &step.probe.delete {
            let result = ending.result.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            let about = Object { job: &first.job, key: &key, result: &result };
            finding.again = self.take_back(&id, delete, about).await?;
        }
        Ok(finding)
    }

    /// What the same create is answered when it is made again.
    async fn repeat(&mut self, id: &str, step: Step<'_>, params: &Params) -> anyhow::Result<Option<Answer>> {
        let Ok(job) = self.job(&format!("{id}:again"), &step.method.name, &self.batch, params) else { return Ok(None) };
        let over = self.over(job, true).await?;
        let ending = &over.sheet.line.ending;
        let answer = if ending.state == State::Succeeded {
            if step.method.reply.key.is_some() { Answer::Another } else { Answer::Success }
        } else if matches!(ending.failure.detail, Cause::OwnedAlready { .. }) {
            Answer::Same
        } else {
            self.answer_of(&over)
        };
        if ending.state != State::Succeeded {
            self.forget(&over)?;
        }
        Ok(Some(answer))
    }

    /// Takes a state back, which no undo does, and again.
    async fn take_back(&mut self, id: &str, delete: &ProbeCall, about: Object<'_>) -> anyhow::Result<Option<Asked>> {
        let Some(method) = self.catalog.job_method(&delete.method).cloned() else { return Ok(None) };
        let params = self.params(&method, &delete.params, Some(about));
        let undo_batch = undo::batch(&self.batch);
        let Ok(job) = self.job(&format!("{id}:delete"), &method.name, &undo_batch, &params) else { return Ok(None) };
        let over = self.over(job, false).await?;
        if over.sheet.line.ending.state != State::Succeeded {
            return Ok(None);
        }
        Ok(Some(self.ask(&over.job.lane, &over.job, &over.job.params).await))
    }

    /// Deletes all that the batch has made and is still there, from the last to the first; says how much. With
    /// `asks`, about the objects of this calibration.
    async fn take_down(&mut self, asks: bool) -> anyhow::Result<usize> {
        let mut created = self.created()?;
        created.reverse();
        let mut deleted = 0;
        for one in &created {
            let Some(job) = undo::job(one, &self.catalog, &undo::batch(&self.batch), 1) else { continue };
            let over = self.over(job, false).await?;
            if over.sheet.line.ending.state != State::Succeeded {
                continue;
            }
            deleted += 1;
            if asks && !self.is_interrupted() {
                self.ask_after(one, &over.job).await;
            }
        }
        Ok(deleted)
    }

    /// What the deletion of an object and the object itself are answered, once it is gone.
    async fn ask_after(&mut self, one: &Created, deletion: &Job) {
        let Some((job, key)) = self.made.get(&one.lane.method).filter(|(job, _)| job.id == one.id).cloned() else {
            return;
        };
        let again = self.ask(&deletion.lane, deletion, &deletion.params).await;
        let get = self.catalog.method(&one.lane.method).and_then(|method| method.probe.as_ref()?.get.clone());
        let got = match get.as_ref().and_then(|get| Some((get, self.catalog.method(&get.method).cloned()?))) {
            Some((get, method)) => {
                let about = Object { job: &job, key: &key, result: &Value::Null };
                let params = self.params(&method, &get.params, Some(about));
                let lane = LaneKey { method: method.name.clone(), ..job.lane.clone() };
                Some(self.ask(&lane, &job, &params).await)
            }
            None => None,
        };
        if let Some(finding) = self.end.findings.iter_mut().find(|finding| finding.method == one.lane.method) {
            (finding.again, finding.get) = (Some(again), got);
        }
    }

    /// Asks for a person, under the quotas of the lane; what is asked may be asked twice.
    async fn ask(&self, lane: &LaneKey, as_of: &Job, params: &Params) -> Asked {
        let answer = match self.engine.read_page(lane, &as_of.identity, params).await {
            Ok(_) => Answer::Success,
            Err(Unread::Refused(failure) | Unread::Later(failure)) => match failure.code {
                Some(code) => Answer::Code { code, http: failure.status, message: failure.detail.to_string() },
                None => Answer::Unclear { why: failure.detail.to_string() },
            },
            Err(why) => Answer::Unclear { why: why_unread(&why).error },
        };
        Asked { method: lane.method.clone(), answer }
    }

    fn params(&self, method: &Method, templates: &BTreeMap<String, Value>, about: Option<Object<'_>>) -> Params {
        let made: BTreeMap<_, _> = self.made.iter().map(|(name, (_, key))| (name.clone(), key.clone())).collect();
        let (unique, now, given) = (self.unique.as_str(), self.began, &self.plan.chosen.given);
        Values { unique, now, given, made: &made, about }.params(method, templates)
    }

    /// A job as it would be read, or what is wrong with it.
    fn job(&self, id: &str, method: &str, batch: &str, params: &Params) -> Result<Job, String> {
        let mut document = Map::new();
        for (name, value) in [("id", id), ("method", method), ("app", &self.plan.chosen.app), ("batch", batch)] {
            document.insert(name.to_owned(), Value::from(value));
        }
        if let Some(tenant) = &self.plan.chosen.tenant {
            document.insert("tenant".to_owned(), Value::from(tenant.as_str()));
        }
        for (name, part) in [("path", &params.path), ("query", &params.query), ("body", &params.body)] {
            if !part.is_empty() {
                document.insert(name.to_owned(), Value::Object(part.clone()));
            }
        }
        let judged = self.decoder.read(document, &[], &Defaults::default());
        judged.map_err(|rejection| rejection.detail().to_string())
    }

    /// Hands a job to the engine and waits for its end. One that waits and `may_stay` is not waited for once a signal came.
    async fn over(&self, job: Job, may_stay: bool) -> anyhow::Result<Over> {
        let origin = Origin { raw: Bytes::new(), by: Some(Arc::clone(&self.deed)), ..Origin::default() };
        let arrival = Arrival { input: Ok(Box::new(job.clone())), origin };
        for taken in self.ledger.take_over(vec![arrival], self.clock.now()).await? {
            if let TakenOver::Queued(waiting) = taken {
                self.engine.enqueue(vec![waiting]);
            }
        }
        loop {
            if let Some(sheet) = self.people.show_job(&job.id)? {
                let state = sheet.line.ending.state;
                let is_stopped = self.engine.suspensions_now().iter().any(|it| it.covers(&job.lane));
                let is_left = state == State::Queued && !sheet.line.running;
                if state.is_ended()
                    || state == State::Held
                    || is_left && (is_stopped || (may_stay && self.is_interrupted()))
                    || self.engine.lost().is_some()
                {
                    return Ok(Over { job, sheet });
                }
            }
            self.clock.sleep_until(self.clock.mono() + LOOK_EVERY).await;
        }
    }

    /// Why a job has not succeeded.
    fn why_not(&self, over: &Over) -> String {
        let suspensions = self.engine.suspensions_now();
        if let Some(suspension) = suspensions.iter().find(|it| it.covers(&over.job.lane)) {
            return format!("{} is suspended: {}", suspension.app, suspension.detail);
        }
        let failure = &over.sheet.line.ending.failure;
        match (failure.code, over.sheet.line.ending.state) {
            (Some(code), _) => format!("{code}: {}", failure.detail),
            (None, State::Queued) => "interrupted".to_owned(),
            (None, _) => failure.detail.to_string(),
        }
    }

    /// The first answer to the call itself.
    fn answer_of(&self, over: &Over) -> Answer {
        let mut attempts = over.sheet.history.iter().filter(|attempt| attempt.purpose == "job");
        match attempts.find_map(|attempt| Some((attempt.code?, attempt))) {
            Some((code, attempt)) => {
                Answer::Code { code, http: attempt.http_status, message: attempt.detail.0.to_string() }
            }
            None => Answer::Unclear { why: self.why_not(over) },
        }
    }

    /// Lets no dead letter stand for what was to be found out. What nobody knows the end of stays for a person, unless the
    /// platform itself refused it.
    fn forget(&mut self, over: &Over) -> anyhow::Result<()> {
        let id = &over.job.id;
        let ending = &over.sheet.line.ending;
        let is_refused = ending.failure.code.is_some() || matches!(ending.failure.detail, Cause::OwnedAlready { .. });
        if ending.state == State::Held && is_refused {
            self.people.resolve(id, &Resolution::Dead, self.clock.now())?;
        }
        self.people.drop_dead(&Selection::of_id(id))?;
        Ok(())
    }

    fn created(&self) -> anyhow::Result<Vec<Created>> {
        let (selection, mut all, mut after) = (Selection::of_batch(&self.batch), Vec::new(), 0);
        loop {
            let page = self.people.created(&selection, after, PAGE)?;
            all.extend(page.lines);
            match page.next {
                Some(next) => after = next,
                None => return Ok(all),
            }
        }
    }

    /// What is, or may be, still there.
    fn left(&self) -> anyhow::Result<Vec<Left>> {
        let mut left = Vec::new();
        for one in self.created()? {
            let deletion = undo::job(&one, &self.catalog, &undo::batch(&self.batch), 1);
            let sheet = deletion.map(|job| self.people.show_job(&job.id)).transpose()?.flatten();
            let failure = sheet.map(|sheet| sheet.line.ending.failure.detail.to_string()).unwrap_or_default();
            let why = if failure.is_empty() { "not deleted yet".to_owned() } else { failure };
            left.push(Left { method: one.lane.method, key: one.key, job: one.id, why });
        }
        for held in self.people.page_held(&Selection::of_batch(&self.batch), 0, PAGE)?.lines {
            let ending = held.line.ending;
            left.push(Left {
                method: ending.method.unwrap_or_default(),
                key: String::new(),
                job: ending.id.unwrap_or_default(),
                why: "nobody knows whether it was made: `paceline resolve` says so".to_owned(),
            });
        }
        Ok(left)
    }
}
