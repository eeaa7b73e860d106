//! A private RabbitMQ is halted, killed, frozen, starved, cut off and fed oddly while jobs flow, and then the sums are done.
//!
//! ```console
//! cargo test --test trials -- brokers --only frozen --hold 10
//! ```
//!
//! One worker lives through all of it and reaches the broker through a proxy. Every trouble begins while jobs flow and
//! lasts `--hold` seconds, or until the worker has noticed it. Calls have to go on meanwhile. In the end each job was
//! created once, each result was published at least once with its id, every message that was no job is a dead letter, no
//! queue holds anything more, and nothing was refused for its pace. The jobs queue has a delivery limit of 20, as RabbitMQ
//! 4 gives it.

mod troubles;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::ValueEnum as _;
use paceline::clock::Clock;
use rustix::process::Signal;
use serde_json::Value;

use self::troubles::Trouble;
use crate::books::{self, CALENDAR, calendar};
use crate::broker::{Client, Queues, unreadable};
use crate::jobs::text;
use crate::node::Node;
use crate::proxy::Proxy;
use crate::raw::Raw;
use crate::site::{Plan, Process, Site, until};

/// Jobs that are published for one trouble.
const FLOW: u64 = 120;
const LIMIT: Duration = Duration::from_secs(240);
const HEARTBEAT_S: u64 = 4;
/// Both windows are short, so that jobs flow for some seconds whenever a trouble begins.
const SETTINGS: &str = "[apps.acme.quotas]\n\"feishu.calendar.create\" = \"150/5s, 30/s\"\n";
const SCENARIO: &str = "\
title = \"A good day\"
[latency]
before = { kind = \"fixed\", ms = 20 }
after = { kind = \"fixed\", ms = 20 }
[quotas]
\"feishu.calendar.create\" = \"150/5s, 30/s\"
";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// This trouble alone; may be given several times
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Trouble>,
    /// Seconds that a trouble lasts at least
    #[arg(long, default_value_t = 10.0)]
    hold: f64,
}

/// One worker, one broker, and everybody around them.
struct Trial<'t> {
    site: &'t Site,
    worker: Process,
    node: &'t mut Node,
    proxy: &'t Proxy,
    queues: Queues,
    hold: Duration,
    /// Jobs so far, and messages that were no jobs.
    published: u64,
    bad: u64,
    letters: u64,
    /// The key of each result by its job.
    results: BTreeMap<String, String>,
    repeated: u64,
    /// Where the worker's log ended and how often it had connected when the trouble began.
    mark: usize,
    accepted: u64,
}

