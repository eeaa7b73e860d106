//! Where the ledger of a run is on the server.

use std::process::Command;

use anyhow::{Context as _, ensure};

/// A schema of its own on the database, which goes with this.
pub(crate) struct Schema {
    database: String,
    name: String,
}

impl Schema {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let database = std::env::var("PACELINE_TEST_POSTGRES_URL");
        let database = database.context("PACELINE_TEST_POSTGRES_URL names no database: see scripts/postgres")?;
        let schema = Self { database, name: format!("bench_{}_{:x}", std::process::id(), fastrand::u32(..)) };
        schema.tell(&format!("CREATE SCHEMA {}", schema.name))?;
        Ok(schema)
    }

    fn tell(&self, statement: &str) -> anyhow::Result<()> {
        let done = Command::new("psql").args(["-q", "-d", &self.database, "-c", statement]).output();
        let done = done.context("psql did not start")?;
        ensure!(done.status.success(), "psql: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }

    pub(crate) fn url(&self) -> String {
        format!("{}?options=-csearch_path%3D{}", self.database, self.name)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        // What is left of it costs room alone.
        let _ = self.tell(&format!("DROP SCHEMA {} CASCADE", self.name));
    }
}
