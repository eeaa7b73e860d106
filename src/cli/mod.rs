//! The command line: one file a command, data to standard output, everything else to standard error.
//!
//! Only this module knows arguments, terminals and exit codes. [`exit`] says how a command ends; [`context`] is what
//! every command starts from.

mod activity;
mod admin;
mod again;
mod ask;
mod audit;
mod batch;
mod book;
mod calibrate;
mod causes;
mod check;
mod completions;
mod context;
mod dead;
mod edit;
mod exit;
mod expand;
mod export;
mod files;
mod findings;
mod import;
mod jobs;
mod lang;
mod logs;
mod methods;
mod names;
mod no_dumps;
mod page;
mod plan;
mod planned;
mod progress;
mod prune;
mod read;
mod redrive;
mod rehearsal;
mod resolve;
mod run;
mod said;
mod screen;
mod selection;
mod signals;
mod simulate;
mod status;
mod store;
mod submit;
mod summary;
mod suspend;
mod table;
mod take_over;
mod undo;
mod validate;
mod why;
mod work;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use crate::domain::printable::plain;
use context::Context;
use exit::Exit;
use page::Page;
use screen::Screen;

/// Calls the Feishu/Lark and WeCom server APIs at exactly the documented pace: never over quota, never twice.
#[expect(clippy::doc_markdown, reason = "these comments are the help, which shows backticks as they stand")]
#[derive(Debug, Parser)]
#[command(name = "paceline", version, max_term_width = 120, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 all succeeded, 1 ran and something is dead, held or wrong, 2 usage or settings, 130 interrupted."
)]
struct Cli {
    /// The settings [default: $PACELINE_CONFIG, ./paceline.toml, config/paceline.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What is logged to standard error: off, error, warn, info, debug, trace, or paceline::module=level
    /// [default: $PACELINE_LOG, else warn; info for work, off for check]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<logs::Filter>,
    /// What a line of the log looks like [default: $PACELINE_LOG_FORMAT, else text]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log_format: Option<logs::Format>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Submit(submit::Args),
    Work(work::Args),
    Validate(validate::Args),
    Import(import::Args),
    Expand(expand::Args),
    Plan(plan::Args),
    Read(read::Args),
    Calibrate(calibrate::Args),
    Status(status::Args),
    Why(why::Args),
    #[command(subcommand)]
    Jobs(jobs::Args),
    #[command(subcommand)]
    Dead(dead::Args),
    Resolve(resolve::Args),
    Undo(undo::Args),
    #[command(subcommand)]
    Methods(methods::Args),
    Suspend(suspend::SuspendArgs),
    Resume(suspend::ResumeArgs),
    Export(export::Args),
    Audit(audit::Args),
    Activity(activity::Args),
    Check(check::Args),
    Store(store::Args),
    Admin(admin::Args),
    Simulate(simulate::Args),
    Completions(completions::Args),
}

/// Parses the process's arguments, carries the command out and gives the exit code.
pub fn main() -> ExitCode {
    exit::end_on_panic();
    no_dumps::forbid();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap writes help and versions to standard output, faults to standard error; a closed one is no failure.
            // Said of arguments that a shell may have made of anybody's file names.
            let shown = std::env::args_os().map(|argument| plain(&argument.to_string_lossy()));
            let text = Cli::try_parse_from(shown).err().as_ref().unwrap_or(&error).render().to_string();
            let _ = if error.use_stderr() {
                Screen::default().write_all(text.as_bytes())
            } else {
                let mut page = Page::of_process();
                page.write_all(text.as_bytes()).and_then(|()| page.flush())
            };
            return if error.use_stderr() { Exit::Refused.into() } else { Exit::Success.into() };
        }
    };
    let mut context = Context::of_process(cli.config);
    let ended = start_logs(&context, (cli.log_level, cli.log_format), &cli.command).and_then(|()| {
        let exit = carry_out(&mut context, cli.command)?;
        context.out.flush()?;
        Ok(exit)
    });
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error, context.has_acted, &mut context.err).into(),
    }
}

fn start_logs(
    context: &Context,
    (filter, format): (Option<logs::Filter>, Option<logs::Format>),
    command: &Command,
) -> anyhow::Result<()> {
    let filter = chosen(context, filter, "PACELINE_LOG")?.unwrap_or_else(|| logs::Filter::at(command.log_level()));
    let format = chosen(context, format, "PACELINE_LOG_FORMAT")?.unwrap_or_default();
    logs::start(filter, format, context.variable("NO_COLOR").is_some(), &context.err);
    Ok(())
}

/// An argument, else the variable of that name.
fn chosen<T: FromStr<Err = String>>(context: &Context, argument: Option<T>, name: &str) -> anyhow::Result<Option<T>> {
    match (argument, context.variable(name)) {
        (Some(argument), _) => Ok(Some(argument)),
        (None, Some(text)) => text.parse().map(Some).map_err(|fault| exit::refuse(format!("{name}: {fault}"), "")),
        (None, None) => Ok(None),
    }
}

impl Command {
    fn log_level(&self) -> LevelFilter {
        if matches!(self, Self::Work(_)) {
            LevelFilter::INFO
        } else if matches!(self, Self::Check(_)) {
            // What it finds is its output; the broker's client would log the same again.
            LevelFilter::OFF
        } else {
            LevelFilter::WARN
        }
    }
}

fn carry_out(context: &mut Context, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Run(args) => on_runtime(run::carry_out(context, args)),
        Command::Work(args) => on_runtime(work::carry_out(context, args)),
        Command::Validate(args) => validate::carry_out(context, &args),
        Command::Import(args) => import::carry_out(context, &args),
        Command::Expand(args) => expand::carry_out(context, &args),
        Command::Plan(args) => on_runtime(plan::carry_out(context, &args)),
        Command::Read(args) => on_runtime(read::carry_out(context, args)),
        Command::Calibrate(args) => on_runtime(calibrate::carry_out(context, args)),
        Command::Submit(args) => on_runtime(submit::carry_out(context, args)),
        Command::Status(args) => on_runtime(status::carry_out(context, args)),
        Command::Why(args) => why::carry_out(context, &args),
        Command::Jobs(args) => jobs::carry_out(context, args),
        Command::Dead(args) => on_runtime(dead::carry_out(context, args)),
        Command::Resolve(args) => resolve::carry_out(context, args),
        Command::Undo(args) => on_runtime(undo::carry_out(context, args)),
        Command::Audit(args) => audit::carry_out(context, &args),
        Command::Activity(args) => activity::carry_out(context, args),
        Command::Export(args) => export::carry_out(context, args),
        Command::Simulate(args) => on_runtime(simulate::carry_out(context, args)),
        Command::Check(args) => on_runtime(check::carry_out(context, args)),
        Command::Store(args) => store::carry_out(context, &args),
        Command::Admin(args) => admin::carry_out(context, &args),
        Command::Methods(args) => methods::carry_out(context, args),
        Command::Suspend(args) => suspend::suspend(context, args),
        Command::Resume(args) => suspend::resume(context, args),
        Command::Completions(args) => completions::carry_out(context, &args),
    }
}

/// Carries out what waits for others, on a runtime of its own.
fn on_runtime(command: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime did not start")?;
    runtime.block_on(command)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Cli::command().debug_assert();
    }
}
