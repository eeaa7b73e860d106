//! Why something that a person asked for is not done.

/// What is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// One sentence without a full stop.
    pub error: String,
    /// What to do.
    pub cure: String,
}

impl Refused {
    /// These two.
    pub fn new(error: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { error: error.into(), cure: cure.into() }
    }
}
