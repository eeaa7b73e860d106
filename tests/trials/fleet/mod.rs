//! Three workers on one PostgreSQL and one RabbitMQ, to which all that a machine room knows is done, again and again: a worker
//! is killed, stopped past its lease, ended, cut off from its database in the middle of what it says, or for longer than its
//! lease, one way or both, or far away from it; its clock is set, it gets other quotas, or an older program beside newer ones;
//! the database and the broker are restarted.
//!
//! ```console
//! chmod 711 DIR                                # PostgreSQL's user has to come to a folder in it
//! cargo test --test trials -- fleet --database DIR/postgres --deeds 40 --seed 3 --old PATH/paceline
//! ```
//!
//! Holds if every job ended once and its result was published, nothing was created twice, no call was refused for its
//! pace, and the audit over all owners finds no window exceeded. Says how long a quota domain had no other owner.

mod clock;
mod deeds;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use fastrand::Rng;
use paceline::clock::Clock;
use paceline::domain::time::Mono;
use serde_json::{Value, json};

use self::clock::{Library, Setting};
use self::deeds::Deed;
use super::books::{self, MEETING, ROOM};
use super::broker::{Client, Queues};
use super::node::{Database, Node, address_of};
use super::proxy::Proxy;
use super::site::{Plan, Process, Site, until};

const WORKERS: usize = 3;
/// The simulator's windows are ten times shorter, so that several of them pass while workers come and go.
const SPEED: &str = "10";
const ROOMS: &str = "\"feishu.vc.room.create\" = \"20/6s\"\n";
const FEISHU: [&str; 4] = ["acme", "b1", "b2", "b3"];
const WECOM: [&str; 2] = ["campus", "c2"];
/// Rooms of an app for each deed: what its window lets through while a worker is gone and comes again.
const ROOMS_A_DEED: u64 = 15;
const MEETINGS_A_DEED: u64 = 20;
const PATIENCE: Duration = Duration::from_secs(240);
/// The setting that gives a worker a line of its own to the database.
const STORE: &str = "PACELINE_STORE__URL";
/// And the one that gives it other quotas.
const SHARE: &str = "PACELINE_APPS__ACME__SHARE";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Folder of a private PostgreSQL, which `scripts/postgres` makes there, restarts and removes
    #[arg(long, value_name = "DIR")]
    database: PathBuf,
    /// How often something is done to a worker, the database or the broker
    #[arg(long, default_value_t = 8)]
    deeds: u32,
    /// Replays what is done to whom
    #[arg(long)]
    seed: Option<u64>,
    /// An older version of the program, to be started beside the one that is tried
    #[arg(long, value_name = "PATH")]
    old: Option<PathBuf>,
}

/// As what a worker is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guise {
    Plain,
    OtherQuotas,
    Old,
}

/// A worker, and its own line to the database.
struct Member {
    worker: Process,
    line: Proxy,
    /// The name of the worker's log.
    log: String,
    clock: Setting,
}

struct Fleet<'s> {
    site: &'s Site,
    database: &'s Database,
    /// The database's URL, past all lines.
    store: &'s str,
    node: &'s mut Node,
    clock: Clock,
    /// Stands between the workers and the machine's clock.
    library: Library,
    old: Option<&'s Path>,
    members: Vec<Member>,
    /// Workers so far.
    started: u32,
    /// The longest time that a domain had no other owner.
    longest: Duration,
    done: Vec<Deed>,
}

