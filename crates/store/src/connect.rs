//! Where a ledger's connections come from: a file, or a server.

use crate::driver::Conn;
use crate::postgres::{self, Server};
use crate::sqlite::file;
use paceline_ports::LedgerError;
use paceline_ports::location::Location;

/// A further connection for reading to a ledger that was opened for writing before.
pub(crate) fn reader(location: &Location) -> Result<Conn, LedgerError> {
    match Server::of(location)? {
        None => file::open_reader(location),
        Some(server) => postgres::open_reader(&server),
    }
}
