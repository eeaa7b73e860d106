//! Pages of others in the operator's browser: what they can ask, and what they learn from the answer.

use super::super::super::harness::admin::{Served, TOKEN, access, status};

const JSON: &str = "Content-Type: application/json";

#[tokio::test]
async fn a_page_of_another_site_learns_nothing_of_a_job() {
    let served = Served::new(&access()).await;
    for site in ["cross-site", "same-site"] {
        for (dest, mode) in [
            // `<link rel=prefetch>` told whether a job exists.
            ("empty", "no-cors"),
            ("script", "no-cors"),
            ("image", "no-cors"),
            ("object", "no-cors"),
            ("iframe", "navigate"),
            ("document", "navigate"),
            ("empty", "cors"),
        ] {
            let headers = [
                format!("Sec-Fetch-Site: {site}"),
                format!("Sec-Fetch-Dest: {dest}"),
                format!("Sec-Fetch-Mode: {mode}"),
            ];
            let headers: Vec<_> = headers.iter().map(String::as_str).collect();
            let mut answers = Vec::new();
            for path in
                ["/api/v1/jobs/hq-7", "/api/v1/jobs/no-such-job", "/assets/main.js", "/api/v1/session", "/metrics"]
            {
                let answer = served.ask("GET", path, &headers).await;
                assert_eq!(status(&answer), 403, "{path} {dest}: {answer}");
                answers.push(answer.split("\r\n").filter(|line| !line.starts_with("date:")).collect::<String>());
            }
            answers.dedup();
            assert_eq!(answers.len(), 1, "the answers differ: {answers:?}");
        }
    }
    let visit = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];
    assert_eq!(served.status("GET", "/", &visit).await, 200, "a link to the dashboard works");
    for from in ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"] {
        assert_eq!(served.status("GET", "/api/v1/jobs/no-such-job", &[from]).await, 404, "{from}");
    }
    served.end().await;
}

#[tokio::test]
async fn every_answer_is_closed_to_other_sites() {
    let served = Served::new(&access()).await;
    for (path, wanted) in
        [("/", 200), ("/healthz", 200), ("/api/v1/overview", 200), ("/api/v1/jobs/nobody", 404), ("/nowhere", 404)]
    {
        let answer = served.ask("GET", path, &[]).await;
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(status(&answer), wanted, "{path}");
        for line in [
            "cross-origin-resource-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "x-frame-options: DENY",
        ] {
            assert!(head.contains(line), "{path}: no {line} in {head}");
        }
        assert!(head.contains("frame-ancestors 'none'"), "{path}: {head}");
        for name in ["access-control-", "set-cookie"] {
            assert!(!head.to_lowercase().contains(name), "{path}: {head}");
        }
        assert!(path == "/" || head.contains("cache-control: no-store"), "{path}: {head}");
    }
    served.end().await;
}

#[tokio::test]
async fn a_name_that_somebody_led_here_is_not_ours() {
    let served = Served::new(&access()).await;
    let port = served.listen().port();
    for host in [
        "evil.example",
        "127.0.0.1.nip.io",
        "localhost.evil.example",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f000001",
        "",
        "evil@localhost",
        "evil:pw@127.0.0.1",
        "@127.0.0.1",
        "127.0.0.1@evil.example",
        "[::ffff:8.8.8.8]",
    ] {
        for path in ["/healthz", "/api/v1/jobs", "/"] {
            let host = format!("Host: {host}");
            assert_eq!(served.status("GET", path, &[&host]).await, 403, "{host} {path}");
        }
    }
    let none = served.send(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&none), 403, "{none}");
    assert_eq!(status(&served.send(b"GET /healthz HTTP/1.0\r\n\r\n").await), 403);
    let absolute =
        format!("GET http://evil.example/healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&served.send(absolute.as_bytes()).await), 403);
    for host in [format!("Host: 127.0.0.1:{port}"), "Host: localhost".to_owned(), "Host: [::1]:80".to_owned()] {
        assert_eq!(served.status("GET", "/healthz", &[&host]).await, 200, "{host}");
    }
    served.end().await;
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing_even_with_the_token() {
    let served = Served::new(&access()).await;
    let port = served.listen().port();
    let (host, right) = (format!("Host: localhost:{port}"), format!("Authorization: Bearer {TOKEN}"));
    let length = "Content-Length: 2";
    for origin in [
        "null".to_owned(),
        "http://evil.example".to_owned(),
        format!("https://localhost:{port}"),
        "http://localhost:1".to_owned(),
        "http://localhost".to_owned(),
        format!("http://127.0.0.1:{port}"),
        format!("http://evil@localhost:{port}"),
        format!("localhost:{port}"),
    ] {
        let origin = format!("Origin: {origin}");
        for method in ["POST", "GET"] {
            let path = if method == "POST" { "/api/v1/suspend" } else { "/api/v1/jobs" };
            let answer = served.ask(method, path, &[&host, &right, JSON, &origin, length]).await;
            assert_eq!(status(&answer), 403, "{origin}: {answer}");
        }
    }
    // Forms and fetches without CORS: types that need no question first.
    for kind in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"] {
        let kind = format!("Content-Type: {kind}");
        assert_eq!(served.status("POST", "/api/v1/suspend", &[&host, &right, &kind, length]).await, 415, "{kind}");
        assert_eq!(served.status("POST", "/api/v1/suspend", &[&host, &kind, length]).await, 401, "{kind}");
    }
    served.end().await;
}
