//! Which jobs and dead letters a command is about: one type for all of them, and what it means in SQL.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::batches::number as count;
use crate::driver::{Bind, Conn, Result, Value};
use crate::state::State;
use paceline_domain::activity::Facts;
use paceline_domain::reason::Reason;

/// Says that a job is meant whose id looks like the number of an input.
const JOB: &str = "job:";
/// Says that an input is meant although a job has that id.
const INPUT: &str = "input:";

/// Restricts jobs and dead letters; an absent field restricts nothing, and several hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// These alone: ids of jobs, or `#<number>` of inputs that never became jobs; `job:#<number>` and `input:#<number>`
    /// where both are there.
    pub ids: Vec<String>,
    /// In this state; inputs that never became jobs are dead.
    pub state: Option<State>,
    /// Succeeded with warnings.
    pub warnings: bool,
    /// Ended for this reason.
    pub reason: Option<Reason>,
    /// Held or dead with this code of the platform.
    pub code: Option<i64>,
    /// Of this batch; empty for none.
    pub batch: Option<String>,
    /// Of this method.
    pub method: Option<String>,
    /// Of this app.
    pub app: Option<String>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// With an id that begins so.
    pub prefix: Option<String>,
}

impl Selection {
    /// One job, or `#<number>` of an input.
    pub fn of_id(id: &str) -> Self {
        Self { ids: vec![id.to_owned()], ..Self::default() }
    }

    /// Everything in a state.
    pub fn of_state(state: State) -> Self {
        Self { state: Some(state), ..Self::default() }
    }

    /// Everything of a batch.
    pub fn of_batch(batch: &str) -> Self {
        Self { batch: Some(batch.to_owned()), ..Self::default() }
    }

    /// The same, restricted to a state.
    #[must_use]
    pub fn in_state(&self, state: State) -> Self {
        Self { state: Some(state), ..self.clone() }
    }

    /// What it says, as a change of what it selects is told of.
    pub fn facts(&self) -> Facts {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let facts = Facts::ids(self.ids.iter().map(String::as_str))
            .text("batch", &text(&self.batch))
            .text("app", &text(&self.app))
            .text("tenant", &text(&self.tenant))
            .text("method", &text(&self.method))
            .text("reason", self.reason.map_or("", Reason::as_str))
            .text("prefix", &text(&self.prefix));
        self.code.map_or(facts.clone(), |code| facts.number("code", code))
    }

    /// Whether it restricts nothing.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether no input that never became a job can be among them: inputs are dead, without a tenant, a code or an id that
    /// counts.
    pub(super) fn excludes_inputs(&self) -> bool {
        self.code.is_some()
            || self.tenant.is_some()
            || self.warnings
            || self.state.is_some_and(|state| state != State::Dead)
    }

    /// The jobs among them, found by ids or by their beginning.
    pub(super) fn jobs_by_id(&self) -> Sought<'_> {
        let begins_so = |id: &&str| self.prefix.as_ref().is_none_or(|prefix| id.starts_with(prefix.as_str()));
        let ids = self.ids.iter().filter_map(|id| job_id(id)).filter(begins_so);
        let mut sought = match &self.prefix {
            Some(prefix) if self.ids.is_empty() => {
                Sought::new(JOBS, "j.id >= $1 AND j.id < $2", [Name::prefix(prefix)])
            }
            _ => Sought::new(JOBS, "j.id = $1", ids.map(|id| Name::Id(id.to_owned()))),
        };
        let narrowed = &mut sought.narrowed;
        // `+` and coalesce leave no other index than that of ids, by which few are found.
        narrowed.restrict("+j.state", self.state.map(|state| state.number().into()));
        if self.warnings {
            narrowed.sql += " AND j.warnings IS NOT NULL";
        }
        narrowed.restrict("coalesce(j.reason, '')", self.reason.map(|reason| reason.as_str().into()));
        // A code is that of an ending, not of a failure on the way.
        narrowed.restrict("+j.state IN (2, 3) AND +j.code", self.code.map(Into::into));
        narrowed.restrict("coalesce(l.tenant, '')", self.tenant.as_deref().map(Into::into));
        self.restrict_names(narrowed, "l");
        sought
    }

    /// The inputs among them that are named by their numbers.
    pub(super) fn inputs_by_id(&self) -> Sought<'_> {
        let numbers = self.ids.iter().filter_map(|id| input_number(id)).map(Name::Number);
        let mut sought = Sought::new(INPUTS, "r.seq = $1", numbers);
        let narrowed = &mut sought.narrowed;
        narrowed.restrict("r.reason", self.reason.map(|reason| reason.as_str().into()));
        self.restrict_names(narrowed, "r");
        sought
    }

    fn restrict_names<'s>(&'s self, narrowed: &mut Narrowed<'s>, table: &str) {
        narrowed.restrict("coalesce(b.name, '')", self.batch.as_deref().map(Into::into));
        narrowed.restrict(&format!("coalesce({table}.method, '')"), self.method.as_deref().map(Into::into));
        narrowed.restrict(&format!("coalesce({table}.app, '')"), self.app.as_deref().map(Into::into));
    }
}

/// The job that is named, if it is none of the inputs.
fn job_id(name: &str) -> Option<&str> {
    match (name.strip_prefix(JOB), name.strip_prefix(INPUT)) {
        (Some(id), _) if number(id).is_some() => Some(id),
        (_, Some(id)) if number(id).is_some() => None,
        _ => Some(name),
    }
}

/// The input that is named.
fn input_number(name: &str) -> Option<i64> {
    number(name.strip_prefix(INPUT).unwrap_or(name))
}

/// The number of `#<number>`.
pub(super) fn number(handle: &str) -> Option<i64> {
    handle.strip_prefix('#')?.parse().ok()
}

/// What a list calls the dead letter of that name.
pub fn handle(name: &str) -> &str {
    let bare = name.strip_prefix(JOB).or_else(|| name.strip_prefix(INPUT));
    bare.filter(|bare| number(bare).is_some()).unwrap_or(name)
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
