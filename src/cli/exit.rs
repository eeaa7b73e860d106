//! How a command ends: its exit code, and what a person reads when it could not do its work.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::domain::printable::plain;
use crate::engine::ports::LedgerError;
use crate::operations::refused::Refused;
use crate::settings::Faults;
use crate::wiring::StartError;

/// The exit codes of every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything succeeded.
    Success,
    /// 1: it ran, and something is dead, held or wrong.
    Unwell,
    /// 2: wrong usage or settings, or nothing could be done at all.
    Refused,
    /// 101: a fault of Paceline itself, in whichever part; the ledger is as after a power loss.
    Panicked,
    /// 130: interrupted by a signal.
    Interrupted,
}

impl Exit {
    /// The number that the process ends with.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Unwell => 1,
            Self::Refused => 2,
            Self::Panicked => 101,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A panic in any thread ends the process: a part that is silently gone would be worse. What was under way is looked up
/// at the next start, as after a power loss.
pub(super) fn end_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        let _ = writeln!(
            io::stderr(),
            "error: this is a fault of Paceline; please report it with the lines above\n\
             hint: nothing is lost: start it again, and what was under way is looked up"
        );
        std::process::exit(i32::from(Exit::Panicked.code()));
    }));
}

/// Why a command was not carried out, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refusal {
    /// One sentence without a full stop.
    pub message: String,
    /// What to do; printed behind `hint:`.
    pub hint: String,
}

/// A signal came before the command had begun its work.
#[derive(Debug, thiserror::Error)]
#[error("interrupted {0}")]
pub(super) struct Interrupted(pub String);

impl From<Refused> for anyhow::Error {
    fn from(refused: Refused) -> Self {
        refuse(refused.error, refused.cure)
    }
}

impl From<StartError> for anyhow::Error {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Refused(refused) => refused.into(),
            StartError::Ledger(error) => error.into(),
        }
    }
}

/// A [`Refusal`] as an error.
pub(super) fn refuse(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Refusal { message: message.into(), hint: hint.into() }.into()
}

/// Says on `err` why a command failed, and gives its exit code. A reader that went away is no failure. If the command has
/// done its work, only words about it are lost.
pub(super) fn report(error: &anyhow::Error, has_acted: bool, err: &mut impl Write) -> Exit {
    let is_broken_pipe = |error: &(dyn std::error::Error + 'static)| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(is_broken_pipe) {
        return Exit::Success;
    }
    // Nobody is left to be told when standard error itself fails.
    if error.downcast_ref::<Interrupted>().is_some() {
        let _ = writeln!(err, "{error}");
        return Exit::Interrupted;
    }
    if let Some(unwritten) = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>()).filter(|_| has_acted) {
        let _ = writeln!(
            err,
            "error: the summary could not be written: {unwritten}\n\
             hint: the work itself is done; `paceline status` and `paceline jobs list` show what came of it"
        );
        return Exit::Unwell;
    }
    let _ = write_report(error, err);
    Exit::Refused
}

fn write_report(error: &anyhow::Error, err: &mut impl Write) -> io::Result<()> {
    if let Some(faults) = error.downcast_ref::<Faults>() {
        for fault in &faults.0 {
            writeln!(err, "{}", plain(&fault.to_string()))?;
        }
        let count = faults.0.len();
        writeln!(err, "error: {count} {} in the settings", if count == 1 { "fault" } else { "faults" })?;
        return writeln!(err, "hint: config/paceline.toml shows every key with its default and reason");
    }
    let words = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<LedgerError>() {
        // Its sentences are whole, and name what is wrong.
        Some(LedgerError::Failed(sentence)) => sentence.clone(),
        _ => cause.to_string(),
    };
    let causes: Vec<_> = error.chain().map(words).collect();
    writeln!(err, "error: {}", indented(&causes.join(": ")))?;
    match error.chain().find_map(|cause| cause.downcast_ref::<Refusal>()) {
        Some(refusal) if !refusal.hint.is_empty() => writeln!(err, "hint: {}", indented(&refusal.hint)),
        _ => Ok(()),
    }
}

/// Further lines begin with blanks: what a value holds never looks like a line of ours.
fn indented(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(plain).collect();
    lines.join("\n  ")
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn reported(error: &anyhow::Error) -> (Exit, String) {
        let mut err = Vec::new();
        let exit = report(error, false, &mut err);
        (exit, String::from_utf8(err).unwrap())
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let error = refuse("no such job \"x\"", "`paceline jobs list` shows them");
        assert_eq!(
            reported(&error),
            (Exit::Refused, "error: no such job \"x\"\nhint: `paceline jobs list` shows them\n".to_owned())
        );
        let error = Err::<(), _>(refuse("a", "b")).context("while c").unwrap_err();
        assert_eq!(reported(&error).1, "error: while c: a\nhint: b\n");
    }

    #[test]
    fn a_reader_that_went_away_is_success() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("while printing");
        assert_eq!(reported(&error), (Exit::Success, String::new()));
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(reported(&error).0, Exit::Refused);
    }

    #[test]
    fn what_was_done_is_not_refused_for_want_of_room() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::StorageFull)).context("while printing");
        let mut err = Vec::new();
        assert_eq!(report(&error, true, &mut err), Exit::Unwell);
        assert!(String::from_utf8(err).unwrap().starts_with("error: the summary could not be written: "));
        assert_eq!(reported(&error).0, Exit::Refused);
        assert_eq!(report(&refuse("a", "b"), true, &mut Vec::new()), Exit::Refused);
    }

    #[test]
    fn codes_are_those_of_the_contract() {
        assert_eq!(
            [Exit::Success, Exit::Unwell, Exit::Refused, Exit::Panicked, Exit::Interrupted].map(Exit::code),
            [0, 1, 2, 101, 130]
        );
    }
}
