//! What a calibration found out, as facts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::observed::Headers;

/// What the platform answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub(super) enum Answer {
    /// Success; for a create that was repeated, with the first one's object.
    Same,
    /// Success, with another object.
    Another,
    /// Success.
    Success,
    /// A code.
    Code {
        /// The platform's.
        code: i64,
        /// The HTTP status.
        http: Option<u16>,
        /// Its words.
        message: String,
    },
    /// Nothing that could be read as one.
    Unclear {
        /// What happened instead.
        why: String,
    },
}

/// When a listing showed the new object, in seconds after the reply to its create.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Shown {
    /// Not yet in a reading that began so late; 0 if the first one showed it.
    pub not_after_s: f64,
    /// In a reading that ended so late; `None` if no reading did.
    pub after_s: Option<f64>,
}

/// The answer of a method that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Asked {
    /// Which.
    pub method: String,
    #[serde(flatten)]
    pub answer: Answer,
}

/// What one create, and the calls about its object, showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Finding {
    /// The create.
    pub method: String,
    /// Why it could not be tried; absent if it could.
    pub failed: Option<String>,
    /// The listing that its look-up reads.
    pub listing: Option<String>,
    pub shown: Option<Shown>,
    /// The same create once more.
    pub repeat: Option<Answer>,
    /// The deletion once more.
    pub again: Option<Asked>,
    /// The object, after its deletion.
    pub get: Option<Asked>,
}

/// An object that is still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Left {
    pub method: String,
    /// Its id; empty if nobody knows it.
    pub key: String,
    pub job: String,
    pub why: String,
}

/// How a calibration ended.
#[derive(Debug, Default)]
pub(super) struct End {
    pub findings: Vec<Finding>,
    /// By method.
    pub headers: BTreeMap<String, Headers>,
    pub left: Vec<Left>,
    /// How many objects of an interrupted calibration were deleted first.
    pub deleted_before: usize,
    pub is_interrupted: bool,
}
