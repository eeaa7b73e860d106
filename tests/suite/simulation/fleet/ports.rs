//! The ports of a worker that shares a ledger with others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use paceline::domain::activity::Deed;
use paceline::domain::budget::CalledDay;
use paceline::domain::job::{Job, LaneKey};
use paceline::domain::time::{Mono, Timestamp, micros};
use paceline::engine::ports::{
    Arrival, AttemptEnd, AttemptSeq, AttemptStart, Card, Changed, Counts, Domain, Fleet, Gathering, Holding, Intake,
    JobSeq, Kept, Ledger, LedgerError, Named, PastCall, Pruned, QuotaDomain, Replica as Seen, Restraint, Settlement,
    Suspension, TakenOver, Unsettled, Verified, Waiting,
};

use super::leases::{LEASE, MARGIN, Part, Replica, Row};

type Done<T> = Result<T, LedgerError>;

/// What a worker has, or the part of it that it has just taken.
pub(super) struct Handle {
    pub replica: Arc<Replica>,
    pub only: Option<BTreeSet<String>>,
}

/// The worker's ledger.
pub(super) struct Desk(pub Arc<Replica>);

/// A question or a change, as a process that may stop at any moment makes it.
macro_rules! while_running {
    ($replica:expr, $work:expr) => {{
        $replica.runs().await;
        let done = $work;
        $replica.runs().await;
        done
    }};
}

impl Handle {
    fn parts(&self) -> Vec<Part> {
        let held = self.replica.held();
        let is_in = |name: &String| self.only.as_ref().is_none_or(|only| only.contains(name));
        held.iter().filter(|(name, _)| is_in(name)).map(|(_, part)| part.clone()).collect()
    }

    /// Those whose restraints are its own to keep.
    fn kept(&self) -> Vec<Part> {
        self.parts().into_iter().filter(|part| self.only.is_some() || part.is_open).collect()
    }

    fn union(&self) -> QuotaDomain {
        QuotaDomain::all_of(self.parts().iter().map(|part| &part.domain))
    }

    /// The same domains of the file, which knows of no leases.
    async fn inner(&self) -> Done<Arc<dyn Domain>> {
        self.replica.shared.inner.acquire(self.union()).await
    }

    fn settled(&self, unblocked: Done<Vec<Waiting>>, rows: &mut super::leases::Rows) -> Done<Vec<Waiting>> {
        let unblocked = unblocked?;
        self.replica.tell(rows, &unblocked);
        Ok(unblocked)
    }
}

#[async_trait]
impl Domain for Handle {
    fn is_shared(&self) -> bool {
        self.only.is_none()
    }

    fn covers(&self, lane: &LaneKey) -> bool {
        self.replica.part_of(lane).is_some_and(|part| part.is_open)
    }

    fn has(&self, restraint: &Restraint) -> bool {
        self.kept().iter().any(|part| part.domain.has(restraint))
    }

    fn epoch_of(&self, lane: &LaneKey) -> Option<i64> {
        let part = self.parts().into_iter().find(|part| part.domain.covers(lane))?;
        let trusts = self.replica.shared.clock.mono() < part.until;
        (trusts || self.replica.shared.faults.no_leave_by).then_some(part.epoch)
    }

    async fn recover(&self, now: Timestamp) -> Done<usize> {
        while_running!(self.replica, {
            let mut rows = self.replica.shared.rows.lock().await;
            let domain = self.union();
            Replica::forget_changed(&mut rows, &domain);
            if domain.members().next().is_none() { Ok(0) } else { self.inner().await?.recover(now).await }
        })
    }

    async fn past_calls(&self, since: Timestamp) -> Done<Vec<PastCall>> {
        while_running!(self.replica, self.inner().await?.past_calls(since).await)
    }

    async fn called(&self) -> Done<Vec<CalledDay>> {
        while_running!(self.replica, self.replica.shared.whole.called().await)
    }

    async fn waiting(&self, batches: Option<Vec<String>>, after: JobSeq, limit: usize) -> Done<Vec<Waiting>> {
        while_running!(self.replica, self.inner().await?.waiting(batches, after, limit).await)
    }

