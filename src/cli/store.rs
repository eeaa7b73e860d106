//! `paceline store`: what is done to the ledger as a whole.

use std::io::Write;
use std::path::Path;

use anyhow::bail;
use paceline_ports::location::{KeySource, StoreUrl};
use serde_json::json;

use crate::wiring;

use super::context::Context;
use super::exit::Exit;

/// Give the ledger a new key, or carry it to another place
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Seal everything with a new key, also while the worker runs
    Rekey(RekeyArgs),
    /// Carry the ledger to another place, a file's to PostgreSQL for example, and prove that every row arrived; what was
    /// interrupted goes on where it was
    Copy(CopyArgs),
}

#[derive(Debug, clap::Args)]
struct RekeyArgs {
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct CopyArgs {
    /// The ledger to be left: sqlite:// and a path, or a settings file whose store.url names it
    from: String,
    /// Where it goes, likewise; nothing may be there yet
    to: String,
    /// Work the first ledger again, because an interrupted copy is not to be finished
    #[arg(long)]
    give_up: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// Carries it out.
pub(super) fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    match &args.action {
        Action::Rekey(args) => rekey(context, args),
        Action::Copy(args) => copy(context, args),
    }
}

fn rekey(context: &mut Context, args: &RekeyArgs) -> anyhow::Result<Exit> {
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

fn copy(context: &mut Context, args: &CopyArgs) -> anyhow::Result<Exit> {
    let (from, to) = (store_of(context, &args.from)?, store_of(context, &args.to)?);
    let now = context.clock.now();
    if args.give_up {
        wiring::give_copy_up(from.clone(), to.clone(), now)?;
        writeln!(context.err, "{} can be worked again; remove what is at {}", from.place(), to.place())?;
        return Ok(Exit::Success);
    }
    let mut tables = Vec::new();
    let err = &mut context.err;
    wiring::copy_store(from.clone(), to.clone(), now, &mut |table, rows| {
        if rows > 0 {
            // Whoever does not look any more is told at the end.
            let _ = writeln!(err, "{table}: {rows}");
        }
        tables.push((table.to_owned(), rows));
    })?;
    let rows: u64 = tables.iter().map(|(_, rows)| rows).sum();
    if args.json {
        let tables: serde_json::Map<_, _> = tables.into_iter().map(|(table, rows)| (table, rows.into())).collect();
        context.print_json(&json!({"from": from.place(), "to": to.place(), "rows": rows, "tables": tables}))?;
        return Ok(Exit::Success);
    }
    writeln!(context.err, "{rows} rows are in {}, each compared with {}", to.place(), from.place())?;
    writeln!(
        context.err,
        "hint: name the new one in [store] url; the old one is not worked any more and can be removed once that runs"
    )?;
    Ok(Exit::Success)
}

/// The ledger that somebody names. A server's URL has a key with it, and often a password: they stand in settings.
fn store_of(context: &Context, named: &str) -> anyhow::Result<StoreUrl> {
    if named.starts_with("postgres://") || named.starts_with("postgresql://") {
        bail!(
            "expected sqlite:// and a path, or the path of a settings file: a URL of PostgreSQL and the ledger's key stand \
             there, in [store], because every user of this machine can read the command line"
        );
    }
    if named.starts_with("sqlite://") {
        return StoreUrl::parse(named, KeySource::Beside)
            .map_err(|_| anyhow::anyhow!("expected sqlite:// and the path of a file, got {named:?}"));
    }
    Ok(context.settings_at(Path::new(named))?.store)
}
