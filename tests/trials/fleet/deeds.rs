//! What is done to workers, to their database and to their broker.

use std::fmt;
use std::time::Duration;

use anyhow::ensure;
use fastrand::Rng;
use paceline::domain::time::Mono;
use rustix::process::Signal;

use super::{Fleet, Guise, PATIENCE, number_of};
use crate::proxy::Way;
use crate::site::until;

/// Longer than the lease of the settings' default.
const PAUSE: Duration = Duration::from_secs(9);
/// What a worker says of it, whether something has changed or not.
const READ_AGAIN: &str = "the settings were read again";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// SIGKILL, and another one in its place.
    Kill,
    /// SIGSTOP for longer than its lease, then SIGCONT.
    Pause,
    /// SIGTERM: it lets go of what it has.
    End,
    /// Its connections to the database end in the middle of what is said, so it does not know what was committed.
    Cut,
    /// Nothing reaches it from the database, or the database from it, or both, for longer than its lease.
    Silence,
    /// Its database is far away for as long.
    Slow,
    /// Its machine's clock is set.
    Clock,
    /// It ends, and comes back with other quotas for a while.
    Skew,
    /// It ends, and an older version of it comes back.
    Old,
    /// The database ends as in a crash, and is started again.
    Database,
    /// The broker is ended and started again.
    Broker,
    /// SIGHUP to one of them, which is for all.
    Reload,
}

impl Deed {
    const ALL: [Self; 12] = [
        Self::Kill,
        Self::Pause,
        Self::End,
        Self::Cut,
        Self::Silence,
        Self::Slow,
        Self::Clock,
        Self::Skew,
        Self::Old,
        Self::Database,
        Self::Broker,
        Self::Reload,
    ];

    /// One of each first, then as it comes.
    pub(super) fn choose(rng: &mut Rng, count: u32, has_old: bool) -> Vec<Self> {
        let mut all: Vec<Self> = Self::ALL.into_iter().filter(|deed| *deed != Self::Old || has_old).collect();
        rng.shuffle(&mut all);
        (0..count as usize).map(|at| all.get(at).copied().unwrap_or_else(|| all[rng.usize(..all.len())])).collect()
    }

    /// How often each was done.
    pub(super) fn told(done: &[Self]) -> String {
        let told = Self::ALL.map(|deed| format!("{deed} {}", done.iter().filter(|done| **done == deed).count()));
        told.join(", ")
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "killed",
            Self::Pause => "stopped past the lease",
            Self::End => "ended",
            Self::Cut => "cut off",
            Self::Silence => "silenced past the lease",
            Self::Slow => "far away",
            Self::Clock => "clock set",
            Self::Skew => "other quotas",
            Self::Old => "older version",
            Self::Database => "database restarted",
            Self::Broker => "broker restarted",
            Self::Reload => "told to read settings",
        })
    }
}

