//! Questions by the program itself, from its start to its end.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::{Row, ask, started};

const SETTINGS: &str = "[store]\nurl = \"sqlite://ledger.db\"\n
[apps.hq]\nplatform = \"feishu\"\napp_id = \"cli_1\"\napp_secret = { env = \"S\" }\n
[apps.lab]\nplatform = \"feishu\"\napp_id = \"cli_2\"\napp_secret = { env = \"S\" }\n
[apps.shop]\nplatform = \"feishu\"\napp_id = \"cli_3\"\napp_secret = { env = \"S\" }\n
[apps.wx]\nplatform = \"wecom\"\ncorp_id = \"ww1\"\ncorp_secret = { env = \"S\" }\n";

/// Asks everything in a folder with a ledger.
pub(crate) fn all(place: &Path) -> anyhow::Result<Vec<Row>> {
    std::fs::write(place.join("paceline.toml"), SETTINGS)?;
    let commands: [&[&str]; 6] = [
        &["--version"],
        &["status"],
        &["status", "--json"],
        &["jobs", "list", "--state", "held"],
        &["dead", "list"],
        &["jobs", "show", "rooms-0000012"],
    ];
    commands.iter().map(|words| ask(&format!("`paceline {}`", words.join(" ")), || run(place, words))).collect()
}

fn command(place: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paceline"));
    command.args(words).current_dir(place).env("S", "made-up").stdin(Stdio::null());
    command
}

/// What it answers does not matter, but that it was no refusal.
fn run(place: &Path, words: &[&str]) -> anyhow::Result<()> {
    let outcome = command(place, words).output()?;
    let words = String::from_utf8_lossy(&outcome.stderr).into_owned();
    anyhow::ensure!(outcome.status.code() != Some(2) || words.contains("there is no job"), "{words}");
    Ok(())
}

/// Exports everything, and says how fast and in how much memory.
pub(crate) fn export(place: &Path) -> anyhow::Result<String> {
    let start = started();
    let mut child = command(place, &["export"]).stdout(Stdio::piped()).spawn()?;
    let mut out = child.stdout.take().context("no output")?;
    let (mut bytes, mut rows, mut memory) = (vec![0; 1 << 20], 0, String::new());
    loop {
        let read = out.read(&mut bytes)?;
        if read == 0 {
            break;
        }
        rows += bytes[..read].split(|byte| *byte == b'\n').count() - 1;
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        if let Some(line) = status.lines().find(|line| line.starts_with("VmHWM")) {
            line.clone_into(&mut memory);
        }
    }
    child.wait()?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!("export: {rows} rows in {seconds:.1} s, {:.0} rows/s; at most {memory}", rows as f64 / seconds))
}
