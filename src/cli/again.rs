//! Rows that would create again what the ledger has, and rows that have changed since their job succeeded: neither is
//! sent before a person has looked at it.

use std::io::Write;

use crate::domain::decode::Decoder;
use crate::domain::difference;
use crate::domain::job::Job;
use crate::domain::rows::Row;
use crate::domain::update::Compared;
use crate::engine::ports::LedgerError;
use paceline_ports::operator::{Repeat, Seeker, Sought};

use super::ask;
use super::changes::{self, Changes};
use super::context::Context;
use super::exit::refuse;
use super::table::plain;

/// Rows that are named of each batch; a count says how many more there are.
const ROWS_SHOWN_MAX: usize = 5;
/// Batches that are named.
const BATCHES_SHOWN_MAX: usize = 5;
/// Fields that are named of a changed row.
const FIELDS_SHOWN_MAX: usize = 3;

/// What is done with rows that changed after their job succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnChange {
    /// Nothing is sent at all.
    Stop,
    /// They are left alone.
    Keep,
    /// The objects are changed.
    Update,
}

/// Looks every row up in the ledger.
pub(super) struct Again<'l> {
    seeker: Box<dyn Seeker + 'l>,
    decoder: &'l Decoder,
    allow_duplicates: bool,
    on_change: OnChange,
    rows: u64,
    twins: Vec<Group>,
    changed: Group,
    impossible: Group,
    changes: Changes,
    failed: Option<LedgerError>,
}

/// Rows that have something in common.
#[derive(Default)]
struct Group {
    batch: String,
    count: u64,
    first: Vec<String>,
}

impl Group {
    fn add(&mut self, line: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < ROWS_SHOWN_MAX {
            self.first.push(line());
        }
    }

    fn print(&self, what: &str, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "{} {what}:", counted(self.count))?;
        self.first.iter().try_for_each(|line| writeln!(out, "  {}", plain(line)))?;
        match self.count - self.first.len() as u64 {
            0 => Ok(()),
            more => writeln!(out, "  … and {more} more; `paceline plan --json` names them all"),
        }
    }
}

impl<'l> Again<'l> {
    /// With `allow_duplicates` rows may create again what is there.
    pub(super) fn new(
        seeker: Box<dyn Seeker + 'l>,
        decoder: &'l Decoder,
        allow_duplicates: bool,
        on_change: OnChange,
    ) -> Self {
        Self {
            seeker,
            decoder,
            allow_duplicates,
            on_change,
            rows: 0,
            twins: Vec::new(),
            changed: Group::default(),
            impossible: Group::default(),
            changes: Changes::default(),
            failed: None,
        }
    }

    /// Looks a row up; a ledger that cannot be read is told at the end.
    pub(super) fn look(&mut self, row: &Row) {
        let Ok(job) = &row.input else { return };
        self.rows += 1;
        if self.on_change == OnChange::Update {
            self.changes.note(&job.id);
        }
        if self.failed.is_none() {
            self.failed = self.compare(row, job).err();
        }
    }

    fn compare(&mut self, row: &Row, job: &Job) -> Result<(), LedgerError> {
        let asked = Sought { job, is_row: true, by_content: !row.goes_by_object() };
        let (known, twin) = self.seeker.seek(asked)?;
        if let Some(known) = known
            && changes::may_differ(&*self.seeker, &known)?
        {
            match changes::compare(&*self.seeker, self.decoder, &known, job)? {
                Compared::Same => self.changes.settle(job, &*self.seeker)?,
                Compared::Changed { changes, update, superseded } => {
                    let line = || format!("{}: {}", row.place, earlier(&known));
                    self.changed.add(|| format!("{}: {}", line(), words(&changes)));
                    match (self.on_change, update) {
                        (OnChange::Stop, _) => {}
                        (OnChange::Keep, _) => self.changes.settle(job, &*self.seeker)?,
                        (OnChange::Update, Ok(update)) => {
                            self.changes.update(job, update.map(|update| *update), superseded);
                        }
                        (OnChange::Update, Err(why)) => self.impossible.add(|| format!("{}: {why}", line())),
                    }
                }
            }
        }
        if let Some(twin) = twin.filter(|_| !self.allow_duplicates) {
            let at = self.twins.iter().position(|group| group.batch == twin.batch).unwrap_or(self.twins.len());
            if at == self.twins.len() {
                self.twins.push(Group { batch: twin.batch.clone(), ..Group::default() });
            }
            self.twins[at].add(|| format!("{}: {}", row.place, earlier(&twin)));
        }
        Ok(())
    }

