//! Dead letters: jobs that ended without success, and inputs that never became jobs.

use std::sync::LazyLock;

use super::repeats::is_content;
use super::{CHUNK, Operator, groups, piles};
use crate::document::{self, ENDING_COLUMNS, ENDING_COLUMNS_LEN, REJECTED_COLUMNS, REJECTED_COLUMNS_LEN};
use crate::driver::{self, Conn, Row, values};
use crate::facts;
use crate::ledger::books::{Books, Trouble};
use crate::ledger::chains::{self, Start};
use crate::ledger::job_row::{self, JOB_COLUMNS, JOB_TABLES, JobRow, JobText};
use crate::ledger::seal::Place as Sealed;
use crate::ledger::tallies::{
    INPUT_PILE_COLUMNS, InputPile, PILE_COLUMNS, PILE_COLUMNS_LEN, Pile, Place, read_pile, reason_of,
};
use crate::state::State;
use paceline_domain::activity::{Action, Facts};
use paceline_domain::job::Job;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_ports::operator::{
    DeadCommands, DeadGroup, DeadLine, DeadReports, Edit, Letter, LetterKind, Page, Rejected, RejectedInput, Selection,
    Upkeep as _, number,
};
use paceline_ports::{AmqpOrigin, JobSeq, LedgerError, Origin};

/// Dead letters of a long list read at one time.
const PAGE: usize = 10_000;
/// Where a list has come to the inputs: above every number of a job.
const INPUTS: i64 = 1 << 62;

impl DeadReports for Operator {
    fn list_dead(&self, selection: &Selection, limit: usize) -> Result<Vec<DeadLine>, LedgerError> {
        self.refuse_ambiguous(selection)?;
        let (mut lines, mut after) = (Vec::new(), 0);
        while lines.len() < limit {
            let page = self.page_dead(selection, after, (limit - lines.len()).min(PAGE))?;
            lines.extend(page.lines);
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        Ok(lines)
    }

    fn page_dead(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<DeadLine>, LedgerError> {
        let dead = selection.in_state(State::Dead);
        self.read_at_once(|conn| {
            let (mut lines, mut after) = (Vec::new(), after);
            if after < INPUTS {
                let Page { lines: seqs, next } = piles::jobs(conn, &dead, after, limit)?;
                lines = seqs.iter().map(|seq| dead_job(conn, *seq)).collect::<driver::Result<_>>()?;
                if next.is_some() {
                    return Ok(Page { lines, next });
                }
                after = INPUTS;
            }
            let Page { lines: seqs, next } = piles::inputs(conn, &dead, after - INPUTS, limit - lines.len())?;
            for seq in &seqs {
                lines.push(dead_input(conn, *seq)?);
            }
            // A page that the jobs have filled leaves no room to see whether there are inputs.
            let is_full = lines.len() == limit && seqs.is_empty();
            let more = is_full && !piles::inputs(conn, &dead, after - INPUTS, 1)?.lines.is_empty();
            Ok(Page { lines, next: next.map(|next| INPUTS + next).or(more.then_some(after)) })
        })
    }

    fn page_dead_inputs(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<DeadLine>, LedgerError> {
        let dead = selection.in_state(State::Dead);
        self.read_at_once(|conn| {
            let Page { lines: seqs, next } = piles::inputs(conn, &dead, after, limit)?;
            let lines = seqs.iter().map(|seq| dead_input(conn, *seq)).collect::<driver::Result<_>>()?;
            Ok(Page { lines, next })
        })
    }

    fn select_dead(&self, selection: &Selection) -> Result<Vec<Letter>, LedgerError> {
        self.refuse_ambiguous(selection)?;
        let dead = selection.in_state(State::Dead);
        self.read_at_once(|conn| {
            let mut letters = Vec::new();
            let mut after = Some(0);
            while let Some(from) = after {
                let Page { lines: seqs, next } = piles::jobs(conn, &dead, from, PAGE)?;
                for seq in seqs {
                    letters.push(letter_of_job(conn, seq)?);
                }
                after = next;
            }
            for seq in piles::inputs(conn, &dead, 0, usize::MAX)?.lines {
                letters.push(letter_of_input(conn, seq)?);
            }
            Ok(letters)
        })
    }

    fn rejected_input(&self, letter: &Letter) -> Result<Option<RejectedInput>, LedgerError> {
        let Some(seq) = letter.input() else { return Ok(None) };
        self.read(|conn| rejected_input(conn, seq))
    }

    fn input(&self, line: &DeadLine) -> Result<Option<RejectedInput>, LedgerError> {
        let Some(seq) = number(&line.handle).filter(|_| line.is_input) else { return Ok(None) };
        self.read(|conn| rejected_input(conn, seq))
    }

    fn newest_inputs(
        &self,
        selection: &Selection,
        group: &DeadGroup,
        limit: usize,
    ) -> Result<Vec<RejectedInput>, LedgerError> {
        let dead = selection.in_state(State::Dead);
        self.read_at_once(|conn| {
            let mut seqs = Vec::new();
            for (pile, _) in piles::input_piles(conn, &dead)? {
                if groups::has_inputs_of(group, &pile) {
                    seqs.extend(groups::newest_inputs(conn, &pile, limit)?);
                }
            }
            seqs.sort_unstable_by_key(|seq| std::cmp::Reverse(*seq));
            seqs.into_iter().take(limit).filter_map(|seq| rejected_input(conn, seq).transpose()).collect()
        })
    }

    fn is_conflict(&self, id: &str, hash: [u8; 32]) -> Result<bool, LedgerError> {
        const SQL: &str = "SELECT hash, edited_hash FROM jobs WHERE id = $1";
        self.books.seal()?;
        let is_same = self.read(|conn| conn.query_opt(SQL, values![id], |row| is_content(conn, row, 0, &hash)))?;
        Ok(is_same == Some(false))
    }

    fn dead_groups(&self, selection: &Selection) -> Result<Vec<DeadGroup>, LedgerError> {
        self.read_at_once(|conn| groups::read(conn, selection))
    }

    fn dead_job(&self, letter: &Letter) -> Result<Option<Job>, LedgerError> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!(
                "SELECT {JOB_COLUMNS} FROM {JOB_TABLES} WHERE j.seq = $1 AND j.state = 3 AND coalesce(j.ended_at, 0) = $2"
            )
        });
        let Some((seq, ended_at)) = letter.job() else { return Ok(None) };
        let row =
            self.read(|conn| conn.query_opt(&SQL, values![seq, ended_at], |row| JobRow::read(row, conn.seal())))?;
        row.map(JobRow::parse).transpose()
    }

