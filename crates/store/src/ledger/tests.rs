//! What every store must do, put to one SQLite file; and what only a file can go through.

mod bench;
mod edges;
pub(crate) mod recount;

use super::*;
use crate::contract::{T0, owners_contract, store_contract};

/// A ledger in a folder of its own, which goes with it.
struct Fresh {
    store: SqlStore,
    people: crate::Connector,
    _folder: tempfile::TempDir,
}

impl Fresh {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let store = SqlStore::open(&path, Mode::Worker, T0).unwrap();
        Self { store, people: crate::Connector((&path).into()), _folder: folder }
    }
}

store_contract!(Fresh::new());

/// A ledger that three processes work.
struct Shared {
    one: SqlStore,
    other: SqlStore,
    brief: SqlStore,
    _folder: tempfile::TempDir,
}

impl Shared {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open =
            |seconds| SqlStore::open_shared(&folder.path().join("ledger.db"), std::time::Duration::from_secs(seconds));
        Self { one: open(3_600), other: open(3_600), brief: open(0), _folder: folder }
    }
}

owners_contract!(Shared::new());
