//! A question to the person at the terminal.

use std::io::{self, IsTerminal as _, Write as _};

use super::context::Context;

/// Whether somebody can be asked.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks; anything but yes is no.
pub(super) fn agrees(context: &mut Context, question: &str) -> anyhow::Result<bool> {
    write!(context.err, "{question} [y/N] ")?;
    context.err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
