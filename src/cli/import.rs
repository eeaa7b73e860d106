//! `paceline import`: guesses which column of a table is which parameter, shows it, and writes a map file for next time.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::domain::catalog::Method;
use crate::domain::messages::Render as _;
use crate::domain::rows::exported::MASK;
use crate::domain::rows::guess::{Guess, How, guess, is_secret, missing};
use crate::domain::rows::{FileError, Input, Preview};
use crate::files::Output;
use crate::wiring;

use super::ask;
use super::batch::tell;
use super::context::Context;
use super::exit::{Exit, refuse};
use super::files::{FileArgs, Place, Written};
use super::said::{self, At};
use super::table::{Align, Table, plain};

/// Values that are shown of each column.
const SAMPLES: usize = 3;
/// Rows in which they are looked for.
const ROWS: usize = 50;

/// Guess which column of a table is which parameter, show it, and write a map file for run, submit, validate and plan
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A CSV file or a workbook
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    written: FileArgs,
    /// The method that the rows are for
    #[arg(long)]
    method: String,
    /// The app that the rows are for
    #[arg(long)]
    app: Option<String>,
    /// Where the map is written [default: the file's name, ending in .map.toml]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write it without asking
    #[arg(long)]
    yes: bool,
}

/// Shows the guesses and writes them down.
pub(super) fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let catalog = wiring::catalog_of(&settings)?;
    let decoder = wiring::decoder(&settings, &catalog, true);
    if let Some(fault) = decoder.faults_of(Some(&args.method), None).first() {
        return Err(refuse(format!("--method: {}", fault.message()), ""));
    }
    let Some(method) = catalog.job_method(&args.method) else {
        return Err(refuse(
            format!("--method: no method is called {:?}", args.method),
            "`paceline methods list` has them",
        ));
    };
    let output = args.output.clone().unwrap_or_else(|| args.file.with_extension("map.toml"));
    if output.exists() {
        return Err(refuse(format!("{} exists already", output.display()), "remove it, or name another with --output"));
    }
    let preview = preview(context, args)?;
    let guesses = guess(&catalog, method, &preview.header);
    show(context, method, &guesses, &preview)?;
    let missing = missing(method, &guesses);
    if !missing.is_empty() {
        writeln!(context.err, "{}", said::missing(&missing, args.written.lang.into()))?;
    }
    context.out.flush()?;
    if !args.yes && !ask::somebody_is_there() {
        return Err(refuse("nothing was written: nobody is there to be asked", "--yes writes the map without asking"));
    }
    if !args.yes && !ask::agrees(context, &format!("Write {}?", output.display()))? {
        writeln!(context.err, "nothing was written")?;
        return Ok(Exit::Success);
    }
    write(&output, &document(args, method, &guesses))?;
    let (file, map) = (args.file.display(), output.display());
    writeln!(context.err, "{map} written: look at it, and change it where the guess is wrong")?;
    writeln!(context.err, "hint: paceline validate {file} --map {map}{}", given(args))?;
    Ok(Exit::Success)
}

fn preview(context: &mut Context, args: &Args) -> anyhow::Result<Preview> {
    let place = Place::of(&args.file)?;
    let settings = context.settings_without_secrets()?;
    let language = args.written.lang.into();
    let input = Input {
        name: plain(&place.name()),
        batch: String::new(),
        method: Some(args.method.clone()),
        app: args.app.clone(),
        bytes_max: settings.intake.body_bytes_max,
        layout: args.written.layout(&settings)?,
    };
    let written = Written::of(&place, &args.written)?
        .map_err(|trouble| refuse(said::at(&At::whole(&input.name), &trouble.render(language), language), ""))?;
    tell(&mut context.err, &written.notes(&place, &input)?, &input.name, language)?;
    written.preview(&place, &input, ROWS)?.map_err(|FileError(faults)| {
        let faults: Vec<_> = faults.iter().map(|fault| fault.render(language)).collect();
        refuse(faults.join("\n"), "")
    })
}

fn show(context: &mut Context, method: &Method, guesses: &[Guess], preview: &Preview) -> anyhow::Result<()> {
    let columns = [("COLUMN", Align::Left), ("PARAMETER", Align::Left), ("BY", Align::Left), ("VALUES", Align::Left)];
    let mut table = Table::new(columns);
    for (index, guess) in guesses.iter().enumerate() {
        let parameter = guess.column.clone().unwrap_or_else(|| "(not read)".to_owned());
        let by = match guess.how {
            How::Name => "its name",
            How::Alias => "what it is called",
            How::Like => "likeness",
            How::Nothing => "",
        };
        let is_secret = guess.column.as_deref().is_some_and(|column| is_secret(method, column));
        let values = if is_secret { MASK.to_owned() } else { preview.samples(index, SAMPLES).join(" · ") };
        table.row([guess.heading.clone(), parameter, by.to_owned(), values]);
    }
    Ok(table.write(&mut context.out)?)
}

/// The map file. A text in JSON is one in TOML, too.
fn document(args: &Args, method: &Method, guesses: &[Guess]) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let is_ignored = |guess: &&Guess| guess.column.is_none() && !guess.heading.is_empty();
    let ignored: Vec<_> = guesses.iter().filter(is_ignored).map(|guess| quoted(&guess.heading)).collect();
    let mut out = format!("# What the columns of {} are to {}.\n", args.file.display(), method.name);
    out.push_str("# `paceline methods show` lists the parameters; docs/running.md says what else a map can hold.\n\n");
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# Columns that are not read.\nignored = [{}]\n\n[columns]", ignored.join(", "));
    for guess in guesses {
        if let Some(column) = &guess.column {
            let doubt = if guess.how == How::Like { "  # a guess" } else { "" };
            let _ = writeln!(out, "{} = {}{doubt}", quoted(&guess.heading), quoted(column));
        }
    }
    out.push_str("\n# [constants]\n# \"query.user_id_type\" = \"user_id\"\n");
    out.push_str("\n# [templates]\n# description = \"{楼栋} {楼层}\"\n");
    out.push_str("\n# [words.\"room_status.status\"]\n# \"在用\" = true\n");
    out
}

fn given(args: &Args) -> String {
    let app = args.app.as_ref().map_or_else(String::new, |app| format!(" --app {app}"));
    format!(" --method {}{app}", args.method)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let unwritable = |error| refuse(format!("{} cannot be written: {error}", path.display()), "");
    let mut out = Output::to(path).map_err(unwritable)?;
    out.write_all(text.as_bytes()).map_err(unwritable)?;
    out.finish().map_err(unwritable)?;
    Ok(())
}
