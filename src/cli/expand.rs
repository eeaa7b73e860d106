//! `paceline expand`: a timetable and a term's calendar as a file of jobs, a meeting or a series a row.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::domain::messages::FileTrouble;
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
use super::files::{FileArgs, Place, Written};

/// Days that a line of the summary shows.
const DAYS_SHOWN_MAX: usize = 5;

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
    /// Treat warnings as faults: write nothing, end with 1
    #[arg(long)]
    strict: bool,
}

/// Writes the rows, or every fault.
pub(super) fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let catalog = wiring::catalog_of(&settings)?;
    let rule = match rule(&args.rule)? {
        Ok(rule) => rule,
        Err(faults) => return unwell(context, &faults),
    };
    let place = Place::of(&args.file)?;
    let name = plain(&place.name());
    let mut faults = faults_of_method(&rule, &catalog);
    let mut warnings = Vec::new();
    let lessons = read(context, args, &place, &name, &rule, &mut warnings)?.unwrap_or_else(|found| {
        faults.extend(found);
        Vec::new()
    });
    if !faults.is_empty() {
        return unwell(context, &faults);
    }
    let expanded = match jobs(&name, &rule, lessons) {
        Ok(expanded) => expanded,
        Err(faults) => return unwell(context, &faults),
    };
    warnings.extend(expanded.warnings.iter().cloned());
    for warning in &warnings {
        writeln!(context.err, "warning: {}", plain(&warning.to_string()))?;
    }
    if args.strict && !warnings.is_empty() {
        writeln!(context.err, "nothing was written: --strict treats warnings as faults")?;
        return Ok(Exit::Unwell);
    }
    write(context, args.output.as_deref(), &expanded)?;
    summary(context, &name, &rule, &expanded)?;
    if let Some(output) = &args.output {
        writeln!(context.err, "hint: paceline validate {0}, then paceline run {0}", output.display())?;
    }
    Ok(Exit::Success)
}

fn rule(path: &Path) -> anyhow::Result<Result<Rule, Vec<FileFault>>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
    Ok(Rule::read(&plain(&name), &text))
}

fn unwell(context: &mut Context, faults: &[FileFault]) -> anyhow::Result<Exit> {
    for fault in faults {
        writeln!(context.err, "{}", plain(&fault.to_string()))?;
    }
    writeln!(context.err, "nothing was written: {} to correct", counted(faults.len(), "fault"))?;
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
        ..FileArgs::default()
    };
    let unreadable = |trouble: FileTrouble| refuse(format!("{name}: {trouble}"), "");
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

fn summary(context: &mut Context, name: &str, rule: &Rule, expanded: &Expanded) -> anyhow::Result<()> {
    let plan = &expanded.plan;
    let days = plan.meetings.iter().map(|meeting| meeting.slot.start.date());
    let span = days.clone().min().zip(days.max());
    let span = span.map_or_else(String::new, |(first, last)| format!(", {first} to {last}"));
    let (lessons, meetings) = (counted(plan.lessons.len(), "lesson"), counted(plan.meetings.len(), "meeting"));
    writeln!(context.err, "{name}: {lessons}, {meetings}{span}")?;
    let moved = plan.meetings.iter().filter(|meeting| meeting.moved_from.is_some()).count();
    if moved > 0 {
        writeln!(context.err, "{} on make-up days", counted(moved, "meeting"))?;
    }
    let left = &plan.left;
    for (what, days) in [
        ("on holidays that nothing makes up for", &left.holidays),
        ("on days that have another day's lessons", &left.displaced),
        ("outside the term", &left.outside),
    ] {
        let count: usize = days.values().sum();
        if count > 0 {
            writeln!(context.err, "{} not held, {what}: {}", counted(count, "meeting"), shown(days))?;
        }
    }
    let rows = counted(expanded.table.rows.len(), "row");
    writeln!(context.err, "{rows} of jobs for {}", rule.method)?;
    Ok(())
}

fn shown<D: std::fmt::Display>(days: &BTreeMap<D, usize>) -> String {
    let mut shown: Vec<_> = days.iter().take(DAYS_SHOWN_MAX).map(|(day, count)| format!("{day} ({count})")).collect();
    if days.len() > DAYS_SHOWN_MAX {
        shown.push(format!("and {} more days", days.len() - DAYS_SHOWN_MAX));
    }
    shown.join(", ")
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
