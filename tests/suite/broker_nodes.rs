//! A broker of several nodes: one is enough, and its death is survived.

use paceline::amqp::Options;
use paceline::amqp::check::check;

use crate::harness::bench::{Bench, Client, options};
use crate::harness::rabbitmq::Node;
use crate::harness::until;

/// Sends a job to this node, and waits for its result there.
async fn a_job_goes_through(bench: &Bench, node: &Node, id: &str) {
    let client = Client::connect(&node.url()).await;
    client.send_jobs(&bench.options.jobs_queue, [id.to_owned()]).await;
    until("taken over", || bench.lanes.len() == 1).await;
    bench.ledger.end(bench.lanes.drain()[0].seq, None);
    let result = client.receive(&bench.options.results_queue).await;
    assert!(String::from_utf8_lossy(&result.data).contains(id));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_goes_on_with_the_other_address_when_a_node_dies() {
    let (mut first, mut second) = (Node::start().await, Node::start().await);
    let both = options(&first.url());
    let both = Options { urls: [&first, &second].map(|node| node.url().into()).to_vec(), ..both };
    // The nodes are no cluster: each needs queues of its own.
    for url in &both.urls {
        let declaring = Bench::start(Options { urls: vec![url.clone()], ..both.clone() });
        declaring.until_up().await;
        declaring.stop().await;
    }
    let bench = Bench::start(both);
    bench.until_up().await;

    first.kill().await;
    a_job_goes_through(&bench, &second, "with-the-second").await;
    let findings = check(&bench.options).await;
    let [of_first, of_second] = [&findings[0], &findings[1]];
    assert_eq!(of_first.subject, format!("connection to {}", first.host()));
    let fault = of_first.verdict.as_ref().unwrap_err().to_string();
    assert!(fault.contains("refused") && fault.contains("broker.urls"), "{fault}");
    assert_eq!(of_second.subject, format!("connection to {}", second.host()));
    assert!(of_second.verdict.as_ref().unwrap().to_string().contains("vhost"), "{of_second:?}");
    assert!(findings[2..].iter().all(|finding| finding.verdict.is_ok()), "{findings:?}");

    second.kill().await;
    until("both links say what each address said", || {
        [&bench.consume, &bench.publish].iter().all(|link| {
            let state = link.state().to_string();
            state.contains(&first.host()) && state.contains(&second.host())
        })
    })
    .await;
    first.boot().await;
    let client = Client::connect(&first.url()).await;
    client.send_jobs(&bench.options.jobs_queue, ["with-the-first".to_owned()]).await;
    until("taken over", || bench.ledger.jobs() == 2).await;
    client.close().await;
    bench.stop().await;
}
