//! PostgreSQL under the store: a server, its driver, and the schema that it begins with.
//!
//! Everything else is the same as over SQLite. Who writes takes a lock of the ledger for its transaction, so that here,
//! too, one transaction at a time writes.
//!
//! Decision: docs/decisions/0049-one-writer-at-a-time-on-postgresql.md

mod driver;
mod many;
mod schema;
mod server;
#[cfg(test)]
mod tests;
mod values;

use self::driver::PostgresConn;
pub(crate) use self::server::Server;
use crate::driver::Conn;
use crate::ledger::seal::Seal;
use crate::sqlite::file::VERSION;
use paceline_ports::LedgerError;

/// Opens the ledger for writing, making or migrating its tables as needed.
pub(crate) fn open_writer(server: &Server) -> Result<Conn, LedgerError> {
    schema::prepare(server)?;
    let conn = over(server);
    Seal::read_or_begin(&conn)?;
    Ok(conn)
}

/// Opens a further connection for reading.
pub(crate) fn open_reader(server: &Server) -> Result<Conn, LedgerError> {
    let conn = over(server);
    Seal::read(&conn)?;
    Ok(conn)
}

fn over(server: &Server) -> Conn {
    Conn::over(PostgresConn::to(server.clone()), Seal::of(server.location()), VERSION)
}
