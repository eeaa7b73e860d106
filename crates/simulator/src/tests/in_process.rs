//! The simulator as the engine's transport, under tokio's paused clock.

use paceline_domain::messages::Cause;
use std::time::Duration;

use super::*;
use crate::{InProcess, Simulator};
use paceline_domain::outcome::{Answer, Reply};
use paceline_domain::reset::Reset;
use paceline_ports::{Request, Transport};

fn simulator(text: &str) -> Simulator {
    Simulator::start(catalog(), scenario(text), 1.0, Clock::at(epoch())).unwrap()
}

fn request(path: &str, authorization: Option<String>, body: &Value) -> Request {
    Request {
        http_method: "POST".to_owned(),
        url: format!("https://open.feishu.cn{path}"),
        authorization,
        body: Some(body.to_string().into()),
        log_id_header: "x-tt-logid".to_owned(),
        reset_header: "x-ogw-ratelimit-reset".to_owned(),
        timeout: Duration::from_secs(5),
    }
}

async fn token(transport: &InProcess) -> String {
    let reply = transport.send(request(FEISHU_TOKEN, None, &json!({"app_id": "a", "app_secret": "s"}))).await;
    let Reply::Answered(Answer { body, .. }) = reply else { panic!("{reply:?}") };
    let body: Value = serde_json::from_slice(&body).unwrap();
    format!("Bearer {}", body["tenant_access_token"].as_str().unwrap())
}

fn room(token: &str, name: &str) -> Request {
    request(ROOMS, Some(token.to_owned()), &json!({"name": name, "capacity": 1, "room_level_id": "omb_1"}))
}

#[tokio::test(start_paused = true)]
async fn replies_take_the_scenarios_time() {
    let simulator = simulator("[latency]\nbefore = { ms = 300 }\nafter = { ms = 200 }");
    let (transport, clock) = (InProcess::new(simulator.clone()), Clock::at(epoch()));
    let token = token(&transport).await;
    assert_eq!(clock.mono(), Mono(500_000));
    for number in 0..20 {
        assert!(matches!(transport.send(room(&token, &number.to_string())).await, Reply::Answered(_)));
    }
    let Reply::Answered(refused) = transport.send(room(&token, "over")).await else { panic!() };
    // Counted at 0.8 s, 1.3 s, … 10.8 s: the first place is free again at 60.8 s.
    assert_eq!((refused.status, refused.reset), (429, Reset::after(Duration::from_secs(50))));
    assert!(refused.log_id.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_left_arrives_though_nobody_waits() {
    let simulator = simulator("[latency]\nbefore = { ms = 300 }\nafter = { ms = 200 }");
    let transport = InProcess::new(simulator.clone());
    let token = token(&transport).await;
    let impatient = Request { timeout: Duration::from_millis(100), ..room(&token, "r") };
    assert!(matches!(transport.send(impatient).await, Reply::Lost(Cause::TimedOut)));
    assert_eq!(simulator.stats().created, 0);
    tokio::time::sleep(Duration::from_millis(199)).await;
    assert_eq!(simulator.stats().created, 0);
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(simulator.stats().created, 1, "it arrived 300 ms after it left");
    assert_eq!(simulator.stats().methods["feishu.vc.room.create"].in_flight, 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(simulator.stats().methods["feishu.vc.room.create"].in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn faults_become_replies_of_the_right_kind() {
    let faults = ["unreachable", "cut-before", "cut-after", "partial", "huge"];
    let text =
        faults.map(|kind| format!("[[faults]]\nmethod = \"feishu.vc.*\"\nkind = \"{kind}\"\nfirst = 1\n")).concat();
    let simulator = simulator(&text);
    let transport = InProcess::new(simulator.clone());
    let token = token(&transport).await;
    assert!(matches!(transport.send(room(&token, "1")).await, Reply::NotSent(_)));
    for name in ["2", "3", "4", "5"] {
        let reply = transport.send(room(&token, name)).await;
        assert!(matches!(reply, Reply::Lost(_)), "{name}: {reply:?}");
    }
    assert_eq!(simulator.stats().created, 3, "all but the cut before applying");
    assert!(matches!(transport.send(room(&token, "6")).await, Reply::Answered(Answer { status: 200, .. })));
    let nowhere = Request { url: "nonsense".to_owned(), ..room(&token, "7") };
    assert!(matches!(transport.send(nowhere).await, Reply::NotSent(_)));
}

#[tokio::test(start_paused = true)]
async fn many_in_flight_are_counted() {
    let simulator = simulator("[latency]\nbefore = { ms = 50 }\n[quotas]\n\"*\" = \"none\"");
    let transport = InProcess::new(simulator.clone());
    let token = token(&transport).await;
    let names: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    futures_util::future::join_all(names.iter().map(|name| transport.send(room(&token, name)))).await;
    let book = simulator.stats().methods["feishu.vc.room.create"].clone();
    assert_eq!((book.in_flight_max, book.in_flight, book.created), (30, 0, 30));
}

#[test]
fn what_cannot_start_says_why() {
    let start = |text: &str, speed| Simulator::start(catalog(), scenario(text), speed, Clock::at(epoch()));
    assert!(start("", 0.0).is_err_and(|error| error.to_string().contains("speed")));
    assert!(start("", f64::NAN).is_err());
    let error = start("[concurrency]\n\"feishu.nothing\" = 1", 1.0).err().unwrap().to_string();
    assert!(error.contains("feishu.nothing"), "{error}");
}
