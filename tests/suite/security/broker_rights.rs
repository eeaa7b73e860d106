//! What the worker's own user lacks in the broker.

use paceline::amqp::{Options, check};

use crate::harness::bench::{Client, options};
use crate::harness::rabbitmq::Node;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_tells_which_rights_the_workers_user_lacks() {
    let node = Node::start().await;
    let own = options(&node.url());
    let admin = Client::connect(&node.url()).await;
    admin.declare_topic(&own.results_exchange).await;
    node.control(&["add_user", "worker", "pass"]);
    node.control(&["set_permissions", "worker", "", "^$", ".*"]);
    let limited = Options { urls: vec![node.url().replace("guest:guest", "worker:pass").into()], ..own.clone() };
    let lacking: Vec<_> = check::check(&limited).await.into_iter().filter_map(|found| found.verdict.err()).collect();
    for name in ["amq.default", own.results_exchange.as_str()] {
        let fault = lacking.iter().find(|fault| fault.to_string().contains(name));
        let fault = fault.unwrap_or_else(|| panic!("nothing is said of {name}: {lacking:?}"));
        assert!(fault.cure().contains("rabbitmqctl set_permissions") && fault.cure().contains(name), "{fault}");
    }
    node.control(&["set_permissions", "worker", ".*", ".*", ".*"]);
    let well = check::check(&limited).await;
    assert!(well.iter().all(|found| found.verdict.is_ok()), "{well:?}");
    admin.close().await;
}
