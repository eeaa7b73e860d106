//! One worker among several: which quota domains it works, and how they come and go.
//!
//! Every worker looks once a second at who is there and who has what, and comes to its own part of the same answer
//! ([`spread`]). A domain comes to it as a restart does ([`adopt`]); one that it lets go of is drained before.
//!
//! Decision: docs/decisions/0055-domains-are-spread-over-replicas.md

mod addresses;
mod adopt;
mod domains;
mod spread;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use self::addresses::Sharing;
pub use self::domains::quotas_digest;
use self::spread::moves;
use super::planner::Planner;
use super::ports::{Card, Fleet, Gathering, Holding, LedgerError, QuotaDomain};
use super::runtime::Engine;
use paceline_domain::time::{Mono, Timestamp};

/// How often a worker looks who is there.
const TICK: Duration = Duration::from_secs(1);

/// What a worker has seen last, for people.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Who is there, and who has what.
    pub gathering: Gathering,
    /// Domains that this worker has.
    pub held: usize,
    /// Domains without an owner for more than a moment.
    pub ownerless: usize,
    /// Domains without an owner that this worker may not take.
    pub refused: usize,
    /// The part of its leases' time for which it can still trust the one that ends first.
    pub lease_left: Option<f64>,
}

/// All that a worker's moves follow from, but for its settings and for how long a domain has been without an owner.
#[derive(PartialEq, Eq)]
struct Scene {
    holdings: Arc<[Holding]>,
    tenants: Vec<(String, String)>,
    /// Workers that live, and by which quotas each goes.
    alive: Vec<(String, String)>,
    held: usize,
}

impl Scene {
    fn of(gathering: &Gathering, held: usize) -> Self {
        let alive = gathering.replicas.iter().filter(|replica| replica.is_alive);
        Self {
            holdings: Arc::clone(&gathering.holdings),
            tenants: gathering.tenants.clone(),
            alive: alive.map(|replica| (replica.id.clone(), replica.card.quotas.clone())).collect(),
            held,
        }
    }
}

/// The same, as it changes.
pub type Sight = Arc<Mutex<Seen>>;

/// How far this process's time may be from the store's. Who reads calls of others allows for more.
const OFF_MAX: Duration = Duration::from_millis(250);

/// Nothing is sent for longer than this where calls may be missing. Windows that are longer let so many calls through that
/// those of the last seconds are a small part.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// For how long nothing is sent when the newest calls may be missing from the store.
pub fn silence(planner: &Planner, latest_count: Duration) -> Duration {
    planner.span_max().min(SILENCE_MAX) + latest_count
}

/// Domains taken at one time at most: other writers wait for it, and a worker that joins meanwhile finds some left.
const LOT: usize = 1_000;

/// Turns in which a domain may be on its way from one worker to another.
const ON_ITS_WAY: u32 = 2;

/// A worker among several.
pub struct Member {
    engine: Arc<Engine>,
    fleet: Arc<dyn Fleet>,
    card: Card,
    /// What the others have been told.
    told: Option<Card>,
    planner: Option<Arc<Planner>>,
    held: BTreeMap<String, QuotaDomain>,
    /// Domains that are drained, and since when.
    leaving: BTreeMap<String, Mono>,
    ownerless: BTreeMap<String, u32>,
    sharing: Sharing,
    /// Since when the store has another history, while nothing is taken for it.
    broken_at: Option<Timestamp>,
    /// Until when this process knows the calls of a domain that it had before.
    known_until: HashMap<String, Timestamp>,
    refused: BTreeSet<String>,
    /// There is another lot to take, at once.
    is_taking: bool,
    /// What it has seen, if nothing followed from it.
    at_rest: Option<Scene>,
    /// How often workers had been asked to read their settings again.
    reloads: Option<i64>,
    reload: Box<dyn Fn() + Send + Sync>,
    sight: Sight,
}

impl Member {
    /// An engine's, which has nothing yet.
    pub fn new(engine: Arc<Engine>, fleet: Arc<dyn Fleet>, card: Card) -> Self {
        // Until it knows who else calls from its address.
        engine.hold_addresses(true);
        Self {
            engine,
            fleet,
            card,
            told: None,
            planner: None,
            held: BTreeMap::new(),
            leaving: BTreeMap::new(),
            ownerless: BTreeMap::new(),
            sharing: Sharing::default(),
            broken_at: None,
            known_until: HashMap::new(),
            refused: BTreeSet::new(),
            is_taking: false,
            at_rest: None,
            reloads: None,
            reload: Box::new(|| {}),
            sight: Sight::default(),
        }
    }

