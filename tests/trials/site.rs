//! One folder with settings, one simulator, and any number of worker processes after each other.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::broker::Queues;
use super::usage;

pub(crate) const SECRETS: [(&str, &str); 3] = [
    ("ACME_SECRET", "rehearsal-secret-a"),
    ("CAMPUS_SECRET", "rehearsal-secret-c"),
    ("STORE_KEY", "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="),
];
const POLL: Duration = Duration::from_millis(20);
/// Lines of each log that are shown when something did not hold.
const TAIL_LINES: usize = 25;

/// What a trial wants of its site.
pub(crate) struct Plan<'p> {
    /// Where the ledger is: a path, perhaps from the folder, or a URL of PostgreSQL.
    pub store: &'p str,
    pub request_timeout_ms: u64,
    /// Further settings.
    pub settings: &'p str,
    /// The simulator's scenario, as a file's text.
    pub scenario: Option<&'p str>,
    /// How many times shorter the simulator's windows are.
    pub speed: &'p str,
    /// The broker's URL and the names of the worker's queues.
    pub broker: Option<(&'p str, &'p Queues)>,
    /// Further files, by their paths from the folder.
    pub files: &'p [(String, String)],
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self {
            store: "paceline.db",
            request_timeout_ms: 5_000,
            settings: "",
            scenario: None,
            speed: "1",
            broker: None,
            files: &[],
        }
    }
}

impl Plan<'_> {
    fn settings_at(&self, address: &str) -> String {
        let broker = self.broker.map(|(url, queues)| queues.settings(url)).unwrap_or_default();
        let Self { store, request_timeout_ms, settings, .. } = self;
        let settings = settings.replace("ADDRESS", address);
        let store = if store.starts_with("postgres://") {
            format!("url = \"{store}\"\nkey = {{ env = \"STORE_KEY\" }}")
        } else {
            format!("url = \"sqlite://{store}\"")
        };
        format!(
            "[store]\n{store}\n{broker}[http]\nrequest_timeout_ms = {request_timeout_ms}\n\
             [admin]\nlisten = \"\"\n\
             [apps.acme]\nplatform = \"feishu\"\nbase_url = \"{address}\"\napp_id = \"cli_rehearsal\"\n\
             app_secret = {{ env = \"ACME_SECRET\" }}\n\
             [apps.campus]\nplatform = \"wecom\"\nbase_url = \"{address}\"\ncorp_id = \"ww_rehearsal\"\n\
             corp_secret = {{ env = \"CAMPUS_SECRET\" }}\n{settings}"
        )
    }
}

/// A process that ends with this.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(self.pid(), signal)?)
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    /// Waits so long for its end.
    pub(crate) async fn ends_within(&mut self, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let waiting = async {
            loop {
                if let Some(status) = self.0.try_wait()? {
                    return Ok(status);
                }
                tokio::time::sleep(POLL / 4).await;
            }
        };
        tokio::time::timeout(limit, waiting).await.ok().transpose()
    }

    /// Its exit code; a process that goes on is a fault.
    pub(crate) async fn code_within(&mut self, limit: Duration, what: &str) -> anyhow::Result<Option<i32>> {
        let ended = self.ends_within(limit).await?;
        Ok(ended.with_context(|| format!("{what} did not end within {} s", limit.as_secs()))?.code())
    }

    /// What the kernel says of its memory: `VmRSS` now, `VmHWM` at most so far.
    pub(crate) fn memory_kb(&self, name: &str) -> anyhow::Result<u64> {
        usage::status(format!("/proc/{}", self.0.id()), &format!("{name}:"))
    }

    /// Its processor time so far, in seconds.
    pub(crate) fn cpu_s(&self) -> anyhow::Result<f64> {
        usage::cpu_s(format!("/proc/{}", self.0.id()))
    }

    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, unless something did not hold.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Site {
    binary: PathBuf,
    address: String,
    simulator: Option<Process>,
    /// What every process that starts from now on finds in its environment.
    variables: Vec<(String, String)>,
    /// Removed with everything in it, after the processes.
    folder: TempDir,
}

impl Site {
    /// A folder with a simulator that listens.
    pub(crate) async fn open(binary: &Path, plan: &Plan<'_>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let binary = fs::canonicalize(binary).with_context(|| format!("there is no program {}", binary.display()))?;
        let mut site = Self { binary, address: String::new(), simulator: None, variables: Vec::new(), folder };
        for (name, text) in plan.files {
            site.write(name, text)?;
        }
        let mut arguments = vec!["simulate", "--listen", "127.0.0.1:0", "--speed", plan.speed];
        if let Some(scenario) = plan.scenario {
            site.write("scenario.toml", scenario)?;
            arguments.extend(["--scenario", "scenario.toml"]);
        }
        // It wants settings that it can read; where it listens, it says itself.
        site.write("paceline.toml", &plan.settings_at("http://127.0.0.1:1"))?;
        let mut simulator = site.start("simulator", &arguments, &[])?;
        until("the simulator to listen", Duration::from_secs(240), async || {
            ensure!(simulator.ended()?.is_none(), "the simulator ended at once:\n{}", site.log("simulator"));
            let log = site.log("simulator");
            let said = log.split_once(" on http://").and_then(|(_, rest)| rest.split_once(';'));
            site.address = said.map(|(address, _)| address.to_owned()).unwrap_or_default();
            Ok(!site.address.is_empty())
        })
        .await?;
        site.simulator = Some(simulator);
        site.write("paceline.toml", &plan.settings_at(&format!("http://{}", site.address)))?;
        Ok(site)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// The simulator's host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sets a variable of all processes that start from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path().join(name);
        let folders = path.parent().map_or(Ok(()), fs::create_dir_all);
        folders.and_then(|()| fs::write(path, text)).with_context(|| name.to_owned())
    }

