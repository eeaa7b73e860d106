//! A broker that goes away, comes back, or runs out of room: on a node of one's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use lapin::types::AMQPValue;
use paceline::amqp::publish::{Submission, submit};
use paceline::amqp::{LinkState, Options, RelayState};
use paceline::engine::ports::AmqpOrigin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::bench::{Bench, Client, limited, options};
use crate::harness::rabbitmq::{Node, shared_url};
use crate::harness::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_broker_while_jobs_flow_loses_nothing() {
    let mut node = Node::start().await;
    // First one that may configure declares everything; then one that may only write and read goes on.
    let declaring = Bench::start(options(&node.url()));
    declaring.until_up().await;
    let (declared, _) = declaring.stop().await;
    node.control(&["add_user", "worker", "pass"]);
    node.control(&["set_permissions", "worker", "", ".*", ".*"]);
    let bench =
        Bench::start(Options { urls: vec![node.url().replace("guest:guest", "worker:pass").into()], ..declared });
    bench.until_up().await;
    let client = Client::connect(&node.url()).await;
    client.send_jobs(&bench.options.jobs_queue, (0..3_000).map(|number| format!("a-{number}"))).await;

    // The engine's part: whatever is in a lane ends at once, all through the outage.
    let (lanes, ledger) = (Arc::clone(&bench.lanes), Arc::clone(&bench.ledger));
    let done = Arc::new(AtomicBool::new(false));
    let ending = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            while !done.load(Ordering::SeqCst) {
                for job in lanes.drain() {
                    ledger.end(job.seq, None);
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
    });
    until("jobs flow", || bench.ledger.published() > 100).await;
    node.stop().await;
    until("both connections say that they are down", || {
        [&bench.consume, &bench.publish].iter().all(|link| matches!(link.state(), LinkState::Down { .. }))
    })
    .await;
    assert!(bench.consume.state().to_string().contains("down since"), "{}", bench.consume.state());
    node.boot().await;
    until("every job is in the ledger", || bench.ledger.jobs() == 3_000).await;
    until("every result is published", || bench.ledger.unpublished() == 0).await;
    done.store(true, Ordering::SeqCst);
    ending.await.unwrap();

    let client = Client::connect(&node.url()).await;
    let mut ids = std::collections::BTreeSet::new();
    while let Some(result) = client.get(&bench.options.results_queue).await {
        let document: serde_json::Value = serde_json::from_slice(&result.data).unwrap();
        ids.insert(document["id"].as_str().unwrap().to_owned());
    }
    // At least once each: a confirm may get lost with its connection.
    assert_eq!(ids.len(), 3_000);
    let (options, _) = bench.stop().await;
    assert_eq!(client.ready(&options.jobs_queue).await, 0);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_a_full_queue_and_a_frozen_broker_lose_nothing() {
    let node = Node::start().await;
    let bench = Bench::start(options(&format!("{}?heartbeat=4", node.url())));
    bench.until_up().await;
    let client = Client::connect(&node.url()).await;
    client.send_jobs(&bench.options.jobs_queue, (0..100).map(|number| format!("a-{number}"))).await;
    until("in their lanes", || bench.lanes.len() == 100).await;
    node.control(&["set_vm_memory_high_watermark", "0.0001"]);
    // The broker tells of the alarm when a connection publishes.
    let jobs = bench.lanes.drain();
    for job in &jobs {
        bench.ledger.end(job.seq, None);
    }
    until("the publishing connection says so", || matches!(bench.publish.state(), LinkState::Blocked { .. })).await;
    assert!(bench.publish.state().to_string().contains("low on memory"), "{}", bench.publish.state());
    assert_eq!(bench.consume.state(), LinkState::Connected);
    node.control(&["set_vm_memory_high_watermark", "0.4"]);
    until("results go out again", || bench.ledger.published() == 100).await;
    assert_eq!(bench.publish.state(), LinkState::Connected);
    assert_eq!(client.ready(&bench.options.results_queue).await, 100, "nothing was published twice");

    // A jobs queue that an operator's policy keeps short, and that nobody consumes.
    let other = Options { jobs_queue: "policed".to_owned(), ..bench.options.clone() };
    let policy = r#"{"max-length": 3, "overflow": "reject-publish"}"#;
    node.control(&["set_policy", "--apply-to", "queues", "short", "^policed$", policy]);
    let one_by_one = Options { in_flight_max: 1, ..other };
    let ten = (0..10).map(|_| Submission::default());
    let report = submit(&bench.publish, &one_by_one, ten, |_| ()).await.unwrap();
    assert_eq!(report.confirmed + report.unconfirmed.len(), 10);
    let refused: Vec<usize> = report.unconfirmed.keys().copied().collect();
    // A quorum queue lets one past its limit.
    assert_eq!(refused, (report.confirmed..10).collect::<Vec<_>>(), "{report:?}");
    assert!((3..=5).contains(&report.confirmed), "{report:?}");
    assert!(report.unconfirmed[&9].to_string().contains("the queue \"policed\" is full"), "{report:?}");

    node.freeze(true);
    until("the silence is noticed", || {
        [&bench.consume, &bench.publish].iter().all(|link| matches!(link.state(), LinkState::Down { .. }))
    })
    .await;
    node.freeze(false);
    bench.until_up().await;
    let client = Client::connect(&node.url()).await;
    client.send_jobs(&bench.options.jobs_queue, ["after".to_owned()]).await;
    until("taken over after the thaw", || bench.ledger.jobs() == 101).await;
    bench.stop().await;
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn submissions_are_counted_as_confirmed_or_not() {
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    let submissions = (0..1_000).map(|number| Submission {
        body: Bytes::from(format!("{{\"id\":\"s-{number}\"}}")),
        properties: AmqpOrigin { correlation_id: Some(format!("c-{number}")), ..AmqpOrigin::default() },
    });
    let mut seen = 0;
    let report = submit(&bench.publish, &bench.options, submissions, |confirmed| seen = confirmed).await.unwrap();
    assert_eq!((report.confirmed, report.unconfirmed.len(), seen), (1_000, 0, 1_000));
    until("taken over", || bench.ledger.jobs() == 1_000).await;
    assert_eq!(bench.ledger.job_of("s-7").1.amqp.unwrap().correlation_id.unwrap(), "c-7");
    assert_eq!(*bench.relay.borrow(), RelayState::RelayPublishing);
    let (options, _) = bench.stop().await;
    let client = Client::connect(&shared_url()).await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jobs_queue_declared_otherwise_refuses_submissions_in_words() {
    let options = options(&shared_url());
    let bench = Bench::start(options.clone());
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    let other = Options { jobs_queue: format!("{}.other", options.jobs_queue), ..options };
    client.declare(&other.jobs_queue, limited(3)).await;
    let refused = submit(&bench.publish, &other, [Submission::default()], |_| ()).await.unwrap_err();
    assert!(refused.to_string().contains("inequivalent arg"), "{refused}");
    client.delete(&other.jobs_queue).await;
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}

/// A message that the client alone could not even read is a dead letter, and nothing before or behind it waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_not_amqp_is_set_aside_alone() {
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    client.send_jobs(&bench.options.jobs_queue, ["good".to_owned()]).await;
    until("in its lane", || bench.lanes.len() == 1).await;
    let forger = Client::connect(&garbling_proxy(&shared_url()).await).await;
    let id = lapin::BasicProperties::default().with_message_id(LEGIBLE.into());
    forger.send(&bench.options.jobs_queue, b"{}", id).await;
    client.send_jobs(&bench.options.jobs_queue, ["next".to_owned()]).await;
    let letter = client.receive(&bench.options.dead_queue).await;
    assert_eq!(letter.data, b"{}");
    let headers = letter.properties.headers().clone().unwrap();
    assert_eq!(headers.inner()["x-paceline-reason"], AMQPValue::LongString("malformed".into()));
    until("what is behind it is accepted", || bench.ledger.jobs() == 2).await;
    bench.ledger.end(bench.lanes.drain()[0].seq, None);
    until("results go out", || bench.ledger.published() == 2).await;
    let (options, _) = bench.stop().await;
    forger.close().await;
    client.clean_up(&options).await;
}

const LEGIBLE: &str = "paceline-garble-me";

/// Passes everything on to the broker, but turns [`LEGIBLE`] into bytes that are not UTF-8.
async fn garbling_proxy(url: &str) -> String {
    let (login, host) = url.split_once('@').unwrap();
    let (host, vhost) = host.split_once('/').unwrap();
    let broker = host.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let broker = TcpStream::connect(broker).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_broker, mut to_broker) = broker.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_broker, &mut to_client).await });
        let mut buffer = vec![0; 64 * 1024];
        // One small publication arrives in one piece on loopback.
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            let bytes = &mut buffer[..length];
            if let Some(at) = bytes.windows(LEGIBLE.len()).position(|window| window == LEGIBLE.as_bytes()) {
                bytes[at] = 0xff;
            }
            to_broker.write_all(bytes).await.unwrap();
        }
    });
    format!("{login}@{address}/{vhost}")
}
