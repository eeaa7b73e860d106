//! `cargo bench --bench fleet`: what a job costs on PostgreSQL, with one worker and with three, beside the embedded ledger.
//!
//! AMQP → ledger → AMQP without a quota that holds anything back, in `paceline work` processes on one machine, in turns:
//! jobs of six apps, so that each of three workers owns two quota domains. The last two add a millisecond to everything
//! that a worker tells the database. `PACELINE_TEST_AMQP_URL` and `PACELINE_TEST_POSTGRES_URL` name the servers.
//! Processor time is that of the workers alone; database, broker and simulator share the machine with them.

#[path = "../common/basics.rs"]
#[expect(dead_code, reason = "not all of it is needed here")]
mod basics;
#[path = "../common/broker.rs"]
#[expect(dead_code, reason = "not all of it is needed here")]
mod broker;
mod line;
mod schema;
#[path = "../common/simulator.rs"]
mod simulator;
#[path = "../common/usage.rs"]
#[expect(dead_code, reason = "not all of it is needed here")]
mod usage;
mod worker;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use paceline::clock::Clock;
use serde_json::{Value, json};

use self::broker::Broker;
use self::line::{Line, address_of};
use self::schema::Schema;
use self::simulator::Simulator;
use self::worker::{APPS, Process, Site};

/// Jobs of one run; `BENCH_JOBS` overrides it.
const JOBS: usize = 3_000;
/// Runs of each way; `BENCH_ROUNDS` overrides it.
const ROUNDS: usize = 3;
/// Jobs of each app before the clock runs, after which every domain has its owner.
const WARM_UP: usize = 50;
const DELAY: Duration = Duration::from_millis(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug)]
struct Way {
    title: &'static str,
    is_embedded: bool,
    workers: usize,
    delay: Option<Duration>,
}

const WAYS: [Way; 5] = [
    Way { title: "embedded, one worker", is_embedded: true, workers: 1, delay: None },
    Way { title: "PostgreSQL, one worker", is_embedded: false, workers: 1, delay: None },
    Way { title: "PostgreSQL, three workers", is_embedded: false, workers: 3, delay: None },
    Way { title: "the same one, a millisecond away", is_embedded: false, workers: 1, delay: Some(DELAY) },
    Way { title: "the same three, a millisecond away", is_embedded: false, workers: 3, delay: Some(DELAY) },
];

struct Measured {
    jobs_per_s: f64,
    cpu_s_per_1000: f64,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the table is what it is for")]
async fn main() -> anyhow::Result<()> {
    if !basics::is_measuring() {
        println!("a measurement: run `cargo bench --bench fleet`");
        return Ok(());
    }
    let from_env = |name, default| std::env::var(name).map_or(Ok(default), |text: String| text.parse());
    let (jobs, rounds) = (from_env("BENCH_JOBS", JOBS)?, from_env("BENCH_ROUNDS", ROUNDS)?);
    let mut measured: Vec<Vec<Measured>> = WAYS.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        for (way, measured) in WAYS.iter().zip(&mut measured) {
            let load = basics::load();
            let run = measure(way, jobs).await.with_context(|| way.title)?;
            let Measured { jobs_per_s, cpu_s_per_1000 } = run;
            println!(
                "round {round} {:<36} {jobs_per_s:>6.0} jobs/s {cpu_s_per_1000:.3} CPU s/1000 (load {load})",
                way.title
            );
            measured.push(run);
        }
    }
    println!("\n{:<36} {:>14} {:>11} {:>18}", "way", "jobs/s, median", "jobs/s best", "CPU s/1000, median");
    for (way, measured) in WAYS.iter().zip(&measured) {
        let sorted = |of: fn(&Measured) -> f64| {
            let mut values: Vec<f64> = measured.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let (speeds, costs) = (sorted(|run| run.jobs_per_s), sorted(|run| run.cpu_s_per_1000));
        let best = speeds.last().copied().unwrap_or(f64::NAN);
        let (speed, cost) = (speeds[speeds.len() / 2], costs[costs.len() / 2]);
        println!("{:<36} {speed:>14.0} {best:>11.0} {cost:>18.3}", way.title);
    }
    Ok(())
}

async fn measure(way: &Way, jobs: usize) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let simulator = Simulator::start("zero")?;
    let broker = Broker::declared().await?;
    let site = Site::new(folder.path().join("site"), simulator.url(), broker.prefix())?;
    let schema = if way.is_embedded { None } else { Some(Schema::new()?) };
    let store = match &schema {
        Some(schema) => schema.url(),
        None => format!("sqlite://{}", folder.path().join("ledger.db").display()),
    };
    let line = match way.delay {
        Some(delay) => Some(Line::before(address_of(&store)?, delay).await?),
        None => None,
    };
    let of_workers = line.as_ref().map_or_else(|| Ok(store.clone()), |line| line.url(&store))?;
    let mut workers = Vec::new();
    for number in 0..way.workers {
        workers.push(site.start(&of_workers, number)?);
    }
    let run = count(way, &site, &store, &simulator, &broker, &mut workers, jobs).await;
    drop(workers);
    broker.results_then_delete().await?;
    run.with_context(|| site.logs())
}

