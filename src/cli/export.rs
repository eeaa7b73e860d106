//! `paceline export`: endings as CSV or JSONL; for a CSV batch, its own rows with result columns.

use std::io::{BufWriter, IntoInnerError, IsTerminal as _, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::ValueEnum;
use csv::QuoteStyle;

use crate::domain::printable::json;
use crate::domain::rows::exported::{PREFIX, RESULT_COLUMNS, WARNINGS, harmless, is_quoted};
use crate::domain::warning::Warning;
use crate::files::Output;
use paceline_ports::State;
use paceline_ports::operator::{ExportRow, Reports, Selection};

use super::context::Context;
use super::exit::{Exit, refuse};
use super::jobs::text;

/// The columns in front of the results when there are no rows of a file to give back.
const JOB_COLUMNS: [&str; 5] = ["id", "method", "app", "tenant", "batch"];
/// The columns between a batch's own and the results, where it has none of that name: with them the file can be run again
/// under any name, and its rows are the same jobs.
const NAMING_COLUMNS: [&str; 4] = ["id", "method", "app", "batch"];
/// Tells spreadsheets that a CSV file is UTF-8.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";
/// Room for a usual record.
const RECORD_BYTES: usize = 1 << 10;

/// Print results as CSV or JSONL; for a CSV batch, its own rows with result columns
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How rows are written [default: csv for a CSV batch, else jsonl]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Of this batch alone
    #[arg(long)]
    batch: Option<String>,
    /// In this state alone: queued, uncertain, held, dead, cancelled or succeeded
    #[arg(long)]
    state: Option<State>,
    /// Of this method alone
    #[arg(long)]
    method: Option<String>,
    /// Of this app alone
    #[arg(long)]
    app: Option<String>,
    /// Begin a CSV with a byte order mark, by which Excel knows that it is UTF-8
    #[arg(long)]
    bom: bool,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

/// How rows are written, and where.
struct Form<'a> {
    format: Format,
    /// The columns of the batch's file, if it came from one.
    header: Option<&'a [String]>,
    is_on_terminal: bool,
}

/// Writes the rows.
pub fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let ledger = context.operator()?;
    let header = match &args.batch {
        Some(batch) => ledger.header(batch)?,
        None => None,
    };
    let format = args.format.unwrap_or(if header.is_some() { Format::Csv } else { Format::Jsonl });
    let selection =
        Selection { batch: args.batch, state: args.state, method: args.method, app: args.app, ..Selection::default() };
    let mut rows = 0_u64;
    if let Some(path) = args.output {
        let unwritable = |error| refuse(format!("{} cannot be written: {error}", path.display()), "");
        let mut out = BufWriter::new(Output::to(&path).map_err(unwritable)?);
        begin(&mut out, format, args.bom)?;
        let form = Form { format, header: header.as_deref(), is_on_terminal: false };
        write_rows(&*ledger, &selection, &form, &mut out, &mut rows)?;
        out.into_inner().map_err(IntoInnerError::into_error)?.finish().map_err(unwritable)?;
        writeln!(context.err, "{rows} rows written to {}", path.display())?;
    } else {
        let is_on_terminal = std::io::stdout().is_terminal();
        let form = Form { format, header: header.as_deref(), is_on_terminal };
        // Cells are made harmless one by one: a file keeps the line ends in them.
        let out = context.out.raw();
        begin(out, format, args.bom)?;
        write_rows(&*ledger, &selection, &form, out, &mut rows)?;
    }
    if rows == 0 {
        writeln!(context.err, "hint: no job matches; `paceline jobs list` shows what there is")?;
    }
    Ok(Exit::Success)
}

fn begin(out: &mut dyn Write, format: Format, bom: bool) -> std::io::Result<()> {
    if bom && format == Format::Csv { out.write_all(BOM) } else { Ok(()) }
}

