//! What `paceline dead show` adds for an input that never became a job: its faults and its content.

use std::io::Write;

use serde_json::Value;

use crate::cli::jobs::text;
use crate::cli::table::{Align, Table, cut, plain};
use crate::operations::content::Hidden;

/// Lines of content on a terminal, and columns of each; `--json` has all of it.
const LINES_MAX: usize = 60;
const COLUMNS_MAX: usize = 200;

/// Writes them from the input's document.
pub(super) fn write(document: &Value, out: &mut dyn Write) -> anyhow::Result<()> {
    let faults = document["faults"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !faults.is_empty() {
        let mut table = Table::new([("FIELD", Align::Left), ("FAULT", Align::Left)]);
        for fault in faults {
            let field = text(fault, "field");
            table.row([if field.is_empty() { "(all of it)".to_owned() } else { field }, text(fault, "message")]);
        }
        writeln!(out)?;
        table.write(out)?;
    }
    writeln!(out, "\ncontent, {} bytes:", text(document, "bytes"))?;
    if document["content_kind"] == "hidden" {
        let why = serde_json::from_value::<Hidden>(document["content_hidden"].clone())?;
        writeln!(out, "  (not shown: {why})")?;
        return Ok(());
    }
    let content = match document["content"].as_str() {
        Some(text) if document["content_kind"] != "json" => text.to_owned(),
        _ => serde_json::to_string_pretty(&document["content"])?,
    };
    let lines: Vec<_> = content.lines().collect();
    let is_cut = |line: &str| cut(line, COLUMNS_MAX) != line;
    for line in lines.iter().take(LINES_MAX) {
        writeln!(out, "  {}", cut(&plain(line), COLUMNS_MAX))?;
    }
    if lines.len() > LINES_MAX || lines.iter().any(|line| is_cut(line)) {
        writeln!(out, "  … --json shows all of it")?;
    }
    Ok(())
}
