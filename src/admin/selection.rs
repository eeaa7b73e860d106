//! Which jobs a request is about.

use super::input::Fields;
use crate::store::operator::Selection;

/// The selection that the fields name; everything that is given holds together.
pub fn of(fields: &mut Fields) -> Selection {
    Selection {
        state: fields.parsed("state"),
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
