//! `paceline store`: what is done to the ledger as a whole.

use std::io::Write;

use serde_json::json;

use crate::wiring;

use super::context::Context;
use super::exit::Exit;

/// Give the ledger a new key
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Seal everything with a new key, also while the worker runs
    Rekey(RekeyArgs),
}

#[derive(Debug, clap::Args)]
struct RekeyArgs {
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// Carries it out.
pub(super) fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let Action::Rekey(args) = &args.action;
    let store = context.settings_without_secrets()?.store;
    let done = wiring::open_for_people(&store)?.rekey()?;
    if args.json {
        context.print_json(&json!({"version": done.version, "rows": done.rows, "key": done.key}))?;
        return Ok(Exit::Success);
    }
    let rows = if done.rows == 1 { "1 row is".to_owned() } else { format!("{} rows are", done.rows) };
    writeln!(context.err, "{rows} sealed with the new key, version {}, in {}", done.version, done.key)?;
    let hint = if done.keeps_old {
        "take the earlier key out there, and keep it only with the backups that need it"
    } else {
        "back the new key up, apart from the ledger; backups of before need the earlier one"
    };
    writeln!(context.err, "hint: {hint}")?;
    Ok(Exit::Success)
}