    /// What it does when workers are asked to read their settings again, by whatever worker.
    #[must_use]
    pub fn on_reload(self, reload: impl Fn() + Send + Sync + 'static) -> Self {
        Self { reload: Box::new(reload), ..self }
    }

    /// What it has seen last.
    pub fn sight(&self) -> Sight {
        Arc::clone(&self.sight)
    }

    /// Goes on until it is aborted.
    pub async fn run(mut self) {
        let mut is_unwell = false;
        loop {
            match self.watched_turn().await {
                Ok(()) => is_unwell = false,
                Err(LedgerError::Closed) => return,
                Err(error) => {
                    if !is_unwell {
                        warn!(%error, "who else works the ledger cannot be seen; trying again");
                    }
                    is_unwell = true;
                    self.is_taking = false;
                }
            }
            if !self.is_taking {
                tokio::time::sleep(TICK + Duration::from_millis(fastrand::u64(0..100))).await;
            }
        }
    }

    /// A turn. Who has not seen the others for the time of a lease may know of one too few, and sends nothing that an
    /// address counts.
    async fn watched_turn(&mut self) -> Result<(), LedgerError> {
        let engine = Arc::clone(&self.engine);
        let patience = self.sharing.patience(engine.clock().mono());
        let mut turn = pin!(self.turn());
        tokio::select! {
            done = &mut turn => return done,
            () = tokio::time::sleep(patience.unwrap_or_default()), if patience.is_some() => {}
        }
        engine.hold_addresses(true);
        turn.await
    }

