//! The handle that both front ends share: one world behind a lock, with the waiting done outside of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::endpoint::Endpoint;
use super::objects::ObjectLine;
use super::request::{SimReply, SimRequest};
use super::scenario::{Scenario, ScenarioError, User};
use super::stats::Stats;
use super::world::World;
use paceline_domain::catalog::Catalog;
use paceline_ports::clock::Clock;

/// What `paceline simulate` is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; a loopback address, port 0 for any free port.
    pub listen: SocketAddr,
    /// A scenario's name, or the path of its file.
    pub scenario: String,
    /// How many times shorter all windows are.
    pub speed: f64,
    /// In place of the scenario's seed.
    pub seed: Option<u64>,
    /// User access tokens that are good beside the scenario's.
    pub users: BTreeMap<String, User>,
}

impl Default for Options {
    /// The calm world in real time, beside the admin server's port.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9465)),
            scenario: "calm".to_owned(),
            speed: 1.0,
            seed: None,
            users: BTreeMap::new(),
        }
    }
}

/// Why a simulator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The scenario has faults.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The speed is no speed.
    #[error("speed: expected a number from 0.001 to 100000, got {0}")]
    Speed(f64),
}

/// A simulated world that may be shared; clones are the same world.
#[derive(Clone)]
pub struct Simulator {
    // A lock of std, never held over an await: every decision is quick and synchronous.
    world: Arc<Mutex<World>>,
    clock: Clock,
}

impl Simulator {
    /// Starts a world. Windows are `speed` times shorter than documented.
    ///
    /// # Errors
    /// Scenario entries that name no method of the catalog, or a speed that is none.
    pub fn start(catalog: Arc<Catalog>, scenario: Scenario, speed: f64, clock: Clock) -> Result<Self, StartError> {
        if !(0.001..=100_000.0).contains(&speed) {
            return Err(StartError::Speed(speed));
        }
        let unknown = scenario.unknown_names(&catalog);
        if !unknown.is_empty() {
            return Err(ScenarioError(unknown).into());
        }
        let world = World::new(catalog, scenario, speed, &clock);
        Ok(Self { world: Arc::new(Mutex::new(world)), clock })
    }

    /// Starts the world that the options describe.
    ///
    /// # Errors
    /// Everything that is wrong with the options' scenario or speed.
    pub fn from_options(catalog: Arc<Catalog>, options: &Options, clock: Clock) -> Result<Self, StartError> {
        let mut scenario = Scenario::load(&options.scenario)?;
        scenario.seed = options.seed.unwrap_or(scenario.seed);
        scenario.users.extend(options.users.clone());
        Self::start(catalog, scenario, options.speed, clock)
    }

    /// The median of the round trips.
    pub fn round_trip(&self) -> Duration {
        self.lock().scenario.latency.median()
    }

    /// The kinds of things of which the scenario lists all that there are.
    pub fn known(&self) -> BTreeSet<String> {
        self.lock().scenario.known.keys().cloned().collect()
    }

    /// What happened so far.
    pub fn stats(&self) -> Stats {
        self.lock().stats()
    }

    /// What was created so far.
    pub fn objects(&self) -> Vec<ObjectLine> {
        self.lock().objects()
    }

    /// Another scenario from now on; tokens, objects and books stay.
    ///
    /// # Errors
    /// Entries that name no method of the catalog.
    pub fn change(&self, scenario: Scenario) -> Result<(), ScenarioError> {
        let mut world = self.lock();
        let unknown = scenario.unknown_names(&world.catalog);
        if !unknown.is_empty() {
            return Err(ScenarioError(unknown));
        }
        let now = self.clock.mono();
        world.change(scenario, now);
        Ok(())
    }

    /// Forgets objects, books and windows; access tokens stay good.
    pub fn reset(&self) {
        self.lock().reset();
    }

    /// Makes every access token invalid, and users' too if asked; says how many were valid.
    pub fn revoke_tokens(&self, users: bool) -> usize {
        self.lock().revoke_tokens(users)
    }

    /// Changes the secret of an app or corp; tokens got with another one become invalid.
    pub fn change_secret(&self, account: &str, secret: &str) {
        self.lock().change_secret(account, secret);
    }

    /// Carries a request to the platform and its reply back, with the delays of both ways.
    ///
    /// # Cancel safety
    /// A request that has left arrives, is counted and carried out even if the caller gives up on it.
    pub async fn carry(&self, request: SimRequest) -> SimReply {
        // The instant is read under the lock, so instants arrive at the world in order.
        let departure = {
            let mut world = self.lock();
            let now = self.clock.mono();
            world.depart(&request, now)
        };
        if departure.is_unreachable {
            return SimReply::Unreachable;
        }
        let in_flight = departure.method.map(|endpoint| InFlight { simulator: self.clone(), endpoint });
        if departure.travel.is_zero() {
            return self.arrive(&request, in_flight).await;
        }
        let simulator = self.clone();
        let travelling = tokio::spawn(async move {
            tokio::time::sleep(departure.travel).await;
            simulator.arrive(&request, in_flight).await
        });
        travelling.await.unwrap_or(SimReply::Cut)
    }

    async fn arrive(&self, request: &SimRequest, in_flight: Option<InFlight>) -> SimReply {
        let answer = {
            let mut world = self.lock();
            let now = self.clock.mono();
            world.arrive(request, now)
        };
        if !answer.after.is_zero() {
            tokio::time::sleep(answer.after).await;
        }
        drop(in_flight);
        answer.reply
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in flight; its drop is the end of the flight, also for a caller that gave up.
struct InFlight {
    simulator: Simulator,
    endpoint: Arc<Endpoint>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.simulator.lock().finish(&self.endpoint);
    }
}
