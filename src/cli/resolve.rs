//! `paceline resolve`: a person says what became of a held job.

use std::io::Write;

use serde_json::json;

use crate::store::operator::Resolution;

use super::context::Context;
use super::exit::Exit;
use super::table::plain;

/// Say what became of a job that is held because nobody could tell
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job's id
    id: String,
    #[command(flatten)]
    verdict: Verdict,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Verdict {
    /// It was created; the new object has this id
    #[arg(long, value_name = "KEY")]
    succeeded: Option<String>,
    /// It was not created: send it again
    #[arg(long)]
    retry: bool,
    /// It shall not be sent again
    #[arg(long)]
    dead: bool,
}

/// Resolves the job.
pub fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let (resolution, state) = match (args.verdict.succeeded, args.verdict.retry) {
        (Some(key), _) => (Resolution::Succeeded { key }, "succeeded"),
        (None, true) => (Resolution::Retry, "queued"),
        (None, false) => (Resolution::Dead, "dead"),
    };
    context.operator()?.resolve(&args.id, &resolution, context.clock.now())?;
    if args.json {
        context.print_json(&json!({"id": args.id, "status": state}))?;
    } else {
        writeln!(context.err, "{}: {state}", plain(&args.id))?;
    }
    Ok(Exit::Success)
}
