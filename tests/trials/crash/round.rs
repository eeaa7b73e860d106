//! One ledger, one simulator, a number of lives.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{bail, ensure};
use fastrand::Rng;
use rustix::process::Signal;

use super::plan::{PER_LIFE, Plan};
use super::sums::Sums;
use super::{Deaths, Figures, world};
use crate::broker::{Client, Queues, unreadable};
use crate::node::Node;
use crate::raw::Raw;
use crate::site::{self, Process, Site};

/// A point of `paceline::crash_points`, and the highest count that is waited for.
type Point = (&'static str, u32);

/// All of them: first those of every life, then those of one that has the broker, then of one that has a file.
pub(crate) const ALL: [Point; 16] = [
    ("during-recovery", 1),
    ("after-recovery", 1),
    ("after-permit", 12),
    ("before-commit", 40),
    ("after-record", 12),
    ("after-send", 12),
    ("after-reply", 12),
    ("after-settlement", 20),
    ("during-token", 2),
    ("during-look-up", 3),
    ("after-look-up", 3),
    ("after-take-over", 2),
    ("before-publish", 10),
    ("after-publish", 10),
    ("after-confirm", 2),
    ("after-file-rows", 1),
];
const ANYWHERE: usize = 11;
const WITH_FILE: usize = 15;
const NAMED_LIFE: Duration = Duration::from_secs(4);
const LAST_LIFE: Duration = Duration::from_secs(240);

pub(crate) struct Round<'r> {
    pub binary: &'r Path,
    pub node: &'r Node,
    pub seed: u64,
    pub kills: u32,
}

/// What a round does its work with.
struct Lives<'l> {
    rng: Rng,
    plan: Plan,
    site: &'l Site,
    client: &'l Client,
    /// For messages that no client would send.
    raw: Raw,
    /// The files given so far, of which each life takes the last two.
    files: Vec<String>,
}

impl Round<'_> {
    pub(crate) async fn carry_out(&self, deaths: &mut Deaths) -> anyhow::Result<Figures> {
        let url = self.node.url();
        let client = Client::connect(url, Queues::of(&format!("crash-{}", self.seed))).await?;
        self.node.limit_deliveries(&client.queues().jobs())?;
        client.subscribe().await?;
        let (settings, scenario, catalog) = (world::settings(), world::scenario(self.seed), world::catalog()?);
        let plan = site::Plan {
            request_timeout_ms: 2_000,
            settings: &settings,
            scenario: Some(&scenario),
            files: &catalog,
            broker: Some((url, client.queues())),
            ..site::Plan::default()
        };
        let mut site = Site::open(self.binary, &plan).await?;
        let mut rng = Rng::with_seed(self.seed);
        let plan = Plan::new(rng.fork());
        let raw = Raw::connect(url).await;
        let mut lives = Lives { rng, plan, site: &site, client: &client, raw, files: Vec::new() };
        let ended = lives.carry_out(self.kills, deaths).await;
        let plan = lives.plan;
        let found = async {
            ended?;
            ensure!(site.has_simulator()?, "the simulator did not survive");
            Sums::of(&site, &client, &plan, self.kills).await?.check()
        };
        let found = found.await.map_err(|error| site.explain(&error))?;
        client.close().await?;
        Ok(found)
    }
}

