//! Three workers on one PostgreSQL and one RabbitMQ, one of which is killed, stopped past its lease or ended, or whose
//! database is restarted, again and again.
//!
//! Holds if every job ended once and its result was published, nothing was created twice, no call was refused for its
//! pace, every quota domain had another owner within ten seconds, and the audit over all owners finds no window exceeded.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use fastrand::Rng;
use paceline::clock::Clock;
use paceline::domain::time::Mono;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::books::{self, MEETING, ROOM};
use super::broker::{Address, Client, Queues};
use super::node::script;
use super::site::{Plan, Process, Site, until};

const WORKERS: usize = 3;
/// The simulator's windows are ten times shorter, so that several of them pass while workers come and go.
const SPEED: &str = "10";
const ROOMS: &str = "\"feishu.vc.room.create\" = \"20/6s\"\n";
const FEISHU: [&str; 4] = ["acme", "b1", "b2", "b3"];
const WECOM: [&str; 2] = ["campus", "c2"];
/// Rooms of an app for each deed: what its window lets through while a worker is gone and comes again.
const ROOMS_A_DEED: u64 = 30;
const MEETINGS_A_DEED: u64 = 40;
const TAKEOVER_MAX: Duration = Duration::from_secs(10);
/// The lease of the settings' default, and more than that.
const PAUSE: Duration = Duration::from_secs(9);
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    broker: Address,
    /// Folder of a private PostgreSQL, which `scripts/postgres` makes there, restarts and removes
    #[arg(long, value_name = "DIR")]
    database: PathBuf,
    /// How often something is done to a worker or the database
    #[arg(long, default_value_t = 4)]
    deeds: u32,
    /// Replays what is done to whom
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// SIGKILL, and another one in its place.
    Kill,
    /// SIGSTOP for longer than its lease, then SIGCONT.
    Pause,
    /// SIGTERM: it lets go of what it has.
    End,
    /// The database ends as in a crash, and is started again.
    Restart,
}

/// A private server; ends with this.
struct Database(PathBuf);

impl Database {
    fn script(&self, verb: &str) -> anyhow::Result<String> {
        script("postgres", verb, &self.0, &[])
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // What is left of it says why a trial failed, at worst.
        let _ = self.script("stop");
    }
}

/// The workers, by what they are known by to each other.
struct Fleet<'s> {
    site: &'s Site,
    clock: Clock,
    workers: Vec<Process>,
    /// The longest time that a domain had no other owner.
    longest: Duration,
    done: Vec<Deed>,
}

