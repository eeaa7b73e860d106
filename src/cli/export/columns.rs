//! Which columns an export has, and what a row has in them.

use serde_json::Value;

use crate::domain::catalog::{Catalog, nearest};
use crate::domain::messages::{Language, Render as _};
use crate::domain::outcome::lookup;
use crate::domain::rows::exported::{PREFIX, RESULT_COLUMNS, WARNINGS, heading, result_of, status};
use crate::domain::rows::typed::{Typed, Types, number};
use crate::domain::warning::Warning;
use paceline_ports::operator::ExportRow;

use super::super::exit::refuse;
use super::super::jobs::text;

/// The columns in front of the results when there are no rows of a file to give back.
const JOB_COLUMNS: [&str; 5] = ["id", "method", "app", "tenant", "batch"];
/// The columns between a batch's own and the results, where it has none of that name: with them the file can be run again
/// under any name, and its rows are the same jobs.
const NAMING_COLUMNS: [&str; 4] = ["id", "method", "app", "batch"];
/// Fields of the document that a column can be chosen of, besides the results and what is below `result.` and `meta.`.
const FIELDS: [&str; 6] = ["id", "method", "app", "tenant", "batch", "attempts"];
/// Where a column may point into the document.
const PARTS: [&str; 2] = ["result.", "meta."];
/// Result columns of the sheet of faults.
const OF_FAULT: [&str; 6] = ["status", "reason", "code", "detail", "cure", "log_id"];

/// Where the cells of a column come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// The batch's file: its column of this number.
    Own(usize),
    /// A field of the document, by its dotted name.
    Field(String),
    /// A result.
    Result(&'static str),
    /// A field of the documents of the jobs that it waited for (0), or that waited for it (1).
    Linked(usize, String),
}

/// What stands before a field of the jobs that a row waited for, and of those that waited for it.
const LINKED: [&str; 2] = ["after.", "then."];

/// The columns of an export.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    own: Vec<String>,
    sources: Vec<Source>,
    language: Language,
    /// What the batch's own columns hold, by the method of the row that was typed last.
    types: Option<(String, Types)>,
}

impl Columns {
    /// All, or those of these names, for a batch with this header if it came from a file.
    ///
    /// # Errors
    /// A name that is no column.
    pub(super) fn new(header: Option<Vec<String>>, chosen: &[String], language: Language) -> anyhow::Result<Self> {
        let is_table = header.is_some();
        let own = header.unwrap_or_default();
        let sources = if chosen.is_empty() {
            let fields: Vec<_> = if is_table {
                NAMING_COLUMNS.into_iter().filter(|name| !own.iter().any(|own| own == name)).collect()
            } else {
                JOB_COLUMNS.into()
            };
            let fields = fields.into_iter().map(|name| Source::Field(name.to_owned()));
            (0..own.len()).map(Source::Own).chain(fields).chain(RESULT_COLUMNS.map(Source::Result)).collect()
        } else {
            chosen.iter().map(|name| source(&own, name)).collect::<anyhow::Result<_>>()?
        };
        Ok(Self { own, sources, language, types: None })
    }

    /// The header.
    pub(super) fn header(&self) -> Vec<String> {
        let name = |source: &Source| match source {
            Source::Own(index) => self.own.get(*index).cloned().unwrap_or_default(),
            Source::Field(name) => name.clone(),
            Source::Linked(way, name) => format!("{}{name}", LINKED[*way]),
            Source::Result(name) => {
                let name = heading(name, self.language);
                if self.own.iter().any(|own| own == name) { format!("{PREFIX}{name}") } else { name.to_owned() }
            }
        };
        self.sources.iter().map(name).collect()
    }

    /// A row's cells. One that did not come from the file (published under its batch) has empty ones there.
    pub(super) fn cells(&self, row: &ExportRow) -> Vec<String> {
        self.sources.iter().map(|source| self.cell(row, source)).collect()
    }

