//! What every store must do, as functions over its ports: one suite for all of them.
//!
//! A store's tests call each function with an empty store. Nothing here knows how a store keeps its records.

pub(crate) mod again;
pub(crate) mod attempts;
pub(crate) mod endings;
pub(crate) mod intake;
pub(crate) mod repeats;
pub(crate) mod retention;
pub(crate) mod unsettled;

use paceline_domain::messages::Cure;
use serde_json::{Map, Value, json};

use paceline_domain::identity;
use paceline_domain::job::{Fault, Job, LaneKey, Params, Rejection};
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_domain::warning::Warning;
use paceline_ports::{
    AmqpOrigin, Arrival, AttemptEnd, AttemptSeq, AttemptStart, BATCH_COMPLETED, Counts, Domain, Ending, Intake, JobSeq,
    Ledger, Origin, Outbox, Outgoing, Purpose, Settlement, TakenOver, Waiting,
};

/// The ports of a store. The whole of its jobs is acquired.
#[derive(Clone, Copy)]
pub(crate) struct Store<'a> {
    pub intake: &'a dyn Intake,
    pub outbox: &'a dyn Outbox,
    pub ledger: &'a dyn Ledger,
    pub domain: &'a dyn Domain,
}

/// Runs the named functions of the suite, each as a test of its own on a fresh store from `$fresh`.
macro_rules! contract_tests {
    ($fresh:expr; $($module:ident: $($name:ident),+;)+) => {
        $($(
            #[tokio::test]
            async fn $name() {
                let fresh = $fresh;
                let domain = fresh.ledger.acquire().await.unwrap();
                let store = $crate::contract::Store {
                    intake: &fresh.ledger,
                    outbox: &fresh.ledger,
                    ledger: &fresh.ledger,
                    domain: &*domain,
                };
                $crate::contract::$module::$name(store).await;
            }
        )+)+
    };
}
pub(crate) use contract_tests;

/// A second, as the suite counts.
pub(crate) const S: i64 = 1_000_000;

/// The instant from which the suite counts.
pub(crate) const T0: Timestamp = Timestamp(1_795_248_000 * S);

/// `seconds` after [`T0`].
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp(T0.0 + seconds * S)
}

#[expect(clippy::needless_pass_by_value, reason = "reads as a literal")]
pub(crate) fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

pub(crate) fn lane() -> LaneKey {
    LaneKey { app: "acme".into(), tenant: String::new(), method: "feishu.vc.room.create".into() }
}

/// A job of the batch `move`, which creates an object of its own.
pub(crate) fn job(id: &str) -> Job {
    let params = Params { body: object(json!({"name": id, "capacity": 10})), ..Params::default() };
    let LaneKey { app, tenant, method } = &lane();
    let place = identity::Place { method, app, tenant, identity: "tenant" };
    Job {
        id: id.into(),
        lane: lane(),
        batch: Some("move".into()),
        identity: paceline_domain::job::Identity::Tenant,
        object: Some(identity::hash(place, None, &params)),
        params,
        is_confidential: false,
        priority: 4,
        not_before: None,
        not_after: None,
        reply_to: None,
        meta: None,
        trace: None,
    }
}

pub(crate) fn from_file(job: Job, place: &str) -> Arrival {
    Arrival { input: Ok(Box::new(job)), origin: Origin { place: place.into(), ..Origin::default() } }
}

/// The body is no JSON that anything could rebuild: only the bytes themselves will do.
pub(crate) fn raw_of(id: &str) -> Vec<u8> {
    format!("{{ \"id\" : \"{id}\" }}\r\n\u{7}").into_bytes()
}

pub(crate) fn from_amqp(job: Job) -> Arrival {
    let origin = Origin {
        raw: raw_of(&job.id).into(),
        amqp: Some(AmqpOrigin { message_id: Some(job.id.clone()), ..AmqpOrigin::default() }),
        ..Origin::default()
    };
    Arrival { input: Ok(Box::new(job)), origin }
}

