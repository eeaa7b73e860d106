//! What a process uses, from the kernel: all of its threads, nothing of its children.

use std::path::Path;

use anyhow::Context as _;

/// The kernel counts in hundredths of a second.
const TICKS_PER_S: f64 = 100.0;

/// User and system time so far of the process in `folder`, in seconds.
pub(crate) fn cpu_s(folder: impl AsRef<Path>) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(folder.as_ref().join("stat"));
    let stat = stat.context("CPU time is read from /proc: Linux alone")?;
    // The name in parentheses may hold spaces; user and system time are the 12th and 13th field behind it.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |index: usize| -> anyhow::Result<f64> { Ok(fields.get(index).context("no CPU time")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_S)
}

/// A number of the status that stands in `folder`: `/proc/self`, or that of one thread. Memory is in KiB.
pub(crate) fn status(folder: impl AsRef<Path>, name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(folder.as_ref().join("status"))?;
    let value = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}
