//! `cargo bench --bench million`: what operators ask, of a ledger of ten thousand jobs and of one of a million.
//!
//! `-- fill FILE JOBS` only makes such a ledger, `-- write FILE NAME` only writes ten thousand jobs to one, `-- ask SETTINGS`
//! only asks the one that a file of settings names: what was filled and then carried to PostgreSQL by `paceline store copy`,
//! for example. `BENCH_JOBS` (1000000) changes the large one.

mod ask;
mod command;
mod fill;
mod prune;
mod writing;

#[path = "../common/basics.rs"]
mod common;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use paceline::clock::Clock;
use paceline::settings;

use self::fill::Shape;

/// Times each question is asked; the median counts.
const ROUNDS: usize = 5;
const SMALL: i64 = 10_000;

/// One question and how long it took of each ledger.
struct Row {
    question: String,
    took: Vec<Duration>,
}

#[expect(clippy::print_stdout, reason = "the table is what it is for")]
fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let now = Clock::system().now();
    if let [word, path, jobs] = &words[..]
        && word == "fill"
    {
        return fill::fill(&PathBuf::from(path), jobs.parse()?, Shape::WorkedOff, now);
    }
    if let [word, path, name] = &words[..]
        && word == "write"
    {
        let cost = writing::write(&PathBuf::from(path), name, now)?;
        println!("{:.1} µs CPU a job, {:.1} µs", cost.cpu_us, cost.clock_us);
        return Ok(());
    }
    if let [word, file] = &words[..]
        && word == "ask"
    {
        let settings = settings::load(Some(file.as_ref()), std::env::vars()).map_err(common::sentence)?;
        for Row { question, took } in ask::all(&settings.store, now)? {
            println!("| {question} | {:.1} ms |", took[0].as_secs_f64() * 1e3);
        }
        return Ok(());
    }
    if !common::is_measuring() {
        println!("a measurement: run `cargo bench --bench million`");
        return Ok(());
    }
    let large =
        std::env::var("BENCH_JOBS").map_or(Ok(1_000_000), |text| text.parse::<i64>().map_err(common::sentence))?;
    println!("load before: {}; medians of {ROUNDS}\n", common::load());
    let folder = tempfile::tempdir()?;
    let ledgers = [(SMALL, Shape::WorkedOff), (large, Shape::WorkedOff), (large, Shape::Waiting)];
    let mut table: Vec<Row> = Vec::new();
    for (at, (jobs, shape)) in ledgers.into_iter().enumerate() {
        let place = folder.path().join(at.to_string());
        std::fs::create_dir(&place)?;
        let path = place.join("ledger.db");
        let filling = started();
        fill::fill(&path, jobs, shape, now)?;
        let mb = std::fs::metadata(&path)?.len() / 1_000_000;
        println!("{jobs} jobs, {shape:?}: filled in {:.0} s, {mb} MB", filling.elapsed().as_secs_f64());
        let mut rows = ask::all(&path.as_path().into(), now)?;
        rows.extend(command::all(&place)?);
        if at == 0 {
            table = rows;
        } else {
            for (row, more) in table.iter_mut().zip(rows) {
                row.took.extend(more.took);
            }
        }
    }
    println!("\n| question | 10 k | 1 M, worked off | 1 M, all waiting |\n|---|---|---|---|");
    for row in &table {
        let took: Vec<_> = row.took.iter().map(|took| format!("{:.1} ms", took.as_secs_f64() * 1e3)).collect();
        println!("| {} | {} |", row.question, took.join(" | "));
    }
    println!();
    let (small, worked_off) = (folder.path().join("0/ledger.db"), folder.path().join("1/ledger.db"));
    for (which, path) in [("10 k", &small), ("1 M", &worked_off)] {
        let costs: Result<Vec<_>, _> = (0..3).map(|n| writing::write(path, &format!("new-{n}"), now)).collect();
        for cost in costs? {
            println!("writing a job beside {which}: {:.1} µs CPU, {:.1} µs", cost.cpu_us, cost.clock_us);
        }
    }
    println!("{}", command::export(&folder.path().join("1"))?);
    println!("{}", prune::all(&worked_off, now)?);
    println!("load after: {}", common::load());
    Ok(())
}

/// The median of some rounds of a question.
fn ask<T, E: Into<anyhow::Error>>(question: &str, mut once: impl FnMut() -> Result<T, E>) -> anyhow::Result<Row> {
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let start = started();
        once().map_err(Into::into).with_context(|| question.to_owned())?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    Ok(Row { question: question.to_owned(), took: vec![took[ROUNDS / 2]] })
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn started() -> Instant {
    Instant::now()
}
