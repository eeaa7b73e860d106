//! What can go wrong with the broker, in words for the person who can cure it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the client's and the system's errors may grow; one that is not known is shown in its own words"
)]

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};

use super::address::Address;
use super::sign_in::SignIn;

/// Why an operation failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The broker or the connection said no.
    #[error("{what}: {}", describe(.error))]
    Amqp {
        /// What was asked for.
        what: &'static str,
        /// The client's error.
        error: lapin::Error,
    },
    /// The broker did not answer.
    #[error("{what}: no answer within {seconds} s")]
    Silent {
        /// What was asked for.
        what: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// Already a sentence for a person.
    #[error("{0}")]
    Fault(Fault),
    /// The process was told to stop.
    #[error("stopped")]
    Stopped,
}

/// A fault and its cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, with the broker's own words.
    pub text: String,
    /// What to do; empty if waiting is all.
    pub cure: String,
}

impl Fault {
    /// Several as one, each with its own cure.
    pub(super) fn joined(faults: Vec<Self>) -> Self {
        match <[Self; 1]>::try_from(faults) {
            Ok([only]) => only,
            Err(faults) => {
                let each: Vec<_> = faults.iter().map(Self::to_string).collect();
                Self { text: each.join(" | "), cure: String::new() }
            }
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.cure.is_empty() { out.write_str(&self.text) } else { write!(out, "{}; {}", self.text, self.cure) }
    }
}

impl Error {
    pub(super) fn amqp(what: &'static str, error: lapin::Error) -> Self {
        Self::Amqp { what, error }
    }

    /// The broker's reply code of a soft error: it closed the channel only.
    pub(super) fn soft(&self) -> Option<AMQPSoftError> {
        match self.kind()? {
            AMQPErrorKind::Soft(soft) => Some(soft.clone()),
            AMQPErrorKind::Hard(_) => None,
        }
    }

    /// Whether the broker, or the client for its sake, has closed no more than a channel.
    pub(super) fn is_of_channel(&self) -> bool {
        let is_closed =
            matches!(self, Self::Amqp { error, .. } if matches!(error.kind(), ErrorKind::InvalidChannelState(..)));
        is_closed || self.soft().is_some()
    }

    fn kind(&self) -> Option<&AMQPErrorKind> {
        match self {
            Self::Amqp { error, .. } => match error.kind() {
                ErrorKind::ProtocolError(error) => Some(error.kind()),
                _ => None,
            },
            Self::Silent { .. } | Self::Fault(_) | Self::Stopped => None,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The client's error in words; the broker's own where it said something.
pub(super) fn describe(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        ErrorKind::IOError(error) => error.to_string(),
        ErrorKind::MissingHeartbeatError => "the broker fell silent (no heartbeat)".to_owned(),
        ErrorKind::InvalidChannelState(..) => "the channel was closed".to_owned(),
        ErrorKind::InvalidConnectionState(_) => "the connection was closed".to_owned(),
        ErrorKind::ParsingError(_) => "the broker sent something that is not AMQP 0-9-1".to_owned(),
        _ => error.to_string(),
    }
}

/// Why no connection came about, and what to do.
pub(super) fn of_connect(address: &Address, sign_in: SignIn, error: &lapin::Error) -> Fault {
    let text = format!("cannot connect to RabbitMQ at {address}: {}", describe(error));
    let cure = match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                sign_in.cure(address).unwrap_or_else(|| cure_of_login(address))
            }
            // It does not offer the mechanism at all.
            AMQPErrorKind::Hard(AMQPHardError::COMMANDINVALID) => sign_in.cure(address).unwrap_or_default(),
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => cure_of_vhost(address),
            AMQPErrorKind::Soft(_) | AMQPErrorKind::Hard(_) => String::new(),
        },
        ErrorKind::IOError(error) => cure_of_io(address, error),
        ErrorKind::ParsingError(_) => cure_of_protocol(address),
        _ => String::new(),
    };
    Fault { text, cure }
}

