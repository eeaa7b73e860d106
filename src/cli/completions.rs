//! `paceline completions`: a script that completes arguments in a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use super::context::Context;
use super::exit::Exit;

/// Print a script that completes arguments in a shell
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which shell
    shell: Shell,
}

/// Prints the script.
pub(super) fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "paceline", &mut script);
    std::io::Write::write_all(context.out.raw(), &script)?;
    Ok(Exit::Success)
}
