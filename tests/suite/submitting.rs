//! `paceline submit` with a broker: what it prints, what it publishes, and what it refuses to publish.

use serde_json::{Value, json};

use super::commands::{Place, SETTINGS};
use super::harness::bench::{Client, options, table};
use super::harness::rabbitmq::shared_url;

const ROOMS: &str = r#"{"id":"r1","method":"feishu.vc.room.create","app":"acme","body":{"name":"R1","capacity":4,"room_level_id":"omb_1"}}
{"id":"r2","method":"feishu.vc.room.create","app":"acme","body":{"name":"R2","capacity":4,"room_level_id":"omb_1"}}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_published_with_confirms_and_what_it_would_create_again_is_refused_first() {
    let options = options(&shared_url());
    let place = Place::with_apps(&[("rooms.jsonl", ROOMS)]);
    let run = |arguments: &[&str]| place.run_with(arguments, &[("ACME_SECRET", "s1"), ("CAMPUS_SECRET", "s2")]);
    let settings = format!("{SETTINGS}\n{}", table(&shared_url(), &options));
    place.write("paceline.toml", &settings);
    let published = run(&["submit", "rooms.jsonl"]);
    assert_eq!(
        published.transcript().replace(&options.jobs_queue, "<queue>"),
        "exit 0\n--- stderr\n2 published to <queue>, 0 not confirmed\n"
    );
    let again: Value = serde_json::from_str(&run(&["submit", "rooms.jsonl", "--json"]).out).unwrap();
    assert_eq!(again, json!({"queue": options.jobs_queue, "published": 2, "unconfirmed": []}));
    let client = Client::connect(&shared_url()).await;
    assert_eq!(client.ready(&options.jobs_queue).await, 4);

    // A ledger beside it has the rooms under other ids: nothing is published.
    place.write("paceline.toml", SETTINGS);
    let others = ROOMS.replace("\"id\":\"r", "\"id\":\"other-");
    place.write("others.jsonl", &others);
    assert_eq!(run(&["submit", "others.jsonl"]).code, Some(0));
    place.write("paceline.toml", &settings);
    place.write("rooms.csv", "id,name,capacity,room_level_id\nc1,R1,4,omb_1\n");
    let refused = run(&["submit", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"]);
    assert_eq!(refused.code, Some(2), "{}", refused.transcript());
    assert!(refused.err.contains("of 1 row, 1 row would create something again; nothing was sent"), "{}", refused.err);
    assert_eq!(client.ready(&options.jobs_queue).await, 4);
    client.clean_up(&options).await;
}