impl Fleet<'_> {
    /// Starts a worker, and waits until the others know of it: one that finds no database at its start ends.
    async fn start(&self) -> anyhow::Result<Process> {
        let mut worker = self.site.start_worker(&["work"])?;
        let named = format!("process {}", number_of(&worker));
        until("a worker to be there", PATIENCE, async || {
            ensure!(worker.ended()?.is_none(), "a worker ended at its start");
            let status = self.status()?.unwrap_or_default();
            let replicas = status["replicas"].as_array().into_iter().flatten();
            Ok(replicas.filter_map(|replica| replica["name"].as_str()).any(|name| name.ends_with(&named)))
        })
        .await?;
        Ok(worker)
    }

    fn status(&self) -> anyhow::Result<Option<Value>> {
        let (_, text) = self.site.run(&["status", "--json"])?;
        // The database may be away at the moment.
        Ok(serde_json::from_str(&text).ok())
    }

    /// The domains of a process; `None` while it cannot be told.
    fn domains_of(&self, pid: u32) -> anyhow::Result<Option<BTreeSet<String>>> {
        let Some(status) = self.status()? else { return Ok(None) };
        let named = format!("process {pid}");
        let replicas = status["replicas"].as_array().context("status names no replicas")?;
        let own = replicas.iter().find(|replica| replica["name"].as_str().is_some_and(|name| name.ends_with(&named)));
        let Some(id) = own.map(|own| own["id"].clone()) else { return Ok(Some(BTreeSet::new())) };
        let domains = status["domains"].as_array().context("status names no domains")?;
        let of = domains.iter().filter(|domain| domain["owner"] == id);
        Ok(Some(of.filter_map(|domain| domain["domain"].as_str().map(str::to_owned)).collect()))
    }

    /// Waits until every domain has an owner that is none of these processes.
    async fn until_owned(&self, but: Option<u32>) -> anyhow::Result<()> {
        until("every domain to have an owner", PATIENCE, async || {
            let Some(status) = self.status()? else { return Ok(false) };
            let domains = status["domains"].as_array().context("status names no domains")?;
            let gone = but.map(|pid| self.domains_of(pid)).transpose()?;
            if gone.is_some_and(|gone| gone.is_none_or(|gone| !gone.is_empty())) {
                return Ok(false);
            }
            Ok(domains.len() == FEISHU.len() + WECOM.len() && domains.iter().all(|domain| !domain["owner"].is_null()))
        })
        .await
    }

    async fn carry_out(&mut self, deed: Deed, rng: &mut Rng) -> anyhow::Result<()> {
        let at = rng.usize(..self.workers.len());
        let number = number_of(&self.workers[at]);
        let began = self.clock.mono();
        match deed {
            Deed::Kill => {
                self.workers[at].kill()?;
                self.until_owned(Some(number)).await?;
                self.note(began);
                self.workers[at] = self.start().await?;
            }
            Deed::Pause => {
                self.workers[at].signal(Signal::STOP)?;
                self.until_owned(Some(number)).await?;
                self.note(began);
                tokio::time::sleep(PAUSE.saturating_sub(self.clock.mono().since(began))).await;
                self.workers[at].signal(Signal::CONT)?;
            }
            Deed::End => {
                self.workers[at].signal(Signal::TERM)?;
                let code = self.workers[at].code_within(PATIENCE, "a worker").await?;
                ensure!(code == Some(0), "a worker that was told to stop ended with {code:?}");
                self.until_owned(Some(number)).await?;
                self.note(began);
                self.workers[at] = self.start().await?;
            }
            Deed::Restart => unreachable!("the database's"),
        }
        self.done.push(deed);
        Ok(())
    }

    fn note(&mut self, began: Mono) {
        self.longest = self.longest.max(self.clock.mono().since(began));
    }
}

fn number_of(process: &Process) -> u32 {
    process.pid().as_raw_nonzero().get().unsigned_abs()
}

fn job(app: &str, number: u64) -> Value {
    let id = format!("{app}-{number}");
    if FEISHU.contains(&app) {
        let body = json!({"name": id, "capacity": 4, "room_level_id": "omb_4ad1", "custom_room_id": id});
        return json!({"id": id, "method": ROOM, "app": app, "batch": "fleet", "body": body});
    }
    let body = json!({"admin_userid": "t2001", "title": id, "meeting_start": 1_930_000_000 + 3_600 * number,
        "meeting_duration": 1_800});
    json!({"id": id, "method": MEETING, "app": app, "batch": "fleet", "body": body})
}

fn settings() -> String {
    let mut text = format!("[apps.acme.quotas]\n{ROOMS}");
    for app in &FEISHU[1..] {
        let _ = write!(
            text,
            "[apps.{app}]\nplatform = \"feishu\"\nbase_url = \"ADDRESS\"\napp_id = \"cli_{app}\"\n\
             app_secret = {{ env = \"ACME_SECRET\" }}\n[apps.{app}.quotas]\n{ROOMS}"
        );
    }
    for app in &WECOM[1..] {
        let _ = write!(
            text,
            "[apps.{app}]\nplatform = \"wecom\"\nbase_url = \"ADDRESS\"\ncorp_id = \"ww_{app}\"\n\
             corp_secret = {{ env = \"CAMPUS_SECRET\" }}\n"
        );
    }
    text
}