/// Why a connection that stood is gone.
pub(super) fn of_loss(address: &Address, error: &lapin::Error) -> Fault {
    let text = format!("lost the connection to RabbitMQ at {address}: {}", describe(error));
    let cure = match error.kind() {
        // The client gives up the connection over one such message, and the broker hands it out again after each connect.
        ErrorKind::ParsingError(_) => {
            "if this repeats, a message has properties that are not UTF-8 (message_id, type, app_id, a header's name): \
             take it out of the queue, e.g. with \"Get messages\" in the management page, and correct its publisher"
        }
        _ => "",
    };
    Fault { text, cure: cure.to_owned() }
}

fn cure_of_login(address: &Address) -> String {
    let (user, setting) = (address.user(), address.setting());
    let mut cure = format!(
        "correct user and password in {setting} (it says {user:?}; signs like @ : / are percent-encoded), or set the \
         password with `rabbitmqctl change_password {user} …`"
    );
    if user == "guest" && !is_loopback(address.host()) {
        cure.push_str("; RabbitMQ lets \"guest\" in from its own machine only, so make a user of your own");
    }
    cure
}

fn cure_of_vhost(address: &Address) -> String {
    let (vhost, setting) = (address.vhost(), address.setting());
    if vhost.is_empty() {
        return format!("{setting} ends in \"/\", which names the vhost \"\": write %2f for the vhost \"/\"");
    }
    let user = address.user();
    format!(
        "correct the vhost in {setting} (it says {vhost:?}; \"/\" is written %2f), or make it with `rabbitmqctl \
         add_vhost {vhost}` and `rabbitmqctl set_permissions -p {vhost} {user} '.*' '.*' '.*'`"
    )
}

fn cure_of_io(address: &Address, error: &std::io::Error) -> String {
    let (text, setting) = (error.to_string(), address.setting());
    if text.contains("UnknownIssuer") {
        return "its certificate comes from an authority this machine does not know: name that authority's PEM file in \
                broker.ca_file"
            .to_owned();
    }
    if text.contains("not valid for name") || text.contains("NotValidForName") {
        return format!(
            "its certificate is for another name than {:?}: use the certificate's in {setting}",
            address.host()
        );
    }
    if text.contains("CertificateRequired") || text.contains("certificate required") {
        return "it lets in nobody without a certificate: name yours in broker.tls_cert and broker.tls_key".to_owned();
    }
    if text.contains("certificate") {
        return "have its certificate renewed or corrected".to_owned();
    }
    if address.tls() && text.contains("corrupt message") {
        return "that port speaks no TLS: use amqps:// with RabbitMQ's TLS port (5671 by default), or amqp://"
            .to_owned();
    }
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => {
            format!("nothing listens there: start RabbitMQ, or correct host and port in {setting}")
        }
        std::io::ErrorKind::ConnectionReset
        | std::io::ErrorKind::ConnectionAborted
        | std::io::ErrorKind::UnexpectedEof
        | std::io::ErrorKind::BrokenPipe => cure_of_protocol(address),
        _ => format!("check host and port in {setting} and the way there (name server, firewall)"),
    }
}

fn cure_of_protocol(address: &Address) -> String {
    if address.tls() {
        // Whether who comes without a certificate hears the reason, or a reset alone, is a matter of instants.
        "it may still be starting, speak no TLS on that port (RabbitMQ's TLS port is 5671 by default), or let in nobody \
         without a certificate (then name yours in broker.tls_cert and broker.tls_key)"
            .to_owned()
    } else {
        "it may still be starting, or expect TLS on that port (then write amqps://), or be no RabbitMQ".to_owned()
    }
}

/// No handshake in time.
pub(super) fn of_silence(address: &Address, seconds: u64) -> Fault {
    Fault {
        text: format!("cannot connect to RabbitMQ at {address}: no answer within {seconds} s"),
        cure: "check that RabbitMQ runs there and that no firewall swallows the connection".to_owned(),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
