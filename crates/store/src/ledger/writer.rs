//! The one writer: whatever has queued up while a transaction ran goes into the next one together.
//!
//! No timer: a lone command is committed at once, and under load the groups grow by themselves. The transactions run
//! in tokio's blocking pool, not on a thread of their own: a test's paused clock stands still while they run.
//!
//! On a server, whoever writes keeps the others waiting, and a lease is not renewed before the transaction that relies on
//! it ends. So a group whose statements are slow ends early, and the rest of it comes in the next turn.
//!
//! Decision: docs/decisions/0070-changes-are-sent-ahead.md

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::books::{Books, Trouble};
use crate::driver::Kind;
use crate::sqlite::lock::WorkerLock;
use paceline_ports::LedgerError;
use paceline_ports::clock::Clock;

/// A transaction takes no further command after this: a small part of any lease. A file is far quicker.
const TURN_MAX: Duration = Duration::from_millis(200);

/// Commands in one transaction at most: bounds how long the first one waits for its answer.
const GROUP_MAX: usize = 1_024;

/// Commands that may queue up before their senders wait.
const QUEUE_MAX: usize = 1_024;

/// A change of the ledger, on its way to the writer.
trait Command: Send {
    /// Makes the change. Runs again, alone, if the group was rolled back.
    fn run(&mut self, books: &mut Books) -> Result<(), Trouble>;

    /// Tells the sender, after the commit or the failure.
    fn answer(self: Box<Self>, outcome: Result<(), LedgerError>);
}

struct Asked<F, T> {
    work: F,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, LedgerError>>,
}

impl<F, T> Command for Asked<F, T>
where
    F: FnMut(&mut Books) -> Result<T, Trouble> + Send,
    T: Send,
{
    fn run(&mut self, books: &mut Books) -> Result<(), Trouble> {
        self.done = Some((self.work)(books)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), LedgerError>) {
        let Self { done, reply, .. } = *self;
        // A sender that no longer waits has given up on the answer, not on the change.
        let _ = reply.send(outcome.and_then(|()| done.ok_or(LedgerError::Closed)));
    }
}

enum Message {
    Change(Box<dyn Command>),
    Close(oneshot::Sender<()>),
}

/// The way to the writer.
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
}

impl Writer {
    /// Starts the writer on this runtime. The lock is held until its last transaction is over.
    pub(crate) fn start(books: Books, lock: Option<WorkerLock>) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(write(messages, Box::new(books), lock));
        Self { queue }
    }

    /// Makes a change and returns after its commit. `work` must be repeatable: a group that fails is run one by one.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Books) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let command = Box::new(Asked { work, done: None, reply });
        self.queue.send(Message::Change(command)).await.map_err(|_| LedgerError::Closed)?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    /// Waits for what has queued up, closes the file and lets go of the lock.
    pub(crate) async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.queue.send(Message::Close(reply)).await.is_ok() {
            // An error says that the writer has ended already, which is what was asked for.
            let _ = closed.await;
        }
    }
}

async fn write(mut messages: mpsc::Receiver<Message>, mut books: Box<Books>, lock: Option<WorkerLock>) {
    let clock = Clock::system();
    let mut inbox = Vec::with_capacity(GROUP_MAX);
    while messages.recv_many(&mut inbox, GROUP_MAX).await > 0 {
        let mut group = Vec::with_capacity(inbox.len());
        let mut closing = None;
        for message in inbox.drain(..) {
            match message {
                // What comes after a close finds its answer dropped: closed.
                Message::Change(_) if closing.is_some() => {}
                Message::Change(command) => group.push(command),
                Message::Close(reply) => closing = Some(reply),
            }
        }
        let clock = clock.clone();
        let job = tokio::task::spawn_blocking(move || {
            commit(&mut books, &clock, group);
            books
        });
        // A panic in a command loses the connection: better closed than half remembered.
        let Ok(kept) = job.await else { return };
        books = kept;
        if let Some(reply) = closing {
            messages.close();
            let _ = tokio::task::spawn_blocking(move || drop(books)).await;
            drop(lock);
            let _ = reply.send(());
            return;
        }
    }
}

/// Commits the commands together, as far as they can be, and answers them.
fn commit(books: &mut Books, clock: &Clock, group: Vec<Box<dyn Command>>) {
    let together = |group: &mut [Box<dyn Command>]| {
        let mut ran = 0;
        let outcome = measured(books, |books| {
            let began = clock.mono();
            for command in group {
                command.run(books)?;
                ran += 1;
                if clock.mono().since(began) >= TURN_MAX {
                    break;
                }
            }
            Ok(ran)
        });
        outcome.map_err(|trouble| (ran, trouble))
    };
    in_order(group, together, |command: Box<dyn Command>, outcome| command.answer(outcome));
}

/// Does what can be done together, in order; `together` says how many it did, or how many went through before one did not.
/// That one costs the others a second run, and not a transaction each: with several workers on a server each of those waits
/// for its turn.
fn in_order<C>(
    group: Vec<C>,
    mut together: impl FnMut(&mut [C]) -> Result<usize, (usize, Trouble)>,
    mut answer: impl FnMut(C, Result<(), LedgerError>),
) {
    let mut parts = vec![group];
    while let Some(mut part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        match together(&mut part) {
            Ok(done) => {
                parts.push(part.split_off(done));
                for one in part {
                    answer(one, Ok(()));
                }
            }
            // Each alone would fail alike.
            Err((_, Trouble::Sql(error))) if error.kind() != Kind::Statement => {
                for one in part {
                    answer(one, Err(error.clone().into()));
                }
            }
            // The first of a transaction is as it would be alone.
            Err((ran, trouble)) if ran == 0 || part.len() == 1 => {
                let rest = part.split_off(1);
                let mut trouble = Some(trouble);
                for one in part {
                    answer(one, Err(trouble.take().map_or(LedgerError::Closed, LedgerError::from)));
                }
                parts.push(rest);
            }
            Err((ran, _)) => {
                // If it was none of them, but the end of the transaction, half of them are one less to suspect.
                let at = if ran < part.len() { ran } else { part.len() / 2 };
                let rest = part.split_off(at);
                parts.extend([rest, part]);
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
        let together = |part: &mut [usize]| {
            tried.push(part.to_vec());
            outcome(part)
        };
        in_order((0..numbers).collect(), together, |one, outcome| answered.push((one, outcome.is_ok())));
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