    fn with_dependents(&self, letters: Vec<Letter>) -> Result<Vec<Letter>, LedgerError> {
        self.read_at_once(|conn| super::chains::with_dependents(conn, letters))
    }

    fn rejection_of(&self, id: &str) -> Result<Option<Rejected>, LedgerError> {
        let newest = "SELECT seq, reason, detail FROM rejected WHERE id = $1 ORDER BY seq DESC LIMIT 1";
        self.read(|conn| {
            conn.query_opt(newest, values![id], |row| {
                Ok(Rejected { number: row.get(0)?, reason: row.get(1)?, detail: facts::cause_of(row.get(2)?) })
            })
        })
    }
}

impl DeadCommands for Operator {
    fn redrive(&mut self, letters: &[Letter]) -> Result<Vec<JobSeq>, LedgerError> {
        let (mut redriven, now) = (Vec::new(), self.clock.now());
        for chunk in letters.chunks(CHUNK) {
            let deed = self.deed(Action::Redrive, named(chunk));
            redriven.extend(self.change(&deed, |books| {
                let mut queued = Vec::new();
                for letter in chunk {
                    queued.extend(requeue(books, letter, now)?);
                }
                let count = queued.len();
                Ok((queued, count))
            })?);
        }
        Ok(redriven)
    }

    fn drop_dead(&mut self, selection: &Selection) -> Result<usize, LedgerError> {
        let letters = self.select_dead(selection)?;
        self.drop_letters(&letters)
    }

    fn drop_letters(&mut self, letters: &[Letter]) -> Result<usize, LedgerError> {
        let mut dropped = 0;
        for chunk in letters.chunks(CHUNK) {
            let deed = self.deed(Action::Drop, named(chunk));
            dropped += self.change(&deed, |books| {
                let gone = forget_all(books, chunk)?;
                Ok((gone, gone))
            })?;
        }
        Ok(dropped)
    }

    fn replaced(&mut self, letter: &Letter) -> Result<(), LedgerError> {
        self.tend(|books| forget_all(books, std::slice::from_ref(letter)))?;
        Ok(())
    }