pub(crate) fn rejection(id: Option<&str>, batch: Option<&str>) -> Rejection {
    Rejection {
        id: id.map(Into::into),
        method: None,
        app: Some("acme".into()),
        batch: batch.map(Into::into),
        faults: vec![Fault::invalid("body.name", "expected at most 100 characters, got 101")],
    }
}

pub(crate) fn failure(detail: &str) -> Failure {
    Failure {
        status: Some(400),
        code: Some(125_001),
        detail: detail.into(),
        cure: Some(Cure::Older { text: "choose another level".into() }),
        log_id: Some("log-1".into()),
        candidates: Vec::new(),
    }
}

pub(crate) fn success(key: &str) -> Settlement {
    Settlement::Succeeded {
        key: Some(key.into()),
        result: json!({"room": {"room_id": key}}),
        sole: false,
        warnings: Vec::new(),
    }
}

/// A success of which the platform left something out.
pub(crate) fn warned(key: &str) -> Settlement {
    let warnings = vec![Warning {
        field: "excess_users".into(),
        message: "invited without an account".into(),
        message_zh: String::new(),
        values: vec![json!("zhangsan")],
    }];
    Settlement::Succeeded {
        key: Some(key.into()),
        result: json!({"excess_users": ["zhangsan"]}),
        sole: false,
        warnings,
    }
}

pub(crate) fn death(reason: Reason) -> Settlement {
    Settlement::Dead { reason, failure: failure("cannot create/update room at this level") }
}

/// The outbox without events of batches, which have tests of their own.
pub(crate) async fn endings(outbox: &dyn Outbox, after: i64, limit: usize) -> Vec<Outgoing> {
    let mut rows = outbox.outbox(after, 1_000).await.unwrap();
    rows.retain(|row| row.ending.routing_key != BATCH_COMPLETED);
    rows.truncate(limit);
    rows
}

/// Takes one job over, which must be queued.
pub(crate) async fn queue(intake: &dyn Intake, arrival: Arrival) -> Waiting {
    match take(intake, arrival).await {
        TakenOver::Queued(waiting) => waiting,
        other @ (TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected) => panic!("not queued: {other:?}"),
    }
}

pub(crate) async fn take(intake: &dyn Intake, arrival: Arrival) -> TakenOver {
    let mut taken = intake.take_over(vec![arrival], T0).await.unwrap();
    assert_eq!(taken.len(), 1);
    taken.remove(0)
}

pub(crate) fn start(purpose: Purpose, sent_s: i64) -> AttemptStart {
    AttemptStart { purpose, lane: lane().into(), sent_at: at(sent_s), deadline_at: at(sent_s + 30) }
}

/// Begins an attempt for the job, which must be callable.
pub(crate) async fn begin(domain: &dyn Domain, seq: JobSeq, sent_s: i64) -> AttemptSeq {
    let (attempt, job) = domain.begin_attempt(start(Purpose::Job(seq), sent_s)).await.unwrap();
    assert!(job.is_some(), "the job is not callable");
    attempt
}

pub(crate) fn ended(attempt: AttemptSeq, ended_s: i64, settlement: Option<(JobSeq, Settlement)>) -> AttemptEnd {
    AttemptEnd { attempt, ended_at: at(ended_s), outcome: "succeeded", replied: true, failure: None, settlement }
}

/// One call of the job that ends in `settlement`, a second after it left.
pub(crate) async fn call(domain: &dyn Domain, seq: JobSeq, sent_s: i64, settlement: Settlement) {
    let attempt = begin(domain, seq, sent_s).await;
    domain.end_attempt(ended(attempt, sent_s + 1, Some((seq, settlement)))).await.unwrap();
}

pub(crate) async fn counts(ledger: &dyn Ledger) -> Counts {
    ledger.counts(None).await.unwrap()
}

pub(crate) async fn all_waiting(domain: &dyn Domain) -> Vec<Waiting> {
    domain.waiting(None, JobSeq(0), usize::MAX).await.unwrap()
}