fn write_rows(
    ledger: &dyn Reports,
    selection: &Selection,
    form: &Form<'_>,
    out: &mut dyn Write,
    rows: &mut u64,
) -> anyhow::Result<()> {
    if form.format == Format::Csv {
        write_record(&columns(form.header), out)?;
    }
    let mut written = Ok(());
    ledger.export(selection, &mut |row| {
        *rows += 1;
        written = match form.format {
            Format::Jsonl => writeln!(out, "{}", json(&row.document.to_string())).map_err(Into::into),
            Format::Csv => write_record(&record(&row, form), out),
        };
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written
}

/// A record on a line of its own, all of it between quotes if a cell of it could be taken for several.
pub(super) fn write_record(cells: &[String], out: &mut dyn Write) -> anyhow::Result<()> {
    let quotes = if cells.iter().any(|cell| is_quoted(cell)) { QuoteStyle::Always } else { QuoteStyle::Necessary };
    let mut csv = csv::WriterBuilder::new().quote_style(quotes).buffer_capacity(RECORD_BYTES).from_writer(out);
    csv.write_record(cells).map_err(io_of)?;
    Ok(csv.flush()?)
}

/// A reader that went away stays recognisable.
fn io_of(error: csv::Error) -> anyhow::Error {
    let words = error.to_string();
    if let csv::ErrorKind::Io(error) = error.into_kind() { error.into() } else { anyhow::anyhow!("CSV: {words}") }
}

fn columns(header: Option<&[String]>) -> Vec<String> {
    let own: Vec<String> = match header {
        Some(header) => header.iter().cloned().chain(naming(header).map(str::to_owned)).collect(),
        None => JOB_COLUMNS.map(str::to_owned).into(),
    };
    let results = RESULT_COLUMNS
        .map(|name| if own.iter().any(|own| own == name) { format!("{PREFIX}{name}") } else { name.to_owned() });
    own.into_iter().chain(results).collect()
}

fn record(row: &ExportRow, form: &Form<'_>) -> Vec<String> {
    let mut cells = match form.header {
        // A row that did not come from the file (published under its batch) has empty cells there.
        Some(header) => {
            let mut cells = row.cells.clone().unwrap_or_default();
            cells.resize(header.len(), String::new());
            cells.extend(naming(header).map(|field| text(&row.document, field)));
            cells
        }
        None => JOB_COLUMNS.map(|field| text(&row.document, field)).into(),
    };
    cells.extend(RESULT_COLUMNS.map(|field| result(&row.document, field)));
    cells.into_iter().map(|cell| harmless(&cell, form.is_on_terminal)).collect()
}

/// A cell of a result column.
fn result(document: &serde_json::Value, field: &str) -> String {
    if field != WARNINGS {
        return text(document, field);
    }
    let warnings = Warning::of_document(document).into_iter().map(|warning| warning.text(usize::MAX));
    warnings.collect::<Vec<_>>().join("; ")
}

/// What a batch's own columns lack to name its jobs.
fn naming(header: &[String]) -> impl Iterator<Item = &'static str> + '_ {
    NAMING_COLUMNS.into_iter().filter(|name| !header.iter().any(|own| own == name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_could_be_several_cells_is_quoted() {
        let written = |cells: [&str; 2]| {
            let mut out = Vec::new();
            write_record(&cells.map(str::to_owned), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(["a", "b c"]), "a,b c\n");
        assert_eq!(written(["a;b", "c"]), "\"a;b\",\"c\"\n");
        assert_eq!(written(["a", "b\tc"]), "\"a\",\"b\tc\"\n");
    }

    #[test]
    fn a_csv_batch_gets_its_own_rows_back() {
        let header = ["name".to_owned(), "code".to_owned()];
        let wanted = ["name", "code", "id", "method", "app", "batch", "status", "key", "reason"];
        assert_eq!(columns(Some(&header))[..9], wanted);
        assert!(columns(Some(&header)).contains(&"paceline_code".to_owned()));
        let document = json!({"id": "x", "status": "dead", "reason": "rejected", "code": 125_001, "detail": "=1+1"});
        let row = ExportRow { document, place: "a.csv:2".to_owned(), cells: Some(vec!["7F".to_owned()]) };
        let of = |header| Form { format: Format::Csv, header, is_on_terminal: false };
        assert_eq!(record(&row, &of(Some(&header)))[..7], ["7F", "", "x", "", "", "", "dead"]);
        assert_eq!(record(&row, &of(Some(&header)))[7..11], ["", "rejected", "125001", "'=1+1"]);
        assert_eq!(record(&row, &of(None))[..6], ["x", "", "", "", "", "dead"]);
        let warning = json!({"field": "excess_users", "message": "without an account", "values": ["a", "b"]});
        let document = json!({"id": "x", "status": "succeeded", "warnings": [warning]});
        let row = ExportRow { document, place: String::new(), cells: None };
        assert_eq!(columns(None).last().unwrap(), "warnings");
        assert_eq!(record(&row, &of(None)).last().unwrap(), "without an account: a, b");
    }
}
