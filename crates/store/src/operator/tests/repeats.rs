//! What is found again: by id, by what is created, and among the jobs of the first edition.

use std::sync::Arc;

use rusqlite::Connection;
use serde_json::json;

use super::*;
use paceline_domain::catalog::{Catalog, built_in};
use paceline_domain::decode::{Apps, Decoder, Defaults};
use paceline_domain::job::Job;
use paceline_domain::rows::Numbered;

fn catalog() -> Arc<Catalog> {
    Arc::new(built_in().unwrap())
}

/// What a row of this name finds: the state of its own job and how, and the id of the job that creates the same.
fn found(seeker: &dyn Seeker, job: &Job, by_content: bool) -> (Option<(Likeness, State)>, Option<String>) {
    let (known, twin) = seeker.seek(Sought { job, is_row: true, by_content }).unwrap();
    (known.map(|known| (known.likeness, known.state)), twin.map(|twin| twin.id))
}

#[tokio::test]
async fn jobs_are_found_by_their_ids_and_by_what_they_create() {
    let world = World::with_one_of_each().await;
    let catalog = catalog();
    let other_id = |id: &str, like: &str| Job { id: id.into(), ..job(like) };
    let other_size = |like: &str| {
        let mut job = job(like);
        job.params.body.insert("capacity".into(), 99.into());
        job
    };
    let untouched = crate::open_untouched(&world.path).unwrap().unwrap();
    for seeker in [untouched.seeker(&catalog).unwrap(), world.operator.seeker(&catalog).unwrap()] {
        let of_row = |job: &Job| found(&*seeker, job, false);
        assert_eq!(of_row(&job("queued")), (Some((Likeness::Same, State::Queued)), None));
        assert_eq!(of_row(&job("dead")), (Some((Likeness::Same, State::Dead)), None));
        assert_eq!(of_row(&job("never seen")), (None, None));
        assert_eq!(of_row(&other_size("succeeded")), (Some((Likeness::IdConflict, State::Succeeded)), None));
        assert_eq!(of_row(&other_size("dead")), (Some((Likeness::Corrected, State::Dead)), None));
        for state in ["queued", "uncertain", "held", "succeeded", "running"] {
            assert_eq!(of_row(&other_id("new", state)), (None, Some(state.to_owned())), "{state}");
        }
        for state in ["dead", "cancelled"] {
            assert_eq!(of_row(&other_id("new", state)), (None, None), "{state}");
        }
        // The id of a dead job set to work for what is there already, and the id of one that is done.
        assert_eq!(of_row(&other_id("dead", "running")).1, Some("running".to_owned()));
        assert_eq!(of_row(&other_id("succeeded", "running")).1, None, "it is not called");
        assert_eq!(
            of_row(&Job { id: "new".into(), object: None, ..job("running") }),
            (None, None),
            "does no harm twice"
        );
        let same_object = Job { id: "new".into(), ..other_size("running") };
        assert_eq!(found(&*seeker, &same_object, true).1, None, "upstream tells them apart");
        assert_eq!(found(&*seeker, &same_object, false).1, Some("running".to_owned()));
    }
    let (_, twin) = world
        .operator
        .seeker(&catalog)
        .unwrap()
        .seek(Sought { job: &other_id("new", "succeeded"), is_row: true, by_content: false })
        .unwrap();
    assert_eq!(twin.unwrap().key.as_deref(), Some("omm_1"));
}

/// A row as a file of today gives it.
fn room(catalog: &Arc<Catalog>, id: &str, name: &str) -> Job {
    let decoder = Decoder { catalog: Arc::clone(catalog), apps: Apps::Any, rights: Arc::default() };
    let text = json!({"id": id, "method": "feishu.vc.room.create", "app": "acme", "batch": "move",
        "body": {"name": name, "capacity": 10, "room_level_id": "omb_1"}});
    decoder.decode(text.to_string().as_bytes(), &Defaults::default()).unwrap()
}

#[tokio::test]
async fn jobs_of_the_first_edition_are_found_before_and_after_they_were_identified() {
    let mut world = World::new();
    let catalog = catalog();
    for n in 1..=5 {
        let row = room(&catalog, &format!("move:{n}"), &format!("Room {n}"));
        queue(&world.ledger, from_file(row, "f")).await;
    }
    queue(&world.ledger, from_file(room(&catalog, "move:own", "Own"), "f")).await;
    let conn = Connection::open(&world.path).unwrap();
    conn.execute_batch(
        "UPDATE jobs SET object = NULL; INSERT INTO meta VALUES ('first_edition', 6), ('identified', 0);",
    )
    .unwrap();
    queue(&world.ledger, from_file(room(&catalog, "move:7", "Room 7"), "f")).await;

    let look = |operator: &dyn Reports| {
        let seeker = operator.seeker(&catalog).unwrap();
        ["Room 2", "Own", "Room 7", "Room 8"].map(|name| found(&*seeker, &room(&catalog, "new", name), false).1)
    };
    let expected = [Some("move:2".to_owned()), Some("move:own".to_owned()), Some("move:7".to_owned()), None];
    assert_eq!(look(&*world.operator), expected);
    world.operator.identify(&catalog).unwrap();
    let unidentified: i64 =
        conn.query_row("SELECT count(*) FROM jobs WHERE object IS NULL", [], |row| row.get(0)).unwrap();
    assert_eq!((unidentified, look(&*world.operator)), (0, expected));
    world.operator.identify(&catalog).unwrap();

    let untouched = UntouchedFile::open(&world.path).unwrap().unwrap();
    let numbered: Vec<Numbered> = untouched.numbered("move", &catalog).unwrap();
    let ids: Vec<&str> = numbered.iter().map(|job| job.id.as_str()).collect();
    assert_eq!(ids, ["move:1", "move:2", "move:3", "move:4", "move:5"], "of then, and numbers alone");
    let first = room(&catalog, "x", "Room 1");
    assert_eq!(
        (Some(numbered[0].object), &numbered[0].contents),
        (first.object, &vec![untouched.conn.seal().digest(&first.content_hash())])
    );
}

#[tokio::test]
async fn rows_are_looked_up_by_indices() {
    let world = World::new();
    let conn = Connection::open(&world.path).unwrap();
    let plan = |sql: &str| {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    };
    assert!(plan("SELECT id FROM jobs j WHERE j.object = 1 AND j.id <> 'x'").contains("USING INDEX jobs_by_object"));
    assert!(plan("SELECT id FROM jobs j WHERE j.id > 'a:' AND j.id < 'a;' AND seq < 9").contains("id>? AND id<?"));
}