    fn edit_dead(&mut self, edits: Vec<Edit>, now: Timestamp) -> Result<(usize, Vec<JobSeq>), LedgerError> {
        let (mut written, mut redriven) = (0, Vec::new());
        // Texts are made before the writer's turn.
        let texts: Vec<_> = edits.into_iter().map(|edit| (edit.letter, JobText::of(edit.job), edit.redrive)).collect();
        for chunk in texts.chunks(CHUNK) {
            let ids = chunk.iter().map(|(letter, ..)| letter.handle.as_str());
            let by = self.deed(Action::Edit, Facts::ids(ids));
            let (count, seqs) = self.change(&by, |books| {
                let (mut count, mut seqs) = (0, Vec::new());
                for (letter, text, redrive) in chunk {
                    let Some(dead) = still_dead(books, letter)? else { continue };
                    job_row::rewrite(books, JobSeq(dead.seq), text, now)?;
                    count += 1;
                    if *redrive {
                        seqs.extend(requeue(books, letter, now)?);
                    }
                }
                Ok(((count, seqs), count))
            })?;
            written += count;
            redriven.extend(seqs);
        }
        Ok((written, redriven))
    }
}

impl Operator {
    /// A job may have an id that looks like the number of an input: nothing is done before it is clear which is meant.
    fn refuse_ambiguous(&self, selection: &Selection) -> Result<(), LedgerError> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM jobs WHERE id = $1 AND state = $2)
             AND EXISTS (SELECT 1 FROM rejected WHERE seq = $3)";
        for id in &selection.ids {
            let Some(number) = number(id) else { continue };
            if self.read(|conn| conn.query_value(SQL, values![id, State::Dead.number(), number]))? {
                return Err(LedgerError::Refused(format!(
                    "{id} is the id of a dead job, and the number of an input that never became a job: name the job as \
                     job:{id}, the input as input:{id}"
                )));
            }
        }
        Ok(())
    }
}

/// How a change names letters.
pub(super) fn named(letters: &[Letter]) -> Facts {
    Facts::ids(letters.iter().map(|letter| letter.handle.as_str()))
}

fn forget_all(books: &mut Books, letters: &[Letter]) -> Result<usize, Trouble> {
    let mut gone = 0;
    for letter in letters {
        gone += usize::from(forget(books, letter)?);
    }
    Ok(gone)
}

fn dead_job(conn: &Conn, seq: i64) -> driver::Result<DeadLine> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {ENDING_COLUMNS}, j.place FROM jobs j JOIN lanes l ON l.lane = j.lane
                 LEFT JOIN batches b ON b.batch = j.batch WHERE j.seq = $1"
        )
    });
    conn.query_one(&SQL, values![seq], |row| {
        let ending = document::of_job(row)?;
        let handle = ending.id.clone().unwrap_or_default();
        let place = row.get(ENDING_COLUMNS_LEN)?;
        Ok(DeadLine { handle, place, delivered: None, is_input: false, document: ending.document_with_facts() })
    })
}

fn dead_input(conn: &Conn, seq: i64) -> driver::Result<DeadLine> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {REJECTED_COLUMNS}, r.place, r.amqp FROM rejected r LEFT JOIN batches b ON b.batch = r.batch
             WHERE r.seq = $1"
        )
    });
    conn.query_one(&SQL, values![seq], |row| {
        let place = row.get(REJECTED_COLUMNS_LEN).map(|place: String| Some(place).filter(|place| !place.is_empty()))?;
        let delivered = amqp_of(row, REJECTED_COLUMNS_LEN + 1)?.and_then(|amqp| amqp.delivered);
        let document = document::of_rejected(row)?.document_with_facts();
        Ok(DeadLine { handle: format!("#{seq}"), place, delivered, is_input: true, document })
    })
}

fn rejected_input(conn: &Conn, seq: i64) -> driver::Result<Option<RejectedInput>> {
    const SQL: &str = "SELECT r.id, r.method, r.app, b.name, r.detail, r.raw, r.amqp, r.place, r.cells
         FROM rejected r LEFT JOIN batches b ON b.batch = r.batch WHERE r.seq = $1";
    conn.query_opt(SQL, values![seq], |row| {
        let raw = conn.seal().opened_bytes(row.get(5)?, Sealed::rejected_raw(&seq.to_string()))?;
        let (amqp, place, cells) = (amqp_of(row, 6)?, row.get(7)?, row.get(8)?);
        Ok(RejectedInput {
            id: row.get(0)?,
            method: row.get(1)?,
            app: row.get(2)?,
            batch: row.get(3)?,
            detail: facts::cause_of(row.get(4)?),
            origin: Origin { raw: raw.into(), amqp, place, cells, ..Origin::default() },
        })
    })
}

fn amqp_of(row: &Row<'_>, column: usize) -> driver::Result<Option<AmqpOrigin>> {
    let amqp: Option<String> = row.get(column)?;
    Ok(amqp.and_then(|text| serde_json::from_str(&text).ok()))
}

