//! CSV: a header, then a job a row.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::beginning::{explain, header_of, lines, lines_of_table};
use super::column::{Leaf, Meaning, Target, meaning, put_text};
use super::exported::{MASK, Returned, original, state_of};
use super::heading::Headings;
use super::mapping::{self, Added, Mapped};
use super::records::Record;
use super::table::{Lines, Table};
use super::value;
use super::{Base, Draft, FileError, Input, Row, header, swallowed, too_long};
use crate::catalog::{shortened, shown_text};
use crate::checks::{self, Check, Finding, Severity, Source};
use crate::decode::{Decoder, Defaults};
use crate::job::{Column, Fault, Rejection};
use crate::json;
use crate::mask;
use crate::messages::{HeaderTrouble, Rule};
use crate::time::Zone;

pub(super) struct Reader<R> {
    lines: Lines<R>,
    /// Rows that were read or passed over.
    rows: u64,
    columns: Arc<Columns>,
    /// What each method that occurred makes of the columns.
    meanings: HashMap<String, Arc<[Option<Meaning>]>>,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn open(decoder: &Decoder, input: &Input, source: R) -> Result<Self, FileError> {
        Self::begin(decoder, input, lines(input, source)?)
    }

    pub(super) fn open_table(decoder: &Decoder, input: &Input, table: Table) -> Result<Self, FileError> {
        Self::begin(decoder, input, lines_of_table(input, table))
    }

    /// Reads the header.
    fn begin(decoder: &Decoder, input: &Input, mut lines: Lines<R>) -> Result<Self, FileError> {
        let (line, header) = header_of(&mut lines, input)?;
        let headings = Headings::of(&decoder.catalog, input.method.as_deref());
        let mapping = mapping::of(input);
        let of_map = mapping.map(|mapping| mapping.of_header(&header, &headings));
        let Mapped { targets: told, mut added, faults: mut all } = of_map.unwrap_or_default();
        let targets = header::targets(decoder, input, &header, (&told, &headings));
        let (mut targets, mut units): (Vec<_>, Vec<_>) = targets.into_iter().unzip();
        // A column goes before what is said of all rows, as it does before --method; exports have such columns.
        added.retain(|added| !(matches!(added.target, Target::Field(_)) && targets.contains(&added.target)));
        targets.extend(added.iter().map(|added| added.target.clone()));
        units.resize(targets.len(), None);
        all.extend(header::faults(decoder, input, (line, &header), &targets));
        let mut words = vec![Vec::new(); targets.len()];
        if let Some(mapping) = mapping {
            all.extend(header::faults_of_added(decoder, input, (mapping, &added), &targets));
            all.extend(mapping.unused_words(&targets, &headings));
            let of = |target| mapping.words(target, &headings).map(<[_]>::to_vec).unwrap_or_default();
            words = targets.iter().map(of).collect();
        }
        if !all.is_empty() {
            return Err(FileError(all));
        }
        let columns = Arc::new(Columns::new(header, (targets, units, words), added));
        Ok(Self { lines, rows: 0, columns, meanings: HashMap::new() })
    }

    /// The header without result columns.
    pub(super) fn own_header(&self) -> &[String] {
        &self.columns.own
    }

    pub(super) fn is_export(&self) -> bool {
        self.columns.is_export
    }

    pub(super) fn next(&mut self, decoder: &Decoder, input: &Input) -> Result<Option<Draft>, FileError> {
        loop {
            let read = self.lines.read().map_err(|trouble| explain(input, trouble, &self.columns.header))?;
            let Some(Record { line, bytes }) = read else { return Ok(None) };
            if bytes > input.bytes_max {
                return Ok(Some(too_long(input, line, bytes, &self.lines.text(), None)));
            }
            let cells = self.lines.cells().map_err(|_| FileError::at(input, line, HeaderTrouble::NotUtf8Here))?;
            // Spreadsheets leave rows of empty cells behind.
            if cells.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            self.rows += 1;
            match input.layout.place_of(self.rows) {
                Ordering::Less => continue,
                Ordering::Equal if !self.columns.is_wanted(&cells, input) => continue,
                Ordering::Equal => {}
                Ordering::Greater => return Ok(None),
            }
            // An apostrophe in front is how people and exports keep a spreadsheet from changing a cell.
            let (originals, written): (Vec<_>, _) = (cells.iter().map(|cell| original(cell)).collect(), cells);
            let mut cells: Vec<&str> = originals.iter().map(AsRef::as_ref).collect();
            let added = self.columns.added_to(&cells);
            if !added.is_empty() {
                cells.resize(self.columns.width, "");
                cells.extend(added.iter().map(String::as_str));
            }
            if self.columns.is_settled(&cells) {
                continue;
            }
            let document = self.columns.fields(&cells, input);
            let method = document.get("method").and_then(Value::as_str).unwrap_or_default();
            let meanings = match self.meanings.get(method) {
                Some(meanings) => Arc::clone(meanings),
                None => self.columns.meanings(decoder, method, input.layout.zone.as_ref()),
            };
            // Unknown methods are not kept: a file could name any number of them.
            if !self.meanings.contains_key(method) && decoder.catalog.job_method(method).is_some() {
                self.meanings.insert(method.to_owned(), Arc::clone(&meanings));
            }
            let mut faults = self.columns.width_faults(&written);
            faults.extend(self.columns.cell_faults(&written, &meanings, self.lines.is_table()));
            faults.extend(self.lines.faults().iter().map(|(index, why)| self.columns.fault(*index, why.clone())));
            let judged = Judged { line, cells: &cells, document, faults, meanings: &meanings };
            return Ok(Some(self.columns.row(judged, decoder, input)));
        }
    }
}