    async fn waiting_of(&self, seqs: Vec<JobSeq>) -> Done<Vec<Waiting>> {
        while_running!(self.replica, self.replica.shared.whole.waiting_of(seqs).await)
    }

    async fn changed(&self) -> Done<Changed> {
        while_running!(self.replica, {
            // Nobody works beside these workers: the file itself has nothing to tell.
            let mut rows = self.replica.shared.rows.lock().await;
            Ok(self.replica.take_changed(&mut rows))
        })
    }

    async fn job(&self, seq: JobSeq) -> Done<Job> {
        while_running!(self.replica, self.replica.shared.whole.job(seq).await)
    }

    async fn begin_attempt(&self, start: AttemptStart) -> Done<(AttemptSeq, Option<Box<Job>>)> {
        while_running!(self.replica, {
            let rows = self.replica.shared.rows.lock().await;
            self.replica.fence(&rows, &start.lane)?;
            let lane = LaneKey::clone(&start.lane);
            let begun = self.replica.shared.whole.begin_attempt(start).await;
            if let Ok((attempt, _)) = &begun {
                self.replica.shared.lanes.lock().unwrap().insert(*attempt, lane);
            }
            begun
        })
    }

    async fn end_attempt(&self, end: Arc<AttemptEnd>) -> Done<Vec<Waiting>> {
        while_running!(self.replica, {
            let mut rows = self.replica.shared.rows.lock().await;
            let lane = self.replica.shared.lanes.lock().unwrap()[&end.attempt].clone();
            self.replica.fence(&rows, &lane)?;
            let unblocked = self.replica.shared.whole.end_attempt(end).await;
            self.settled(unblocked, &mut rows)
        })
    }

    async fn settle(&self, seq: JobSeq, settlement: Settlement, now: Timestamp) -> Done<Vec<Waiting>> {
        while_running!(self.replica, {
            let mut rows = self.replica.shared.rows.lock().await;
            let lane = self.replica.lane_of(seq).await?;
            self.replica.fence(&rows, &lane)?;
            let unblocked = self.replica.shared.whole.settle(seq, settlement, now).await;
            self.settled(unblocked, &mut rows)
        })
    }

    async fn end_blocked(&self, wait: Duration, now: Timestamp) -> Done<usize> {
        while_running!(self.replica, self.replica.shared.whole.end_blocked(wait, now).await)
    }

    async fn nameless(&self, after: JobSeq, limit: usize) -> Done<Vec<(JobSeq, Job)>> {
        while_running!(self.replica, self.inner().await?.nameless(after, limit).await)
    }

    async fn named(&self, found: Vec<(JobSeq, Named)>, now: Timestamp) -> Done<Vec<Waiting>> {
        while_running!(self.replica, {
            let mut rows = self.replica.shared.rows.lock().await;
            for (seq, _) in &found {
                let lane = self.replica.lane_of(*seq).await?;
                self.replica.fence(&rows, &lane)?;
            }
            let unblocked = self.replica.shared.whole.named(found, now).await;
            self.settled(unblocked, &mut rows)
        })
    }

    async fn unsettled(&self, lane: &LaneKey, only: Option<Vec<JobSeq>>) -> Done<Vec<Unsettled>> {
        while_running!(self.replica, self.replica.shared.whole.unsettled(lane, only).await)
    }

    async fn answers(&self, seq: JobSeq, code: i64) -> Done<u32> {
        while_running!(self.replica, self.replica.shared.whole.answers(seq, code).await)
    }

    async fn owned(&self, method: &str, keys: Vec<String>) -> Done<Vec<String>> {
        while_running!(self.replica, self.replica.shared.whole.owned(method, keys).await)
    }

    async fn verified(&self, found: Vec<(JobSeq, Settlement)>, now: Timestamp) -> Done<(Vec<Verified>, Vec<Waiting>)> {
        while_running!(self.replica, {
            let mut rows = self.replica.shared.rows.lock().await;
            for (seq, _) in &found {
                let lane = self.replica.lane_of(*seq).await?;
                self.replica.fence(&rows, &lane)?;
            }
            let (verified, unblocked) = self.replica.shared.whole.verified(found, now).await?;
            self.replica.tell(&mut rows, &unblocked);
            Ok((verified, unblocked))
        })
    }

