//! `paceline simulate` as a process of its own: it counts arrivals, and its work is not charged to the worker.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use anyhow::Context as _;
use serde_json::Value;

/// A simulator process; it ends with this value.
pub(crate) struct Simulator {
    child: Child,
    url: String,
    client: reqwest::Client,
    /// Kept open, so that a late line of the simulator has somewhere to go.
    _stderr: BufReader<ChildStderr>,
}

impl Simulator {
    /// Starts a simulator on a free port of loopback.
    pub(crate) fn start(scenario: &str) -> anyhow::Result<Self> {
        // A second call in one process finds the provider installed: that is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut child = Command::new(env!("CARGO_BIN_EXE_paceline"))
            .args(["simulate", "--listen", "127.0.0.1:0", "--scenario", scenario])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("the simulator did not start")?;
        let mut stderr = BufReader::new(child.stderr.take().context("the simulator has no stderr")?);
        let mut line = String::new();
        stderr.read_line(&mut line)?;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(';').next());
        let url = format!("http://{}", address.with_context(|| format!("the simulator said {line:?}"))?);
        Ok(Self { child, url, client: reqwest::Client::new(), _stderr: stderr })
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its own books.
    pub(crate) async fn stats(&self) -> anyhow::Result<Value> {
        let reply = self.client.get(format!("{}/_simulator/books", self.url)).send().await?;
        Ok(serde_json::from_slice(&reply.bytes().await?)?)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
