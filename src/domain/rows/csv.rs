//! CSV: a header, then a job a row.

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;

use bytes::Bytes;
use csv::ByteRecord;
use serde_json::{Map, Value};

use super::column::{Leaf, Meaning, Target, meaning, names, put_text};
use super::{FileError, Input, Row, no_utf8};
use crate::domain::catalog::{Kind, nearest, shown_text};
use crate::domain::decode::{Decoder, Defaults, FIELDS};
use crate::domain::job::{Fault, Rejection};

/// What stands in the ledger's copy of a row in place of a sensitive cell.
const MASK: &str = "******";

pub(super) struct Reader<R> {
    source: csv::Reader<R>,
    record: ByteRecord,
    row: u64,
    header: Vec<String>,
    targets: Vec<Target>,
    /// What each method that occurred makes of the parameters' columns.
    plans: HashMap<String, Arc<[Option<Meaning>]>>,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn open(decoder: &Decoder, input: &Input, source: R) -> Result<Self, FileError> {
        let mut source = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source);
        let mut record = ByteRecord::new();
        let more = source.read_byte_record(&mut record).map_err(|error| unreadable(input, &error))?;
        if !more {
            return Err(FileError::at(input, 1, "is empty: expected a header of column names"));
        }
        let line = line_of(&record);
        let cells = texts(&record).map_err(|bytes| FileError::at(input, line, no_utf8(bytes)))?;
        let header: Vec<String> = cells.iter().map(|cell| cell.trim().to_owned()).collect();
        let targets: Vec<Target> = header.iter().map(|name| Target::of(name)).collect();
        let faults = header_faults(decoder, input, &header, &targets);
        if !faults.is_empty() {
            return Err(FileError(faults.into_iter().map(|fault| format!("{}:{line}: {fault}", input.name)).collect()));
        }
        Ok(Self { source, record, row: 0, header, targets, plans: HashMap::new() })
    }

    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    pub(super) fn next(&mut self, decoder: &Decoder, input: &Input) -> Result<Option<Row>, FileError> {
        let mut record = std::mem::take(&mut self.record);
        let row = loop {
            let more = self.source.read_byte_record(&mut record).map_err(|error| unreadable(input, &error))?;
            if !more {
                return Ok(None);
            }
            self.row += 1;
            let cells = texts(&record).map_err(|bytes| FileError::at(input, line_of(&record), no_utf8(bytes)))?;
            // Spreadsheets leave rows of empty cells behind; they count, so that row numbers stay those of the file.
            if cells.iter().any(|cell| !cell.trim().is_empty()) {
                break self.read(&cells, line_of(&record), decoder, input);
            }
        };
        self.record = record;
        Ok(Some(row))
    }

    fn read(&mut self, cells: &[&str], line: u64, decoder: &Decoder, input: &Input) -> Row {
        let mut document = Map::new();
        for (target, cell) in self.targets.iter().zip(cells).filter(|(_, cell)| !cell.trim().is_empty()) {
            if let Target::Field(field) = target {
                document.insert((*field).to_owned(), field_value(field, cell.trim()));
            }
        }
        self.fill_in(&mut document, input);
        let method = document.get("method").and_then(Value::as_str).unwrap_or_default();
        let plan = self.plan(decoder, method);
        let mut faults = self.width_faults(cells);
        for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.trim().is_empty()) {
            self.put(index, cell, plan.get(index).and_then(Option::as_ref), &mut document, &mut faults);
        }
        let masked: Vec<&str> = cells.iter().enumerate().map(|(index, cell)| mask(cell, plan.get(index))).collect();
        let kept = serde_json::to_string(&masked).ok();
        let raw = serde_json::to_vec(&document).unwrap_or_default();
        let result = decoder.read(document, &[], &Defaults::default());
        let result = match result {
            Ok(job) if faults.is_empty() => Ok(job),
            Ok(job) => Err(Rejection {
                id: Some(job.id),
                method: Some(job.lane.method),
                app: Some(job.lane.app),
                batch: job.batch,
                faults,
            }),
            Err(mut rejection) => {
                self.name_columns(&mut rejection.faults);
                rejection.faults.append(&mut faults);
                Err(rejection)
            }
        };
        Row { line, place: format!("{}:{line}", input.name), raw: Bytes::from(raw), cells: kept, input: result }
    }

    /// Fills in what the row leaves to the file: method, app, batch, and, without an id column, the id.
    fn fill_in(&self, document: &mut Map<String, Value>, input: &Input) {
        let defaults =
            [("method", input.method.as_deref()), ("app", input.app.as_deref()), ("batch", Some(input.batch.as_str()))];
        for (field, default) in defaults {
            if let (false, Some(default)) = (document.contains_key(field), default) {
                document.insert(field.to_owned(), Value::from(default));
            }
        }
        if !self.targets.contains(&Target::Field("id")) {
            let batch = document.get("batch").and_then(Value::as_str).unwrap_or_default();
            document.insert("id".to_owned(), Value::from(format!("{batch}:{}", self.row)));
        }
    }

    fn plan(&mut self, decoder: &Decoder, method: &str) -> Arc<[Option<Meaning>]> {
        if let Some(plan) = self.plans.get(method) {
            return Arc::clone(plan);
        }
        let known = decoder.catalog.job_method(method);
        let meanings = self.targets.iter().map(|target| match (target, known) {
            (Target::Param(part, names), Some(known)) => Some(meaning(known, part, names)),
            _ => None,
        });
        let plan: Arc<[_]> = meanings.collect();
        // Unknown methods are not kept: a file could name any number of them.
        if known.is_some() {
            self.plans.insert(method.to_owned(), Arc::clone(&plan));
        }
        plan
    }

    fn width_faults(&self, cells: &[&str]) -> Vec<Fault> {
        let extra = cells.get(self.header.len()..).unwrap_or_default();
        if cells.len() >= self.header.len() && extra.iter().all(|cell| cell.trim().is_empty()) {
            return Vec::new();
        }
        let message = format!(
            "the row has {} cells and the header {}; is a comma or a line break not inside quotes, or a quote not closed?",
            cells.len(),
            self.header.len()
        );
        vec![Fault::invalid("", message)]
    }

    fn put(
        &self,
        index: usize,
        cell: &str,
        meaning: Option<&Meaning>,
        document: &mut Map<String, Value>,
        faults: &mut Vec<Fault>,
    ) {
        match self.targets.get(index) {
            Some(Target::Param(part, names)) => {
                let place = document.entry(*part).or_insert_with(|| Value::Object(Map::new()));
                let Some(map) = place.as_object_mut() else { return };
                match meaning {
                    Some(Meaning::Leaf(leaf)) => leaf.put(map, names, cell),
                    Some(Meaning::Unknown) => {
                        let message = "the row's method has no such parameter; leave the cell empty";
                        faults.push(Fault::invalid(self.label(index), message));
                    }
                    Some(Meaning::NoCell(why)) => faults.push(Fault::invalid(self.label(index), why)),
                    None => put_text(map, names, cell),
                }
            }
            Some(Target::Nothing) => {
                let message = format!("the column has no name, and the cell holds {}", shown_text(cell));
                faults.push(Fault::invalid(self.label(index), message));
            }
            Some(Target::Field(_)) | None => {}
        }
    }

    /// How messages call a column: by its number and header.
    fn label(&self, index: usize) -> String {
        match self.header.get(index).map(String::as_str) {
            Some("") | None => format!("column {}", index + 1),
            Some(name) => format!("column {} ({name})", index + 1),
        }
    }

    /// Gives faults the name of the column that they come from.
    fn name_columns(&self, faults: &mut [Fault]) {
        for fault in faults {
            let (bare, item) = without_index(&fault.field);
            let column = self.targets.iter().position(|target| target.field() == bare);
            if let Some(index) = column {
                fault.field = format!("{}{item}", self.label(index));
            }
        }
    }
}

