//! Messages that no client would send, over a queue with RabbitMQ 4's delivery limit: each is a dead letter, and takes no
//! other message along.

use lapin::types::AMQPValue;

use super::harness::bench::{Bench, Client, options};
use super::harness::rabbitmq::Node;
use super::harness::raw::{FRAME_MAX, Properties, Raw, field, long};
use super::harness::until;

/// 会议 in GBK.
const GBK: &[u8] = b"\xbb\xe1\xd2\xe9";
/// Where a body is over what is read as a job.
const LARGE: usize = 16 * 1024 * 1024;
const HEAD: usize = 64 * 1024;

fn headers(table: Vec<u8>) -> Properties {
    Properties { headers: Some(table), ..Properties::default() }
}

/// A table in a table in a table, and so on.
fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |inner, _| field(b"a", b'F', &long(&inner)))
}

/// Every kind of odd message with a body that is a job.
fn odd() -> Vec<(&'static str, Properties)> {
    let text = |bytes: &[u8]| Some(bytes.to_vec());
    vec![
        ("app_id in GBK", Properties { app_id: text(GBK), ..Properties::default() }),
        ("type in GBK", Properties { kind: text(GBK), ..Properties::default() }),
        ("message_id cut in a character", Properties { message_id: text(b"\xe4\xbc"), ..Properties::default() }),
        ("a header's name in GBK", headers(field(GBK, b'S', &long(b"x")))),
        ("tables within tables", headers(nested(20))),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_messages_are_dead_letters_and_take_no_good_one_along() {
    let node = Node::start().await;
    let limit = r#"{"delivery-limit": 20}"#;
    node.control(&["set_policy", "--apply-to", "queues", "limit", "\\.jobs$", limit]);
    let first = Bench::start(options(&node.url()));
    first.until_up().await;
    let (options, ledger) = first.stop().await;
    let client = Client::connect(&node.url()).await;
    let mut raw = Raw::connect(&node.url()).await;

    // One that is within a frame when it is published, and over it when RabbitMQ has noted that it comes again.
    let room = FRAME_MAX - 48;
    raw.send(&options.jobs_queue, &headers(field(b"large", b'S', &long(&vec![b'x'; room]))), b"{\"id\":\"odd-frame\"}")
        .await;
    raw.hand_back(&options.jobs_queue).await;
    let mut good = Vec::new();
    let mut expected = 1;
    for (name, properties) in odd() {
        raw.send(&options.jobs_queue, &properties, format!("{{\"id\":\"odd {name}\"}}").as_bytes()).await;
        expected += 1;
        let behind: Vec<String> = (0..20).map(|number| format!("behind {name} {number}")).collect();
        client.send_jobs(&options.jobs_queue, behind.clone()).await;
        good.extend(behind);
    }
    for _ in 0..3 {
        raw.send(&options.jobs_queue, &Properties::default(), &vec![b'x'; LARGE]).await;
        expected += 1;
    }
    client.send_jobs(&options.jobs_queue, ["last".to_owned()]).await;
    good.push("last".to_owned());
    raw.close().await;

    let bench = Bench::start_over(options, ledger);
    until("every good message is a job", || bench.ledger.jobs() == good.len()).await;
    assert_eq!(bench.ledger.ids(), good, "in their order");
    let (mut large, mut readable) = (0, 0);
    for _ in 0..expected {
        let letter = client.receive(&bench.options.dead_queue).await;
        let headers = letter.properties.headers().clone().unwrap();
        assert_eq!(headers.inner()["x-paceline-reason"], AMQPValue::LongString("malformed".into()), "{headers:?}");
        if letter.data.len() == HEAD {
            large += 1;
        } else {
            assert!(letter.data.starts_with(b"{\"id\":\"odd"), "{letter:?}");
            readable += 1;
        }
    }
    assert_eq!((large, readable), (3, expected - 3));
    until("all is published", || bench.ledger.unpublished() == 0).await;
    let (options, _) = bench.stop().await;
    for queue in [&options.jobs_queue, &options.dead_queue, &options.results_queue] {
        assert_eq!(client.ready(queue).await, 0, "{queue}");
    }
    client.close().await;
}
