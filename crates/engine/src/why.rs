//! Why has this job not run yet, or how did it end? A pure answer from what the ledger and the settings say.
//!
//! `paceline why` and the HTTP API [`gather()`] a [`Situation`] and let [`explain`] make facts of it, which reads nothing itself.
//! They make the sentences, in the reader's language.

mod ended;
mod gather;
mod throttling;
mod waiting;

use crate::budget_usage::BudgetUse;
use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};
use serde_json::{Map, Value, json};

pub use self::gather::{Asked, gather};
use super::ports::operator::{Ahead, Awaited};
use super::ports::{Restraint, Suspension};
use super::quota_usage::WindowUse;
use paceline_domain::job::LaneKey;
use paceline_domain::messages::{Bilingual, Cure, Language, Met, MetWords, Render as _, Said, ToDo, WhyFact};
use paceline_domain::outcome::Failure;
use paceline_domain::printable::plain;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_domain::warning::Warning;

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Waits for other jobs.
    Blocked,
    /// In its lane.
    Queued,
    /// A call of it is in flight.
    Running,
    /// A call of it may have been applied.
    Uncertain,
    /// Parked for a person.
    Held,
    /// A dead letter.
    Dead,
    /// Ended by a person.
    Cancelled,
    /// Ended well.
    Succeeded,
}

/// Everything that the answer depends on.
#[derive(Clone, Debug)]
pub struct Situation {
    /// The time.
    pub now: Timestamp,
    /// How the job stands.
    pub standing: Standing,
    /// Its lane.
    pub lane: LaneKey,
    /// 0 to 9.
    pub priority: u8,
    /// Not sent before; of an uncertain job, not looked up before.
    pub not_before: Option<Timestamp>,
    /// Expired at.
    pub not_after: Option<Timestamp>,
    /// Attempts charged.
    pub attempts: u32,
    /// When it was taken over.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When the call in flight left.
    pub sent_at: Option<Timestamp>,
    /// Id of what it created.
    pub key: Option<String>,
    /// What its success left out.
    pub warnings: Vec<Warning>,
    /// Why it ended without success.
    pub reason: Option<Reason>,
    /// What its last call met, or what ended it.
    pub failure: Failure,
    /// What the catalog calls the failure's code.
    pub meaning: Option<Bilingual>,
    /// Whether a look-up was its last call.
    pub was_looked_up: bool,
    /// Whether its app and method are in the settings and the catalog.
    pub is_known: bool,
    /// The lane of its look-up, if its method has one.
    pub look_up: Option<LaneKey>,
    /// Whether anybody works the ledger.
    pub has_worker: bool,
    /// Windows that its call falls under.
    pub windows: Vec<WindowUse>,
    /// Budgets of days and months that its call falls under.
    pub budgets: Vec<BudgetUse>,
    /// Jobs that go before it.
    pub ahead: Ahead,
    /// Jobs that it waits for.
    pub awaited: Vec<Awaited>,
    /// All suspensions in force.
    pub suspensions: Vec<Suspension>,
    /// All that holds calls back beyond the quotas.
    pub restraints: Vec<Restraint>,
    /// When it will be done, as far as the schedule can be run forward.
    pub expected_at: Option<Timestamp>,
}

/// The answer: what decides comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// One or more.
    pub facts: Vec<Fact>,
}

impl Why {
    /// For people, a fact a line.
    pub fn text(&self, language: Language) -> String {
        let lines: Vec<_> = self.facts.iter().map(|fact| fact.line(language)).collect();
        lines.join("\n")
    }
}

/// For programs: the facts, and their lines in English.
impl Serialize for Why {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_struct("Why", 2)?;
        document.serialize_field("text", &self.text(Language::English))?;
        document.serialize_field("facts", &self.facts)?;
        document.end()
    }
}

