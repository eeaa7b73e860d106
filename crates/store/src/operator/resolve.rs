//! A person decides what becomes of a job: of one that nobody else can decide, or of one that is not to be sent.

use serde_json::Value;

use super::{CHUNK, Operator, jobs};
use crate::driver::values;
use crate::ledger::books::{Books, Trouble};
use crate::ledger::settle::{self, Standing};
use crate::state::State;
use paceline_domain::activity::{Action, Facts};
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_ports::operator::{Cancelled, JobCommands, JobReports as _, Resolution, Selection, Upkeep as _};
use paceline_ports::{JobSeq, LedgerError, Settlement};

impl JobCommands for Operator {
    fn resolve(&mut self, id: &str, resolution: &Resolution, now: Timestamp) -> Result<(), LedgerError> {
        let deed = self.deed(Action::Resolve, resolution.facts(Facts::ids([id])));
        self.change(&deed, |books| {
            let seq = resolvable(books, id)?;
            let Some(standing) = settle::standing(books, seq)? else { return Err(unknown(id)) };
            if !matches!(standing.state, State::Held | State::Uncertain) {
                return Err(Trouble::Refused(format!(
                    "job {id:?} is {}; only held and uncertain jobs are resolved",
                    standing.state.as_str()
                )));
            }
            if *resolution == Resolution::LookUp && standing.state == State::Uncertain {
                return Err(Trouble::Refused(format!("job {id:?} is uncertain: it is looked up already")));
            }
            Ok((resolve_one(books, seq, standing, resolution, now)?, 1))
        })
    }

    fn resolve_held(
        &mut self,
        selection: &Selection,
        resolution: &Resolution,
        now: Timestamp,
    ) -> Result<usize, LedgerError> {
        let held = selection.in_state(State::Held);
        let deed = self.deed(Action::Resolve, resolution.facts(held.facts()));
        self.change_in_chunks(&deed, &held, |books, seq| match settle::standing(books, seq)? {
            Some(standing) => resolve_one(books, seq, standing, resolution, now),
            None => Ok(()),
        })
    }

    fn cancel(&mut self, selection: &Selection, dependents: bool, now: Timestamp) -> Result<Cancelled, LedgerError> {
        let mut cancelled = 0;
        let deed = self.deed(Action::Cancel, selection.facts());
        for chunk in self.unsent(selection, dependents)?.chunks(CHUNK) {
            cancelled += self.change(&deed, |books| {
                let mut ended = 0;
                for seq in chunk {
                    let Some(standing) = settle::standing(books, JobSeq(*seq))? else { continue };
                    let is_unsent = matches!(standing.state, State::Queued | State::Blocked);
                    if is_unsent && !jobs::is_in_flight(books.conn(), *seq)? {
                        settle::apply(books, JobSeq(*seq), standing, &Settlement::Cancelled, false, now)?;
                        ended += 1;
                    }
                }
                Ok((ended, ended))
            })?;
        }
        Ok(Cancelled { cancelled, running: self.cancellable(selection, false)?.running })
    }
}

fn resolve_one(
    books: &mut Books,
    seq: JobSeq,
    standing: Standing,
    resolution: &Resolution,
    now: Timestamp,
) -> Result<(), Trouble> {
    let settlement = match resolution {
        Resolution::Succeeded { key } => {
            Settlement::Succeeded { key: Some(key.clone()), result: Value::Null, sole: true, warnings: Vec::new() }
        }
        Resolution::Retry => Settlement::Queued { not_before: None, charged: false, failure: None },
        Resolution::LookUp => {
            Settlement::Uncertain { not_before: now, charged: true, failure: settle::known(books, seq)? }
        }
        Resolution::Dead => Settlement::Dead { reason: Reason::Uncertain, failure: settle::known(books, seq)? },
    };
    let lane = standing.place.lane;
    settle::apply(books, seq, standing, &settlement, false, now).map_err(|trouble| taken(trouble, resolution))?;
    if *resolution == Resolution::Retry {
        books.conn().send("UPDATE jobs SET attempts = 0 WHERE seq = $1", values![seq])?;
    }
    if matches!(resolution, Resolution::Retry | Resolution::LookUp) {
        books.announce(seq, lane)?;
    }
    Ok(())
}

/// The ledger refuses an object that has its owner.
fn taken(trouble: Trouble, resolution: &Resolution) -> Trouble {
    match (trouble, resolution) {
        (Trouble::Claimed(owner), Resolution::Succeeded { key }) => Trouble::Refused(format!(
            "{key} is what job {owner:?} created (`paceline jobs show {owner}`); if that is all there is, this one was not created: `--retry` or `--dead`"
        )),
        (trouble, _) => trouble,
    }
}

fn unknown(id: &str) -> Trouble {
    Trouble::Refused(format!("there is no job {id:?}; `paceline jobs list --state held` shows the held ones"))
}

fn resolvable(books: &Books, id: &str) -> Result<JobSeq, Trouble> {
    let found: Option<(JobSeq, bool)> = books.conn().query_opt(
        "SELECT j.seq, EXISTS (SELECT 1 FROM attempts a WHERE a.job = j.seq AND a.ended_at IS NULL)
         FROM jobs j WHERE j.id = $1",
        values![id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    match found {
        None => Err(unknown(id)),
        Some((_, true)) => Err(Trouble::Refused(format!(
            "a call for job {id:?} is in flight; try again when it is over (`paceline jobs show` says when)"
        ))),
        Some((seq, false)) => Ok(seq),
    }
}
