//! Files that somebody gave, in memory alone: few, small, and for a while. Who makes room is the one that nobody has used
//! for longest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::domain::time::{Mono, Timestamp};
use crate::operations::files::names::Found;
use crate::tables::Reader;

/// The most bytes of a file.
pub(super) const BYTES_MAX: usize = 16 << 20;
/// Files at one time.
const FILES_MAX: usize = 16;
/// Bytes of all of them.
const ALL_BYTES_MAX: usize = 64 << 20;
/// How long a file stays that nobody uses.
const KEPT: Duration = Duration::from_secs(30 * 60);
/// How often somebody looks whether that is over.
const TICK: Duration = Duration::from_secs(60);

/// A file.
pub(super) struct Upload {
    /// What it is known by: nobody can guess it.
    pub id: String,
    /// Its name.
    pub name: String,
    bytes: Arc<[u8]>,
    names: Mutex<Found>,
}

impl Upload {
    /// Its bytes.
    pub(super) fn reader(&self) -> Reader {
        Reader::from(Arc::clone(&self.bytes))
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is known of the names in its rows.
    pub(super) fn names(&self) -> MutexGuard<'_, Found> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It, without its content.
    pub(super) fn document(&self, now: Timestamp) -> Value {
        json!({"id": self.id, "name": self.name, "bytes": self.bytes.len(), "expires_at": now + KEPT})
    }
}

/// All files.
pub(in crate::admin) struct Imports {
    held: Arc<Mutex<Held>>,
    /// One file is read at a time: reading is work.
    working: Arc<Semaphore>,
    janitor: JoinHandle<()>,
}

#[derive(Default)]
struct Held {
    files: BTreeMap<String, (Arc<Upload>, Mono)>,
}

impl Drop for Imports {
    fn drop(&mut self) {
        self.janitor.abort();
    }
}

impl Imports {
    /// None yet.
    pub(in crate::admin) fn new(clock: Clock) -> Self {
        let held = Arc::<Mutex<Held>>::default();
        let janitor = tokio::spawn(expire(Arc::downgrade(&held), clock));
        Self { held, working: Arc::new(Semaphore::new(1)), janitor }
    }

    /// Keeps a file; `None` if this machine gives no chance for its id.
    pub(super) fn keep(&self, name: String, bytes: Arc<[u8]>, now: Mono) -> Option<Arc<Upload>> {
        let mut chance = [0; 16];
        SystemRandom::new().fill(&mut chance).ok()?;
        let id = format!("{:032x}", u128::from_be_bytes(chance));
        let upload = Arc::new(Upload { id: id.clone(), name, bytes, names: Mutex::default() });
        let mut held = self.lock();
        held.expire(now);
        held.make_room(upload.bytes.len());
        held.files.insert(id, (Arc::clone(&upload), now));
        Some(upload)
    }

    /// The file of this id, which is in use now.
    pub(super) fn find(&self, id: &str, now: Mono) -> Option<Arc<Upload>> {
        let mut held = self.lock();
        held.expire(now);
        let (upload, used_at) = held.files.get_mut(id)?;
        *used_at = now;
        Some(Arc::clone(upload))
    }

    /// Forgets it; says whether it was there.
    pub(super) fn forget(&self, id: &str) -> bool {
        self.lock().files.remove(id).is_some()
    }

    /// A turn to read a file.
    pub(super) fn turn(&self) -> Arc<Semaphore> {
        Arc::clone(&self.working)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn expire(&mut self, now: Mono) {
        self.files.retain(|_, (_, used_at)| now.since(*used_at) < KEPT);
    }

    fn make_room(&mut self, bytes: usize) {
        let all = |files: &BTreeMap<String, (Arc<Upload>, Mono)>| {
            files.values().map(|(upload, _)| upload.bytes.len()).sum::<usize>()
        };
        while self.files.len() >= FILES_MAX || all(&self.files) + bytes > ALL_BYTES_MAX {
            let oldest = self.files.iter().min_by_key(|(_, (_, used_at))| *used_at).map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { return };
            self.files.remove(&oldest);
        }
    }
}

async fn expire(held: Weak<Mutex<Held>>, clock: Clock) {
    loop {
        tokio::time::sleep(TICK).await;
        let Some(held) = held.upgrade() else { return };
        held.lock().unwrap_or_else(PoisonError::into_inner).expire(clock.mono());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(count: usize) -> Arc<[u8]> {
        vec![0; count].into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_goes_half_an_hour_after_its_last_use_whether_somebody_asks_or_not() {
        let clock = Clock::at(Timestamp(0));
        let imports = Imports::new(clock.clone());
        let id = imports.keep("rooms.csv".to_owned(), bytes(3), clock.mono()).unwrap().id.clone();
        tokio::time::advance(KEPT.checked_sub(Duration::from_secs(1)).unwrap()).await;
        assert!(imports.find(&id, clock.mono()).is_some());
        tokio::time::advance(KEPT.checked_sub(Duration::from_secs(1)).unwrap()).await;
        assert!(imports.find(&id, clock.mono()).is_some(), "it was used meanwhile");
        tokio::time::sleep(KEPT + TICK).await;
        assert!(imports.lock().files.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_unused_makes_room_for_files_and_for_bytes() {
        let clock = Clock::at(Timestamp(0));
        let imports = Imports::new(clock.clone());
        let mut ids = Vec::new();
        for _ in 0..FILES_MAX {
            ids.push(imports.keep("rooms.csv".to_owned(), bytes(1), clock.mono()).unwrap().id.clone());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(imports.find(&ids[0], clock.mono()).is_some());
        imports.keep("more.csv".to_owned(), bytes(1), clock.mono()).unwrap();
        assert!(imports.find(&ids[1], clock.mono()).is_none(), "the first was used since");
        assert!(imports.find(&ids[0], clock.mono()).is_some());
        for _ in 0..5 {
            imports.keep("large.csv".to_owned(), bytes(BYTES_MAX), clock.mono()).unwrap();
        }
        let held = imports.lock();
        assert!(held.files.values().map(|(upload, _)| upload.bytes.len()).sum::<usize>() <= ALL_BYTES_MAX);
        assert!(held.files.len() >= ALL_BYTES_MAX / BYTES_MAX - 1);
    }
}
