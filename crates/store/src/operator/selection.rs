//! Which jobs and dead letters a command is about, in SQL.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::batches::number as count;
use crate::driver::{Bind, Conn, Result, Value};
use paceline_ports::operator::{Selection, input_number, job_id};

/// The jobs among them, found by ids or by their beginning.
pub(super) fn jobs_by_id(selection: &Selection) -> Sought<'_> {
    let begins_so = |id: &&str| selection.prefix.as_ref().is_none_or(|prefix| id.starts_with(prefix.as_str()));
    let ids = selection.ids.iter().filter_map(|id| job_id(id)).filter(begins_so);
    let mut sought = match &selection.prefix {
        Some(prefix) if selection.ids.is_empty() => {
            Sought::new(JOBS, "j.id >= $1 AND j.id < $2", [Name::prefix(prefix)])
        }
        _ => Sought::new(JOBS, "j.id = $1", ids.map(|id| Name::Id(id.to_owned()))),
    };
    let narrowed = &mut sought.narrowed;
    // `+` and coalesce leave no other index than that of ids, by which few are found.
    narrowed.restrict("+j.state", selection.state.map(|state| state.number().into()));
    if selection.warnings {
        narrowed.sql += " AND j.warnings IS NOT NULL";
    }
    narrowed.restrict("coalesce(j.reason, '')", selection.reason.map(|reason| reason.as_str().into()));
    // A code is that of an ending, not of a failure on the way.
    narrowed.restrict("+j.state IN (2, 3) AND +j.code", selection.code.map(Into::into));
    narrowed.restrict("coalesce(l.tenant, '')", selection.tenant.as_deref().map(Into::into));
    restrict_names(selection, narrowed, "l");
    sought
}

/// The inputs among them that are named by their numbers.
pub(super) fn inputs_by_id(selection: &Selection) -> Sought<'_> {
    let numbers = selection.ids.iter().filter_map(|id| input_number(id)).map(Name::Number);
    let mut sought = Sought::new(INPUTS, "r.seq = $1", numbers);
    let narrowed = &mut sought.narrowed;
    narrowed.restrict("r.reason", selection.reason.map(|reason| reason.as_str().into()));
    restrict_names(selection, narrowed, "r");
    sought
}

fn restrict_names<'s>(selection: &'s Selection, narrowed: &mut Narrowed<'s>, table: &str) {
    narrowed.restrict("coalesce(b.name, '')", selection.batch.as_deref().map(Into::into));
    narrowed.restrict(&format!("coalesce({table}.method, '')"), selection.method.as_deref().map(Into::into));
    narrowed.restrict(&format!("coalesce({table}.app, '')"), selection.app.as_deref().map(Into::into));
}

/// A question, narrowed by what a selection names.
#[derive(Debug)]
pub(super) struct Narrowed<'s> {
    pub(super) sql: String,
    pub(super) values: Vec<Value<'s>>,
    /// How many parameters come before these values.
    before: usize,
}

impl<'s> Narrowed<'s> {
    pub(super) fn of(sql: String, values: Vec<Value<'s>>) -> Self {
        Self { sql, values, before: 0 }
    }

    pub(super) fn restrict(&mut self, column: &str, value: Option<Value<'s>>) {
        if let Some(value) = value {
            self.values.push(value);
            let _ = write!(self.sql, " AND {column} = ${}", self.before + self.values.len());
        }
    }
}

/// Jobs and their number: `j` is the job, `l` its lane, `b` its batch.
const JOBS: (&str, &str) = ("j.seq", "jobs j JOIN lanes l ON l.lane = j.lane LEFT JOIN batches b ON b.batch = j.batch");
/// Likewise of inputs `r`.
const INPUTS: (&str, &str) = ("r.seq", "rejected r LEFT JOIN batches b ON b.batch = r.batch");

/// What is named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Id(String),
    Number(i64),
    /// From the first to before the second.
    Between(String, String),
}

impl Name {
    fn prefix(prefix: &str) -> Self {
        Self::Between(prefix.to_owned(), format!("{prefix}{}", char::MAX))
    }

    fn values(&self) -> Vec<Value<'_>> {
        match self {
            Self::Id(id) => vec![id.as_str().into()],
            Self::Number(number) => vec![(*number).into()],
            Self::Between(from, to) => vec![from.as_str().into(), to.as_str().into()],
        }
    }
}

/// What is named one by one, each the first parameters of one question.
#[derive(Debug)]
pub(super) struct Sought<'s> {
    seq: &'static str,
    names: BTreeSet<Name>,
    narrowed: Narrowed<'s>,
}

impl Sought<'_> {
    fn new((seq, tables): (&'static str, &str), is_named: &str, names: impl IntoIterator<Item = Name>) -> Self {
        let narrowed = Narrowed {
            sql: format!("FROM {tables} WHERE {is_named}"),
            values: Vec::new(),
            before: is_named.matches('$').count(),
        };
        Self { seq, names: names.into_iter().collect(), narrowed }
    }

    pub(super) fn sql(&self, columns: &str) -> String {
        format!("SELECT {columns} {}", self.narrowed.sql)
    }

    /// The values of each question.
    fn values(&self) -> impl Iterator<Item = Vec<Value<'_>>> {
        self.names.iter().map(|name| [name.values(), self.narrowed.values.clone()].concat())
    }

    /// Their numbers after `after`, in order.
    pub(super) fn seqs(&self, conn: &Conn, after: i64) -> Result<Vec<i64>> {
        let sql = self.sql(self.seq);
        let mut seqs: Vec<i64> = Vec::new();
        for values in self.values() {
            seqs.extend(conn.query(&sql, &values, |row| row.get::<i64>(0))?);
        }
        seqs.retain(|seq| *seq > after);
        seqs.sort_unstable();
        Ok(seqs)
    }

    /// How many they are.
    pub(super) fn count(&self, conn: &Conn) -> Result<u64> {
        let (sql, mut found) = (self.sql("count(*)"), 0);
        for values in self.values() {
            found += conn.query_one(&sql, &values, |row| count(row, 0))?;
        }
        Ok(found)
    }
}

/// How many jobs have an id that begins so, counted no further than one above `most`.
pub(super) fn count_prefixed(conn: &Conn, prefix: &str, most: usize) -> Result<usize> {
    let sql = "SELECT count(*) FROM (SELECT 1 AS one FROM jobs WHERE id >= $1 AND id < $2 LIMIT $3) AS counted";
    let (name, most) = (Name::prefix(prefix), most.saturating_add(1));
    conn.query_value(sql, &[name.values(), vec![most.bind()]].concat())
}
