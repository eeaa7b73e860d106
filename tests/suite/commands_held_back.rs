//! What holds calls back, as `status` and `resume` tell it.

use paceline::domain::messages::Cure;
use std::time::Duration;

use paceline::domain::catalog::QuotaScope;
use paceline::domain::job::LaneKey;
use paceline::domain::outcome::Failure;
use paceline::domain::quota::{Key, Window};
use paceline::domain::time::Timestamp;
use paceline::engine::ports::{Ledger, Restrained, Restraint, RestraintKind};
use paceline::store::{Mode, SqlStore};

use super::commands::Place;

/// A restraint of each kind, in the order in which a worker records them.
fn restraints() -> Vec<Restraint> {
    let at = |text: &str| Timestamp::parse(text).unwrap();
    let of =
        |target: Restrained, app: &str, kind: RestraintKind, until: Option<&str>, code: i64, words: &str| Restraint {
            target,
            app: app.to_owned(),
            kind,
            since: at("2026-11-21T08:00:00.123Z"),
            until: until.map(at),
            cause: Failure {
                status: Some(429),
                code: Some(code).filter(|code| *code != 0),
                detail: words.into(),
                cure: (code != 0).then(|| Cure::Older { text: "what the catalog advises".to_owned() }),
                log_id: (code != 0).then(|| "0217".to_owned()),
                candidates: Vec::new(),
            },
        };
    let key = |scope, owner: &str, method: &str| {
        Restrained::Key(Key { scope, owner: owner.to_owned(), method: method.to_owned() })
    };
    let (room, meeting) = ("feishu.vc.room.create", "wecom.meeting.create");
    let rooms = || key(QuotaScope::AppTenant, "cli_a1", room);
    let lane = LaneKey { app: "acme".to_owned(), tenant: String::new(), method: "feishu.calendar.create".to_owned() };
    let window = Window { limit: 20, span: Duration::from_secs(60) };
    let [later, past] = [Some("2126-11-21T16:00:00.123Z"), Some("2026-11-21T08:00:07.123Z")];
    let limit = RestraintKind::Limit { window, limit: 7, patience: 1 };
    let rate = RestraintKind::Rate { per_s: 12.5, refused_at: 50.0 };
    vec![
        of(rooms(), "acme", RestraintKind::Pause { refusals: 1 }, past, 99_991_400, "request trigger frequency limit"),
        of(
            key(QuotaScope::Corp, "ww1", meeting),
            "campus",
            RestraintKind::Pause { refusals: 3 },
            later,
            45_009,
            "api freq",
        ),
        of(rooms(), "acme", limit, later, 99_991_400, "request trigger frequency limit"),
        of(Restrained::App, "campus", RestraintKind::Pause { refusals: 1 }, later, 0, "no connection: refused"),
        of(Restrained::App, "acme", rate, None, 190_005, "app rate limited"),
        of(
            Restrained::Lane(lane),
            "acme",
            RestraintKind::Concurrency { limit: 3, max: 64 },
            None,
            190_010,
            "contended",
        ),
    ]
}

#[tokio::test]
async fn what_holds_calls_back_is_shown_with_cause_and_end() {
    let place = Place::with_apps(&[]);
    let path = place.path().join("paceline.db");
    let ledger = SqlStore::open(&path, Mode::Worker, Timestamp(0)).unwrap();
    ledger.acquire_all().await.unwrap().set_restraints(restraints()).await.unwrap();
    ledger.close().await;
    insta::assert_snapshot!("status_held_back", place.run(&["status"]).transcript());
    insta::assert_snapshot!("status_held_back_json", place.run(&["status", "--json"]).transcript());
    insta::assert_snapshot!("resume_held_back", place.run(&["resume", "acme"]).transcript());
    let ledger = SqlStore::open(&path, Mode::Worker, Timestamp(0)).unwrap();
    let left = ledger.acquire_all().await.unwrap().restraints().await.unwrap();
    assert!(left.len() == 2 && left.iter().all(|restraint| restraint.app == "campus"), "{left:?}");
}
