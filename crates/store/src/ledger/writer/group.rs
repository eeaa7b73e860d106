//! Changes made together: one transaction as far as it goes, and what is alike reads at one time.
//!
//! All that has queued up came from different senders, none of whom has heard of the others' yet: its order is free.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::driver::Kind;
use crate::ledger::attempts::{self, Begin, Begun, End, Stopped};
use crate::ledger::books::{Books, Trouble};
use paceline_ports::clock::Clock;
use paceline_ports::{LedgerError, Waiting};

/// A transaction takes no further change after this: a small part of any lease. A file is far quicker.
const TURN_MAX: Duration = Duration::from_millis(200);

/// Changes of one kind that are made before the turn's time is looked at again.
const ALIKE_MAX: usize = 128;

/// What somebody waits for.
pub(super) struct Asked<W, T> {
    pub(super) work: W,
    pub(super) done: Option<T>,
    pub(super) reply: oneshot::Sender<Result<T, LedgerError>>,
}

impl<W, T> Asked<W, T> {
    fn answer(self, outcome: Result<(), LedgerError>) {
        let Self { done, reply, .. } = self;
        // A sender that no longer waits has given up on the answer, not on the change.
        let _ = reply.send(outcome.and_then(|()| done.ok_or(LedgerError::Closed)));
    }
}

/// A change of the ledger, on its way to the writer. Repeatable: it is made again if the group was rolled back.
pub(super) enum Change {
    End(Box<Asked<End, Vec<Waiting>>>),
    Begin(Box<Asked<Begin, Option<Begun>>>),
    Other(Box<dyn Command>),
}

/// A change of which there are not many at a time.
pub(super) trait Command: Send {
    fn make(&mut self, books: &mut Books) -> Result<(), Trouble>;

    /// Tells the sender, after the commit or the failure.
    fn answer(self: Box<Self>, outcome: Result<(), LedgerError>);
}

impl<F, T> Command for Asked<F, T>
where
    F: FnMut(&mut Books) -> Result<T, Trouble> + Send,
    T: Send,
{
    fn make(&mut self, books: &mut Books) -> Result<(), Trouble> {
        self.done = Some((self.work)(books)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), LedgerError>) {
        Asked::answer(*self, outcome);
    }
}

impl Change {
    /// Those that are alike stand together; what ends makes room for what begins.
    const fn rank(&self) -> u8 {
        match self {
            Self::End(_) => 0,
            Self::Begin(_) => 1,
            Self::Other(_) => 2,
        }
    }

    fn answer(self, outcome: Result<(), LedgerError>) {
        match self {
            Self::End(asked) => asked.answer(outcome),
            Self::Begin(asked) => asked.answer(outcome),
            Self::Other(command) => command.answer(outcome),
        }
    }
}

/// What its sender is told of a change, if it still waits.
pub(super) struct Answer<C = Change>(C, Result<(), LedgerError>);

impl Answer {
    pub(super) fn give(self) {
        let Self(change, outcome) = self;
        change.answer(outcome);
    }
}

/// Changes that are not answered yet, in parts that are tried together, the next one last.
pub(super) struct Group<C = Change>(Vec<Vec<C>>);

impl Group {
    pub(super) fn of(mut changes: Vec<Change>) -> Self {
        changes.sort_by_key(Change::rank);
        Self::whole(changes)
    }

    /// Tries one transaction; gives the answers that are due after it.
    pub(super) fn commit(&mut self, books: &mut Books, clock: &Clock) -> Vec<Answer> {
        self.next(|changes| {
            // What fails at the end of the transaction may be any of them.
            let mut stopped = changes.len();
            let outcome = measured(books, |books| {
                let began = clock.mono();
                let is_over = || clock.mono().since(began) >= TURN_MAX;
                make(books, changes, is_over).map_err(|(at, trouble)| {
                    stopped = at;
                    trouble
                })
            });
            outcome.map_err(|trouble| (stopped, trouble))
        })
    }
}

/// Makes changes until the turn is over; says how many.
fn make(books: &mut Books, group: &mut [Change], is_over: impl Fn() -> bool) -> Result<usize, Stopped> {
    let (mut made, mut left) = (0, group);
    while let Some(first) = left.first() {
        let (rank, most) = (first.rank(), if matches!(first, Change::Other(_)) { 1 } else { ALIKE_MAX });
        let alike = left.iter().take(most).take_while(|one| one.rank() == rank).count();
        let (now, later) = left.split_at_mut(alike);
        make_alike(books, now).map_err(|(at, trouble)| (made + at, trouble))?;
        (made, left) = (made + alike, later);
        if is_over() {
            break;
        }
    }
    Ok(made)
}

/// Makes changes that are all of one kind.
fn make_alike(books: &mut Books, changes: &mut [Change]) -> Result<(), Stopped> {
    let (mut ends, mut begins) = (Vec::new(), Vec::new());
    for (at, change) in changes.iter_mut().enumerate() {
        match change {
            Change::End(asked) => ends.push(&mut **asked),
            Change::Begin(asked) => begins.push(&mut **asked),
            Change::Other(command) => command.make(books).map_err(|trouble| (at, trouble))?,
        }
    }
    make_all(ends, |ends| attempts::end_all(books, ends))?;
    make_all(begins, |begins| attempts::begin_all(books, begins))
}

