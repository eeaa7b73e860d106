//! Guesses at other publishers' jobs over a real broker.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use lapin::types::FieldTable;
use paceline::amqp::ports::{Backlog, Endings};
use paceline::amqp::{Options, Service};
use paceline::clock::Clock;
use paceline::domain::catalog::built_in;
use paceline::domain::decode::{Apps, Decoder};
use paceline::engine::ports::operator::{Commands, DeadLine, Selection};
use paceline::engine::ports::{Ledger, Outbox, Settlement, Waiting};
use paceline::engine::schedule::Load;
use paceline::metrics::Metrics;
use paceline::store;
use paceline::store::{Mode, SqlStore};
use serde_json::{Value, json};

use crate::harness::bench::{Client, options};
use crate::harness::rabbitmq::shared_url;
use crate::harness::until;

const PASSWORD: u32 = 4_827;
const GUESSES: u32 = 10_000;

/// Stands for the engine: keeps what was enqueued.
#[derive(Default)]
struct Lanes(Mutex<Vec<Waiting>>);

#[async_trait]
impl Backlog for Lanes {
    fn enqueue(&self, jobs: Vec<Waiting>) {
        self.0.lock().unwrap().extend(jobs);
    }

    fn load(&self) -> Load {
        Load { unfinished: 0, able: 0 }
    }

    fn fullest(&self, _of_able: bool) -> Option<(String, usize)> {
        None
    }

    async fn until_below(&self, _load: Load) {}
}

#[async_trait]
impl Endings for Lanes {
    async fn until_changed(&self) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A worker's broker part over a ledger on the disk.
struct World {
    options: Options,
    ledger: Arc<SqlStore>,
    metrics: Metrics,
    lanes: Arc<Lanes>,
    service: Service,
    client: Client,
    operator: Box<dyn Commands>,
}

impl World {
    async fn start(folder: &Path) -> Self {
        let options = options(&shared_url());
        let clock = Clock::system();
        let metrics = Metrics::collecting(&clock).unwrap();
        let path = folder.join("paceline.db");
        let ledger = SqlStore::open_measured(&path, Mode::Worker, clock.now(), metrics.clone()).unwrap();
        let (ledger, lanes) = (Arc::new(ledger), Arc::new(Lanes::default()));
        let decoder = Decoder { catalog: Arc::new(built_in().unwrap()), apps: Apps::Any, rights: Arc::default() };
        let decode = Arc::new(move |raw: &[u8], defaults: &_| decoder.decode(raw, defaults));
        let service =
            Service::start(&options, decode, (ledger.clone(), ledger.clone()), lanes.clone(), &clock).unwrap();
        until("consuming and publishing", || service.status().is_ready()).await;
        let client = Client::connect(&shared_url()).await;
        let operator = store::open(&path).unwrap();
        Self { options, ledger, metrics, lanes, service, client, operator }
    }

    async fn queue(&self, name: &str) -> String {
        let queue = format!("{}.{name}", self.options.jobs_queue);
        self.client.declare(&queue, FieldTable::default()).await;
        queue
    }

    /// The owner's meeting: in its lane, or ended well.
    async fn book(&self, id: &str, reply_to: &str, succeeds: bool) {
        let properties = BasicProperties::default().with_reply_to(reply_to.into());
        self.client.send(&self.options.jobs_queue, &meeting(id, PASSWORD, "the owner's"), properties).await;
        let mut seq = None;
        until("the owner's job is in its lane", || {
            seq = self.lanes.0.lock().unwrap().pop().map(|waiting| waiting.seq);
            seq.is_some()
        })
        .await;
        if succeeds {
            let success =
                Settlement::Succeeded { key: Some("mt-1".into()), result: json!({}), sole: true, warnings: vec![] };
            self.ledger
                .acquire_all()
                .await
                .unwrap()
                .settle(seq.unwrap(), success, Clock::system().now())
                .await
                .unwrap();
        }
        self.until_published().await;
    }

