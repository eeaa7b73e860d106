//! The one writer: whatever has queued up while a transaction ran goes into the next one together.
//!
//! No timer: a lone command is committed at once, and under load the groups grow by themselves. The transactions run
//! in tokio's blocking pool, not on a thread of their own: a test's paused clock stands still while they run.

use tokio::sync::{mpsc, oneshot};

use super::books::{Books, Trouble};
use crate::driver::Kind;
use crate::sqlite::lock::WorkerLock;
use paceline_ports::LedgerError;

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
        let job = tokio::task::spawn_blocking(move || {
            commit(&mut books, group);
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

/// Commits the commands together, or each alone if that fails, and answers them.
fn commit(books: &mut Books, mut group: Vec<Box<dyn Command>>) {
    let commands = group.len();
    let together = measured(books, commands, |books| group.iter_mut().try_for_each(|command| command.run(books)));
    match together {
        Ok(()) => group.into_iter().for_each(|command| command.answer(Ok(()))),
        // Each alone would fail alike.
        Err(Trouble::Sql(error)) if error.kind() != Kind::Statement => {
            for command in group {
                command.answer(Err(error.clone().into()));
            }
        }
        Err(trouble) if group.len() == 1 => {
            let mut error = Some(LedgerError::from(trouble));
            for command in group {
                command.answer(Err(error.take().unwrap_or(LedgerError::Closed)));
            }
        }
        Err(_) => {
            for mut command in group {
                let alone = measured(books, 1, |books| command.run(books));
                command.answer(alone.map_err(LedgerError::from));
            }
        }
    }
}

/// One transaction of so many commands, for the metrics; the worker's questions that change nothing are not counted.
fn measured<T>(
    books: &mut Books,
    commands: usize,
    work: impl FnOnce(&mut Books) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let metrics = books.counted.metrics().clone();
    let (began, before) = (metrics.mono(), books.conn().changes());
    let outcome = books.transaction(work);
    match &outcome {
        Ok(_) if books.conn().changes() != before => metrics.committed(began, commands),
        Err(Trouble::Sql(error)) if error.kind() != Kind::Statement => metrics.commit_failed(),
        Ok(_) | Err(_) => {}
    }
    outcome
}
