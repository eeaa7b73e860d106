//! Rows on their way from one ledger to another, whatever they mean.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::marks;
use super::tables::Table;
use crate::driver::{Conn, Error, Result, Row, Value};
use crate::ledger::books::{Books, Trouble};

/// Rows read, and written in one transaction.
const PAGE: usize = 1_000;
/// Rows of one statement: a round trip to a server for so many.
const AT_ONCE: usize = 50;

/// A value that outlives its row.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl From<Value<'_>> for Cell {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(number),
            Value::Real(number) => Self::Real(number),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Blob(bytes) => Self::Blob(bytes.to_owned()),
        }
    }
}

impl Cell {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(*number),
            Self::Real(number) => Value::Real(*number),
            Self::Text(text) => Value::Text(text),
            Self::Blob(bytes) => Value::Blob(bytes),
        }
    }
}

type Cells = Vec<Cell>;

/// Copies what is not there yet.
pub(super) fn copy(from: &Conn, to: &mut Books, table: &Table) -> std::result::Result<(), Trouble> {
    let last = if table.is_numbered { last(to.conn(), table)? } else { None };
    each_page(from, table, last.map(|last| vec![Cell::Integer(last)]), |page| {
        to.transaction(|books| Ok(write(books.conn(), table, page)?))
    })
}

/// Calls `each` for the rows behind this key, so many at a time.
fn each_page<E: From<Error>>(
    conn: &Conn,
    table: &Table,
    mut after: Option<Cells>,
    mut each: impl FnMut(&[Cells]) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    loop {
        let page = read(conn, table, after.as_deref())?;
        let Some(last) = page.last() else { return Ok(()) };
        each(&page)?;
        after = Some(table.key.iter().map(|at| last[*at].clone()).collect());
    }
}

/// Lets new rows be numbered as they would have been there.
pub(super) fn continue_numbers(from: &Conn, to: &Conn, table: &Table) -> Result<()> {
    if !table.is_numbered {
        return Ok(());
    }
    let (name, column) = (table.name.as_str(), table.columns[table.key[0]].as_str());
    let number = from.last_number(name, column)?.max(last(from, table)?.unwrap_or_default());
    if number > 0 { to.continue_after(name, column, number) } else { Ok(()) }
}

pub(super) fn has_any(conn: &Conn, table: &Table) -> Result<bool> {
    conn.query_value(&format!("SELECT EXISTS (SELECT 1 FROM {})", table.name), &[]).map(|any: i64| any != 0)
}

/// The highest number of its rows.
fn last(conn: &Conn, table: &Table) -> Result<Option<i64>> {
    conn.query_value(&format!("SELECT max({}) FROM {}", quoted(table, table.key[0]), table.name), &[])
}

/// Rows behind this key, in the order of their keys.
fn read(conn: &Conn, table: &Table, after: Option<&[Cell]>) -> Result<Vec<Cells>> {
    let columns: Vec<_> = (0..table.columns.len()).map(|at| quoted(table, at)).collect();
    let key = table.key.iter().map(|at| quoted(table, *at)).collect::<Vec<_>>().join(", ");
    let behind = after.map_or_else(String::new, |cells| {
        let numbers: Vec<_> = (1..=cells.len()).map(|number| format!("${number}")).collect();
        format!("WHERE ({key}) > ({})", numbers.join(", "))
    });
    let sql = format!("SELECT {} FROM {} {behind} ORDER BY {key} LIMIT {PAGE}", columns.join(", "), table.name);
    let values: Vec<_> = after.unwrap_or_default().iter().map(Cell::value).collect();
    let cells = |row: &Row<'_>| (0..columns.len()).map(|at| row.value(at).map(Cell::from)).collect();
    conn.query(&sql, &values, cells)
}

/// Writes them down, but for what is there.
fn write(conn: &Conn, table: &Table, rows: &[Cells]) -> Result<()> {
    let rows: Vec<_> = rows.iter().filter(|row| !is_of_a_place(table, row)).collect();
    for some in rows.chunks(AT_ONCE) {
        let values: Vec<_> = some.iter().flat_map(|row| row.iter().map(Cell::value)).collect();
        conn.execute(&insert(table, some.len()), &values)?;
    }
    Ok(())
}

fn insert(table: &Table, rows: usize) -> String {
    let columns: Vec<_> = (0..table.columns.len()).map(|at| quoted(table, at)).collect();
    let mut sql = format!("INSERT INTO {} ({}) VALUES ", table.name, columns.join(", "));
    for row in 0..rows {
        let between = if row == 0 { "(" } else { ", (" };
        let numbers: Vec<_> = (1..=columns.len()).map(|at| format!("${}", row * columns.len() + at)).collect();
        let _ = write!(sql, "{between}{})", numbers.join(", "));
    }
    // Numbered rows go on behind the last one.
    if !table.is_numbered {
        sql.push_str(" ON CONFLICT DO NOTHING");
    }
    sql
}

/// Some are words of one database or the other.
fn quoted(table: &Table, at: usize) -> String {
    format!("\"{}\"", table.columns[at])
}

fn is_of_a_place(table: &Table, row: &[Cell]) -> bool {
    table.name == "meta" && matches!(row.first(), Some(Cell::Text(name)) if marks::OF_A_PLACE.contains(&name.as_str()))
}

/// All rows of a table, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) rows: u64,
    sum: u128,
}

impl Digest {
    pub(super) fn of(conn: &Conn, table: &Table) -> Result<Self> {
        let mut digest = Self::default();
        each_page(conn, table, None, |page| {
            page.iter().filter(|row| !is_of_a_place(table, row)).for_each(|row| digest.add(row));
            Ok::<_, Error>(())
        })?;
        Ok(digest)
    }

    fn add(&mut self, row: &[Cell]) {
        let mut hash = Sha256::new();
        for cell in row {
            let (kind, bytes): (u8, &[u8]) = match cell {
                Cell::Null => (0, &[]),
                Cell::Integer(number) => (1, &number.to_be_bytes()),
                Cell::Real(number) => (2, &number.to_bits().to_be_bytes()),
                Cell::Text(text) => (3, text.as_bytes()),
                Cell::Blob(bytes) => (4, bytes),
            };
            hash.update([kind]);
            hash.update(bytes.len().to_be_bytes());
            hash.update(bytes);
        }
        let hash: [u8; 32] = hash.finalize().into();
        let (half, _) = hash.split_first_chunk().unwrap_or((&[0; 16], &[]));
        self.rows += 1;
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(*half));
    }
}
