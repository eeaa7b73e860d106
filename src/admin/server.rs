//! The listeners: connections with limits in number and time, and a graceful end.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::connection::Origin;
use super::slots::{Peer, Slots};
use super::socket::Socket;
use super::{Access, Shared, State, Worker, books, connection, forecast, guard, guesses, imports, routes, throughput};

/// The pause after a failed accept, so that a lack of file handles does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long the last answers may take at the end.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Why it cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("the admin server cannot listen on {place}: {error}")]
pub struct BindError {
    place: String,
    error: io::Error,
}

impl BindError {
    /// What to do.
    pub const CURE: &'static str = "give it another place with admin.listen or admin.socket, turn it off with \
                                    admin.listen = \"\", or end what uses that one";

    fn new(place: &impl ToString, error: io::Error) -> Self {
        Self { place: place.to_string(), error }
    }
}

/// Addresses that are taken, before there is a worker to serve.
pub struct Bound {
    tcp: Option<(TcpListener, SocketAddr)>,
    socket: Option<Socket>,
}

/// Takes an address, a Unix socket, or both.
///
/// # Errors
/// That one is not to be had.
pub async fn bind(listen: Option<SocketAddr>, socket: Option<&Path>) -> Result<Bound, BindError> {
    let tcp = match listen {
        Some(listen) => {
            let failed = |error| BindError::new(&listen, error);
            let listener = TcpListener::bind(listen).await.map_err(failed)?;
            let listen = listener.local_addr().map_err(failed)?;
            Some((listener, listen))
        }
        None => None,
    };
    let socket = socket.map(|path| Socket::bind(path).map_err(|error| BindError::new(&path.display(), error)));
    Ok(Bound { tcp, socket: socket.transpose()? })
}

/// The running server.
pub struct Admin {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    listen: Option<SocketAddr>,
    door: Door,
}

/// Through which a running server is told who is let in from now on.
#[derive(Clone)]
pub struct Door(Shared);

impl Door {
    /// Requests that come from now on go by this.
    pub fn let_in(&self, access: &Access) {
        let access = Arc::new(guard::Access::of(access));
        *self.0.access.write().unwrap_or_else(PoisonError::into_inner) = access;
    }
}

impl Bound {
    /// Serves a worker.
    pub fn serve(self, access: &Access, worker: Worker) -> Admin {
        let (started, started_at) = worker.engine.clock().both();
        let worker = Arc::new(worker);
        let state = Arc::new(State {
            access: RwLock::new(Arc::new(guard::Access::of(access))),
            guesses: guesses::Guesses::new(worker.engine.clock().clone()),
            books: books::Books::of(Arc::clone(&worker.store)),
            forecast: forecast::Forecasts::of(&worker),
            imports: imports::Imports::new(worker.engine.clock().clone()),
            worker,
            started_at,
            started,
        });
        tokio::spawn(seed(Arc::clone(&state)));
        let (stop, stopped) = watch::channel(false);
        let serving = Serving { slots: Slots::default(), router: routes::router(&state), stopped };
        let listen = self.tcp.as_ref().map(|(_, listen)| *listen);
        let mut tasks = Vec::new();
        if let Some((listener, listen)) = self.tcp {
            tasks.push(tokio::spawn(accept(
                Tcp { state: Arc::clone(&state), listener, is_local: listen.ip().is_loopback() },
                serving.clone(),
            )));
        }
        if let Some(socket) = self.socket {
            tasks.push(tokio::spawn(accept(socket, serving)));
        }
        Admin { stop, tasks, listen, door: Door(state) }
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
    /// Its address, if it has one.
    pub const fn listen(&self) -> Option<SocketAddr> {
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
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// Where connections come from.
trait Source: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// With what the next connection is secured.
    fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        None
    }

    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Origin)>> + Send;
}

struct Tcp {
    state: Shared,
    listener: TcpListener,
    is_local: bool,
}

impl Source for Tcp {
    type Stream = TcpStream;

    fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.state.access().tls.clone()
    }

    async fn next(&self) -> io::Result<(TcpStream, Origin)> {
        let (stream, address) = self.listener.accept().await?;
        Ok((stream, Origin { peer: Peer::of(address.ip()), is_local: self.is_local, scheme: "http" }))
    }
}

impl Source for Socket {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, Origin)> {
        let (stream, user) = self.accept().await?;
        Ok((stream, Origin { peer: Peer::User(user), is_local: true, scheme: "http" }))
    }
}

/// What all sources share.
#[derive(Clone)]
struct Serving {
    slots: Slots,
    router: axum::Router,
    stopped: watch::Receiver<bool>,
}

async fn accept<S: Source>(source: S, serving: Serving) {
    let Serving { slots, router, mut stopped } = serving;
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            Some(_) = connections.join_next() => continue,
            accepted = source.next() => accepted,
        };
        let Ok((stream, origin)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let slot = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            slot = slots.enter(origin.peer) => slot,
        };
        let (router, stopped) = (router.clone(), stopped.clone());
        match source.tls() {
            Some(tls) => connections.spawn(connection::secure(stream, tls, origin, slot, router, stopped)),
            None => connections.spawn(connection::serve(stream, origin, slot, router, stopped)),
        };
    }
    drop(source);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(END_TIMEOUT, ended).await.is_err() {
        connections.shutdown().await;
    }
}
