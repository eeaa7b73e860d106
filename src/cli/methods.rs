//! `paceline methods`: the catalog, for people and programs.

mod schema;
mod template;

use std::io::Write;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::domain::catalog::{Catalog, Kind, Method, MethodQuota, Platform, describe, to_json};
use crate::operations::suspension::known_method;
use crate::wiring;

use super::context::Context;
use super::exit::{Exit, refuse};
use super::table::{Align, Table};

/// Show the catalog: methods, their parameters, quotas and errors
#[derive(Debug, Subcommand)]
pub(super) enum Args {
    /// All methods that jobs may name
    List {
        /// Also those that the worker calls for itself: look-ups and access tokens
        #[arg(long)]
        all: bool,
        /// Print data for programs
        #[arg(long)]
        json: bool,
    },
    /// Everything that is known about one method
    Show {
        /// E.g. feishu.vc.room.create
        method: String,
        /// Print data for programs, with the JSON Schema of every parameter
        #[arg(long)]
        json: bool,
    },
    /// A file to fill in: headings, notes, drop-downs and two examples
    Template(template::Args),
    /// JSON Schema 2020-12 of jobs, for publishers and editors
    Schema {
        /// Of this method's jobs alone
        method: Option<String>,
    },
}

/// Prints what was asked for.
pub(super) fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let catalog = wiring::catalog_of(&context.settings_without_secrets()?)?;
    match args {
        Args::List { all, json } => list(context, &catalog, all, json)?,
        Args::Show { method, json } => {
            let method = known_method(&catalog, &method)?;
            let platform = platform(&catalog, method)?;
            if json {
                context.print_json(&to_json(platform, method))?;
            } else {
                context.out.write_all(describe(platform, method).as_bytes())?;
            }
        }
        Args::Template(args) => {
            let method = job_method(&catalog, &args.method)?;
            template::carry_out(context, &args, method)?;
        }
        Args::Schema { method } => {
            let method = method.map(|name| job_method(&catalog, &name)).transpose()?;
            schema::carry_out(context, &catalog, method)?;
        }
    }
    Ok(Exit::Success)
}

/// The method, if jobs may name it.
fn job_method<'c>(catalog: &'c Catalog, name: &str) -> anyhow::Result<&'c Method> {
    let method = known_method(catalog, name)?;
    match method.kind {
        Kind::Job => Ok(method),
        Kind::LookUp | Kind::Token => {
            let hint = "`paceline methods list` shows what jobs may name";
            Err(refuse(format!("{name} is a method that the worker calls for itself, and no job names it"), hint))
        }
    }
}

fn list(context: &mut Context, catalog: &Catalog, all: bool, as_json: bool) -> anyhow::Result<()> {
    let methods = catalog.methods.values().filter(|method| all || method.kind == Kind::Job);
    if as_json {
        let documents: Vec<_> = methods.map(|method| brief(method)).collect();
        return context.print_json(&Value::from(documents));
    }
    let mut table = Table::new([
        ("METHOD", Align::Left),
        ("QUOTAS", Align::Left),
        ("CREATION", Align::Left),
        ("TITLE", Align::Left),
    ]);
    for method in methods {
        let budgets = method.budgets.iter().map(|budget| format!("{} per {}", budget.budget, budget.scope));
        let quotas: Vec<_> = method.quotas.iter().map(quota_text).chain(budgets).collect();
        table.row([method.name.clone(), quotas.join("; "), method.creation.as_str().to_owned(), method.title.clone()]);
    }
    Ok(table.write(&mut context.out)?)
}

fn quota_text(quota: &MethodQuota) -> String {
    format!("{} per {}", quota.quota, quota.scope)
}

fn brief(method: &Method) -> Value {
    let quotas = method.quotas.iter().map(|quota| json!({"scope": quota.scope, "quota": quota.quota}));
    json!({
        "name": method.name,
        "kind": method.kind,
        "title": method.title,
        "title_zh": method.title_zh,
        "source": method.source,
        "quotas": quotas.collect::<Vec<_>>(),
        "creation": method.creation.as_str(),
    })
}

/// The platform that serves the method; of several of one family, the one that is called like it.
fn platform<'c>(catalog: &'c Catalog, method: &Method) -> anyhow::Result<&'c Platform> {
    let mut serving = catalog.platforms.values().filter(|platform| platform.family == method.family);
    let named = catalog.platforms.get(&method.family).filter(|platform| platform.family == method.family);
    let platform = named.or_else(|| serving.next());
    Ok(platform.ok_or_else(|| refuse(format!("no platform of the catalog serves {}", method.name), ""))?)
}
