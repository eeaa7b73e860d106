//! The listener: connections with limits in number and time, and a graceful end.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::places::{Peer, Places};
use super::{Access, Shared, State, Worker, books, connection, forecast, guard, guesses, routes, throughput};

/// The pause after a failed accept, so that a lack of file handles does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long the last answers may take at the end.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Why it cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("the admin server cannot listen on {listen}: {error}")]
pub struct BindError {
    listen: SocketAddr,
    error: std::io::Error,
}

impl BindError {
    /// What to do.
    pub const CURE: &'static str =
        "give it another address with admin.listen, turn it off with admin.listen = \"\", or end what uses that one";
}

/// An address that is taken, before there is a worker to serve.
pub struct Bound {
    listener: TcpListener,
    listen: SocketAddr,
}

/// Takes the address.
///
/// # Errors
/// That it is not to be had.
pub async fn bind(listen: SocketAddr) -> Result<Bound, BindError> {
    let failed = |error| BindError { listen, error };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let listen = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, listen })
}

/// The running server.
pub struct Admin {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    listen: SocketAddr,
    door: Door,
}

/// Through which a running server is told who is let in from now on.
#[derive(Clone)]
pub struct Door {
    state: Shared,
    is_local: bool,
}

impl Door {
    /// Requests that come from now on go by this.
    pub fn let_in(&self, access: &Access) {
        let access = Arc::new(guard::Access::of(access, self.is_local));
        *self.state.access.write().unwrap_or_else(PoisonError::into_inner) = access;
    }
}

impl Bound {
    /// Serves a worker.
    pub fn serve(self, access: &Access, worker: Worker) -> Admin {
        let (started, started_at) = worker.engine.clock().both();
        let worker = Arc::new(worker);
        let state = Arc::new(State {
            access: RwLock::new(Arc::new(guard::Access::of(access, self.listen.ip().is_loopback()))),
            guesses: guesses::Guesses::new(worker.engine.clock().clone()),
            books: books::Books::of(worker.store.clone()),
            forecast: forecast::Forecasts::of(&worker),
            worker,
            started_at,
            started,
        });
        tokio::spawn(seed(Arc::clone(&state)));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(self.listener, routes::router(&state), stopped));
        let door = Door { state, is_local: self.listen.ip().is_loopback() };
        Admin { stop, task, listen: self.listen, door }
    }
}

/// Tells the engine's picture of the throughput what the ledger knows of the last hour.
async fn seed(state: Shared) {
    let (engine, started_at) = (Arc::clone(&state.worker.engine), state.started_at);
    let seeded = state.books.read(move |ledger| throughput::seed(ledger, &engine, started_at)).await;
    if let Err(fault) = seeded {
        tracing::debug!(error = fault.error(), "the calls of the last hour cannot be read");
    }
}

impl Admin {
    /// Where it listens.
    pub const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The way to change who is let in.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Ends it, after the answers that are under way.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // A panic in it has been reported by the runtime.
        let _ = self.task.await;
    }
}

async fn accept(listener: TcpListener, router: axum::Router, mut stopped: watch::Receiver<bool>) {
    let places = Places::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, address)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let peer = Peer::of(address.ip());
        let place = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            place = places.enter(peer) => place,
        };
        connections.spawn(connection::serve(stream, peer, place, router.clone(), stopped.clone()));
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(END_TIMEOUT, ended).await.is_err() {
        connections.shutdown().await;
    }
}