impl Lives<'_> {
    async fn carry_out(&mut self, kills: u32, deaths: &mut Deaths) -> anyhow::Result<()> {
        self.publish(8 * kills).await?;
        for number in 0..kills {
            self.one_life(number, deaths).await?;
        }
        self.last_life().await?;
        self.publish_what_was_refused().await
    }

    async fn publish(&mut self, count: u32) -> anyhow::Result<()> {
        let queue = self.client.queues().jobs();
        for message in self.plan.messages(count) {
            if message.is_unreadable {
                self.raw.send(&queue, &unreadable(), &message.body).await;
            } else {
                self.client.publish_bytes(&message.body).await?;
            }
        }
        Ok(())
    }

    /// Starts the worker, gives it work, and sees to its death; a life that ends by itself is followed by another.
    async fn one_life(&mut self, number: u32, deaths: &mut Deaths) -> anyhow::Result<()> {
        loop {
            let is_file = self.rng.f64() < 0.3;
            // The points in rotation, so that each has its share; every third kill comes at a random moment.
            let point = (number % 3 != 2).then(|| self.rarest(is_file, deaths));
            let armed = point.map(|(point, most)| format!("{point}:{}", self.rng.u32(1..=most)));
            let variables: Vec<_> = armed.iter().map(|armed| ("PACELINE_CRASH_AT", armed.as_str())).collect();
            if is_file {
                let (name, text) = self.plan.file();
                self.site.write(&name, &text)?;
                self.files.push(name);
            }
            let last = &self.files[self.files.len().saturating_sub(2)..];
            let run: Vec<_> = ["run"].into_iter().chain(last.iter().map(String::as_str)).collect();
            let words: &[&str] = if is_file { &run } else { &["work"] };
            let mut worker = self.site.start("worker", words, &variables)?;
            self.publish(PER_LIFE).await?;
            if let Some(death) = self.death_of(&mut worker, point, is_file).await? {
                *deaths.entry(death).or_default() += 1;
                return Ok(());
            }
        }
    }

    fn rarest(&mut self, is_file: bool, deaths: &Deaths) -> Point {
        let special = if is_file { &ALL[WITH_FILE..] } else { &ALL[ANYWHERE..WITH_FILE] };
        let of = |point: &Point| deaths.get(point.0).copied().unwrap_or_default();
        let points: Vec<_> = ALL[..ANYWHERE].iter().chain(special).copied().collect();
        let fewest = points.iter().map(of).min();
        let rarest: Vec<_> = points.into_iter().filter(|point| Some(of(point)) == fewest).collect();
        rarest[self.rng.usize(..rarest.len())]
    }

    /// How it died; `None` if it ended by itself, which only one that has a file may.
    async fn death_of(
        &mut self,
        worker: &mut Process,
        point: Option<Point>,
        may_end: bool,
    ) -> anyhow::Result<Option<&'static str>> {
        let moment = Duration::from_secs_f64(0.02 + 1.48 * self.rng.f64());
        let Some(status) = worker.ends_within(point.map_or(moment, |_| NAMED_LIFE)).await? else {
            worker.kill()?;
            return Ok(Some(if point.is_some() { "not reached" } else { "random" }));
        };
        let name = point.map(|(name, _)| name);
        if name.is_some() && status.signal() == Some(Signal::ABORT.as_raw()) {
            return Ok(name);
        }
        let is_end = may_end && matches!(status.code(), Some(0 | 1));
        ensure!(is_end, "the worker ended by itself: {status}, on the way to {name:?}");
        Ok(None)
    }

    /// Works to the end: the files as somebody would who runs a command again that was cut off, then all the rest.
    async fn last_life(&self) -> anyhow::Result<()> {
        if !self.files.is_empty() {
            let files = self.files.iter().map(String::as_str);
            let words: Vec<_> = ["run"].into_iter().chain(files).chain(["--json"]).collect();
            self.works(&words).await?;
        }
        let mut counts = self.site.counts()?;
        // A start lifts suspensions, so a second one may follow a first.
        for _ in 0..3 {
            self.works(&["work", "--until-idle"]).await?;
            counts = self.site.counts()?;
            if ["queued", "uncertain", "blocked"].iter().all(|state| counts[*state] == 0) {
                return Ok(());
            }
        }
        bail!("jobs are left over: {counts}")
    }

    /// A life that ends by itself.
    async fn works(&self, words: &[&str]) -> anyhow::Result<()> {
        let mut worker = self.site.start_worker(words)?;
        let Some(status) = worker.ends_within(LAST_LIFE).await? else {
            bail!("not done after {} s: {}", LAST_LIFE.as_secs(), self.site.counts()?);
        };
        ensure!(matches!(status.code(), Some(0 | 1)), "'paceline {}' ended: {status}", words[0]);
        Ok(())
    }

    /// The full queue goes; a last worker publishes what has waited for it.
    async fn publish_what_was_refused(&self) -> anyhow::Result<()> {
        let queues = self.client.queues();
        self.client.delete(&queues.named("full")).await?;
        self.works(&["work", "--until-idle"]).await?;
        let left = &self.site.status()?["outbox"];
        ensure!(*left == 0, "{left} results are left in the outbox");
        let left = self.client.jobs_left().await?;
        ensure!(left == 0, "{left} messages are left in the jobs queue, or were never acked");
        Ok(())
    }
}
