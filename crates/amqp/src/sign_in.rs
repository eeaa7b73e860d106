//! How the worker proves to RabbitMQ who it is: by the password in the address, by a certificate, or by an OAuth 2 token.
//! Files and programs are read again for each connection, and a token once more before it ends.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPUri, SASLMechanism};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::spawn_blocking;

use super::address::Address;
use super::options::Options;
use paceline_domain::messages::{BrokerCause, BrokerCure, BrokerFault};
use paceline_domain::time::Timestamp;
use paceline_host::files;

/// How long the program that gives a token may take.
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(10);
/// A longer one is none.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;
/// When a token that does not say when it ends is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// The shortest wait before a token is asked for again.
const RENEW_MIN: Duration = Duration::from_secs(1);

/// By what RabbitMQ knows the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignIn {
    Password,
    Certificate,
    Token,
}

/// The files of a client's certificate, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// With its chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A file that somebody keeps up to date.
    File(PathBuf),
    /// A program and its arguments; it prints one.
    Program(Vec<String>),
}

/// A token, and when it ends if it says so.
pub(super) struct Token {
    text: SecretString,
    ends_at: Option<Timestamp>,
}

impl SignIn {
    pub(super) fn of(address: &Address, options: &Options) -> Self {
        if options.token.is_some() {
            Self::Token
        } else if options.certificate.is_some() && !address.names_user() {
            Self::Certificate
        } else {
            Self::Password
        }
    }

    /// The address with what it takes to sign in.
    pub(super) fn uri(self, address: &Address, token: Option<&Token>) -> AMQPUri {
        let mut uri = address.uri();
        if let Some(token) = token {
            token.text.expose_secret().clone_into(&mut uri.authority.userinfo.password);
            if !address.names_user() {
                uri.authority.userinfo.username.clear();
            }
        }
        if self == Self::Certificate {
            uri.query.auth_mechanism.get_or_insert(SASLMechanism::External);
        }
        uri
    }

    /// What to do when RabbitMQ does not let one in.
    pub(super) fn cure(self, address: &Address) -> Option<BrokerCure> {
        let address = address.to_string();
        match self {
            Self::Password => None,
            Self::Certificate => Some(BrokerCure::LetCertificateIn { address }),
            Self::Token => Some(BrokerCure::LetTokenIn { address }),
        }
    }
}

/// What TLS is spoken with.
pub(super) fn tls(options: &Options) -> Result<OwnedTLSConfig, BrokerFault> {
    let cert_chain = options.ca_file.as_deref().map(|file| certificates(file, "broker.ca_file")).transpose()?;
    let identity = options.certificate.as_ref().map(|Certificate { cert, key }| {
        let pem = certificates(cert, "broker.tls_cert")?.into_bytes();
        let wrong = |cause| correct(cause, "broker.tls_key");
        let secret = files::read_secret(key).map_err(|error| wrong(unreadable(key, &error)))?;
        if !secret.contains("PRIVATE KEY-----") {
            return Err(wrong(BrokerCause::NoPrivateKey { path: key.display().to_string() }));
        }
        Ok(OwnedIdentity::PKCS8 { pem, key: secret.into_bytes() })
    });
    Ok(OwnedTLSConfig { identity: identity.transpose()?, cert_chain })
}

fn certificates(file: &Path, setting: &str) -> Result<String, BrokerFault> {
    let pem = std::fs::read_to_string(file).map_err(|error| correct(unreadable(file, &error), setting))?;
    if pem.contains("-----BEGIN CERTIFICATE-----") {
        return Ok(pem);
    }
    Err(correct(BrokerCause::NoCertificate { path: file.display().to_string() }, setting))
}

/// A fault of what a setting names.
fn correct(cause: BrokerCause, setting: &str) -> BrokerFault {
    BrokerFault::new(cause, Some(BrokerCure::CorrectSetting { setting: setting.to_owned() }))
}

