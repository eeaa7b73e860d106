//! `paceline suspend` and `resume`: suspends an app, or one of its lanes, until a person resumes it.

use std::io::Write;

use serde_json::json;

use crate::operations::suspension::{Resumed, Scope, document, known_app, known_method};
use crate::wiring;

use super::context::Context;
use super::exit::{Exit, refuse};
use super::table::plain;

/// What is suspended or resumed.
#[derive(Debug, clap::Args)]
struct ScopeArgs {
    /// The app, as the settings name it
    app: String,
    /// One method of it alone
    #[arg(long)]
    method: Option<String>,
    /// One tenant of it alone, for store apps
    #[arg(long)]
    tenant: Option<String>,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

impl ScopeArgs {
    fn read(self) -> Scope {
        Scope { app: self.app, tenant: self.tenant.unwrap_or_default(), method: self.method.unwrap_or_default() }
    }
}

/// Suspend an app, or one of its methods; its jobs wait
#[derive(Debug, clap::Args)]
pub(super) struct SuspendArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Why, for those who look at the status later
    #[arg(long)]
    reason: Option<String>,
}

/// Let a suspended app, or one of its methods, go on
#[derive(Debug, clap::Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    scope: ScopeArgs,
}

/// Records a suspension.
pub(super) fn suspend(context: &mut Context, args: SuspendArgs) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let as_json = args.scope.json;
    let scope = args.scope.read();
    known_app(&scope.app, settings.apps.keys().map(String::as_str))?;
    if !scope.method.is_empty() {
        known_method(&*wiring::catalog_of(&settings)?, &scope.method)?;
    }
    let mut ledger = context.operator()?;
    let name = plain(&scope.name());
    let suspension = scope.suspend(&mut *ledger, args.reason, context.clock.now())?;
    context.has_acted = true;
    if as_json {
        context.print_json(&document(&suspension))?;
    } else {
        writeln!(context.err, "{name} is suspended: its jobs wait")?;
    }
    Ok(Exit::Success)
}

/// Ends suspensions; those of one method only, if one is named. For a whole app, what holds it back beyond its quotas too.
pub(super) fn resume(context: &mut Context, args: ResumeArgs) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let mut ledger = context.operator()?;
    let as_json = args.scope.json;
    let scope = args.scope.read();
    let done = scope.resume(&mut *ledger)?;
    context.has_acted = true;
    let Resumed { resumed, lifted } = done;
    let name = plain(&scope.name());
    if as_json {
        context.print_json(&json!(done))?;
    } else if resumed > 0 {
        writeln!(context.err, "{name} goes on; suspensions ended: {resumed}")?;
    }
    if lifted > 0 && !as_json {
        writeln!(context.err, "{name} tries again; pauses and lowered limits ended: {lifted}")?;
    }
    if resumed + lifted == 0 && !settings.apps.contains_key(&scope.app) {
        return Err(refuse(
            format!("nothing of {name} is suspended, and the settings have no such app"),
            "`paceline status` shows what is",
        ));
    }
    if resumed + lifted == 0 {
        writeln!(context.err, "nothing of {name} was suspended")?;
    }
    Ok(Exit::Success)
}