    /// The same with their types.
    pub(super) fn typed(&mut self, row: &ExportRow, catalog: &Catalog) -> Vec<Typed> {
        let method = text(&row.document, "method");
        if self.types.as_ref().is_none_or(|(of, _)| *of != method) {
            let types = Types::of(catalog, &method, &self.own);
            self.types = Some((method, types));
        }
        let of_method = self.types.as_ref().map(|(_, types)| types);
        let typed = |source: &Source| {
            let cell = self.cell(row, source);
            match (source, of_method) {
                (Source::Own(index), Some(types)) => types.cell(*index, cell),
                (Source::Result("code"), _) => number(cell),
                (Source::Field(name), _) => match lookup(&row.document, name) {
                    Some(Value::Number(_)) => number(cell),
                    Some(Value::Bool(is)) => Typed::Bool(*is),
                    _ => Typed::Text(cell),
                },
                (Source::Own(_) | Source::Result(_) | Source::Linked(..), _) => Typed::Text(cell),
            }
        };
        self.sources.iter().map(typed).collect()
    }

    fn cell(&self, row: &ExportRow, source: &Source) -> String {
        match source {
            Source::Own(index) => row.cells.as_ref().and_then(|cells| cells.get(*index)).cloned().unwrap_or_default(),
            Source::Field(name) => field(&row.document, name),
            // One stands for each job, in the order in which they came: an empty one, too.
            Source::Linked(way, name) => {
                let linked = row.linked.get(*way).map(Vec::as_slice).unwrap_or_default();
                linked.iter().map(|document| field(document, name)).collect::<Vec<_>>().join("; ")
            }
            Source::Result(name) => result(row, name, self.language),
        }
    }

    /// Whether a column is of other jobs.
    pub(super) fn are_linked(&self) -> bool {
        self.sources.iter().any(|source| matches!(source, Source::Linked(..)))
    }

    /// The header of the sheet of faults.
    pub(super) fn header_of_faults(&self) -> Vec<String> {
        let row = match self.language {
            Language::English => "row",
            Language::Chinese => "行号",
        };
        let results = OF_FAULT.map(|name| heading(name, self.language).to_owned());
        [row.to_owned(), "id".to_owned()].into_iter().chain(results).collect()
    }

    /// What the sheet of faults says of a row with this number; `None` if nothing is wrong.
    pub(super) fn fault(&self, row: &ExportRow, place: u64) -> Option<Vec<Typed>> {
        let warnings = result(row, WARNINGS, self.language);
        let is_wrong = row.document.get("reason").is_some() || text(&row.document, "status") == "held";
        if !is_wrong && warnings.is_empty() {
            return None;
        }
        let cell = |name: &'static str| match name {
            "code" => number(result(row, name, self.language)),
            "detail" if !is_wrong => Typed::Text(warnings.clone()),
            _ => Typed::Text(result(row, name, self.language)),
        };
        let front = [Typed::Number(place as f64), Typed::Text(text(&row.document, "id"))];
        Some(front.into_iter().chain(OF_FAULT.map(cell)).collect())
    }
}

