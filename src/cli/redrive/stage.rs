//! A number of letters on their way back to work, and, if they are followed, to their endings.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use crate::domain::quota::Quota;
use crate::domain::time::Mono;
use crate::engine::ports::JobSeq;
use crate::operations::inputs::Inputs;
use crate::operations::redrive::{Redriven, redrive};
use crate::operations::still_dead::Kept;
use paceline_ports::State;
use paceline_ports::operator::{Commands, Followed, Letter, Reports};

use super::super::context::Context;
use super::super::jobs::{text, what};
use super::super::progress::duration;
use super::super::signals::Stop;
use super::super::table::plain;
use super::{Outcome, SILENCE_MAX};

/// Letters moved in one go where no pace is asked for: a worker beside waits only for one transaction.
const PORTION: usize = 500;
/// How often endings are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Endings of a stage that is still moving, before its share of failures means something.
const ENDINGS_MIN: usize = 10;
/// How many causes and refused inputs are printed.
const SHOWN_MAX: usize = 5;

/// Why moving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing is left to move or to follow.
    Done,
    /// Too many failed.
    Stopped,
    /// By a signal.
    Interrupted,
}

/// How letters are spread over time.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// As it was asked for.
    pub text: String,
    /// Letters at once.
    portion: usize,
    /// From one portion to the next.
    interval: Duration,
}

impl Pace {
    /// Evenly, so that every window of the quota is kept. Fast paces move several at once instead of one per tick.
    pub(super) fn of(quota: &Quota) -> Self {
        const TICK: Duration = Duration::from_millis(200);
        let each = quota.windows().iter().map(|window| window.span / window.limit).max().unwrap_or_default();
        let portion = TICK.as_nanos().div_ceil(each.as_nanos().max(1)).clamp(1, PORTION as u128);
        let portion = u32::try_from(portion).unwrap_or(1);
        Self { text: quota.to_string(), portion: portion as usize, interval: each * portion }
    }

    /// How long so many letters take.
    pub(super) fn time_for(&self, letters: usize) -> Duration {
        let waits = letters.saturating_sub(1) / self.portion.max(1);
        self.interval * u32::try_from(waits).unwrap_or(u32::MAX)
    }
}

/// Moves letters, stage after stage.
pub(super) struct Mover {
    /// How they are spread, if they are.
    pub pace: Option<Pace>,
    inputs: Inputs,
    signals: Stop,
    /// When the next portion may be moved.
    next: Mono,
}

/// Some letters, and what has become of them.
pub(super) struct Stage<'a> {
    letters: &'a [Letter],
    /// The share of failures that stops it; `None` if endings are not waited for.
    stop_at: Option<f64>,
    handled: usize,
    redriven: usize,
    changed: usize,
    refused: Vec<Kept>,
    open: Vec<JobSeq>,
    succeeded: usize,
    failed: usize,
    others: usize,
    causes: BTreeMap<String, (usize, String)>,
}

impl Mover {
    /// Listens to signals from now on.
    pub(super) fn new(context: &Context, inputs: Inputs, pace: Option<Pace>) -> anyhow::Result<Self> {
        Ok(Self { pace, inputs, signals: Stop::listen()?, next: context.clock.mono() })
    }

    /// Lets go of the ledger.
    pub(super) async fn close(self) {
        self.inputs.close().await;
    }

    /// Moves a stage's letters, and waits for their endings if it is followed.
    pub(super) async fn run(
        &mut self,
        context: &mut Context,
        ledger: &mut dyn Commands,
        stage: &mut Stage<'_>,
    ) -> anyhow::Result<End> {
        let mut silence = Silence::since(context.clock.mono());
        loop {
            let now = context.clock.mono();
            let mut moved = false;
            if stage.handled < stage.letters.len() && now >= self.next {
                self.move_portion(context, ledger, stage).await?;
                moved = true;
            }
            let ended = stage.look(ledger)?;
            if stage.is_done() {
                return Ok(End::Done);
            }
            if stage.handled < stage.letters.len() && stage.ended() >= ENDINGS_MIN && stage.is_failing() {
                return Ok(End::Stopped);
            }
            if moved || ended {
                silence = Silence::since(now);
            } else if stage.handled == stage.letters.len() {
                silence.print(context, ledger, stage.open.len())?;
            }
            if self.pause(context, stage).await {
                return Ok(End::Interrupted);
            }
        }
    }

