//! What a person is told when the broker cannot be used.

use lapin::types::FieldTable;
use paceline::amqp::check::check;
use paceline::amqp::publish::{Submission, submit};
use paceline::amqp::{IntakeState, Link, LinkState, Options};
use paceline::clock::Clock;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::harness::bench::{Bench, Client, options};
use crate::harness::rabbitmq::{Node, shared_url};
use crate::harness::until;

/// The state of a link to this address after its first failure.
async fn first_failure(options: &Options) -> String {
    let (link, supervisor) = Link::new(options, "test", Clock::system()).unwrap();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(supervisor.run(stopped));
    let mut states = link.states();
    let down = states.wait_for(|state| matches!(state, LinkState::Down { .. })).await.unwrap().to_string();
    stop.send_replace(true);
    running.await.unwrap();
    assert_eq!(link.state(), LinkState::Closed);
    down
}

/// The shared broker's address with another user, password, or vhost.
fn address(user: &str, password: &str, vhost: &str) -> String {
    let host = shared_url().rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned();
    format!("amqp://{user}:{password}@{host}/{vhost}")
}

fn assert_says(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "{wanted:?} is not in: {text}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_named_and_not_shown() {
    let text = first_failure(&Options::at(address("guest", "hunter2", "%2f"))).await;
    assert_says(&text, &["ACCESS_REFUSED", "correct user and password in broker.url", "\"guest\""]);
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_wrong_vhost_is_named_with_the_commands_that_make_it() {
    let text = first_failure(&Options::at(address("guest", "guest", "nowhere"))).await;
    assert_says(&text, &["NOT_ALLOWED", "\"nowhere\"", "rabbitmqctl add_vhost nowhere"]);
    let text = first_failure(&Options::at(address("guest", "guest", ""))).await;
    assert_says(&text, &["write %2f for the vhost \"/\""]);
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = first_failure(&Options::at(format!("amqp://guest:guest@127.0.0.1:{port}/%2f"))).await;
    assert_says(&text, &[&format!("127.0.0.1:{port}"), "refused", "nothing listens there: start RabbitMQ"]);
}

#[tokio::test]
async fn a_host_without_an_address_is_named() {
    let text = first_failure(&Options::at("amqp://guest:guest@no-such-host.invalid/%2f")).await;
    assert_says(&text, &["no-such-host.invalid:5672", "check host and port"]);
}

#[tokio::test]
async fn tls_on_a_port_without_it_is_named() {
    let url = address("guest", "guest", "%2f").replace("amqp://", "amqps://");
    let text = first_failure(&Options::at(url)).await;
    assert_says(&text, &["TLS", "5671"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_authority_is_refused_until_its_file_is_named() {
    let node = Node::start_tls().await;
    let mut options = options(&node.tls_url());
    let text = first_failure(&options).await;
    assert_says(&text, &["name that authority's PEM file in broker.ca_file"]);
    options.ca_file = Some(node.ca_file());
    let by_address = Options { urls: vec![node.tls_url().replace("localhost", "127.0.0.1").into()], ..options.clone() };
    assert_says(&first_failure(&by_address).await, &["its certificate is for another name than \"127.0.0.1\""]);
    let without_tls = Options { urls: vec![node.url().into()], ..options.clone() };
    assert_says(&first_failure(&without_tls).await, &["expect TLS on that port (then write amqps://)"]);

    let bench = Bench::start(options);
    bench.until_up().await;
    let jobs = [Submission { body: "{\"id\":\"a\"}".into(), ..Submission::default() }];
    let report = submit(&bench.publish, &bench.options, jobs, |_| ()).await.unwrap();
    assert_eq!(report.confirmed, 1);
    until("taken over", || bench.ledger.jobs() == 1).await;
    bench.stop().await;
}

#[tokio::test]
async fn a_ca_file_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let mut options = Options::at("amqps://guest:guest@127.0.0.1/%2f");
    options.ca_file = Some(file.clone());
    let text = first_failure(&options).await;
    assert_says(&text, &["cannot read", "ca.pem", "correct broker.ca_file"]);
    std::fs::write(&file, "no certificate").unwrap();
    assert_says(&first_failure(&options).await, &["holds no certificate", "BEGIN CERTIFICATE"]);
}

#[tokio::test]
async fn a_listener_that_says_nothing_costs_one_waiting_thread_at_most() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options::at(format!("amqp://guest:guest@{}/%2f", listener.local_addr().unwrap()));
    let (link, supervisor) = Link::new(&options, "test", Clock::system()).unwrap();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(supervisor.run(stopped));
    // Accepts and never answers; the client's and the probe's greeting are the same bytes.
    let (mut first, _) = listener.accept().await.unwrap();
    let mut greeting = [0; 8];
    first.read_exact(&mut greeting).await.unwrap();
    let mut states = link.states();
    let text = states.wait_for(|state| matches!(state, LinkState::Down { .. })).await.unwrap().to_string();
    assert_says(&text, &["no answer within 10 s", "firewall"]);
    let (mut second, _) = listener.accept().await.unwrap();
    second.read_exact(&mut greeting).await.unwrap();
    stop.send_replace(true);
    // Stopping does not wait for the answer.
    running.await.unwrap();
    // The probe was given up with its supervisor; the client's thread holds its connection until the peer closes.
    assert_eq!(second.read(&mut greeting).await.unwrap(), 0);
    drop(first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_with_other_arguments_is_named_in_the_brokers_words() {
    let options = options(&shared_url());
    let client = Client::connect(&shared_url()).await;
    // Classic, as somebody's script made it.
    client.declare(&options.jobs_queue, FieldTable::default()).await;
    let findings = check(&options).await;
    let bad: Vec<_> = findings.iter().filter(|finding| finding.verdict.is_err()).collect();
    assert_eq!(bad.len(), 1, "{findings:?}");
    assert_eq!(bad[0].subject, format!("queue {}", options.jobs_queue));
    assert_says(&bad[0].verdict.as_ref().unwrap_err().to_string(), &["inequivalent arg 'x-queue-type'", "delete it"]);

    let bench = Bench::start(options);
    until("the intake says so", || bench.intake.borrow().to_string().contains("inequivalent arg 'x-queue-type'")).await;
    client.delete(&bench.options.jobs_queue).await;
    until("it goes on once the cure was applied", || *bench.intake.borrow() == IntakeState::IntakeConsuming).await;
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_makes_nothing_and_finds_everything_well_afterwards() {
    let options = options(&shared_url());
    let findings = check(&options).await;
    assert!(findings.iter().all(|finding| finding.verdict.is_ok()), "{findings:?}");
    assert_eq!(findings.len(), 5, "{findings:?}");
    assert_says(&findings[1].verdict.as_ref().unwrap().to_string(), &["not there yet"]);
    let again = check(&options).await;
    assert_eq!(findings, again, "the first check made something");

    let bench = Bench::start(options);
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    client.send(&bench.options.dead_queue, b"x", lapin::BasicProperties::default()).await;
    let findings = check(&bench.options).await;
    assert!(findings.iter().all(|finding| finding.verdict.is_ok()), "{findings:?}");
    assert_says(&findings[1].verdict.as_ref().unwrap().to_string(), &["as expected; 0 messages ready, 1 consumers"]);
    assert_eq!(client.ready(&bench.options.results_queue).await, 0, "the check left a message behind");
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}

#[tokio::test]
async fn a_check_without_a_broker_says_one_thing() {
    let findings = check(&Options::at(address("guest", "wrong", "%2f"))).await;
    assert_eq!(findings.len(), 1);
    assert_says(&findings[0].verdict.as_ref().unwrap_err().to_string(), &["ACCESS_REFUSED"]);
}
