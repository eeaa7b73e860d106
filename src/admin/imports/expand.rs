//! A timetable and a term's calendar as rows of jobs: a file of its own, to be kept or imported.

use std::collections::BTreeMap;

use axum::extract::State;
use serde_json::{Value, json};

use super::asked::{Reading, stem};
use super::{apart, find, keep};
use crate::admin::body::Document;
use crate::admin::input::Id;
use crate::admin::{Answer, Shared, answer};
use crate::domain::job::Column;
use crate::domain::messages::{FileTrouble, Rule as Message};
use crate::domain::rows::exported::harmless;
use crate::domain::rows::{FileError, FileFault};
use crate::operations::expand::{Expanded, faults_of_method, is_calendar, jobs, lessons};
use crate::operations::files::Memory;
use crate::operations::record::write_record;
use crate::timetable::{Lesson, Rule, ics};

/// Rows that are shown.
const ROWS_MAX: usize = 50;
/// What the rule is called in messages.
const RULE: &str = "rule";

/// Expands it.
pub(in crate::admin) async fn expand(State(shared): State<Shared>, Id(id): Id, document: Document) -> Answer {
    let mut fields = document.fields()?;
    let reading = Reading::of(&mut fields);
    let rule = fields.text("rule").unwrap_or_default();
    if rule.is_empty() {
        fields.missing("rule");
    }
    fields.end()?;
    let upload = find(&shared, &id)?;
    let decoder = (shared.worker.decoder)();
    let memory = reading.memory(&shared, &upload)?;
    let work = move || Ok(whole(&decoder.catalog, &memory, &reading, &rule));
    match apart(&shared, work).await? {
        Ok((mut document, text)) => {
            let made = keep(&shared, format!("{}.jobs.csv", stem(&upload.name)), text.into())?;
            document["import"] = made.document(shared.now());
            Ok(answer::document(&document))
        }
        Err(faults) => Ok(answer::document(&told(&faults))),
    }
}

type Outcome = Result<(Value, Vec<u8>), Vec<FileFault>>;

fn whole(catalog: &crate::domain::catalog::Catalog, memory: &Memory, reading: &Reading, rule: &str) -> Outcome {
    let rule = Rule::read(RULE, rule)?;
    let mut faults = faults_of_method(&rule, catalog);
    let mut warnings = Vec::new();
    let lessons = lessons_of(memory, reading, &rule, &mut warnings).unwrap_or_else(|found| {
        faults.extend(found);
        Vec::new()
    });
    if !faults.is_empty() {
        return Err(faults);
    }
    let expanded = jobs(&memory.input.name, &rule, lessons)?;
    warnings.extend(expanded.warnings.iter().cloned());
    let text = text(&expanded)
        .map_err(|error| vec![of_file(memory, FileTrouble::FileUnreadable { error: error.to_string() })])?;
    Ok((document(&expanded, &warnings), text))
}

fn lessons_of(
    memory: &Memory,
    reading: &Reading,
    rule: &Rule,
    warnings: &mut Vec<FileFault>,
) -> Result<Vec<Lesson>, Vec<FileFault>> {
    let name = &memory.input.name;
    let as_text = || memory.text(&reading.how).map_err(|why| vec![of_file(memory, why)]);
    let is_text = memory.written.as_ref().is_ok_and(|written| !written.is_workbook());
    if is_calendar(name) || is_text && as_text()?.trim_start_matches('\u{feff}').starts_with(ics::BEGINNING) {
        let calendar = ics::lessons(name, &as_text()?, rule)?;
        warnings.extend(calendar.warnings);
        return Ok(calendar.lessons);
    }
    let table = memory.preview(usize::MAX).map_err(|refused| vec![of_file(memory, refused.error)])?;
    lessons(name, table.map_err(|FileError(faults)| faults)?, rule)
}

fn of_file(memory: &Memory, message: impl Into<Message>) -> FileFault {
    FileFault { file: memory.input.name.clone(), line: 1, column: None, message: message.into() }
}

fn text(expanded: &Expanded) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    for row in std::iter::once(&expanded.table.header).chain(&expanded.table.rows) {
        let cells: Vec<_> = row.iter().map(|cell| harmless(cell, false)).collect();
        write_record(&cells, &mut out)?;
    }
    Ok(out)
}

fn document(Expanded { plan, table, .. }: &Expanded, warnings: &[FileFault]) -> Value {
    let moved = plan.meetings.iter().filter(|meeting| meeting.moved_from.is_some()).count();
    let left = &plan.left;
    json!({
        "faults": [], "warnings": list(warnings),
        "lessons": plan.lessons.len(), "meetings": plan.meetings.len(), "moved": moved,
        "left": {"holidays": count(&left.holidays), "displaced": count(&left.displaced), "outside": count(&left.outside)},
        "header": table.header, "rows": table.rows.iter().take(ROWS_MAX).collect::<Vec<_>>(), "count": table.rows.len(),
    })
}

fn count<D>(days: &BTreeMap<D, usize>) -> usize {
    days.values().sum()
}

/// What has to be corrected first.
fn told(faults: &[FileFault]) -> Value {
    json!({
        "faults": list(faults), "warnings": [], "lessons": 0, "meetings": 0, "moved": 0,
        "left": {"holidays": 0, "displaced": 0, "outside": 0}, "header": [], "rows": [], "count": 0, "import": null,
    })
}

fn list(faults: &[FileFault]) -> Value {
    let of = |fault: &FileFault| {
        let column = fault.column.as_ref();
        json!({
            "file": fault.file, "line": fault.line, "column": column.map(ToString::to_string),
            "column_fact": column.map(Column::spot), "message": fault.message.to_string(), "message_fact": fault.message,
        })
    };
    faults.iter().map(of).collect()
}
