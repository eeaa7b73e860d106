//! `paceline export`: results as CSV, JSONL or a workbook; for a batch of a table, its own rows with result columns.

mod columns;
#[cfg(test)]
mod proptests;

use std::io::{BufWriter, IntoInnerError, IsTerminal as _, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;

use crate::domain::catalog::Catalog;
use crate::domain::messages::Language;
use crate::domain::printable::json;
use crate::domain::rows::exported::harmless;
use crate::domain::rows::typed::Typed;
use crate::files::Output;
pub(super) use crate::operations::record::write_record;
use crate::tables::{Book, Unwritable, Value};
use crate::wiring;
use paceline_ports::State;
use paceline_ports::operator::{ExportRow, Reports, Selection};

use self::columns::Columns;
use super::book::{is_xlsx, refuse_terminal, value};
use super::context::Context;
use super::exit::{Exit, refuse};
use super::lang::Lang;

/// Tells spreadsheets that a CSV file is UTF-8.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";
/// The sheets of a workbook: the rows, and what is wrong with them.
const SHEETS: [usize; 2] = [0, 1];

/// Print results as CSV, JSONL or a workbook; for a batch of a table, its own rows with result columns
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How rows are written [default: as the output's name says; csv for a batch of a table, else jsonl]
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
    /// These columns in this order, as A,B: the table's own, fields of jobs, results, result.FIELD, or
    /// after.FIELD and then.FIELD of the jobs that a row waited for and that waited for it [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// The language of result columns
    #[arg(long, value_enum, default_value = "en", value_name = "LANGUAGE")]
    lang: Lang,
    /// Begin a CSV with a byte order mark, by which Excel knows that it is UTF-8
    #[arg(long)]
    bom: bool,
    /// Write to this file instead of standard output; one that ends in .xlsx is a workbook
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
    Xlsx,
}

impl Format {
    fn of(args: &Args, is_table: bool) -> Self {
        match (args.format, args.output.as_deref()) {
            (Some(format), _) => format,
            (None, Some(path)) if is_xlsx(path) => Self::Xlsx,
            _ if is_table || !args.columns.is_empty() => Self::Csv,
            _ => Self::Jsonl,
        }
    }
}

/// What is exported, and how.
struct Export<'a> {
    ledger: &'a dyn Reports,
    selection: Selection,
    format: Format,
    columns: Columns,
    catalog: Arc<Catalog>,
    language: Language,
    bom: bool,
}

/// Writes the rows.
pub(super) fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let ledger = context.operator()?;
    let header = match &args.batch {
        Some(batch) => ledger.header(batch)?,
        None => None,
    };
    let format = Format::of(&args, header.is_some());
    let language = Language::from(args.lang);
    let export = Export {
        ledger: &*ledger,
        format,
        columns: Columns::new(header, &args.columns, language)?,
        catalog: wiring::catalog_of(&context.settings_without_secrets()?)?,
        language,
        bom: args.bom || (language == Language::Chinese && format == Format::Csv && args.output.is_some()),
        selection: Selection {
            batch: args.batch,
            state: args.state,
            method: args.method,
            app: args.app,
            ..Selection::default()
        },
    };
    let rows = if let Some(path) = &args.output {
        to_file(context, export, path)?
    } else {
        if format == Format::Xlsx {
            refuse_terminal()?;
        }
        // Cells are made harmless one by one: a file keeps the line ends in them.
        export.write(context.out.raw(), std::io::stdout().is_terminal())?
    };
    if rows == 0 {
        writeln!(context.err, "hint: no job matches; `paceline jobs list` shows what there is")?;
    }
    Ok(Exit::Success)
}

fn to_file(context: &mut Context, export: Export<'_>, path: &Path) -> anyhow::Result<u64> {
    let unwritable = |error| refuse(format!("{} cannot be written: {error}", path.display()), "");
    let mut out = BufWriter::new(Output::to(path).map_err(unwritable)?);
    let rows = export.write(&mut out, false)?;
    out.into_inner().map_err(IntoInnerError::into_error)?.finish().map_err(unwritable)?;
    writeln!(context.err, "{rows} rows written to {}", path.display())?;
    Ok(rows)
}

impl Export<'_> {
    /// Writes the rows, and counts them.
    fn write(self, out: &mut dyn Write, is_on_terminal: bool) -> anyhow::Result<u64> {
        match self.format {
            Format::Jsonl => self.each(&mut |row| Ok(writeln!(out, "{}", json(&row.document.to_string()))?)),
            Format::Csv => {
                if self.bom {
                    out.write_all(BOM)?;
                }
                write_record(&self.columns.header(), out)?;
                self.each(&mut |row| Ok(write_record(&cells(&self.columns, &row, is_on_terminal), out)?))
            }
            Format::Xlsx => {
                let names = match self.language {
                    Language::English => ["results", "faults"],
                    Language::Chinese => ["处理结果", "问题"],
                };
                let mut workbook = Workbook::new(names, &self.columns).map_err(too_much)?;
                let mut columns = self.columns.clone();
                let rows = self.each(&mut |row| workbook.add(&row, &mut columns, &self.catalog).map_err(too_much))?;
                out.write_all(&workbook.book.finish()?)?;
                Ok(rows)
            }
        }
    }

    fn each(&self, take: &mut dyn FnMut(ExportRow) -> anyhow::Result<()>) -> anyhow::Result<u64> {
        let (mut rows, mut taken) = (0, Ok(()));
        self.ledger.export(&self.selection, self.columns.are_linked(), &mut |row| {
            rows += 1;
            taken = take(row);
            if taken.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        taken.map(|()| rows)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "maps an error")]
fn too_much(why: Unwritable) -> anyhow::Error {
    refuse(
        why.to_string(),
        "a workbook has at most 1,048,576 rows and 32,767 letters in a cell; --format csv has no such bounds",
    )
}

fn cells(columns: &Columns, row: &ExportRow, is_on_terminal: bool) -> Vec<String> {
    columns.cells(row).into_iter().map(|cell| harmless(&cell, is_on_terminal)).collect()
}

/// A workbook of two sheets: the rows, and what is wrong with some of them.
struct Workbook {
    book: Book,
    row: u64,
}

impl Workbook {
    fn new(names: [&str; 2], columns: &Columns) -> Result<Self, Unwritable> {
        let mut book = Book::new(&names)?;
        book.header(SHEETS[0], &columns.header())?;
        book.header(SHEETS[1], &columns.header_of_faults())?;
        Ok(Self { book, row: 1 })
    }

    fn add(&mut self, row: &ExportRow, columns: &mut Columns, catalog: &Catalog) -> Result<(), Unwritable> {
        self.row += 1;
        let values = |cells: Vec<Typed>| cells.into_iter().map(value).collect::<Vec<Value>>();
        self.book.row(SHEETS[0], &values(columns.typed(row, catalog)))?;
        match columns.fault(row, self.row) {
            Some(fault) => self.book.row(SHEETS[1], &values(fault)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
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
}
