//! Another user of the machine, a service that can be made to ask (SSRF), and a proxy that nobody told of.

use super::super::super::admin_changes::Desk;
use super::super::super::harness::admin::{Served, TOKEN, access, status};

/// Everything that tells of jobs.
const TELLS: [&str; 11] = [
    "/metrics",
    "/api/v1/overview",
    "/api/v1/forecast",
    "/api/v1/throughput",
    "/api/v1/methods",
    "/api/v1/held",
    "/api/v1/batches",
    "/api/v1/jobs",
    "/api/v1/jobs/hq-7",
    "/api/v1/dead/groups",
    "/api/v1/dead/inputs",
];
/// What is open to everybody.
const OPEN: [&str; 5] = ["/healthz", "/readyz", "/api/v1/session", "/api/v1/openapi.json", "/"];

#[tokio::test]
async fn without_the_token_another_user_of_the_machine_reads_nothing() {
    let served = Served::new(&paceline::admin::Access { reads_openly: false, ..access() }).await;
    let right = format!("Authorization: Bearer {TOKEN}");
    for path in TELLS {
        let answer = served.ask("GET", path, &[]).await;
        assert_eq!(status(&answer), 401, "{path}: {answer}");
        // As a service would that is made to ask: with headers of its own.
        for header in
            ["Metadata-Flavor: Google", "User-Agent: curl/8", "Cookie: token=0123456789abcdef0123456789abcdef"]
        {
            assert_eq!(served.status("GET", path, &[header]).await, 401, "{path} {header}");
        }
        assert_eq!(served.status("HEAD", path, &[]).await, 401, "{path}");
        assert!(matches!(served.status("GET", path, &[&right]).await, 200 | 404), "{path}");
    }
    for path in OPEN {
        assert_eq!(served.status("GET", path, &[]).await, 200, "{path}");
    }
    served.end().await;
}

#[tokio::test]
async fn through_a_proxy_reading_needs_the_token_whatever_the_proxy_says_of_it() {
    let served = Served::new(&access()).await;
    let right = format!("Authorization: Bearer {TOKEN}");
    for header in [
        "X-Forwarded-For: 203.0.113.7",
        "X-Forwarded-Proto: https",
        "x-forwarded-host: paceline.example.com",
        "X-Forwarded-For:",
        "Forwarded: for=203.0.113.7",
        "Via: 1.1 proxy",
        "X-Real-IP: 203.0.113.7",
        "True-Client-IP: 203.0.113.7",
        "CF-Connecting-IP: 203.0.113.7",
    ] {
        for path in TELLS {
            assert_eq!(served.status("GET", path, &[header]).await, 401, "{path} {header}");
        }
        assert!(matches!(served.status("GET", "/api/v1/jobs", &[header, &right]).await, 200), "{header}");
        for path in OPEN {
            assert_eq!(served.status("GET", path, &[header]).await, 200, "{path} {header}");
        }
        let session = served.ask("GET", "/api/v1/session", &[header]).await;
        assert!(session.contains("\"token_needed\":true"), "{header}: {session}");
    }
    assert_eq!(served.status("GET", "/api/v1/jobs", &[]).await, 200, "on the machine itself it is open");
    served.end().await;
    let none = Served::new(&paceline::admin::Access { tokens: Vec::new(), ..access() }).await;
    assert_eq!(none.status("GET", "/api/v1/jobs", &["Via: 1.1 proxy"]).await, 403);
    none.end().await;
}

#[tokio::test]
async fn a_proxy_that_nobody_named_is_told_of_once() {
    let desk = Desk::with_admin("", "").await;
    for _ in 0..3 {
        let (status, answer) = desk.ask("GET", "/api/v1/jobs", &["X-Forwarded-For: 203.0.113.7"], "");
        assert_eq!(status, 403, "{answer}");
    }
    let log = desk.log();
    assert_eq!(log.matches("came through a proxy to the admin server").count(), 1, "{log}");
    assert!(log.contains("admin.public_url") && !log.contains("203.0.113.7"), "{log}");
}
