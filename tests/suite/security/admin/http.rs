//! Bytes that two readers might take for different requests, and requests that are too much.

use serde_json::Value;

use super::super::super::harness::admin::{Served, TOKEN, access, status};

const POST: &str = "POST /api/v1/suspend HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_answered() {
    let served = Served::new(&access()).await;
    let behind = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    for head in [
        // As they were found to pass.
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n".to_owned(),
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n".to_owned(),
        format!("{POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        "GET /healthz HTTP/1.1\nHost: 127.0.0.1\n\n".to_owned(),
        // And others of their kind.
        format!("{POST}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"),
        format!("{POST}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{POST}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}"),
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\n\r\n".to_owned(),
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rY: b\r\n\r\n".to_owned(),
        // As they were refused before.
        format!("{POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!("{POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        format!("{POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"),
        format!("{POST}Content-Length: +5\r\n\r\n{{}}"),
        format!("{POST}Content-Length: -1\r\n\r\n{{}}"),
        format!("{POST}Content-Length : 2\r\n\r\n{{}}"),
        format!("{POST}X: a\r\n folded: b\r\n\r\n"),
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\0b\r\n\r\n".to_owned(),
    ] {
        let answer = served.send(format!("{head}{behind}").as_bytes()).await;
        assert_eq!(status(&answer), 400, "{head:?}: {answer}");
        assert!(answer.matches("HTTP/1.1 400").count() == 1 && !answer.contains("200 OK"), "{head:?}: {answer}");
    }
    // HTTP/2 is not spoken; what a proxy might take for one of its requests is not answered either.
    let answer = served.send(format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{behind}").as_bytes()).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    served.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_and_sound_requests_follow_each_other() {
    let served = Served::new(&access()).await;
    let answer = served.ask("GET", "/healthz", &["Host: 127.0.0.1", "Host: 127.0.0.1"]).await;
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["error"], "the request has several Host headers");
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let sound = format!("{POST}{token}Content-Length: 4\r\n\r\n{{\n\n}}");
    let health = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    let all = format!("{sound}\r\n{health}\r\n{sound}{health}Connection: close\r\n\r\n");
    let answer = served.send(all.as_bytes()).await;
    let statuses: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["400", "200", "400", "200"], "an empty change is refused, and no more: {answer}");
    let chunked = format!("{POST}{token}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n{health}\r\n");
    let answer = served.send(chunked.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "behind chunks nothing is read: {answer}");
    served.end().await;
}

#[tokio::test]
async fn too_much_of_anything() {
    let served = Served::new(&access()).await;
    let many = "X-Many: a\r\n".repeat(200);
    assert_eq!(status(&served.send(format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{many}\r\n").as_bytes()).await), 431);
    for (method, headers, wanted) in [
        ("GET", vec![format!("X: {}", "a".repeat(1 << 20))], 431),
        ("GET", vec![format!("Authorization: Bearer {}", "a".repeat(1 << 20))], 431),
        ("GET", vec![format!("Cookie: {}", "a".repeat(2 << 20))], 431),
    ] {
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        assert_eq!(served.status(method, "/healthz", &headers).await, wanted, "{}", &headers[0][..20]);
    }
    assert_eq!(status(&served.ask("GET", &format!("/{}", "a".repeat(70_000)), &[]).await), 414);
    let post = |body: String| {
        let length = body.len();
        format!("{POST}Authorization: Bearer {TOKEN}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    for (body, wanted) in [
        (format!("{{\"app\":\"{}\"}}", "a".repeat(2 << 20)), 413),
        ("[".repeat(100_000), 400),
        (format!("{{\"app\":{}1{}", "[".repeat(50_000), "]".repeat(50_000)), 400),
        (format!("{{\"app\":{}}}", "9".repeat(900_000)), 400),
        (String::new(), 400),
    ] {
        let answer = served.send(post(body.clone()).as_bytes()).await;
        assert_eq!(status(&answer), wanted, "{}…: {answer}", &body[..body.len().min(20)]);
    }
    assert_eq!(served.status("GET", "/healthz", &[]).await, 200);
    served.end().await;
}

#[tokio::test]
async fn no_path_leads_to_a_file() {
    let served = Served::new(&access()).await;
    for path in [
        "/../Cargo.toml",
        "/assets/../../Cargo.toml",
        "/assets/%2e%2e/%2e%2e/Cargo.toml",
        "/assets/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/assets//etc/passwd",
        "/assets/main.js%00.html",
        "/assets/..\\main.js",
        "/api/v1/jobs/../../../etc/passwd",
        "/api/v1/jobs/%2e%2e%2fetc",
        "/api/v1/jobs/%00",
    ] {
        let answer = served.ask("GET", path, &[]).await;
        assert!(matches!(status(&answer), 400 | 404), "{path}: {answer}");
        assert!(!answer.contains("[package]") && !answer.contains("root:"), "{path}: {answer}");
    }
    served.end().await;
}

#[tokio::test]
async fn methods_that_are_for_others() {
    let served = Served::new(&access()).await;
    let right = format!("Authorization: Bearer {TOKEN}");
    for method in ["TRACE", "OPTIONS", "PUT", "DELETE", "PATCH", "BREW"] {
        for path in ["/api/v1/jobs", "/api/v1/suspend", "/", "/healthz"] {
            let without = served.ask(method, path, &["Content-Length: 0"]).await;
            assert!(matches!(status(&without), 401 | 403 | 405), "{method} {path}: {without}");
            let with = served.ask(method, path, &["Content-Length: 0", &right]).await;
            assert_eq!(status(&with), 405, "{method} {path}: {with}");
            assert!(!with.contains(TOKEN), "{with}");
        }
    }
    let connect =
        served.send(b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nConnection: close\r\n\r\n").await;
    assert!(matches!(status(&connect), 400 | 401 | 403 | 404 | 405), "{connect}");
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        let header = format!("{name}: POST");
        assert_eq!(served.status("GET", "/api/v1/suspend", &[&header]).await, 405, "{name}");
    }
    served.end().await;
}
