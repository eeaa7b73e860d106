//! Queues that others have bound to the results exchange: whatever they do, nobody else gets less, and nobody much more.

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::FieldTable;
use paceline::amqp::{Options, RelayState};
use serde_json::{Value, json};

use super::check::Simulator;
use super::commands::Place;
use super::harness::bench::{Bench, Client, declared, limited, options};
use super::harness::rabbitmq::{Node, shared_url};
use super::harness::{until, until_async};

const SECRETS: [(&str, &str); 1] = [("ACME_SECRET", "hunter2")];

/// Pauses of milliseconds instead of minutes.
fn impatient(url: &str) -> Options {
    Options { refusal_pause: Duration::from_millis(50), ..options(url) }
}

/// A queue with this binding that is full.
async fn full(client: &Client, options: &Options, name: &str, binding: &str) -> String {
    let queue = format!("{}.{name}", options.jobs_queue);
    client.declare(&queue, limited(1)).await;
    client.fill(&queue).await;
    client.bind(&queue, options, binding).await;
    queue
}

/// A queue with this binding that takes everything.
async fn roomy(client: &Client, options: &Options, name: &str, binding: &str) -> String {
    let queue = format!("{}.{name}", options.jobs_queue);
    client.declare(&queue, FieldTable::default()).await;
    client.bind(&queue, options, binding).await;
    queue
}

/// How often each job's result lies in a queue.
async fn copies(client: &Client, queue: &str) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    while let Some(message) = client.get(queue).await {
        let document: Value = serde_json::from_slice(&message.data).unwrap_or_default();
        *copies.entry(document["id"].as_str().unwrap_or("no result").to_owned()).or_default() += 1;
    }
    copies
}