impl Fleet<'_> {
    /// Adds a worker with a line of its own.
    async fn join(&mut self) -> anyhow::Result<()> {
        let line = Proxy::before(address_of(self.store)?).await?;
        let clock = Setting::of(self.site.path(), &format!("clock-{}", self.members.len()));
        let (worker, log) = self.start(line.address(), &clock, Guise::Plain).await?;
        self.members.push(Member { worker, line, log, clock });
        Ok(())
    }

    /// Starts a worker, and waits until the others know of it: one that finds no database at its start ends.
    async fn start(&mut self, line: &str, clock: &Setting, guise: Guise) -> anyhow::Result<(Process, String)> {
        let store = self.store.replace(address_of(self.store)?, line);
        self.started += 1;
        let log = format!("worker-{}", self.started);
        let of_clock = self.library.variables(clock)?;
        let mut variables: Vec<(&str, &str)> = of_clock.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.push((STORE, &store));
        if guise == Guise::OtherQuotas {
            variables.push((SHARE, "0.5"));
        }
        let binary = self.old.filter(|_| guise == Guise::Old);
        let mut worker = self.site.start_of(binary, &log, &["work"], &variables)?;
        let named = format!("process {}", number_of(&worker));
        until("a worker to be there", PATIENCE, async || {
            ensure!(worker.ended()?.is_none(), "a worker ended at its start");
            let status = self.status()?.unwrap_or_default();
            let replicas = status["replicas"].as_array().into_iter().flatten();
            Ok(replicas.filter_map(|replica| replica["name"].as_str()).any(|name| name.ends_with(&named)))
        })
        .await?;
        Ok((worker, log))
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
    // At the pace of the rooms' quota, three times as long as they take if nothing is done to anybody.
    let patience = Duration::from_secs(120 + 3 * total * 6 / 20 / FEISHU.len() as u64);
    until("every job to succeed", patience, async || {
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

pub(crate) async fn carry_out(binary: &Path, options: &Options) -> anyhow::Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let database = Database::in_folder(&options.database);
    let store = database.script("start")?;
    let folder = tempfile::tempdir()?;
    let mut node = Node::start(folder.path().join("node"))?;
    let queues = Queues::of("fleet");
    let url = node.url().to_owned();
    let broker = Some((url.as_str(), &queues));
    let settings = settings();
    let plan = Plan {
        store: &store,
        settings: &settings,
        // A busy machine delivers late, and what arrives behind its deadline is not what is tried here.
        request_timeout_ms: 5_000,
        speed: SPEED,
        broker,
        ..Plan::default()
    };
    let site = Site::open(binary, &plan).await?;
    let mut fleet = Fleet {
        site: &site,
        database: &database,
        store: &store,
        node: &mut node,
        clock: Clock::system(),
        library: Library::build(site.path())?,
        old: options.old.as_deref(),
        members: Vec::new(),
        started: 0,
        longest: Duration::ZERO,
        done: Vec::new(),
    };
    let trial = run(&mut fleet, &queues, options.deeds, &mut rng).await;
    let found = trial.map_err(|error| site.explain(&error))?;
    println!("{found} (seed {seed})");
    Ok(())
}

async fn run(fleet: &mut Fleet<'_>, queues: &Queues, deeds_wanted: u32, rng: &mut Rng) -> anyhow::Result<String> {
    let per_deed = u64::from(deeds_wanted.max(1));
    let (rooms, meetings) = (ROOMS_A_DEED * per_deed, MEETINGS_A_DEED * per_deed);
    let of = |apps: &'static [&str], count: u64| apps.iter().flat_map(move |app| (0..count).map(move |n| job(app, n)));
    let mut jobs: Vec<Value> = of(&FEISHU, rooms).chain(of(&WECOM, meetings)).collect();
    rng.shuffle(&mut jobs);
    for _ in 0..WORKERS {
        fleet.join().await?;
    }
    let client = Client::connect(fleet.node.url(), queues.clone()).await?;
    for job in &jobs {
        client.publish(job).await?;
    }
    fleet.until_owned(None).await?;
    for deed in Deed::choose(rng, deeds_wanted, fleet.old.is_some()) {
        fleet.carry_out(deed, rng).await.with_context(|| format!("after {}; then {deed}", Deed::told(&fleet.done)))?;
        tokio::time::sleep(Duration::from_millis(rng.u64(200..1_500))).await;
    }
    // The broker may have been away.
    let client = Client::connect(fleet.node.url(), queues.clone()).await?;
    let wanted = [(ROOM, rooms * FEISHU.len() as u64), (MEETING, meetings * WECOM.len() as u64)];
    check(fleet.site, &client, &wanted).await?;
    for at in 0..WORKERS {
        fleet.end(at).await?;
    }
    let longest = fleet.longest;
    Ok(format!(
        "{} jobs, {WORKERS} workers; {}: each job ended once, 0 duplicates, 0 refusals, audit clean; at most {:.1} s until \
         every domain had an owner",
        jobs.len(),
        Deed::told(&fleet.done),
        longest.as_secs_f64()
    ))
}
