//! Jobs that wait for others which will not end by themselves: they need review, or nobody has published them.

use std::collections::BTreeSet;
use std::io::Write;

use crate::cli::table::plain;
use crate::engine::ports::Counts;
use crate::wiring;
use paceline_ports::State;
use paceline_ports::location::StoreUrl;
use paceline_ports::operator::Selection;

/// Blocked jobs that are looked at: what holds the others up is most likely the same.
const LOOKED_AT: usize = 1_000;
/// Ids that are named.
const NAMED: usize = 5;

/// What blocked jobs wait for.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// Held jobs.
    pub held: BTreeSet<String>,
    /// Ids that no job has.
    pub absent: BTreeSet<String>,
}

impl Behind {
    /// What the blocked jobs of these batches wait for.
    pub(super) fn of(store: &StoreUrl, batches: &[String], counts: &Counts) -> anyhow::Result<Self> {
        let mut behind = Self::default();
        if counts.blocked == 0 {
            return Ok(behind);
        }
        let ledger = wiring::open_for_people(store)?;
        for batch in batches {
            let blocked = Selection::of_batch(batch).in_state(State::Blocked);
            for line in ledger.list_jobs(&blocked, 0, LOOKED_AT)? {
                for awaited in ledger.awaited(line.seq)? {
                    match awaited.state {
                        Some(State::Held) => behind.held.insert(awaited.id),
                        None => behind.absent.insert(awaited.id),
                        Some(_) => false,
                    };
                }
            }
        }
        Ok(behind)
    }

    /// Says what a person has to do; `again` is what makes the jobs go on afterwards.
    pub(super) fn write(&self, again: &str, err: &mut impl Write) -> std::io::Result<()> {
        if !self.held.is_empty() {
            let jobs =
                if self.held.len() == 1 { "1 job that needs" } else { &format!("{} jobs that need", self.held.len()) };
            writeln!(err, "they wait behind {jobs} review: {}", named(&self.held))?;
            writeln!(err, "hint: `paceline resolve ID` says what became of each; then {again}")?;
        }
        if !self.absent.is_empty() {
            writeln!(err, "they wait for jobs that nobody has published: {}", named(&self.absent))?;
        }
        Ok(())
    }
}

fn named(ids: &BTreeSet<String>) -> String {
    let mut names: Vec<_> = ids.iter().take(NAMED).map(|id| plain(id)).collect();
    if ids.len() > NAMED {
        names.push(format!("and {} more", ids.len() - NAMED));
    }
    names.join(", ")
}
