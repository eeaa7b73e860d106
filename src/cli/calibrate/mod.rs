//! `paceline calibrate`: what the documents leave open, found out on a test tenant and printed as settings.
//!
//! Objects are made and deleted by jobs of a batch of their own, so a kill in the middle forgets none of them: the next
//! calibration deletes what is left, and `paceline undo` can.
//!
//! Decision: docs/decisions/0057-a-probe-is-part-of-a-method.md

mod findings;
mod listing;
mod observed;
mod plan;
mod report;
mod work;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::catalog::Catalog;
use crate::settings::{Credentials, Settings};
use crate::wiring;

use self::plan::{Chosen, Plan};
use super::context::Context;
use super::exit::{Exit, refuse};

/// What batches of calibrations begin with; behind it stands the app.
const BATCH: &str = "calibrate:";

/// Find out on a test tenant what the documents leave open, and print it as settings. Without --yes it only shows its plan
#[derive(Debug, clap::Args)]
#[command(
    after_help = "It makes one object a method, looks for it, and deletes it again, under the quotas like any other call. \
    Interrupted, it deletes what it has made; killed, the next calibration of the app does."
)]
pub(super) struct Args {
    /// The app whose platform is asked
    app: String,
    /// Its `app_id` or `corp_id` once more, to say that it belongs to a test tenant; with --tenant, that tenant
    #[arg(long, value_name = "ID")]
    test_tenant: Option<String>,
    /// The tenant of a store app
    #[arg(long)]
    tenant: Option<String>,
    /// This method alone, with those whose objects it needs; several times
    #[arg(long = "method", value_name = "METHOD")]
    methods: Vec<String>,
    /// What the plan asks for, such as user=zhangsan; several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::read::argument)]
    given: Vec<(String, String)>,
    /// How long a listing may take to show a new object
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait_s: u64,
    /// Carry the plan out
    #[arg(long)]
    yes: bool,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

/// Shows the plan, or carries it out; 1 if something could not be asked, or is left in the tenant.
pub(super) async fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let settings = if args.yes { context.settings()? } else { context.settings_without_secrets()? };
    let catalog = wiring::catalog_of(&settings)?;
    let plan = plan(&args, &settings, &catalog)?;
    if !args.yes {
        return show(context, &args, &plan);
    }
    permit(&args, &settings)?;
    if plan.steps.is_empty() {
        plan.write_skipped(&mut context.err)?;
        return Err(refuse("nothing can be tried", "--given names what the methods need"));
    }
    if !args.json {
        plan.write(&mut context.err)?;
    }
    let read = settings.clone();
    let end = work::carry_out(context, settings, &plan, Duration::from_secs(args.wait_s)).await?;
    context.has_acted = true;
    report::write(context, &args, &read, &plan, &end)
}

fn plan<'c>(args: &Args, settings: &Settings, catalog: &'c Arc<Catalog>) -> anyhow::Result<Plan<'c>> {
    let Some(app) = settings.apps.get(&args.app) else {
        let names: Vec<_> = settings.apps.keys().map(String::as_str).collect();
        let hint = if names.is_empty() {
            "add an [apps.NAME] section".to_owned()
        } else {
            format!("they have: {}", names.join(", "))
        };
        return Err(refuse(format!("the settings have no app {:?}", args.app), hint));
    };
    let chosen = Chosen {
        app: args.app.clone(),
        tenant: args.tenant.clone(),
        methods: args.methods.clone(),
        given: args.given.iter().cloned().collect(),
    };
    Ok(Plan::of(app, catalog, chosen)?)
}

/// Only a tenant that the person names as one for tests: what is made there is seen by its people, and so are mistakes.
fn permit(args: &Args, settings: &Settings) -> anyhow::Result<()> {
    let Some(app) = settings.apps.get(&args.app) else { return Ok(()) };
    let (Credentials::App { id, .. } | Credentials::Corp { id, .. }) = &app.credentials;
    let named = args.tenant.as_ref().unwrap_or(id);
    let what = match (&args.tenant, &app.credentials) {
        (Some(_), _) => "the tenant of --tenant",
        (None, Credentials::App { .. }) => "its app_id",
        (None, Credentials::Corp { .. }) => "its corp_id",
    };
    let hint = format!(
        "use an app in a tenant made for tests, never one that people work with; then repeat {what} behind --test-tenant"
    );
    match &args.test_tenant {
        Some(given) if given == named => Ok(()),
        Some(given) => Err(refuse(format!("--test-tenant {given} is not {what} of {}", args.app), hint)),
        None => Err(refuse(
            format!(
                "calibrate makes and deletes objects in the tenant of {}, and nothing says that it is a test tenant",
                args.app
            ),
            hint,
        )),
    }
}

fn show(context: &mut Context, args: &Args, plan: &Plan<'_>) -> anyhow::Result<Exit> {
    if args.json {
        context.print_json(&plan.document())?;
        return Ok(Exit::Success);
    }
    plan.write(&mut context.out)?;
    context.out.flush()?;
    writeln!(context.err, "nothing was called; --yes carries this out, with --test-tenant")?;
    Ok(Exit::Success)
}
