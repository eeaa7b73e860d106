//! A file that is edited and run again: whatever is done to its rows, the platform has each object once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use paceline::domain::catalog::{Catalog, built_in};

use paceline::domain::rows::{Format, Input, Row, RowIds, Rows};
use paceline::engine::ports::State;
use paceline::engine::ports::operator::{Likeness, Sought};
use paceline::engine::ports::{Arrival, Origin, TakenOver};
use paceline::store;
use proptest::prelude::*;
use rusqlite::Connection;

use super::check::Simulator;
use super::commands::Place;
use super::harness::decoder;
use super::harness::virtual_time::{Worker, World, feishu};

const METHOD: &str = "feishu.vc.room.create";
const SECRETS: [(&str, &str); 1] = [("ACME_SECRET", "hunter2")];

/// What a person does to the file, or with it. Rows are counted modulo their number.
#[derive(Clone, Debug)]
enum Step {
    Insert {
        at: usize,
        name: u8,
        capacity: u8,
    },
    Delete(usize),
    Move {
        from: usize,
        to: usize,
    },
    Rename {
        at: usize,
        name: u8,
    },
    Resize {
        at: usize,
        capacity: u8,
    },
    Run,
    /// As browsers name a second copy: another file, so another batch.
    RunCopy,
}

fn step() -> impl Strategy<Value = Step> {
    let (at, name, capacity) = (0_usize..8, 0_u8..8, 1_u8..3);
    prop_oneof![
        2 => (at.clone(), name.clone(), capacity.clone()).prop_map(|(at, name, capacity)| Step::Insert { at, name, capacity }),
        1 => at.clone().prop_map(Step::Delete),
        2 => (at.clone(), at.clone()).prop_map(|(from, to)| Step::Move { from, to }),
        1 => (at.clone(), name).prop_map(|(at, name)| Step::Rename { at, name }),
        1 => (at, capacity).prop_map(|(at, capacity)| Step::Resize { at, capacity }),
        4 => Just(Step::Run),
        1 => Just(Step::RunCopy),
    ]
}

/// A room's name and capacity; its level is always the same.
type Room = (u8, u8);

fn csv(rooms: &[Room]) -> String {
    let rows = rooms.iter().map(|(name, capacity)| format!("Room {name},{capacity},omb_1\n"));
    format!("name,capacity,room_level_id\n{}", rows.collect::<String>())
}

fn edit(rooms: &mut Vec<Room>, step: &Step) {
    let place = |at: usize, rooms: &[Room]| at % rooms.len().max(1);
    match *step {
        Step::Insert { at, name, capacity } => rooms.insert(at % (rooms.len() + 1), (name, capacity)),
        Step::Run | Step::RunCopy => {}
        _ if rooms.is_empty() => {}
        Step::Delete(at) => drop(rooms.remove(place(at, rooms))),
        Step::Move { from, to } => {
            let room = rooms.remove(place(from, rooms));
            rooms.insert(to % (rooms.len() + 1), room);
        }
        Step::Rename { at, name } => {
            let at = place(at, rooms);
            rooms[at].0 = name;
        }
        Step::Resize { at, capacity } => {
            let at = place(at, rooms);
            rooms[at].1 = capacity;
        }
    }
}

/// Whether `run` has to stop: a room stands twice in the file, was created by another batch, or is not as it was created.
fn must_stop(rooms: &[Room], batch: &str, created: &BTreeMap<u8, (String, u8)>) -> bool {
    let is_twice = |at: usize| rooms[..at].iter().any(|(name, _)| *name == rooms[at].0);
    rooms.iter().enumerate().any(|(at, (name, capacity))| {
        is_twice(at) || created.get(name).is_some_and(|(by, as_)| by != batch || as_ != capacity)
    })
}