impl Trial<'_> {
    /// A connection past the proxy, which leaves everything as it is.
    async fn client(&self) -> anyhow::Result<Client> {
        Client::open(self.node.url(), self.queues.clone()).await
    }

    /// Publishes new jobs. A quorum queue without a leader refuses, and a publisher comes again.
    async fn publish(&mut self, count: u64) -> anyhow::Result<()> {
        let client = self.client().await?;
        let queue = self.queues.jobs();
        client.declare(&queue).await?;
        for _ in 0..count {
            let name = format!("trouble-{}", self.published);
            let body = calendar(&name, "trouble").to_string();
            until(&format!("the broker to take {name}"), Duration::from_secs(20), async || {
                client.offer(&queue, body.as_bytes()).await
            })
            .await?;
            self.published += 1;
        }
        client.close().await
    }

    /// Publishes a job with properties that no client reads.
    async fn publish_unreadable(&mut self) -> anyhow::Result<()> {
        let client = self.client().await?;
        // The broker drops what is for a queue that is not there, and confirms it.
        client.declare(&self.queues.jobs()).await?;
        client.close().await?;
        let body = calendar(&format!("poison-{}", self.bad), "trouble").to_string();
        let mut raw = Raw::connect(self.node.url()).await;
        raw.send(&self.queues.jobs(), &unreadable(), body.as_bytes()).await;
        raw.close().await;
        self.bad += 1;
        Ok(())
    }

    /// Takes what lies in the dead-letter queue; whether everything bad was there.
    async fn collect_dead(&mut self) -> anyhow::Result<bool> {
        let client = self.client().await?;
        for letter in client.drain(&self.queues.dead()).await? {
            let reason = letter.header("x-paceline-reason");
            ensure!(reason.as_deref() == Some("malformed"), "a dead letter with reason {reason:?}");
            self.letters += 1;
        }
        client.close().await?;
        Ok(self.letters == self.bad)
    }

    async fn until_dead_letters(&mut self) -> anyhow::Result<()> {
        until("a dead letter for each of them", LIMIT, async || self.collect_dead().await).await
    }

    /// Takes what lies in the results queue; whether every job has had its result.
    async fn collect(&mut self) -> anyhow::Result<bool> {
        let client = self.client().await?;
        for message in client.drain(&self.queues.results()).await? {
            let document = message.document()?;
            let (id, key) = (text(&document, "id"), text(&document, "key"));
            ensure!(document["status"] == "succeeded", "{id} ended as {}", document["status"]);
            if let Some(known) = self.results.insert(id.to_owned(), key.to_owned()) {
                self.repeated += 1;
                ensure!(known == key, "{id} came again with another key: {known}, {key}");
            }
        }
        client.close().await?;
        Ok(self.results.len() as u64 == self.published)
    }

    async fn settle(&mut self) -> anyhow::Result<()> {
        until("a result for every job", 2 * LIMIT, async || self.collect().await).await
    }

    async fn created(&self) -> anyhow::Result<u64> {
        self.site.books().await?["created"].as_u64().context("the books do not say what was created")
    }

    /// Whether the ledger has everything that was published.
    fn is_taken_over(&self) -> anyhow::Result<bool> {
        Ok(self.site.counts()?["total"] == self.published + self.bad)
    }

    /// Jobs enough for some seconds; the first of them are called and all are taken over.
    async fn flow(&mut self) -> anyhow::Result<()> {
        let before = self.created().await?;
        self.publish(FLOW).await?;
        let flows = async || Ok(self.created().await? > before + 5 && self.is_taken_over()?);
        until("jobs to flow", LIMIT, flows).await
    }

    /// Raises an alarm while jobs lie ready, then lets them flow: RabbitMQ tells of it when a connection publishes.
    async fn alarm(&mut self, arguments: &[&str]) -> anyhow::Result<()> {
        let (code, _) = self.site.run(&["suspend", "acme"])?;
        ensure!(code == Some(0), "'paceline suspend' ended with {code:?}");
        self.publish(FLOW).await?;
        until("jobs to be taken over", LIMIT, async || self.is_taken_over()).await?;
        self.node.control(arguments)?;
        let (code, _) = self.site.run(&["resume", "acme"])?;
        ensure!(code == Some(0), "'paceline resume' ended with {code:?}");
        self.notices("blocked by RabbitMQ").await?;
        self.calls_go_on().await?;
        self.wait().await;
        Ok(())
    }

    /// Everything taken over is called, whatever the broker does.
    async fn calls_go_on(&self) -> anyhow::Result<()> {
        let all = async || Ok(self.created().await? == self.published);
        until("calls to go on without the broker", LIMIT, all).await
    }

    /// The worker writes that, after the trouble has begun.
    async fn notices(&self, words: &str) -> anyhow::Result<()> {
        let says = async || Ok(self.site.log("worker").get(self.mark..).is_some_and(|log| log.contains(words)));
        until(&format!("the worker to say {words:?}"), LIMIT, says).await
    }

    /// Whether it lost its connection is seen from outside: a link that keeps breaking is logged once, not each time.
    async fn comes_again(&self) -> anyhow::Result<()> {
        until("the worker to connect again", LIMIT, async || Ok(self.proxy.accepted() > self.accepted)).await
    }

    fn begin(&mut self) {
        self.mark = self.site.log("worker").len();
        self.accepted = self.proxy.accepted();
    }

    async fn wait(&self) {
        tokio::time::sleep(self.hold).await;
    }

    /// One trouble after the other.
    async fn carry_out(&mut self, troubles: &[Trouble]) -> anyhow::Result<()> {
        let clock = Clock::system();
        self.notices("connected to RabbitMQ").await?;
        for trouble in troubles {
            let began = clock.mono();
            self.begin();
            let (name, what) = trouble.words();
            let held = async {
                trouble.carry_out(self).await?;
                self.publish(10).await?;
                self.settle().await?;
                let ended = self.worker.ended()?;
                ensure!(ended.is_none(), "the worker ended: {ended:?}");
                anyhow::Ok(())
            };
            held.await.with_context(|| name.clone())?;
            println!("{name}: {what}; {:.0} s", clock.mono().since(began).as_secs_f64());
        }
        self.finish().await
    }

    /// The sums, when the worker has gone.
    async fn finish(&mut self) -> anyhow::Result<()> {
        self.worker.signal(Signal::TERM)?;
        let code = self.worker.code_within(LIMIT, "the worker").await?;
        ensure!(code == Some(0), "the worker ended with {code:?} after SIGTERM");
        let is_complete = self.collect_dead().await?;
        ensure!(is_complete, "{} dead letters of {} messages that were no jobs", self.letters, self.bad);
        let client = self.client().await?;
        for name in [self.queues.jobs(), self.queues.results(), self.queues.dead()] {
            let left = client.left(&name).await?;
            ensure!(left == 0, "{left} messages are left in {name}");
        }
        client.close().await?;
        let made = self.site.objects().await?;
        let mut objects = BTreeMap::new();
        for object in made.as_array().context("the simulator lists no objects")? {
            let identity: Value = serde_json::from_str(text(object, "identity"))?;
            let name = identity[0].as_str().context("an object without a name")?;
            objects.insert(name.to_owned(), text(object, "key").to_owned());
        }
        let differ = objects.iter().find(|(name, key)| self.results.get(*name) != Some(key));
        ensure!(objects == self.results, "the results and what was created differ, at {differ:?}");
        books::check(&self.site.books().await?, &[(CALENDAR, self.published)])?;
        self.site.audited()?;
        Ok(())
    }
}

