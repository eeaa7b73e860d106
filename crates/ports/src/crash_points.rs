//! Named points at which a test lets the process die on the spot: in builds with debug assertions, and in no release.
//!
//! `PACELINE_CRASH_AT=after-send:3` ends the process when it comes to that point for the third time. It ends by `abort`:
//! no destructor runs, nothing is flushed, no other task takes another step. That is what SIGKILL does; but a SIGKILL
//! that a process sends itself needs `unsafe` or a child, and a child comes milliseconds late.
//!
//! Decision: docs/decisions/0034-a-crash-point-aborts.md

#[cfg(debug_assertions)]
pub use self::armed::{during, reach};
#[cfg(not(debug_assertions))]
pub use self::unarmed::{during, reach};

/// Every point there is, in the order of a job's way.
pub const POINTS: &[&str] = &[
    // A start: open attempts are closed, windows not rebuilt; then windows rebuilt, lanes empty.
    "during-recovery",
    "after-recovery",
    // Rows of a file are in the ledger; more may be to come, and none is worked.
    "after-file-rows",
    // In the ledger, not acked.
    "after-take-over",
    // Permit and access token are there, nothing is recorded.
    "after-permit",
    // Any transaction of the ledger: written, not committed.
    "before-commit",
    // The attempt stands in the ledger, nothing has left.
    "after-record",
    // The request has left, no reply is there.
    "after-send",
    // The reply is there, nothing is recorded.
    "after-reply",
    // The ending and its outbox row are committed, nobody else knows.
    "after-settlement",
    // Read from the outbox, not published.
    "before-publish",
    // Published, not confirmed.
    "after-publish",
    // Confirmed, still in the outbox.
    "after-confirm",
    // Calls of the worker's own.
    "during-token",
    "during-look-up",
    // A look-up has told what became of a call, nothing is recorded.
    "after-look-up",
];

#[cfg(not(debug_assertions))]
mod unarmed {
    use std::time::Duration;

    /// Dies here, if it was asked to.
    #[inline]
    pub const fn reach(_point: &'static str) {}

    /// Dies so long after `work` has begun, or when it is done, if it was asked to.
    #[inline]
    pub fn during<F: Future>(_point: &'static str, _after: Duration, work: F) -> F {
        work
    }
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::POINTS;

    /// Where to die, and how often the point is passed before.
    struct Target {
        point: String,
        left: AtomicU64,
    }

    /// Dies here, if it was asked to.
    pub fn reach(point: &'static str) {
        if is_due(point) {
            std::process::abort();
        }
    }

    /// Dies so long after `work` has begun, or when it is done, if it was asked to.
    pub async fn during<F: Future>(point: &'static str, after: Duration, work: F) -> F::Output {
        if !is_due(point) {
            return work.await;
        }
        tokio::select! {
            _ = work => {}
            () = tokio::time::sleep(after) => {}
        }
        std::process::abort();
    }

    fn is_due(point: &'static str) -> bool {
        static TARGET: OnceLock<Option<Target>> = OnceLock::new();
        let target = TARGET.get_or_init(|| std::env::var("PACELINE_CRASH_AT").ok().map(|text| read(&text)));
        target.as_ref().is_some_and(|target| target.point == point && target.left.fetch_sub(1, Ordering::SeqCst) == 1)
    }

    #[expect(clippy::print_stderr, reason = "a test's own mistake must not look like a crash")]
    fn read(text: &str) -> Target {
        let read = text.split_once(':').and_then(|(point, nth)| Some((point, nth.parse::<u64>().ok()?)));
        let Some((point, nth)) = read.filter(|(point, nth)| POINTS.contains(point) && *nth > 0) else {
            eprintln!("PACELINE_CRASH_AT: expected POINT:N with N from 1 and one of {POINTS:?}, got {text:?}");
            std::process::exit(2);
        };
        Target { point: point.to_owned(), left: AtomicU64::new(nth) }
    }
}