async fn count(
    way: &Way,
    site: &Site,
    store: &str,
    simulator: &Simulator,
    broker: &Broker,
    workers: &mut [Process],
    jobs: usize,
) -> anyhow::Result<Measured> {
    let warm = WARM_UP * APPS;
    broker.publish(&written(0..warm)?).await?;
    until_created(simulator, warm, workers).await?;
    if !way.is_embedded {
        until_spread(site, store, way.workers).await?;
    }
    let text = written(warm..warm + jobs)?;
    let clock = Clock::system();
    let (began, before) = (clock.mono(), cpu_s(workers)?);
    broker.publish(&text).await?;
    until_created(simulator, warm + jobs, workers).await?;
    let (seconds, cpu) = (clock.mono().since(began).as_secs_f64(), cpu_s(workers)? - before);
    Ok(Measured { jobs_per_s: jobs as f64 / seconds, cpu_s_per_1000: cpu / jobs as f64 * 1_000.0 })
}

fn cpu_s(workers: &mut [Process]) -> anyhow::Result<f64> {
    workers.iter_mut().map(Process::cpu_s).sum()
}

fn written(numbers: std::ops::Range<usize>) -> anyhow::Result<String> {
    let mut text = String::new();
    for n in numbers {
        let body = json!({
            "summary": format!("Department {n:05}"),
            "description": format!("Shared calendar of department {n:05}: rooms, holidays and the duty roster"),
        });
        let job = json!({"id": format!("department-{n}"), "method": "feishu.calendar.create",
            "app": format!("b{}", n % APPS), "body": body});
        writeln!(text, "{job}")?;
    }
    Ok(text)
}

async fn until_created(simulator: &Simulator, count: usize, workers: &mut [Process]) -> anyhow::Result<()> {
    let clock = Clock::system();
    let began = clock.mono();
    loop {
        let created = simulator.stats().await?["methods"]["feishu.calendar.create"]["succeeded"].as_u64().unwrap_or(0);
        if created >= count as u64 {
            ensure!(created == count as u64, "{created} calls for {count} jobs");
            return Ok(());
        }
        cpu_s(workers)?;
        ensure!(clock.mono().since(began) < PATIENCE, "{created} of {count} jobs after {PATIENCE:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Until each worker owns as many domains as the others.
async fn until_spread(site: &Site, store: &str, workers: usize) -> anyhow::Result<()> {
    let clock = Clock::system();
    let began = clock.mono();
    loop {
        let status = site.status(store)?;
        let owners: Vec<&Value> =
            status["domains"].as_array().into_iter().flatten().map(|domain| &domain["owner"]).collect();
        let owns = |one: &&Value| owners.iter().filter(|owner| **owner == *one).count() == APPS / workers;
        if owners.len() == APPS && owners.iter().all(owns) && owners.iter().all(|owner| !owner.is_null()) {
            return Ok(());
        }
        ensure!(clock.mono().since(began) < PATIENCE, "the domains are not spread: {}", status["domains"]);
        tokio::time::sleep(LOOK_EVERY * 4).await;
    }
}