    async fn move_portion(
        &mut self,
        context: &mut Context,
        ledger: &mut dyn Commands,
        stage: &mut Stage<'_>,
    ) -> anyhow::Result<()> {
        let (portion, interval) =
            self.pace.as_ref().map_or((PORTION, Duration::ZERO), |pace| (pace.portion, pace.interval));
        let rest = &stage.letters[stage.handled..];
        let portion = &rest[..portion.min(rest.len())];
        self.next = context.clock.mono() + interval;
        let now = context.clock.now();
        let Redriven { queued, blocked, known, changed, refused } =
            redrive(ledger, &mut self.inputs, portion, now).await?;
        stage.redriven += queued.len() + blocked + known;
        stage.changed += changed;
        stage.refused.extend(refused);
        stage.follow(queued);
        stage.handled += portion.len();
        Ok(())
    }

    /// Waits until there is something to do; whether a signal came first.
    async fn pause(&mut self, context: &Context, stage: &Stage<'_>) -> bool {
        let due = context.clock.mono() + LOOK_EVERY;
        let until = match (stage.handled < stage.letters.len(), stage.open.is_empty()) {
            (true, true) => self.next,
            (true, false) => self.next.min(due),
            (false, _) => due,
        };
        tokio::select! {
            biased;
            _ = self.signals.next() => true,
            () = context.clock.sleep_until(until) => false,
        }
    }
}

impl<'a> Stage<'a> {
    /// Letters that are moved and left to the worker.
    pub(super) fn unfollowed(letters: &'a [Letter]) -> Self {
        Self {
            letters,
            stop_at: None,
            handled: 0,
            redriven: 0,
            changed: 0,
            refused: Vec::new(),
            open: Vec::new(),
            succeeded: 0,
            failed: 0,
            others: 0,
            causes: BTreeMap::new(),
        }
    }

    /// Letters whose endings are waited for.
    pub(super) fn followed(letters: &'a [Letter], stop_at: f64) -> Self {
        Self { stop_at: Some(stop_at), ..Self::unfollowed(letters) }
    }

    fn follow(&mut self, jobs: Vec<JobSeq>) {
        if self.stop_at.is_some() {
            self.open.extend(jobs);
        }
    }

    /// Whether anything has ended since the last look.
    fn look(&mut self, ledger: &dyn Reports) -> anyhow::Result<bool> {
        if self.open.is_empty() {
            return Ok(false);
        }
        let ended = ledger.ended_among(&self.open)?;
        let seqs: std::collections::BTreeSet<JobSeq> = ended.iter().map(|followed| followed.seq).collect();
        self.open.retain(|seq| !seqs.contains(seq));
        for followed in &ended {
            self.count(followed);
        }
        Ok(!ended.is_empty())
    }

    fn count(&mut self, followed: &Followed) {
        if followed.state == Some(State::Succeeded) {
            self.succeeded += 1;
        } else if followed.is_failure() {
            self.failed += 1;
            let words = format!("{} {}", text(&followed.document, "status"), what(&followed.document));
            let cause = self.causes.entry(words).or_insert_with(|| (0, text(&followed.document, "cure")));
            cause.0 += 1;
        } else {
            self.others += 1;
        }
    }

    fn is_done(&self) -> bool {
        self.handled == self.letters.len() && self.open.is_empty()
    }

    fn ended(&self) -> usize {
        self.succeeded + self.failed() + self.others
    }

    /// Whether so many failed that the rest should stay where it is.
    pub(super) fn is_failing(&self) -> bool {
        let share = self.failed() as f64 / self.ended().max(1) as f64;
        self.failed() > 0 && self.stop_at.is_some_and(|stop_at| share >= stop_at)
    }

