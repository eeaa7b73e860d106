//! Apps and lanes that are suspended, as the ledger keeps it.

use paceline_domain::job::LaneKey;
use paceline_domain::messages::{Cause, Cure, command};
use paceline_domain::time::Timestamp;

/// An app or lane that is suspended, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// The app.
    pub app: String,
    /// The tenant; empty for all.
    pub tenant: String,
    /// The method; empty for all.
    pub method: String,
    /// Who asked for it.
    pub by: SuspendedBy,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None` until somebody resumes it or a probe succeeds.
    pub until: Option<Timestamp>,
    /// The platform's code.
    pub code: Option<i64>,
    /// The platform's words, or a person's reason.
    pub detail: Cause,
    /// What to do.
    pub cure: Cure,
    /// The platform's log id.
    pub log_id: Option<String>,
}

/// Who suspended something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuspendedBy {
    /// A person, by command or dashboard.
    Person,
    /// The platform: what it answered is not the job's fault.
    Platform,
    /// The worker: too many jobs in a row were dead letters of one code.
    Worker,
}

impl SuspendedBy {
    /// The word in the ledger, in `--json` and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Platform => "platform",
            Self::Worker => "worker",
        }
    }

    /// The value of a word; `None` for one of a later version.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Person, Self::Platform, Self::Worker].into_iter().find(|by| by.as_str() == word)
    }
}

impl Suspension {
    /// Whether a lane stands still by it.
    pub fn covers(&self, lane: &LaneKey) -> bool {
        self.app == lane.app
            && (self.tenant.is_empty() || self.tenant == lane.tenant)
            && (self.method.is_empty() || self.method == lane.method)
    }

    /// What a person does about it, with the command as it is typed.
    pub fn what_to_do(&self) -> Cure {
        let fix = self.cure.clone();
        if self.until.is_some() {
            return fix;
        }
        let resume = command::resume(&self.app, &self.tenant, &self.method);
        if fix == Cure::ReasonGone {
            return Cure::ResumeWhenGone { resume };
        }
        let is_of_dead_letters = matches!(fix, Cure::AlwaysFails { .. });
        let fix = Box::new(fix);
        if is_of_dead_letters {
            let redrive = command::redrive(&self.app, &self.method, self.code);
            return Cure::ThenResumeAndRedrive { fix, resume, redrive };
        }
        Cure::ThenResume { fix, resume }
    }

    /// Whether the fault may be gone with the next start, or with other settings: then it is tried again. What a person
    /// wants, and what has cost a row of jobs already, waits for `paceline resume`.
    pub fn is_tried_again(&self) -> bool {
        self.by == SuspendedBy::Platform
    }
}
