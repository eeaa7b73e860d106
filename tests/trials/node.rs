//! A private RabbitMQ and a private PostgreSQL, which a trial may halt, kill, freeze and starve.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Runs `scripts/NAME VERB FOLDER …`; the last line that it prints.
pub(crate) fn script(name: &str, verb: &str, folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
    let done = Command::new(script).arg(verb).arg(folder).args(arguments).output()?;
    ensure!(
        done.status.success(),
        "scripts/{name} {verb} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(String::from_utf8(done.stdout)?.lines().last().unwrap_or_default().to_owned())
}

/// The host and port in a URL that names a user.
pub(crate) fn address_of(url: &str) -> anyhow::Result<&str> {
    let behind = url.split_once('@').and_then(|(_, rest)| rest.split('/').next());
    behind.with_context(|| format!("no address in {url}"))
}

/// A PostgreSQL; ends with this, and its files with it.
pub(crate) struct Database(PathBuf);

impl Database {
    /// One that lies there, or will.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// What `scripts/postgres` says to this.
    pub(crate) fn script(&self, verb: &str) -> anyhow::Result<String> {
        script("postgres", verb, &self.0, &[])
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // What is left of it says why a trial failed, at worst.
        let _ = self.script("stop");
    }
}

/// A RabbitMQ; ends with this, and its files with it.
pub(crate) struct Node {
    folder: PathBuf,
    url: String,
}

impl Node {
    /// Starts a node whose files lie in a folder of its own.
    pub(crate) fn start(folder: PathBuf) -> anyhow::Result<Self> {
        // Made before the node: whatever happens next, it is ended.
        let mut node = Self { folder, url: String::new() };
        node.boot()?;
        Ok(node)
    }

    /// Starts it again, with all that it has kept.
    pub(crate) fn boot(&mut self) -> anyhow::Result<()> {
        self.url = script("rabbitmq", "start", &self.folder, &[])?;
        Ok(())
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its host and port.
    pub(crate) fn address(&self) -> anyhow::Result<&str> {
        address_of(&self.url)
    }

    /// Stops it as an operator would.
    pub(crate) fn halt(&self) -> anyhow::Result<()> {
        script("rabbitmq", "halt", &self.folder, &[]).map(drop)
    }

    /// Kills it as a power cut would.
    pub(crate) fn kill(&self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)?;
        self.halt()
    }

    /// Signals the Erlang VM itself.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = fs::read_to_string(self.folder.join("pid"))?.trim().parse()?;
        Ok(kill_process(Pid::from_raw(pid).context("the node's process has no id")?, signal)?)
    }

    /// Runs a `rabbitmqctl` command on it.
    pub(crate) fn control(&self, arguments: &[&str]) -> anyhow::Result<()> {
        script("rabbitmq", "ctl", &self.folder, arguments).map(drop)
    }

    /// What RabbitMQ 4 does by itself: a message that was handed out so often without an ack is dropped.
    pub(crate) fn limit_deliveries(&self, queue: &str) -> anyhow::Result<()> {
        let (name, pattern) = (format!("limit-{queue}"), format!("^{queue}$"));
        self.control(&["set_policy", "--apply-to", "queues", &name, &pattern, r#"{"delivery-limit": 20}"#])
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A frozen one would not end.
        let _ = self.signal(Signal::CONT);
        let _ = script("rabbitmq", "stop", &self.folder, &[]);
    }
}
