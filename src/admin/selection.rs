//! Which jobs a request is about.

use super::input::Fields;
use crate::store::operator::Selection;
use crate::store::state::State;

/// The selection that the fields name; everything that is given holds together.
pub fn of(fields: &mut Fields) -> Selection {
    let state = fields.text("state");
    let mut selection = Selection {
        ids: fields.text("id").into_iter().collect(),
        batch: fields.text("batch"),
        app: fields.text("app"),
        tenant: fields.text("tenant"),
        method: fields.text("method"),
        reason: fields.parsed("reason"),
        code: fields.whole("code", i64::MIN, i64::MAX),
        ..Selection::default()
    };
    match state.as_deref() {
        None => {}
        Some("running") => selection.running = true,
        Some(word) => match word.parse::<State>() {
            Ok(state) => selection.state = Some(state),
            Err(error) => fields.fault("state", &format!("{error}, running")),
        },
    }
    selection
}
