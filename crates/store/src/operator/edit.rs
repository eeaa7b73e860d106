//! Dead jobs with new content: written by a person, still under their ids.

use std::sync::LazyLock;

use super::dead::{requeue, still_dead};
use super::{CHUNK, Operator};
use crate::driver::values;
use crate::ledger::job_row::{self, JOB_COLUMNS, JOB_TABLES, JobRow, JobText};
use paceline_domain::activity::{Action, Facts};
use paceline_domain::job::Job;
use paceline_domain::time::Timestamp;
use paceline_ports::operator::{Edit, Letter, Upkeep as _};
use paceline_ports::{JobSeq, LedgerError};

impl Operator {
    pub(super) fn dead_job(&self, letter: &Letter) -> Result<Option<Job>, LedgerError> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!(
                "SELECT {JOB_COLUMNS} FROM {JOB_TABLES} WHERE j.seq = $1 AND j.state = 3 AND coalesce(j.ended_at, 0) = $2"
            )
        });
        let Some((seq, ended_at)) = letter.job() else { return Ok(None) };
        let row =
            self.read(|conn| conn.query_opt(&SQL, values![seq, ended_at], |row| JobRow::read(row, conn.seal())))?;
        row.map(JobRow::parse).transpose()
    }

    pub(super) fn edit_dead(&mut self, edits: Vec<Edit>, now: Timestamp) -> Result<(usize, Vec<JobSeq>), LedgerError> {
        let (mut written, mut redriven) = (0, Vec::new());
        // Texts are made before the writer's turn.
        let texts: Vec<_> = edits.into_iter().map(|edit| (edit.letter, JobText::of(edit.job), edit.redrive)).collect();
        for chunk in texts.chunks(CHUNK) {
            let ids = chunk.iter().map(|(letter, ..)| letter.handle.as_str());
            let by = self.deed(Action::Edit, Facts::ids(ids));
            let (count, seqs) = self.change(&by, |books| {
                let (mut count, mut seqs) = (0, Vec::new());
                for (letter, text, redrive) in chunk {
                    let Some(dead) = still_dead(books, letter)? else { continue };
                    job_row::rewrite(books, JobSeq(dead.seq), text, now)?;
                    count += 1;
                    if *redrive {
                        seqs.extend(requeue(books, letter, now)?);
                    }
                }
                Ok(((count, seqs), count))
            })?;
            written += count;
            redriven.extend(seqs);
        }
        Ok((written, redriven))
    }
}
