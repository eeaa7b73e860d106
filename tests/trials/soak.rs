//! A long stream of jobs by AMQP through one worker on a platform with faults: its memory and its ledger's size over time.
//!
//! ```console
//! cargo build --release
//! cargo test --test trials -- soak --binary target/release/paceline --jobs 200000
//! ```
//!
//! Single jobs of four methods and chains that use ten come in waves, so that the backlog stays the same; what is published
//! is taken away. Says for each tenth how many jobs ended, the worker's least resident memory, the ledger's bytes: what a
//! burst takes comes back, what is lost does not. Holds if the memory of the last tenth is within a quarter of the third
//! tenth's, and the simulator's books and the audit agree as ever.
//! Days of it, and the ledger forgetting, are `tests/suite/soak.rs` in virtual time.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use paceline::clock::Clock;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::books::{self, CALENDAR, MEETING, ROOM};
use super::broker::{Client, Queues};
use super::jobs::{BOOKING, EVENT, LEVEL, MINUTES, PEOPLE, RULES, SEMINAR_ROOM, chain, single};
use super::node::Node;
use super::scenario::{Fault, faults, quotas, quotas_of_apps};
use super::site::{Plan, Process, Site, until};

const WAVE: u64 = 2_000;
const BACKLOG_MAX: u64 = 6_000;
const LIMIT: Duration = Duration::from_secs(240);
/// Between two looks, so that looking is not what the machine is busy with.
const PAUSE: Duration = Duration::from_millis(300);
const QUOTAS: [(&str, &str); 10] = [
    (ROOM, "400/10s, 40/s"),
    (CALENDAR, "1200/10s, 120/s"),
    (MEETING, "2400/10s, 240/s"),
    (MINUTES, "10000/10s, 1000/s"),
    (EVENT, "400/10s, 40/s"),
    (PEOPLE, "400/10s, 40/s"),
    (LEVEL, "400/10s, 40/s"),
    (RULES, "400/10s, 40/s"),
    (SEMINAR_ROOM, "2400/10s, 240/s"),
    (BOOKING, "2400/10s, 240/s"),
];
const SETTINGS: &str = "[engine]\nbackoff_initial_ms = 100\nbackoff_max_ms = 2000\n";
const SCENARIO: &str = "\
title = \"A long bad day\"
seed = 11
[latency]
before = { kind = \"pareto\", ms = 5, shape = 1.5, max_ms = 500 }
after = { kind = \"pareto\", ms = 5, shape = 1.5, max_ms = 500 }
[listing]
page_max = 500
[quotas]
";
/// Without look-ups that grow with every object: what is cut has no answer to look for and is held (minutes), or is refused.
const FAULTS: [Fault; 9] = [
    ("feishu.calendar.event.*", "cut-after", 0.002, ""),
    ("feishu.calendar.event.*", "late", 0.001, "late_ms = 3000"),
    ("*", "refuse", 0.01, ""),
    ("feishu.*.create", "throttle", 0.0005, ""),
    ("feishu.calendar.*", "code", 0.01, "code = 190010"),
    ("wecom.meeting.create", "code", 0.01, "code = 45033"),
    ("wecom.meeting.create", "code", 0.01, "code = 400306"),
    ("feishu.calendar.event.*", "code", 0.01, "code = 190003"),
    ("wecom.meeting.create", "cut-before", 0.0005, ""),
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many jobs come
    #[arg(long, default_value_t = 200_000)]
    jobs: u64,
}

/// Mostly minutes; few meetings, because a `WeCom` app may create 10,000 a day; a few rooms.
const fn method_of(number: u64) -> &'static str {
    match number % 100 {
        0..84 => MINUTES,
        84..88 => MEETING,
        88..98 => CALENDAR,
        _ => ROOM,
    }
}

/// Jobs without an end: of each hundred singles the last ones are a chain.
fn stream() -> impl Iterator<Item = Value> {
    (0..).flat_map(|hundred| {
        let singles = (100 * hundred..100 * hundred + 95).map(|number| single(method_of(number), number, "amqp"));
        singles.chain(chain(hundred, "amqp"))
    })
}

struct Trial<'t> {
    site: &'t Site,
    worker: Process,
    client: Client,
    /// Jobs in all.
    jobs: u64,
    published: u64,
    results: u64,
    dead: u64,
}

