//! `paceline admin`: what concerns who is let in by the admin server.

use std::io::Write;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::json;

use crate::admin::make_token;
use crate::settings::Role;

use super::context::Context;
use super::exit::Exit;

const ONE_DAY: Duration = Duration::from_secs(86_400);

/// Make tokens for the admin server
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a token and print it once, with the lines for the settings
    Token(TokenArgs),
}

#[derive(Debug, clap::Args)]
struct TokenArgs {
    /// Whose it is: letters, digits, - and _
    #[arg(value_parser = name)]
    name: String,
    /// What its holder may do
    #[arg(long, value_name = "ROLE", default_value = "read", value_parser = ["read", "operate", "admin"])]
    role: String,
    /// Let it end after so many days
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn name(text: &str) -> Result<String, String> {
    let is_name = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
    if text.is_empty() || text.len() > 64 || !text.chars().all(is_name) {
        return Err("expected at most 64 letters, digits, - and _".to_owned());
    }
    Ok(text.to_owned())
}

/// Carries it out.
pub(super) fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let Action::Token(TokenArgs { name, role, days, json }) = &args.action;
    let role = Role::parse(role).unwrap_or(Role::Read);
    let (token, hash) = make_token().ok_or_else(|| anyhow!("this machine gives no random numbers"))?;
    let expires = days.map(|days| (context.clock.now() + ONE_DAY * days).to_string());
    let line = expires.as_ref().map(|at| format!("expires = \"{at}\"\n")).unwrap_or_default();
    let settings = format!("[admin.tokens.{name}]\nhash = \"{hash}\"\nrole = \"{role}\"\n{line}");
    if *json {
        let document = json!({
            "name": name, "token": token, "hash": hash, "role": role.as_str(), "expires": expires, "settings": settings,
        });
        context.print_json(&document)?;
        return Ok(Exit::Success);
    }
    writeln!(context.out, "The token, shown this once:\n\n{token}\n\nFor the settings:\n\n{settings}")?;
    writeln!(context.err, "hint: put these lines into the settings and send the worker SIGHUP")?;
    Ok(Exit::Success)
}
