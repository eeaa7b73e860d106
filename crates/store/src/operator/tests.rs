//! What people do with one SQLite file; what any store must do stands in `crates/store-contract`.

mod outlook;
mod piles;
mod plans;
mod repeats;

use std::path::PathBuf;

use super::*;
use crate::contract::{Store, T0, all_waiting, call, from_file, job, lane, one_of_each, queue, selections, success};
pub(crate) use crate::ledger::{Mode, SqlStore};
use crate::state::State;
use paceline_ports::Domain;
use paceline_ports::operator::{Likeness, Seeker, Sought};

struct World {
    ledger: SqlStore,
    operator: Box<dyn Commands>,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = SqlStore::open(&path, Mode::Worker, T0).unwrap();
        Self { ledger, operator: crate::open(&path).unwrap(), path, _folder: folder }
    }

    /// One job in each state, named after it, and one in flight.
    async fn with_one_of_each() -> Self {
        let world = Self::new();
        one_of_each(&world.ledger, &world.ledger.domain()).await;
        world
    }
}

#[tokio::test]
async fn a_worker_is_named_while_it_works() {
    let world = World::new();
    assert!(world.operator.worker().unwrap().unwrap().to_string().contains("process"));
    world.ledger.close().await;
    assert_eq!(world.operator.worker().unwrap(), None);
}

#[test]
fn a_missing_ledger_is_not_created_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent.db");
    let why = crate::open(&path).err().unwrap().to_string();
    assert!(why.contains("there is no ledger at"), "{why}");
    assert!(!path.exists());
}
