//! What can go wrong with the broker, as a cause and what the person can do who can fix it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the client's and the system's errors may grow; one that is not known is shown in its own words"
)]

use std::io;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};

use super::address::Address;
use super::sign_in::SignIn;
use paceline_domain::messages::{BrokerCause, BrokerCure, BrokerFault, BrokerStep, BrokerWords, Connect};
use paceline_host::connect;

/// Why an operation failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.fault())]
pub enum Error {
    /// The broker or the connection said no.
    Amqp {
        /// What was asked for.
        step: BrokerStep,
        /// The client's error.
        error: lapin::Error,
    },
    /// The broker did not answer.
    Silent {
        /// What was asked for.
        step: BrokerStep,
        /// How long was waited.
        seconds: u64,
    },
    /// With what a person can do.
    Fault(BrokerFault),
    /// The process was told to stop.
    Stopped,
}

impl Error {
    pub(super) fn amqp(step: BrokerStep, error: lapin::Error) -> Self {
        Self::Amqp { step, error }
    }

    /// As people are told of it.
    pub fn fault(&self) -> BrokerFault {
        let cause = match self {
            Self::Amqp { step, error } => BrokerCause::StepFailed { step: step.clone(), why: words(error) },
            Self::Silent { step, seconds } => BrokerCause::StepSilent { step: step.clone(), seconds: *seconds },
            Self::Fault(fault) => return fault.clone(),
            Self::Stopped => BrokerCause::StoppedBefore,
        };
        BrokerFault::new(cause, None)
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

impl From<BrokerFault> for Error {
    fn from(fault: BrokerFault) -> Self {
        Self::Fault(fault)
    }
}

/// The client's error; in the broker's own words where it said something.
pub(super) fn words(error: &lapin::Error) -> BrokerWords {
    let quoted = |words: String| BrokerWords::Quoted { words };
    match error.kind() {
        ErrorKind::ProtocolError(error) => quoted(error.get_message().to_string()),
        ErrorKind::IOError(error) => quoted(error.to_string()),
        ErrorKind::MissingHeartbeatError => BrokerWords::NoHeartbeat,
        ErrorKind::InvalidChannelState(..) => BrokerWords::ChannelClosed,
        ErrorKind::InvalidConnectionState(_) => BrokerWords::ConnectionClosed,
        ErrorKind::ParsingError(_) => BrokerWords::NotAmqp,
        _ => quoted(error.to_string()),
    }
}

/// Why no connection came about, and what to do.
pub(super) fn of_connect(address: &Address, sign_in: SignIn, error: &lapin::Error) -> BrokerFault {
    let (why, cure) = match error.kind() {
        ErrorKind::ProtocolError(refusal) => (words(error), cure_of_refusal(address, sign_in, refusal.kind())),
        ErrorKind::IOError(error) => {
            let why = match connect::reason(&**error, error.to_string()) {
                // An end within the handshake has more reasons here.
                Connect::NoTls { words } if error.kind() == io::ErrorKind::UnexpectedEof => Connect::NoWay { words },
                why => why,
            };
            let cure = cure_of_io(address, &why, error);
            (BrokerWords::NotConnected { why }, Some(cure))
        }
        ErrorKind::ParsingError(_) => (words(error), Some(cure_of_protocol(address))),
        _ => (words(error), None),
    };
    BrokerFault::new(BrokerCause::BrokerUnreachable { address: address.to_string(), why }, cure)
}

fn cure_of_refusal(address: &Address, sign_in: SignIn, kind: &AMQPErrorKind) -> Option<BrokerCure> {
    match kind {
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
            Some(sign_in.cure(address).unwrap_or_else(|| cure_of_login(address)))
        }
        // It does not offer the mechanism at all.
        AMQPErrorKind::Hard(AMQPHardError::COMMANDINVALID) => sign_in.cure(address),
        AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => Some(cure_of_vhost(address)),
        AMQPErrorKind::Soft(_) | AMQPErrorKind::Hard(_) => None,
    }
}

/// Why a connection that stood is gone.
pub(super) fn of_loss(address: &Address, error: &lapin::Error) -> BrokerFault {
    // The client gives up the connection over one such message, and the broker hands it out again after each connect.
    let is_unreadable = matches!(error.kind(), ErrorKind::ParsingError(_));
    let cause = BrokerCause::ConnectionLost { address: address.to_string(), why: words(error) };
    BrokerFault::new(cause, is_unreadable.then_some(BrokerCure::TakeMessageOut))
}

fn cure_of_login(address: &Address) -> BrokerCure {
    let (user, setting) = (address.user().to_owned(), address.setting().to_owned());
    if user == "guest" && !is_loopback(address.host()) {
        BrokerCure::LetGuestIn { setting, user }
    } else {
        BrokerCure::CorrectLogin { setting, user }
    }
}

fn cure_of_vhost(address: &Address) -> BrokerCure {
    let (vhost, setting) = (address.vhost().to_owned(), address.setting().to_owned());
    if vhost.is_empty() {
        return BrokerCure::NameVhost { setting };
    }
    BrokerCure::CorrectVhost { setting, vhost, user: address.user().to_owned() }
}

fn cure_of_io(address: &Address, why: &Connect, error: &io::Error) -> BrokerCure {
    let setting = address.setting().to_owned();
    match why {
        Connect::UnknownIssuer { .. } => BrokerCure::NameAuthority,
        Connect::WrongName { .. } => BrokerCure::UseCertificatesName { host: address.host().to_owned(), setting },
        Connect::CertificateWanted { .. } => BrokerCure::BringCertificate,
        Connect::CertificateDates { .. } | Connect::BadCertificate { .. } => BrokerCure::RenewCertificate,
        Connect::ConnectionRefused { .. } => BrokerCure::StartRabbitMq { setting },
        Connect::NoTls { .. } => BrokerCure::UseTlsPort,
        Connect::NoAddress { .. } | Connect::NoWay { .. } => match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe => cure_of_protocol(address),
            _ => BrokerCure::CheckAddress { setting },
        },
    }
}

fn cure_of_protocol(address: &Address) -> BrokerCure {
    // Whether who comes without a certificate hears the reason, or a reset alone, is a matter of instants.
    if address.tls() { BrokerCure::WaitOrUseTlsPort } else { BrokerCure::WaitOrUseTls }
}

/// No handshake in time.
pub(super) fn of_silence(address: &Address, seconds: u64) -> BrokerFault {
    let cause = BrokerCause::BrokerSilent { address: address.to_string(), seconds };
    BrokerFault::new(cause, Some(BrokerCure::CheckBroker))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
