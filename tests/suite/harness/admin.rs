//! An admin server in this process, on a ledger of its own that is empty, and clients that write HTTP's bytes themselves.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use paceline::admin::{Access, Admin, Door, FileRules, SOLE_TOKEN, Token, Worker, bind};
use paceline::clock::Clock;
use paceline::domain::decode::{Apps, Decoder};
use paceline::engine::ports::Ledger;
use paceline::settings;
use paceline::settings::Role;
use paceline::store::{Mode, SqlStore};
use paceline::wiring;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The server, until it is dropped.
pub(crate) struct Served {
    admin: Option<Admin>,
    ledger: Arc<SqlStore>,
    folder: TempDir,
}

/// Whoever has the token may change, everybody on loopback may read.
pub(crate) fn access() -> Access {
    Access {
        tls: None,
        tokens: vec![Token::of_secret(SOLE_TOKEN, TOKEN, Role::Admin)],
        public_url: None,
        reads_openly: true,
    }
}

impl Served {
    pub(crate) async fn new(access: &Access) -> Self {
        Self::with_settings(access, "").await
    }

    /// With these settings, whose secrets are all `s`, in the variable `S`.
    pub(crate) async fn with_settings(access: &Access, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (file, path) = (folder.path().join("paceline.toml"), folder.path().join("paceline.db"));
        std::fs::write(&file, text).unwrap();
        let secrets = [("S".to_owned(), "s".to_owned())];
        let settings = settings::load(Some(&file), secrets.into_iter()).unwrap();
        let clock = Clock::system();
        let ledger = Arc::new(SqlStore::open(&path, Mode::Worker, clock.now()).unwrap());
        let catalog = Arc::new(paceline::domain::catalog::built_in().unwrap());
        let decoder = Arc::new(Decoder { catalog: Arc::clone(&catalog), apps: Apps::Any, rights: Arc::default() });
        let apps = wiring::apps_of(&settings, &catalog).unwrap();
        let transport = wiring::transport(&settings).unwrap();
        let shared = Arc::clone(&ledger) as Arc<dyn Ledger>;
        let intake = Arc::clone(&ledger) as _;
        let worker = Worker {
            mode: "work",
            intake,
            engine: wiring::engine(&settings, catalog, apps, shared, transport, clock, 1.0).await.unwrap(),
            decoder: Arc::new(move || Arc::clone(&decoder)),
            files: FileRules { row_bytes_max: settings.intake.body_bytes_max, time_zone: None },
            store: wiring::connector(&(&path).into()),
            broker: None,
            metrics: Arc::new(String::new),
        };
        let admin = bind(Some("127.0.0.1:0".parse().unwrap()), Some(&folder.path().join("admin.sock")))
            .await
            .unwrap()
            .serve(access, worker);
        Self { admin: Some(admin), ledger, folder }
    }

    /// The Unix socket, which it always has as well.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    pub(crate) fn listen(&self) -> SocketAddr {
        self.admin.as_ref().unwrap().listen().unwrap()
    }

    pub(crate) fn ledger(&self) -> &SqlStore {
        &self.ledger
    }

    pub(crate) fn door(&self) -> Door {
        self.admin.as_ref().unwrap().door()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.listen()).await.unwrap()
    }

    /// Writes this on a connection of its own, and gives everything that comes back until the server closes it.
    pub(crate) async fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // A server that has read enough may close before all is written.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// One request with these header lines; the whole answer.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[&str]) -> String {
        let lines: String = headers.iter().flat_map(|line| [*line, "\r\n"]).collect();
        let host = if headers.iter().any(|line| line.starts_with("Host:")) { "" } else { "Host: 127.0.0.1\r\n" };
        self.send(format!("{method} {path} HTTP/1.1\r\n{host}{lines}Connection: close\r\n\r\n").as_bytes()).await
    }

    /// Its status alone.
    pub(crate) async fn status(&self, method: &str, path: &str, headers: &[&str]) -> u16 {
        status(&self.ask(method, path, headers).await)
    }

    pub(crate) async fn end(mut self) {
        self.admin.take().unwrap().stop().await;
        self.ledger.close().await;
    }
}

/// The status of an answer; 0 if there is none.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}
