//! Dead letters back to work: jobs as they stand, inputs read again.

use super::inputs::{Again, Inputs};
use super::still_dead::Kept;
use crate::domain::activity::Action;
use crate::domain::time::Timestamp;
use crate::engine::ports::{JobSeq, LedgerError};
use paceline_ports::operator::{Commands, Letter, Reports};

/// What became of some letters.
#[derive(Debug, Default)]
pub struct Redriven {
    /// The jobs that are queued now.
    pub queued: Vec<JobSeq>,
    /// Jobs that wait for others first.
    pub blocked: usize,
    /// Inputs whose jobs were known already.
    pub known: usize,
    /// Dead no longer, or dead anew, since they were selected.
    pub changed: usize,
    /// Inputs that are still no jobs, and why.
    pub refused: Vec<Kept>,
}

/// Puts the letters back to work, from the start.
pub async fn redrive(
    ledger: &mut dyn Commands,
    inputs: &mut Inputs,
    letters: &[Letter],
    now: Timestamp,
) -> Result<Redriven, LedgerError> {
    let jobs: Vec<Letter> = letters.iter().filter(|letter| !letter.is_input()).cloned().collect();
    let queued = ledger.redrive(&jobs)?;
    let mut done = Redriven { changed: jobs.len() - queued.len(), queued, ..Redriven::default() };
    for letter in letters.iter().filter(|letter| letter.is_input()) {
        let again = match inputs.read(ledger, letter)? {
            Ok(read) => inputs.take_over(ledger, letter, read, (Action::Redrive, now)).await?,
            Err(why) => Again::Refused(why),
        };
        match again {
            Again::Queued(seq) => done.queued.push(seq),
            Again::Blocked => done.blocked += 1,
            Again::Known => done.known += 1,
            Again::Refused(why) => done.refused.push((letter.handle.clone(), why)),
        }
    }
    Ok(done)
}

/// Which of the letters' inputs are still no jobs, and why; nothing is changed.
pub fn still_no_jobs(ledger: &dyn Reports, inputs: &Inputs, letters: &[Letter]) -> Result<Vec<Kept>, LedgerError> {
    let mut refused = Vec::new();
    for letter in letters.iter().filter(|letter| letter.is_input()) {
        if let Err(why) = inputs.read(ledger, letter)? {
            refused.push((letter.handle.clone(), why));
        }
    }
    Ok(refused)
}