async fn check(site: &Site, client: &Client, wanted: &[(&str, u64)]) -> anyhow::Result<()> {
    let total: u64 = wanted.iter().map(|(_, count)| count).sum();
    until("every job to succeed", Duration::from_secs(300), async || {
        let (_, text) = site.run(&["status", "--json"])?;
        let status: Value = serde_json::from_str(&text).unwrap_or_default();
        let counts = &status["counts"];
        let ended = ["dead", "held", "cancelled"].iter().filter_map(|state| counts[*state].as_u64()).sum::<u64>();
        ensure!(ended == 0, "some jobs ended otherwise: {counts}");
        Ok(counts["succeeded"] == total && status["outbox"] == 0)
    })
    .await?;
    books::check(&site.books().await?, wanted)?;
    let judged = site.audited()?;
    ensure!(judged >= total, "'paceline audit' judged {judged} calls of at least {total}");
    let published = client.results().await?;
    ensure!(published.len() as u64 == total, "{total} jobs, and results of {} were published", published.len());
    Ok(())
}

/// One of each first, then as it comes.
fn deeds(rng: &mut Rng, count: u32) -> Vec<Deed> {
    let mut all = vec![Deed::Kill, Deed::Pause, Deed::Restart, Deed::End];
    rng.shuffle(&mut all);
    (0..count as usize).map(|at| all.get(at).copied().unwrap_or_else(|| all[rng.usize(..all.len())])).collect()
}

pub(crate) async fn carry_out(binary: &Path, options: &Options) -> anyhow::Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let database = Database(options.database.clone());
    let store = database.script("start")?;
    let client = Client::connect(&options.broker.url, Queues::of("fleet")).await?;
    let broker = Some((options.broker.url.as_str(), client.queues()));
    let settings = settings();
    let plan =
        Plan { store: &store, settings: &settings, request_timeout_ms: 2_000, speed: SPEED, broker, ..Plan::default() };
    let site = Site::open(binary, &plan).await?;
    let trial = run(&site, &database, &client, options.deeds, &mut rng).await;
    let found = trial.map_err(|error| site.explain(&error))?;
    client.clean_up().await?;
    println!("{found} (seed {seed})");
    Ok(())
}

async fn run(
    site: &Site,
    database: &Database,
    client: &Client,
    deeds_wanted: u32,
    rng: &mut Rng,
) -> anyhow::Result<String> {
    let per_deed = u64::from(deeds_wanted.max(1));
    let (rooms, meetings) = (ROOMS_A_DEED * per_deed, MEETINGS_A_DEED * per_deed);
    let of = |apps: &'static [&str], count: u64| apps.iter().flat_map(move |app| (0..count).map(move |n| job(app, n)));
    let mut jobs: Vec<Value> = of(&FEISHU, rooms).chain(of(&WECOM, meetings)).collect();
    rng.shuffle(&mut jobs);
    let mut fleet =
        Fleet { site, clock: Clock::system(), workers: Vec::new(), longest: Duration::ZERO, done: Vec::new() };
    for _ in 0..WORKERS {
        let worker = fleet.start().await?;
        fleet.workers.push(worker);
    }
    for job in &jobs {
        client.publish(job).await?;
    }
    fleet.until_owned(None).await?;
    for deed in deeds(rng, deeds_wanted) {
        if deed == Deed::Restart {
            let began = fleet.clock.mono();
            database.script("halt")?;
            database.script("start")?;
            fleet.until_owned(None).await?;
            fleet.note(began);
            fleet.done.push(deed);
        } else {
            fleet.carry_out(deed, rng).await?;
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(200..1_500))).await;
    }
    check(site, client, &[(ROOM, rooms * FEISHU.len() as u64), (MEETING, meetings * WECOM.len() as u64)]).await?;
    for worker in &mut fleet.workers {
        worker.signal(Signal::TERM)?;
        let code = worker.code_within(PATIENCE, "a worker").await?;
        ensure!(code == Some(0), "a worker that was told to stop ended with {code:?}");
    }
    let longest = fleet.longest;
    ensure!(longest <= TAKEOVER_MAX, "a domain had no other owner for {:.1} s", longest.as_secs_f64());
    let count = |deed| fleet.done.iter().filter(|done| **done == deed).count();
    Ok(format!(
        "{} jobs, {WORKERS} workers: {} killed, {} stopped past their lease, {} ended, database restarted {} times: each \
         job ended once, 0 duplicates, 0 refusals, audit clean; at most {:.1} s until every domain had an owner",
        jobs.len(),
        count(Deed::Kill),
        count(Deed::Pause),
        count(Deed::End),
        count(Deed::Restart),
        longest.as_secs_f64()
    ))
}
