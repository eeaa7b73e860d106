//! What the runs took, as a table.

use std::fmt::{self, Write as _};

use anyhow::bail;
use serde_json::Value;

use super::Way;

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub jobs_per_s: f64,
    pub cpu_s_per_1000: f64,
    pub memory_mib: f64,
}

impl Measured {
    /// From a worker process's own words.
    pub(crate) fn of(jobs: usize, said: &Value) -> anyhow::Result<Self> {
        Ok(Self {
            jobs_per_s: jobs as f64 / number(said, "/seconds")?,
            cpu_s_per_1000: number(said, "/cpu_s")? / jobs as f64 * 1_000.0,
            memory_mib: number(said, "/memory_mib")?,
        })
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { jobs_per_s, cpu_s_per_1000, memory_mib } = self;
        write!(out, "{jobs_per_s:>7.0} jobs/s  {cpu_s_per_1000:.3} CPU s per 1000 jobs  {memory_mib:.0} MiB")
    }
}

/// Best and median of each way, and the medians against the base's: the bare loop's, or single jobs' where it did not run.
pub(crate) fn table(measured: &[(Way, Measured)]) -> String {
    let mut table = format!(
        "{:<24} {:>11} {:>13} {:>15} {:>10} {:>16} {:>11}\n",
        "way", "jobs/s best", "jobs/s median", "of the base", "CPU s/1000", "of the base", "memory MiB"
    );
    let column = |way: Way, field: fn(&Measured) -> f64| {
        let mut values: Vec<f64> = measured.iter().filter(|(of, _)| *of == way).map(|(_, run)| field(run)).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let ways = Way::chosen();
    let base = if ways.contains(&Way::Bare) { Way::Bare } else { Way::File };
    let bare_jobs = median(&column(base, |run| run.jobs_per_s));
    let bare_cpu = median(&column(base, |run| run.cpu_s_per_1000));
    for way in ways {
        let jobs = column(way, |run| run.jobs_per_s);
        let cpu = median(&column(way, |run| run.cpu_s_per_1000));
        let memory = column(way, |run| run.memory_mib);
        let _ = writeln!(
            table,
            "{:<24} {:>11.0} {:>13.0} {:>16.2} {cpu:>10.3} {:>16.2} {:>11.0}",
            way.title(),
            jobs.last().copied().unwrap_or_default(),
            median(&jobs),
            median(&jobs) / bare_jobs,
            cpu / bare_cpu,
            memory.last().copied().unwrap_or_default(),
        );
    }
    table
}

/// The middle of sorted values; of an even number, the mean of the two in the middle.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted {
        [] => f64::NAN,
        _ if sorted.len() % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// A number of a JSON document.
pub(crate) fn number(document: &Value, pointer: &str) -> anyhow::Result<f64> {
    match document.pointer(pointer).and_then(Value::as_f64) {
        Some(number) => Ok(number),
        None => bail!("no number at {pointer} in {document}"),
    }
}
