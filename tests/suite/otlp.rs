//! Traces as an OpenTelemetry collector gets them, from a worker in a process of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use paceline::domain::time::Timestamp;
use paceline::engine::ports::{AmqpOrigin, Arrival, Intake, Origin};
use paceline::store::{Mode, SqlStore};
use prost::Message as _;
use serde_json::json;

use super::check::Simulator;
use super::commands::{Outcome, Place};
use super::engine::{CALM, World, room};
use super::harness::bench::{Client, options, table};
use super::harness::rabbitmq::shared_url;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const VARIABLES: [(&str, &str); 2] = [("ACME_SECRET", "hunter2"), ("OTLP_HEADERS", "x-key=swordfish,x-scope=a%20b")];

/// What came: path, headers, body.
type Requests = Arc<Mutex<Vec<(String, BTreeMap<String, String>, Vec<u8>)>>>;

/// A collector that takes everything.
struct Collector {
    address: String,
    requests: Requests,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Requests::default();
        let taken = Arc::clone(&requests);
        // It ends with the tests' process.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let taken = Arc::clone(&taken);
                std::thread::spawn(move || while take(&connection, &taken).is_some() {});
            }
        });
        Self { address, requests }
    }

    /// What came, as spans with their resources' attributes.
    fn spans(&self) -> Vec<(BTreeMap<String, String>, Span)> {
        let requests = self.requests.lock().unwrap();
        let decoded = requests.iter().map(|(.., body)| ExportTraceServiceRequest::decode(&body[..]).unwrap());
        let mut spans = Vec::new();
        for resource in decoded.flat_map(|request| request.resource_spans) {
            let about = attributes(&resource.resource.unwrap_or_default().attributes);
            let own = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(own.map(|span| (about.clone(), span)));
        }
        spans
    }
}

/// One request of a connection, answered; `None` when there is no more.
fn take(mut connection: &TcpStream, taken: &Requests) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    taken.lock().unwrap().push((path, headers, body));
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()
}

fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &KeyValue| match value.value.clone().and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    };
    list.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn settings(simulator: &Simulator, collector: &str) -> String {
    format!(
        "[telemetry]\notlp_endpoint = \"{collector}\"\notlp_headers = {{ env = \"OTLP_HEADERS\" }}\n\
         [apps.acme]\nplatform = \"feishu\"\nbase_url = \"{}\"\napp_id = \"cli_a1\"\n\
         app_secret = {{ env = \"ACME_SECRET\" }}\n",
        simulator.address
    )
}

/// Works rooms that are in the ledger already: each with the header that upstream sent, if it sent one.
async fn work(place: &Place, settings: &str, parents: &[Option<String>]) -> Outcome {
    // Whoever sent such a header waits for a result.
    let queues = options(&shared_url());
    place.write("paceline.toml", &(table(&shared_url(), &queues) + settings));
    let world = World::new(CALM);
    let now = Timestamp::parse("2026-11-21T10:00:00+08:00").unwrap();
    let ledger = SqlStore::open(&place.path().join("paceline.db"), Mode::Worker, now).unwrap();
    let arrivals = parents.iter().enumerate().map(|(n, parent)| {
        let headers = parent.iter().map(|parent| ("traceparent".to_owned(), json!(parent))).collect();
        let origin = Origin { amqp: Some(AmqpOrigin { headers, ..AmqpOrigin::default() }), ..Origin::default() };
        Arrival { input: Ok(Box::new(world.decode(&room(n)))), origin }
    });
    ledger.take_over(arrivals.collect(), now).await.unwrap();
    ledger.close().await;
    let ran = place.run_with(&["work", "--until-idle"], &VARIABLES);
    Client::connect(&shared_url()).await.clean_up(&queues).await;
    ran
}

#[tokio::test]
async fn attempts_come_to_the_collector_below_upstreams_span() {
    let (place, collector) = (Place::new(&[]), Collector::start());
    let simulator = Simulator::start(&place, "calm");
    let settings = settings(&simulator, &collector.address);
    let unsampled = format!("00-{}-{PARENT}-00", "1".repeat(32));
    let ran = work(&place, &settings, &[Some(format!("00-{TRACE}-{PARENT}-01")), None, Some(unsampled)]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    // It has ended, so everything has come.
    let spans = collector.spans();
    let of = |job: &str| {
        let is_its = |span: &&(_, Span)| attributes(&span.1.attributes)["paceline.job"] == job;
        spans.iter().filter(is_its).collect::<Vec<_>>()
    };
    let [(about, span)] = &of("room-0")[..] else { panic!("{spans:?}") };
    let expected = [("service.name", "paceline"), ("service.version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(about, &expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(span.name, "attempt feishu.vc.room.create");
    assert_eq!((hex(&span.trace_id).as_str(), hex(&span.parent_span_id).as_str()), (TRACE, PARENT));
    assert_ne!(hex(&span.span_id), PARENT);
    assert!(span.start_time_unix_nano > 0 && span.end_time_unix_nano >= span.start_time_unix_nano);
    assert_eq!(span.status.clone().unwrap_or_default().code, 0, "a success is no error");
    let said = attributes(&span.attributes);
    for (name, value) in [
        ("job", "room-0"),
        ("app", "acme"),
        ("method", "feishu.vc.room.create"),
        ("attempt", "1"),
        ("outcome", "succeeded"),
        ("state", "succeeded"),
    ] {
        assert_eq!(said[&format!("paceline.{name}")], value, "{said:?}");
    }
    assert_eq!(said["http.response.status_code"], "200");
    let [(_, root)] = &of("room-1")[..] else { panic!("{spans:?}") };
    assert!(root.parent_span_id.is_empty() && hex(&root.trace_id) != TRACE, "a trace of its own");
    assert!(of("room-2").is_empty(), "upstream does not record it");

    let requests = collector.requests.lock().unwrap();
    for (path, headers, body) in requests.iter() {
        let sent = ["x-key", "x-scope", "content-type"].map(|name| headers[name].as_str());
        assert_eq!((path.as_str(), sent), ("/v1/traces", ["swordfish", "a b", "application/x-protobuf"]));
        let body = String::from_utf8_lossy(body);
        for secret in ["hunter2", "swordfish", "R-0", "omb_1", "http://"] {
            assert!(!body.contains(secret), "{secret}: {body}");
        }
    }
    assert!(!ran.err.contains("swordfish") && !ran.err.contains("upstream"), "{}", ran.err);
}

#[tokio::test]
async fn a_collector_that_is_away_costs_one_warning() {
    let place = Place::new(&[]);
    let simulator = Simulator::start(&place, "calm");
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = work(&place, &settings(&simulator, &format!("http://{gone}")), &[None, None]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let warnings: Vec<_> = ran.err.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    assert!(matches!(&warnings[..], [one] if one.contains("the collector does not take traces")), "{}", ran.err);
    let listed = place.run(&["jobs", "list", "--state", "succeeded", "--json"]);
    assert_eq!(listed.out.lines().count(), 2, "{}", listed.out);
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_nobody_up() {
    let place = Place::new(&[]);
    let simulator = Simulator::start(&place, "calm");
    // It takes connections, and no answer comes: without a bound the end would wait for the request's time-out.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let collector = format!("http://{}", silent.local_addr().unwrap());
    let ran = work(&place, &settings(&simulator, &collector), &[None]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    silent.set_nonblocking(true).unwrap();
    silent.accept().expect("traces were on their way");
    assert!(!ran.err.contains("does not take traces"), "it waited for the request's time-out: {}", ran.err);
}