    /// Whether its simulator lives.
    pub(crate) fn has_simulator(&mut self) -> anyhow::Result<bool> {
        let Some(simulator) = &mut self.simulator else { return Ok(false) };
        Ok(simulator.ended()?.is_none())
    }

    /// What a process has logged.
    pub(crate) fn log(&self, name: &str) -> String {
        let bytes = fs::read(self.path().join(format!("{name}.log"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn start_worker(&self, arguments: &[&str]) -> anyhow::Result<Process> {
        self.start("worker", arguments, &[])
    }

    /// Starts a command whose log is `NAME.log`, with these variables.
    pub(crate) fn start(&self, name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Process> {
        self.start_of(None, name, arguments, variables)
    }

    /// Likewise, perhaps of another program than the one that is tried.
    pub(crate) fn start_of(
        &self,
        other: Option<&Path>,
        name: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Process> {
        let log = File::options().create(true).append(true).open(self.path().join(format!("{name}.log")))?;
        // A file that may not grow is an error to the program, not its death: an ignored signal stays ignored.
        let mut command = self.command("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(other.unwrap_or(&self.binary)).args(arguments);
        command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Process(command.spawn()?))
    }

    /// Starts a command at a terminal that becomes its own.
    pub(crate) fn start_at(&self, terminal: OwnedFd, arguments: &[&str]) -> anyhow::Result<Process> {
        let mut command = self.command("setsid");
        command.arg("--ctty").arg(&self.binary).args(arguments).env("TERM", "xterm");
        command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
        Ok(Process(command.spawn().context("'setsid', which is a part of util-linux, could not be started")?))
    }

    /// Runs a command to its end; its exit code and standard output.
    pub(crate) fn run(&self, arguments: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
        let done = self.command(&self.binary).args(arguments).stdin(Stdio::null()).output()?;
        let mut log = File::options().create(true).append(true).open(self.path().join("commands.log"))?;
        writeln!(log, "$ paceline {}: {}", arguments.join(" "), done.status)?;
        log.write_all(&done.stderr)?;
        Ok((done.status.code(), String::from_utf8(done.stdout)?))
    }

    /// A program in this folder, with the environment that the worker has.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path());
        // Settings of the caller's own shell must not leak into the trial.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PACELINE_")) {
            command.env_remove(name);
        }
        command.envs(SECRETS).env("PACELINE_CONFIG", self.path().join("paceline.toml"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn status(&self) -> anyhow::Result<Value> {
        let (code, text) = self.run(&["status", "--json"])?;
        ensure!(matches!(code, Some(0 | 1)), "'paceline status --json' ended with {code:?}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Jobs by state, as the ledger says.
    pub(crate) fn counts(&self) -> anyhow::Result<Value> {
        Ok(self.status()?["counts"].take())
    }

    /// How many calls `paceline audit` judged; a window that it finds exceeded is a fault.
    pub(crate) fn audited(&self) -> anyhow::Result<u64> {
        let (code, text) = self.run(&["audit", "--json"])?;
        ensure!(code == Some(0), "'paceline audit' ended with {code:?}: {text}");
        serde_json::from_str::<Value>(&text)?["calls"].as_u64().context("'paceline audit' counts no calls")
    }

    /// What the simulator says was really created, refused and duplicated.
    pub(crate) async fn books(&self) -> anyhow::Result<Value> {
        self.ask("GET", "books", "").await
    }

    /// Every object that the simulator has made, deleted ones too.
    pub(crate) async fn objects(&self) -> anyhow::Result<Value> {
        self.ask("GET", "objects", "").await
    }

    /// Lets the simulator go on with another scenario.
    pub(crate) async fn play(&self, scenario: &str) -> anyhow::Result<()> {
        self.tell("scenario", scenario).await
    }

    /// Tells the simulator's control interface something.
    pub(crate) async fn tell(&self, path: &str, body: &str) -> anyhow::Result<()> {
        self.ask("POST", path, body).await.map(drop)
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let reply = request(&self.address, method, &format!("_simulator/{path}"), body).await?;
        Ok(serde_json::from_str(&reply)?)
    }

    /// A failure with the last lines of all logs.
    pub(crate) fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        let files = fs::read_dir(self.path()).into_iter().flatten().flatten();
        let mut names: Vec<_> = files.filter_map(|file| file.file_name().into_string().ok()).collect();
        names.sort();
        let logs = names.iter().filter_map(|name| name.strip_suffix(".log"));
        let tail = |name: &str| {
            let log = self.log(name);
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
            format!("\n--- last lines of {name}.log\n{tail}")
        };
        anyhow::anyhow!("{error:#}{}", logs.map(tail).collect::<String>())
    }
}

/// What a server answers; anything but 200 is a fault.
pub(crate) async fn request(address: &str, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).await?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await?;
    let (head, body) = reply.split_once("\r\n\r\n").with_context(|| format!("no reply to {method} /{path}"))?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{method} /{path} is refused: {reply}");
    Ok(body.to_owned())
}

/// Waits until a condition holds; the limit only ends a trial that has failed.
pub(crate) async fn until(
    what: &str,
    limit: Duration,
    mut holds: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let waiting = async {
        while !holds().await? {
            tokio::time::sleep(POLL).await;
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(limit, waiting).await {
        Ok(held) => held,
        Err(_) => bail!("waited {} s in vain for {what}", limit.as_secs()),
    }
}
