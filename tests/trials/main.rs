//! Trials: the program as its users start it, for longer than a test of the suite, and with a hand that does harm.
//!
//! ```console
//! cargo test --test trials -- kill --kills 6 --seed 7
//! ```
//!
//! Each trial says what it did and found in one line, or what did not hold, with the last lines of the logs. `--help` lists
//! them; without a name nothing is tried, as in a `cargo test` of everything.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what a trial found is for whoever started it")]

mod books;
mod broker;
mod brokers;
mod campus;
mod crash;
mod disk;
mod domains;
mod fleet;
mod jobs;
mod kill;
mod ledger_file;
mod node;
mod proxy;
// The suite writes AMQP's bytes with it; what a trial sends that way is a part of it.
#[allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "the suite's own")]
#[path = "../suite/harness/raw.rs"]
mod raw;
mod scenario;
mod secrets;
mod site;
mod soak;
mod stages;
mod stop;
mod terminal;
#[path = "../../benches/common/usage.rs"]
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(about = "Tries the program as its users start it, with a hand that does harm")]
struct Arguments {
    /// The program to try, instead of the one that was built beside this
    #[arg(long, global = true, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_paceline"))]
    binary: PathBuf,
    /// For runners of tests, which ask what there is: nothing that runs by itself
    #[arg(long, hide = true)]
    list: bool,
    /// What such a runner asks with
    #[arg(long, hide = true)]
    format: Option<String>,
    /// The same
    #[arg(long, hide = true)]
    ignored: bool,
    #[command(subcommand)]
    trial: Option<Trial>,
}

#[derive(Subcommand)]
enum Trial {
    /// Kills the worker at random moments, then asks the simulator's own books
    Kill(kill::Options),
    /// Stops workers by signals in the middle of their work
    Stop(broker::Address),
    /// Builds a campus with everything in it, kills the worker twice on the way, and takes the campus down again
    Campus(campus::Options),
    /// Kills, stops and ends workers of one ledger on PostgreSQL, and restarts the database
    Fleet(fleet::Options),
    /// Shares the quota domains of very many apps among workers on PostgreSQL
    Domains(domains::Options),
    /// Kills the worker at named points and at random moments, and then does the sums
    Crash(crash::Options),
    /// Halts, kills, freezes, starves and cuts off the broker while jobs flow
    Brokers(brokers::Options),
    /// Lets a long stream of jobs through one worker, and watches its memory and its ledger
    Soak(soak::Options),
    /// Lets the ledger's disk run full while jobs flow, and gives it room again
    Disk(disk::Options),
    /// Backs the ledger up, kills its worker, restores it as the manual says, and takes it away under a running worker
    Ledger(broker::Address),
    /// Runs batches in stages, and answers their questions at a terminal
    Stages,
    /// Lets everything fail at trace level, and then searches all that was written for every secret
    Secrets,
}

impl Trial {
    async fn carry_out(self, binary: PathBuf) -> anyhow::Result<()> {
        match self {
            Self::Kill(options) => kill::carry_out(&binary, &options).await,
            Self::Stop(broker) => stop::carry_out(&binary, &broker).await,
            Self::Campus(options) => campus::carry_out(&binary, &options).await,
            Self::Fleet(options) => fleet::carry_out(&binary, &options).await,
            Self::Domains(options) => domains::carry_out(&binary, &options).await,
            Self::Crash(options) => crash::carry_out(&binary, &options).await,
            Self::Brokers(options) => brokers::carry_out(&binary, &options).await,
            Self::Soak(options) => soak::carry_out(&binary, &options).await,
            Self::Disk(options) => disk::carry_out(&binary, &options).await,
            Self::Ledger(broker) => ledger_file::carry_out(&binary, &broker).await,
            Self::Stages => stages::carry_out(&binary).await,
            Self::Secrets => secrets::carry_out(&binary).await,
        }
    }
}

/// Ends when somebody wants this process to end.
async fn ended_early() -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

// A trial waits for a command now and then; connections and whatever stands in their way go on meanwhile.
#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let Arguments { binary, list, trial, .. } = Arguments::parse();
    let Some(trial) = trial else {
        if !list {
            println!("no trial was named: `cargo test --test trials -- --help` lists them, scripts/test runs them");
        }
        return ExitCode::SUCCESS;
    };
    // Whoever ends a trial early leaves no process and no mounted disk behind: they go with the future.
    tokio::select! {
        held = trial.carry_out(binary) => match held {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("FAILED: {error:#}");
                ExitCode::FAILURE
            }
        },
        _ = ended_early() => ExitCode::from(143),
    }
}
