//! Publishers that ask for more than is theirs, over a real broker and with the program itself.

use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use crate::commands::Place;
use crate::harness::bench::{Client, options, table};
use crate::harness::process::Process;
use crate::harness::rabbitmq::shared_url;
use crate::harness::until_async;
use paceline::amqp::Options;

const APPS: &str = "[apps.acme]\nplatform = \"feishu\"\nbase_url = \"http://127.0.0.1:9\"\napp_id = \"cli_acme\"\n\
    app_secret = { env = \"ACME_SECRET\" }\n[apps.acme.users]\nanna = { env = \"ACME_SECRET\" }\n\
    [apps.other]\nplatform = \"feishu\"\nbase_url = \"http://127.0.0.1:9\"\napp_id = \"cli_other\"\n\
    app_secret = { env = \"ACME_SECRET\" }\n";
const CALENDAR: &str = "feishu.calendar.create";
/// The one user that every broker of tests has.
const USER: &str = "guest";

fn calendar(id: &str) -> Value {
    json!({"id": id, "method": CALENDAR, "app": "acme", "body": {"summary": id}})
}

fn with(id: &str, field: &str, value: &str) -> Value {
    let mut document = calendar(id);
    document[field] = json!(value);
    document
}

fn as_user(user: Option<&str>) -> BasicProperties {
    let properties = BasicProperties::default();
    user.map_or(properties.clone(), |user| properties.with_user_id(user.into()))
}

/// Queues, settings and a worker that calls nobody.
struct World<'p> {
    place: &'p Place,
    options: Options,
    client: Client,
    worker: Process<'p>,
}

impl<'p> World<'p> {
    async fn start(place: &'p Place, rights: impl FnOnce(&Options) -> String) -> Self {
        let options = options(&shared_url());
        place.write("paceline.toml", &(table(&shared_url(), &options) + &rights(&options) + APPS));
        let worker = Process::start(place, &["work"]);
        let client = Client::connect(&shared_url()).await;
        client.send_when_there(&options.jobs_queue, "first").await;
        Self { place, options, client, worker }
    }

    async fn send(&self, document: &Value, properties: BasicProperties) {
        self.client.send(&self.options.jobs_queue, document.to_string().as_bytes(), properties).await;
    }

    async fn queue(&self, name: &str) -> String {
        let queue = format!("{}.{name}", self.options.jobs_queue);
        self.client.declare(&queue, FieldTable::default()).await;
        queue
    }

