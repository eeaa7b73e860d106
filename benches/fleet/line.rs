//! A line to the database on which everything takes a while longer.

use std::time::Duration;

use anyhow::Context as _;
use paceline::clock::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Pieces under way at most.
const CHUNKS_MAX: usize = 1_024;

/// Passes on what a worker says so much later, in order; replies pass at once. Ends with this.
pub(crate) struct Line {
    address: String,
    accepting: JoinHandle<()>,
}

impl Line {
    pub(crate) async fn before(database: &str, delay: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let database = database.to_owned();
        let accepting = tokio::spawn(async move {
            while let Ok((worker, _)) = listener.accept().await {
                let database = database.clone();
                // A broken connection is for the worker to notice.
                tokio::spawn(async move { drop(pass(worker, &database, delay).await) });
            }
        });
        Ok(Self { address, accepting })
    }

    /// The database's URL by way of this line.
    pub(crate) fn url(&self, url: &str) -> anyhow::Result<String> {
        Ok(url.replacen(address_of(url)?, &self.address, 1))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The host and port of a URL with a user.
pub(crate) fn address_of(url: &str) -> anyhow::Result<&str> {
    let behind = url.split('@').nth(1).with_context(|| format!("no user and host in {url:?}"))?;
    Ok(behind.split('/').next().unwrap_or(behind))
}

async fn pass(worker: TcpStream, database: &str, delay: Duration) -> anyhow::Result<()> {
    let database = TcpStream::connect(database).await?;
    worker.set_nodelay(true)?;
    database.set_nodelay(true)?;
    let (from_worker, mut to_worker) = worker.into_split();
    let (mut from_database, to_database) = database.into_split();
    let later = tokio::spawn(pass_later(from_worker, to_database, delay));
    let replies = copy(&mut from_database, &mut to_worker).await;
    later.abort();
    replies?;
    Ok(())
}

async fn pass_later(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) -> anyhow::Result<()> {
    let clock = Clock::system();
    let (keep, mut kept) = mpsc::channel(CHUNKS_MAX);
    let reading = {
        let clock = clock.clone();
        async move {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let count = from.read(&mut buffer).await?;
                if count == 0 || keep.send((clock.mono(), buffer[..count].to_vec())).await.is_err() {
                    return anyhow::Ok(());
                }
            }
        }
    };
    let writing = async move {
        while let Some((came, bytes)) = kept.recv().await {
            let clock = clock.clone();
            #[expect(clippy::disallowed_methods, reason = "the runtime's clock is no finer than a millisecond")]
            let wait = move || std::thread::sleep(delay.saturating_sub(clock.mono().since(came)));
            tokio::task::spawn_blocking(wait).await?;
            to.write_all(&bytes).await?;
        }
        Ok(())
    };
    tokio::try_join!(reading, writing).map(drop)
}
