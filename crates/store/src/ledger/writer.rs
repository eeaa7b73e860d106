//! The one writer: whatever has queued up while a transaction ran goes into the next one together.
//!
//! No timer: a lone command is committed at once, and under load the groups grow by themselves. The transactions run
//! in tokio's blocking pool, not on a thread of their own: a test's paused clock stands still while they run.
//!
//! On a server, whoever writes keeps the others waiting. So a group whose statements are slow ends early, and the rest of it
//! comes in the next turn. What is alike reads at one time ([`group`]).
//!
//! Decisions: docs/decisions/0070-changes-are-sent-ahead.md, docs/decisions/0071-alike-at-once.md

mod group;

use tokio::sync::{mpsc, oneshot};

use self::group::{Answer, Asked, Change, Group};
use super::attempts::{Begin, Begun, End};
use super::books::{Books, Trouble};
use crate::sqlite::lock::WorkerLock;
use paceline_ports::clock::Clock;
use paceline_ports::{LedgerError, Waiting};

/// Commands in one transaction at most: bounds how long the first one waits for its answer.
const GROUP_MAX: usize = 1_024;

/// Commands that may queue up before their senders wait.
const QUEUE_MAX: usize = 1_024;

enum Message {
    Change(Change),
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
        self.ask(work, |asked| Change::Other(asked)).await
    }

    /// Records an attempt; `None` if its job does not wait.
    pub(crate) async fn begin(&self, begin: Begin) -> Result<Option<Begun>, LedgerError> {
        self.ask(begin, Change::Begin).await
    }

    /// Closes an attempt; gives the jobs that can be sent now.
    pub(crate) async fn end(&self, end: End) -> Result<Vec<Waiting>, LedgerError> {
        self.ask(end, Change::End).await
    }

    async fn ask<W, T>(&self, work: W, change: impl FnOnce(Box<Asked<W, T>>) -> Change) -> Result<T, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Change(change(Box::new(Asked { work, done: None, reply })));
        self.queue.send(message).await.map_err(|_| LedgerError::Closed)?;
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
        let mut group = Group::of(group);
        while !group.is_over() {
            let clock = clock.clone();
            let turn = tokio::task::spawn_blocking(move || {
                let answers = group.commit(&mut books, &clock);
                (books, group, answers)
            });
            // A panic in a command loses the connection: better closed than half remembered.
            let Ok((kept, left, answers)) = turn.await else { return };
            (books, group) = (kept, left);
            // Not in the turn's thread: to wake a task from outside the runtime costs more, and so does memory that one
            // thread takes and another frees.
            answers.into_iter().for_each(Answer::give);
            // What they ask next goes into one turn.
            tokio::task::yield_now().await;
        }
        if let Some(reply) = closing {
            messages.close();
            let _ = tokio::task::spawn_blocking(move || drop(books)).await;
            drop(lock);
            let _ = reply.send(());
            return;
        }
    }
}
