//! A clock of a worker's own, which can be set: `clock.c` is preloaded and shifts the machine's.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

/// The library that is loaded before a worker.
pub(super) struct Library(PathBuf);

impl Library {
    /// Compiles it into a folder.
    pub(super) fn build(folder: &Path) -> anyhow::Result<Self> {
        let library = folder.join("clock.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trials/fleet/clock.c");
        let done = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status()?;
        ensure!(done.success(), "cc ended with {done}");
        Ok(Self(library))
    }

    /// Variables for a worker whose clock agrees with the machine's until it is set.
    pub(super) fn variables(&self, clock: &Setting) -> anyhow::Result<[(&'static str, String); 2]> {
        clock.set(0)?;
        Ok([("LD_PRELOAD", self.0.display().to_string()), ("CLOCK_OFFSET", clock.0.display().to_string())])
    }
}

/// Where it is written by how much a worker's clock is off.
#[derive(Clone)]
pub(super) struct Setting(PathBuf);

impl Setting {
    pub(super) fn of(folder: &Path, name: &str) -> Self {
        Self(folder.join(format!("{name}.clock")))
    }

    /// Sets the clock to so many seconds from the machine's.
    pub(super) fn set(&self, seconds: i64) -> anyhow::Result<()> {
        let mut file = File::options().create(true).write(true).truncate(false).open(&self.0)?;
        // It is mapped: written in place, never replaced.
        Ok(file.write_all(&(seconds * 1_000_000).to_ne_bytes())?)
    }
}
