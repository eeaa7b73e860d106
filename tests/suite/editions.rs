//! One URL with two documents: both are counted as one call, and an app's setting says whose jobs it takes.

use serde_json::{Value, json};

use super::commands::Place;

/// A meeting of either document, later than any clock of these tests.
fn meeting(id: usize, method: &str) -> String {
    let guests = json!([{"area": "86", "phone_number": "13500000000"}]);
    let mut body = json!({"admin_userid": "zhangsan", "title": format!("Lecture {id}"), "meeting_start": 4_000_000_000_u64,
        "meeting_duration": 3_600});
    if method.ends_with("advanced") {
        body["guests"] = guests;
    }
    json!({"id": id.to_string(), "method": method, "app": "campus", "body": body}).to_string()
}

fn of_both(count: usize) -> String {
    let methods = ["wecom.meeting.create", "wecom.meeting.create_advanced"];
    (0..count).map(|n| meeting(n, methods[n % 2]) + "\n").collect()
}

#[test]
fn two_documents_of_one_call_share_a_window_and_the_audit_proves_it() {
    let place = Place::with_apps(&[("meetings.jsonl", &of_both(13))]);
    let methods = place.path().join("catalog/methods");
    std::fs::create_dir_all(&methods).unwrap();
    let file = "config/methods/wecom.meeting.create.toml";
    let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let few = text.replace("\"10000/min, 150000/h\"", "\"4/min\"");
    assert_ne!(few, text);
    std::fs::write(methods.join("wecom.meeting.create.toml"), few).unwrap();
    let own = [("PACELINE_CATALOG__DIR", "catalog")];
    let run = place.run_with(&["run", "meetings.jsonl", "--simulate", "--speed", "60", "--json"], &own);
    assert_eq!(run.code, Some(0), "{}", run.transcript());
    let summary: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&summary["succeeded"], &summary["throttled"]), (&json!(13), &json!(0)), "{summary}");
    assert!(summary["elapsed_s"].as_f64().unwrap() >= 3.0, "13 calls at 4 a second: {summary}");
    let audit = place.run_with(&["audit", "--simulate", "--speed", "60", "--json"], &own);
    assert_eq!(audit.code, Some(0), "{}", audit.transcript());
    let audit: Value = serde_json::from_str(&audit.out).unwrap();
    let windows = audit["windows"].as_array().unwrap();
    let of_meetings: Vec<_> = windows.iter().filter(|it| it["method"] == "wecom.meeting.create").collect();
    assert_eq!(of_meetings.len(), 4, "one of the corp, two of the host, one of the app: {audit}");
    assert!(of_meetings.iter().all(|window| window["calls"] == 13 && window["kept"] == true), "{audit}");
    assert!(windows.iter().all(|window| window["method"] != "wecom.meeting.create_advanced"), "{audit}");
}

#[test]
fn an_app_takes_the_jobs_of_its_own_edition() {
    let place = Place::with_apps(&[("meetings.jsonl", &of_both(2))]);
    let basic = place.run(&["validate", "meetings.jsonl"]);
    assert_eq!(basic.code, Some(1), "{}", basic.transcript());
    let words = "meetings.jsonl:2: method: app campus is set to basic meetings, and wecom.meeting.create_advanced is for advanced \
                 meetings: use wecom.meeting.create, or set meetings = \"advanced\" under [apps.campus]";
    assert!(basic.out.contains(words) && !basic.out.contains("jsonl:1"), "{}", basic.transcript());
    let advanced = place.run_with(&["validate", "meetings.jsonl"], &[("PACELINE_APPS__CAMPUS__MEETINGS", "advanced")]);
    assert_eq!(advanced.code, Some(1), "{}", advanced.transcript());
    assert!(
        advanced.out.contains("meetings.jsonl:1: method: app campus is set to advanced meetings"),
        "{}",
        advanced.transcript()
    );
    assert!(!advanced.out.contains("jsonl:2"), "{}", advanced.transcript());
}
