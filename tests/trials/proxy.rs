//! Stands before a broker, a platform or a database: can cut connections in the middle of a frame, swallow what passes,
//! delay it, or keep it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A heartbeat is 8 bytes; what is longer than this carries a method, a head or a body.
const HEARTBEATS_MAX: usize = 40;

/// From the client, or back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Out,
    Back,
}

impl Way {
    pub(crate) const BOTH: &[Self] = &[Self::Out, Self::Back];
}

#[derive(Default)]
struct Orders {
    /// What passes out, and what passes back.
    swallows: [AtomicBool; 2],
    /// How long what passes is kept back, in milliseconds.
    delay_ms: AtomicU64,
    /// To be cut in the middle of the next frame.
    is_due: AtomicBool,
    cut: Notify,
    accepted: AtomicU64,
    /// What has passed, each way of each connection by itself, if it is kept.
    passed: Option<Mutex<Vec<Vec<u8>>>>,
}

impl Orders {
    /// Room for what passes one way; its number.
    fn open(&self) -> usize {
        self.with_passed(|ways| {
            ways.push(Vec::new());
            ways.len() - 1
        })
    }

    fn keep(&self, way: usize, bytes: &[u8]) {
        self.with_passed(|ways| ways[way].extend(bytes));
    }

    /// Does nothing if nothing is kept.
    fn with_passed<T: Default>(&self, act: impl FnOnce(&mut Vec<Vec<u8>>) -> T) -> T {
        let passed = self.passed.as_ref().map(|passed| passed.lock().unwrap_or_else(PoisonError::into_inner));
        passed.map(|mut ways| act(&mut ways)).unwrap_or_default()
    }
}

/// Passes everything on until it is told otherwise.
pub(crate) struct Proxy {
    orders: Arc<Orders>,
    address: String,
}

impl Proxy {
    pub(crate) async fn before(behind: &str) -> anyhow::Result<Self> {
        Self::with(Orders::default(), behind).await
    }

    /// One that keeps what passes.
    pub(crate) async fn keeping(behind: &str) -> anyhow::Result<Self> {
        Self::with(Orders { passed: Some(Mutex::default()), ..Orders::default() }, behind).await
    }

    async fn with(orders: Orders, behind: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, orders) = (listener.local_addr()?.to_string(), Arc::new(orders));
        tokio::spawn(accept(listener, behind.to_owned(), orders.clone()));
        Ok(Self { orders, address })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Connections that have come so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.orders.accepted.load(Ordering::SeqCst)
    }

    /// All that has passed and was kept.
    pub(crate) fn passed(&self) -> String {
        String::from_utf8_lossy(&self.orders.with_passed(|ways| ways.join(&b'\n'))).into_owned()
    }

    /// Drops whatever passes these ways, and nothing else.
    pub(crate) fn swallow(&self, ways: &[Way]) {
        for way in Way::BOTH {
            self.orders.swallows[*way as usize].store(ways.contains(way), Ordering::SeqCst);
        }
    }

    /// Keeps each piece of what passes back for so long, either way.
    pub(crate) fn delay(&self, delay: Duration) {
        self.orders.delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// Resets every connection as soon as something larger than a heartbeat has passed by half.
    pub(crate) fn cut_mid_frame(&self) {
        self.orders.is_due.store(true, Ordering::SeqCst);
    }

    /// Resets every connection now.
    pub(crate) fn cut(&self) {
        self.orders.cut.notify_waiters();
    }
}

async fn accept(listener: TcpListener, behind: String, orders: Arc<Orders>) {
    while let Ok((client, _)) = listener.accept().await {
        orders.accepted.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(pass(client, behind.clone(), orders.clone()));
    }
}

async fn pass(mut client: TcpStream, behind: String, orders: Arc<Orders>) {
    let cut = orders.cut.notified();
    let is_reset = if let Ok(mut server) = TcpStream::connect(behind).await {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let is_cut = tokio::select! {
            is_cut = one_way(from_client, to_server, &orders, Way::Out) => is_cut,
            is_cut = one_way(from_server, to_client, &orders, Way::Back) => is_cut,
            () = cut => true,
        };
        if is_cut {
            // Nothing that is under way arrives.
            let _ = server.set_zero_linger();
        }
        is_cut
    } else {
        true
    };
    if is_reset {
        let _ = client.set_zero_linger();
    }
}

/// Passes on what comes; whether it was cut, and did not end.
async fn one_way(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, orders: &Orders, way: Way) -> bool {
    let (mut buffer, kept) = (vec![0; 65_536], orders.open());
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let delay = Duration::from_millis(orders.delay_ms.load(Ordering::SeqCst));
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if orders.swallows[way as usize].load(Ordering::SeqCst) {
            continue;
        }
        let is_cut = length > HEARTBEATS_MAX && orders.is_due.swap(false, Ordering::SeqCst);
        let passed = if is_cut { length / 2 + 1 } else { length };
        orders.keep(kept, &buffer[..passed]);
        if to.write_all(&buffer[..passed]).await.is_err() {
            break;
        }
        if is_cut {
            orders.cut.notify_waiters();
            return true;
        }
    }
    false
}
