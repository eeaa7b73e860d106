//! Notices soon that another process put jobs to work.
//!
//! A thread asks SQLite whether the file has another content than before, which it knows from the log's index in memory;
//! only then it looks for such jobs. It is a thread and not a task, because it is about other processes: a test's paused
//! clock has nothing to do with them.
//!
//! Decision: docs/decisions/0022-commands-reach-the-worker-through-the-ledger.md

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::Notify;

use super::beside::Beside;
use crate::driver::{Conn, Result};
use crate::sqlite::file;
use paceline_ports::location::Location;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The watch over one file; begins when somebody first waits for it.
pub(crate) struct Watch {
    location: Location,
    changed: Arc<Notify>,
    /// If it panics, nobody is told of changes, and the worker looks for itself.
    thread: Beside,
}

impl Watch {
    pub(crate) fn of(location: Location) -> Self {
        Self { location, changed: Arc::default(), thread: Beside::named("ledger watch") }
    }

    /// Waits until another process put a job to work.
    pub(crate) async fn until_changed(&self) {
        self.start();
        self.changed.notified().await;
    }

    /// Ends it, and returns when its connection is closed.
    pub(crate) fn close(&self) {
        self.thread.close();
    }

    fn start(&self) {
        if self.location.server.is_some() {
            // The engine's own look now and then is soon enough.
            return;
        }
        let (location, changed) = (self.location.clone(), Arc::clone(&self.changed));
        self.thread.start(move |is_over| {
            // Without it other processes' jobs are found all the same, a little later.
            if let Ok(conn) = file::open_reader(&location) {
                let _ = watch(&conn, &changed, is_over);
            }
        });
    }
}

fn watch(conn: &Conn, changed: &Notify, is_over: &Receiver<()>) -> Result<()> {
    let mut seen = None;
    while is_over.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        let version: i64 = conn.query_value("PRAGMA data_version", &[])?;
        // The worker's own commits are changes too: then it looks, and finds nothing.
        if seen.replace(version) != Some(version) && conn.query_value("SELECT EXISTS (SELECT 1 FROM changed)", &[])? {
            changed.notify_one();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::contract::{T0, job};
    use crate::ledger::{Mode, SqlStore};
    use paceline_ports::{Arrival, Domain, Intake, Origin};

    #[tokio::test]
    async fn a_job_of_another_process_is_told_of_and_an_own_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let worker = SqlStore::open(&path, Mode::Worker, T0).unwrap();
        let other = SqlStore::open(&path, Mode::Operator, T0).unwrap();
        let arrival = |id: &str| vec![Arrival { input: Ok(Box::new(job(id))), origin: Origin::default() }];
        worker.take_over(arrival("own"), T0).await.unwrap();
        let domain = worker.domain();
        let told = domain.until_changed();
        tokio::pin!(told);
        tokio::select! {
            biased;
            () = &mut told => panic!("told of its own job"),
            taken = other.take_over(arrival("other"), T0) => drop(taken.unwrap()),
        }
        told.await;
        let found = worker.domain().changed().await.unwrap();
        assert_eq!(found.waiting.len(), 1, "{found:?}");
        worker.close().await;
        other.close().await;
    }
}
