//! What all changes have in common: a selection that is fixed when they start, its count, and an end of their own.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::Fault;
use super::input::Fields;
use super::{Answer, Shared, selection};
use crate::engine::ports::LedgerError;
use crate::operations::content;
use crate::operations::still_dead::{Kept, StillDead};
use paceline_ports::State;
use paceline_ports::operator::{Letter, Reports, Selection};

/// Jobs changed at one time: meanwhile others may use the connection that writes.
pub(super) const PORTION: usize = 500;
/// The most ids that an answer names; it has their number, too.
const NAMED_MAX: usize = 1_000;

/// What a change is asked for.
pub(super) struct Asked {
    /// Which jobs.
    pub selection: Selection,
    /// Whether it only tells what it would do.
    pub dry_run: bool,
    /// Whether those go with them that wait for them, or are dead because of them.
    pub dependents: bool,
    expect: Option<usize>,
}

impl Asked {
    /// Reads it; the jobs are in one of these states, whether the selection says in which or not.
    pub(super) fn of(fields: &mut Fields, only: &[State]) -> Self {
        let mut selection = Selection::default();
        if let Some(mut inner) = fields.object("selection") {
            selection = selection::of(&mut inner);
            if let Some(other) = selection.state.filter(|state| !only.contains(state)) {
                let only = only.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(" and ");
                let error = format!("this is for {only} jobs alone, and these are {}", other.as_str());
                inner.fault("state", &error);
            }
            if let [_] = only {
                selection.state = None;
            }
            fields.absorb(inner);
        } else {
            fields.missing("selection");
        }
        let expect = fields.whole("expect", 0, i64::MAX).and_then(|count| usize::try_from(count).ok());
        let dry_run = fields.flag("dry_run");
        Self { selection, dry_run, dependents: false, expect }
    }

    /// Likewise, for a change in which the dependents of jobs can go with them.
    pub(super) fn with_dependents(fields: &mut Fields, only: &[State]) -> Self {
        Self { dependents: fields.flag("with_dependents"), ..Self::of(fields, only) }
    }

    /// Refuses what is left open by mistake, and another count than the expected one.
    pub(super) fn check(&self, count: usize) -> Result<(), Fault> {
        match self.expect {
            Some(expected) if expected != count => Err(Fault::conflict(
                format!("{count} are selected now, and {expected} were expected; nothing was changed"),
                "look at what is selected now, and ask again with its count",
            )
            .with_count(count)),
            None if self.selection.is_everything() && !self.dry_run => Err(Fault::new(
                StatusCode::BAD_REQUEST,
                "the selection leaves everything open; nothing was changed",
                "name an id, batch, app, method, reason or code; or say with `expect` how many everything is",
            )
            .with_count(count)),
            Some(_) | None => Ok(()),
        }
    }

    /// The dead letters that are selected now.
    pub(super) async fn letters(&self, shared: &Shared) -> Result<Vec<Letter>, Fault> {
        let (selection, dependents) = (self.selection.clone(), self.dependents);
        let select = move |ledger: &dyn Reports| {
            let letters = ledger.select_dead(&selection)?;
            if dependents { ledger.with_dependents(letters) } else { Ok(letters) }
        };
        let letters = shared.books.read(select).await?;
        self.check(letters.len())?;
        Ok(letters)
    }
}

/// Does the work to its end, even if the client goes away meanwhile.
pub(super) async fn to_its_end(work: impl Future<Output = Answer> + Send + 'static) -> Answer {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|error| Err(LedgerError::Failed(format!("work on it stopped: {error}")).into()))
}

/// The first of some letters with why each stays dead: as a sentence in `field`, and as facts.
pub(super) fn named(kept: &[Kept], field: &str) -> Value {
    let named = |(id, why): &Kept| {
        let faults: Vec<_> = why.faults().iter().map(content::fault).collect();
        let not_after = if let StillDead::Expired(at) = why { *at } else { None };
        json!({"id": id, field: why.to_string(), "why": why.as_str(), "faults": faults, "not_after": not_after})
    };
    kept.iter().take(NAMED_MAX).map(named).collect()
}
