//! The plan in words and as data.

use std::collections::BTreeMap;
use std::io::Write;

use crate::cli::progress::duration;
use crate::cli::table::{Align, Table, plain};
use crate::engine::forecast::Deciding;
use crate::operations::files::plan::{How, Late, Plan, Repeated, Wanted};
use crate::operations::forecast::{decides, left_over};
use paceline_ports::State;

/// Rows of a kind that are printed for people; programs get all.
const ROWS_SHOWN_MAX: usize = 5;

impl Plan {
    /// The plan for people.
    pub(super) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        self.write_needs(out)?;
        if self.own.batches.len() > 1 {
            self.write_batches(out)?;
        }
        writeln!(out)?;
        self.write_finish(out)?;
        for wanted in &self.budgets {
            write_budget(wanted, out)?;
        }
        for saving in &self.savings {
            writeln!(out, "{saving}")?;
        }
        write_late(out, &self.late, "too late already, for the dead letters (expired)")?;
        write_late(out, &self.expiring, "due before their turn comes, for the dead letters (expired)")?;
        self.write_repeats(out)
    }

    fn write_needs(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut table = Table::new([
            ("METHOD", Align::Left),
            ("QUOTA", Align::Left),
            ("COUNTED BY", Align::Left),
            ("CALLS", Align::Right),
            ("LEAST TIME", Align::Right),
        ]);
        for need in &self.needs {
            let counted_by = format!("{} {}", need.key.scope, need.key.owner);
            table.row([
                need.key.method.clone(),
                need.quota.to_string(),
                counted_by,
                need.calls.to_string(),
                duration(need.time),
            ]);
        }
        table.write(out)
    }

    fn write_batches(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut table = Table::new([
            ("BATCH", Align::Left),
            ("CALLS", Align::Right),
            ("TIME", Align::Right),
            ("DONE AT", Align::Left),
            ("BOTTLENECK", Align::Left),
        ]);
        for batch in &self.own.batches {
            table.row([
                if batch.name.is_empty() { "(none)".to_owned() } else { batch.name.to_string() },
                batch.jobs.done.to_string(),
                batch.finish.map_or_else(String::new, |finish| duration(finish.since(self.now))),
                batch.finish.map_or_else(String::new, |finish| finish.to_string()),
                decides(batch.deciding.as_ref()),
            ]);
        }
        writeln!(out)?;
        table.write(out)
    }

    fn write_finish(&self, out: &mut impl Write) -> std::io::Result<()> {
        let calls = self.own.jobs.done;
        if calls == 0 {
            writeln!(out, "no job, nothing to do")?;
        } else {
            let (jobs, take) = if calls == 1 { ("job", "takes") } else { ("jobs", "take") };
            writeln!(
                out,
                "{calls} {jobs} {take} {}, until {} if started now; {}",
                duration(self.own.finish.since(self.now)),
                self.own.finish,
                verdict(self.own.deciding.as_ref()),
            )?;
        }
        if let Some(left_over) = left_over(&self.own.jobs) {
            writeln!(out, "not done by then: {left_over}")?;
        }
        if let Some(others) = &self.all {
            writeln!(
                out,
                "together with the {} of other batches that wait in the ledger: {} ({} more), until {}; {}",
                counted(others.jobs, "job", "jobs"),
                duration(others.forecast.finish.since(self.now)),
                duration(others.forecast.finish.since(self.own.finish)),
                others.forecast.finish,
                verdict(others.forecast.deciding.as_ref()),
            )?;
            for batch in self.own.batches.iter().filter_map(|batch| others.forecast.batch(&batch.name)) {
                if let Some(finish) = batch.finish {
                    let name = plain(&batch.name);
                    writeln!(out, "  batch {name}: {}, until {finish}", duration(finish.since(self.now)))?;
                }
            }
        }
        Ok(())
    }

    fn write_repeats(&self, out: &mut impl Write) -> std::io::Result<()> {
        self.write_known(out)?;
        for (how, what) in [
            (
                How::IdConflict,
                "whose id belongs to other content: `run` and `submit` stop if that job succeeded, else a dead letter (id-conflict)",
            ),
            (How::Duplicate, "that would create again what another id creates; --allow-duplicates lets them"),
        ] {
            let rows: Vec<_> = self.repeats.iter().filter(|repeat| repeat.how == how).collect();
            if rows.is_empty() {
                continue;
            }
            writeln!(out, "\n{} {what}:", counted(rows.len() as u64, "row", "rows"))?;
            for repeat in rows.iter().take(ROWS_SHOWN_MAX) {
                writeln!(out, "  {}", plain(&line(repeat)))?;
            }
            if let more @ 1.. = rows.len().saturating_sub(ROWS_SHOWN_MAX) {
                writeln!(out, "  … and {more} more; --json prints them all")?;
            }
        }
        Ok(())
    }

    fn write_known(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        for repeat in self.repeats.iter().filter(|repeat| repeat.how == How::Known) {
            *states.entry(becomes(repeat.earlier_state)).or_default() += 1;
        }
        let known: u64 = states.values().sum();
        if known == 0 {
            return Ok(());
        }
        let parts: Vec<_> = states.iter().map(|(becomes, count)| format!("{count} {becomes}")).collect();
        writeln!(
            out,
            "\n{} known already, by id and content: {}",
            counted(known, "row is", "rows are"),
            parts.join(", ")
        )
    }
}

