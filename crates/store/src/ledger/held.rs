//! What a process has taken of a ledger: quota domains, each with its lease and how far that is trusted.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use super::books::{Books, Trouble};
use super::heartbeat::Trust;
use super::leases::Lease;
use paceline_domain::job::LaneKey;
use paceline_ports::{QuotaDomain, Restraint};

/// One domain that was taken.
pub(crate) struct Part {
    domain: QuotaDomain,
    /// `None` where the file's lock lets one process alone work it.
    lease: Option<Lease>,
    /// Likewise, and in tests of the fence alone.
    trust: Option<Trust>,
    /// Whether its jobs come straight into this process's lanes.
    is_open: AtomicBool,
}

impl Part {
    pub(crate) fn of(domain: QuotaDomain, owned: Option<(Lease, Trust)>) -> Arc<Self> {
        let (lease, trust) = owned.unzip();
        Arc::new(Self { domain, lease, trust, is_open: AtomicBool::new(false) })
    }

    pub(crate) const fn domain(&self) -> &QuotaDomain {
        &self.domain
    }

    pub(crate) const fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    pub(crate) fn open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Release);
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// How often it has changed hands, if it is surely owned now.
    fn owned(&self) -> Option<i64> {
        let epoch = self.lease.as_ref().map_or(0, Lease::epoch);
        self.trust.as_ref().is_none_or(Trust::holds).then_some(epoch)
    }
}

/// Domains that were taken together, or one after the other.
#[derive(Default)]
pub(crate) struct Held {
    /// Whether it is everything that this process has of a ledger that others work, too.
    is_shared: bool,
    parts: RwLock<Parts>,
}

#[derive(Default)]
struct Parts {
    all: BTreeMap<String, Arc<Part>>,
    whole: Option<Arc<Part>>,
    by_app: HashMap<String, OfApp>,
    unions: Mutex<Unions>,
}

/// All as one, and those that are open, since the last change.
#[derive(Default)]
struct Unions {
    all: Option<Arc<QuotaDomain>>,
    open: Option<Arc<QuotaDomain>>,
}

#[derive(Default)]
struct OfApp {
    all: Option<Arc<Part>>,
    by_tenant: HashMap<String, Arc<Part>>,
}

impl Parts {
    fn add(&mut self, part: Arc<Part>) {
        self.unions = Mutex::default();
        if part.domain.is_whole() {
            self.whole = Some(Arc::clone(&part));
        }
        for (app, tenant) in part.domain.members() {
            let of_app = self.by_app.entry(app.to_owned()).or_default();
            match tenant {
                None => of_app.all = Some(Arc::clone(&part)),
                Some(tenant) => drop(of_app.by_tenant.insert(tenant.to_owned(), Arc::clone(&part))),
            }
        }
        self.all.insert(part.domain.name().to_owned(), part);
    }

    fn remove(&mut self, name: &str) -> Option<Arc<Part>> {
        self.unions = Mutex::default();
        let part = self.all.remove(name)?;
        self.whole = self.whole.take().filter(|_| !part.domain.is_whole());
        for (app, tenant) in part.domain.members() {
            let Some(of_app) = self.by_app.get_mut(app) else { continue };
            match tenant {
                None => of_app.all = None,
                Some(tenant) => drop(of_app.by_tenant.remove(tenant)),
            }
        }
        Some(part)
    }

    fn of(&self, lane: &LaneKey) -> Option<&Arc<Part>> {
        let of_app = || {
            let of_app = self.by_app.get(&lane.app)?;
            of_app.all.as_ref().or_else(|| of_app.by_tenant.get(&lane.tenant))
        };
        self.whole.as_ref().or_else(of_app)
    }
}

impl Held {
    /// These and no others.
    pub(crate) fn only(parts: impl IntoIterator<Item = Arc<Part>>) -> Self {
        let held = Self::default();
        parts.into_iter().for_each(|part| held.add(part));
        held
    }

    /// Everything that this process has, of which there is nothing yet.
    pub(crate) fn shared() -> Self {
        Self { is_shared: true, ..Self::default() }
    }

    pub(crate) const fn is_shared(&self) -> bool {
        self.is_shared
    }

    pub(crate) fn add(&self, part: Arc<Part>) {
        self.write().add(part);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.write().remove(name);
    }