/// The rows as the commands read them.
fn read(text: &str, batch: &str, ledger: Option<&Path>) -> Vec<Row> {
    let decoder = decoder();
    let input = Input {
        name: format!("{batch}.csv"),
        batch: batch.to_owned(),
        method: Some(METHOD.to_owned()),
        app: Some("acme".to_owned()),
        bytes_max: 1024 * 1024,
        layout: paceline::domain::rows::Layout::default(),
    };
    let (ledger, catalog) = (ledger.map(Path::to_owned), Arc::clone(&decoder.catalog));
    let known = ledger.map(|ledger| store::known_jobs(&ledger, catalog));
    let ids = RowIds::new(false, known);
    let rows = Rows::open(decoder, input, Format::Csv, text.as_bytes()).unwrap().with_ids(&ids);
    rows.map(Result::unwrap).collect()
}

/// Whether every row may be sent, by the ledger and by the other rows.
fn may_go(rows: &[Row], store: &Path, catalog: &Catalog) -> bool {
    let mut operator = store::open(store).unwrap();
    operator.identify(catalog).unwrap();
    let seeker = operator.seeker(catalog).unwrap();
    rows.iter().all(|row| {
        let Ok(job) = &row.input else { return false };
        let (known, twin) = seeker.seek(Sought { job, is_row: true, by_content: !row.goes_by_object() }).unwrap();
        let is_changed = |known: paceline::engine::ports::operator::Repeat| {
            known.likeness == Likeness::IdConflict && known.state == State::Succeeded
        };
        twin.is_none() && !known.is_some_and(is_changed)
    })
}

async fn accept(worker: &Worker<'_>, world: &World, rows: Vec<Row>) {
    let arrival = |row: Row| Arrival {
        input: row.input.map(Box::new).map_err(Box::new),
        origin: Origin { raw: row.raw, place: row.place, cells: row.cells, ..Origin::default() },
    };
    let taken = worker.ledger.take_over(rows.into_iter().map(arrival).collect(), world.clock.now()).await.unwrap();
    let queued = taken.into_iter().filter_map(|taken| match taken {
        TakenOver::Queued(waiting) => Some(waiting),
        TakenOver::Blocked | TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected => None,
    });
    worker.engine.enqueue(queued.collect());
    worker.finish().await;
}

/// A batch as the first edition left it: row numbers are its ids, and nobody has worked out what it created.
async fn begin_as_the_first_edition(world: &World, rooms: &[Room]) {
    let worker = world.start(&feishu("acme", "")).await;
    let mut rows = read(&csv(rooms), "rooms", None);
    for (number, row) in rows.iter_mut().enumerate() {
        row.input.as_mut().unwrap().id = format!("rooms:{}", number + 1);
    }
    accept(&worker, world, rows).await;
    worker.close().await;
    let conn = Connection::open(world.store()).unwrap();
    conn.execute_batch(
        "UPDATE jobs SET object = NULL;
         INSERT INTO meta SELECT 'first_edition', max(seq) FROM jobs HAVING count(*) > 0;
         INSERT INTO meta SELECT 'identified', 0 FROM meta WHERE name = 'first_edition';",
    )
    .unwrap();
}