pub(crate) async fn carry_out(binary: &Path, options: &Options) -> anyhow::Result<()> {
    let is_wanted = |trouble: &Trouble| options.only.is_empty() || options.only.contains(trouble);
    let troubles: Vec<_> = Trouble::value_variants().iter().copied().filter(is_wanted).collect();
    let folder = tempfile::tempdir()?;
    let mut node = Node::start(folder.path().join("node"))?;
    let queues = Queues::of("trouble");
    node.limit_deliveries(&queues.jobs())?;
    let proxy = Proxy::before(node.address()?).await?;
    let url = format!("{}?heartbeat={HEARTBEAT_S}", node.url().replace(node.address()?, proxy.address()));
    let broker = Some((url.as_str(), &queues));
    let plan = Plan { settings: SETTINGS, scenario: Some(SCENARIO), broker, ..Plan::default() };
    let site = Site::open(binary, &plan).await?;
    let mut trial = Trial {
        site: &site,
        worker: site.start_worker(&["work"])?,
        node: &mut node,
        proxy: &proxy,
        queues: queues.clone(),
        hold: Duration::try_from_secs_f64(options.hold)?,
        published: 0,
        bad: 0,
        letters: 0,
        results: BTreeMap::new(),
        repeated: 0,
        mark: 0,
        accepted: 0,
    };
    trial.carry_out(&troubles).await.map_err(|error| site.explain(&error))?;
    println!(
        "{} jobs through {} troubles: each created once, each result published with its id ({} of them again); {} messages \
         that were no jobs, each a dead letter; 0 refusals, queues empty, audit clean",
        trial.published,
        troubles.len(),
        trial.repeated,
        trial.bad
    );
    Ok(())
}
