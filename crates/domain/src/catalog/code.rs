//! The error table: what a code means, and what is done about it.

use paceline_messages::{Bilingual, Cure};
use serde::{Deserialize, Serialize};

/// What a code means and what is done about it.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorRule {
    /// The platform's code.
    pub code: i64,
    /// The HTTP status it is documented with, 0 if the document names none.
    pub http: u16,
    /// The platform's own words, in English.
    pub message: String,
    /// The same in Chinese; empty where the file does not say.
    pub message_zh: String,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
    /// Calls of one job at most that may be answered with it; `None` for as many as the settings say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
    /// What a person can do, in English.
    pub cure: String,
    /// The same in Chinese; empty where the file does not say.
    pub cure_zh: String,
}

impl ErrorRule {
    /// Of a code of which no document says anything.
    pub const fn of_code(code: i64) -> Self {
        Self {
            code,
            http: 0,
            message: String::new(),
            message_zh: String::new(),
            action: Action::Permanent,
            attempts_max: None,
            cure: String::new(),
            cure_zh: String::new(),
        }
    }

    /// The platform's words.
    pub fn meaning(&self) -> Bilingual {
        Bilingual { en: self.message.clone(), zh: self.message_zh.clone() }
    }

    /// What a person can do; `None` where the file does not say.
    pub fn advice(&self) -> Option<Cure> {
        let advice = Bilingual { en: self.cure.clone(), zh: self.cure_zh.clone() };
        (!advice.en.is_empty()).then_some(Cure::Advice { advice })
    }
}

/// What is done about a code: `outcome` and, where it says more, `scope`, `verify` or `pause`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Action {
    /// Refused for its pace: no attempt is charged.
    Throttled {
        /// What is slowed down.
        scope: ThrottleScope,
        /// The documented lengths of the block in seconds, for the first, second, … refusal in a row.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        blocks_s: Vec<u64>,
    },
    /// Failed, and worth another attempt.
    Transient {
        /// Whether it may have been applied all the same: looked up first, where the method has a look-up.
        verify: bool,
    },
    /// Refused for good: the job's own fault.
    Permanent,
    /// May have been applied, nobody knows.
    Uncertain {
        /// How long the platform takes to decide, in seconds.
        settle_s: u64,
        /// Whether the platform says that the object is there: then the call is not made again.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        exists: bool,
    },
    /// There is nothing to delete: as good as done.
    Gone,
    /// The access token was refused: renewed and repeated once, then the app is suspended.
    AccessToken,
    /// Not the job's fault: the app (or lane) stops until a person or a probe reopens it.
    Suspend {
        /// What stops.
        scope: SuspendScope,
    },
}

/// What a refusal slows down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThrottleScope {
    /// The quota key of the method: paused.
    Method,
    /// All methods of the app: paused, and its gate slowed.
    App,
    /// The lane's concurrency: halved.
    Concurrency,
}

/// What a fault that is not the job's stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuspendScope {
    /// Every lane of the app.
    App,
    /// Every lane of the app for this tenant.
    Tenant,
    /// This lane alone.
    Lane,
    /// Every lane of the app until the first day of the next month.
    Month,
}
