//! `paceline simulate`: the platforms' stand-in over HTTP on loopback, until a signal.

use std::io::Write;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::simulator::{self, Options, Simulator, StartError};
use crate::wiring;

use super::context::Context;
use super::exit::{Exit, refuse};
use super::signals;

/// Serve a stand-in for Feishu, Lark and WeCom on loopback, for rehearsals
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to listen: a loopback address; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// A built-in scenario's name, or the path of a file
    #[arg(long, value_name = "NAME|PATH", default_value = "calm")]
    scenario: String,
    /// How many times shorter all quota windows are
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    speed: f64,
    /// The seed of latency and faults, instead of the scenario's
    #[arg(long)]
    seed: Option<u64>,
}

/// Serves until a signal.
pub(super) async fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let catalog = wiring::catalog_of(&context.settings_without_secrets()?)?;
    let Args { listen, scenario, speed, seed } = args;
    let options = Options { listen, scenario, speed, seed, ..Options::default() };
    let simulator =
        Simulator::from_options(catalog, &options, context.clock.clone()).map_err(|error| explain(&error))?;
    if !options.listen.ip().is_loopback() {
        return Err(simulator::ServeError::NotLoopback(options.listen).into());
    }
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        let message = format!("the simulator cannot listen on {}: {error}", options.listen);
        refuse(message, "give it another address with --listen, or end what uses that one")
    })?;
    let address = listener.local_addr()?;
    let mut stop = signals::Stop::listen()?;
    writeln!(context.err, "simulating {} on http://{address}; Ctrl-C ends it", options.scenario)?;
    writeln!(
        context.err,
        "hint: base_url = \"http://{address}\" in [apps.NAME] sends an app here; the books are at /_simulator/books"
    )?;
    simulator::serve(listener, simulator, async move { stop.first().await }).await?;
    Ok(Exit::Success)
}

/// Faults of a scenario or speed are the user's to correct; their sentences say how.
pub(super) fn explain(error: &StartError) -> anyhow::Error {
    refuse(error.to_string(), "")
}
