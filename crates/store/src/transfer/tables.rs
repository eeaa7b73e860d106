//! What a ledger consists of: its tables, by the schema that both databases begin with.

use rusqlite::Connection;

use crate::sqlite::file::{VERSION, schema};

/// Who works the ledger and what its broker says: true of processes, not of jobs. The stamp tells a file from its copies.
const OF_PROCESSES: [&str; 4] = ["leases", "replicas", "broker", "stamp"];
/// A new ledger has a key, and facts about itself.
const OF_A_NEW_LEDGER: [&str; 2] = ["keys", "meta"];

/// A table to be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    /// In the order of the schema.
    pub(super) columns: Vec<String>,
    /// Where the columns of its primary key stand among them.
    pub(super) key: Vec<usize>,
    /// Whether its rows are numbered: they are only ever added to, at the end.
    pub(super) is_numbered: bool,
}

impl Table {
    /// Whether a new ledger has rows in it.
    pub(super) fn begins_with_rows(&self) -> bool {
        OF_A_NEW_LEDGER.contains(&self.name.as_str())
    }
}

/// All of them; what others refer to comes first.
pub(super) fn all() -> rusqlite::Result<Vec<Table>> {
    let conn = Connection::open_in_memory()?;
    let schema = schema(VERSION)?;
    let tables = schema.iter().filter(|(name, sql)| sql.starts_with("CREATE TABLE") && !name.starts_with("sqlite_"));
    let mut all = Vec::new();
    for (name, sql) in tables.filter(|(name, _)| !OF_PROCESSES.contains(&name.as_str())) {
        conn.execute_batch(sql)?;
        all.push(table(&conn, name)?);
    }
    Ok(all)
}

fn table(conn: &Connection, name: &str) -> rusqlite::Result<Table> {
    let mut of = conn.prepare("SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid")?;
    let columns: Vec<(String, String, i64)> =
        of.query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let mut key: Vec<usize> = (0..columns.len()).filter(|at| columns[*at].2 > 0).collect();
    key.sort_by_key(|at| columns[*at].2);
    let is_numbered = matches!(key[..], [only] if columns[only].1 == "INTEGER");
    Ok(Table { name: name.to_owned(), columns: columns.into_iter().map(|(name, ..)| name).collect(), key, is_numbered })
}
