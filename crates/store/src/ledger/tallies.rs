//! How many jobs and inputs are alike: counted in memory during a transaction, written at its end.
//!
//! Every change of a job's state, lane, batch, priority, reason or code goes through [`Tallies`]; a recount gives the same.
//!
//! Decision: docs/decisions/0017-lists-and-counts-go-by-piles.md

use std::collections::HashMap;

use crate::driver::{Conn, Error, Result, Row, values};
use crate::state::State;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;

/// The kind of refusals for pace, beside those of the states.
pub(crate) const THROTTLED: i64 = 7;

/// The kind that counts give to inputs that never became jobs.
pub(crate) const REJECTED: i64 = 9;

/// The kind of succeeded jobs that have warnings; those without are counted by their state's number.
pub(crate) const WARNED: i64 = 8;

/// How "no code" is written; NULL is never equal to itself.
pub(crate) const NO_CODE: i64 = i64::MIN;

/// Where a job stands besides its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) batch: i64,
    pub(crate) lane: i64,
    pub(crate) priority: i64,
}

/// Jobs that are alike in everything that lists select by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pile {
    pub(crate) batch: i64,
    pub(crate) lane: i64,
    /// The number of their state, or [`WARNED`].
    pub(crate) kind: i64,
    /// Of those that wait; else 0.
    pub(crate) priority: i64,
    /// Of those that are dead or cancelled.
    pub(crate) reason: Option<Reason>,
    /// Of those that are dead or held.
    pub(crate) code: Option<i64>,
}

impl Place {
    /// The pile of a job in this place, with what is known of its ending.
    pub(crate) fn pile(self, state: State, reason: Option<Reason>, code: Option<i64>) -> Pile {
        let Self { batch, lane, priority } = self;
        let blank = Pile { batch, lane, kind: state.number(), priority: 0, reason: None, code: None };
        match state {
            State::Queued | State::Uncertain => Pile { priority, ..blank },
            State::Held => Pile { code, ..blank },
            State::Dead => Pile { reason, code, ..blank },
            State::Cancelled => Pile { reason: Some(Reason::Cancelled), ..blank },
            State::Succeeded | State::Blocked => blank,
        }
    }

    /// The pile of a job in this place that succeeded, with warnings or without.
    pub(crate) fn succeeded(self, warned: bool) -> Pile {
        let pile = self.pile(State::Succeeded, None, None);
        if warned { Pile { kind: WARNED, ..pile } } else { pile }
    }

    /// The pile of a job in this place that waits for its turn.
    pub(crate) fn queued(self) -> Pile {
        self.pile(State::Queued, None, None)
    }

    fn throttled(self) -> Pile {
        Pile { kind: THROTTLED, priority: 0, ..self.queued() }
    }
}

/// The columns that [`read_pile`] wants, of a job `j`.
pub(crate) const PILE_COLUMNS: &str = "j.batch, j.lane, j.priority, j.state, j.reason, j.code, j.warnings IS NOT NULL";

/// How many columns [`PILE_COLUMNS`] names: the next one has this index.
pub(crate) const PILE_COLUMNS_LEN: usize = 7;

impl Pile {
    /// The state of its jobs; `None` if it counts something else.
    pub(crate) fn state(&self) -> Option<State> {
        if self.kind == WARNED { Some(State::Succeeded) } else { State::of_number(self.kind) }
    }
}

/// Reads the columns [`PILE_COLUMNS`], from the first.
pub(crate) fn read_pile(row: &Row<'_>) -> Result<Pile> {
    let place = Place { batch: row.get(0)?, lane: row.get(1)?, priority: row.get(2)? };
    let state: i64 = row.get(3)?;
    let state = State::of_number(state).ok_or_else(|| Error::unexpected(format!("there is no state {state}")))?;
    if state == State::Succeeded {
        return Ok(place.succeeded(row.get(6)?));
    }
    Ok(place.pile(state, reason_of(row.get(4)?)?, row.get(5)?))
}

/// A reason as it is written; `None` for none.
pub(crate) fn reason_of(word: Option<String>) -> Result<Option<Reason>> {
    let Some(word) = word.filter(|word| !word.is_empty()) else { return Ok(None) };
    word.parse().map(Some).map_err(|why: String| Error::unexpected(why))
}

/// Inputs that never became jobs and are alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InputPile {
    pub(crate) batch: i64,
    /// Empty where none could be read; so are the others.
    pub(crate) app: String,
    pub(crate) method: String,
    pub(crate) reason: String,
}

/// The columns that [`InputPile::read`] wants, of an input.
pub(crate) const INPUT_PILE_COLUMNS: &str = "batch, coalesce(app, ''), coalesce(method, ''), reason";

impl InputPile {
    /// Reads the columns [`INPUT_PILE_COLUMNS`], from the first.
    pub(crate) fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self { batch: row.get(0)?, app: row.get(1)?, method: row.get(2)?, reason: row.get(3)? })
    }
}

/// By how many a pile grew, and when it last did.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    by: i64,
    latest_at: i64,
    /// Jobs that came into it, whatever left it.
    came: u64,
}

