//! A worker's broker part, whole, over a ledger in memory: queues of its own on a real RabbitMQ.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, ExchangeDeleteOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use paceline::amqp::ports::{Backlog, Endings};
use paceline::amqp::{IntakeState, Link, LinkState, Options, RelayState, Service};
use paceline::clock::Clock;
use paceline::domain::decode::Defaults;
use paceline::domain::job::{Fault, Identity, Job, LaneKey, Params, Rejection};
use paceline::engine::ports::Waiting;
use paceline::engine::schedule::Load;
use tokio::sync::{Notify, watch};

use super::ledger::{MemoryLedger, in_memory};
use super::rabbitmq::shared_url;
use super::{until, until_async};
use crate::commands::Place;

/// Stands for the engine: keeps what was enqueued, ends nothing by itself.
#[derive(Default)]
pub(crate) struct Lanes {
    waiting: Mutex<Vec<Waiting>>,
    /// Apps whose jobs cannot run.
    pub stopped: Mutex<Vec<String>>,
    changed: Notify,
}

impl Lanes {
    /// Takes everything out, as if it had ended.
    pub(crate) fn drain(&self) -> Vec<Waiting> {
        let jobs = std::mem::take(&mut *self.waiting.lock().unwrap());
        self.changed.notify_waiters();
        jobs
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().unwrap().len()
    }

    /// Takes some out, as if they had ended.
    pub(crate) fn take_out(&self, ends: impl Fn(&Waiting) -> bool) {
        self.waiting.lock().unwrap().retain(|job| !ends(job));
        self.changed.notify_waiters();
    }

    fn is_below(&self, load: Load) -> bool {
        let now = self.load();
        now.able < load.able && now.unfinished < load.unfinished
    }
}

#[async_trait]
impl Backlog for Lanes {
    fn enqueue(&self, jobs: Vec<Waiting>) {
        self.waiting.lock().unwrap().extend(jobs);
    }

    fn load(&self) -> Load {
        let stopped = self.stopped.lock().unwrap();
        let waiting = self.waiting.lock().unwrap();
        let able = waiting.iter().filter(|job| !stopped.contains(&job.lane.app)).count();
        Load { unfinished: waiting.len(), able }
    }

    fn fullest(&self, _of_able: bool) -> Option<(String, usize)> {
        let mut apps = std::collections::BTreeMap::<String, usize>::new();
        for job in &*self.waiting.lock().unwrap() {
            *apps.entry(job.lane.app.clone()).or_default() += 1;
        }
        apps.into_iter().max_by_key(|(_, jobs)| *jobs)
    }

    async fn until_below(&self, load: Load) {
        while !self.is_below(load) {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !self.is_below(load) {
                changed.await;
            }
        }
    }
}

/// Lanes and outbox together, as the engine has them.
pub(crate) struct Worker {
    lanes: Arc<Lanes>,
    ledger: Arc<MemoryLedger>,
}

#[async_trait]
impl Backlog for Worker {
    fn enqueue(&self, jobs: Vec<Waiting>) {
        self.lanes.enqueue(jobs);
    }

    fn load(&self) -> Load {
        self.lanes.load()
    }

    fn fullest(&self, of_able: bool) -> Option<(String, usize)> {
        self.lanes.fullest(of_able)
    }

    async fn until_below(&self, load: Load) {
        self.lanes.until_below(load).await;
    }
}

#[async_trait]
impl Endings for Worker {
    async fn until_changed(&self) {
        self.ledger.changed.notified().await;
    }
}

/// The broker part of a worker.
pub(crate) struct Bench {
    pub options: Options,
    pub ledger: Arc<MemoryLedger>,
    pub lanes: Arc<Lanes>,
    pub intake: watch::Receiver<IntakeState>,
    pub relay: watch::Receiver<RelayState>,
    pub consume: Link,
    pub publish: Link,
    pub service: Service,
}

/// Options with names that no other test has.
pub(crate) fn options(url: &str) -> Options {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    Options {
        jobs_queue: format!("{name}.jobs"),
        results_queue: format!("{name}.results"),
        results_exchange: format!("{name}.results"),
        dead_queue: format!("{name}.dead"),
        ..Options::at(url)
    }
}