/// A row on its way to the decoder.
struct Judged<'a> {
    line: u64,
    cells: &'a [&'a str],
    /// The fields beside the parameters.
    document: Map<String, Value>,
    faults: Vec<Fault>,
    meanings: &'a [Option<Meaning>],
}

/// The header, and what it makes of a row.
#[derive(Debug)]
pub(super) struct Columns {
    header: Vec<String>,
    targets: Vec<Target>,
    /// The units that the header names.
    units: Vec<Option<String>>,
    /// What is written for values, by the map.
    words: Vec<Vec<(String, String)>>,
    /// How many columns the file has; behind them are those that the map adds.
    width: usize,
    added: Vec<Added>,
    /// The header without result columns.
    own: Vec<String>,
    is_export: bool,
}

/// What the columns are, the units of their headings, and words for their values.
type Meant = (Vec<Target>, Vec<Option<String>>, Vec<Vec<(String, String)>>);

/// States in which a job of an export is left alone; its masked cells would only make another one of it.
const SETTLED: [&str; 4] = ["succeeded", "queued", "uncertain", "held"];

impl Columns {
    fn new(mut header: Vec<String>, (targets, units, words): Meant, added: Vec<Added>) -> Self {
        let is_result = |target: &Target| matches!(target, Target::Result(_));
        let own = header.iter().zip(&targets).filter(|(_, target)| !is_result(target));
        let own = own.map(|(name, _)| name.clone()).collect();
        let is_export = targets.iter().any(is_result);
        let width = header.len();
        header.extend(added.iter().map(|added| added.heading.clone()));
        Self { header, targets, units, words, width, added, own, is_export }
    }

    /// The cells that the map adds to a row.
    fn added_to(&self, cells: &[&str]) -> Vec<String> {
        self.added.iter().map(|added| added.cell(cells)).collect()
    }

    /// Whether the row's cells hold what they must.
    fn is_wanted(&self, cells: &[&str], input: &Input) -> bool {
        input.layout.wanted.iter().all(|(name, value)| {
            let index = self.header.iter().position(|header| header == name);
            index.and_then(|index| cells.get(index)).is_some_and(|cell| cell.trim() == value)
        })
    }

    /// What an export says of the row's job.
    fn returned(&self, cells: &[&str]) -> Option<Returned> {
        let cell = |result| {
            let index = self.targets.iter().position(|target| *target == Target::Result(result))?;
            cells.get(index).map(|cell| cell.trim().to_owned())
        };
        self.is_export.then(|| Returned {
            status: cell("status").map(|cell| state_of(&cell).to_owned()).unwrap_or_default(),
            key: cell("key").unwrap_or_default(),
        })
    }

    /// Whether the row is of a job that has nothing to gain from it: sensitive values are not in an export.
    fn is_settled(&self, cells: &[&str]) -> bool {
        let status = self.targets.iter().position(|target| *target == Target::Result("status"));
        let status = status.and_then(|index| cells.get(index));
        status.is_some_and(|status| SETTLED.contains(&state_of(status))) && cells.contains(&MASK)
    }

    /// What a method makes of each column: parameters only, and nothing if the method is unknown.
    fn meanings(&self, decoder: &Decoder, method: &str, zone: Option<&Zone>) -> Arc<[Option<Meaning>]> {
        let known = decoder.catalog.job_method(method);
        let columns = self.targets.iter().zip(&self.units).zip(&self.words);
        let meanings = columns.map(|((target, unit), words)| match (target, known) {
            (Target::Param(part, names), Some(known)) => {
                Some(meaning(known, part, names).read_as(unit.as_deref(), zone, words))
            }
            _ => None,
        });
        meanings.collect()
    }