pub(super) fn letter_of_job(conn: &Conn, seq: i64) -> driver::Result<Letter> {
    const SQL: &str = "SELECT j.id, j.reason, j.code, l.method, j.not_after, coalesce(j.ended_at, 0)
         FROM jobs j JOIN lanes l ON l.lane = j.lane WHERE j.seq = $1";
    conn.query_one(SQL, values![seq], |row| {
        Ok(Letter {
            handle: row.get(0)?,
            reason: reason_of(row.get(1)?)?.unwrap_or(Reason::Malformed),
            code: row.get(2)?,
            method: row.get(3)?,
            not_after: row.get(4)?,
            kind: LetterKind::Job { seq, ended_at: row.get(5)? },
        })
    })
}

fn letter_of_input(conn: &Conn, seq: i64) -> driver::Result<Letter> {
    conn.query_one("SELECT reason, method FROM rejected WHERE seq = $1", values![seq], |row| {
        Ok(Letter {
            handle: format!("#{seq}"),
            reason: reason_of(row.get(0)?)?.unwrap_or(Reason::Malformed),
            code: None,
            method: row.get(1)?,
            not_after: None,
            kind: LetterKind::Input { seq },
        })
    })
}

/// Puts one job back to work, if it still is the dead one that was selected; one that waits for others waits for them anew.
pub(super) fn requeue(books: &mut Books, letter: &Letter, now: Timestamp) -> Result<Option<JobSeq>, Trouble> {
    let Some(Dead { seq, pile, priority, outbox }) = still_dead(books, letter)? else { return Ok(None) };
    forget_publication(books, outbox)?;
    let state = chains::state_of(books.conn(), JobSeq(seq))?;
    books.conn().send(
        "UPDATE jobs SET state = $2, attempts = 0, filled = NULL, ended_at = NULL, outbox = NULL,
             reason = NULL, http_status = NULL, code = NULL, detail = NULL, cure = NULL, log_id = NULL
         WHERE seq = $1",
        values![seq, state.number()],
    )?;
    let place = Place { batch: pile.batch, lane: pile.lane, priority };
    books.tallies.moved(pile, place.pile(state, None, None), Timestamp(0));
    if state == State::Blocked {
        chains::start(books, JobSeq(seq), Start::Again, now)?;
    } else {
        books.announce(JobSeq(seq), pile.lane)?;
    }
    Ok(Some(JobSeq(seq)))
}

/// A dead job as its removal needs it.
pub(super) struct Dead {
    pub(super) seq: i64,
    pile: Pile,
    priority: i64,
    outbox: Option<i64>,
}

/// The job, if it still is the dead one that was selected.
pub(super) fn still_dead(books: &Books, letter: &Letter) -> Result<Option<Dead>, Trouble> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {PILE_COLUMNS}, j.outbox FROM jobs j
             WHERE j.seq = $1 AND j.state = 3 AND coalesce(j.ended_at, 0) = $2"
        )
    });
    let Some((seq, ended_at)) = letter.job() else { return Ok(None) };
    Ok(books.conn().query_opt(&SQL, values![seq, ended_at], |row| {
        Ok(Dead { seq, pile: read_pile(row)?, priority: row.get(2)?, outbox: row.get(PILE_COLUMNS_LEN)? })
    })?)
}

fn forget(books: &mut Books, letter: &Letter) -> Result<bool, Trouble> {
    static SQL: LazyLock<String> =
        LazyLock::new(|| format!("SELECT {INPUT_PILE_COLUMNS} FROM rejected WHERE seq = $1"));
    if let Some(Dead { seq, pile, outbox, .. }) = still_dead(books, letter)? {
        forget_publication(books, outbox)?;
        books.conn().send("DELETE FROM jobs WHERE seq = $1", values![seq])?;
        books.tallies.remove(pile);
        return Ok(true);
    }
    let Some(seq) = letter.input() else { return Ok(false) };
    let Some(pile) = books.conn().query_opt(&SQL, values![seq], InputPile::read)? else { return Ok(false) };
    books.conn().send("DELETE FROM outbox WHERE rejected = $1", values![seq])?;
    books.conn().send("DELETE FROM rejected WHERE seq = $1", values![seq])?;
    books.tallies.remove_input(pile);
    Ok(true)
}

/// A dead letter that is still on its way is no longer true.
fn forget_publication(books: &Books, outbox: Option<i64>) -> Result<(), Trouble> {
    if let Some(outbox) = outbox {
        books.conn().send("DELETE FROM outbox WHERE seq = $1", values![outbox])?;
    }
    Ok(())
}
