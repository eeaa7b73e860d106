//! What the ends of attempts need of the ledger, read for all of them at one time, before the first one is written.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::driver::{Conn, Result, Value};
use crate::ledger::books::Books;
use crate::ledger::settle::{self, STANDING_COLUMNS, Standing};
use paceline_ports::{AttemptEnd, AttemptSeq, JobSeq, Settlement};

/// An attempt about to be closed, and how the job to be settled stands.
#[derive(Clone, Copy)]
pub(super) struct Closing {
    pub(super) lane: i64,
    pub(super) purpose: i64,
    pub(super) sent_at: i64,
    pub(super) is_open: bool,
    pub(super) standing: Option<Standing>,
}

/// What was read, as long as it is so: one end may change what another one needs, and is asked anew then.
pub(super) struct Ahead {
    closing: HashMap<AttemptSeq, Closing>,
    owners: HashMap<JobSeq, Option<String>>,
    /// Objects that may have got an owner since.
    claimed: HashSet<String>,
}

impl Ahead {
    pub(super) fn of(books: &mut Books, ends: &[&AttemptEnd]) -> Result<Self> {
        books.forget_touched();
        let conn = books.conn();
        let found = closing(conn, ends)?;
        let closing = ends.iter().zip(found).filter_map(|(end, closing)| Some((end.attempt, closing?))).collect();
        let settled = ends.iter().filter_map(|end| end.settlement.as_ref());
        let claims: Vec<_> = settled.filter_map(|(seq, settlement)| Some((*seq, settle::claim(settlement)?))).collect();
        let owners = claims.iter().map(|(seq, _)| *seq).zip(settle::owners(conn, &claims)?).collect();
        Ok(Self { closing, owners, claimed: HashSet::new() })
    }

    /// The lane of an attempt.
    pub(super) fn lane(&self, end: &AttemptEnd) -> Option<i64> {
        self.closing.get(&end.attempt).map(|closing| closing.lane)
    }

    /// Those of the ends that close an attempt, each once: what comes twice finds it closed.
    pub(super) fn open<'e>(&self, ends: &[&'e AttemptEnd]) -> Vec<&'e AttemptEnd> {
        let mut open: HashSet<_> =
            self.closing.iter().filter(|(_, closing)| closing.is_open).map(|(attempt, _)| *attempt).collect();
        ends.iter().copied().filter(|end| open.remove(&end.attempt)).collect()
    }

    /// Whether something that an end before it may have changed is read for this one.
    pub(super) fn asks_anew(&self, books: &Books, end: &AttemptEnd) -> bool {
        let claims_again = |(_, settlement): &(JobSeq, Settlement)| matches!(settlement, Settlement::Succeeded { key: Some(key), .. } if self.claimed.contains(key));
        !self.closing.contains_key(&end.attempt)
            || is_touched(books, end)
            || end.settlement.as_ref().is_some_and(claims_again)
    }

    /// The attempt, as it was before these ends; `None` if there is no such.
    pub(super) fn closing(&mut self, books: &Books, end: &AttemptEnd) -> Result<Option<Closing>> {
        let known = self.closing.remove(&end.attempt);
        if known.is_some() && !is_touched(books, end) {
            return Ok(known);
        }
        let read = closing(books.conn(), &[end])?.pop().flatten();
        Ok(read.map(|read| Closing { is_open: known.is_some_and(|known| known.is_open), ..read }))
    }

    /// The id of another job that owns what this settlement claims.
    pub(super) fn owner(
        &mut self,
        books: &Books,
        seq: JobSeq,
        standing: Standing,
        settlement: &Settlement,
    ) -> Result<Option<String>> {
        let Settlement::Succeeded { key: Some(key), sole, .. } = settlement else { return Ok(None) };
        let is_new = self.claimed.insert(key.clone());
        if !sole || standing.state.is_ended() {
            return Ok(None);
        }
        match self.owners.remove(&seq) {
            Some(owner) if is_new => Ok(owner),
            Some(_) | None => settle::owner(books.conn(), seq, key),
        }
    }
}

fn is_touched(books: &Books, end: &AttemptEnd) -> bool {
    end.settlement.as_ref().is_some_and(|(seq, _)| books.is_touched(*seq))
}

fn closing(conn: &Conn, ends: &[&AttemptEnd]) -> Result<Vec<Option<Closing>>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT a.purpose, a.sent_at, a.ended_at IS NULL, a.lane, {STANDING_COLUMNS}
             FROM attempts a LEFT JOIN jobs j ON j.seq = coalesce($2, a.job) WHERE a.seq = $1"
        )
    });
    let settled = |end: &AttemptEnd| end.settlement.as_ref().map_or(Value::Null, |(seq, _)| seq.0.into());
    let asked: Vec<_> = ends.iter().map(|end| [end.attempt.0.into(), settled(end)]).collect();
    conn.query_all(&SQL, &asked, |row| {
        let is_there = row.get::<Option<i64>>(4)?.is_some();
        let standing = is_there.then(|| Standing::read(row, 4)).transpose()?;
        let (purpose, sent_at, is_open, lane) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(Closing { lane, purpose, sent_at, is_open, standing })
    })
}
