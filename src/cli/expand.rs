//! `paceline expand`: a timetable and a term's calendar as a file of jobs, a meeting or a series a row.

mod words;

use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::domain::messages::{FileTrouble, Language, Render as _};
use crate::domain::printable::plain;
use crate::domain::rows::exported::harmless;
use crate::domain::rows::{FileFault, Input};
use crate::files::Output;
use crate::operations::expand::{Expanded, faults_of_method, is_calendar, jobs, lessons};
use crate::timetable::{Lesson, Rule, ics};
use crate::wiring;

use super::context::Context;
use super::exit::{Exit, refuse};
use super::export::write_record;
use super::files::{self, FileArgs, Place, Written};
use super::lang::Lang;

/// Make a timetable (CSV, workbook or ICS) and a term's calendar a file of jobs: a meeting or a series a row
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The timetable: a CSV file, a workbook or an ICS file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The rule: the term's calendar, the times of its sections, and what the jobs are to hold
    #[arg(long, value_name = "FILE")]
    rule: PathBuf,
    /// Where the jobs are written [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The sheet of a workbook [default: the first that is visible]
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// The row of the column names, counted from 1; rows above it are not read [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    header_row: Option<u64>,
    /// The encoding of text files, such as gb18030 or windows-1252 [default: told by their bytes]
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// What separates the columns of CSV files: one character, or tab [default: told by their header]
    #[arg(long, value_name = "CHARACTER", value_parser = files::separator)]
    delimiter: Option<u8>,
    /// Treat warnings as faults: write nothing, end with 1
    #[arg(long)]
    strict: bool,
    /// The language of the summary
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
}

/// Writes the rows, or every fault.
pub(super) fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let catalog = wiring::catalog_of(&settings)?;
    let rule = match rule(&args.rule)? {
        Ok(rule) => rule,
        Err(faults) => return unwell(context, &faults, args.lang),
    };
    let language = args.lang.into();
    let place = Place::of(&args.file)?;
    let name = plain(&place.name());
    let mut faults = faults_of_method(&rule, &catalog);
    let mut warnings = Vec::new();
    let lessons = read(context, args, &place, &name, &rule, &mut warnings)?.unwrap_or_else(|found| {
        faults.extend(found);
        Vec::new()
    });
    if !faults.is_empty() {
        return unwell(context, &faults, args.lang);
    }
    let expanded = match jobs(&name, &rule, lessons) {
        Ok(expanded) => expanded,
        Err(faults) => return unwell(context, &faults, args.lang),
    };
    warnings.extend(expanded.warnings.iter().cloned());
    for warning in &warnings {
        writeln!(context.err, "{}{}", words::warning(language), plain(&warning.render(language)))?;
    }
    if args.strict && !warnings.is_empty() {
        writeln!(context.err, "{}", words::strict(language))?;
        return Ok(Exit::Unwell);
    }
    write(context, args.output.as_deref(), &expanded)?;
    summary(context, &name, &rule, &expanded, language)?;
    if let Some(output) = &args.output {
        writeln!(context.err, "{}", words::hint(&output.display().to_string(), language))?;
    }
    Ok(Exit::Success)
}

fn rule(path: &Path) -> anyhow::Result<Result<Rule, Vec<FileFault>>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
    Ok(Rule::read(&plain(&name), &text))
}

fn unwell(context: &mut Context, faults: &[FileFault], lang: Lang) -> anyhow::Result<Exit> {
    for fault in faults {
        writeln!(context.err, "{}", plain(&fault.render(lang.into())))?;
    }
    writeln!(context.err, "{}", words::faults(faults.len(), lang.into()))?;
    Ok(Exit::Unwell)
}

/// The lessons of a calendar, or of a table.
fn read(
    context: &mut Context,
    args: &Args,
    place: &Place,
    name: &str,
    rule: &Rule,
    warnings: &mut Vec<FileFault>,
) -> anyhow::Result<Result<Vec<Lesson>, Vec<FileFault>>> {
    let written = FileArgs {
        sheet: args.sheet.clone(),
        header_row: args.header_row,
        encoding: args.encoding.clone(),
        delimiter: args.delimiter,
        ..FileArgs::default()
    };
    let unreadable = |trouble: FileTrouble| refuse(format!("{name}: {}", trouble.render(args.lang.into())), "");
    if is_calendar(&args.file.to_string_lossy()) || place.begins_with(ics::BEGINNING)? {
        let text = place.text(&written)?.map_err(unreadable)?;
        return Ok(ics::lessons(name, &text, rule).map(|calendar| {
            warnings.extend(calendar.warnings);
            calendar.lessons
        }));
    }
    let settings = context.settings_without_secrets()?;
    let input = Input {
        name: name.to_owned(),
        batch: String::new(),
        method: None,
        app: None,
        bytes_max: settings.intake.body_bytes_max,
        layout: written.layout(&settings)?,
    };
    let preview = match Written::of(place, &written)?.map_err(unreadable)?.preview(place, &input, usize::MAX)? {
        Ok(preview) => preview,
        Err(error) => return Ok(Err(error.0)),
    };
    Ok(lessons(name, preview, rule))
}

fn write(context: &mut Context, output: Option<&Path>, expanded: &Expanded) -> anyhow::Result<()> {
    let Some(path) = output else {
        let is_on_terminal = std::io::stdout().is_terminal();
        write_rows(expanded, is_on_terminal, &mut context.out)?;
        return Ok(context.out.flush()?);
    };
    let unwritable = |error| refuse(format!("{} cannot be written: {error}", path.display()), "");
    let mut out = std::io::BufWriter::new(Output::to(path).map_err(unwritable)?);
    write_rows(expanded, false, &mut out)?;
    let out = out.into_inner().map_err(|error| unwritable(error.into_error()))?;
    out.finish().map_err(unwritable)
}

fn write_rows(expanded: &Expanded, is_on_terminal: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let table = &expanded.table;
    for row in std::iter::once(&table.header).chain(&table.rows) {
        let cells: Vec<_> = row.iter().map(|cell| harmless(cell, is_on_terminal)).collect();
        write_record(&cells, out)?;
    }
    Ok(())
}

/// What became of the lessons.
fn summary(
    context: &mut Context,
    name: &str,
    rule: &Rule,
    expanded: &Expanded,
    language: Language,
) -> anyhow::Result<()> {
    for line in words::summary(name, &rule.method, expanded, language) {
        writeln!(context.err, "{line}")?;
    }
    Ok(())
}
