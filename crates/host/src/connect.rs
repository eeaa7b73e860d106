//! Why no connection came about, by the types of the errors and not by their texts.

use std::error::Error;
use std::fmt;
use std::io;

use paceline_domain::messages::Connect;
use rustls::{AlertDescription, CertificateError};

/// A name without an address.
#[derive(Debug)]
pub struct Unresolved(pub io::Error);

impl fmt::Display for Unresolved {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Error for Unresolved {}

/// Why, with the words of what failed in the end.
pub fn reason(error: &(dyn Error + 'static), words: String) -> Connect {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return of_tls(error, words);
        }
        if error.is::<Unresolved>() {
            return Connect::NoAddress { words };
        }
        let Some(error) = error.downcast_ref::<io::Error>() else {
            cause = error.source();
            continue;
        };
        if error.kind() == io::ErrorKind::ConnectionRefused {
            return Connect::ConnectionRefused { words };
        }
        // The other side ends the handshake at its first byte.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Connect::NoTls { words };
        }
        // Its source is that of what it wraps, which is passed over that way.
        cause = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
    }
    Connect::NoWay { words }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls may find more that is wrong with a certificate")]
fn of_tls(error: &rustls::Error, words: String) -> Connect {
    let rustls::Error::InvalidCertificate(fault) = error else {
        return match error {
            rustls::Error::InvalidMessage(_) => Connect::NoTls { words },
            rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => Connect::CertificateWanted { words },
            _ => Connect::NoWay { words },
        };
    };
    match fault {
        CertificateError::UnknownIssuer => Connect::UnknownIssuer { words },
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Connect::WrongName { words }
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Connect::CertificateDates { words },
        _ => Connect::BadCertificate { words },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{Error as Tls, InvalidMessage};

    /// As the client wraps what TLS says.
    fn wrapped(error: Tls) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn each_error_has_its_own_reason() {
        let certificate = |fault| wrapped(Tls::InvalidCertificate(fault));
        let words = String::new;
        for (error, expected) in [
            (certificate(CertificateError::UnknownIssuer), Connect::UnknownIssuer { words: words() }),
            (certificate(CertificateError::NotValidForName), Connect::WrongName { words: words() }),
            (certificate(CertificateError::Expired), Connect::CertificateDates { words: words() }),
            (certificate(CertificateError::NotValidYet), Connect::CertificateDates { words: words() }),
            (certificate(CertificateError::BadSignature), Connect::BadCertificate { words: words() }),
            (wrapped(Tls::InvalidMessage(InvalidMessage::InvalidContentType)), Connect::NoTls { words: words() }),
            (
                wrapped(Tls::AlertReceived(AlertDescription::CertificateRequired)),
                Connect::CertificateWanted { words: words() },
            ),
            (wrapped(Tls::HandshakeNotComplete), Connect::NoWay { words: words() }),
            (io::ErrorKind::UnexpectedEof.into(), Connect::NoTls { words: words() }),
            (io::Error::other(io::Error::new(io::ErrorKind::UnexpectedEof, "eof")), Connect::NoTls { words: words() }),
            (io::ErrorKind::ConnectionRefused.into(), Connect::ConnectionRefused { words: words() }),
            (io::ErrorKind::HostUnreachable.into(), Connect::NoWay { words: words() }),
        ] {
            assert_eq!(reason(&error, words()), expected, "{error:?}");
        }
        let unresolved = Unresolved(io::Error::other("no such name"));
        assert_eq!(reason(&unresolved, words()), Connect::NoAddress { words: words() });
    }
}
