//! What this process uses, from the kernel.

use anyhow::Context as _;

/// The kernel counts in hundredths of a second.
const TICKS_PER_S: f64 = 100.0;

/// User and system time so far, all threads, in seconds.
pub fn cpu_s() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("CPU time is read from /proc: Linux alone")?;
    // The name in parentheses may hold spaces; user and system time are the 12th and 13th field behind it.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |index: usize| -> anyhow::Result<f64> { Ok(fields.get(index).context("no CPU time")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_S)
}

/// How often its threads gave up the processor so far, by waiting for something.
pub fn waits() -> anyhow::Result<u64> {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        sum += line(&task?.path().join("status"), "voluntary_ctxt_switches:")?;
    }
    Ok(sum)
}

/// Memory held now, in bytes.
pub fn memory_bytes() -> anyhow::Result<u64> {
    Ok(line(std::path::Path::new("/proc/self/status"), "VmRSS:")? * 1_024)
}

fn line(file: &std::path::Path, name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(file)?;
    let value = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}
