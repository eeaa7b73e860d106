//! Bytes that are delivered and not yet taken over: bounded, however many messages they are.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Bytes of bodies held at a time; a single longer body is held alone.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What one connection holds.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// By channel: a closed one takes back what it delivered.
    bytes: HashMap<u16, usize>,
    waiting: Option<Waker>,
}

impl Meter {
    /// Counts the body of a message that is about to be read; `false` if there is no room for it yet. Then `waker` is
    /// called when there is.
    pub(super) fn hold(&self, channel: u16, bytes: usize, waker: &Waker) -> bool {
        let mut held = self.held();
        let now: usize = held.bytes.values().sum();
        let fits = now == 0 || now.saturating_add(bytes) <= HELD_BYTES_MAX;
        if fits {
            *held.bytes.entry(channel).or_default() += bytes;
        } else {
            held.waiting = Some(waker.clone());
        }
        fits
    }

    /// That much was taken over.
    pub(crate) fn release(&self, channel: u16, bytes: usize) {
        let mut held = self.held();
        if let Some(count) = held.bytes.get_mut(&channel) {
            *count = count.saturating_sub(bytes);
        }
        wake(held);
    }

    /// The channel is closed: the broker has its messages back.
    pub(super) fn forget(&self, channel: u16) {
        let mut held = self.held();
        held.bytes.remove(&channel);
        wake(held);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut held: MutexGuard<'_, Held>) {
    let waiting = held.waiting.take();
    drop(held);
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
        assert!(meter.hold(1, HELD_BYTES_MAX + 1, &waker), "a single one always fits");
        assert!(!meter.hold(2, 1, &waker) && !meter.hold(1, 0, &waker));
        meter.release(1, HELD_BYTES_MAX + 1);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(meter.hold(1, HELD_BYTES_MAX - 1, &waker) && meter.hold(2, 1, &waker) && !meter.hold(2, 1, &waker));
        meter.forget(1);
        assert_eq!(woken.0.load(Ordering::SeqCst), 2, "what a closed channel held is room again");
        assert!(meter.hold(2, HELD_BYTES_MAX - 1, &waker) && !meter.hold(2, 1, &waker));
    }
}
