//! Ids that would lead a call to another address.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use paceline::engine::ports::operator::{Commands, Selection};
use paceline::engine::ports::{Arrival, Intake, Ledger, Origin};
use paceline::engine::{Engine, Stop, request};
use paceline::store::SqlStore;
use paceline::wiring;
use paceline::{domain::undo, settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::commands::Place;
use crate::engine::{CALM, World, room};

/// Puts the deletions of what the batch created into the ledger, and works them.
async fn undo(world: &World, ledger: &Arc<SqlStore>) -> Arc<Engine> {
    let operator: Box<dyn Commands> = world.operator();
    let created = operator.created(&Selection::of_batch("move"), 0, 10).unwrap().lines;
    let arrival = |created: &undo::Created| {
        let job = undo::job(created, &world.catalog, "undo:move", 1).unwrap();
        Arrival { input: Ok(Box::new(job)), origin: Origin::default() }
    };
    ledger.take_over(created.iter().map(arrival).collect(), world.now()).await.unwrap();
    let engine = world.engine(Arc::clone(ledger) as Arc<dyn Ledger>).await;
    engine.recover().await.unwrap();
    engine.load(Some(vec!["undo:move".to_owned()])).await.unwrap();
    engine
}

#[tokio::test(start_paused = true)]
async fn what_a_platform_calls_two_dots_is_never_deleted_one_level_up() {
    let urls = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&urls);
    let names = Mutex::new([".", "..", " "].into_iter());
    let world = World::new(CALM)
        .behind(move |request| {
            asked.lock().unwrap().push(format!("{} {}", request.http_method, request.url));
            None
        })
        .editing(move |_, body| {
            let Some(id) = body.pointer_mut("/data/room/room_id") else { return };
            if let Some(name) = names.lock().unwrap().next() {
                *id = json!(name);
            }
        });
    let jobs: Vec<Value> = (0..3)
        .map(|n| {
            let mut job = room(n);
            job["batch"] = json!("move");
            job
        })
        .collect();
    let (_, counts) = world.work(&jobs).await;
    // A blank is no id at all, so that room is looked up and found under its own.
    assert_eq!(counts.succeeded, 3, "{counts:?}");
    urls.lock().unwrap().clear();

    let ledger = world.ledger();
    let engine = undo(&world, &ledger).await;
    assert_eq!(engine.run(true, std::future::pending()).await, Stop::Idle);
    ledger.close().await;
    let urls = urls.lock().unwrap().clone();
    let deletes: Vec<_> = urls.iter().filter(|url| url.starts_with("DELETE")).collect();
    assert_eq!(deletes.len(), 1, "{urls:?}");
    assert!(deletes[0].contains("/open-apis/vc/v1/rooms/omm_"), "{deletes:?}");
    let sheets = (0..3).map(|n| world.sheet(&format!("undo:room-{n}")));
    let (dead, done): (Vec<_>, Vec<_>) = sheets.partition(|sheet| sheet.line.document["status"] == "dead");
    assert_eq!((dead.len(), done.len()), (2, 1));
    for sheet in dead {
        let calls: Vec<_> = sheet.history.iter().map(|call| call.outcome.as_deref()).collect();
        assert_eq!(calls, [Some("not-sent")], "what is not sent spends no quota");
        let sheet = sheet.line.document;
        let (detail, cure) = (sheet["detail"].as_str().unwrap(), sheet["cure"].as_str().unwrap());
        assert_eq!(sheet["reason"], "invalid", "{sheet}");
        assert!(detail.starts_with("path.room_id is \".") && cure.starts_with("nothing was sent"), "{sheet}");
    }
}

#[test]
fn nobody_says_that_a_job_created_a_step_in_an_address() {
    let place = Place::with_apps(&[]);
    for key in ["..", ".", " ", "", " .. "] {
        let refused = place.run(&["resolve", "a", "--succeeded", key]);
        assert_eq!(refused.code, Some(2), "{key:?}");
        let wanted = format!("expected the id of the object that the job created, got {key:?}");
        assert!(refused.err.contains(&wanted), "{}", refused.err);
    }
}

/// Percent signs are percent-encoded themselves, and nothing on the way out decodes them.
#[tokio::test]
async fn encoded_dots_stay_in_their_segment_on_the_wire() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await.unwrap();
        String::from_utf8(head).unwrap().lines().next().unwrap().to_owned()
    });
    let world = World::new(CALM);
    let mut job = crate::engine::minutes(0);
    job["path"] = json!({"calendar_id": "%2e%2e", "event_id": "..%2f..%2Fx"});
    let job = world.decode(&job);
    let method = world.catalog.method(&job.lane.method).unwrap();
    let mut apps = world.apps();
    let app = Arc::get_mut(apps.get_mut("acme").unwrap()).unwrap();
    app.base_url = base;
    let request = request::build(app, method, &job.params, None, Duration::from_secs(10)).unwrap();
    let settings = settings::load(None, std::iter::empty()).unwrap();
    wiring::transport(&settings).unwrap().send(request).await;
    let line = heard.await.unwrap();
    assert!(line.contains("/calendars/%252e%252e/events/..%252f..%252Fx/"), "{line}");
}
