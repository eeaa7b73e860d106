//! `docs/asyncapi.json` against what is really published.

use jsonschema::Validator;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use paceline::domain::reason::Reason;
use serde_json::{Map, Value, json};

use crate::commands::Place;
use crate::harness::bench::{Bench, Client, options};
use crate::harness::rabbitmq::shared_url;

fn document() -> Value {
    serde_json::from_str(include_str!("../../docs/asyncapi.json")).unwrap()
}

/// The schema of that name, among those that it may refer to.
fn schema(name: &str) -> Validator {
    let components = document()["components"].clone();
    jsonschema::validator_for(&json!({"$ref": format!("#/components/schemas/{name}"), "components": components}))
        .unwrap()
}

/// Why a document is not as the schema says.
fn faults(name: &str, document: &Value) -> Vec<String> {
    schema(name).iter_errors(document).map(|error| format!("{error}: {document}")).collect()
}

#[test]
fn results_and_dead_letters_of_a_run_are_as_described() {
    let rooms = "id,name,capacity,room_level_id\na,7F-701,10,omb_1\nb,7F-702,4,omb_2\n";
    let scenario = "[known]\nlevels = [\"omb_1\"]\n";
    let place = Place::new(&[("rooms.csv", rooms), ("levels.toml", scenario)]);
    let method = ["--method", "feishu.vc.room.create", "--app", "acme"];
    let run = place.run(&[&["run", "rooms.csv", "--simulate", "--scenario", "./levels.toml"], &method[..]].concat());
    let export =
        place.run_with(&["export", "--format", "jsonl"], &[("PACELINE_STORE__URL", "sqlite://paceline.simulated.db")]);
    let documents: Vec<Value> = export.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [result, dead] = documents.as_slice() else { panic!("{}{}", export.out, run.err) };
    assert_eq!((&result["status"], &dead["status"]), (&json!("succeeded"), &json!("dead")), "{}", export.out);
    assert_eq!([faults("Result", result), faults("Dead", dead)].concat(), Vec::<String>::new());
    assert!(!faults("Result", dead).is_empty() && !faults("Dead", result).is_empty(), "each schema fits one of them");
}

fn table(headers: &FieldTable) -> Value {
    let plain = |value: &AMQPValue| {
        if let AMQPValue::LongLongInt(number) = value {
            return json!(number);
        }
        let AMQPValue::LongString(text) = value else { panic!("{value:?}") };
        json!(text.to_string())
    };
    let fields = headers.inner().iter().map(|(name, value)| (name.to_string(), plain(value)));
    Value::Object(fields.collect::<Map<_, _>>())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_s_headers_are_as_described() {
    let bench = Bench::start(options(&shared_url()));
    bench.until_up().await;
    let client = Client::connect(&shared_url()).await;
    let message = br#"{"id":"a","method":"#;
    client.send(&bench.options.jobs_queue, message, BasicProperties::default()).await;
    let letter = client.receive(&bench.options.dead_queue).await;
    assert_eq!(letter.data, message);
    let headers = table(letter.properties.headers().as_ref().unwrap());
    assert_eq!(faults("DeadHeaders", &headers), Vec::<String>::new());
    assert_eq!(headers["x-paceline-reason"], "malformed");
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}

#[test]
fn every_reason_and_every_queue_is_described() {
    let document = document();
    let reasons = schema("Reason");
    let missing: Vec<_> = Reason::ALL.iter().filter(|reason| !reasons.is_valid(&json!(reason.as_str()))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let broker = paceline::amqp::Options::at("amqp://127.0.0.1");
    let address = |channel: &str| document["channels"][channel]["address"].clone();
    assert_eq!(address("jobs"), json!(&*broker.jobs_queue));
    assert_eq!(address("results"), json!(&*broker.results_queue));
    assert_eq!(address("dead"), json!(&*broker.dead_queue));
    let refers = |channel: &Value| channel["messages"].as_object().is_some_and(|messages| !messages.is_empty());
    assert!(document["channels"].as_object().unwrap().values().all(refers));
}
