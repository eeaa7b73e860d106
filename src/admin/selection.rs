//! Which jobs a request is about.

use std::str::FromStr;

use super::input::Fields;
use paceline_ports::State;
use paceline_ports::operator::Selection;

/// The selection that the fields name; everything that is given holds together.
pub(super) fn of(fields: &mut Fields) -> Selection {
    Selection { state: fields.parsed("state"), ..without_state(fields) }
}

/// The same, or the jobs in flight among it: `running` is no state of the ledger, and a word for one here.
pub(super) fn of_or_running(fields: &mut Fields) -> (Selection, bool) {
    match fields.parsed("state") {
        Some(Wanted::State(state)) => (Selection { state: Some(state), ..without_state(fields) }, false),
        Some(Wanted::Running) => (without_state(fields), true),
        None => (without_state(fields), false),
    }
}

enum Wanted {
    State(State),
    Running,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "running" => Ok(Self::Running),
            other => other.parse().map(Self::State).map_err(|error: String| format!("{error}, running")),
        }
    }
}

fn without_state(fields: &mut Fields) -> Selection {
    Selection {
        ids: fields.text("id").into_iter().collect(),
        batch: fields.text("batch"),
        app: fields.text("app"),
        tenant: fields.text("tenant"),
        method: fields.text("method"),
        reason: fields.parsed("reason"),
        code: fields.whole("code", i64::MIN, i64::MAX),
        ..Selection::default()
    }
}
