//! Guessing a token, using one for what it is not for, and using one whose time is over.

use std::net::SocketAddr;

use paceline::admin::{Access, Token, make_token};
use paceline::domain::time::Timestamp;
use paceline::settings::Role;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::super::super::admin_changes::Desk;
use super::super::super::commands::Place;
use super::super::super::harness::admin::{Served, TOKEN, access, status};
use super::super::super::harness::until;

const JSON: &str = "Content-Type: application/json";
const EMPTY: &str = "Content-Length: 2";

/// What can be changed over HTTP, as the description has it.
fn changes() -> Vec<String> {
    let document: Value = serde_json::from_str(include_str!("../../../../docs/openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let changes: Vec<_> = paths.filter(|(_, item)| item.get("post").is_some()).map(|(path, _)| path.clone()).collect();
    assert!(changes.len() >= 8, "{changes:?}");
    changes
}

#[tokio::test]
async fn nothing_but_the_token_itself_is_the_token() {
    let served = Served::new(&Access { reads_openly: false, ..access() }).await;
    for path in changes() {
        let answer = served.ask("POST", &path, &[JSON, EMPTY]).await;
        assert_eq!(status(&answer), 401, "{path}: {answer}");
    }
    let shown = |value: &str| format!("Authorization: {value}");
    for header in [
        shown(&format!("Bearer {}", &TOKEN[..31])),
        shown(&format!("Bearer {TOKEN}x")),
        shown(&format!("Bearer {}", TOKEN.to_uppercase())),
        shown("Bearer "),
        shown("Bearer"),
        shown(&format!("Basic {TOKEN}")),
        shown(&format!("Bearer \"{TOKEN}\"")),
        shown(&format!("Bearer {TOKEN}, Bearer {TOKEN}")),
        shown(TOKEN),
        shown(&format!("Bearer {}", "0".repeat(100_000))),
        shown("Bearer \u{fc}\u{fc}"),
        format!("X-Authorization: Bearer {TOKEN}"),
        format!("Cookie: token={TOKEN}"),
    ] {
        // Every try is a connection from an address of its own, so that none waits for the others.
        let from = format!("127.0.1.{}", header.len() % 250 + 1);
        let answer = ask_from(&from, served.listen(), "/api/v1/jobs", &header).await;
        assert!(matches!(status(&answer), 401 | 431), "{}: {answer}", &header[..header.len().min(60)]);
    }
    let twice = shown(&format!("Bearer {TOKEN}"));
    assert_eq!(served.status("GET", "/api/v1/jobs", &[&twice, &twice]).await, 401);
    assert_eq!(served.status("GET", &format!("/api/v1/jobs?token={TOKEN}"), &[]).await, 401);
    assert_eq!(served.status("GET", "/api/v1/jobs", &[&twice]).await, 200);
    served.end().await;
}

/// Asks from another address of this machine.
async fn ask_from(from: &str, to: SocketAddr, path: &str, header: &str) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_guesser_is_slowed_down_and_nobody_at_another_address() {
    for path in ["/api/v1/jobs", "/api/v1/session", "/readyz"] {
        let served = Served::new(&Access { reads_openly: false, ..access() }).await;
        let listen = served.listen();
        let mut guesses = JoinSet::new();
        // More than are looked at, so some of them are sent away while others wait.
        for n in 0..60 {
            guesses.spawn(async move {
                let mut statuses = Vec::new();
                for _ in 0..3 {
                    let header = format!("Authorization: Bearer guess-{n}");
                    statuses.push(status(&ask_from("127.0.0.2", listen, path, &header).await));
                }
                statuses
            });
        }
        let right = format!("Authorization: Bearer {TOKEN}");
        let mut statuses = Vec::new();
        while let Some(guessed) = guesses.join_next().await {
            statuses.extend(guessed.unwrap());
            // Right while the others wait for their turn.
            assert_eq!(served.status("GET", "/api/v1/jobs", &[&right]).await, 200);
        }
        let sent_away = statuses.iter().filter(|status| **status == 429).count();
        assert!(sent_away > 0, "{path}: nobody was slowed: {statuses:?}");
        let answer = ask_from("127.0.0.2", listen, "/healthz", "Authorization: Bearer guess").await;
        assert_eq!(status(&answer), 200, "health asks for no token and looks at none");
        served.end().await;
    }
}

#[tokio::test]
async fn wrong_tokens_are_counted_and_told_of_once_with_their_address() {
    let desk = Desk::with_admin("", "[admin]\ntoken = { env = \"ADMIN_TOKEN\" }").await;
    for path in ["/api/v1/jobs", "/api/v1/session", "/metrics", "/api/v1/overview"] {
        desk.raw("GET", path, &["Authorization: Bearer not-the-token"], "");
    }
    let log = desk.log();
    assert_eq!(log.matches("wrong tokens at the admin server").count(), 1, "{log}");
    assert!(log.contains("peer=127.0.0.1") && log.contains("count=1") && !log.contains("not-the-token"), "{log}");
    let token = format!("Authorization: Bearer {}", super::super::super::admin_changes::TOKEN);
    let metrics = desk.raw("GET", "/metrics", &[&token], "");
    // The session is answered, and is a guess all the same.
    assert!(metrics.contains("paceline_admin_refused_total{reason=\"wrong\"} 4"), "{metrics}");
}

#[tokio::test]
async fn a_token_is_for_what_its_role_says_until_its_time_is_over() {
    let token = |name: &str, role| Token::of_secret(name, &format!("{name}-{TOKEN}"), role);
    let mut old = token("old", Role::Admin);
    old.expires = Some(Timestamp(1));
    let tokens = vec![token("r", Role::Read), token("o", Role::Operate), token("a", Role::Admin), old];
    let served = Served::new(&Access { tls: None, tokens, reads_openly: false, public_url: None }).await;
    let bearer = |name: &str| format!("Authorization: Bearer {name}-{TOKEN}");
    for path in changes() {
        let needed = if path == "/api/v1/dead/drop" { "admin" } else { "operate" };
        let answer = served.ask("POST", &path, &[&bearer("r"), JSON, EMPTY]).await;
        assert_eq!(status(&answer), 403, "{path}: {answer}");
        assert!(answer.contains(&format!("this needs the role {needed}, and the token r has read")), "{answer}");
        let answer = served.ask("POST", &path, &[&bearer("old"), JSON, EMPTY]).await;
        assert_eq!(status(&answer), 401, "{path}: {answer}");
        assert!(answer.contains("the token old expired at 1970-01-01"), "{answer}");
    }
    let answer = served.ask("POST", "/api/v1/dead/drop", &[&bearer("o"), JSON, EMPTY]).await;
    assert_eq!(status(&answer), 403, "{answer}");
    for name in ["r", "o", "a"] {
        assert_eq!(served.status("GET", "/api/v1/jobs", &[&bearer(name)]).await, 200, "{name}");
        let session = served.ask("GET", "/api/v1/session", &[&bearer(name)]).await;
        assert!(session.contains(&format!("\"token\":\"{name}\"")), "{session}");
    }
    assert_eq!(served.status("GET", "/api/v1/jobs", &[&bearer("old")]).await, 401);
    served.end().await;
}

#[tokio::test]
async fn a_rotation_overlaps_and_then_the_old_token_is_worth_nothing() {
    let (old, new) = (make_token().unwrap(), make_token().unwrap());
    let named = |name: &str, (_, hash): &(String, String)| Token::of_digest(name, hash, Role::Read, None).unwrap();
    let with = |tokens| Access { tls: None, tokens, reads_openly: false, public_url: None };
    let served = Served::new(&with(vec![named("old", &old)])).await;
    let status = async |token: &(String, String)| {
        served.status("GET", "/api/v1/jobs", &[&format!("Authorization: Bearer {}", token.0)]).await
    };
    assert_eq!((status(&old).await, status(&new).await), (200, 401));
    served.door().let_in(&with(vec![named("old", &old), named("new", &new)]));
    assert_eq!((status(&old).await, status(&new).await), (200, 200));
    served.door().let_in(&with(vec![named("new", &new)]));
    assert_eq!((status(&old).await, status(&new).await), (401, 200));
    served.end().await;
}

#[tokio::test]
async fn the_command_s_lines_let_its_token_in_at_a_reload() {
    let desk = Desk::with_admin("", "[admin]\ntoken = { env = \"ADMIN_TOKEN\" }").await;
    let place = Place::new(&[]);
    let made = place.run(&["admin", "token", "grafana", "--role", "read", "--days", "90", "--json"]);
    assert_eq!(made.code, Some(0), "{}", made.transcript());
    let made: Value = serde_json::from_str(&made.out).unwrap();
    let (token, lines) = (made["token"].as_str().unwrap(), made["settings"].as_str().unwrap());
    assert!(!lines.contains(token) && made["expires"].is_string(), "{lines}");
    let settings = std::fs::read_to_string(desk.place.path().join("paceline.toml")).unwrap();
    desk.place.write("paceline.toml", &format!("{settings}\n{lines}"));
    desk.hang_up();
    until("the settings are read again", || desk.log().contains("the settings were read again")).await;
    let log = desk.log();
    assert!(log.contains("admin.tokens.*.role: none → grafana read") && !log.contains(token), "{log}");
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(desk.ask("GET", "/api/v1/jobs", &[&bearer], "").0, 200);
    let (status, answer) = desk.ask("POST", "/api/v1/suspend", &[JSON, &bearer], &json!({"app": "acme"}).to_string());
    assert_eq!(status, 403, "{answer}");
    // Without the lines it is worth nothing again.
    desk.place.write("paceline.toml", &settings);
    desk.hang_up();
    until("they are read a second time", || desk.log().matches("the settings were read again").count() == 2).await;
    assert_eq!(desk.ask("GET", "/api/v1/jobs", &[&bearer], "").0, 401);
}
