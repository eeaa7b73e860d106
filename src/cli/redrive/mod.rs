//! `paceline dead redrive`: dead letters back to work, at once, at a pace, or in stages that prove the cure first.
//!
//! What is selected is fixed at the start. [`stage`] moves letters and follows them; [`overview`] says what a selection
//! holds.

mod overview;
mod stage;

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use crate::domain::quota::Quota;
use paceline_ports::operator::{Commands, Letter};

use self::overview::Overview;
use self::stage::{End, Mover, Pace, Stage};
use super::context::Context;
use super::exit::{Exit, refuse};
use super::progress::duration;
use super::selection::{Letters, missing};
use super::table::plain;

/// Letters of the stages before the rest.
const STAGES: [usize; 2] = [1, 10];

/// What is put back to work, and how.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    letters: Letters,
    /// Also those that are dead only because they waited for one of them
    #[arg(long)]
    with_dependents: bool,
    /// Count what is selected, by reason, code and method; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Spread the dead letters over time, e.g. 20/min
    #[arg(long, value_name = "QUOTA")]
    rate: Option<Quota>,
    /// First 1, then 10, then the rest; go on only when a stage's jobs have ended well. Needs a running worker
    #[arg(long)]
    staged: bool,
    /// The share of failures at which a stage of several stops the rest
    #[arg(long, value_name = "PERCENT", default_value = "10%", requires = "staged", value_parser = percent)]
    stop_at: Percent,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

/// More than 0 and at most 100 of a hundred.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Percent(f64);

fn percent(text: &str) -> Result<Percent, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
    number
        .ok()
        .filter(|number| *number > 0.0 && *number <= 100.0)
        .map(Percent)
        .ok_or_else(|| "expected a percentage above 0 and up to 100, e.g. 10%".to_owned())
}

/// What came of it all.
#[derive(Clone, Debug, Default, serde::Serialize)]
struct Outcome {
    redriven: usize,
    still_invalid: usize,
    would_expire: usize,
    /// Dead no longer, or dead anew, since they were selected.
    changed: usize,
    /// Not put back to work because it was stopped or interrupted.
    left: usize,
    succeeded: usize,
    failed: usize,
}

/// Puts the selected letters back to work.
pub(super) async fn carry_out(context: &mut Context, ledger: &mut dyn Commands, args: Args) -> anyhow::Result<Exit> {
    let selection = args.letters.clone().selection()?;
    let letters = super::dead::select_with(ledger, &selection, args.with_dependents)?;
    let now = context.clock.now();
    if args.dry_run {
        Overview::of(context, ledger, &letters)?.print(context, args.json)?;
        return missing(context, &selection, &letters);
    }
    let (expired, letters): (Vec<Letter>, Vec<Letter>) = letters.into_iter().partition(|letter| letter.is_expired(now));
    if args.staged && !letters.is_empty() && ledger.worker()?.is_none() {
        return Err(refuse(
            "no worker works the ledger, and --staged waits for what becomes of the jobs; nothing was changed",
            "start `paceline work`, or leave --staged out: the next worker finds the jobs",
        ));
    }
    let mut mover = Mover::new(context, super::context::inputs(context)?, args.rate.as_ref().map(Pace::of))?;
    if let Some(pace) = &mover.pace
        && letters.len() > 1
    {
        let long = duration(pace.time_for(letters.len()));
        writeln!(context.err, "{} dead letters at {}: about {long}", letters.len(), pace.text)?;
    }
    let (mut outcome, end) = if args.staged {
        staged(context, ledger, &mut mover, &letters, args.stop_at).await?
    } else {
        plainly(context, ledger, &mut mover, &letters).await?
    };
    mover.close().await;
    outcome.would_expire = expired.len();
    print_outcome(context, &args, &outcome, &expired)?;
    let found: Vec<Letter> = letters.into_iter().chain(expired).collect();
    let all_there = missing(context, &selection, &found)?;
    Ok(match end {
        End::Interrupted => Exit::Interrupted,
        End::Stopped => Exit::Unwell,
        End::Done if outcome.still_invalid + outcome.would_expire + outcome.failed > 0 => Exit::Unwell,
        End::Done => all_there,
    })
}

