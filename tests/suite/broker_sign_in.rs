//! Signing in to RabbitMQ with a certificate or a token in place of a password.

use paceline::amqp::check::check;
use paceline::amqp::publish::{Submission, submit};
use paceline::amqp::sign_in::{Certificate, TokenSource};
use paceline::amqp::{IntakeState, LinkState, Options};
use paceline::clock::Clock;

use crate::harness::bench::{Bench, Client, options};
use crate::harness::rabbitmq::Node;
use crate::harness::until;

/// What `check` says of the connection when there is none.
async fn refusal(options: &Options) -> String {
    let findings = check(options).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings[0].verdict.as_ref().unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_signs_in_without_a_password() {
    let node = Node::start_mutual_tls().await;
    let mut options = options(&node.tls_url().replace("guest:guest@", ""));
    options.ca_file = Some(node.ca_file());
    let text = refusal(&options).await;
    assert!(text.contains("name yours in broker.tls_cert and broker.tls_key"), "{text}");

    let own = Certificate { cert: node.file("worker.pem"), key: node.file("worker.key") };
    options.certificate = Some(Certificate { cert: node.file("none.pem"), ..own.clone() });
    let text = refusal(&options).await;
    assert!(text.contains("none.pem") && text.contains("correct broker.tls_cert"), "{text}");
    // The node's own certificate is of the same authority, but there is no user of its name.
    options.certificate = Some(Certificate { cert: node.file("node.pem"), key: node.file("node.key") });
    let text = refusal(&options).await;
    assert!(text.contains("ACCESS_REFUSED") && text.contains("rabbitmq_auth_mechanism_ssl"), "{text}");

    options.certificate = Some(own);
    let bench = Bench::start(options);
    bench.until_up().await;
    let jobs = [Submission { body: "{\"id\":\"a\"}".into(), ..Submission::default() }];
    assert_eq!(submit(&bench.publish, &bench.options, jobs, |_| ()).await.unwrap().confirmed, 1);
    until("taken over", || bench.ledger.jobs() == 1).await;
    let findings = check(&bench.options).await;
    assert!(findings.iter().all(|finding| finding.verdict.is_ok()), "{findings:?}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_renewed_while_the_connection_goes_on() {
    let node = Node::start_oauth2().await;
    let file = node.file("token");
    let write = |ends_at_s: i64| {
        std::fs::write(&file, node.token(ends_at_s)).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    };
    let now_s = || Clock::system().now().unix_seconds();
    let mut options = options(&node.url().replace("guest:guest@", ""));
    options.token = Some(TokenSource::File(file.clone()));
    write(now_s() - 60);
    let text = refusal(&options).await;
    assert!(text.contains("ACCESS_REFUSED") && text.contains("rabbitmq_auth_backend_oauth2"), "{text}");

    let first_ends_s = now_s() + 15;
    write(first_ends_s);
    let bench = Bench::start(options);
    bench.until_up().await;
    let mut links = [bench.consume.states(), bench.publish.states()];
    for states in &mut links {
        assert_eq!(*states.borrow_and_update(), LinkState::Connected);
    }
    write(now_s() + 3_600);
    until("both connections have new tokens", || node.log().matches("updated secret").count() == 2).await;
    until("the first token has ended", || now_s() > first_ends_s).await;
    assert!(links.iter().all(|states| !states.has_changed().unwrap()), "a connection was made anew");

    // RabbitMQ cancels the consumer of a queue that is gone; declaring it anew takes a token that still holds.
    let admin = Client::connect(&node.url()).await;
    admin.delete(&bench.options.jobs_queue).await;
    let mut intake = bench.intake.clone();
    let is_cancelled = |state: &IntakeState| state.to_string().contains("RabbitMQ ended consuming");
    intake.wait_for(is_cancelled).await.unwrap();
    intake.wait_for(|state| *state == IntakeState::IntakeConsuming).await.unwrap();
    admin.send_jobs(&bench.options.jobs_queue, ["after".to_owned()]).await;
    until("taken over", || bench.ledger.jobs() == 1).await;
    assert!(links.iter().all(|states| !states.has_changed().unwrap()), "a connection was made anew");
    bench.stop().await;
    admin.close().await;
}
