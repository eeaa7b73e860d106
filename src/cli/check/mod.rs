//! `paceline check`: settings, catalog, ledger, clock, broker and credentials; what is wrong and what to do.
//!
//! Nothing is written or created anywhere: no ledger, no queue, no message. The only calls to a platform are token
//! calls, one for each app and never a second: WeCom bans an address that sends wrong secrets.

mod apps;
mod finding;
mod here;
mod proxies;
mod server;

use std::io::Write;

use serde_json::json;

use crate::amqp;
use crate::platform::Proxies;
use crate::settings::Settings;
use crate::wiring;

use self::finding::{Finding, Verdict};
use super::context::Context;
use super::exit::{Exit, refuse};

/// Look at settings, credentials, broker and ledger, and say what is wrong and what to do. Changes nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "Each app's credentials are tried with one call for an access token, which counts on the \
    platform as any other; nothing else is called. Exit codes: 0 nothing is wrong, 1 something is, 2 the settings \
    cannot be read.")]
pub(super) struct Args {
    /// Try the credentials of this app alone; may be given more than once
    #[arg(long = "app", value_name = "NAME", conflicts_with = "offline")]
    apps: Vec<String>,
    /// Ask nobody: neither the broker nor the platforms
    #[arg(long)]
    offline: bool,
    /// Print a list of findings for programs
    #[arg(long)]
    json: bool,
}

/// Looks at everything; 1 if something is wrong.
pub(super) async fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let settings = context.settings()?;
    if let Some(unknown) = args.apps.iter().find(|name| !settings.apps.contains_key(*name)) {
        let names: Vec<_> = settings.apps.keys().map(String::as_str).collect();
        return Err(refuse(
            format!("the settings have no app {unknown:?}"),
            format!("there are: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") }),
        ));
    }
    let mut findings = vec![here::settings(&settings)];
    findings.extend(here::rights(&settings));
    findings.extend(here::broker(&settings));
    let catalog = match wiring::catalog_of(&settings) {
        Ok(catalog) => {
            findings.push(here::catalog(&settings, &catalog));
            findings.extend(here::quotas(&settings, &catalog));
            Some(catalog)
        }
        Err(error) => {
            findings.push(Finding::fault("catalog", error.error, "correct the files under catalog.dir"));
            None
        }
    };
    findings.extend(here::ledger(&settings.store, context.clock.now()));
    findings.extend(proxies::look(&settings, catalog.as_deref(), &Proxies::of_environment()));
    let mut calls = 0;
    if args.offline {
        findings.push(Finding::ok("broker, apps", "not asked (--offline)"));
    } else {
        let tried = apps::try_all(&settings, catalog.as_deref(), &args.apps, &context.clock);
        let (broker, apps) = tokio::join!(look_at_broker(&settings), tried);
        findings.extend(broker);
        calls = apps.calls;
        findings.extend(apps.findings);
    }
    print(context, &args, &findings, calls)
}

async fn look_at_broker(settings: &Settings) -> Vec<Finding> {
    let Some(options) = wiring::broker_options(settings) else {
        return vec![Finding::ok("broker", "none: the settings have no [broker], so jobs come from files alone")];
    };
    let found = amqp::check::check(&options).await.into_iter();
    let found = found.map(|found| {
        let what = format!("broker {}", found.subject);
        match found.verdict {
            Ok(seen) => Finding::ok(what, seen.to_string()).with_fact(json!(seen)),
            Err(fault) => Finding::fault(what, fault.cause(), fault.cure()).with_fact(json!(fault)),
        }
    });
    found.chain([here::publishers(settings)]).collect()
}

fn print(context: &mut Context, args: &Args, findings: &[Finding], calls: usize) -> anyhow::Result<Exit> {
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (faults, warnings) = (count(Verdict::Fault), count(Verdict::Warning));
    if args.json {
        context.print_json(&json!(findings))?;
    } else {
        finding::write(findings, &mut context.out)?;
        context.out.flush()?;
        let number = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let called = if calls == 0 {
            "no platform was called".to_owned()
        } else {
            format!("{}, which count where they arrived", number(calls, "token call"))
        };
        writeln!(context.err, "{}, {}; {called}", number(faults, "fault"), number(warnings, "warning"))?;
    }
    Ok(if faults == 0 { Exit::Success } else { Exit::Unwell })
}