    async fn set_restraints(&self, restraints: Vec<Restraint>) -> Done<()> {
        while_running!(self.replica, {
            let mut rows = self.replica.shared.rows.lock().await;
            for part in self.kept() {
                let own = restraints.iter().filter(|one| part.domain.has(one)).cloned().collect();
                rows.restraints.insert(part.domain.name().to_owned(), own);
            }
            Ok(())
        })
    }

    async fn restraints(&self) -> Done<Vec<Restraint>> {
        while_running!(self.replica, {
            let rows = self.replica.shared.rows.lock().await;
            let mut found: Vec<Restraint> = Vec::new();
            for part in self.kept() {
                for one in rows.restraints.get(part.domain.name()).into_iter().flatten() {
                    if !found.contains(one) {
                        found.push(one.clone());
                    }
                }
            }
            Ok(found)
        })
    }
}

#[async_trait]
impl Intake for Desk {
    async fn take_over(&self, arrivals: Vec<Arrival>, now: Timestamp) -> Done<Vec<TakenOver>> {
        while_running!(self.0, {
            let mut rows = self.0.shared.rows.lock().await;
            let taken = self.0.shared.inner.take_over(arrivals, now).await?;
            let queued: Vec<Waiting> = taken
                .iter()
                .filter_map(|taken| if let TakenOver::Queued(waiting) = taken { Some(waiting.clone()) } else { None })
                .collect();
            self.0.tell(&mut rows, &queued);
            Ok(taken)
        })
    }
}

#[async_trait]
impl Ledger for Desk {
    async fn acquire(&self, domain: QuotaDomain) -> Done<Arc<dyn Domain>> {
        Err(LedgerError::NotOwner(domain.name().to_owned()))
    }

    async fn release(&self, _: QuotaDomain) -> Done<()> {
        Ok(())
    }

    async fn suspend(&self, suspension: Suspension) -> Done<()> {
        while_running!(self.0, self.0.shared.inner.suspend(suspension).await)
    }

    async fn resume(&self, app: &str, tenant: &str, method: &str) -> Done<usize> {
        while_running!(self.0, self.0.shared.inner.resume(app, tenant, method).await)
    }

    async fn end_suspensions(&self, now: Timestamp) -> Done<usize> {
        while_running!(self.0, self.0.shared.inner.end_suspensions(now).await)
    }

    async fn suspensions(&self) -> Done<Vec<Suspension>> {
        while_running!(self.0, self.0.shared.inner.suspensions().await)
    }

    async fn prune(&self, before: Timestamp, after: JobSeq) -> Done<Pruned> {
        while_running!(self.0, self.0.shared.inner.prune(before, after).await)
    }

    async fn listed(&self, directory: &str, place: &str, since: Timestamp) -> Done<Option<Kept>> {
        while_running!(self.0, self.0.shared.inner.listed(directory, place, since).await)
    }

    async fn keep_listed(&self, directory: &str, places: Vec<(String, String)>, read_at: Timestamp) -> Done<()> {
        while_running!(self.0, self.0.shared.inner.keep_listed(directory, places, read_at).await)
    }

    async fn forget_listed(&self, directory: &str) -> Done<()> {
        while_running!(self.0, self.0.shared.inner.forget_listed(directory).await)
    }

    async fn note(&self, deed: Deed, count: usize, now: Timestamp) -> Done<()> {
        while_running!(self.0, self.0.shared.inner.note(deed, count, now).await)
    }

    async fn counts(&self, batches: Option<Vec<String>>) -> Done<Counts> {
        while_running!(self.0, self.0.shared.inner.counts(batches).await)
    }
}

#[async_trait]
impl Fleet for Desk {
    fn held(&self) -> Arc<dyn Domain> {
        Arc::new(Handle { replica: Arc::clone(&self.0), only: None })
    }

