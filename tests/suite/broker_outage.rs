//! A broker that goes away, comes back, or runs out of room: on a node of one's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use paceline::broker::publish::{Submission, submit};
use paceline::broker::{State, relay};
use paceline::engine::ports::AmqpOrigin;

use crate::harness::bench::{Bench, Client, limited, options};
use crate::harness::rabbitmq::{Node, shared_url};
use crate::harness::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_broker_while_jobs_flow_loses_nothing() {
    let mut node = Node::start().await;
    let bench = Bench::start(options(&node.url()));
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
        [&bench.consume, &bench.publish].iter().all(|link| matches!(link.state(), State::Down { .. }))
    })
    .await;
    assert!(bench.consume.state().to_string().contains("next try"), "{}", bench.consume.state());
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
async fn an_alarm_blocks_results_and_not_take_over() {
    let node = Node::start().await;
    let bench = Bench::start(options(&node.url()));
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
    until("the publishing connection says so", || matches!(bench.publish.state(), State::Blocked { .. })).await;
    assert!(bench.publish.state().to_string().contains("low on memory"), "{}", bench.publish.state());
    assert_eq!(bench.consume.state(), State::Connected);
    node.control(&["set_vm_memory_high_watermark", "0.4"]);
    until("results go out again", || bench.ledger.published() == 100).await;
    assert_eq!(bench.publish.state(), State::Connected);
    assert_eq!(client.ready(&bench.options.results_queue).await, 100, "nothing was published twice");
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
    assert_eq!(*bench.relay.borrow(), relay::State::Publishing);
    let (options, _) = bench.stop().await;
    let client = Client::connect(&shared_url()).await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_jobs_queue_refuses_submissions_by_position() {
    let mut other = options(&shared_url());
    let bench = Bench::start(other.clone());
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    // A second jobs queue that nobody consumes, full already.
    other.jobs_queue = format!("{}.full", other.jobs_queue);
    client.declare(&other.jobs_queue, limited(3)).await;
    client.fill(&other.jobs_queue).await;
    // Declared otherwise than the worker would: that is said first.
    let refused = submit(&bench.publish, &other, [Submission::default()], |_| ()).await.unwrap_err();
    assert!(refused.to_string().contains("inequivalent arg"), "{refused}");
    client.delete(&other.jobs_queue).await;
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}
