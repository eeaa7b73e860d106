//! The program as its users start it, beside the test.

use std::process::{Child, Command, ExitStatus, Stdio};

use super::{until, until_async};
use crate::commands::Place;

const SECRET: (&str, &str) = ("ACME_SECRET", "hunter2");

/// A worker in a process of its own, which logs into a file.
pub(crate) struct Process<'p> {
    child: Child,
    place: &'p Place,
    log: String,
}

impl<'p> Process<'p> {
    pub(crate) fn start(place: &'p Place, arguments: &[&str]) -> Self {
        let log = format!("{}.log", arguments[0]);
        let file = std::fs::File::create(place.path().join(&log)).unwrap();
        let mut command: Command = place.command(arguments);
        let child = command.env(SECRET.0, SECRET.1).stderr(file).stdout(Stdio::null()).spawn().unwrap();
        Self { child, place, log }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join(&self.log)).unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits until the log says all of this, and nothing has ended.
    pub(crate) async fn says(&mut self, wanted: &[&str]) {
        until_async(&format!("{wanted:?} in the log"), async || {
            let (log, ended) = (self.log(), self.child.try_wait().unwrap());
            let is_there = wanted.iter().all(|words| log.contains(words));
            assert!(is_there || ended.is_none(), "it ended ({ended:?}) and said:\n{log}");
            is_there
        })
        .await;
        assert!(!self.log().contains(SECRET.1), "{}", self.log());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) async fn ends_with(&mut self, code: i32) {
        assert_eq!(self.ends().await.code(), Some(code), "{}", self.log());
    }

    /// Waits for its end, however it comes.
    pub(crate) async fn ends(&mut self) -> ExitStatus {
        let mut ended = None;
        until("its end", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        })
        .await;
        ended.unwrap()
    }
}

impl Drop for Process<'_> {
    fn drop(&mut self) {
        // It has ended already unless its test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