    /// Takes out what is not owned any more; says how long ago it was.
    pub(crate) fn take_lost(&self) -> Vec<(QuotaDomain, Duration)> {
        let mut parts = self.write();
        let lost: Vec<_> = parts
            .all
            .values()
            .filter_map(|part| Some((part.domain.clone(), part.trust.as_ref()?.lost_for()?)))
            .collect();
        for (domain, _) in &lost {
            parts.remove(domain.name());
        }
        lost
    }

    pub(crate) fn open(&self, name: &str, is_open: bool) {
        let mut parts = self.write();
        if let Some(part) = parts.all.get(name) {
            part.open(is_open);
        }
        parts.unions = Mutex::default();
    }

    /// Whether the lane's jobs come straight into this process's lanes.
    pub(crate) fn covers(&self, lane: &LaneKey) -> bool {
        !self.is_shared || self.read().of(lane).is_some_and(|part| part.is_open())
    }

    /// See [`Part::owned`].
    pub(crate) fn epoch_of(&self, lane: &LaneKey) -> Option<i64> {
        self.read().of(lane).and_then(|part| part.owned())
    }

    /// How long the domain whose trust ends first is trusted.
    pub(crate) fn trusted_for(&self) -> Option<Duration> {
        self.read().all.values().filter_map(|part| part.trust.as_ref().map(Trust::left)).min()
    }

    /// Whether a restraint is of what is held.
    pub(crate) fn has(&self, restraint: &Restraint) -> bool {
        !self.is_shared || self.read().all.values().any(|part| part.is_open() && part.domain.has(restraint))
    }

    /// All as one, or those that are open.
    pub(crate) fn union(&self, of_open: bool) -> Arc<QuotaDomain> {
        let parts = self.read();
        let mut unions = parts.unions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = if of_open { &mut unions.open } else { &mut unions.all };
        let these = || parts.all.values().filter(|part| !of_open || part.is_open()).map(|part| &part.domain);
        Arc::clone(known.get_or_insert_with(|| Arc::new(QuotaDomain::all_of(these()))))
    }

    pub(crate) fn parts(&self) -> Vec<Arc<Part>> {
        self.read().all.values().cloned().collect()
    }

    /// Those whose restraints are this process's to keep: what is being let go of is left as it stands.
    pub(crate) fn kept(&self) -> Vec<Arc<Part>> {
        self.read().all.values().filter(|part| !self.is_shared || part.is_open()).cloned().collect()
    }

    /// Whether others may take over what is held.
    pub(crate) fn is_fenced(&self) -> bool {
        self.is_shared || self.read().all.values().any(|part| part.lease.is_some())
    }

    /// Goes on only if every domain is still owned.
    pub(crate) fn check_all(&self, books: &mut Books) -> Result<(), Trouble> {
        self.parts().iter().try_for_each(|part| books.check(part.lease.as_ref()))
    }

    /// Goes on only if the domain of this lane is still owned.
    pub(crate) fn check(&self, books: &mut Books, lane: i64) -> Result<(), Trouble> {
        if !self.is_fenced() {
            return Ok(());
        }
        let key = books.lane_key(lane)?;
        self.check_key(books, &key)
    }

    /// Likewise.
    pub(crate) fn check_key(&self, books: &mut Books, lane: &LaneKey) -> Result<(), Trouble> {
        let part = self.read().of(lane).cloned();
        let part =
            part.ok_or_else(|| Trouble::NotOwner(format!("another process works the quota domain of {lane}")))?;
        books.check(part.lease.as_ref())
    }

    /// What holds this lane, if others may take it over.
    pub(crate) fn fenced(&self, lane: &LaneKey) -> Option<Arc<Part>> {
        self.read().of(lane).filter(|part| part.lease.is_some()).cloned()
    }

    /// Goes on only if this domain is still owned.
    pub(crate) fn check_part(books: &mut Books, part: &Part) -> Result<(), Trouble> {
        books.check(part.lease.as_ref())
    }

    /// Whether this process alone schedules the lane at this moment, as its own transaction sees it: then nobody need be
    /// told of its jobs.
    pub(crate) fn schedules(&self, books: &mut Books, lane: i64) -> Result<bool, Trouble> {
        let key = books.lane_key(lane)?;
        let part = self.read().of(&key).filter(|part| part.is_open()).cloned();
        let Some(part) = part else { return Ok(false) };
        match books.check(part.lease.as_ref()) {
            Ok(()) => Ok(true),
            Err(Trouble::NotOwner(_)) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Parts> {
        self.parts.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Parts> {
        self.parts.write().unwrap_or_else(PoisonError::into_inner)
    }
}
