//! Which jobs and dead letters are meant: one type for all of them.

use crate::State;
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
    pub fn excludes_inputs(&self) -> bool {
        self.code.is_some()
            || self.tenant.is_some()
            || self.warnings
            || self.state.is_some_and(|state| state != State::Dead)
    }
}

/// The job that is named, if it is none of the inputs.
pub fn job_id(name: &str) -> Option<&str> {
    match (name.strip_prefix(JOB), name.strip_prefix(INPUT)) {
        (Some(id), _) if number(id).is_some() => Some(id),
        (_, Some(id)) if number(id).is_some() => None,
        _ => Some(name),
    }
}

/// The input that is named.
pub fn input_number(name: &str) -> Option<i64> {
    number(name.strip_prefix(INPUT).unwrap_or(name))
}

/// The number of `#<number>`.
pub fn number(handle: &str) -> Option<i64> {
    handle.strip_prefix('#')?.parse().ok()
}

/// What a list calls the dead letter of that name.
pub fn handle(name: &str) -> &str {
    let bare = name.strip_prefix(JOB).or_else(|| name.strip_prefix(INPUT));
    bare.filter(|bare| number(bare).is_some()).unwrap_or(name)
}