/// Ends so many jobs well.
async fn end_jobs(bench: &Bench, client: &Client, prefix: &str, count: usize) {
    client.send_jobs(&bench.options.jobs_queue, (0..count).map(|number| format!("{prefix}-{number}"))).await;
    until("the jobs are in their lanes", || bench.lanes.len() == count).await;
    for job in bench.lanes.drain() {
        bench.ledger.end(job.seq, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_subscriber_multiplies_no_result_for_the_others() {
    let bench = Bench::start(impatient(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    let full = full(&client, &bench.options, "full", "#").await;
    let other = roomy(&client, &bench.options, "other", "acme.#").await;
    end_jobs(&bench, &client, "a", 20).await;
    until("every result waits for the full queue alone", || bench.ledger.aside() == 20).await;
    // Whoever is not full has everything, whatever the other one does.
    assert_eq!(client.ready(&bench.options.results_queue).await, 20);
    until_async("the other subscriber has all", async || client.ready(&other).await >= 20).await;
    let state = bench.relay.borrow().clone();
    assert!(matches!(state, RelayState::RelayHindered { .. }), "{state}");
    let exchange = &bench.options.results_exchange;
    for words in [&format!("a queue bound to exchange {exchange:?}"), "full", "drain it", "raise its max-length"] {
        assert!(state.to_string().contains(words), "{words:?} is not in: {state}");
    }
    assert!(bench.service.status().is_ready(), "our own queues get everything");
    until("it was tried again", || bench.ledger.refused_again() >= 4).await;
    // One row for each pause, and each time another one.
    let tries = bench.ledger.refused_again();
    let seen = copies(&client, &other).await;
    assert!(seen.values().all(|copies| *copies <= 2), "{seen:?} after {tries} tries");

    client.delete(&full).await;
    until("all is published", || bench.ledger.unpublished() == 0).await;
    until("the relay is well again", || *bench.relay.borrow() == RelayState::RelayPublishing).await;
    let own = copies(&client, &bench.options.results_queue).await;
    assert_eq!(own.len(), 20);
    assert!(own.values().all(|copies| *copies == 1), "{own:?}");
    let again = copies(&client, &other).await;
    assert!(again.len() == 20 && again.values().all(|copies| *copies <= 3), "{again:?}");
    let (options, _) = bench.stop().await;
    client.delete(&other).await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_has_room_again_gets_what_it_refused() {
    let bench = Bench::start(impatient(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    let full = full(&client, &bench.options, "full", "#").await;
    end_jobs(&bench, &client, "a", 8).await;
    until("set aside", || bench.ledger.aside() == 8).await;
    let mut got = BTreeMap::new();
    until_async("every result is in the queue that refused it", async || {
        got.extend(copies(&client, &full).await);
        (0..8).all(|number| got.contains_key(&format!("a-{number}")))
    })
    .await;
    until_async("nothing is left", async || {
        copies(&client, &full).await;
        bench.ledger.unpublished() == 0
    })
    .await;
    assert_eq!(client.ready(&bench.options.results_queue).await, 8);
    let (options, _) = bench.stop().await;
    client.delete(&full).await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_wants_one_app_holds_up_no_other() {
    let bench = Bench::start(impatient(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    let full = full(&client, &bench.options, "full", "campus.#").await;
    let other = roomy(&client, &bench.options, "other", "#").await;
    end_jobs(&bench, &client, "a", 5).await;
    until("nothing of theirs is left", || bench.ledger.unpublished() == 0).await;
    assert_eq!((client.ready(&bench.options.results_queue).await, client.ready(&other).await), (5, 5));
    assert_eq!(*bench.relay.borrow(), RelayState::RelayPublishing);
    let (options, _) = bench.stop().await;
    client.delete(&full).await;
    client.delete(&other).await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_process_set_aside_begins_with_a_single_row() {
    // No second try within the test.
    let options = Options { refusal_pause: Duration::from_secs(3_600), ..options(&shared_url()) };
    let bench = Bench::start(options);
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    let full = full(&client, &bench.options, "full", "#").await;
    let other = roomy(&client, &bench.options, "other", "#").await;
    end_jobs(&bench, &client, "a", 10).await;
    until("set aside", || bench.ledger.aside() == 10).await;
    let (options, ledger) = bench.stop().await;
    let first = copies(&client, &other).await;
    assert_eq!(first.values().sum::<usize>(), 10, "each once, and none again: {first:?}");

    let bench = Bench::start_over(options, ledger);
    until("refused again", || bench.relay.borrow().fault().is_some()).await;
    let (options, ledger) = bench.stop().await;
    assert_eq!((ledger.refused_again(), ledger.aside()), (1, 10));
    let second = copies(&client, &other).await;
    assert_eq!(second.len(), 1);
    let bench = Bench::start_over(options, ledger);
    until("refused once more", || bench.relay.borrow().fault().is_some()).await;
    let (options, _) = bench.stop().await;
    let third = copies(&client, &other).await;
    assert!(third.len() == 1 && third != second, "another one each time: {second:?} {third:?}");
    assert_eq!(client.ready(&options.results_queue).await, 10);
    client.delete(&full).await;
    client.delete(&other).await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_of_an_earlier_edition_brings_no_result_twice() {
    let options = options(&shared_url());
    let client = Client::connect(&shared_url()).await;
    let first = Bench::start(options);
    first.until_up().await;
    let (options, ledger) = first.stop().await;
    for binding in ["*.*.*.#", "#"] {
        client.bind(&options.results_queue, &options, binding).await;
    }
    let bench = Bench::start_over(options, ledger);
    bench.until_up().await;
    end_jobs(&bench, &client, "a", 5).await;
    bench.ledger.complete("move");
    until("all is published", || bench.ledger.unpublished() == 0).await;
    let (options, _) = bench.stop().await;
    let own = copies(&client, &options.results_queue).await;
    assert!(own.len() == 5 && own.values().all(|copies| *copies == 1), "{own:?}");
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_to_write_the_exchange_the_queue_gets_its_results() {
    let node = Node::start().await;
    let declaring = Bench::start(options(&node.url()));
    declaring.until_up().await;
    let (mut declared, _) = declaring.stop().await;
    // The queue of results and the exchange have one name: another exchange, which the user may not write.
    declared.results_exchange = format!("{}.closed", declared.jobs_queue);
    let admin = Client::connect(&node.url()).await;
    admin.declare_topic(&declared.results_exchange).await;
    node.control(&["add_user", "worker", "pass"]);
    let writes = format!("^(amq.default|{}|{})$", declared.jobs_queue, declared.results_queue);
    node.control(&["set_permissions", "worker", "", &writes, ".*"]);
    let bench =
        Bench::start(Options { urls: vec![node.url().replace("guest:guest", "worker:pass").into()], ..declared });
    bench.until_up().await;
    end_jobs(&bench, &admin, "a", 5).await;
    until_async("the queue has its results", async || admin.ready(&bench.options.results_queue).await == 5).await;
    until("the relay says what is missing", || bench.relay.borrow().fault().is_some()).await;
    let state = bench.relay.borrow().clone();
    for words in ["ACCESS_REFUSED", "rabbitmqctl set_permissions", bench.options.results_exchange.as_str()] {
        assert!(state.to_string().contains(words), "{words:?} is not in: {state}");
    }
    assert!(matches!(state, RelayState::RelayHindered { .. }), "{state}");
    node.control(&["set_permissions", "worker", "", ".*", ".*"]);
    until("all is published", || bench.ledger.unpublished() == 0).await;
    until("the relay is well again", || *bench.relay.borrow() == RelayState::RelayPublishing).await;
    assert_eq!(admin.ready(&bench.options.results_queue).await, 5, "no result came twice");
    bench.stop().await;
    admin.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_idle_ends_with_1_and_a_sentence_when_results_cannot_be_published() {
    let place = Place::new(&[]);
    let simulator = Simulator::start(&place, "zero");
    let app = format!(
        "[apps.acme]\nplatform = \"feishu\"\nbase_url = \"{}\"\napp_id = \"cli_acme\"\n\
         app_secret = {{ env = \"ACME_SECRET\" }}\n",
        simulator.address
    );
    let (queues, client) = declared(&place, &app, &SECRETS).await;
    let full = full(&client, &queues, "full", "#").await;
    for n in 0..3 {
        let job = json!({"id": format!("c-{n}"), "method": "feishu.calendar.create", "app": "acme",
            "body": {"summary": format!("Department {n}")}});
        client.send(&queues.jobs_queue, job.to_string().as_bytes(), BasicProperties::default()).await;
    }
    let worked = place.run_with(&["work", "--until-idle"], &SECRETS);
    assert_eq!(worked.code, Some(1), "{}", worked.transcript());
    let last = worked.err.trim_end().lines().last().unwrap();
    assert!(last.starts_with("3 results are not published: a queue bound to exchange"), "{last}");
    let warnings = worked.err.lines().filter(|line| line.contains("refuses results")).count();
    assert_eq!(warnings, 2, "once when it begins, once at the end: {}", worked.err);
    assert_eq!(client.ready(&queues.results_queue).await, 3);

    client.delete(&full).await;
    let worked = place.run_with(&["work", "--until-idle"], &SECRETS);
    assert_eq!(worked.code, Some(0), "{}", worked.transcript());
    assert_eq!(client.ready(&queues.results_queue).await, 3, "and none of them again");
    client.clean_up(&queues).await;
}
