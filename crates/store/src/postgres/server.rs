//! Where a server is and how it is reached: its own thread speaks to it, whoever waits for an answer just waits.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_executor::block_on;
use secrecy::ExposeSecret as _;
use tokio::runtime::Runtime;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::driver::failed;
use crate::driver::{Error, Kind, Result};
use paceline_ports::LedgerError;
use paceline_ports::location::Location;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that is gone without a word is noticed within this, also in the middle of an answer.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// A ledger on a PostgreSQL server, and its key.
#[derive(Clone)]
pub(crate) struct Server {
    config: Arc<Config>,
    location: Location,
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Server").field(&self.name()).finish()
    }
}

impl Server {
    /// The server of a ledger; `None` for a file. Its URL is read as libpq does: several hosts, `sslmode`, `options`.
    ///
    /// # Errors
    /// What is wrong with the URL; never the URL itself, which may hold a password.
    pub(crate) fn of(location: &Location) -> std::result::Result<Option<Self>, LedgerError> {
        let Some(server) = &location.server else { return Ok(None) };
        let mut config: Config =
            server.url.expose_secret().parse().map_err(|error| {
                LedgerError::Failed(format!("[store] url is no URL of a PostgreSQL database: {error}"))
            })?;
        if config.get_application_name().is_none() {
            config.application_name("paceline");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        config.keepalives_idle(SILENCE_MAX / 3).keepalives_interval(SILENCE_MAX / 3).keepalives_retries(2);
        config.tcp_user_timeout(SILENCE_MAX).target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(Some(Self { config: Arc::new(config), location: location.clone() }))
    }

    /// What people know it by: hosts and database.
    pub(super) fn name(&self) -> String {
        let hosts: Vec<_> = self
            .config
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(name) => name.clone(),
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        let database = self.config.get_dbname().or_else(|| self.config.get_user()).unwrap_or_default();
        format!("postgres://{}/{database}", hosts.join(","))
    }

    /// Where its key comes from; there is no file.
    pub(crate) const fn location(&self) -> &Location {
        &self.location
    }

    /// A new connection to the first host that may be written.
    pub(super) fn connect(&self) -> Result<Client> {
        let runtime = runtime()?;
        let (config, tls) = (Arc::clone(&self.config), tls()?);
        let connecting = runtime.spawn(async move {
            let (client, connection) = config.connect(tls).await?;
            // Its end shows in the client.
            tokio::spawn(connection);
            Ok(client)
        });
        match block_on(connecting) {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => {
                let error = failed(&error);
                Err(Error::new(error.kind(), format!("{} cannot be reached: {error}", self.name())))
            }
            Err(error) => Err(Error::new(Kind::Environment, error.to_string())),
        }
    }
}

/// The thread that speaks to servers.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let build =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("postgres").enable_all().build();
    RUNTIME
        .get_or_init(build)
        .as_ref()
        .map_err(|error| Error::new(Kind::Environment, format!("no thread for PostgreSQL: {error}")))
}

/// Trusts what the machine trusts.
fn tls() -> Result<MakeRustlsConnect> {
    static TLS: OnceLock<std::result::Result<MakeRustlsConnect, String>> = OnceLock::new();
    TLS.get_or_init(|| {
        let mut roots = rustls::RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    })
    .clone()
    .map_err(|why| Error::new(Kind::Environment, why))
}