    async fn join(&self, card: Card) -> Done<()> {
        while_running!(self.0, {
            let now = self.0.shared.clock.mono();
            self.0.shared.rows.lock().await.replicas.insert(self.0.id, (card, now));
            Ok(())
        })
    }

    async fn gathering(&self) -> Done<Gathering> {
        while_running!(self.0, {
            let rows = self.0.shared.rows.lock().await;
            let now = self.0.shared.clock.mono();
            let replicas = rows.replicas.iter().map(|(id, (card, seen))| {
                let silent = now.since(*seen);
                Seen { id: id.to_string(), card: card.clone(), silent, is_alive: silent < LEASE }
            });
            let holdings = rows.leases.iter().map(|(domain, row)| Holding {
                domain: domain.clone(),
                owner: row.owner.to_string(),
                epoch: row.epoch,
                quotas: row.quotas.clone(),
                left: Mono(row.expires).since(now),
            });
            Ok(Gathering {
                own: self.0.id.to_string(),
                now: self.0.now(),
                broken_at: rows.broken_at,
                lease: LEASE,
                replicas: replicas.collect(),
                holdings: self.0.known(holdings.collect()),
                reloads: 0,
                tenants: rows.tenants.iter().cloned().collect(),
            })
        })
    }

    async fn past_calls(&self, since: Timestamp) -> Done<Vec<PastCall>> {
        while_running!(self.0, self.0.shared.whole.past_calls(since).await)
    }

    async fn take(&self, wanted: Vec<QuotaDomain>) -> Done<(Vec<QuotaDomain>, Arc<dyn Domain>)> {
        while_running!(self.0, {
            let before = self.0.shared.clock.mono();
            let mut rows = self.0.shared.rows.lock().await;
            let now = self.0.shared.clock.mono();
            let mut taken = BTreeMap::new();
            for domain in wanted {
                let row = rows.leases.entry(domain.name().to_owned()).or_insert_with(Row::default);
                if row.expires > now.0 && row.owner != self.0.id {
                    continue;
                }
                row.epoch += i64::from(row.owner != self.0.id || row.expires <= now.0);
                (row.owner, row.expires) = (self.0.id, now.0 + micros(LEASE));
                let part = Part {
                    domain: domain.clone(),
                    epoch: row.epoch,
                    until: before + LEASE.checked_sub(MARGIN).unwrap(),
                    is_open: false,
                    is_lost: false,
                };
                self.0.held().insert(domain.name().to_owned(), part);
                taken.insert(domain.name().to_owned(), domain);
            }
            let only = Some(taken.keys().cloned().collect());
            let part: Arc<dyn Domain> = Arc::new(Handle { replica: Arc::clone(&self.0), only });
            Ok((taken.into_values().collect(), part))
        })
    }

    fn open(&self, names: &[String], is_open: bool) {
        for name in names {
            if let Some(part) = self.0.held().get_mut(name) {
                part.is_open = is_open;
            }
        }
    }

    async fn give_up(&self, domains: &[String]) -> Done<Vec<String>> {
        while_running!(self.0, {
            let (mut rows, mut owned) = (self.0.shared.rows.lock().await, Vec::new());
            for domain in domains {
                self.0.held().remove(domain);
                if let Some(row) = rows.leases.get_mut(domain).filter(|row| row.owner == self.0.id) {
                    (row.expires, row.epoch) = (0, row.epoch + 1);
                    owned.push(domain.clone());
                }
            }
            Ok(owned)
        })
    }

    fn lost(&self) -> Vec<(QuotaDomain, Duration)> {
        let (mut held, now) = (self.0.held(), self.0.shared.clock.mono());
        let lost: Vec<_> = held
            .values()
            .filter(|part| part.is_lost)
            .map(|part| (part.domain.clone(), now.since(part.until)))
            .collect();
        for (domain, _) in &lost {
            held.remove(domain.name());
        }
        lost
    }

    fn lease_left(&self) -> Option<f64> {
        None
    }

    async fn leave(&self) -> Done<()> {
        while_running!(self.0, {
            self.0.shared.rows.lock().await.replicas.remove(&self.0.id);
            Ok(())
        })
    }
}
