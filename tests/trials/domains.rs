//! Ten thousand apps, each a tenant's, whose quota domains three workers share on one PostgreSQL.
//!
//! ```console
//! chmod 711 DIR                                # PostgreSQL's user has to come to a folder in it
//! cargo test --test trials -- domains --database DIR/postgres
//! ```
//!
//! Holds if every app's job is done once, the workers have as many domains as each other but for a tenth, and no call is
//! refused. Says how long a start takes, what idle workers use, and how long an app with few jobs waits beside one that has
//! very many.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use paceline::clock::Clock;
use paceline::domain::time::Mono;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::books::{self, ROOM};
use super::broker::{Client, Queues};
use super::node::{Database, Node};
use super::site::{Plan, Process, Site, until};

const WORKERS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(300);
const IDLE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Jobs of an app with few: all of them go at once.
const FEW: usize = 10;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Folder of a private PostgreSQL, which `scripts/postgres` makes there and removes
    #[arg(long, value_name = "DIR")]
    database: PathBuf,
    /// Apps with a job each
    #[arg(long, default_value_t = 10_000)]
    apps: usize,
    /// Jobs of an app that has very many
    #[arg(long, default_value_t = 20_000)]
    crowd: usize,
}

struct Trial<'s> {
    site: &'s Site,
    client: &'s Client,
    clock: Clock,
    workers: Vec<Process>,
}

impl Trial<'_> {
    fn start(&mut self) -> anyhow::Result<()> {
        for number in 1..=WORKERS {
            self.workers.push(self.site.start(&format!("worker-{number}"), &["work"], &[])?);
        }
        Ok(())
    }

    async fn end(&mut self) -> anyhow::Result<()> {
        for worker in &self.workers {
            worker.signal(Signal::TERM)?;
        }
        for mut worker in self.workers.drain(..) {
            let code = worker.code_within(PATIENCE, "a worker that was told to end").await?;
            ensure!(code == Some(0), "a worker ended with {code:?}");
        }
        Ok(())
    }

    /// How many domains each worker has; `None` while some have no owner, or one has a tenth less than another.
    fn shares(&self) -> anyhow::Result<Option<Vec<u64>>> {
        let status = self.site.status()?;
        let domains = status["domains"].as_array().map_or(0, Vec::len) as u64;
        let replicas = status["replicas"].as_array().context("status names no replicas")?;
        let mut shares: Vec<u64> = replicas.iter().filter_map(|replica| replica["domains"].as_u64()).collect();
        shares.sort_unstable();
        let is_whole = domains > 0 && shares.iter().sum::<u64>() == domains;
        let is_even = shares.first().zip(shares.last()).is_some_and(|(least, most)| least * 10 >= most * 9);
        Ok((shares.len() == WORKERS && is_whole && is_even).then_some(shares))
    }

    async fn spread(&self) -> anyhow::Result<Vec<u64>> {
        let mut found = Vec::new();
        until("the domains to be spread evenly", PATIENCE, async || {
            // A look takes most of a second of a core itself.
            tokio::time::sleep(LOOK_EVERY).await;
            found = self.shares()?.unwrap_or_default();
            Ok(!found.is_empty())
        })
        .await?;
        Ok(found)
    }

    async fn until_succeeded(&self, count: usize) -> anyhow::Result<()> {
        until("jobs to succeed", PATIENCE, async || Ok(books::created(self.site, ROOM).await? >= count as u64)).await
    }

    fn since(&self, began: Mono) -> f64 {
        self.clock.mono().since(began).as_secs_f64()
    }

    /// How long the jobs of an app that has few take.
    async fn few(&self, app: &str) -> anyhow::Result<f64> {
        let jobs: Vec<_> = (0..FEW).map(|number| job(app, number)).collect();
        let began = self.clock.mono();
        self.client.publish_all(&jobs).await?;
        until("the few jobs to be done", PATIENCE, async || {
            let (code, text) = self.site.run(&["jobs", "list", "--app", app, "--state", "succeeded", "--json"])?;
            ensure!(code == Some(0), "'paceline jobs list' ended with {code:?}");
            Ok(text.matches("\"id\"").count() >= FEW)
        })
        .await?;
        Ok(self.since(began))
    }

    /// Processor time of the workers, in seconds.
    fn cpu_s(&self) -> anyhow::Result<f64> {
        self.workers.iter().map(Process::cpu_s).sum()
    }
}