    fn list(&self, arguments: &[&str]) -> Vec<Value> {
        let listed = self.place.run(&[arguments, &["--json"]].concat());
        listed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Why the input of this id is no job.
    async fn refusal(&self, id: &str) -> String {
        let mut detail = String::new();
        until_async(&format!("{id} is refused"), async || {
            let lines = self.list(&["dead", "list"]);
            let line = lines.iter().find(|line| line["id"] == id);
            detail = line.map(|line| format!("{}: {}", line["reason"], line["detail"])).unwrap_or_default();
            !detail.is_empty()
        })
        .await;
        detail
    }

    async fn is_job(&self, id: &str) {
        until_async(&format!("{id} is a job"), async || {
            self.list(&["jobs", "list"]).iter().any(|line| line["id"] == id)
        })
        .await;
    }

    async fn stop(mut self, queues: &[&str]) {
        self.worker.signal("TERM");
        self.worker.ends_with(0).await;
        for queue in queues {
            self.client.delete(queue).await;
        }
        self.client.clean_up(&self.options).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_does_what_its_table_says_and_nobody_else_publishes() {
    let place = Place::new(&[]);
    let hr = |options: &Options| {
        let name = &options.jobs_queue;
        format!(
            "reply_to = [\"{name}.*\"]\n[broker.publishers.hr]\nuser = \"{USER}\"\napps = [\"acme\"]\n\
             methods = [\"feishu.calendar.*\"]\nreply_to = [\"*.hr\"]\n"
        )
    };
    let mut world = World::start(&place, hr).await;
    let (own, others) = (world.queue("hr").await, world.queue("finance").await);
    world.send(&with("good", "reply_to", &own), as_user(Some(USER))).await;
    world.is_job("good").await;
    let room = json!({"id": "room", "method": "feishu.vc.room.create", "app": "acme",
        "body": {"name": "r", "capacity": 1, "room_level_id": "omb_1"}});
    for (document, user, field, key) in [
        (calendar("nobody"), None, "AMQP user_id", "broker.publishers"),
        (room, Some(USER), "method", "broker.publishers.hr.methods"),
        (with("app", "app", "other"), Some(USER), "app", "broker.publishers.hr.apps"),
        (with("user", "identity", "user:anna"), Some(USER), "identity", "broker.publishers.hr.identities"),
        (with("queue", "reply_to", &others), Some(USER), "reply_to", "broker.publishers.hr.reply_to"),
        (with("far", "reply_to", "elsewhere"), Some(USER), "reply_to", "broker.reply_to"),
    ] {
        let id = document["id"].as_str().unwrap().to_owned();
        // Where its property asks to be answered it is answered only if that queue is its own.
        world.send(&document, as_user(user).with_reply_to(others.as_str().into())).await;
        let refusal = world.refusal(&id).await;
        assert!(refusal.starts_with(&format!("\"invalid\": \"{field}: ")) && refusal.contains(key), "{id}: {refusal}");
    }
    world.client.send(&world.options.jobs_queue, b"no json", as_user(None).with_reply_to(others.as_str().into())).await;
    world
        .client
        .send(&world.options.jobs_queue, b"no json", as_user(Some(USER)).with_reply_to(own.as_str().into()))
        .await;
    let answer: Value = serde_json::from_slice(&world.client.receive(&own).await.data).unwrap();
    assert_eq!(answer["reason"], "malformed", "its own queue is answered");
    assert_eq!(world.client.ready(&others).await, 0, "and no other");

    // A redrive by a person is no way round.
    let again = place.run(&["dead", "redrive", "--reason", "invalid"]);
    assert!(again.err.contains("AMQP user_id") || again.out.contains("AMQP user_id"), "{}", again.transcript());
    assert!(world.list(&["jobs", "list"]).iter().all(|line| line["id"] == "good"));

    // Read again, everybody may publish.
    place.write("paceline.toml", &(table(&shared_url(), &world.options) + APPS));
    world.worker.signal("HUP");
    world.worker.says(&["broker.publishers: hr (user guest: apps acme", "→ everybody may everything"]).await;
    world.send(&calendar("anybody"), as_user(None)).await;
    world.is_job("anybody").await;
    world.stop(&[&own, &others]).await;
}

/// The name is worth something because the broker refuses another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_publishes_under_another_users_name() {
    let client = Client::connect(&shared_url()).await;
    let (options, properties) = (BasicPublishOptions::default(), as_user(Some("hr")));
    let sent = client.channel.basic_publish("".into(), "nowhere".into(), options, b"x", properties).await;
    let outcome = match sent {
        Ok(confirm) => confirm.await.map(|_| ()),
        Err(error) => Err(error),
    };
    let refusal = outcome.unwrap_err().to_string();
    assert!(refusal.contains("PRECONDITION") || refusal.contains("user_id"), "{refusal}");
    client.close().await;
}

/// Results among dead letters, dead letters among jobs, and results twice: the worker publishes to none of its own queues
/// because somebody asks it to, in whichever way, and whatever comes of the message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reply_to_names_none_of_the_workers_own_queues() {
    let place = Place::new(&[]);
    let world = World::start(&place, |_| String::new()).await;
    let Options { jobs_queue, results_queue, dead_queue, .. } = world.options.clone();
    let mut sent = 1;
    for (n, own) in [jobs_queue, results_queue.clone(), dead_queue.clone()].iter().enumerate() {
        let by_field = format!("field-{n}");
        world.send(&with(&by_field, "reply_to", own), as_user(None)).await;
        let by_property = format!("property-{n}");
        world.send(&calendar(&by_property), as_user(None).with_reply_to(own.as_str().into())).await;
        world
            .client
            .send(&world.options.jobs_queue, b"no json", as_user(None).with_reply_to(own.as_str().into()))
            .await;
        sent += 3;
        for id in [by_field, by_property] {
            let refusal = world.refusal(&id).await;
            assert!(refusal.contains("reply_to: is one of the worker's own queues"), "{refusal}");
        }
    }
    until_async("all are dead letters", async || world.client.ready(&dead_queue).await == sent).await;
    let lines = world.list(&["dead", "list"]);
    assert_eq!((lines.len(), world.client.ready(&results_queue).await), (sent as usize, 0));
    for _ in 0..sent {
        let letter = world.client.receive(&dead_queue).await;
        assert!(letter.properties.headers().as_ref().unwrap().inner().contains_key("x-paceline-reason"));
    }
    assert_eq!(world.client.ready(&dead_queue).await, 0);
    world.stop(&[]).await;
}

/// B takes the ids that A will use, a file those of a publisher, and a publisher those that look like another's: each
/// stays in its own, and who published hears of the id that it published.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_takes_anothers_ids() {
    let place = Place::new(&[]);
    let own_ids = |_: &Options| {
        format!(
            "ids = \"publisher\"\n[broker.publishers.hr]\nuser = \"{USER}\"\napps = [\"*\"]\n\
             [broker.publishers.rest]\nuser = \"\"\napps = [\"*\"]\n"
        )
    };
    let world = World::start(&place, own_ids).await;
    let (hr, rest) = (world.queue("hr").await, world.queue("rest").await);
    // The same id of two publishers, with other content.
    world.send(&with("7", "reply_to", &rest), as_user(None)).await;
    let mut other = with("7", "reply_to", &hr);
    other["body"]["summary"] = json!("another");
    world.send(&other, as_user(Some(USER))).await;
    // Ids that look like the other's.
    world.send(&calendar("hr/7"), as_user(None)).await;
    for id in ["rest/7", "hr/7", "rest/hr/7"] {
        world.is_job(id).await;
    }
    // Files, whatever their ids look like.
    place.write("jobs.jsonl", &format!("{}\n{}\n", calendar("7"), calendar("it/7")));
    let submitted = place.run(&["run", "jobs.jsonl", "--simulate", "--speed", "60"]);
    assert_eq!(submitted.code, Some(0), "{}", submitted.transcript());
    place.write("theirs.jsonl", &calendar("hr/8").to_string());
    let refused = place.run(&["validate", "theirs.jsonl"]);
    assert!(
        refused.out.contains("begins with hr/") || refused.err.contains("begins with hr/"),
        "{}",
        refused.transcript()
    );

