//! Why a job ended without success: the closed set that dead letters, exports and docs share.

use std::fmt;
use std::str::FromStr;

use paceline_messages::Cure;
use serde::Serialize;

/// The reason of a dead letter, written in kebab-case everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The message is no JSON object, or lacks what every job needs (an id, a method, an app).
    Malformed,
    /// The catalog has no such method.
    UnknownMethod,
    /// The settings have no such app.
    UnknownApp,
    /// A field breaks a documented limit of the method.
    Invalid,
    /// The id was used before with other content; the first job is untouched.
    IdConflict,
    /// The platform refused the request for good.
    Rejected,
    /// Every attempt failed with a fault that a retry could have cured.
    Exhausted,
    /// The deadline passed before the call could be sent.
    Expired,
    /// Nobody can tell whether the call was applied, and a person ended the job.
    Uncertain,
    /// A person cancelled it.
    Cancelled,
    /// A job that it waited for ended without success, or never came.
    Prerequisite,
}

impl Reason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Malformed,
        Self::UnknownMethod,
        Self::UnknownApp,
        Self::Invalid,
        Self::IdConflict,
        Self::Rejected,
        Self::Exhausted,
        Self::Expired,
        Self::Uncertain,
        Self::Cancelled,
        Self::Prerequisite,
    ];

    /// The kebab-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownMethod => "unknown-method",
            Self::UnknownApp => "unknown-app",
            Self::Invalid => "invalid",
            Self::IdConflict => "id-conflict",
            Self::Rejected => "rejected",
            Self::Exhausted => "exhausted",
            Self::Expired => "expired",
            Self::Uncertain => "uncertain",
            Self::Cancelled => "cancelled",
            Self::Prerequisite => "prerequisite",
        }
    }

    /// Whether it is one of messages and rows that never became jobs.
    pub const fn is_of_inputs(self) -> bool {
        matches!(self, Self::Malformed | Self::UnknownMethod | Self::UnknownApp | Self::Invalid | Self::IdConflict)
    }

    /// What to do about it when the platform's own cure says nothing.
    pub const fn cure(self) -> Cure {
        match self {
            Self::Malformed => Cure::SendOneObject,
            Self::UnknownMethod => Cure::UseListedMethod,
            Self::UnknownApp => Cure::AddApp,
            Self::Invalid => Cure::CorrectFields,
            Self::IdConflict => Cure::UseNewId,
            Self::Rejected => Cure::CorrectAndRedrive,
            Self::Exhausted => Cure::WaitAndRedrive,
            Self::Expired => Cure::GiveLaterTime,
            Self::Uncertain => Cure::LookBeforePublishing,
            Self::Cancelled => Cure::PublishAgain,
            Self::Prerequisite => Cure::RedriveChain,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or_else(|| format!("no such reason {text:?}; there are {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}