    /// Refuses the files if any row was found that must not be sent, after naming the first ones; otherwise gives what
    /// becomes of changed rows, after asking whether they are sent. With `yes` nobody is asked.
    pub(super) fn conclude(self, context: &mut Context, yes: bool) -> anyhow::Result<Changes> {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        let out = &mut context.err;
        let (mut messages, mut hints) = (Vec::new(), Vec::new());
        if self.changed.count > 0 && self.on_change == OnChange::Stop {
            self.changed.print("not what their jobs were done with", out)?;
            messages.push(format!("{} changed after success", counted(self.changed.count)));
            hints.push("--update sends what changed, --keep leaves these rows alone; or put them back as they were");
        }
        if self.impossible.count > 0 {
            self.impossible.print("changed in a way that cannot be sent", out)?;
            messages.push(format!("{} cannot be updated", counted(self.impossible.count)));
            hints.push("put these rows back as they were, or take them out; --keep leaves all changed rows alone");
        }
        let twins: u64 = self.twins.iter().map(|group| group.count).sum();
        if twins > 0 {
            for group in self.twins.iter().take(BATCHES_SHOWN_MAX) {
                let from = if group.batch.is_empty() {
                    "jobs without a batch".to_owned()
                } else {
                    format!("batch {}", plain(&group.batch))
                };
                group.print(&format!("would create again what {from} created or is about to create"), out)?;
            }
            if let more @ 1.. = self.twins.len().saturating_sub(BATCHES_SHOWN_MAX) {
                writeln!(out, "… and the same for {more} more batches; `paceline plan --json` names them all")?;
            }
            messages.push(format!("{} would create something again", counted(twins)));
            hints.push("take these rows out, or create them once more with --allow-duplicates");
        }
        if !messages.is_empty() {
            let message = format!("of {}, {}; nothing was sent", counted(self.rows), messages.join(", and "));
            return Err(refuse(message, hints.join("; ")));
        }
        match (self.on_change, self.changed.count) {
            (_, 0) | (OnChange::Stop, _) => {}
            (OnChange::Keep, rows) => {
                writeln!(out, "{} changed after success, and --keep leaves them alone", counted(rows))?;
            }
            (OnChange::Update, rows) => {
                self.changed.print("changed, and their objects are updated", out)?;
                let is_asked = !yes && ask::somebody_is_there();
                if is_asked && !ask::agrees(context, &format!("Update {rows} objects?"))? {
                    return Err(refuse("nothing was sent", ""));
                }
            }
        }
        Ok(self.changes)
    }
}

fn counted(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

/// `hq-7f-701 (succeeded, omm_4de3)`.
fn earlier(repeat: &Repeat) -> String {
    let key = repeat.key.as_ref().map_or_else(String::new, |key| format!(", {key}"));
    format!("{} ({}{key})", repeat.id, repeat.state.as_str())
}

/// The first fields that changed.
fn words(changes: &[difference::Change]) -> String {
    let mut words: Vec<_> = changes.iter().take(FIELDS_SHOWN_MAX).map(ToString::to_string).collect();
    if let more @ 1.. = changes.len().saturating_sub(FIELDS_SHOWN_MAX) {
        words.push(format!("and {more} more"));
    }
    words.join("; ")
}
