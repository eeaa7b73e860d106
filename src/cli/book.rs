//! Workbooks that commands write.

use std::io::IsTerminal as _;
use std::path::Path;

use crate::domain::rows::exported::in_workbook;
use crate::domain::rows::typed::Typed;
use crate::tables::Value;

use super::exit::refuse;

/// Whether a file of this name is a workbook.
pub(super) fn is_xlsx(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xlsx"))
}

/// Refuses to write a workbook to a terminal.
pub(super) fn refuse_terminal() -> anyhow::Result<()> {
    if !std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(refuse("a workbook cannot be shown on a terminal", "add -o FILE.xlsx, or ask for another format"))
}

/// The cell as a workbook keeps it.
pub(super) fn value(cell: Typed) -> Value {
    match cell {
        Typed::Text(text) => Value::Text(in_workbook(&text).into_owned()),
        Typed::Number(number) => Value::Number(number),
        Typed::Bool(is) => Value::Bool(is),
    }
}