    /// Every password that there is, asked for at that queue: by property, or by the body's own field.
    async fn guess(&self, id: &str, reply_to: &str) {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let queue = &self.options.jobs_queue;
        let mut sent = Vec::new();
        for password in 0..GUESSES {
            let mut properties = BasicProperties::default().with_delivery_mode(2).with_correlation_id("g".into());
            let mut body = meeting(id, password, "the guesser's");
            if password % 2 == 0 {
                properties = properties.with_reply_to(reply_to.into());
            } else {
                let mut document: Value = serde_json::from_slice(&body).unwrap();
                document["reply_to"] = json!(reply_to);
                body = document.to_string().into_bytes();
            }
            let publish =
                self.client.channel.basic_publish("".into(), queue.as_str().into(), options, &body, properties);
            sent.push(publish.await.unwrap());
        }
        for confirm in sent {
            assert!(confirm.await.unwrap().is_ack());
        }
    }

    /// Waits until so many guesses are counted, and what they led to is published.
    async fn until_counted(&self, id: &str, more: u64) -> Vec<DeadLine> {
        let of_id = |line: &DeadLine| line.document["id"] == id;
        let mut lines = Vec::new();
        until("all guesses are taken over", || {
            lines = self.operator.list_dead(&Selection::default(), 10_000).unwrap();
            lines.retain(of_id);
            lines.iter().filter_map(|line| line.document["more"].as_u64()).sum::<u64>() == more
        })
        .await;
        self.until_published().await;
        lines
    }

    async fn until_published(&self) {
        crate::harness::until_async("everything is published", async || {
            self.ledger.claim(0, 1).await.unwrap().is_empty()
        })
        .await;
    }

    async fn stop(self, queues: &[&str]) {
        self.service.stop().await;
        for queue in queues {
            self.client.delete(queue).await;
        }
        self.client.clean_up(&self.options).await;
        self.ledger.close().await;
    }
}

fn meeting(id: &str, password: u32, of: &str) -> Vec<u8> {
    let body = json!({"admin_userid": "u", "title": "t", "meeting_start": 4_102_444_800_i64, "meeting_duration": 3_600,
        "settings": {"password": format!("{password:06}")}});
    json!({"id": id, "method": "wecom.meeting.create", "app": "campus", "body": body, "meta": {"of": of}})
        .to_string()
        .into_bytes()
}

/// Ten thousand guesses, the right one among them, whether the meeting has been created or waits: the guesser hears
/// nothing, and an operator sees three letters with one number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_guesses_at_a_password_learn_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(folder.path()).await;
    let (owners, guessers) = (world.queue("owner").await, world.queue("guesser").await);
    for (id, succeeds, answers) in [("created", true, 2), ("waiting", false, 0)] {
        world.book(id, &owners, succeeds).await;
        world.guess(id, &guessers).await;
        // All but the right one, and the three that are kept.
        let lines = world.until_counted(id, u64::from(GUESSES) - 4).await;
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines.iter().filter(|line| line.document.get("more").is_some()).count(), 1);
        assert_eq!(world.client.ready(&guessers).await, 0, "{id}: nothing at all, right or wrong");
        // The result, and once more where the first message wanted it.
        for _ in 0..answers {
            let answer = world.client.receive(&owners).await;
            let document: Value = serde_json::from_slice(&answer.data).unwrap();
            assert_eq!(document["meta"]["of"], "the owner's");
            assert_eq!(answer.properties.correlation_id(), &None);
        }
        assert_eq!(world.client.ready(&owners).await, 0);
    }
    assert_eq!(world.client.ready(&world.options.dead_queue).await, 6);
    let mut text = paceline::metrics::text::Text::default();
    world.metrics.write(&mut text);
    assert!(text.finish().contains("paceline_conflicts_counted_total 19992\n"));
    world.stop(&[&owners, &guessers]).await;
}
