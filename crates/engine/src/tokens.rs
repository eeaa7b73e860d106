//! Access tokens: cached, one renewal in flight for each app, renewed before they run out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::Mutex as AsyncMutex;

use super::app::App;
use paceline_domain::catalog::SuspendScope;
use paceline_domain::outcome::Failure;
use paceline_domain::time::Mono;

/// A token is renewed this long before its end, or a tenth of its life if that is shorter.
const MARGIN: Duration = Duration::from_secs(300);

/// A token that can be compared by identity: a refused one is forgotten only if it is still the cached one.
pub(super) type Token = Arc<Granted>;

/// A token, and since when there is it.
pub(super) struct Granted {
    pub secret: SecretString,
    pub fetched_at: Mono,
}

/// A token that is refused within this time of its fetching was never good, unless it was revoked just then.
const YOUNG: Duration = Duration::from_secs(10);

impl Granted {
    /// Whether it was fetched a moment ago. A token that was good for long is revoked or over; one that is refused as
    /// soon as it is there is no good.
    pub(super) fn is_young(&self, now: Mono) -> bool {
        now.since(self.fetched_at) < YOUNG
    }
}

/// Why there is no token.
#[derive(Clone, Debug)]
pub(super) enum NoToken {
    /// The app's own fault: it stands still.
    Suspend(SuspendScope, Failure),
    /// The token endpoint is unwell: ask again later.
    Later(Failure),
}

/// All cached tokens.
#[derive(Default)]
pub(super) struct Tokens {
    slots: Mutex<HashMap<(String, String), Arc<Slot>>>,
}

#[derive(Default)]
struct Slot {
    cached: Mutex<Option<Cached>>,
    /// Held while fetching; counts the fetches and keeps the last fault for those who waited.
    fetching: AsyncMutex<Fetches>,
    count: std::sync::atomic::AtomicU64,
}

#[derive(Default)]
struct Fetches {
    fault: Option<NoToken>,
}

/// A token as it is kept.
#[derive(Clone)]
pub(super) struct Cached {
    token: Token,
    renew_at: Mono,
    dead_at: Mono,
}

impl Cached {
    /// A token that was asked for at `asked_at` and is good for `life`.
    pub(super) fn new(secret: SecretString, asked_at: Mono, life: Duration) -> Self {
        Self {
            token: Arc::new(Granted { secret, fetched_at: asked_at }),
            renew_at: asked_at + life.saturating_sub(MARGIN.min(life / 10)),
            dead_at: asked_at + life,
        }
    }
}

impl Tokens {
    /// The app's tenant token; `fetch` fetches it if need be.
    pub(super) async fn tenant_token(
        &self,
        app: &App,
        tenant: &str,
        now: Mono,
        fetch: impl AsyncFnOnce() -> Result<Cached, NoToken>,
    ) -> Result<Token, NoToken> {
        use std::sync::atomic::Ordering::Relaxed;

        let slot = self.slot(app, tenant);
        let alive = slot.cached().filter(|cached| now < cached.dead_at);
        if let Some(cached) = &alive
            && now < cached.renew_at
        {
            return Ok(Arc::clone(&cached.token));
        }
        let seen = slot.count.load(Relaxed);
        let mut fetches = match (slot.fetching.try_lock(), &alive) {
            (Ok(fetches), _) => fetches,
            // Somebody renews it already, and the old one still works.
            (Err(_), Some(cached)) => return Ok(Arc::clone(&cached.token)),
            (Err(_), None) => slot.fetching.lock().await,
        };
        if slot.count.load(Relaxed) != seen {
            // Fetched while this call stood in line: the same answer holds for all, or a wrong secret would be tried by each.
            if let Some(cached) = slot.cached() {
                return Ok(cached.token);
            }
            if let Some(fault) = &fetches.fault {
                return Err(fault.clone());
            }
        }
        let answer = fetch().await;
        slot.count.fetch_add(1, Relaxed);
        match answer {
            Ok(cached) => {
                let token = Arc::clone(&cached.token);
                slot.set(Some(cached));
                fetches.fault = None;
                Ok(token)
            }
            Err(fault) => {
                fetches.fault = Some(fault.clone());
                alive.map(|cached| cached.token).ok_or(fault)
            }
        }
    }

    /// Forgets a token that the platform refused.
    pub(super) fn forget(&self, app: &App, tenant: &str, token: &Token) {
        let slot = self.slot(app, tenant);
        if slot.cached().is_some_and(|cached| Arc::ptr_eq(&cached.token, token)) {
            slot.set(None);
        }
    }

    /// Forgets every token of an app whose credentials are others now. A fetch that is under way with the old ones ends
    /// where nobody finds it.
    pub(super) fn forget_app(&self, app: &str) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).retain(|(name, _), _| name != app);
    }

    fn slot(&self, app: &App, tenant: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry((app.name.clone(), tenant.to_owned())).or_default())
    }
}

impl Slot {
    fn cached(&self) -> Option<Cached> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, cached: Option<Cached>) {
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = cached;
    }
}