/// Settings with queues of this test's own on the shared broker, and these apps; a first run has declared the queues.
pub(crate) async fn declared(place: &Place, apps: &str, secrets: &[(&str, &str)]) -> (Options, Client) {
    let queues = options(&shared_url());
    place.write("paceline.toml", &(table(&shared_url(), &queues) + apps));
    let first = place.run_with(&["work", "--until-idle"], secrets);
    assert_eq!(first.code, Some(0), "there is nothing to do yet: {}", first.transcript());
    (queues, Client::connect(&shared_url()).await)
}

/// The names as a table of settings.
pub(crate) fn table(url: &str, options: &Options) -> String {
    let Options { jobs_queue, results_queue, results_exchange, dead_queue, .. } = options;
    format!(
        "[broker]\nurl = \"{url}\"\njobs_queue = \"{jobs_queue}\"\nresults_queue = \"{results_queue}\"\n\
         results_exchange = \"{results_exchange}\"\ndead_queue = \"{dead_queue}\"\n"
    )
}

/// Enough of a decoder: an object with an `id`, or a `message_id` in its place.
pub(crate) fn decode(raw: &[u8], defaults: &Defaults) -> Result<Job, Rejection> {
    let reject = |message: &str| Rejection {
        id: defaults.id.clone(),
        faults: vec![Fault::malformed("", message)],
        ..Rejection::default()
    };
    let value: serde_json::Value = serde_json::from_slice(raw).map_err(|_| reject("expected a JSON object"))?;
    let text = |name: &str, default: &Option<String>| {
        value.get(name).and_then(serde_json::Value::as_str).map(str::to_owned).or_else(|| default.clone())
    };
    Ok(Job {
        id: text("id", &defaults.id).ok_or_else(|| reject("id is missing"))?,
        lane: LaneKey {
            app: text("app", &defaults.app).unwrap_or_else(|| "acme".to_owned()),
            tenant: String::new(),
            method: text("method", &defaults.method).unwrap_or_else(|| "test.create".to_owned()),
        },
        batch: None,
        identity: Identity::Tenant,
        params: Params::default(),
        object: None,
        after: Vec::new(),
        filled: Vec::new(),
        is_confidential: false,
        priority: defaults.priority.unwrap_or(4),
        not_before: None,
        not_after: None,
        reply_to: text("reply_to", &defaults.reply_to),
        meta: None,
        trace: None,
    })
}

impl Bench {
    /// Starts a worker's part with these options.
    pub(crate) fn start(options: Options) -> Self {
        Self::start_over(options, in_memory())
    }

    /// Starts one over the ledger of another one that has ended.
    pub(crate) fn start_over(options: Options, ledger: Arc<MemoryLedger>) -> Self {
        let lanes = Arc::new(Lanes::default());
        let worker = Arc::new(Worker { lanes: Arc::clone(&lanes), ledger: Arc::clone(&ledger) });
        let clock = Clock::system();
        let service =
            Service::start(&options, Arc::new(decode), (ledger.clone(), ledger.clone()), worker, &clock).unwrap();
        let (intake, relay) = (service.intake(), service.relay());
        let (consume, publish) = (service.consume.clone(), service.publish.clone());
        Self { options, ledger, lanes, intake, relay, consume, publish, service }
    }

    /// Waits until jobs are being consumed and results could be published.
    pub(crate) async fn until_up(&self) {
        until("consuming and publishing", || self.service.status().is_ready()).await;
    }

    /// Stops everything in order.
    pub(crate) async fn stop(self) -> (Options, Arc<MemoryLedger>) {
        self.service.stop().await;
        assert_eq!((self.consume.state(), self.publish.state()), (LinkState::Closed, LinkState::Closed));
        (self.options, self.ledger)
    }
}

/// Somebody else on the same broker: an upstream system, an operator.
pub(crate) struct Client {
    connection: Connection,
    pub channel: Channel,
}

impl Client {
    pub(crate) async fn connect(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await;
        let connection = connection.unwrap_or_else(|error| {
            panic!("this test needs RabbitMQ at PACELINE_TEST_AMQP_URL ({error}): run scripts/test, which starts one")
        });
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self { connection, channel }
    }

