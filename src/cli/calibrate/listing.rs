//! When a listing shows a new object.

use std::time::Duration;

use crate::domain::catalog::LookUp;
use crate::domain::job::{Job, LaneKey};
use crate::domain::look_up::{Criteria, Pages, Query, Scan, Turn, key_of, listed_under};
use crate::domain::time::Timestamp;
use crate::operations::reading::why_unread;

use super::findings::Shown;
use super::plan::READINGS_MAX;
use super::work::Session;

/// The first wait between two readings.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// Later ones are this part of the time that has passed.
const PAUSE_PART: u32 = 12;

/// Reads the listing until it shows the object, or too long.
pub(super) async fn shown(
    session: &Session<'_>,
    look_up: &LookUp,
    job: &Job,
    key: &str,
    replied: Timestamp,
) -> anyhow::Result<Shown> {
    let mut shown = Shown { not_after_s: 0.0, after_s: None };
    for _ in 0..READINGS_MAX {
        let began = session.clock.now();
        // What cannot be read shows nothing; the call's fault is told by the listing's own methods.
        if is_listed(session, look_up, job, key).await.unwrap_or(false) {
            shown.after_s = Some(session.clock.now().since(replied).as_secs_f64());
            return Ok(shown);
        }
        shown.not_after_s = began.since(replied).as_secs_f64();
        let passed = session.clock.now().since(replied);
        if passed >= session.wait || session.is_interrupted() {
            break;
        }
        let pause = (passed / PAUSE_PART).max(PAUSE_MIN);
        session.clock.sleep_until(session.clock.mono() + pause).await;
    }
    Ok(shown)
}

/// One reading, from the first page to the last.
async fn is_listed(session: &Session<'_>, look_up: &LookUp, job: &Job, key: &str) -> Result<bool, String> {
    let lane = LaneKey { method: look_up.method.clone(), ..job.lane.clone() };
    let mut params = Query::of(look_up, job).params;
    let wanted = Criteria::of_job(look_up, job, true);
    let (mut pages, mut scan) = (Pages::default(), Scan::new(wanted.clone()));
    loop {
        let page = session.engine.read_page(&lane, &job.identity, &params).await;
        let page = page.map_err(|why| why_unread(&why).error)?;
        let items = listed_under(&page, &look_up.items).unwrap_or_default();
        for item in &items {
            let Some(listed) = key_of(look_up, item) else { continue };
            if listed == key && !key.is_empty() {
                return Ok(true);
            }
            scan.see(look_up, &listed, item);
        }
        let next = look_up.next.as_ref();
        match next.map_or(Turn::Last, |next| pages.turn(next, &page, items.len(), &mut params)) {
            Turn::Next => {}
            // A state has no id of its own: all of what was asked for is there, or it is not.
            Turn::Last => {
                return Ok(look_up.state && wanted.iter().all(|one| scan.found(one).is_some_and(|it| it.count() > 0)));
            }
            Turn::Broken(why) => return Err(why.to_string()),
        }
    }
}
