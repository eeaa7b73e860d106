//! The `paceline` program: everything is in [`paceline::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    paceline::cli::main()
}