fn make_all<W, T>(
    asked: Vec<&mut Asked<W, T>>,
    make: impl FnOnce(&[&W]) -> Result<Vec<T>, Stopped>,
) -> Result<(), Stopped> {
    if asked.is_empty() {
        return Ok(());
    }
    let done = make(&asked.iter().map(|one| &one.work).collect::<Vec<_>>())?;
    asked.into_iter().zip(done).for_each(|(one, done)| one.done = Some(done));
    Ok(())
}

impl<C> Group<C> {
    fn whole(changes: Vec<C>) -> Self {
        let mut group = Self(Vec::new());
        group.push(changes);
        group
    }

    fn push(&mut self, part: Vec<C>) {
        if !part.is_empty() {
            self.0.push(part);
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// Does what can be done together of the next part; `together` says how many it did, or how many went through before one
    /// did not. That one costs the others a second run, and not a transaction each: with several workers on a server each of
    /// those waits for its turn.
    fn next(&mut self, together: impl FnOnce(&mut [C]) -> Result<usize, (usize, Trouble)>) -> Vec<Answer<C>> {
        let Some(mut part) = self.0.pop() else { return Vec::new() };
        match together(&mut part) {
            Ok(done) => {
                self.push(part.split_off(done));
                part.into_iter().map(|one| Answer(one, Ok(()))).collect()
            }
            // Each alone would fail alike.
            Err((_, Trouble::Sql(error))) if error.kind() != Kind::Statement => {
                part.into_iter().map(|one| Answer(one, Err(error.clone().into()))).collect()
            }
            // The first of a transaction is as it would be alone.
            Err((ran, trouble)) if ran == 0 || part.len() == 1 => {
                self.push(part.split_off(1));
                part.pop().map(|one| Answer(one, Err(trouble.into()))).into_iter().collect()
            }
            Err((ran, _)) => {
                // If it was none of them, but the end of the transaction, half of them are one less to suspect.
                let at = if ran < part.len() { ran } else { part.len() / 2 };
                let rest = part.split_off(at);
                self.push(rest);
                self.push(part);
                Vec::new()
            }
        }
    }
}

/// One transaction, for the metrics; `work` says of how many commands. The worker's questions that change nothing are not
/// counted.
fn measured(books: &mut Books, work: impl FnOnce(&mut Books) -> Result<usize, Trouble>) -> Result<usize, Trouble> {
    let metrics = books.counted.metrics().clone();
    let (began, before) = (metrics.mono(), books.conn().changes());
    let outcome = books.transaction(work);
    match &outcome {
        Ok(commands) if books.conn().changes() != before => metrics.committed(began, *commands),
        Err(Trouble::Sql(error)) if error.kind() != Kind::Statement => metrics.commit_failed(),
        Ok(_) | Err(_) => {}
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Error;

    /// The transactions that were tried, and what each of these numbers was answered; `outcome` is of one transaction.
    fn done(
        numbers: usize,
        outcome: impl Fn(&[usize]) -> Result<usize, (usize, Trouble)>,
    ) -> (Vec<Vec<usize>>, Vec<(usize, bool)>) {
        let (mut tried, mut answered) = (Vec::new(), Vec::new());
        let mut together = |part: &mut [usize]| {
            tried.push(part.to_vec());
            outcome(part)
        };
        let mut group = Group::whole((0..numbers).collect());
        while !group.is_over() {
            let answers = group.next(&mut together);
            answered.extend(answers.into_iter().map(|Answer(one, outcome)| (one, outcome.is_ok())));
        }
        (tried, answered)
    }

    fn refused() -> Trouble {
        Trouble::NotOwner("another worker has it".to_owned())
    }

    #[test]
    fn one_that_cannot_be_done_costs_the_others_no_transaction_each() {
        let at =
            |part: &[usize]| part.iter().position(|one| *one == 2).map_or(Ok(part.len()), |at| Err((at, refused())));
        let (tried, answered) = done(500, at);
        assert_eq!(tried.len(), 4, "all, those before it, it and the rest, the rest");
        assert_eq!(answered, (0..500).map(|one| (one, one != 2)).collect::<Vec<_>>(), "in order, each once");
    }

    #[test]
    fn of_many_that_cannot_be_done_each_is_tried_as_the_first_of_a_transaction() {
        let (tried, answered) = done(4, |_| Err((0, refused())));
        assert_eq!(tried, [vec![0, 1, 2, 3], vec![1, 2, 3], vec![2, 3], vec![3]]);
        assert_eq!(answered, [(0, false), (1, false), (2, false), (3, false)]);
    }

    #[test]
    fn what_fails_only_at_the_end_of_a_transaction_is_found() {
        let at_the_end = |part: &[usize]| if part.contains(&3) { Err((part.len(), refused())) } else { Ok(part.len()) };
        let (_, answered) = done(5, at_the_end);
        assert_eq!(answered, [(0, true), (1, true), (2, true), (3, false), (4, true)]);
    }

    #[test]
    fn a_group_that_takes_too_long_goes_on_in_the_next_transaction() {
        let (tried, answered) = done(5, |part| Ok(part.len().min(2)));
        assert_eq!(tried, [vec![0, 1, 2, 3, 4], vec![2, 3, 4], vec![4]]);
        assert_eq!(answered, (0..5).map(|one| (one, true)).collect::<Vec<_>>());
    }

    #[test]
    fn a_ledger_that_is_away_is_asked_once() {
        let away = |_: &[usize]| Err((1, Trouble::Sql(Error::new(Kind::Environment, "away"))));
        let (tried, answered) = done(3, away);
        assert_eq!((tried.len(), answered), (1, vec![(0, false), (1, false), (2, false)]));
    }
}