    /// Publishes to a queue and waits for the confirm.
    pub(crate) async fn send(&self, queue: &str, body: &[u8], properties: BasicProperties) {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let sent = self.channel.basic_publish("".into(), queue.into(), options, body, properties.with_delivery_mode(2));
        let confirmation = sent.await.unwrap().await.unwrap();
        assert!(confirmation.is_ack() && confirmation.take_message().is_none(), "{queue} took no message");
    }

    /// Publishes a job as soon as somebody has declared the queue. A queue that has no leader yet refuses.
    pub(crate) async fn send_when_there(&self, queue: &str, id: &str) {
        let body = serde_json::json!({ "id": id }).to_string();
        until_async(&format!("{queue} is there"), async || {
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let properties = BasicProperties::default().with_delivery_mode(2);
            let sent = self.channel.basic_publish("".into(), queue.into(), options, body.as_bytes(), properties);
            let confirmation = sent.await.unwrap().await.unwrap();
            confirmation.is_ack() && confirmation.take_message().is_none()
        })
        .await;
    }

    /// Publishes to a limited queue until it refuses, one by one; says how many it took.
    pub(crate) async fn fill(&self, queue: &str) -> usize {
        let mut taken = 0;
        loop {
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let sent = self.channel.basic_publish("".into(), queue.into(), options, b"x", BasicProperties::default());
            if sent.await.unwrap().await.unwrap().is_nack() {
                return taken;
            }
            taken += 1;
            assert!(taken < 1_000, "{queue} is never full");
        }
    }

    /// Publishes jobs with these ids.
    pub(crate) async fn send_jobs(&self, queue: &str, ids: impl IntoIterator<Item = String>) {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let mut sent = Vec::new();
        for id in ids {
            let body = serde_json::json!({ "id": id }).to_string();
            let properties = BasicProperties::default().with_delivery_mode(2);
            let publish = self.channel.basic_publish("".into(), queue.into(), options, body.as_bytes(), properties);
            sent.push(publish.await.unwrap());
        }
        for confirm in sent {
            let confirmation = confirm.await.unwrap();
            assert!(confirmation.is_ack() && confirmation.take_message().is_none(), "{queue} took no message");
        }
    }

    /// Takes one message out, waiting for it.
    pub(crate) async fn receive(&self, queue: &str) -> BasicGetMessage {
        let mut found = None;
        until_async(&format!("a message in {queue}"), async || {
            found = self.get(queue).await;
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// Takes one message out if there is one.
    pub(crate) async fn get(&self, queue: &str) -> Option<BasicGetMessage> {
        self.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap()
    }

    /// Messages ready in a queue.
    pub(crate) async fn ready(&self, queue: &str) -> u32 {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap().message_count()
    }

    /// Declares a durable classic queue.
    pub(crate) async fn declare(&self, queue: &str, arguments: FieldTable) {
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.into(), durable, arguments).await.unwrap();
    }

    /// Declares a durable topic exchange.
    pub(crate) async fn declare_topic(&self, exchange: &str) {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let topic = lapin::ExchangeKind::Topic;
        self.channel.exchange_declare(exchange.into(), topic, durable, FieldTable::default()).await.unwrap();
    }

    /// Binds a queue to the results exchange.
    pub(crate) async fn bind(&self, queue: &str, options: &Options, binding: &str) {
        let exchange = options.results_exchange.as_str().into();
        let how = QueueBindOptions::default();
        self.channel.queue_bind(queue.into(), exchange, binding.into(), how, FieldTable::default()).await.unwrap();
    }

    /// Deletes a queue if it is there.
    pub(crate) async fn delete(&self, queue: &str) {
        self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }

    /// Removes what a worker with these options declared, and closes.
    pub(crate) async fn clean_up(self, options: &Options) {
        for queue in [&options.jobs_queue, &options.results_queue, &options.dead_queue] {
            self.delete(queue).await;
        }
        self.channel
            .exchange_delete(options.results_exchange.as_str().into(), ExchangeDeleteOptions::default())
            .await
            .unwrap();
        self.close().await;
    }

    pub(crate) async fn close(self) {
        let _ = self.connection.close(200, "OK".into()).await;
    }
}

/// Declared arguments of a quorum queue that refuses more than so many messages.
pub(crate) fn limited(messages_max: i64) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(messages_max));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    arguments
}