/// Fields of the job as a cell writes them.
fn field_value(field: &str, cell: &str) -> Value {
    if field == "priority" {
        return cell.parse::<i64>().map_or_else(|_| Value::from(cell), Value::from);
    }
    Value::from(cell)
}

fn mask<'a>(cell: &'a str, meaning: Option<&Option<Meaning>>) -> &'a str {
    match meaning {
        Some(Some(Meaning::Leaf(Leaf { sensitive: true, .. }))) if !cell.is_empty() => MASK,
        _ => cell,
    }
}

/// `body.device[1].name` as the column's `body.device.name`, and the item for people, counted from 1.
fn without_index(field: &str) -> (String, String) {
    let Some((before, rest)) = field.split_once('[') else { return (field.to_owned(), String::new()) };
    let Some((index, after)) = rest.split_once(']') else { return (field.to_owned(), String::new()) };
    let item = index.parse::<usize>().map_or_else(|_| String::new(), |index| format!(", item {}", index + 1));
    (format!("{before}{after}"), item)
}

fn line_of(record: &ByteRecord) -> u64 {
    record.position().map_or(1, csv::Position::line)
}

/// The cells as texts, or the first that is no UTF-8.
fn texts(record: &ByteRecord) -> Result<Vec<&str>, &[u8]> {
    record.iter().map(|cell| std::str::from_utf8(cell).map_err(|_| cell)).collect()
}