/// One thing that keeps a job waiting, or that ended it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// `quota`, `budget`, `ahead`, `not-before`, `suspended`, `paused`, `slowed`, `uncertain`, `in-flight`, `no-worker`, `unknown-app`,
    /// `expired`, `retried`, `ready`, `expected`, `blocked`, `name`; `succeeded`, `warning`, `dead`, `held`, `cancelled`.
    pub kind: &'static str,
    /// What people are told.
    #[serde(flatten)]
    pub said: Said,
    /// For programs, by its kind.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
    /// When it is over, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The platform's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// What to do, if something can be done.
    #[serde(flatten)]
    pub cure: ToDo,
    /// The platform's log id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_id: Option<String>,
}

impl Fact {
    fn new(kind: &'static str, said: WhyFact) -> Self {
        Self {
            kind,
            said: Said(said),
            values: Map::new(),
            until: None,
            code: None,
            cure: ToDo::default(),
            log_id: None,
        }
    }

    fn with(mut self, values: Value) -> Self {
        if let Value::Object(values) = values {
            self.values = values;
        }
        self
    }

    fn until(mut self, until: Option<Timestamp>) -> Self {
        self.until = until;
        self
    }

    fn cure(mut self, cure: Cure) -> Self {
        self.cure = ToDo(Some(cure));
        self
    }

    fn of(mut self, failure: &Failure) -> Self {
        self.code = failure.code;
        self.log_id.clone_from(&failure.log_id);
        self.cure.0 = self.cure.0.or_else(|| failure.cure.clone());
        self
    }

    fn line(&self, language: Language) -> String {
        let (log_id, fix) = match language {
            Language::English => (" (log id ID)", "\n  fix: "),
            Language::Chinese => ("（log id ID）", "\n  处理建议："),
        };
        let log_id = self.log_id.as_ref().map(|id| log_id.replace("ID", id)).unwrap_or_default();
        let cure = self.cure.0.as_ref().map(|cure| format!("{fix}{}", plain(&cure.render(language))));
        format!("{}{}", plain(&format!("{}{log_id}", self.said.0.render(language))), cure.unwrap_or_default())
    }
}

/// Says why.
pub fn explain(at: &Situation) -> Why {
    let facts = match at.standing {
        Standing::Blocked => waiting::blocked(at),
        Standing::Queued => waiting::queued(at),
        Standing::Running => waiting::running(at),
        Standing::Uncertain => waiting::uncertain(at),
        Standing::Held | Standing::Dead | Standing::Cancelled => vec![ended::ended(at)],
        Standing::Succeeded => [ended::ended(at)].into_iter().chain(ended::warnings(at)).collect(),
    };
    Why { facts }
}

/// The parts of [`met`] beside the code.
fn parts(failure: &Failure, meaning: Option<&Bilingual>) -> Value {
    let (text, zh) = (meaning.map(|meaning| &meaning.en), meaning.map(|meaning| &meaning.zh));
    json!({"meaning": text, "meaning_zh": zh, "detail": failure.detail.to_string(), "detail_fact": failure.detail})
}

/// The code with what the catalog calls it, and what was said beside; `None` if nothing is known.
fn met(failure: &Failure, meaning: Option<&Bilingual>) -> Option<Met> {
    let detail = || Box::new(failure.detail.clone());
    let said = match meaning {
        Some(meaning) if failure.detail.is_empty() => Some(MetWords::MetMeaning { meaning: meaning.clone() }),
        // The platform's own words are often the documented ones.
        Some(meaning) if !failure.detail.to_string().contains(&meaning.en) => {
            Some(MetWords::MetBoth { meaning: meaning.clone(), detail: detail() })
        }
        Some(_) => Some(MetWords::MetDetail { detail: detail() }),
        None => (!failure.detail.is_empty()).then(|| MetWords::MetDetail { detail: detail() }),
    };
    match (failure.code, said) {
        (Some(number), Some(said)) => Some(Met::MetCodeWith { number, said }),
        (Some(number), None) => Some(Met::MetCode { number }),
        (None, Some(said)) => Some(Met::MetNoCode { said }),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests;
