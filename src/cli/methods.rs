//! `paceline methods`: the catalog, for people and programs.

use std::io::Write;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::domain::catalog::{Catalog, Creation, Kind, Method, MethodQuota, Schema, nearest};

use super::context::{Context, catalog};
use super::exit::{Exit, refuse};
use super::fields::rules;
use super::table::{Align, Table};

/// Show the catalog: methods, their parameters, quotas and errors
#[derive(Debug, Subcommand)]
pub enum Args {
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
}

/// Prints what was asked for.
pub fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let catalog = catalog(&context.settings_without_secrets()?)?;
    match args {
        Args::List { all, json } => list(context, &catalog, all, json)?,
        Args::Show { method, json } => {
            let method = find(&catalog, &method)?;
            if json {
                context.print_json(&document(method, true))?;
            } else {
                show(method, &mut context.out)?;
            }
        }
    }
    Ok(Exit::Success)
}

/// The method of that name, or a refusal that names the nearest one.
pub fn find<'c>(catalog: &'c Catalog, name: &str) -> anyhow::Result<&'c Method> {
    if let Some(method) = catalog.method(name) {
        return Ok(method);
    }
    let hint = match nearest(name, catalog.methods.keys().map(String::as_str)) {
        Some(known) => format!("did you mean {known}?"),
        None => "`paceline methods list` shows them".to_owned(),
    };
    Err(refuse(format!("no such method {name:?}"), hint))
}

fn list(context: &mut Context, catalog: &Catalog, all: bool, as_json: bool) -> anyhow::Result<()> {
    let methods = catalog.methods.values().filter(|method| all || method.kind == Kind::Job);
    if as_json {
        let documents: Vec<_> = methods.map(|method| document(method, false)).collect();
        return context.print_json(&Value::from(documents));
    }
    let mut table = Table::new([
        ("METHOD", Align::Left),
        ("QUOTAS", Align::Left),
        ("CREATION", Align::Left),
        ("TITLE", Align::Left),
    ]);
    for method in methods {
        let quotas: Vec<_> = method.quotas.iter().map(quota_text).collect();
        table.row([method.name.clone(), quotas.join("; "), method.creation.as_str().to_owned(), method.title.clone()]);
    }
    Ok(table.write(&mut context.out)?)
}

fn quota_text(quota: &MethodQuota) -> String {
    format!("{} per {}", quota.quota, quota.scope)
}

fn document(method: &Method, whole: bool) -> Value {
    let quotas: Vec<_> = method
        .quotas
        .iter()
        .map(|quota| json!({"scope": quota.scope, "quota": quota.quota, "note": quota.note}))
        .collect();
    let mut document = json!({
        "name": method.name,
        "kind": method.kind,
        "title": method.title,
        "title_zh": method.title_zh,
        "source": method.source,
        "http": format!("{} {}", method.http_method, method.path),
        "identities": method.identities,
        "quotas": quotas,
        "creation": method.creation.as_str(),
    });
    if whole {
        document["needs"] = json!(method.needs);
        document["path"] = method.path_schema.to_json();
        document["query"] = method.query_schema.to_json();
        document["body"] = method.body_schema.to_json();
        document["key"] = json!(method.reply.key);
        document["expires"] = json!(method.expires);
        document["errors"] = json!(method.errors.values().collect::<Vec<_>>());
        document["reply_example"] = method.reply.example.clone();
    }
    document
}

fn show(method: &Method, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "{}: {} ({})", method.name, method.title, method.title_zh)?;
    writeln!(out, "  {} {}", method.http_method, method.path)?;
    writeln!(out, "  {} (read {})", method.source.url, method.source.read)?;
    writeln!(out, "\nquotas")?;
    for quota in &method.quotas {
        let note = if quota.note.is_empty() { String::new() } else { format!(": {}", quota.note) };
        writeln!(out, "  {}{note}", quota_text(quota))?;
    }
    if !method.identities.is_empty() {
        let names: Vec<_> =
            method.identities.iter().map(|identity| json!(identity).as_str().unwrap_or_default().to_owned()).collect();
        writeln!(out, "\ncalled as {}", names.join(" or "))?;
    }
    if !method.needs.is_empty() {
        writeln!(out, "\nneeds")?;
        for need in &method.needs {
            writeln!(out, "  {need}")?;
        }
    }
    write_parameters(method, out)?;
    writeln!(out, "\nwhen a create's reply is lost: {}", creation(&method.creation))?;
    if let Some(key) = &method.reply.key {
        writeln!(out, "key of the result: {key}")?;
    }
    write_errors(method, out)
}

fn creation(creation: &Creation) -> String {
    match creation {
        Creation::Natural => "it is sent again, which does no harm".to_owned(),
        Creation::LookUp(look_up) => {
            format!("it is looked up with {} after {} s", look_up.method, look_up.delay.as_secs_f64())
        }
        Creation::None => "it is held for a person, because nothing can tell whether it happened".to_owned(),
    }
}

fn write_parameters(method: &Method, out: &mut impl Write) -> anyhow::Result<()> {
    let parts = [("path", &method.path_schema), ("query", &method.query_schema), ("body", &method.body_schema)];
    if parts.iter().all(|(_, schema)| schema.properties.is_empty()) {
        return Ok(());
    }
    writeln!(out, "\nparameters (* required; in CSV, those of the body need no \"body.\")")?;
    let mut table = Table::new([("  NAME", Align::Left), ("TAKES", Align::Left), ("MEANING", Align::Left)]);
    for (part, schema) in parts {
        add_parameters(part, schema, &mut table);
    }
    Ok(table.write(out)?)
}

/// One row a property, its own properties below it.
fn add_parameters(parent: &str, schema: &Schema, table: &mut Table) {
    for (name, property) in &schema.properties {
        let path = format!("{parent}.{name}");
        let star = if schema.requires(name) { "*" } else { "" };
        table.row([format!("  {path}{star}"), rules(property), property.description.clone()]);
        let inner = property.items.as_deref().unwrap_or(property);
        add_parameters(&path, inner, table);
    }
}

fn write_errors(method: &Method, out: &mut impl Write) -> anyhow::Result<()> {
    if method.errors.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nits own error codes (those common to the platform come after them)")?;
    let mut table = Table::new([
        ("  CODE", Align::Right),
        ("OUTCOME", Align::Left),
        ("MESSAGE", Align::Left),
        ("CURE", Align::Left),
    ]);
    for rule in method.errors.values() {
        let outcome = json!(rule.action).get("outcome").and_then(Value::as_str).unwrap_or_default().to_owned();
        table.row([rule.code.to_string(), outcome, rule.message.clone(), rule.cure.clone()]);
    }
    Ok(table.write(out)?)
}