impl Trial<'_> {
    /// One wave of jobs.
    async fn publish(&mut self, stream: &mut impl Iterator<Item = Value>) -> anyhow::Result<()> {
        let count = WAVE.min(self.jobs - self.published);
        let mut wave: Vec<_> = stream.take(usize::try_from(count)?).collect();
        for (number, job) in (self.published..).zip(&mut wave) {
            job["batch"] = json!(format!("wave-{}", number / 4_000));
        }
        self.client.publish_all(&wave).await?;
        self.published += count;
        Ok(())
    }

    /// What was published is nobody's: only its number counts.
    async fn take_away(&mut self) -> anyhow::Result<()> {
        let queues = self.client.queues();
        self.results += self.client.purge(&queues.results()).await?;
        self.dead += self.client.purge(&queues.dead()).await?;
        Ok(())
    }

    fn ledger_bytes(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.site.path())? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("paceline.db") {
                bytes += entry.metadata()?.len();
            }
        }
        Ok(bytes)
    }

    /// The worker's least memory in each tenth of the jobs.
    async fn run(&mut self) -> anyhow::Result<Vec<u64>> {
        let clock = Clock::system();
        let (began, mut stream, mut tenths, mut least_kb) = (clock.mono(), stream(), Vec::new(), u64::MAX);
        while tenths.len() < 10 {
            let ended = self.worker.ended()?;
            ensure!(ended.is_none(), "the worker ended: {ended:?}");
            let counts = self.site.counts()?;
            let of = |state: &str| counts[state].as_u64().with_context(|| format!("status counts no {state}"));
            let ended = of("total")? - of("queued")? - of("uncertain")? - of("blocked")?;
            if self.published < self.jobs && self.published - ended < BACKLOG_MAX {
                self.publish(&mut stream).await?;
            }
            self.take_away().await?;
            least_kb = least_kb.min(self.worker.memory_kb("VmRSS")?);
            if ended * 10 >= self.jobs * (tenths.len() as u64 + 1) {
                tenths.push(least_kb);
                println!(
                    "{ended:>8} ended after {:>5} s: {:6.1} MB resident, ledger {:6.1} MB, dead {}, held {}",
                    clock.mono().since(began).as_secs(),
                    least_kb as f64 * 1.024e-3,
                    self.ledger_bytes()? as f64 / 1e6,
                    of("dead")?,
                    of("held")?
                );
                least_kb = u64::MAX;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(tenths)
    }

    async fn check(&mut self, tenths: &[u64]) -> anyhow::Result<String> {
        self.worker.signal(Signal::TERM)?;
        let code = self.worker.code_within(LIMIT, "the worker").await?;
        ensure!(code == Some(0), "the worker did not end well: {code:?}");
        // What it has published at its end.
        self.take_away().await?;
        let books = self.site.books().await?;
        let (twice, created, faults) = (&books["duplicates"], &books["created"], &books["faults"]);
        ensure!(*twice == 0, "{twice} objects twice");
        books::check_scripted(&books)?;
        self.site.audited()?;
        let (third, last) = (tenths[2], tenths[9]);
        ensure!(last * 4 <= third * 5, "memory grew from {third} to {last} KB");
        let Self { published, results, dead, .. } = self;
        Ok(format!(
            "{published} jobs, {created} objects, 0 twice; {results} results and {dead} dead letters; faults {faults}; {} \
             refused, all by the scenario; audit clean",
            books["refused"]
        ))
    }
}

pub(crate) async fn carry_out(binary: &Path, options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let node = Node::start(folder.path().join("node"))?;
    let client = Client::connect(node.url(), Queues::of("soak")).await?;
    let settings = quotas_of_apps(&QUOTAS) + SETTINGS;
    let scenario = format!("{SCENARIO}{}{}", quotas(&QUOTAS, ""), faults(&FAULTS));
    let broker = Some((node.url(), client.queues()));
    let plan =
        Plan { request_timeout_ms: 2_000, settings: &settings, scenario: Some(&scenario), broker, ..Plan::default() };
    let site = Site::open(binary, &plan).await?;
    let worker = site.start_worker(&["work"])?;
    let mut trial = Trial { site: &site, worker, client, jobs: options.jobs, published: 0, results: 0, dead: 0 };
    let ended = async {
        // Its ledger is there then.
        let is_ready = async || Ok(site.log("worker").contains("connected to RabbitMQ"));
        until("the worker to be ready", LIMIT, is_ready).await?;
        let tenths = trial.run().await?;
        trial.check(&tenths).await
    };
    let found = ended.await.map_err(|error| site.explain(&error))?;
    trial.client.close().await?;
    println!("{found}");
    Ok(())
}
