//! `paceline suspend` and `resume`: an app, or one of its lanes, stands still until a person lets it go on.

use std::io::Write;

use serde_json::json;

use crate::engine::ports::Suspension;
use crate::settings::Settings;

use super::context::{Context, catalog};
use super::exit::{Exit, refuse};
use super::methods;
use super::table::plain;

/// What stands still or goes on.
#[derive(Debug, clap::Args)]
struct Scope {
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

/// Let an app, or one of its methods, stand still; its jobs wait
#[derive(Debug, clap::Args)]
pub struct SuspendArgs {
    #[command(flatten)]
    scope: Scope,
    /// Why, for those who look at the status later
    #[arg(long, default_value = "suspended by a person")]
    reason: String,
}

/// Let a suspended app, or one of its methods, go on
#[derive(Debug, clap::Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    scope: Scope,
}

/// Records a suspension.
pub fn suspend(context: &mut Context, args: SuspendArgs) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    check(&settings, &args.scope)?;
    let mut ledger = context.operator()?;
    let Scope { app, method, tenant, json } = args.scope;
    let suspension = Suspension {
        app,
        tenant: tenant.unwrap_or_default(),
        method: method.unwrap_or_default(),
        since: context.clock.now(),
        until: None,
        code: None,
        detail: args.reason,
        cure: Suspension::CURE_BY_HAND.to_owned(),
        log_id: None,
    };
    ledger.suspend(&suspension)?;
    if json {
        context.print_json(&json!(suspension))?;
    } else {
        writeln!(
            context.err,
            "{} stands still: its jobs wait",
            named(&suspension.app, &suspension.tenant, &suspension.method)
        )?;
    }
    Ok(Exit::Success)
}

/// Ends suspensions; those of one method only, if one is named. For a whole app, what holds it back beyond its quotas too.
pub fn resume(context: &mut Context, args: ResumeArgs) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let mut ledger = context.operator()?;
    let Scope { app, method, tenant, json } = args.scope;
    let (tenant, method) = (tenant.unwrap_or_default(), method.unwrap_or_default());
    let resumed = ledger.resume(&app, &tenant, &method)?;
    let lifted = if tenant.is_empty() && method.is_empty() { ledger.lift(&app)? } else { 0 };
    let name = named(&app, &tenant, &method);
    if json {
        context.print_json(&json!({ "resumed": resumed, "lifted": lifted }))?;
    } else if resumed > 0 {
        writeln!(context.err, "{name} goes on; suspensions ended: {resumed}")?;
    }
    if lifted > 0 && !json {
        writeln!(context.err, "{name} tries again; pauses and lowered limits ended: {lifted}")?;
    }
    if resumed + lifted == 0 && !settings.apps.contains_key(&app) {
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

fn check(settings: &Settings, scope: &Scope) -> anyhow::Result<()> {
    if !settings.apps.contains_key(&scope.app) {
        let known: Vec<_> = settings.apps.keys().map(String::as_str).collect();
        let hint = if known.is_empty() {
            "the settings have no [apps]".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        return Err(refuse(format!("the settings have no app {:?}", scope.app), hint));
    }
    if let Some(method) = &scope.method {
        methods::find(&*catalog(settings)?, method)?;
    }
    Ok(())
}

fn named(app: &str, tenant: &str, method: &str) -> String {
    let parts = [app, tenant, method];
    plain(&parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"))
}