/// Carries the steps out, each run by a worker of its own, and compares the platform's books with what must be there.
async fn carry_out(first: u8, is_first_edition: bool, steps: &[Step]) {
    let world = World::new(built_in().unwrap(), "");
    let catalog = built_in().unwrap();
    let mut rooms: Vec<Room> = (0..first).map(|name| (name, 1)).collect();
    let mut created: BTreeMap<u8, (String, u8)> = BTreeMap::new();
    if is_first_edition {
        begin_as_the_first_edition(&world, &rooms).await;
        created.extend(rooms.iter().map(|(name, capacity)| (*name, ("rooms".to_owned(), *capacity))));
    }
    for step in steps.iter().chain([&Step::Run]) {
        edit(&mut rooms, step);
        let batch = match step {
            Step::Run => "rooms",
            Step::RunCopy => "rooms (1)",
            Step::Insert { .. } | Step::Delete(_) | Step::Move { .. } | Step::Rename { .. } | Step::Resize { .. } => {
                continue;
            }
        };
        let worker = world.start(&feishu("acme", "")).await;
        let store = world.store();
        let rows = read(&csv(&rooms), batch, Some(&store));
        let goes = may_go(&rows, &store, &catalog);
        assert_eq!(!goes, must_stop(&rooms, batch, &created), "{batch}: {rooms:?} beside {created:?}");
        if goes {
            accept(&worker, &world, rows).await;
            for (name, capacity) in &rooms {
                created.entry(*name).or_insert_with(|| (batch.to_owned(), *capacity));
            }
        }
        worker.close().await;
        let books = world.stats();
        assert_eq!((books.duplicates, books.created), (0, created.len() as u64), "{rooms:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_file_that_is_edited_and_run_again_creates_each_room_once(
        first in 0_u8..5,
        is_first_edition: bool,
        steps in prop::collection::vec(step(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(carry_out(first, is_first_edition, &steps));
    }
}

fn settings(address: &str) -> String {
    format!(
        "[apps.acme]\nplatform = \"feishu\"\nbase_url = \"{address}\"\napp_id = \"cli_a1\"\n\
         app_secret = {{ env = \"ACME_SECRET\" }}\n[apps.acme.quotas]\n\"{METHOD}\" = \"50/s\"\n"
    )
}

fn twenty() -> Vec<String> {
    (1..=20).map(|n| format!("1F-{n},4,omb_1\n")).collect()
}

#[test]
fn an_inserted_row_makes_one_room_and_a_copy_none() {
    let file = |rows: &[String]| format!("name,capacity,room_level_id\n{}", rows.concat());
    let scenario = format!("[quotas]\n'{METHOD}' = '50/s'\n");
    let place = Place::new(&[("small.csv", &file(&twenty())), ("world.toml", &scenario)]);
    let simulator = Simulator::start(&place, "world.toml");
    place.write("paceline.toml", &settings(&simulator.address));
    let run = |file: &str, more: &[&str]| {
        place.run_with(&[&["run", file, "--method", METHOD, "--app", "acme", "--json"], more].concat(), &SECRETS)
    };
    let succeeded = |outcome: &super::commands::Outcome| -> u64 {
        let counts: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
        counts["succeeded"].as_u64().unwrap()
    };
    let first = run("small.csv", &[]);
    assert_eq!((first.code, succeeded(&first)), (Some(0), 20), "{}", first.transcript());

    let mut rows = twenty();
    rows.insert(4, "1F-new,4,omb_1\n".to_owned());
    place.write("small.csv", &file(&rows));
    let inserted = run("small.csv", &[]);
    assert_eq!((inserted.code, succeeded(&inserted)), (Some(0), 21), "{}", inserted.transcript());

    place.write("small (1).csv", &file(&rows));
    let copy = run("small (1).csv", &[]);
    assert_eq!((copy.code, copy.out.as_str()), (Some(2), ""), "{}", copy.transcript());
    for part in ["21 rows would create again what batch small created", "small (1).csv:2: small:", "--allow-duplicates"]
    {
        assert!(copy.err.contains(part), "{part} is missing: {}", copy.err);
    }
    let listed = place.run(&["jobs", "list", "--json"]).out.lines().count();
    assert_eq!(listed, 21, "nothing was accepted");
    let wanted = run("small (1).csv", &["--allow-duplicates"]);
    assert_eq!((wanted.code, succeeded(&wanted)), (Some(0), 21), "{}", wanted.transcript());

    rows.push("1F-new,8,omb_1\n".to_owned());
    place.write("twice.csv", &file(&rows));
    let twice = place.run(&["validate", "twice.csv", "--method", METHOD, "--app", "acme"]);
    assert_eq!(twice.code, Some(1), "{}", twice.transcript());
    assert!(twice.out.contains("twice.csv:23: wants the same as twice.csv:6 "), "{}", twice.out);
}