    // What becomes of them is told under the ids that were published, each where it was asked for.
    let cancelled = place.run(&["jobs", "cancel", "hr/7", "rest/7"]);
    assert_eq!(cancelled.code, Some(0), "{}", cancelled.transcript());
    for queue in [&hr, &rest] {
        let answer = world.client.receive(queue).await;
        let document: Value = serde_json::from_slice(&answer.data).unwrap();
        assert_eq!((&document["id"], &document["status"]), (&json!("7"), &json!("cancelled")));
        assert_eq!(answer.properties.message_id().as_ref().unwrap().as_str(), "7");
        let id = AMQPValue::LongString("7".into());
        let mut letter = world.client.receive(&world.options.dead_queue).await;
        if letter.properties.headers().as_ref().unwrap().inner().get("x-paceline-reason")
            == Some(&AMQPValue::LongString("malformed".into()))
        {
            letter = world.client.receive(&world.options.dead_queue).await;
        }
        assert_eq!(letter.properties.headers().as_ref().unwrap().inner()["x-paceline-id"], id);
    }
    // The same message again is the same job.
    world.send(&other, as_user(Some(USER))).await;
    until_async("it is queued again", async || {
        world.list(&["jobs", "list"]).iter().any(|line| line["id"] == "hr/7" && line["status"] == "queued")
    })
    .await;
    world.stop(&[&hr, &rest]).await;
}