    /// Looks once, and does what follows.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn turn(&mut self) -> Result<(), LedgerError> {
        self.drop_lost().await;
        self.engine.reclaim();
        self.introduce().await?;
        // Before it looks: else what it has just let go of would seem to be its own still.
        if !self.engine.is_stopping() {
            self.finish_leaving().await?;
        }
        let asked = self.engine.clock().now();
        let gathering = self.fleet.gathering().await?;
        self.keep_time(asked, gathering.now);
        if !gathering.replicas.iter().any(|replica| replica.id == gathering.own) {
            // Forgotten, after so long a silence.
            self.told = None;
        }
        if self.reloads.replace(gathering.reloads).is_some_and(|before| before < gathering.reloads) {
            (self.reload)();
        }
        self.share_address(&gathering).await?;
        self.count_elsewhere().await?;
        if self.is_silent(&gathering).await? {
            self.show(&gathering);
            return Ok(());
        }
        let scene = Scene::of(&gathering, self.held.len());
        if self.engine.is_stopping() || self.at_rest.as_ref() == Some(&scene) {
            self.is_taking = false;
            self.show(&gathering);
            return Ok(());
        }
        self.follow(&gathering, scene).await
    }

    /// Whether nothing may be sent because the newest calls may be missing: the store has another history. What this worker
    /// has, it gives up: the next owner reads the jobs anew, and looks up what was open.
    async fn is_silent(&mut self, gathering: &Gathering) -> Result<bool, LedgerError> {
        let silence = silence(&self.engine.planner(), self.engine.latest_count());
        let broken_at = gathering.broken_at.filter(|at| gathering.now < *at + silence);
        let known = std::mem::replace(&mut self.broken_at, broken_at);
        let Some(at) = broken_at else { return Ok(false) };
        if known.is_none() {
            warn!(
                until = %(at + silence),
                "the database's timeline changed (a standby was promoted, or a backup restored): its newest rows may be missing, \
                 so nothing is sent for the longest window of a quota, two minutes at most"
            );
        }
        if known != broken_at {
            // So that it is written down.
            self.told = None;
        }
        let held: Vec<_> = std::mem::take(&mut self.held).into_values().collect();
        if !held.is_empty() {
            let names: Vec<_> = held.iter().map(|domain| domain.name().to_owned()).collect();
            self.fleet.open(&names, false);
            self.engine.let_go(&held).await;
            self.fleet.give_up(&names).await?;
        }
        self.leaving.clear();
        self.known_until.clear();
        (self.at_rest, self.is_taking) = (None, false);
        Ok(true)
    }

    /// Takes domains and lets go of others, as what it sees says.
    async fn follow(&mut self, gathering: &Gathering, scene: Scene) -> Result<(), LedgerError> {
        let domains = self.engine.planner().domains(&gathering.tenants);
        self.note_ownerless(gathering, &domains);
        let (names, held) = (domains.keys().cloned().collect(), self.held.keys().cloned().collect());
        let (quotas, ownerless) = (self.card.quotas.as_str(), &self.ownerless);
        let busy = self.engine.busy(&self.held, true);
        let seen = spread::Seen { gathering, quotas, domains: &names, held: &held, busy: &busy, ownerless };
        let spread::Moves { take, give, refused } = moves(&seen);
        self.say_refused(refused.into_iter().collect());
        self.show(gathering);
        // One whose apps are others than they were is taken anew.
        let is_another = |(name, held): &(&String, &QuotaDomain)| domains.get(*name).is_some_and(|now| now != *held);
        let another: Vec<_> = self.held.iter().filter(is_another).map(|(name, _)| name.clone()).collect();
        let give = if another.is_empty() { give } else { another };
        let is_at_rest = take.is_empty() && give.is_empty() && self.leaving.is_empty() && self.ownerless.is_empty();
        self.at_rest = is_at_rest.then_some(scene);
        let lot = take.iter().take(LOT);
        self.take(lot.filter_map(|name| domains.get(name)).cloned().collect()).await?;
        self.begin_leaving(give).await;
        self.is_taking = take.len() > LOT;
        Ok(())
    }

    /// Goes by the store's clock, whatever becomes of the machine's: what one worker records of its calls is what the next
    /// owner counts by.
    fn keep_time(&mut self, asked: Timestamp, there: Timestamp) {
        let answered = self.engine.clock().now();
        // It was asked between these two.
        let by = (there.0 - answered.0).max(0) + (there.0 - asked.0).min(0);
        if by.unsigned_abs() > OFF_MAX.as_micros() as u64 {
            self.engine.clock().set_by(by);
            let by_s = by as f64 / 1_000_000.0;
            warn!(by_s, "this worker's time was set to the database's");
            // Up to when calls are known was told by the time before.
            self.known_until.clear();
            self.sharing.forget();
            self.engine.look_at_calendar();
        }
    }

    /// What another worker has taken over is not scheduled here any more.
    async fn drop_lost(&mut self) {
        let mut lost = Vec::new();
        for (domain, ago) in self.fleet.lost() {
            self.leaving.remove(domain.name());
            if self.held.remove(domain.name()).is_some() {
                // Since then another worker may have made calls of it.
                self.known_until.insert(domain.name().to_owned(), self.engine.clock().now() - ago);
                lost.push(domain);
            }
        }
        if let [first, ..] = &lost[..] {
            let (domains, first) = (lost.len(), first.name());
            warn!(domains, first, "quota domains were lost: their leases ran out before they could be renewed");
            self.engine.let_go(&lost).await;
        }
    }

    /// Tells the others of this worker, when there is something new.
    async fn introduce(&mut self) -> Result<(), LedgerError> {
        let planner = self.engine.planner();
        if self.planner.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &planner)) {
            self.card.quotas = quotas_digest(&planner);
            // Windows may have become longer than what is known of them.
            self.known_until.clear();
            self.sharing.plan(&planner);
            self.at_rest = None;
            self.planner = Some(planner);
        }
        if self.told.as_ref() != Some(&self.card) {
            self.fleet.join(self.card.clone()).await?;
            self.told = Some(self.card.clone());
        }
        Ok(())
    }

    /// Intake here stops for what waits anywhere.
    async fn count_elsewhere(&self) -> Result<(), LedgerError> {
        let counts = self.engine.ledger().counts(None).await?;
        let all = usize::try_from(counts.queued + counts.uncertain).unwrap_or(usize::MAX);
        self.engine.set_elsewhere(all.saturating_sub(self.engine.unfinished()));
        Ok(())
    }

    fn note_ownerless(&mut self, gathering: &Gathering, domains: &BTreeMap<String, QuotaDomain>) {
        let owned = gathering.holdings.iter().filter(|holding| !holding.left.is_zero());
        let owned: BTreeSet<&str> = owned.map(|holding| holding.domain.as_str()).collect();
        // Who takes lot after lot leaves the others no time.
        let passed = u32::from(!self.is_taking);
        let turns = |name: &String| (name.clone(), self.ownerless.get(name).map_or(0, |turns| turns + passed));
        self.ownerless = domains.keys().filter(|name| !owned.contains(name.as_str())).map(turns).collect();
    }

    fn show(&self, gathering: &Gathering) {
        *self.sight.lock().unwrap_or_else(PoisonError::into_inner) = Seen {
            gathering: gathering.clone(),
            held: self.held.len(),
            ownerless: self.ownerless.values().filter(|turns| **turns > ON_ITS_WAY).count(),
            refused: self.refused.len(),
            lease_left: self.fleet.lease_left(),
        };
    }

    /// Says once which domains this worker may not take.
    fn say_refused(&mut self, refused: BTreeSet<String>) {
        for domain in refused.difference(&self.refused) {
            warn!(
                domain,
                "the domain has no owner, and was worked by other quotas than this worker's: it is left to a worker that \
                 has those; bring the settings of all workers in line"
            );
        }
        self.refused = refused;
    }

    /// Takes domains, and works them from then on.
    async fn take(&mut self, wanted: Vec<QuotaDomain>) -> Result<(), LedgerError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let (taken, part) = self.fleet.take(wanted).await?;
        if taken.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = taken.iter().map(|domain| domain.name().to_owned()).collect();
        let known_until = |name: &str| self.known_until.get(name).copied().unwrap_or(Timestamp(i64::MIN));
        let known: Vec<_> = taken.iter().map(|domain| (domain, known_until(domain.name()))).collect();
        let adopted = match self.engine.adopt(&*part, &known).await {
            Ok(loaded) => {
                self.fleet.open(&names, true);
                self.engine.catch_up(&loaded).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = adopted {
            self.engine.let_go(&taken).await;
            // They run out by themselves otherwise.
            let _ = self.fleet.give_up(&names).await;
            return Err(error);
        }
        info!(domains = names.len(), first = names.first(), "works these quota domains from now on");
        self.held.extend(taken.into_iter().map(|domain| (domain.name().to_owned(), domain)));
        Ok(())
    }

    /// Starts nothing more of these domains, so that they can go to other workers. One lot at a time.
    async fn begin_leaving(&mut self, names: Vec<String>) {
        if names.is_empty() || !self.leaving.is_empty() {
            return;
        }
        let domains: Vec<_> = names.iter().filter_map(|name| self.held.get(name)).cloned().collect();
        let first = names.first();
        info!(
            domains = names.len(),
            first, "these quota domains go to other workers when their calls in flight have ended"
        );
        // While it is still this worker's to record.
        if let Err(error) = self.engine.record_restraints().await {
            warn!(%error, "what holds calls back cannot be recorded: the next owners begin without it");
        }
        self.fleet.open(&names, false);
        self.engine.let_go(&domains).await;
        let since = self.engine.clock().mono();
        self.leaving = names.into_iter().map(|name| (name, since)).collect();
    }

    /// Lets go of domains whose calls have ended, or have had their time.
    async fn finish_leaving(&mut self) -> Result<(), LedgerError> {
        self.leaving.retain(|name, _| self.held.contains_key(name));
        if self.leaving.is_empty() {
            return Ok(());
        }
        let (now, patience) = (self.engine.clock().mono(), self.engine.latest_count());
        let busy = self.engine.busy(&self.held, false);
        let is_over = |(name, since): &(&String, &Mono)| now >= **since + patience || !busy.contains(*name);
        let over: Vec<String> = self.leaving.iter().filter(is_over).map(|(name, _)| name.clone()).collect();
        if over.is_empty() {
            return Ok(());
        }
        // Their own calls are over, and nobody else has made one yet, unless it was taken over while this process slept.
        let known_until = self.engine.clock().now();
        let owned = self.fleet.give_up(&over).await?;
        for name in over {
            self.held.remove(&name);
            self.leaving.remove(&name);
            if owned.contains(&name) {
                self.known_until.insert(name, known_until);
            } else {
                self.known_until.remove(&name);
            }
        }
        Ok(())
    }
}
