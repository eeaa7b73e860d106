//! `paceline methods template`: a file of jobs of one method, for people to fill in.

use std::io::Write;
use std::path::PathBuf;

use crate::domain::catalog::Method;
use crate::domain::rows::template::{Template, TemplateColumn, template};
use crate::files::Output;
use crate::tables::{FormColumn, FormNames, form};

use super::super::book::{is_xlsx, refuse_terminal};
use super::super::context::Context;
use super::super::exit::refuse;
use super::super::export::{BOM, write_record};
use super::super::lang::Lang;

/// What the file is to be.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// E.g. feishu.vc.room.create
    pub method: String,
    /// Write a workbook with notes and drop-downs instead of CSV
    #[arg(long)]
    xlsx: bool,
    /// The language of headings and notes
    #[arg(long, value_enum, default_value = "en", value_name = "LANGUAGE")]
    lang: Lang,
    /// Write to this file instead of standard output; one that ends in .xlsx is a workbook
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes the file.
pub(super) fn carry_out(context: &mut Context, args: &Args, method: &Method) -> anyhow::Result<()> {
    let made = template(method, args.lang.into(), context.clock.now());
    let is_workbook = args.xlsx || args.output.as_deref().is_some_and(is_xlsx);
    let bytes = if is_workbook { workbook(&made, args.lang)? } else { csv(&made, args.lang)? };
    let Some(path) = &args.output else {
        if is_workbook {
            refuse_terminal()?;
        }
        return Ok(context.out.raw().write_all(&bytes)?);
    };
    let unwritable = |error| refuse(format!("{} cannot be written: {error}", path.display()), "");
    let mut out = Output::to(path).map_err(unwritable)?;
    out.write_all(&bytes).map_err(unwritable)?;
    out.finish().map_err(unwritable)?;
    let (method, file) = (&method.name, path.display());
    writeln!(context.err, "written to {file}; `paceline validate {file} --method {method} --app APP` checks it")?;
    Ok(())
}

/// A header, two examples, and behind them a column of notes that no job is made of.
fn csv(made: &Template, lang: Lang) -> anyhow::Result<Vec<u8>> {
    let heading = match lang {
        Lang::En => "# notes",
        Lang::Zh => "# 说明",
    };
    let mut out = Vec::new();
    if lang == Lang::Zh {
        out.extend_from_slice(BOM);
    }
    let header = made.columns.iter().map(|column| column.heading.clone()).chain([heading.to_owned()]);
    write_record(&header.collect::<Vec<_>>(), &mut out)?;
    // Those of the columns that every row needs first.
    for (row, is_required) in made.examples.iter().zip([true, false]) {
        let columns = made.columns.iter().filter(|column| column.is_required == is_required);
        let notes: Vec<_> = columns.map(|column| format!("{}: {}", column.heading, column.note)).collect();
        let cells = row.iter().cloned().chain([notes.join(" | ")]);
        write_record(&cells.collect::<Vec<_>>(), &mut out)?;
    }
    Ok(out)
}

fn workbook(made: &Template, lang: Lang) -> anyhow::Result<Vec<u8>> {
    let column = |column: &TemplateColumn| FormColumn {
        heading: column.heading.clone(),
        note: column.note.clone(),
        is_required: column.is_required,
        is_number: column.is_number && !column.is_list,
        choices: column.choices.clone(),
        is_open: column.is_list,
    };
    let columns: Vec<_> = made.columns.iter().map(column).collect();
    let names = match lang {
        Lang::En => FormNames { rows: "jobs", notes: "notes", choices: "choices" },
        Lang::Zh => FormNames { rows: "任务", notes: "说明", choices: "可选值" },
    };
    Ok(form(&columns, &made.examples, names)?)
}