/// How many came into which piles, since it was asked for last.
#[derive(Debug, Default)]
pub(crate) struct Grown {
    pub(crate) jobs: Vec<(Pile, u64)>,
    /// By reason.
    pub(crate) inputs: Vec<(String, u64)>,
}

const KEEP: &str = "INSERT INTO tallies (batch, lane, kind, priority, reason, code, n, latest_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (batch, lane, kind, priority, reason, code) DO UPDATE SET n = tallies.n + excluded.n, latest_at =
         CASE WHEN excluded.latest_at > tallies.latest_at THEN excluded.latest_at ELSE tallies.latest_at END";

const KEEP_INPUTS: &str = "INSERT INTO input_tallies (batch, app, method, reason, n, latest_at)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (batch, app, method, reason) DO UPDATE SET n = input_tallies.n + excluded.n, latest_at =
         CASE WHEN excluded.latest_at > input_tallies.latest_at THEN excluded.latest_at ELSE input_tallies.latest_at END";

const SWEEP_INPUTS: &str =
    "DELETE FROM input_tallies WHERE batch = $1 AND app = $2 AND method = $3 AND reason = $4 AND n = 0";

/// What one transaction changes.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    jobs: HashMap<Pile, Change>,
    inputs: HashMap<InputPile, Change>,
    grown: Grown,
}

impl Tallies {
    /// One more job in a pile.
    pub(crate) fn add(&mut self, pile: Pile, now: Timestamp) {
        grow(self.jobs.entry(pile).or_default(), now);
    }

    /// One job fewer.
    pub(crate) fn remove(&mut self, pile: Pile) {
        self.jobs.entry(pile).or_default().by -= 1;
    }

    /// A job went from one pile to another.
    pub(crate) fn moved(&mut self, from: Pile, to: Pile, now: Timestamp) {
        if from != to {
            self.remove(from);
            self.add(to, now);
        }
    }

    /// A call of a job in this place was refused for its pace.
    pub(crate) fn throttled(&mut self, place: Place, now: Timestamp) {
        self.add(place.throttled(), now);
    }

    /// One more input that is no job.
    pub(crate) fn add_input(&mut self, pile: InputPile, now: Timestamp) {
        grow(self.inputs.entry(pile).or_default(), now);
    }

    /// One fewer.
    pub(crate) fn remove_input(&mut self, pile: InputPile) {
        self.inputs.entry(pile).or_default().by -= 1;
    }

    /// Forgets what was to be written.
    pub(crate) fn clear(&mut self) {
        self.jobs.clear();
        self.inputs.clear();
        self.grown = Grown::default();
    }

    /// What came into piles in the transaction that has just been written.
    pub(crate) fn take_grown(&mut self) -> Grown {
        std::mem::take(&mut self.grown)
    }

    /// Forgets a batch that holds nothing.
    pub(crate) fn forget_batch(&mut self, conn: &Conn, batch: i64) -> Result<()> {
        conn.send("DELETE FROM tallies WHERE batch = $1", values![batch])?;
        conn.send("DELETE FROM input_tallies WHERE batch = $1", values![batch])?;
        self.jobs.retain(|pile, _| pile.batch != batch);
        self.inputs.retain(|pile, _| pile.batch != batch);
        Ok(())
    }

    /// By how many the unfinished jobs of batches grew since the last writing.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = (i64, i64)> {
        let unfinished = [State::Queued, State::Uncertain, State::Blocked].map(State::number);
        self.jobs
            .iter()
            .filter(move |(pile, _)| unfinished.contains(&pile.kind))
            .map(|(pile, change)| (pile.batch, change.by))
    }

    /// Writes everything.
    pub(crate) fn keep(&mut self, conn: &Conn) -> Result<()> {
        if !self.jobs.is_empty() {
            self.keep_jobs(conn)?;
        }
        if !self.inputs.is_empty() {
            self.keep_inputs(conn)?;
        }
        Ok(())
    }

    fn keep_jobs(&mut self, conn: &Conn) -> Result<()> {
        for (pile, change) in self.jobs.drain() {
            if change.came > 0 {
                self.grown.jobs.push((pile, change.came));
            }
            if change.by == 0 {
                continue;
            }
            let reason = pile.reason.map_or("", Reason::as_str);
            let code = pile.code.unwrap_or(NO_CODE);
            let Pile { batch, lane, kind, priority, .. } = pile;
            conn.send(KEEP, values![batch, lane, kind, priority, reason, code, change.by, change.latest_at])?;
        }
        Ok(())
    }

    /// What is in none any more goes: anybody may name an app or a method that there is not.
    fn keep_inputs(&mut self, conn: &Conn) -> Result<()> {
        for (pile, change) in self.inputs.drain() {
            if change.came > 0 {
                self.grown.inputs.push((pile.reason.clone(), change.came));
            }
            if change.by == 0 {
                continue;
            }
            let InputPile { batch, app, method, reason } = &pile;
            conn.send(KEEP_INPUTS, values![batch, app, method, reason, change.by, change.latest_at])?;
            if change.by < 0 {
                conn.send(SWEEP_INPUTS, values![batch, app, method, reason])?;
            }
        }
        Ok(())
    }
}

fn grow(change: &mut Change, now: Timestamp) {
    change.by += 1;
    change.came += 1;
    change.latest_at = change.latest_at.max(now.0);
}