fn unreadable(file: &Path, error: &std::io::Error) -> BrokerCause {
    match error.get_ref().and_then(<dyn std::error::Error + Send + Sync>::downcast_ref::<files::Exposed>) {
        Some(exposed) => BrokerCause::FileExposed { exposed: Box::new(exposed.message()) },
        None => BrokerCause::CertificateUnreadable { path: file.display().to_string(), words: error.to_string() },
    }
}

impl TokenSource {
    /// The key of the settings that names it.
    const fn setting(&self) -> &'static str {
        match self {
            Self::File(_) => "broker.token_file",
            Self::Program(_) => "broker.token_command",
        }
    }

    /// The token of now.
    pub(super) async fn read(&self) -> Result<Token, BrokerFault> {
        let read = match self {
            Self::File(file) => files::read_secret(file).map_err(|error| unreadable(file, &error)),
            Self::Program(command) => run(command, PROGRAM_TIMEOUT).await,
        };
        let read = read.map(Zeroizing::new).and_then(|text| Token::of(&text));
        read.map_err(|cause| correct(BrokerCause::NoBrokerToken { before: Box::new(cause) }, self.setting()))
    }
}

impl Token {
    fn of(text: &str) -> Result<Self, BrokerCause> {
        let text = text.trim();
        if text.is_empty() || text.contains(|sign: char| sign.is_whitespace() || sign.is_control()) {
            return Err(BrokerCause::NotAToken);
        }
        Ok(Self { text: text.into(), ends_at: end_of(text) })
    }

    /// As RabbitMQ takes it.
    pub(super) fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// How long from now on the next one is asked for: when two thirds of the time left are over, so that a source that
    /// still has the old one is asked ever more often.
    pub(super) fn renew_in(&self, now: Timestamp) -> Duration {
        let Some(ends_at) = self.ends_at else { return LOOK_AGAIN };
        let left = u64::try_from(ends_at.0.saturating_sub(now.0)).unwrap_or_default();
        (Duration::from_micros(left) * 2 / 3).max(RENEW_MIN)
    }
}

/// When a JSON Web Token says that it ends.
fn end_of(token: &str) -> Option<Timestamp> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    let seconds = claims.get("exp")?;
    // Some write it with a fraction.
    let seconds = seconds.as_i64().or_else(|| seconds.as_f64().map(|seconds| seconds as i64))?;
    Some(Timestamp::from_unix_seconds(seconds))
}

/// What the program prints.
async fn run(command: &[String], timeout: Duration) -> Result<String, BrokerCause> {
    let Some((name, arguments)) = command.split_first() else { return Err(BrokerCause::NoProgram) };
    let program = name.clone();
    let mut process = Command::new(name);
    process.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match process.spawn() {
        Ok(child) => child,
        Err(error) => return Err(BrokerCause::ProgramNotStarted { program, words: error.to_string() }),
    };
    let Some(out) = child.stdout.take() else { return Err(BrokerCause::ProgramWithoutOutput { program }) };
    let reading = spawn_blocking(move || read_all(out));
    let read = tokio::time::timeout(timeout, reading).await;
    if read.is_err() {
        // It may be over by now; its end is awaited below.
        let _ = child.kill();
    }
    let ended = spawn_blocking(move || Child::wait(&mut child)).await;
    let seconds = timeout.as_secs_f64().to_string();
    let Ok(read) = read else { return Err(BrokerCause::ProgramSilent { program, seconds }) };
    match (read, ended) {
        (Ok(Ok(text)), Ok(Ok(status))) if status.success() => Ok(text),
        (Ok(Err(error)), _) => Err(BrokerCause::ProgramUnread { program, words: error.to_string() }),
        (_, Ok(Ok(status))) => Err(BrokerCause::ProgramFailed { program, status: status.to_string() }),
        _ => Err(BrokerCause::ProgramEndless { program }),
    }
}

fn read_all(out: ChildStdout) -> std::io::Result<String> {
    let mut text = String::new();
    out.take(TOKEN_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
