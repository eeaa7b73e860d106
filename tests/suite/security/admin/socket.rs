//! The Unix socket: whom it lets in, and what it does not replace.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use paceline::admin::Access;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::super::super::commands::Place;
use super::super::super::harness::admin::{Served, TOKEN, access, status};

async fn ask(socket: &Path, path: &str, headers: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn it_is_for_its_owner_and_asks_for_the_token_like_any_other_way() {
    let served = Served::new(&Access { reads_openly: false, ..access() }).await;
    let socket = served.socket();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let host = "Host: localhost\r\n";
    for (headers, wanted) in [
        (host.to_owned(), 401),
        (format!("{host}Authorization: Bearer {TOKEN}x\r\n"), 401),
        (format!("{host}Authorization: Bearer {TOKEN}\r\n"), 200),
        (format!("Host: evil.example\r\nAuthorization: Bearer {TOKEN}\r\n"), 403),
        (format!("{host}{host}Authorization: Bearer {TOKEN}\r\n"), 400),
        (format!("{host}Sec-Fetch-Site: cross-site\r\nAuthorization: Bearer {TOKEN}\r\n"), 403),
        (format!("{host}Origin: https://localhost\r\nAuthorization: Bearer {TOKEN}\r\n"), 403),
    ] {
        let answer = ask(&socket, "/api/v1/jobs", &headers).await;
        assert_eq!(status(&answer), wanted, "{headers}: {answer}");
    }
    assert_eq!(status(&ask(&socket, "/healthz", host).await), 200);
    served.end().await;
    assert!(!socket.exists(), "it goes with its server");
}

#[tokio::test]
async fn silent_connections_to_one_way_in_keep_nobody_out_of_the_other() {
    let served = Served::new(&access()).await;
    let mut silent = Vec::new();
    for _ in 0..130 {
        silent.push(UnixStream::connect(served.socket()).await.unwrap());
    }
    assert_eq!(served.status("GET", "/healthz", &[]).await, 200);
    assert_eq!(served.status("GET", "/api/v1/overview", &[]).await, 200);
    assert_eq!(status(&ask(&served.socket(), "/readyz", "Host: localhost\r\n").await), 200);
    drop(silent);
    served.end().await;
}

#[test]
fn a_worker_does_not_take_the_place_of_a_file_or_of_another_s_socket() {
    let place = Place::with_apps(&[("theirs", "kept")]);
    let _listener = std::os::unix::net::UnixListener::bind(place.path().join("other.sock")).unwrap();
    for (name, why) in [("theirs", "something else stands there"), ("other.sock", "somebody listens there")] {
        let secrets = [("ACME_SECRET", "s"), ("CAMPUS_SECRET", "s"), ("PACELINE_ADMIN__SOCKET", name)];
        let ended = place.run_with(&["work"], &secrets);
        assert_eq!(ended.code, Some(2), "{}", ended.transcript());
        assert!(ended.err.contains(why) && ended.err.contains("admin.socket"), "{}", ended.err);
    }
    assert_eq!(std::fs::read(place.path().join("theirs")).unwrap(), b"kept");
}
