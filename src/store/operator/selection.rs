//! Which jobs and dead letters a command is about: one type for all of them, and what it means in SQL.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, ToSql};

use crate::domain::reason::Reason;
use crate::store::state::State;

/// Restricts jobs and dead letters; an absent field restricts nothing, and several hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// These alone: ids of jobs, or `#<number>` of inputs that never became jobs.
    pub ids: Vec<String>,
    /// In this state; inputs that never became jobs are dead.
    pub state: Option<State>,
    /// Ended for this reason.
    pub reason: Option<Reason>,
    /// With this code of the platform.
    pub code: Option<i64>,
    /// Of this batch.
    pub batch: Option<String>,
    /// Of this method.
    pub method: Option<String>,
    /// Of this app.
    pub app: Option<String>,
    /// Of this tenant; empty for jobs without one.
    pub tenant: Option<String>,
    /// With a call in flight.
    pub running: bool,
    /// With ids that begin so.
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

    /// The jobs among them.
    pub(super) fn jobs(&self) -> Sought {
        let mut sought = Sought { index: self.index(), ..Sought::default() };
        if !self.ids.is_empty() {
            sought.restrict(
                "j.id IN (SELECT value FROM json_each(:ids))",
                ":ids",
                json_list(self.ids.iter().map(String::as_str)),
            );
        }
        if let Some(prefix) = self.prefix.as_ref().filter(|prefix| !prefix.is_empty()) {
            // A range of the index of ids; nothing sorts behind the last character.
            sought.restrict("j.id >= :prefix", ":prefix", prefix.clone());
            sought.restrict("j.id < :beyond", ":beyond", format!("{prefix}{}", char::MAX));
        }
        if self.running {
            sought.conditions.push(IN_FLIGHT.to_owned());
        }
        if let Some(state) = self.state {
            // As it stands, not bound: the partial indexes are only used for what is known beforehand.
            sought.conditions.push(format!("j.state = {}", state.number()));
        }
        sought.restrict_if("j.reason = :reason", ":reason", self.reason.map(|reason| reason.as_str().to_owned()));
        sought.restrict_if("j.code = :code", ":code", self.code);
        sought.restrict_if("l.tenant = :tenant", ":tenant", self.tenant.clone());
        self.restrict_names(&mut sought, "l");
        sought
    }

    /// The inputs that never became jobs among them.
    pub(super) fn inputs(&self) -> Sought {
        let mut sought = Sought::default();
        let of_jobs_alone = self.code.is_some() || self.tenant.is_some() || self.running || self.prefix.is_some();
        if of_jobs_alone || self.state.is_some_and(|state| state != State::Dead) {
            sought.conditions.push("0".to_owned());
        }
        if !self.ids.is_empty() {
            let numbers = self.ids.iter().filter_map(|id| id.strip_prefix('#')?.parse::<i64>().ok());
            sought.restrict("r.seq IN (SELECT value FROM json_each(:ids))", ":ids", json_list(numbers));
        }
        sought.restrict_if("r.reason = :reason", ":reason", self.reason.map(|reason| reason.as_str().to_owned()));
        self.restrict_names(&mut sought, "r");
        sought
    }

    fn restrict_names(&self, sought: &mut Sought, table: &str) {
        sought.restrict_if("b.name = :batch", ":batch", self.batch.clone());
        sought.restrict_if(&format!("{table}.method = :method"), ":method", self.method.clone());
        sought.restrict_if(&format!("{table}.app = :app"), ":app", self.app.clone());
    }

    /// The index of the jobs in a state, where neither ids nor a batch lead to them sooner.
    fn index(&self) -> Option<Index> {
        if !self.ids.is_empty() || self.batch.is_some() || self.running || self.prefix.is_some() {
            return None;
        }
        match self.state? {
            State::Queued | State::Uncertain => Some(Index::Waiting),
            State::Held | State::Dead | State::Cancelled => Some(Index::Parked),
            State::Succeeded => None,
        }
    }
}

/// From the few calls in flight to their jobs.
const IN_FLIGHT: &str = "j.seq IN (SELECT job FROM attempts INDEXED BY attempts_open WHERE ended_at IS NULL)";

#[derive(Clone, Copy, Debug)]
enum Index {
    Waiting,
    Parked,
}

/// A selection in SQL: `j` is the job, `l` its lane, `r` the input, `b` the batch.
#[derive(Debug, Default)]
pub(super) struct Sought {
    index: Option<Index>,
    conditions: Vec<String>,
    values: Vec<(&'static str, Value)>,
}

impl Sought {
    fn restrict(&mut self, condition: &str, name: &'static str, value: impl Into<Value>) {
        self.conditions.push(condition.to_owned());
        self.values.push((name, value.into()));
    }

    fn restrict_if(&mut self, condition: &str, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.restrict(condition, name, value);
        }
    }

    /// A further condition.
    pub(super) fn and(mut self, condition: &str) -> Self {
        self.conditions.push(condition.to_owned());
        self
    }

    /// A further condition with a value.
    pub(super) fn and_with(mut self, condition: &str, name: &'static str, value: i64) -> Self {
        self.restrict(condition, name, value);
        self
    }

    /// `FROM` and `WHERE` over jobs, their lanes and batches.
    pub(super) fn jobs_where(&self) -> String {
        // The index's own condition has to stand there in its own words.
        let (index, range) = match self.index {
            Some(Index::Waiting) => ("INDEXED BY jobs_waiting", "j.state <= 1 AND "),
            Some(Index::Parked) => ("INDEXED BY jobs_parked", "j.state IN (2, 3, 4) AND "),
            None => ("", ""),
        };
        format!(
            "FROM jobs j {index} JOIN lanes l USING (lane) LEFT JOIN batches b ON b.batch = j.batch WHERE {range}{}",
            self.conditions()
        )
    }

    /// `FROM` and `WHERE` over inputs that never became jobs, and their batches.
    pub(super) fn inputs_where(&self) -> String {
        format!("FROM rejected r LEFT JOIN batches b ON b.batch = r.batch WHERE {}", self.conditions())
    }

    fn conditions(&self) -> String {
        if self.conditions.is_empty() { "1".to_owned() } else { self.conditions.join(" AND ") }
    }

    /// What the conditions' names stand for.
    pub(super) fn values(&self) -> Vec<(&str, &dyn ToSql)> {
        self.values.iter().map(|(name, value)| (*name, value as &dyn ToSql)).collect()
    }

    /// Reads every row of `sql`, which was made with [`Self::jobs_where`] or [`Self::inputs_where`].
    pub(super) fn read<T>(
        &self,
        conn: &Connection,
        sql: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        conn.prepare_cached(sql)?.query_map(&self.values()[..], read)?.collect()
    }
}

/// A list as `json_each` takes it.
pub(super) fn json_list(items: impl Iterator<Item = impl Into<serde_json::Value>>) -> String {
    serde_json::Value::Array(items.map(Into::into).collect()).to_string()
}