impl Fleet<'_> {
    /// Does it to one of the workers or to what they share, and waits until every domain has an owner that can work.
    pub(super) async fn carry_out(&mut self, deed: Deed, rng: &mut Rng) -> anyhow::Result<()> {
        let at = rng.usize(..self.members.len());
        let number = number_of(&self.members[at].worker);
        let began = self.clock.mono();
        match deed {
            Deed::Kill => {
                self.members[at].worker.kill()?;
                self.until_owned(Some(number)).await?;
                self.note(began);
                self.replace(at, Guise::Plain).await?;
            }
            Deed::End | Deed::Old => {
                self.end(at).await?;
                self.until_owned(Some(number)).await?;
                self.note(began);
                self.replace(at, if deed == Deed::Old { Guise::Old } else { Guise::Plain }).await?;
            }
            Deed::Skew => self.skew(at).await?,
            Deed::Clock => {
                let seconds = rng.i64(5..120) * if rng.bool() { 1 } else { -1 };
                self.members[at].clock.set(seconds)?;
            }
            Deed::Pause => {
                self.members[at].worker.signal(Signal::STOP)?;
                self.until_owned(Some(number)).await?;
                self.note(began);
                self.sleep_until_past(began).await;
                self.members[at].worker.signal(Signal::CONT)?;
            }
            Deed::Silence => {
                let ways = [Way::BOTH, &[Way::Out], &[Way::Back]];
                self.silence(at, ways[rng.usize(..ways.len())], began).await?;
            }
            Deed::Slow => {
                self.members[at].line.delay(Duration::from_millis(rng.u64(5..200)));
                tokio::time::sleep(PAUSE).await;
                self.members[at].line.delay(Duration::ZERO);
                self.until_owned(None).await?;
            }
            Deed::Cut => {
                let line = &self.members[at].line;
                let before = line.accepted();
                line.cut_mid_frame();
                until("a worker to connect again", PATIENCE, async || Ok(line.accepted() > before)).await?;
                self.until_owned(None).await?;
                self.note(began);
            }
            Deed::Database => {
                self.database.script("halt")?;
                self.database.script("start")?;
                // Without a database nobody can take anything over.
                let began = self.clock.mono();
                self.until_owned(None).await?;
                self.note(began);
            }
            Deed::Broker => {
                self.node.halt()?;
                self.node.boot()?;
                self.until_owned(None).await?;
            }
            Deed::Reload => {
                let read = || self.members.iter().map(|member| self.site.log(&member.log).matches(READ_AGAIN).count());
                let before: Vec<usize> = read().collect();
                self.members[at].worker.signal(Signal::HUP)?;
                let each = async || Ok(read().zip(&before).all(|(now, before)| now > *before));
                until("every worker to read its settings again", PATIENCE, each).await?;
            }
        }
        self.done.push(deed);
        Ok(())
    }

    /// Lets nothing through these ways between a worker and the database, for longer than its lease.
    async fn silence(&mut self, at: usize, ways: &[Way], began: Mono) -> anyhow::Result<()> {
        self.members[at].line.swallow(ways);
        self.until_owned(Some(number_of(&self.members[at].worker))).await?;
        self.note(began);
        self.sleep_until_past(began).await;
        // What was swallowed is missing: nobody could go on with such a connection.
        self.members[at].line.cut();
        self.members[at].line.swallow(&[]);
        Ok(())
    }

    /// Ends a worker as an operator would.
    pub(super) async fn end(&mut self, at: usize) -> anyhow::Result<()> {
        let worker = &mut self.members[at].worker;
        worker.signal(Signal::TERM)?;
        let code = worker.code_within(PATIENCE, "a worker").await?;
        ensure!(code == Some(0), "a worker that was told to stop ended with {code:?}");
        Ok(())
    }

    /// One with other quotas than the others', which gets no domain.
    async fn skew(&mut self, at: usize) -> anyhow::Result<()> {
        self.end(at).await?;
        self.replace(at, Guise::OtherQuotas).await?;
        let number = number_of(&self.members[at].worker);
        self.until_owned(Some(number)).await?;
        tokio::time::sleep(PAUSE).await;
        let domains = self.domains_of(number)?.unwrap_or_default();
        ensure!(domains.is_empty(), "a worker with other quotas has taken {domains:?}");
        self.end(at).await?;
        self.replace(at, Guise::Plain).await
    }

    async fn replace(&mut self, at: usize, guise: Guise) -> anyhow::Result<()> {
        let (address, clock) = {
            let member = &self.members[at];
            (member.line.address().to_owned(), member.clock.clone())
        };
        let (worker, log) = self.start(&address, &clock, guise).await?;
        let member = &mut self.members[at];
        (member.worker, member.log) = (worker, log);
        Ok(())
    }

    async fn sleep_until_past(&self, began: Mono) {
        tokio::time::sleep(PAUSE.saturating_sub(self.clock.mono().since(began))).await;
    }
}