async fn plainly(
    context: &mut Context,
    ledger: &mut dyn Commands,
    mover: &mut Mover,
    letters: &[Letter],
) -> anyhow::Result<(Outcome, End)> {
    let mut outcome = Outcome::default();
    let mut stage = Stage::unfollowed(letters);
    let end = mover.run(context, ledger, &mut stage).await?;
    stage.add_to(&mut outcome);
    stage.print_refused(context)?;
    outcome.left = letters.len() - stage.handled();
    Ok((outcome, end))
}

async fn staged(
    context: &mut Context,
    ledger: &mut dyn Commands,
    mover: &mut Mover,
    letters: &[Letter],
    stop_at: Percent,
) -> anyhow::Result<(Outcome, End)> {
    let mut outcome = Outcome::default();
    let (mut rest, mut number) = (letters, 0);
    while !rest.is_empty() {
        let size = STAGES.get(number).map_or(rest.len(), |size| rest.len().min(*size));
        let (now, later) = rest.split_at(size);
        // Of the first, any failure stops; with one letter that is every share of it.
        let mut stage = Stage::followed(now, stop_at.0 / 100.0);
        number += 1;
        writeln!(context.err, "stage {number}: {size} of {}; waiting for what becomes of it", letters.len())?;
        let end = mover.run(context, ledger, &mut stage).await?;
        stage.add_to(&mut outcome);
        stage.print(context, number)?;
        rest = later;
        outcome.left = rest.len() + now.len() - stage.handled();
        if end == End::Interrupted {
            return Ok((outcome, end));
        }
        if stage.is_failing() && outcome.left > 0 {
            writeln!(
                context.err,
                "stopped: {} of {} failed; {} stay dead",
                stage.failed(),
                stage.handled(),
                outcome.left
            )?;
            writeln!(
                context.err,
                "hint: fix the cause and run the same command again; --stop-at PERCENT tolerates more failures"
            )?;
            return Ok((outcome, End::Stopped));
        }
    }
    Ok((outcome, End::Done))
}

fn print_outcome(context: &mut Context, args: &Args, outcome: &Outcome, expired: &[Letter]) -> anyhow::Result<()> {
    context.has_acted = true;
    if args.json {
        let mut document = json!(outcome);
        if !args.staged
            && let Some(fields) = document.as_object_mut()
        {
            fields.remove("succeeded");
            fields.remove("failed");
        }
        context.print_json(&document)?;
    } else {
        writeln!(context.err, "{} put back to work", outcome.redriven)?;
    }
    if outcome.left > 0 {
        writeln!(context.err, "{} left as they are", outcome.left)?;
    }
    if outcome.changed > 0 {
        writeln!(context.err, "{} changed since they were selected, and were left alone", outcome.changed)?;
    }
    if let Some(first) = expired.first() {
        writeln!(
            context.err,
            "{} stay dead: their deadline has passed ({}: {}), so they would expire again",
            expired.len(),
            plain(&first.handle),
            first.not_after.map_or_else(String::new, |at| at.to_string())
        )?;
        writeln!(
            context.err,
            "hint: `paceline dead edit` gives them a later not_after, or a later start where that is the deadline"
        )?;
    }
    if outcome.still_invalid > 0 {
        writeln!(context.err, "{} still no jobs: correct them and publish them anew", outcome.still_invalid)?;
        writeln!(context.err, "hint: `paceline dead edit ID --redrive` corrects a message or a JSONL row here")?;
    }
    Ok(())
}

/// How long nothing may happen before it is said.
const SILENCE_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_above_nothing_and_at_most_all() {
        assert_eq!(percent("10%"), Ok(Percent(10.0)));
        assert_eq!(percent("0.5"), Ok(Percent(0.5)));
        assert_eq!(percent("100%"), Ok(Percent(100.0)));
        for text in ["0", "0%", "100.1", "-1", "ten", "", "NaN", "inf"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }
}
