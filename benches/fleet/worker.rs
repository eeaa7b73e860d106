//! `paceline work` as processes, all on one ledger.

use std::fmt::Write as _;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::broker;
use super::usage;

/// Apps, of which each is a quota domain with one owner.
pub(crate) const APPS: usize = 6;

/// Settings of all workers of one run, in a folder of their own.
pub(crate) struct Site {
    folder: PathBuf,
}

impl Site {
    pub(crate) fn new(folder: PathBuf, simulator: &str, queues: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let mut text = format!(
            "[store]\nkey = {{ env = \"BENCH_KEY\" }}\nurl = {{ env = \"BENCH_STORE\" }}\n[broker]\nurl = \"{}\"\n\
             jobs_queue = \"{queues}.jobs\"\nresults_queue = \"{queues}.results\"\nresults_exchange = \"{queues}.results\"\n\
             dead_queue = \"{queues}.dead\"\n[engine]\nconcurrency_max = 256\nlane_concurrency_max = 256\n\
             [admin]\nlisten = \"\"\n",
            broker::url()
        );
        for app in 0..APPS {
            write!(
                text,
                "[apps.b{app}]\nplatform = \"feishu\"\nbase_url = \"{simulator}\"\napp_id = \"cli_b{app}\"\n\
                 app_secret = {{ env = \"BENCH_SECRET\" }}\n[apps.b{app}.quotas]\n\
                 \"feishu.calendar.create\" = \"1000000/s\"\n"
            )?;
        }
        std::fs::write(folder.join("paceline.toml"), text)?;
        Ok(Self { folder })
    }

    fn command(&self, store: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paceline"));
        command.current_dir(&self.folder).env("PACELINE_CONFIG", self.folder.join("paceline.toml"));
        command.env("BENCH_STORE", store).env("BENCH_KEY", format!("{}=", "A".repeat(43)));
        command.env("BENCH_SECRET", "made-up").stdin(Stdio::null());
        command
    }

    /// Starts a worker on the store at this URL; what it says goes to a file.
    pub(crate) fn start(&self, store: &str, number: usize) -> anyhow::Result<Process> {
        let log = File::create(self.folder.join(format!("worker-{number}.log")))?;
        let mut command = self.command(store);
        command.arg("work").stdout(Stdio::null()).stderr(log);
        Ok(Process(command.spawn().context("a worker did not start")?))
    }

    pub(crate) fn status(&self, store: &str) -> anyhow::Result<Value> {
        let output = self.command(store).args(["status", "--json"]).output()?;
        serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The logs of all workers, for a failure.
    pub(crate) fn logs(&self) -> String {
        let files = std::fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let logs = files.filter(|path| path.extension().is_some_and(|kind| kind == "log"));
        logs.map(|log| std::fs::read_to_string(log).unwrap_or_default()).collect()
    }
}

/// A worker; killed with this.
pub(crate) struct Process(Child);

impl Process {
    /// Processor time so far, in seconds.
    pub(crate) fn cpu_s(&mut self) -> anyhow::Result<f64> {
        ensure!(self.0.try_wait()?.is_none(), "a worker ended");
        usage::cpu_s(format!("/proc/{}", self.0.id()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
