//! The tables on a server: made once, and carried forward.

use futures_executor::block_on;
use tokio_postgres::Client;

use super::driver::failed;
use super::server::Server;
use crate::dialect::{statements, to_postgres};
use crate::driver::{Error, Kind};
use crate::sqlite::file::{MIGRATIONS, VERSION, schema};
use paceline_ports::LedgerError;

/// One process at a time looks at the tables and makes them.
const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock(1346454342, hashtext(current_schema()))";

/// Which version of the schema is there. In a table of its own: what is asked first must never change.
const VERSIONS: &str = "CREATE TABLE paceline_schema (version BIGINT NOT NULL);
COMMENT ON TABLE paceline_schema IS 'The version of these tables, which belong to Paceline';";

/// What people changed is only ever added to, but for what is too old to be kept.
const ACTIVITY: &str =
    "CREATE FUNCTION activity_only_grows() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < coalesce((SELECT value FROM meta WHERE name = 'activity_before'), 0) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the activity can only be added to';
END $$;
CREATE TRIGGER activity_only_grows BEFORE UPDATE OR DELETE ON activity
    FOR EACH ROW EXECUTE FUNCTION activity_only_grows();";

/// SQLite ends every index by the row's number, so that the jobs of a pile come in order; a server has to be told. And it
/// takes `(warnings IS NOT NULL) = FALSE` for another expression than the index's.
const IN_ORDER: [(&str, &str); 5] = [
    ("jobs_waiting", "(batch, lane, state, priority, seq) WHERE state <= 1"),
    ("jobs_stopped", "(batch, lane, state, reason, code, seq) WHERE state IN (2, 3)"),
    ("jobs_blocked", "(batch, lane, state, seq) WHERE state = 6"),
    ("jobs_done", "(batch, lane, state, seq) WHERE state IN (4, 5)"),
    ("jobs_warned", "(batch, lane, state, seq) WHERE state IN (4, 5) AND warnings IS NOT NULL"),
];

/// The first version that there was on a server.
pub(super) const FIRST: i64 = 24;

/// Makes the tables if there are none, and carries older ones forward: all of it in one transaction, one process at a
/// time.
pub(super) fn prepare(server: &Server) -> Result<(), LedgerError> {
    let client = server.connect()?;
    let prepared = || prepare_in_transaction(&client, server).and_then(|()| order_indices(&client));
    let outcome = run(&client, BEGIN).and_then(|()| prepared());
    match outcome {
        Ok(()) => run(&client, "COMMIT"),
        // The connection ends here, and the transaction with it.
        Err(error) => Err(error),
    }
}

fn run(client: &Client, script: &str) -> Result<(), LedgerError> {
    Ok(block_on(client.batch_execute(script)).map_err(|error| failed(&error))?)
}

fn prepare_in_transaction(client: &Client, server: &Server) -> Result<(), LedgerError> {
    match version(client)? {
        Some(VERSION) => Ok(()),
        Some(newer) if newer > VERSION => Err(LedgerError::Failed(format!(
            "{} was written by a newer Paceline (ledger version {newer}, this one knows up to {VERSION}); use that \
             version, or name another database in [store] url",
            server.name()
        ))),
        Some(older) if older >= FIRST => carry_forward(client, older),
        Some(older) => Err(LedgerError::Failed(format!(
            "{} has ledger version {older}, which no Paceline ever wrote there; restore it from a backup",
            server.name()
        ))),
        None => begin(client, server, VERSION),
    }
}

fn version(client: &Client) -> Result<Option<i64>, LedgerError> {
    let ask = async {
        let is_there = "SELECT to_regclass(quote_ident(current_schema()) || '.paceline_schema') IS NOT NULL";
        if !client.query_one(is_there, &[]).await?.try_get::<_, bool>(0)? {
            return Ok(None);
        }
        let row = client.query_opt("SELECT max(version) FROM paceline_schema", &[]).await?;
        row.map_or(Ok(None), |row| row.try_get(0))
    };
    Ok(block_on(ask).map_err(|error: tokio_postgres::Error| failed(&error))?)
}

/// Runs the scripts that lead from an older version to this one, in PostgreSQL's words. An older program beside this one
/// goes on until it asks for what has become different; started anew, it is refused.
fn carry_forward(client: &Client, from: i64) -> Result<(), LedgerError> {
    for (version, script) in MIGRATIONS.iter().filter(|(version, _)| *version > from) {
        for statement in statements(script) {
            run(client, &statement)?;
        }
        run(client, &format!("UPDATE paceline_schema SET version = {version}"))?;
    }
    tracing::info!(from, to = VERSION, "the ledger's tables were carried forward");
    Ok(())
}

/// Makes those indices anew that do not end by the row's number.
fn order_indices(client: &Client) -> Result<(), LedgerError> {
    let ordered = async {
        let ordered = "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum = i.indnatts
             WHERE i.indrelid = to_regclass('jobs') AND a.attname = 'seq'";
        let rows = client.query(ordered, &[]).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()
    };
    let ordered = block_on(ordered).map_err(|error: tokio_postgres::Error| failed(&error))?;
    for (name, columns) in IN_ORDER.iter().filter(|(name, _)| !ordered.iter().any(|ordered| ordered == name)) {
        run(client, &format!("DROP INDEX IF EXISTS {name}; CREATE INDEX {name} ON jobs {columns}"))?;
    }
    Ok(())
}

pub(super) fn begin(client: &Client, server: &Server, version: i64) -> Result<(), LedgerError> {
    let others = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()";
    let others = block_on(async { client.query_one(others, &[]).await?.try_get::<_, i64>(0) });
    if others.map_err(|error| failed(&error))? > 0 {
        return Err(LedgerError::Failed(format!(
            "{} holds tables of another program; name an empty database or schema in [store] url",
            server.name()
        )));
    }
    let tables = schema(version).map_err(|error| Error::new(Kind::Environment, error.to_string()))?;
    let tables: Vec<_> = tables.iter().filter_map(|(name, sql)| to_postgres(name, sql)).collect();
    let tables = tables.join(";\n");
    let insert = format!("INSERT INTO paceline_schema (version) VALUES ({version})");
    run(client, &format!("{VERSIONS}\n{tables};\n{ACTIVITY}\n{insert};"))
}
