//! `cargo bench --bench grants`: what one uncontended grant costs, beside governor's limiters, in one run.
//!
//! Every contestant grants and takes back in turns of the others, at a pace just under its quota, so that its windows are
//! as full as they get; time is a number here, and what is measured is the thread's own. A grant is: may it leave, spend, and the reply's giving back.

#[path = "../common/basics.rs"]
mod common;

mod contestants;

use anyhow::Context as _;

use self::common::sentence;
use self::contestants::{Contestant, all};

/// Grants of one measurement.
const GRANTS: u64 = 500_000;
/// Measurements of each, in turns.
const ROUNDS: usize = 7;
/// Keys and lanes of those that have many.
const MANY: usize = 10_000;

#[expect(clippy::print_stdout, reason = "the table is what it is for")]
fn main() -> anyhow::Result<()> {
    if !common::is_measuring() {
        println!("a measurement: run `cargo bench --bench grants`");
        return Ok(());
    }
    println!("load before: {}; {GRANTS} grants, {ROUNDS} times each, in turns\n", common::load());
    let mut contestants = all(MANY)?;
    let mut ns = vec![Vec::new(); contestants.len()];
    for _ in 0..ROUNDS {
        for (contestant, ns) in contestants.iter_mut().zip(&mut ns) {
            ns.push(measure(contestant)?);
        }
    }
    let medians: Vec<f64> = ns.iter_mut().map(|ns| median(ns)).collect();
    println!("| keys | who | quota | ns a grant | best | of governor's |\n|---|---|---|---|---|---|");
    for ((contestant, median), ns) in contestants.iter().zip(&medians).zip(&ns) {
        let measure = contestants.iter().zip(&medians).find(|(other, _)| other.keys == contestant.keys);
        let ratio = measure.map_or(1.0, |(_, governor)| median / governor);
        let Contestant { keys, who, quota, .. } = contestant;
        println!("| {keys} | {who} | {quota} | {median:.0} | {:.0} | {ratio:.1} |", ns.first().unwrap_or(median));
    }
    println!("\nload after: {}", common::load());
    Ok(())
}

fn measure(contestant: &mut Contestant) -> anyhow::Result<f64> {
    let started = cpu_ns()?;
    for _ in 0..GRANTS {
        (contestant.grant)().map_err(|why| sentence(format!("{}, {}: {why}", contestant.who, contestant.quota)))?;
    }
    Ok((cpu_ns()? - started) / GRANTS as f64)
}

/// What this thread has had of the processor so far: other work on the machine takes time, but not this time.
fn cpu_ns() -> anyhow::Result<f64> {
    let schedstat =
        std::fs::read_to_string("/proc/thread-self/schedstat").context("CPU time is the kernel's: Linux alone")?;
    Ok(schedstat.split(' ').next().unwrap_or_default().parse()?)
}

/// Sorts, too.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
