//! Bytes that are delivered and not yet taken over: bounded, however many messages they are.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Bytes of bodies at a time; a single longer body is let in alone.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// What one connection has delivered.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    /// By channel: a closed one takes back what it delivered.
    bytes: HashMap<u16, usize>,
    waiting: Option<Waker>,
}

impl Meter {
    /// Counts the body of a message that is about to be read; `false` if there is no room for it yet. Then `waker` is
    /// called when there is.
    pub(super) fn hold(&self, channel: u16, bytes: usize, waker: &Waker) -> bool {
        let mut pending = self.lock();
        let now: usize = pending.bytes.values().sum();
        let fits = now == 0 || now.saturating_add(bytes) <= BYTES_MAX;
        if fits {
            *pending.bytes.entry(channel).or_default() += bytes;
        } else {
            pending.waiting = Some(waker.clone());
        }
        fits
    }

    /// That much was taken over.
    pub(crate) fn release(&self, channel: u16, bytes: usize) {
        let mut pending = self.lock();
        if let Some(count) = pending.bytes.get_mut(&channel) {
            *count = count.saturating_sub(bytes);
        }
        wake(pending);
    }

    /// The channel is closed: the broker has its messages back.
    pub(super) fn forget(&self, channel: u16) {
        let mut pending = self.lock();
        pending.bytes.remove(&channel);
        wake(pending);
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut pending: MutexGuard<'_, Pending>) {
    let waiting = pending.waiting.take();
    drop(pending);
    if let Some(waker) = waiting {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::task::{ArcWake, waker};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl ArcWake for Woken {
        fn wake_by_ref(this: &Arc<Self>) {
            this.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn many_small_ones_or_a_single_large_one_fit() {
        let (meter, woken) = (Meter::default(), Arc::new(Woken::default()));
        let waker = waker(Arc::clone(&woken));
        assert!(meter.hold(1, BYTES_MAX + 1, &waker), "a single one always fits");
        assert!(!meter.hold(2, 1, &waker) && !meter.hold(1, 0, &waker));
        meter.release(1, BYTES_MAX + 1);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(meter.hold(1, BYTES_MAX - 1, &waker) && meter.hold(2, 1, &waker) && !meter.hold(2, 1, &waker));
        meter.forget(1);
        assert_eq!(woken.0.load(Ordering::SeqCst), 2, "what a closed channel had is room again");
        assert!(meter.hold(2, BYTES_MAX - 1, &waker) && !meter.hold(2, 1, &waker));
    }
}