fn unreadable(input: &Input, error: &csv::Error) -> FileError {
    let line = error.position().map_or(1, csv::Position::line);
    FileError::at(input, line, format!("cannot be read: {error}"))
}

/// What is wrong with a header whatever the rows say.
fn header_faults(decoder: &Decoder, input: &Input, header: &[String], targets: &[Target]) -> Vec<String> {
    if let [only] = header
        && let Some(separator) = only.chars().find(|letter| [';', '\t', '，'].contains(letter))
    {
        return vec![format!("the columns are separated by {separator:?}; expected commas")];
    }
    let mut faults = Vec::new();
    for (field, given) in [("method", &input.method), ("app", &input.app)] {
        if given.is_none() && !targets.contains(&Target::Field(field)) {
            faults.push(format!("names no {field}: add a column {field:?}, or give --{field}"));
        }
    }
    for (index, target) in targets.iter().enumerate().filter(|(_, target)| **target != Target::Nothing) {
        let label = format!("column {} ({})", index + 1, header[index]);
        if let Some(first) = targets[..index].iter().position(|other| other == target) {
            faults.push(format!("{label}: the same as column {} ({})", first + 1, header[first]));
        } else if let Target::Param(part, path) = target {
            faults
                .extend(column_fault(decoder, input, part, path, &header[index]).map(|why| format!("{label}: {why}")));
        }
    }
    faults
}

/// Why no method of the catalog can use a column, if none can.
fn column_fault(decoder: &Decoder, input: &Input, part: &str, path: &[String], header: &str) -> Option<String> {
    let mut no_cell = None;
    for method in decoder.catalog.methods.values().filter(|method| method.kind == Kind::Job) {
        match meaning(method, part, path) {
            Meaning::Leaf(_) => return None,
            Meaning::NoCell(why) => no_cell = Some(why),
            Meaning::Unknown => {}
        }
    }
    if no_cell.is_some() {
        return no_cell;
    }
    let wanted = |name: &str| input.method.as_deref().is_none_or(|wanted| wanted == name);
    let jobs = decoder.catalog.methods.values().filter(|method| method.kind == Kind::Job && wanted(&method.name));
    let mut known: Vec<String> = jobs.flat_map(|method| names(method)).collect();
    known.extend(FIELDS.map(str::to_owned));
    let hint = match nearest(header, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "`paceline methods show` lists what a method takes".to_owned(),
    };
    Some(format!("no method has such a parameter; {hint}"))
}
