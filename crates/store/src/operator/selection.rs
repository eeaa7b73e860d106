//! Which jobs and dead letters a command is about: one type for all of them, and what it means in SQL.

use rusqlite::ToSql;
use rusqlite::types::Value;

use crate::driver::Conn;
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
    pub(super) fn jobs_by_id(&self) -> Sought {
        // The one index over all ids is made by their being unique; INDEXED BY, because order by number must not win.
        let mut sought = Sought::new(
            "j.seq",
            "jobs j INDEXED BY sqlite_autoindex_jobs_1 CROSS JOIN lanes l ON l.lane = j.lane
                 LEFT JOIN batches b ON b.batch = j.batch",
        );
        if !self.ids.is_empty() {
            sought.restrict(
                "j.id IN (SELECT value FROM json_each(:ids))",
                ":ids",
                json_list(self.ids.iter().filter_map(|id| job_id(id))),
            );
        }
        if let Some(prefix) = &self.prefix {
            sought.restrict("j.id >= :from", ":from", prefix.clone());
            sought.restrict("j.id < :to", ":to", format!("{prefix}{}", char::MAX));
        }
        sought.restrict_if("j.state = :state", ":state", self.state.map(State::number));
        if self.warnings {
            sought.conditions.push("j.warnings IS NOT NULL".to_owned());
        }
        sought.restrict_if("j.reason = :reason", ":reason", self.reason.map(|reason| reason.as_str().to_owned()));
        // A code is that of an ending, not of a failure on the way.
        sought.restrict_if("j.state IN (2, 3) AND j.code = :code", ":code", self.code);
        sought.restrict_if("l.tenant = :tenant", ":tenant", self.tenant.clone());
        self.restrict_names(&mut sought, "l");
        sought
    }

    /// The inputs among them that are named by their numbers.
    pub(super) fn inputs_by_id(&self) -> Sought {
        let mut sought = Sought::new("r.seq", "rejected r LEFT JOIN batches b ON b.batch = r.batch");
        let numbers = self.ids.iter().filter_map(|id| input_number(id));
        sought.restrict("r.seq IN (SELECT value FROM json_each(:ids))", ":ids", json_list(numbers));
        sought.restrict_if("r.reason = :reason", ":reason", self.reason.map(|reason| reason.as_str().to_owned()));
        self.restrict_names(&mut sought, "r");
        sought
    }

    fn restrict_names(&self, sought: &mut Sought, table: &str) {
        sought.restrict_if("coalesce(b.name, '') = :batch", ":batch", self.batch.clone());
        sought.restrict_if(&format!("{table}.method = :method"), ":method", self.method.clone());
        sought.restrict_if(&format!("{table}.app = :app"), ":app", self.app.clone());
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

/// What is named one by one, in SQL: `j` is the job, `l` its lane, `r` the input, `b` the batch.
#[derive(Debug)]
pub(super) struct Sought {
    seq: &'static str,
    tables: &'static str,
    conditions: Vec<String>,
    values: Vec<(&'static str, Value)>,
}

impl Sought {
    fn new(seq: &'static str, tables: &'static str) -> Self {
        Self { seq, tables, conditions: vec!["1".to_owned()], values: Vec::new() }
    }

    fn restrict(&mut self, condition: &str, name: &'static str, value: impl Into<Value>) {
        self.conditions.push(condition.to_owned());
        self.values.push((name, value.into()));
    }

    fn restrict_if(&mut self, condition: &str, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.restrict(condition, name, value);
        }
    }

    pub(super) fn sql(&self, columns: &str) -> String {
        format!("SELECT {columns} FROM {} WHERE {}", self.tables, self.conditions.join(" AND "))
    }

    fn values(&self) -> Vec<(&str, &dyn ToSql)> {
        self.values.iter().map(|(name, value)| (*name, value as &dyn ToSql)).collect()
    }

    /// Their numbers after `after`, in order.
    pub(super) fn seqs(&self, conn: &Conn, after: i64) -> rusqlite::Result<Vec<i64>> {
        let mut statement = conn.prepare_cached(&self.sql(self.seq))?;
        let seqs = statement.query_map(&self.values()[..], |row| row.get(0))?;
        let mut seqs: Vec<i64> = seqs.collect::<rusqlite::Result<_>>()?;
        seqs.retain(|seq| *seq > after);
        seqs.sort_unstable();
        Ok(seqs)
    }

    /// How many they are.
    pub(super) fn count(&self, conn: &Conn) -> rusqlite::Result<u64> {
        conn.prepare_cached(&self.sql("count(*)"))?.query_row(&self.values()[..], |row| super::batches::number(row, 0))
    }

    /// How many they are, counted no further than one above `most`.
    pub(super) fn count_up_to(&self, conn: &Conn, most: usize) -> rusqlite::Result<usize> {
        let sql = format!("SELECT count(*) FROM ({} LIMIT {})", self.sql("1"), most.saturating_add(1));
        let count = conn.prepare_cached(&sql)?.query_row(&self.values()[..], |row| super::batches::number(row, 0))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

/// A list as `json_each` takes it.
pub(super) fn json_list(items: impl Iterator<Item = impl Into<serde_json::Value>>) -> String {
    serde_json::Value::Array(items.map(Into::into).collect()).to_string()
}