fn field(document: &Value, name: &str) -> String {
    match lookup(document, name) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

fn source(own: &[String], name: &str) -> anyhow::Result<Source> {
    if let Some(index) = own.iter().position(|own| own == name) {
        return Ok(Source::Own(index));
    }
    let is_field = |name: &str| {
        FIELDS.contains(&name) || RESULT_COLUMNS.contains(&name) || PARTS.iter().any(|part| name.starts_with(part))
    };
    for (way, prefix) in LINKED.iter().enumerate() {
        if let Some(field) = name.strip_prefix(prefix).filter(|field| is_field(field)) {
            return Ok(Source::Linked(way, field.to_owned()));
        }
    }
    if FIELDS.contains(&name) || PARTS.iter().any(|part| name.starts_with(part)) {
        return Ok(Source::Field(name.to_owned()));
    }
    result_of(name).map(Source::Result).ok_or_else(|| {
        let known = own.iter().map(String::as_str).chain(FIELDS).chain(RESULT_COLUMNS);
        let near = nearest(name, known.clone()).map(|near| format!("did you mean {near:?}? "));
        let all = known.collect::<Vec<_>>().join(", ");
        let hint =
            format!("{}there are {all}, and fields of results such as result.room.room_id", near.unwrap_or_default());
        refuse(format!("no column {name:?}, which --columns names"), hint)
    })
}

/// A cell of a result column.
fn result(row: &ExportRow, name: &str, language: Language) -> String {
    let document = &row.document;
    match name {
        "status" => status(&text(document, name), language).to_owned(),
        WARNINGS => {
            let warnings = Warning::of_document(document).into_iter().map(|warning| warning.text_in(language));
            warnings.collect::<Vec<_>>().join("; ")
        }
        // As the document has it, so that what it leaves out stays out.
        "detail" if document.get(name).is_some() => row.detail.render(language),
        "cure" if document.get(name).is_some() => {
            row.cure.as_ref().map(|cure| cure.render(language)).unwrap_or_default()
        }
        _ => text(document, name),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::messages::Cause;

    fn row(document: Value, cells: Option<Vec<String>>) -> ExportRow {
        let detail = document["detail"].as_str().map_or_else(Cause::default, Cause::from);
        ExportRow { document, place: "a.csv:2".to_owned(), cells, detail, cure: None, linked: [Vec::new(), Vec::new()] }
    }

    fn of(header: Option<&[&str]>, chosen: &[&str], language: Language) -> Columns {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Columns::new(header.map(own), &own(chosen), language).unwrap()
    }

    #[test]
    fn a_csv_batch_gets_its_own_rows_back() {
        let columns = of(Some(&["name", "code"]), &[], Language::English);
        let wanted = ["name", "code", "id", "method", "app", "batch", "status", "key", "reason"];
        assert_eq!(columns.header()[..9], wanted);
        assert!(columns.header().contains(&"paceline_code".to_owned()));
        let dead = json!({"id": "x", "status": "dead", "reason": "rejected", "code": 125_001, "detail": "=1+1"});
        let dead = row(dead, Some(vec!["7F".to_owned()]));
        assert_eq!(columns.cells(&dead)[..7], ["7F", "", "x", "", "", "", "dead"]);
        assert_eq!(columns.cells(&dead)[7..11], ["", "rejected", "125001", "=1+1"]);
        let of_jobs = of(None, &[], Language::English);
        assert_eq!(of_jobs.cells(&dead)[..6], ["x", "", "", "", "", "dead"]);
        let warning = json!({"field": "excess_users", "message": "without an account", "values": ["a", "b"]});
        let done = row(json!({"id": "x", "status": "succeeded", "warnings": [warning]}), None);
        assert_eq!(of_jobs.header().last().unwrap(), "warnings");
        assert_eq!(of_jobs.cells(&done).last().unwrap(), "without an account: a, b");
        let said = of_jobs.fault(&done, 2).unwrap();
        assert_eq!((&said[0], &said[5]), (&Typed::Number(2.0), &Typed::Text("without an account: a, b".to_owned())));
        assert_eq!(of_jobs.fault(&row(json!({"id": "x", "status": "succeeded"}), None), 2), None);
    }

    #[test]
    fn columns_are_chosen_and_may_reach_into_results() {
        let columns = of(Some(&["名称"]), &["key", "名称", "result.room.room_id", "处理结果"], Language::Chinese);
        assert_eq!(columns.header(), ["对象 ID", "名称", "result.room.room_id", "处理结果"]);
        let document =
            json!({"id": "x", "status": "succeeded", "key": "omm_1", "result": {"room": {"room_id": "omm_1"}}});
        assert_eq!(columns.cells(&row(document, Some(vec!["7F".to_owned()]))), ["omm_1", "7F", "omm_1", "成功"]);
        let linked = of(None, &["id", "after.key", "then.status"], Language::English);
        assert_eq!(
            (linked.header(), linked.are_linked()),
            (["id", "after.key", "then.status"].map(str::to_owned).into(), true)
        );
        let mut middle = row(json!({"id": "b"}), None);
        middle.linked = [vec![json!({"key": "omb_1"}), json!({"key": "omb_2"})], vec![json!({"status": "dead"})]];
        assert_eq!(linked.cells(&middle), ["b", "omb_1; omb_2", "dead"]);
        let refused = Columns::new(None, &["staus".to_owned()], Language::English).unwrap_err();
        assert!(format!("{refused:#}").contains("no column \"staus\""), "{refused:#}");
    }
}
