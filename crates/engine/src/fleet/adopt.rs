//! A domain comes to this process, or goes: the same as a restart, for a part of the lanes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tracing::warn;

use crate::ports::{Changed, Domain, JobSeq, LedgerError, QuotaDomain, Waiting};
use crate::runtime::{Engine, LOAD_BATCH};
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;

impl Engine {
    /// Takes up what others have worked so far: closes the calls that they left open, rebuilds every window, takes up what
    /// holds calls back, and puts the waiting jobs into their lanes. It knows the calls of
    /// these domains up to a time, if it has had them before.
    pub(super) async fn adopt(
        &self,
        part: &dyn Domain,
        known: &[(&QuotaDomain, Timestamp)],
    ) -> Result<HashSet<JobSeq>, LedgerError> {
        let (mono, now) = self.clock().both();
        let open = part.recover(now).await?;
        if open > 0 {
            warn!(open, "calls were in flight when their worker was lost; what became of them is looked up first");
        }
        // Calls of others were recorded by other clocks.
        let error = part.clock_error();
        let known_to = known.iter().map(|(_, until)| *until).min().unwrap_or(Timestamp(i64::MIN));
        // Of thousands that are taken together few were there before.
        let before: Vec<_> = known.iter().filter(|(_, until)| *until > Timestamp(i64::MIN)).collect();
        for call in part.past_calls((now - self.reach()).max(known_to) - error).await? {
            let known_to = before.iter().find(|(domain, _)| domain.covers(&call.lane)).map(|(_, until)| *until);
            if known_to.is_none_or(|until| call.counted_by > until - error) {
                // What the address counts was this worker's part of it already.
                self.schedule().restore_part(&call.lane, self.latest_count_of(&call, mono), false);
            }
        }
        let called = part.called().await?;
        self.schedule().restore_called(&called, now);
        let restraints = part.restraints().await?;
        let (mono, wall) = self.clock().both();
        self.known_restraints().lock().await.extend(restraints.clone());
        self.schedule().restrain(restraints, mono, wall);
        self.reload_suspensions().await?;
        self.schedule().own(|lane| part.epoch_of(lane).is_some());
        let (mut loaded, mut after) = (HashSet::new(), JobSeq(0));
        loop {
            let jobs = part.waiting(None, after, LOAD_BATCH).await?;
            let Some(last) = jobs.last() else { return Ok(loaded) };
            after = last.seq;
            loaded.extend(jobs.iter().map(|job| job.seq));
            self.put_into_lanes(jobs);
        }
    }

    /// What changed while jobs were loaded, without those that were.
    pub(super) async fn catch_up(&self, loaded: &HashSet<JobSeq>) -> Result<(), LedgerError> {
        let Changed { mut waiting, ended } = self.domain().changed().await?;
        waiting.retain(|job: &Waiting| !loaded.contains(&job.seq));
        self.put_into_lanes(waiting);
        self.take_out(&ended);
        Ok(())
    }

    /// Starts nothing more of these domains; their jobs are the next owners' to read.
    pub(super) async fn let_go(&self, domains: &[QuotaDomain]) {
        let (now, all) = (self.clock().mono(), QuotaDomain::all_of(domains));
        self.known_restraints().lock().await.retain(|restraint| !domains.iter().any(|domain| domain.has(restraint)));
        self.schedule().disown(|lane| all.covers(lane), now);
        self.backlog_changed().notify_waiters();
        self.wake();
    }

    /// Those of these domains that have jobs in flight here, or (`also_waiting`) any at all.
    pub(super) fn busy(&self, domains: &BTreeMap<String, QuotaDomain>, also_waiting: bool) -> BTreeSet<String> {
        let busy = self.schedule().busy(also_waiting);
        let mut by_app: HashMap<&str, Vec<&LaneKey>> = HashMap::new();
        for lane in &busy {
            by_app.entry(&lane.app).or_default().push(lane);
        }
        let is_busy = |domain: &&QuotaDomain| {
            let of_app = |(app, _): (&str, _)| by_app.get(app).into_iter().flatten().any(|lane| domain.covers(lane));
            domain.members().any(of_app)
        };
        domains.values().filter(is_busy).map(|domain| domain.name().to_owned()).collect()
    }

    /// Lets those lanes go on of which it was doubtful whose they are.
    pub(super) fn reclaim(&self) {
        let domain = self.domain();
        self.schedule().reclaim(|lane| domain.covers(lane) && domain.epoch_of(lane).is_some());
        self.wake();
    }
}