fn name(number: usize) -> String {
    format!("a{number:05}")
}

fn settings(apps: usize) -> String {
    let names = (0..apps).map(name).chain(["few1", "few2", "many"].map(str::to_owned));
    let section = |name| {
        format!(
            "[apps.{name}]\nplatform = \"feishu\"\nbase_url = \"ADDRESS\"\napp_id = \"cli_{name}\"\n\
             app_secret = {{ env = \"ACME_SECRET\" }}\n"
        )
    };
    names.map(section).collect()
}

fn job(app: &str, number: usize) -> Value {
    let id = format!("{app}-{number}");
    let body = json!({"name": id, "capacity": 4, "room_level_id": "omb_4ad1", "custom_room_id": id});
    json!({"id": id, "method": ROOM, "app": app, "body": body})
}

async fn run(trial: &mut Trial<'_>, options: &Options) -> anyhow::Result<String> {
    let Options { apps, crowd, .. } = *options;
    trial.start()?;
    let began = trial.clock.mono();
    let jobs: Vec<_> = (0..apps).map(|number| job(&name(number), 0)).collect();
    for some in jobs.chunks(1_000) {
        trial.client.publish_all(some).await?;
    }
    trial.until_succeeded(apps).await?;
    let done = trial.since(began);
    trial.spread().await?;
    trial.end().await?;

    let began = trial.clock.mono();
    trial.start()?;
    let shares = trial.spread().await?;
    let start = trial.since(began);

    let before = trial.cpu_s()?;
    tokio::time::sleep(IDLE).await;
    let idle = (trial.cpu_s()? - before) / IDLE.as_secs_f64() * 100.0;

    let alone = trial.few("few1").await?;
    let many: Vec<_> = (0..crowd).map(|number| job("many", number)).collect();
    for some in many.chunks(1_000) {
        trial.client.publish_all(some).await?;
    }
    let all = (apps + FEW + crowd) as u64;
    let are_in = async || Ok(trial.site.counts()?["total"].as_u64() >= Some(all));
    until("the many jobs to be taken over", PATIENCE, are_in).await?;
    let beside = trial.few("few2").await?;
    books::check(&trial.site.books().await?, &[])?;
    trial.end().await?;
    Ok(format!(
        "a job of each of {apps} apps done after {done:.1} s; a start until all domains are spread {shares:?}: {start:.1} s; \
         three idle workers use {idle:.1} % of a core; {FEW} jobs of an app take {alone:.1} s, and {beside:.1} s beside \
         one that has {crowd}; 0 refusals, 0 duplicates"
    ))
}

pub(crate) async fn carry_out(binary: &Path, options: &Options) -> anyhow::Result<()> {
    let database = Database::in_folder(&options.database);
    let store = database.script("start")?;
    let folder = tempfile::tempdir()?;
    let node = Node::start(folder.path().join("node"))?;
    let queues = Queues::of("apps");
    let settings = settings(options.apps);
    let plan = Plan { store: &store, settings: &settings, broker: Some((node.url(), &queues)), ..Plan::default() };
    let site = Site::open(binary, &plan).await?;
    let client = Client::connect(node.url(), queues).await?;
    let mut trial = Trial { site: &site, client: &client, clock: Clock::system(), workers: Vec::new() };
    let found = run(&mut trial, options).await.map_err(|error| site.explain(&error))?;
    println!("{found}");
    Ok(())
}
