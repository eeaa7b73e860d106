//! Dead letters back to work, or forgotten.

use axum::extract::State;
use serde_json::json;
use tokio::runtime::Handle;
use tracing::info;

use super::actor::Actor;
use super::body::Document;
use super::change::{Asked, PORTION, named, to_its_end};
use super::{Answer, Shared, answer};
use crate::operations::redrive::{redrive as put_back, still_no_jobs};
use crate::operations::still_dead::{Kept, StillDead};
use paceline_ports::State as JobState;
use paceline_ports::operator::Letter;

/// Puts the selected letters back to work, from the start.
pub(super) async fn redrive(State(shared): State<Shared>, actor: Actor, document: Document) -> Answer {
    let mut fields = document.fields()?;
    let asked = Asked::with_dependents(&mut fields, &[JobState::Dead]);
    fields.end()?;
    let by = actor.by();
    to_its_end(async move {
        let letters = asked.letters(&shared).await?;
        let (count, now) = (letters.len(), shared.now());
        let (expired, letters): (Vec<Letter>, Vec<Letter>) =
            letters.into_iter().partition(|letter| letter.is_expired(now));
        let mut skipped: Vec<_> = expired.iter().map(would_expire).collect();
        let (mut moved, mut changed) = (0, 0);
        if asked.dry_run {
            let inputs = shared.inputs();
            let total = letters.len();
            let refused = shared.books.read(move |ledger| still_no_jobs(ledger, &inputs, &letters)).await?;
            moved = total - refused.len();
            skipped.extend(refused);
        } else {
            let mut inputs = shared.inputs();
            for portion in letters.chunks(PORTION) {
                let portion = portion.to_vec();
                let (done, given_back) = shared
                    .books
                    .change(&by, move |ledger| {
                        let done = Handle::current().block_on(put_back(ledger, &mut inputs, &portion, now))?;
                        Ok((done, inputs))
                    })
                    .await?;
                inputs = given_back;
                moved += done.queued.len() + done.blocked + done.known;
                changed += done.changed;
                skipped.extend(done.refused);
            }
            inputs.close().await;
            shared.worker.engine.look_at_ledger();
            info!(count, moved, "dead letters were put back to work over HTTP");
        }
        Ok(answer::document(&json!({
            "count": count, "moved": moved, "changed": changed,
            "skipped": named(&skipped, "reason"), "skipped_count": skipped.len(), "dry_run": asked.dry_run,
        })))
    })
    .await
}

/// That a letter stays dead, because its deadline has passed.
fn would_expire(letter: &Letter) -> Kept {
    (letter.handle.clone(), StillDead::Expired(letter.not_after))
}

/// Forgets the selected letters; their ids may be used again.
pub(super) async fn forget(State(shared): State<Shared>, actor: Actor, document: Document) -> Answer {
    let mut fields = document.fields()?;
    let asked = Asked::with_dependents(&mut fields, &[JobState::Dead]);
    fields.end()?;
    let by = actor.by();
    to_its_end(async move {
        let letters = asked.letters(&shared).await?;
        let count = letters.len();
        let mut dropped = 0;
        if asked.dry_run {
            dropped = count;
        } else {
            for portion in letters.chunks(PORTION) {
                let portion = portion.to_vec();
                dropped += shared.books.change(&by, move |ledger| ledger.drop_letters(&portion)).await?;
            }
            info!(count, dropped, "dead letters were dropped over HTTP");
        }
        Ok(answer::document(&json!({"count": count, "dropped": dropped, "dry_run": asked.dry_run})))
    })
    .await
}
