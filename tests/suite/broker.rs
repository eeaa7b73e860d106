//! Jobs in and endings out, on a broker that stays up.

use std::collections::BTreeSet;

use lapin::BasicProperties;
use lapin::options::ExchangeDeleteOptions;
use lapin::types::{AMQPValue, FieldTable};
use paceline::amqp::{IntakeState, RelayState};
use paceline::domain::outcome::Failure;
use paceline::domain::reason::Reason;
use paceline::engine::ports::Delivered;

use crate::harness::bench::{Bench, Client, limited, options};
use crate::harness::rabbitmq::shared_url;
use crate::harness::{until, until_async};

fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_taken_over_in_order_and_nothing_stays_behind() {
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    client.send_jobs(&bench.options.jobs_queue, ids("a", 700)).await;
    until("all jobs are in the ledger", || bench.ledger.jobs() == 700).await;
    assert_eq!(bench.ledger.ids(), ids("a", 700));
    assert_eq!(bench.lanes.len(), 700);
    let (options, ledger) = bench.stop().await;
    // The consumer is gone: whatever had not been acked would be ready again.
    assert_eq!(client.ready(&options.jobs_queue).await, 0);
    assert_eq!(ledger.arrivals(), 700);
    assert!(ledger.take_overs() < 700, "{} transactions: no batches", ledger.take_overs());
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_job_comes_back_byte_for_byte_and_says_why() {
    let mut options = options(&shared_url());
    options.body_bytes_max = 1_000;
    let bench = Bench::start(options);
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    let jobs = bench.options.jobs_queue.clone();
    let properties = BasicProperties::default()
        .with_message_id("m-1".into())
        .with_type("feishu.vc.room.create".into())
        .with_app_id("acme".into())
        .with_correlation_id("c-1".into())
        .with_content_type("text/plain".into())
        .with_priority(7);
    let no_json = b"\x00\xffnot json\r\n".to_vec();
    let too_long = vec![b'x'; 1_001];
    client.send(&jobs, &no_json, properties.clone()).await;
    client.send(&jobs, &too_long, BasicProperties::default()).await;
    client.send_jobs(&jobs, ["good".to_owned()]).await;

    let first = client.receive(&bench.options.dead_queue).await;
    assert_eq!(first.data, no_json);
    let headers = first.properties.headers().clone().unwrap();
    let text = |value: &str| AMQPValue::LongString(value.into());
    assert_eq!(headers.inner()["x-paceline-reason"], text("malformed"));
    assert_eq!(headers.inner()["x-paceline-detail"], text("expected a JSON object"));
    assert_eq!(headers.inner()["x-paceline-id"], text("m-1"));
    assert_eq!(first.properties.clone().with_headers(FieldTable::default()), {
        properties.with_delivery_mode(2).with_headers(FieldTable::default())
    });
    let second = client.receive(&bench.options.dead_queue).await;
    assert_eq!(second.data, too_long);
    let why = second.properties.headers().as_ref().unwrap().inner()["x-paceline-detail"].clone();
    assert!(matches!(&why, AMQPValue::LongString(why) if why.to_string().contains("at most 1000 bytes")), "{why:?}");
    until("the good neighbour is a job", || bench.ledger.ids() == ["good"]).await;
    let way = Delivered { queue: jobs.clone(), exchange: String::new(), routing_key: jobs.clone() };
    assert_eq!(bench.ledger.ways(), [Some(way.clone()), Some(way), None], "only of what is no job");

    let (options, ledger) = bench.stop().await;
    assert_eq!((ledger.unpublished(), client.ready(&options.jobs_queue).await), (0, 0));
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_comes_again_does_nothing_twice() {
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    client.send_jobs(&bench.options.jobs_queue, ids("a", 50)).await;
    client.send_jobs(&bench.options.jobs_queue, ids("a", 50)).await;
    until("both deliveries arrived", || bench.ledger.arrivals() == 100).await;
    assert_eq!((bench.ledger.jobs(), bench.lanes.len()), (50, 50));
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_unfinished_jobs_leave_the_rest_in_the_broker() {
    let mut options = options(&shared_url());
    options.pending_max = 40;
    let bench = Bench::start(options);
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    let jobs = bench.options.jobs_queue.clone();
    client.send_jobs(&jobs, ids("a", 200)).await;
    until("the intake pauses", || matches!(*bench.intake.borrow(), IntakeState::IntakePaused { .. })).await;
    let held = bench.lanes.len();
    // Less than two prefetches (a quarter) above the maximum.
    assert!((40..50).contains(&held), "{held} jobs taken over");
    // The broker counts what was given back a moment after the channel is closed.
    until_async("the rest waits in the queue", async || client.ready(&jobs).await as usize == 200 - held).await;

    let mut ended = 0;
    until("all are taken over in turns", || {
        ended += bench.lanes.drain().len();
        ended == 200
    })
    .await;
    assert_eq!(bench.ledger.arrivals(), 200, "nothing was handed out twice");
    let (options, _) = bench.stop().await;
    assert_eq!(client.ready(&options.jobs_queue).await, 0);
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_ledger_acks_nothing_and_goes_on_when_there_is_room() {
    use std::sync::atomic::Ordering;
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    bench.ledger.full.store(true, Ordering::SeqCst);
    let client = Client::connect(&shared_url()).await;
    client.send_jobs(&bench.options.jobs_queue, ids("a", 20)).await;
    until("the intake says so", || bench.intake.borrow().to_string().contains("no room left for the ledger")).await;
    assert!(bench.intake.borrow().to_string().contains("make room on its disk"));
    assert_eq!(bench.ledger.jobs(), 0);
    bench.ledger.full.store(false, Ordering::SeqCst);
    until("all jobs are in the ledger", || bench.ledger.jobs() == 20).await;
    until("the intake is well again", || *bench.intake.borrow() == IntakeState::IntakeConsuming).await;
    let (options, ledger) = bench.stop().await;
    assert_eq!((client.ready(&options.jobs_queue).await, ledger.arrivals()), (0, 20));
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_while_the_ledger_is_full_loses_nothing() {
    use std::sync::atomic::Ordering;
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    bench.ledger.full.store(true, Ordering::SeqCst);
    let client = Client::connect(&shared_url()).await;
    client.send_jobs(&bench.options.jobs_queue, ids("a", 600)).await;
    until("the intake is stuck", || matches!(*bench.intake.borrow(), IntakeState::IntakeStalled { .. })).await;
    bench.ledger.full.store(false, Ordering::SeqCst);
    let (options, ledger) = bench.stop().await;
    let kept = ledger.jobs();
    until_async("what was not taken over is ready again", async || {
        client.ready(&options.jobs_queue).await as usize + kept == 600
    })
    .await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_deleted_under_the_worker_is_declared_again() {
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    let mut intake = bench.intake.clone();
    intake.mark_unchanged();
    client.delete(&bench.options.jobs_queue).await;
    intake.wait_for(|state| matches!(state, IntakeState::IntakeStalled { .. })).await.unwrap();
    intake.wait_for(|state| *state == IntakeState::IntakeConsuming).await.unwrap();
    client.send_jobs(&bench.options.jobs_queue, ids("a", 3)).await;
    until("consumed again", || bench.ledger.jobs() == 3).await;
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_goes_to_its_queue_and_to_reply_to() {
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    let answers = format!("{}.answers", bench.options.jobs_queue);
    client.declare(&answers, FieldTable::default()).await;
    // 85 characters of three bytes: as long as AMQP's short strings can be.
    let id = "会".repeat(85);
    let properties = BasicProperties::default()
        .with_message_id(id.as_str().into())
        .with_reply_to(answers.as_str().into())
        .with_correlation_id("c-9".into());
    client.send(&bench.options.jobs_queue, b"{}", properties).await;
    until("the job is in its lane", || bench.lanes.len() == 1).await;
    assert_eq!(bench.ledger.ids(), std::slice::from_ref(&id));
    for job in bench.lanes.drain() {
        bench.ledger.end(job.seq, None);
    }
    for queue in [&bench.options.results_queue, &answers] {
        let result = client.receive(queue).await;
        let document: serde_json::Value = serde_json::from_slice(&result.data).unwrap();
        assert_eq!((&document["id"], &document["status"]), (&id.clone().into(), &"succeeded".into()));
        let properties = &result.properties;
        assert_eq!(properties.message_id().as_ref().unwrap().as_str(), id);
        assert_eq!(properties.correlation_id().as_ref().unwrap().as_str(), "c-9");
        assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/json");
        assert_eq!((properties.delivery_mode(), properties.timestamp()), (&Some(2), &Some(1_795_248_000)));
        assert_eq!(
            (result.exchange.as_str(), result.routing_key.as_str()),
            ("", queue.as_str()),
            "straight to its queue"
        );
        assert_eq!(properties.kind().as_ref().unwrap().as_str(), "test.create");
        assert_eq!(properties.app_id().as_ref().unwrap().as_str(), "acme");
    }
    let (options, ledger) = bench.stop().await;
    assert_eq!((ledger.unpublished(), ledger.published()), (0, 1));
    client.delete(&answers).await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_queue_that_is_not_there_holds_nothing_up() {
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    let nowhere = BasicProperties::default().with_message_id("a".into()).with_reply_to("nobody.listens.here".into());
    client.send(&bench.options.jobs_queue, b"{}", nowhere).await;
    let too_long = serde_json::json!({"id": "b", "reply_to": "q".repeat(300)}).to_string();
    client.send(&bench.options.jobs_queue, too_long.as_bytes(), BasicProperties::default()).await;
    until("both are in their lane", || bench.lanes.len() == 2).await;
    for job in bench.lanes.drain() {
        bench.ledger.end(job.seq, None);
    }
    until("both results count as published", || bench.ledger.published() == 2).await;
    // Whoever hears of no confirmation publishes once more.
    let mut ids = BTreeSet::new();
    for _ in 0..client.ready(&bench.options.results_queue).await {
        let result = client.receive(&bench.options.results_queue).await;
        ids.insert(result.properties.message_id().as_ref().unwrap().to_string());
    }
    assert_eq!(ids, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_dead_letter_queue_holds_no_result_up_and_loses_nothing() {
    let options = options(&shared_url());
    let client = Client::connect(&shared_url()).await;
    let bench = Bench::start(options);
    bench.until_up().await;
    client.send_jobs(&bench.options.jobs_queue, ids("a", 60)).await;
    until("in their lanes", || bench.lanes.len() == 60).await;
    // An operator's limit, with the same name: the queue must not be declared again while the test runs.
    client.delete(&bench.options.dead_queue).await;
    client.declare(&bench.options.dead_queue, limited(5)).await;
    // A quorum queue learns late that it is full: only one filled beforehand refuses the first message.
    let stuffing = client.fill(&bench.options.dead_queue).await;
    for (number, job) in bench.lanes.drain().into_iter().enumerate() {
        let dead = (number % 2 == 0).then(|| (Reason::Rejected, Failure::default()));
        bench.ledger.end(job.seq, dead);
    }
    until("the relay says that the queue is full", || bench.relay.borrow().to_string().contains("full")).await;
    until_async("every result is out", async || client.ready(&bench.options.results_queue).await == 30).await;
    let mut drained = 0;
    until_async("every dead letter comes as room is made", async || {
        while client.get(&bench.options.dead_queue).await.is_some() {
            drained += 1;
        }
        drained == stuffing + 30
    })
    .await;
    until("the outbox is empty", || bench.ledger.unpublished() == 0).await;
    until("the relay is well again", || *bench.relay.borrow() == RelayState::RelayPublishing).await;
    assert_eq!(client.ready(&bench.options.results_queue).await, 30, "no result was published twice");
    assert_eq!(client.ready(&bench.options.dead_queue).await, 0, "no dead letter was published twice");
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_and_not_yet_forgotten_is_not_published_again() {
    use std::sync::atomic::Ordering;
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    client.send_jobs(&bench.options.jobs_queue, ids("a", 11)).await;
    until("in their lanes", || bench.lanes.len() == 11).await;
    client.delete(&bench.options.dead_queue).await;
    client.declare(&bench.options.dead_queue, limited(1)).await;
    let stuffing = client.fill(&bench.options.dead_queue).await;
    bench.ledger.full.store(true, Ordering::SeqCst);
    let jobs = bench.lanes.drain();
    // The first row is stuck, so the relay comes back to it again and again, past the results behind it.
    bench.ledger.end(jobs[0].seq, Some((Reason::Rejected, Failure::default())));
    for job in &jobs[1..] {
        bench.ledger.end(job.seq, None);
    }
    until_async("the results are out", async || client.ready(&bench.options.results_queue).await >= 10).await;
    let reads = bench.ledger.reads_from_start();
    until("the relay came back", || bench.ledger.reads_from_start() >= reads + 3).await;
    assert_eq!(bench.ledger.unpublished(), 11, "the ledger could not forget anything");
    bench.ledger.full.store(false, Ordering::SeqCst);
    for _ in 0..stuffing {
        client.receive(&bench.options.dead_queue).await;
    }
    client.receive(&bench.options.dead_queue).await;
    until("the outbox is empty", || bench.ledger.unpublished() == 0).await;
    assert_eq!(client.ready(&bench.options.results_queue).await, 10);
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_moved_back_is_taken_over_again_with_its_properties() {
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    let properties = BasicProperties::default()
        .with_message_id("hq-1".into())
        .with_correlation_id("c-1".into())
        .with_app_id("acme".into())
        .with_type("test.create".into())
        .with_priority(9)
        .with_content_type("application/json".into());
    client.send(&bench.options.jobs_queue, b" {\"name\": \"7F\"}\n", properties).await;
    until("in its lane", || bench.lanes.len() == 1).await;
    let before = bench.ledger.job_of("hq-1");
    let failure = Failure { code: Some(125_001), detail: "cannot create".into(), ..Failure::default() };
    bench.ledger.end(bench.lanes.drain()[0].seq, Some((Reason::Rejected, failure)));

    let dead = client.receive(&bench.options.dead_queue).await;
    assert_eq!(dead.properties.headers().as_ref().unwrap().inner()["x-paceline-code"], AMQPValue::LongLongInt(125_001));
    client.send(&bench.options.jobs_queue, &dead.data, dead.properties.clone()).await;
    until("in its lane again", || bench.lanes.len() == 1).await;
    let after = bench.ledger.job_of("hq-1");
    assert_eq!((before.0, before.1.amqp, before.1.raw), (after.0, after.1.amqp, after.1.raw));
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_queue_and_exchange_deleted_under_the_relay_come_back() {
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    client.send_jobs(&bench.options.jobs_queue, ids("a", 2)).await;
    until("in their lane", || bench.lanes.len() == 2).await;
    let jobs = bench.lanes.drain();
    client.delete(&bench.options.results_queue).await;
    bench.ledger.end(jobs[0].seq, None);
    until("published after the queue was declared again", || bench.ledger.published() == 1).await;
    let exchange = bench.options.results_exchange.as_str();
    client.channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await.unwrap();
    bench.ledger.end(jobs[1].seq, None);
    until("published after the exchange was declared again", || bench.ledger.published() == 2).await;
    assert_eq!(client.ready(&bench.options.results_queue).await, 2);
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_that_nobody_wants_do_not_pile_up() {
    let mut options = options(&shared_url());
    options.results_queue = String::new();
    let bench = Bench::start(options);
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    client.send_jobs(&bench.options.jobs_queue, ids("a", 3)).await;
    until("in their lane", || bench.lanes.len() == 3).await;
    for job in bench.lanes.drain() {
        bench.ledger.end(job.seq, None);
    }
    until("done with", || bench.ledger.published() == 3).await;
    let (mut options, _) = bench.stop().await;
    // Only what was declared can be deleted; deleting what is not there is no error.
    options.results_queue = options.dead_queue.clone();
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batchs_end_reaches_those_who_bind_it_and_no_queue_of_results() {
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    // Nobody wants it: then it is done, and nothing is held up.
    bench.ledger.complete("unheard");
    until("the first event is done", || bench.ledger.unpublished() == 0).await;

    let events = format!("{}.events", bench.options.jobs_queue);
    client.declare(&events, FieldTable::default()).await;
    let exchange = bench.options.results_exchange.as_str();
    client
        .channel
        .queue_bind(
            events.as_str().into(),
            exchange.into(),
            "batch.#".into(),
            lapin::options::QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    client.send_jobs(&bench.options.jobs_queue, ["a".to_owned()]).await;
    until("a job", || bench.lanes.len() == 1).await;
    bench.ledger.end(bench.lanes.drain()[0].seq, None);
    bench.ledger.complete("move");
    let event = client.receive(&events).await;
    let document: serde_json::Value = serde_json::from_slice(&event.data).unwrap();
    assert_eq!((&document["event"], &document["batch"]), (&"batch.completed".into(), &"move".into()));
    assert_eq!(event.properties.kind().as_ref().unwrap().as_str(), "batch.completed");
    let result = client.receive(&bench.options.results_queue).await;
    assert_eq!(result.properties.message_id().as_ref().unwrap().as_str(), "a");
    until("all is published", || bench.ledger.unpublished() == 0).await;
    assert_eq!(client.ready(&bench.options.results_queue).await, 0, "the event is no result");
    assert_eq!(client.ready(&events).await, 0, "the result is no event");
    let (options, _) = bench.stop().await;
    client.delete(&events).await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_with_its_job_and_its_ending() {
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    let text = |value: &str| AMQPValue::LongString(value.into());
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let bad = "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01";
    let traced = [("won", good), ("lost", good), ("bad-won", bad), ("bad-lost", bad)];
    for (id, parent) in traced {
        let mut headers = FieldTable::default();
        headers.insert("traceparent".into(), text(parent));
        headers.insert("tracestate".into(), text("rojo=1"));
        headers.insert("mine".into(), text("too"));
        let properties = BasicProperties::default().with_message_id(id.into()).with_headers(headers);
        client.send(&bench.options.jobs_queue, b"{}", properties).await;
    }
    until("the jobs are in their lane", || bench.lanes.len() == traced.len()).await;
    for (id, parent) in traced {
        let (job, origin) = bench.ledger.job_of(id);
        let trace = job.trace.map(|trace| trace.id());
        assert_eq!(trace.as_deref(), (parent == good).then_some("0af7651916cd43dd8448eb211c80319c"), "{id}");
        assert_eq!(origin.amqp.unwrap().headers["traceparent"], parent, "{id}: kept as it came");
    }
    for job in bench.lanes.drain() {
        // Taken over in order: every second one is lost.
        let dead = (job.seq.0 % 2 == 1).then(|| (Reason::Rejected, Failure::default()));
        bench.ledger.end(job.seq, dead);
    }
    for (id, expected) in [("won", Some((good, "rojo=1"))), ("bad-won", None)] {
        let result = client.receive(&bench.options.results_queue).await;
        assert_eq!(result.properties.message_id().as_ref().unwrap().as_str(), id);
        let mut headers = result.properties.headers().clone().unwrap_or_default().inner().clone();
        // RabbitMQ's own.
        headers.remove("x-delivery-count");
        let wanted = expected.map(|(parent, state)| [("traceparent", parent), ("tracestate", state)]);
        let wanted = wanted.into_iter().flatten().map(|(name, value)| (name.into(), text(value))).collect();
        assert_eq!(headers, wanted, "{id}");
    }
    for (id, parent) in [("lost", good), ("bad-lost", bad)] {
        let letter = client.receive(&bench.options.dead_queue).await;
        let headers = letter.properties.headers().clone().unwrap();
        assert_eq!(headers.inner()["x-paceline-id"], text(id));
        assert_eq!(headers.inner()["traceparent"], text(parent), "{id}: upstream's own, as it came");
        assert_eq!((&headers.inner()["tracestate"], &headers.inner()["mine"]), (&text("rojo=1"), &text("too")));
    }
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}