    /// The fields of the job beside its parameters, with what the row leaves to the file: method, app and
    /// batch.
    fn fields(&self, cells: &[&str], input: &Input) -> Map<String, Value> {
        let mut document = Map::new();
        for (target, cell) in self.targets.iter().zip(cells).filter(|(_, cell)| !cell.trim().is_empty()) {
            if let Target::Field(field) = target {
                document.insert((*field).to_owned(), field_value(field, cell.trim(), input.layout.zone.as_ref()));
            }
        }
        let defaults =
            [("method", input.method.as_deref()), ("app", input.app.as_deref()), ("batch", Some(input.batch.as_str()))];
        for (field, default) in defaults {
            if let (false, Some(default)) = (document.contains_key(field), default) {
                document.insert(field.to_owned(), Value::from(default));
            }
        }
        document
    }

    /// Adds the parameters to the fields, and has the whole judged.
    fn row(self: &Arc<Self>, judged: Judged<'_>, decoder: &Decoder, input: &Input) -> Draft {
        let Judged { line, cells, mut document, mut faults, meanings } = judged;
        for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.trim().is_empty()) {
            let meaning = meanings.get(index).and_then(Option::as_ref);
            faults.extend(self.put(index, cell, meaning, &mut document));
        }
        let is_own = |index: usize| !matches!(self.targets.get(index), Some(Target::Result(_)));
        let own = if self.added.is_empty() { cells.len() } else { self.width };
        let kept = cells.iter().take(own).enumerate().filter(|(index, _)| is_own(*index));
        let masked: Vec<&str> =
            kept.map(|(index, cell)| shown(cell, self.holds_secrets(index, meanings, decoder))).collect();
        let kept = serde_json::to_string(&masked).ok();
        let raw = json::bytes(&document);
        let mut warnings = Vec::new();
        let base = Base::of(decoder, &document, input);
        let defaults = Defaults { id: base.as_ref().map(Base::id), ..Defaults::default() };
        let read = decoder.judge(document, &[], &defaults, Source::Cells, &mut warnings);
        let result = match read {
            Ok(job) if faults.is_empty() => Ok(job),
            Ok(job) => Err(Rejection {
                id: Some(job.id),
                method: Some(job.lane.method),
                app: Some(job.lane.app),
                batch: job.batch,
                faults,
            }),
            Err(mut rejection) => {
                self.name_columns(&mut rejection.faults, meanings);
                // What is said of a cell as a whole explains what its value lacks.
                let is_said =
                    |fault: &Fault| fault.column.is_some() && faults.iter().any(|it| it.column == fault.column);
                rejection.faults.retain(|fault| !is_said(fault));
                rejection.faults.append(&mut faults);
                Err(rejection)
            }
        };
        for warning in &mut warnings {
            warning.column = self.column_of(&warning.field);
        }
        warnings.extend(self.doubtful_commas(cells, meanings));
        let row = Row {
            line,
            place: format!("{}:{line}", input.name),
            raw: raw.into(),
            cells: kept,
            input: result,
            warnings,
            returned: self.returned(cells),
            columns: Some(Arc::clone(self)),
        };
        Draft { row, base }
    }

    fn width_faults(&self, cells: &[&str]) -> Vec<Fault> {
        let extra = cells.get(self.width..).unwrap_or_default();
        if cells.len() >= self.width && extra.iter().all(|cell| cell.trim().is_empty()) {
            return Vec::new();
        }
        vec![Fault::invalid("", Rule::CellsOfRow { cells: cells.len(), header: self.width })]
    }

    /// What is wrong with cells as they were written, whatever they mean.
    fn cell_faults(&self, written: &[&str], meanings: &[Option<Meaning>], is_table: bool) -> Vec<Fault> {
        let is_own = |index: usize| !matches!(self.targets.get(index), Some(Target::Result(_)));
        let own = written.iter().enumerate().filter(|(index, _)| is_own(*index));
        own.filter_map(|(index, cell)| {
            if !is_table && swallowed::holds_rows(cell, index, self.width) {
                return Some(self.fault(index, Rule::RowsInCell));
            }
            // What a workbook would work out is worked out there, and an export writes texts.
            if is_table && self.is_export {
                return None;
            }
            let is_secret = matches!(meanings.get(index), Some(Some(Meaning::Leaf(Leaf { sensitive: true, .. }))));
            let Fault { rule, got, .. } = checks::formula(cell, is_secret)?;
            Some(Fault { got, ..self.fault(index, rule) })
        })
        .collect()
    }

    /// Items of lists that may have been meant to be several.
    fn doubtful_commas(&self, cells: &[&str], meanings: &[Option<Meaning>]) -> Vec<Finding> {
        let leaf = |index: usize| match meanings.get(index) {
            Some(Some(Meaning::Leaf(leaf))) if !leaf.sensitive => Some(leaf),
            _ => None,
        };
        let doubtful = cells.iter().enumerate().filter_map(|(index, cell)| {
            let item = leaf(index)?.doubtful_item(cell)?;
            Some(Finding {
                severity: Severity::Warning,
                field: self.targets.get(index).map(Target::field).unwrap_or_default(),
                column: Some(self.column(index, None)),
                check: Check::CommaInItem(item.to_owned()),
            })
        });
        doubtful.collect()
    }

    /// Whether the column is sensitive; where the row's method does not tell, because its name is wrong or it has no such
    /// parameter, what is called like a sensitive parameter of any method is.
    fn holds_secrets(&self, index: usize, meanings: &[Option<Meaning>], decoder: &Decoder) -> bool {
        match (meanings.get(index).and_then(Option::as_ref), self.targets.get(index)) {
            (Some(Meaning::Leaf(leaf)), _) => leaf.sensitive,
            (_, Some(Target::Param(_, names))) => {
                names.last().is_some_and(|name| mask::may_be_secret(&decoder.catalog, name))
            }
            _ => false,
        }
    }

    /// Puts a parameter's cell into the document; says so if the cell has no place there.
    fn put(
        &self,
        index: usize,
        cell: &str,
        meaning: Option<&Meaning>,
        document: &mut Map<String, Value>,
    ) -> Option<Fault> {
        let (part, names) = match self.targets.get(index)? {
            Target::Param(part, names) => (part, names),
            Target::Nothing => {
                return Some(self.fault(index, Rule::ColumnWithoutName { cell: shortened(cell) }));
            }
            Target::Field(_) | Target::Ignored | Target::Result(_) => return None,
        };
        if self.is_export && cell == MASK {
            return Some(self.fault(index, Rule::Masked));
        }
        let rule = match meaning {
            Some(Meaning::Unknown) => Rule::NotOfThisMethod,
            Some(Meaning::NoCell(why)) => why.clone(),
            Some(Meaning::Leaf(leaf)) => {
                if let Some(why) = leaf.no_instant(cell) {
                    return Some(self.fault(index, why).got(shown_text(cell)));
                }
                leaf.put(object(document, part)?, names, cell);
                return None;
            }
            None => {
                put_text(object(document, part)?, names, cell);
                return None;
            }
        };
        Some(self.fault(index, rule))
    }

    /// A fault of a cell.
    fn fault(&self, index: usize, rule: impl Into<Rule>) -> Fault {
        let field = self.targets.get(index).map(Target::field).unwrap_or_default();
        Fault { column: Some(self.column(index, None)), ..Fault::invalid(field, rule) }
    }

    fn column(&self, index: usize, item: Option<usize>) -> Column {
        // What the map adds is in no column of the file.
        let number = if index < self.width { index + 1 } else { 0 };
        Column { number, header: self.header.get(index).cloned().unwrap_or_default(), item }
    }

    /// The column that a parameter or field of the job comes from.
    pub(super) fn column_of(&self, field: &str) -> Option<Column> {
        let (bare, item) = without_index(field);
        let index = self.targets.iter().position(|target| target.field() == bare)?;
        Some(self.column(index, item))
    }

    /// Lets faults know the column that they come from.
    fn name_columns(&self, faults: &mut [Fault], meanings: &[Option<Meaning>]) {
        for fault in faults {
            fault.column = self.column_of(&fault.field);
            let index = fault.column.as_ref().and_then(|column| column.number.checked_sub(1));
            if let Some(Some(Meaning::Leaf(leaf))) = index.and_then(|index| meanings.get(index)) {
                leaf.add_words(&mut fault.rule);
            }
        }
    }
}

