//! Stops real workers by signals, in the middle of their work, and looks at the simulator's books.
//!
//! After one SIGTERM or SIGINT no further call arrives at the platform, those in flight end, every ending is published, and
//! the exit code is the documented one. After a second signal the worker is gone at once, and what it left behind is as safe
//! as after a kill: the next start looks it up, and every job ends once.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use rustix::process::Signal;

use super::books::{self, CALENDAR, arrivals, calendar, in_flight};
use super::broker::{Address, Client, Queues};
use super::site::{Plan, Process, Site, until};

const JOBS: u64 = 250;
/// A reply takes one and a half seconds, so that dozens of calls are in flight when the signal comes.
const SLOW: &str = "\
title = \"Slow replies\"
[latency]
before = { kind = \"uniform\", from_ms = 5, to_ms = 40 }
after = { kind = \"fixed\", ms = 1500 }
[quotas]
\"feishu.calendar.create\" = \"500/5s\"
";
const SETTINGS: &str = "[apps.acme.quotas]\n\"feishu.calendar.create\" = \"500/5s\"\n[engine]\ngrace_ms = 500\n";
const FILE: &str = "stop.jsonl";
const LIMIT: Duration = Duration::from_secs(240);

#[derive(Clone, Copy)]
enum Command {
    /// Jobs come by AMQP, and SIGTERM ends it.
    Work,
    /// Jobs come from a file, and Ctrl-C ends it.
    Run,
}

impl Command {
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Work => &["work"],
            Self::Run => &["run", FILE, "--json"],
        }
    }

    /// What ends whatever is left to do.
    const fn to_the_end(self) -> &'static [&'static str] {
        match self {
            Self::Work => &["work", "--until-idle"],
            Self::Run => self.words(),
        }
    }

    const fn signal(self) -> Signal {
        match self {
            Self::Work => Signal::TERM,
            Self::Run => Signal::INT,
        }
    }

    /// The exit code after one signal.
    const fn code(self) -> i32 {
        match self {
            Self::Work => 0,
            Self::Run => 130,
        }
    }
}

struct Case<'c> {
    site: &'c Site,
    client: &'c Client,
    command: Command,
}

impl Case<'_> {
    fn name(&self) -> String {
        let signal = match self.command {
            Command::Work => "SIGTERM",
            Command::Run => "SIGINT",
        };
        format!("{}, {signal}", self.command.words()[0])
    }

    async fn until_busy(&self) -> anyhow::Result<Process> {
        let worker = self.site.start_worker(self.command.words())?;
        until("calls in flight", LIMIT, async || Ok(in_flight(self.site, CALENDAR).await? > 20)).await?;
        Ok(worker)
    }

    /// Waits until what had its permit before a signal has arrived; how many calls that makes.
    async fn arrived(&self) -> anyhow::Result<u64> {
        let (mut seen, mut times) = (0, 0);
        until("calls to stop", LIMIT, async || {
            let now = arrivals(self.site, CALENDAR).await?;
            times = if now == seen { times + 1 } else { 0 };
            seen = now;
            Ok(times == 10)
        })
        .await?;
        Ok(seen)
    }

    /// One signal: nothing new, what is in flight ends, endings are published.
    async fn drains(&self) -> anyhow::Result<()> {
        let mut worker = self.until_busy().await?;
        worker.signal(self.command.signal())?;
        let arrived = self.arrived().await?;
        let flying = in_flight(self.site, CALENDAR).await?;
        ensure!(flying > 0, "nothing was in flight when the signal came: nothing is shown");
        let code = worker.code_within(LIMIT, "a worker that was to stop").await?;
        ensure!(code == Some(self.command.code()), "ended with {code:?}, expected {}", self.command.code());
        let late = arrivals(self.site, CALENDAR).await? - arrived;
        ensure!(late == 0, "{late} calls arrived after the signal");
        ensure!(arrived < JOBS, "every call was made before the signal: nothing is shown");
        let counts = self.site.counts()?;
        ensure!(counts["uncertain"] == 0, "calls in flight were not awaited: {counts}");
        ensure!(counts["succeeded"] == arrived, "{arrived} calls arrived, the ledger says {counts}");
        let published = self.client.results().await?.len() as u64;
        let (wanted, words) = match self.command {
            Command::Work => (arrived, " and published"),
            Command::Run => (0, ""),
        };
        ensure!(published == wanted, "{published} results were published for {arrived} endings");
        let name = self.name();
        println!("{name}: {arrived} of {JOBS} called, all of them ended{words}; exit code {}", self.command.code());
        Ok(())
    }

    /// Two signals: gone at once, and the next life makes it good.
    async fn ends_at_once(&self) -> anyhow::Result<()> {
        let mut worker = self.until_busy().await?;
        worker.signal(self.command.signal())?;
        // The second one is to find it draining.
        self.arrived().await?;
        let flying = in_flight(self.site, CALENDAR).await?;
        ensure!(flying > 10, "only {flying} calls in flight: nothing is shown");
        worker.signal(self.command.signal())?;
        let code = worker.code_within(LIMIT, "a worker that was told twice").await?;
        // A reply takes longer than the rest of the process did: had it been awaited, nothing would be in flight now.
        ensure!(in_flight(self.site, CALENDAR).await? > 0, "the second signal was followed by a wait");
        ensure!(code == Some(130), "ended with {code:?} after a second signal");
        // For many look-ups behind each other.
        self.site.play(&SLOW.replace("ms = 1500", "ms = 20")).await?;
        let mut next = self.site.start_worker(self.command.to_the_end())?;
        let ended = next.code_within(3 * LIMIT, "the next life").await?;
        ensure!(ended == Some(0), "the next life ended with {ended:?}");
        let counts = self.site.counts()?;
        ensure!(counts["succeeded"] == JOBS, "after the next life: {counts}");
        books::check(&self.site.books().await?, &[(CALENDAR, JOBS)])?;
        if matches!(self.command, Command::Work) {
            let published = self.client.results().await?.len() as u64;
            ensure!(published == JOBS, "{published} of {JOBS} results were published");
        }
        let name = self.name();
        println!("{name} twice: {flying} calls in flight; exit code 130; after the next life {JOBS} created once");
        Ok(())
    }
}

pub(crate) async fn carry_out(binary: &Path, broker: &Address) -> anyhow::Result<()> {
    for (position, is_twice, command) in
        [(0, false, Command::Work), (1, false, Command::Run), (2, true, Command::Work), (3, true, Command::Run)]
    {
        let client = Client::connect(&broker.url, Queues::of(&format!("stop-{position}"))).await?;
        let broker = Some((broker.url.as_str(), client.queues()));
        let plan = Plan { settings: SETTINGS, scenario: Some(SLOW), broker, ..Plan::default() };
        let site = Site::open(binary, &plan).await?;
        let jobs: Vec<_> = (0..JOBS).map(|number| calendar(&format!("stop-{number}"), "stop")).collect();
        match command {
            Command::Run => {
                let lines: Vec<String> = jobs.iter().map(|job| job.to_string() + "\n").collect();
                site.write(FILE, &lines.concat())?;
            }
            Command::Work => {
                for job in &jobs {
                    client.publish(job).await?;
                }
            }
        }
        let case = Case { site: &site, client: &client, command };
        let held = if is_twice { case.ends_at_once().await } else { case.drains().await };
        held.map_err(|error| site.explain(&error.context(case.name())))?;
        drop(site);
        client.clean_up().await?;
    }
    Ok(())
}
