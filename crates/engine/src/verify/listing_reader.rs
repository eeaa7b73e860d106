//! One reading of a listing, from its first page to its last, for all the jobs that it serves.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Value;

use super::super::planner::LanePlan;
use super::super::runtime::Engine;
use super::batching::Listing;
use super::lookup_call::Asker;
use paceline_domain::catalog::{Detail, LookUp, SuspendScope};
use paceline_domain::job::LaneKey;
use paceline_domain::look_up::{self, Scan, Turn};
use paceline_domain::messages::Cause;
use paceline_domain::outcome::{Failure, lookup};

/// Items that are fetched at the same time.
const FETCHED_AT_ONCE: usize = 8;

/// Why a reading did not come to its end: it decides nothing.
pub(in super::super) enum Stopped {
    /// The lane (or its app) stands still until a person has mended the cause.
    Suspended(LaneKey, SuspendScope, Failure),
    /// Refused for good, or without an end: trying again would change nothing.
    Refused(Failure),
    Later(Failure),
    /// The worker stops.
    Draining,
    /// A person has ended the jobs: nobody asks any more.
    Gone,
}

impl Stopped {
    pub(super) fn later(detail: impl Into<Cause>) -> Self {
        Self::Later(Failure { detail: detail.into(), ..Failure::default() })
    }

    pub(in super::super) fn broken(listing: &str, why: Cause) -> Self {
        let detail = Cause::ListingBroken { method: listing.to_owned(), why: Box::new(why) };
        Self::Refused(Failure { detail, ..Failure::default() })
    }
}

impl Listing {
    /// Reads all of it.
    pub(super) async fn read(&self, engine: &Arc<Engine>, lane: &LaneKey, plan: &LanePlan) -> Result<Scan, Stopped> {
        let Some(look_up) = plan.method.creation.look_up() else { return Err(Stopped::Gone) };
        let jobs = self.jobs.iter().map(|looking| looking.job.seq);
        let asker = Asker::new(engine, lane, &self.query.identity, jobs);
        let mut scan = Scan::new(self.jobs.iter().flat_map(|looking| looking.criteria.iter().cloned()));
        let mut params = self.query.params.clone();
        loop {
            let page = asker.ask(&look_up.method, &params).await?;
            let Some(items) = look_up::listed_under(&page, &look_up.items) else {
                return Err(Stopped::broken(&look_up.method, Cause::NoList));
            };
            self.see(&asker, look_up, &items, &mut scan).await?;
            let Some(next) = &look_up.next else { return Ok(scan) };
            match scan.turn(next, &page, items.len(), &mut params) {
                Turn::Next => {}
                Turn::Last => return Ok(scan),
                Turn::Broken(why) => return Err(Stopped::broken(&look_up.method, why)),
            }
        }
    }

    /// Looks at the items of one page that no job owns.
    async fn see(&self, asker: &Asker<'_>, look_up: &LookUp, items: &[&Value], scan: &mut Scan) -> Result<(), Stopped> {
        let keyed: Vec<_> = items.iter().filter_map(|item| Some((look_up::key_of(look_up, item)?, *item))).collect();
        // A state is nobody's own.
        if look_up.state {
            for (key, listed) in &keyed {
                scan.see(look_up, key, listed);
            }
            return Ok(());
        }
        let keys = keyed.iter().map(|(key, _)| key.clone()).collect();
        // Asked first: what jobs own needs no further call.
        let owned = asker.engine.domain().owned(&asker.lane.method, keys).await;
        let owned = owned.map_err(|error| Stopped::later(error.to_string()))?;
        let unowned: Vec<_> = keyed.into_iter().filter(|(key, _)| !owned.contains(key)).collect();
        if let Some(detail) = &look_up.detail {
            return self.fetch(asker, look_up, detail, &unowned, scan).await;
        }
        for (key, listed) in unowned {
            scan.see(look_up, &key, listed);
        }
        Ok(())
    }

    /// Fetches items of which only ids are listed, some at a time.
    async fn fetch(
        &self,
        asker: &Asker<'_>,
        look_up: &LookUp,
        detail: &Detail,
        unowned: &[(String, &Value)],
        scan: &mut Scan,
    ) -> Result<(), Stopped> {
        let Some(first) = self.jobs.first() else { return Err(Stopped::Gone) };
        for some in unowned.chunks(FETCHED_AT_ONCE) {
            let ask = async |listed: &Value| {
                let params = look_up::params_of(&detail.params, &first.known.job, Some(listed));
                asker.ask(&detail.method, &params).await
            };
            // None is given up half-way: each has its record to be closed.
            let fetched = join_all(some.iter().map(|(_, listed)| ask(listed))).await;
            for ((key, _), result) in some.iter().zip(fetched) {
                match result {
                    Ok(result) => match lookup(&result, &detail.item) {
                        Some(item) => scan.see(look_up, key, item),
                        None => scan.miss(key.clone()),
                    },
                    // Deleted in the meantime, or not to be read: it may be anybody's.
                    Err(Stopped::Refused(_)) => scan.miss(key.clone()),
                    Err(stopped) => return Err(stopped),
                }
            }
        }
        Ok(())
    }
}