/// Rows that are dead without a call, if there are any.
fn write_late(out: &mut impl Write, late: &[Late], how: &str) -> std::io::Result<()> {
    if late.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{} {how}:", counted(late.len() as u64, "row is", "rows are"))?;
    for Late { place, id, not_after } in late.iter().take(ROWS_SHOWN_MAX) {
        writeln!(out, "  {}", plain(&format!("{place}: {id}, not sent at or after {not_after}")))?;
    }
    if let more @ 1.. = late.len().saturating_sub(ROWS_SHOWN_MAX) {
        writeln!(out, "  … and {more} more; --json prints them all")?;
    }
    Ok(())
}

fn verdict(deciding: Option<&Deciding>) -> String {
    deciding.map_or_else(|| "no quota makes them wait".to_owned(), |_| format!("bottleneck: {}", decides(deciding)))
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// What becomes of a row that is known already.
const fn becomes(state: Option<State>) -> &'static str {
    match state {
        None => "earlier in these files",
        Some(State::Queued | State::Uncertain | State::Blocked) => "waiting in the ledger",
        Some(State::Held) => "held for a person",
        Some(State::Succeeded) => "done, with their results",
        Some(State::Dead | State::Cancelled) => "ended without success, to be tried again",
    }
}

/// `rooms.csv:17: hq-7f-701 of batch hq-move (succeeded)`.
fn line(repeat: &Repeated) -> String {
    let batch = &repeat.earlier_batch;
    let batch = if batch.is_empty() { String::new() } else { format!(" of batch {batch}") };
    let stands = match (&repeat.earlier_place, repeat.earlier_state) {
        (Some(place), _) => place.clone(),
        (None, Some(state)) => state.as_str().to_owned(),
        (None, None) => String::new(),
    };
    format!("{}: {}{batch} ({stands})", repeat.place, repeat.earlier_id)
}

/// What is left of a budget, and what is wanted of it.
fn write_budget(wanted: &Wanted, out: &mut impl Write) -> std::io::Result<()> {
    let Wanted { budget, calls, waits } = wanted;
    let period = budget.key.period.as_str();
    write!(
        out,
        "{} of {} calls ({}) of this {period} are left to {}",
        budget.left(),
        budget.limit,
        budget.what(),
        budget.key.owner
    )?;
    match waits {
        Some((over, turn)) => {
            writeln!(out, "; {calls} are needed: {over} wait, the last until {}", turn.in_china())
        }
        None => writeln!(out, "; {calls} are needed"),
    }
}