/// Fields of the job as a cell writes them.
fn field_value(field: &str, cell: &str, zone: Option<&Zone>) -> Value {
    if field == "after" {
        return value::items(cell).filter(|id| !id.is_empty()).collect();
    }
    if field == "priority" {
        return cell.parse::<i64>().map_or_else(|_| Value::from(cell), Value::from);
    }
    let is_time = field == "not_before" || field == "not_after";
    let instant = zone.filter(|_| is_time).and_then(|zone| zone.instant(cell));
    instant.map_or_else(|| Value::from(cell), |at| Value::from(at.exact()))
}

fn shown(cell: &str, holds_secrets: bool) -> &str {
    if holds_secrets && !cell.is_empty() { MASK } else { cell }
}

/// `body.device[1].name` as the column's `body.device.name`, and the item, counted from 1.
fn without_index(field: &str) -> (String, Option<usize>) {
    let Some((before, rest)) = field.split_once('[') else { return (field.to_owned(), None) };
    let Some((index, after)) = rest.split_once(']') else { return (field.to_owned(), None) };
    (format!("{before}{after}"), index.parse::<usize>().ok().map(|index| index + 1))
}

fn object<'a>(document: &'a mut Map<String, Value>, part: &str) -> Option<&'a mut Map<String, Value>> {
    document.entry(part).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
}
