//! The simulator over real sockets, seen by a client.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::{ServeError, Simulator, serve};

struct Server {
    simulator: Simulator,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ServeError>>,
    client: reqwest::Client,
}

impl Server {
    async fn start(text: &str) -> Self {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let simulator = Simulator::start(catalog(), scenario(text), 1.0, Clock::system()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, simulator.clone(), async move {
            let _ = stopped.await;
        }));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { simulator, address, stop, task, client }
    }

    async fn post(&self, path: &str, token: &str, body: String) -> Result<(u16, String), reqwest::Error> {
        let request = self.client.post(format!("http://{}{path}", self.address)).header("authorization", token);
        let response = request.body(body).send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.client.get(format!("http://{}{path}", self.address)).send().await.unwrap();
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    async fn token(&self) -> String {
        let body = json!({"app_id": "a", "app_secret": "s"}).to_string();
        let (_, body) = self.post(FEISHU_TOKEN, "", body).await.unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        format!("Bearer {}", body["tenant_access_token"].as_str().unwrap())
    }

    async fn room(&self, token: &str, name: &str) -> Result<(u16, String), reqwest::Error> {
        self.post(ROOMS, token, json!({"name": name, "capacity": 1, "room_level_id": "omb_1"}).to_string()).await
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn rooms_are_created_and_counted_over_http() {
    let server = Server::start("").await;
    let token = server.token().await;
    for number in 0..20 {
        assert_eq!(server.room(&token, &number.to_string()).await.unwrap().0, 200);
    }
    let (status, body) = server.room(&token, "over").await.unwrap();
    assert!(status == 429 && body.contains("99991400"), "{status} {body}");
    let books = server.get("/_simulator/books").await;
    assert_eq!((&books["created"], &books["refused"], &books["duplicates"]), (&json!(20), &json!(1), &json!(0)));
    assert_eq!(server.get("/_simulator/objects").await.as_array().unwrap().len(), 20);
    server.end().await;
}

#[tokio::test]
async fn replies_are_cut_on_the_socket() {
    let kinds = ["cut-before", "cut-after", "partial", "unreachable"];
    let text =
        kinds.map(|kind| format!("[[faults]]\nmethod = \"feishu.vc.*\"\nkind = \"{kind}\"\nfirst = 1\n")).concat();
    let server = Server::start(&text).await;
    let token = server.token().await;
    for (name, created) in [("1", 0), ("2", 0), ("3", 1), ("4", 2)] {
        assert!(server.room(&token, name).await.is_err(), "{name}");
        assert_eq!(server.simulator.stats().created, created, "{name}");
    }
    assert_eq!(server.room(&token, "5").await.unwrap().0, 200);
    server.end().await;
}

#[tokio::test]
async fn a_partial_reply_has_its_head_and_half_its_body() {
    let server = Server::start("[[faults]]\nmethod = \"feishu.vc.*\"\nkind = \"partial\"").await;
    let token = server.token().await;
    let body = json!({"name": "r", "capacity": 1, "room_level_id": "omb_1"}).to_string();
    let request = server.client.post(format!("http://{}{ROOMS}", server.address)).header("authorization", token);
    let mut response = request.body(body).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let announced = response.content_length().unwrap();
    let mut read = 0;
    let cut = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => read += chunk.len() as u64,
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(cut && read == announced / 2, "{read} of {announced}");
    server.end().await;
}

#[tokio::test]
async fn the_world_is_changed_while_it_runs() {
    let server = Server::start("").await;
    let token = server.token().await;
    assert_eq!(server.room(&token, "a").await.unwrap().0, 200);
    let change = "[[faults]]\nmethod = \"feishu.vc.*\"\nkind = \"refuse\"".to_owned();
    assert_eq!(server.post("/_simulator/scenario", "", change).await.unwrap().0, 200);
    assert_eq!(server.room(&token, "b").await.unwrap().0, 503);
    let (status, body) = server.post("/_simulator/scenario", "", "sead = 1\ntytle = 2".to_owned()).await.unwrap();
    assert!(status == 400 && body.contains("scenario:1") && body.contains("scenario:2"), "{body}");
    assert_eq!(server.post("/_simulator/scenario", "", String::new()).await.unwrap().0, 200);
    assert_eq!(server.post("/_simulator/revoke-tokens", "", String::new()).await.unwrap().1, "{\"revoked\":1}");
    assert_eq!(server.room(&token, "c").await.unwrap().0, 400);
    let secret = json!({"secret": "new"}).to_string();
    assert_eq!(server.post("/_simulator/apps/a/secret", "", secret).await.unwrap().0, 200);
    let (_, body) = server.post(FEISHU_TOKEN, "", json!({"app_id": "a", "app_secret": "s"}).to_string()).await.unwrap();
    assert!(body.contains("10014"), "{body}");
    assert_eq!(server.get("/_simulator/books").await["created"], json!(1), "books outlive a change");
    assert_eq!(server.post("/_simulator/reset", "", String::new()).await.unwrap().0, 200);
    assert_eq!(server.get("/_simulator/books").await["created"], json!(0));
    assert_eq!(server.post("/_simulator/nothing", "", String::new()).await.unwrap().0, 404);
    server.end().await;
}

#[tokio::test]
async fn it_does_not_serve_other_machines() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let simulator = Simulator::start(catalog(), scenario(""), 1.0, Clock::system()).unwrap();
    let error = serve(listener, simulator, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, ServeError::NotLoopback(_)), "{error}");
}
