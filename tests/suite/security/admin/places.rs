//! Whoever takes the admin server's connections takes none from health: it is answered while they hold on.

use std::io::ErrorKind;
use std::time::Duration;

use paceline::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::super::super::harness::admin::{Served, TOKEN, access, status};

/// As many as one peer may have of the server's places.
const HELD: usize = 96;
const GET: &str = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
const HALF: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ";

/// Whether the server still holds this connection; what it has sent is left where it is.
fn is_open(stream: &TcpStream) -> bool {
    let mut read = [0; 1];
    match stream.try_read(&mut read) {
        Ok(count) => count > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

fn open(streams: &[TcpStream]) -> usize {
    streams.iter().filter(|stream| is_open(stream)).count()
}

/// Connections that each begin with this.
async fn attack(served: &Served, count: usize, beginning: &[u8]) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = served.connect().await;
        stream.write_all(beginning).await.unwrap();
        streams.push(stream);
    }
    streams
}

/// Health answers again and again, and the attackers still hold what they can.
async fn assert_answers(served: &Served, streams: &[TcpStream], held: usize) {
    for _ in 0..20 {
        for path in ["/healthz", "/readyz"] {
            let answer = served.ask("GET", path, &[]).await;
            assert_eq!(status(&answer), 200, "{path}: {answer}");
        }
    }
    let left = open(streams);
    assert!(left >= held, "{left} of {} are still connected", streams.len());
}

#[tokio::test]
async fn silent_connections() {
    let served = Served::new(&access()).await;
    let streams = attack(&served, 130, b"").await;
    assert_answers(&served, &streams, HELD - 2).await;
    // Nor do they keep anything else out.
    assert_eq!(served.status("GET", "/api/v1/overview", &[]).await, 200);
    served.end().await;
}

#[tokio::test]
async fn half_heads_half_request_lines_and_single_bytes() {
    let served = Served::new(&access()).await;
    for beginning in [HALF, "GET /api/v1/jobs?prefix=", "G"] {
        let streams = attack(&served, 300, beginning.as_bytes()).await;
        assert_answers(&served, &streams, HELD - 2).await;
    }
    served.end().await;
}

#[tokio::test]
async fn requests_in_a_row_whose_answers_nobody_reads() {
    let served = Served::new(&access()).await;
    for get in [GET, "GET /assets/main.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", &GET.replace("GET", "HEAD")] {
        let many = get.repeat(5_000);
        let (mut streams, mut writing) = (Vec::new(), JoinSet::new());
        for _ in 0..130 {
            let (reader, mut writer) = served.connect().await.into_split();
            let many = many.clone();
            writing.spawn(async move { drop(writer.write_all(many.as_bytes()).await) });
            streams.push(reader);
        }
        for _ in 0..20 {
            for path in ["/healthz", "/readyz"] {
                let answer = served.ask("GET", path, &[]).await;
                assert_eq!(status(&answer), 200, "{path}: {answer}");
            }
        }
        let left = streams.iter().filter(|reader| is_open(reader.as_ref())).count();
        assert!(left >= HELD - 2, "{left} are still connected");
        writing.shutdown().await;
    }
    served.end().await;
}

#[tokio::test]
async fn bodies_that_never_come() {
    let head = "POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
    let right = format!("{head}Authorization: Bearer {TOKEN}\r\n");
    for length in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let served = Served::new(&access()).await;
        let streams = attack(&served, 130, format!("{right}{length}\r\n\r\n").as_bytes()).await;
        assert_answers(&served, &streams, HELD).await;
        // While all work, whatever is no health is told to come again.
        assert_eq!(served.status("GET", "/api/v1/overview", &[]).await, 503);
        drop(streams);
        served.end().await;
    }
    let served = Served::new(&access()).await;
    let streams = attack(&served, 130, format!("{head}Content-Length: 1000\r\n\r\n").as_bytes()).await;
    assert_answers(&served, &streams, 0).await;
    drop(streams);
    served.end().await;
}

/// Takes and takes again whatever the server lets go.
async fn hold_on(address: std::net::SocketAddr, beginning: String) {
    loop {
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        let _ = stream.write_all(beginning.as_bytes()).await;
        let mut sink = [0; 1];
        if beginning.len() > HALF.len() {
            // Reads nothing; the write fails once the server has given up.
            while stream.write_all(beginning.as_bytes()).await.is_ok() {}
        } else {
            let _ = stream.read(&mut sink).await;
        }
    }
}

/// Asks for health again and again for five minutes, and tells how long the slowest answer took.
async fn five_minutes(beginnings: &[String]) -> String {
    let served = Served::new(&access()).await;
    let clock = Clock::system();
    let mut attackers = JoinSet::new();
    for beginning in beginnings {
        for _ in 0..130 {
            attackers.spawn(hold_on(served.listen(), beginning.clone()));
        }
    }
    let (begun, mut slowest, mut answers) = (clock.mono(), Duration::ZERO, 0);
    while clock.mono().since(begun) < Duration::from_secs(300) {
        for path in ["/healthz", "/readyz"] {
            let asked = clock.mono();
            let answer = served.ask("GET", path, &[]).await;
            assert_eq!(status(&answer), 200, "{path}: {answer}");
            slowest = slowest.max(clock.mono().since(asked));
            answers += 1;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    attackers.shutdown().await;
    served.end().await;
    format!("{answers} answers, the slowest after {slowest:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "five minutes: run it by its name, with --nocapture for the slowest answer"]
async fn five_minutes_of_silence() {
    println!("{}", five_minutes(&[String::new()]).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "five minutes: run it by its name, with --nocapture for the slowest answer"]
async fn five_minutes_of_everything_at_once() {
    println!("{}", five_minutes(&[String::new(), HALF.to_owned(), GET.repeat(100)]).await);
}