    /// Jobs that died again or are held, and inputs that still are no jobs.
    pub(super) fn failed(&self) -> usize {
        self.failed + self.refused.len()
    }

    /// Letters that were looked at, whatever became of them.
    pub(super) fn handled(&self) -> usize {
        self.handled
    }

    /// Adds what became of them.
    pub(super) fn add_to(&self, outcome: &mut Outcome) {
        outcome.redriven += self.redriven;
        outcome.still_invalid += self.refused.len();
        outcome.changed += self.changed;
        outcome.succeeded += self.succeeded;
        outcome.failed += self.failed();
    }

    /// Says how a followed stage ended.
    pub(super) fn print(&self, context: &mut Context, number: usize) -> anyhow::Result<()> {
        let mut parts = vec![format!("{} succeeded", self.succeeded)];
        let further =
            [(self.failed(), "failed"), (self.others, "cancelled or dropped"), (self.open.len(), "not ended yet")];
        parts.extend(further.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
        writeln!(context.err, "stage {number}: {}", parts.join(", "))?;
        let mut causes: Vec<_> = self.causes.iter().collect();
        causes.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (words, (count, cure)) in causes.iter().take(SHOWN_MAX) {
            let cure = if cure.is_empty() { String::new() } else { format!("; {cure}") };
            writeln!(context.err, "  {count} {}", plain(&format!("{words}{cure}")))?;
        }
        self.print_refused(context)
    }

    /// Says which inputs still are no jobs, and why.
    pub(super) fn print_refused(&self, context: &mut Context) -> anyhow::Result<()> {
        for (handle, why) in self.refused.iter().take(SHOWN_MAX) {
            writeln!(context.err, "{}", plain(&format!("{handle}: still no job: {why}")))?;
        }
        let rest = self.refused.len().saturating_sub(SHOWN_MAX);
        if rest > 0 {
            writeln!(context.err, "… and {rest} more")?;
        }
        Ok(())
    }
}

/// Says when nothing happens for a while, and why that may be.
struct Silence {
    since: Mono,
    told: bool,
}

impl Silence {
    const fn since(now: Mono) -> Self {
        Self { since: now, told: false }
    }

    fn print(&mut self, context: &mut Context, ledger: &dyn Reports, open: usize) -> anyhow::Result<()> {
        let silent = context.clock.mono().since(self.since);
        if self.told || silent < SILENCE_MAX {
            return Ok(());
        }
        self.told = true;
        if ledger.worker()?.is_none() {
            writeln!(context.err, "no worker works the ledger any more, and {open} jobs wait: start `paceline work`")?;
        } else {
            writeln!(
                context.err,
                "nothing has ended for {}, and {open} jobs wait; `paceline status` says what for; Ctrl-C leaves them to the worker",
                duration(silent)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(text: &str) -> Pace {
        Pace::of(&text.parse().unwrap())
    }

    #[test]
    fn slow_paces_move_one_at_a_time_and_fast_ones_several() {
        let slow = pace("20/min");
        assert_eq!(
            (slow.portion, slow.interval, slow.time_for(21)),
            (1, Duration::from_secs(3), Duration::from_secs(60))
        );
        assert_eq!(slow.time_for(1), Duration::ZERO);
        let fast = pace("1000/s");
        assert_eq!((fast.portion, fast.interval), (200, Duration::from_millis(200)));
        // The strictest of several windows decides.
        assert_eq!(pace("50/s, 60/min").interval, Duration::from_secs(1));
    }

    #[test]
    fn a_stage_fails_from_its_share_on() {
        let letters = Vec::new();
        for (succeeded, failed, fails) in [(0, 0, false), (9, 1, true), (10, 1, false), (0, 1, true)] {
            let stage = Stage { succeeded, failed, ..Stage::followed(&letters, 0.1) };
            assert_eq!(stage.is_failing(), fails, "{succeeded} {failed}");
        }
        assert!(!Stage { failed: 5, ..Stage::unfollowed(&letters) }.is_failing());
    }
}
