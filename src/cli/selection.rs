//! Which jobs and dead letters a command is about, as its arguments say it; and how lists and confirmations go.

use std::io::Write;

use crate::domain::reason::Reason;
use paceline_ports::operator::{Letter, Selection, handle};

use super::context::Context;
use super::exit::{Exit, refuse};
use super::table::plain;

/// How many ids are printed for people.
pub(super) const IDS_SHOWN_MAX: usize = 10;

/// Restricts jobs.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Which {
    /// Of this batch alone
    #[arg(long)]
    batch: Option<String>,
    /// Of this method alone
    #[arg(long)]
    method: Option<String>,
    /// Of this app alone
    #[arg(long)]
    app: Option<String>,
}

impl Which {
    /// With these ids, or whatever the ids are.
    pub(super) fn selection(self, ids: Vec<String>) -> Selection {
        Selection { ids, batch: self.batch, method: self.method, app: self.app, ..Selection::default() }
    }
}

/// Restricts dead letters.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DeadWhich {
    /// Died of this reason alone, e.g. rejected or exhausted
    #[arg(long)]
    reason: Option<Reason>,
    /// With this code of the platform alone
    #[arg(long, allow_negative_numbers = true)]
    code: Option<i64>,
    #[command(flatten)]
    which: Which,
}

impl DeadWhich {
    /// With these ids, or whatever the ids are.
    pub(super) fn selection(self, ids: Vec<String>) -> Selection {
        Selection { reason: self.reason, code: self.code, ..self.which.selection(ids) }
    }
}

/// Dead letters that are to be changed: nothing is changed by leaving arguments out.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Letters {
    /// Ids of jobs, or #NUMBER of inputs that never became jobs
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    which: DeadWhich,
    /// All dead letters
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

impl Letters {
    /// What they select; everything that is given holds together. Nothing that is given selects nothing.
    pub(super) fn selection(self) -> anyhow::Result<Selection> {
        let selection = self.which.selection(self.ids);
        if !self.all {
            refuse_empty(&selection, "--reason, --code, --batch, --method and --app select; --all means all of them")?;
        }
        Ok(selection)
    }
}

/// Refuses a selection that leaves everything open: what is left out by mistake must not mean everything.
pub(super) fn refuse_empty(selection: &Selection, hint: &str) -> anyhow::Result<()> {
    if *selection == Selection::default() {
        return Err(refuse("nothing is selected", format!("name ids; or {hint}")));
    }
    Ok(())
}

/// Reads one more than `limit`, which tells whether there are more.
pub(super) fn first<T, E>(limit: usize, read: impl FnOnce(usize) -> Result<Vec<T>, E>) -> Result<(Vec<T>, bool), E> {
    let mut lines = read(limit.saturating_add(1))?;
    let more = lines.len() > limit;
    lines.truncate(limit);
    Ok((lines, more))
}

/// Refuses to change more than one job by a selection that was not confirmed; ids are their own confirmation.
pub(super) fn confirm(selection: &Selection, count: usize, what: &str, yes: bool) -> anyhow::Result<()> {
    if yes || !selection.ids.is_empty() || count <= 1 {
        return Ok(());
    }
    Err(refuse(
        format!("{count} jobs would be {what}; nothing was changed"),
        "--dry-run only counts them, --yes changes them",
    ))
}

/// Says which of the ids that were asked for are no dead letters.
pub(super) fn missing(context: &mut Context, selection: &Selection, letters: &[Letter]) -> anyhow::Result<Exit> {
    let found: std::collections::BTreeSet<&str> = letters.iter().map(|letter| letter.handle.as_str()).collect();
    let missing: Vec<&str> =
        selection.ids.iter().map(String::as_str).filter(|id| !found.contains(handle(id))).collect();
    if missing.is_empty() {
        return Ok(Exit::Success);
    }
    writeln!(context.err, "{} of the ids are not dead letters: {}", missing.len(), list(&missing))?;
    writeln!(context.err, "hint: `paceline dead list` shows them")?;
    Ok(Exit::Unwell)
}

/// The first of some ids in one line.
pub(super) fn list(ids: &[&str]) -> String {
    let shown: Vec<_> = ids.iter().take(IDS_SHOWN_MAX).map(|id| plain(id)).collect();
    let rest = ids.len().saturating_sub(IDS_SHOWN_MAX);
    let end = if rest > 0 { format!(", … and {rest} more") } else { String::new() };
    format!("{}{end}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_asked_for_tells_of_more() {
        let read =
            |there: usize| move |limit: usize| -> Result<Vec<usize>, ()> { Ok((0..there).take(limit).collect()) };
        assert_eq!(first(2, read(2)), Ok((vec![0, 1], false)));
        assert_eq!(first(2, read(3)), Ok((vec![0, 1], true)));
        assert_eq!(first(0, read(1)), Ok((vec![], true)));
    }

    #[test]
    fn a_selection_of_several_wants_a_yes() {
        let batch = Selection::of_batch("b");
        assert!(confirm(&batch, 2, "cancelled", false).is_err());
        assert!(confirm(&batch, 2, "cancelled", true).is_ok());
        assert!(confirm(&batch, 1, "cancelled", false).is_ok());
        assert!(confirm(&Selection::of_id("a"), 2, "cancelled", false).is_ok());
    }

    #[test]
    fn ids_are_listed_shortly() {
        let ids: Vec<String> = (0..11).map(|n| n.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        assert_eq!(list(&ids[..2]), "0, 1");
        assert!(list(&ids).ends_with("9, … and 1 more"));
    }
}
