//! Which domains a worker takes and which it lets go of, as a function of what it sees: pure, so that every worker comes
//! to its own part of the same answer.
//!
//! Even: no two workers differ by more than one domain. Sticky: nothing moves for any other reason. Calm: domains move only
//! when all of them have an owner; those without jobs at once, for nobody notices, and of those with jobs a tenth of what a
//! worker has at a time, one at least.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use crate::ports::{Gathering, Holding};

/// So many turns in a row a domain is left to those who have fewer; then whoever sees it takes it.
const TURNS_LEFT_TO_OTHERS: u32 = 3;

/// A worker lets go of such a part of its domains at a time if they have jobs: the others go on meanwhile.
const PART: usize = 10;

/// What a worker does in a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    /// Domains to be taken.
    pub take: Vec<String>,
    /// Domains to be let go of.
    pub give: Vec<String>,
    /// Domains that have no owner and are left to workers that go by the quotas of the last one.
    pub refused: Vec<String>,
}

/// What a worker knows.
pub(super) struct Seen<'s> {
    pub gathering: &'s Gathering,
    /// The digest of its quotas.
    pub quotas: &'s str,
    /// Every domain that its settings and the ledger know of.
    pub domains: &'s BTreeSet<String>,
    /// Those that it has.
    pub held: &'s BTreeSet<String>,
    /// Those of them that have jobs.
    pub busy: &'s BTreeSet<String>,
    /// For how many turns each domain has been without an owner.
    pub ownerless: &'s BTreeMap<String, u32>,
}

/// Decides.
pub(super) fn moves(seen: &Seen<'_>) -> Moves {
    let Seen { gathering, quotas, domains, held, busy, ownerless } = seen;
    let holdings: BTreeMap<&str, &Holding> =
        gathering.holdings.iter().map(|holding| (holding.domain.as_str(), holding)).collect();
    let alive: Vec<_> = gathering.replicas.iter().filter(|replica| replica.is_alive).collect();
    // Who goes by other quotas may not take what was worked by ours, and the other way round.
    let is_left_to_others = |domain: &str| {
        let by = holdings.get(domain).map(|holding| holding.quotas.as_str()).unwrap_or_default();
        !by.is_empty() && by != *quotas && alive.iter().any(|replica| replica.card.quotas == by)
    };
    let (others, ours): (Vec<&String>, Vec<&String>) =
        domains.iter().partition(|domain| !held.contains(*domain) && is_left_to_others(domain));
    // What the store says is ours and we do not have: an answer was lost on the way, and nobody else can take it.
    let is_left_over = |domain: &str| {
        let owned = holdings.get(domain).filter(|holding| !holding.left.is_zero());
        owned.is_some_and(|holding| holding.owner == gathering.own && !held.contains(domain))
    };
    let is_free = |domain: &&&String| {
        let has_none = || holdings.get(domain.as_str()).is_none_or(|holding| holding.left.is_zero());
        !held.contains(**domain) && (has_none() || is_left_over(domain))
    };
    let refused = others.iter().filter(is_free).map(|domain| (*domain).clone()).collect();

    let mut counts: BTreeMap<&str, usize> =
        alive.iter().filter(|replica| replica.card.quotas == *quotas).map(|replica| (replica.id.as_str(), 0)).collect();
    counts.insert(&gathering.own, held.len());
    for domain in ours.iter().filter(|domain| !held.contains(**domain)) {
        if let Some(holding) = holdings.get(domain.as_str()).filter(|holding| !holding.left.is_zero())
            && holding.owner != gathering.own
            && let Some(count) = counts.get_mut(holding.owner.as_str())
        {
            *count += 1;
        }
    }
    let most = ours.len().div_ceil(counts.len().max(1));
    let fewest = counts.iter().filter(|(id, _)| **id != gathering.own).min_by_key(|(_, count)| **count);
    let free: Vec<&String> = ours.iter().copied().filter(|domain| is_free(&domain)).collect();
    if free.is_empty() {
        let to = fewest.filter(|(_, count)| held.len() >= **count + 2).map(|(id, _)| *id);
        let give = to.map(|to| gifts(to, held, busy, held.len().saturating_sub(most).max(1))).unwrap_or_default();
        return Moves { take: Vec::new(), give, refused };
    }
    // Below its part a worker need not wait for those who have fewer.
    let part = ours.len() / counts.len().max(1);
    let has_fewest = fewest.is_none_or(|(_, count)| held.len() <= *count);
    let most = if has_fewest { most } else { part };
    let waits_long = |domain: &str| ownerless.get(domain).is_some_and(|turns| *turns >= TURNS_LEFT_TO_OTHERS);
    let is_overdue = |domain: &str| waits_long(domain) || is_left_over(domain);
    let mut take: Vec<&String> =
        free.into_iter().filter(|domain| has_fewest || held.len() < part || is_overdue(domain)).collect();
    // Each begins with what it is the first choice for, so that those who look at one time seldom want the same.
    take.sort_by_cached_key(|domain| {
        let own = score(domain, &gathering.own);
        (counts.keys().filter(|id| score(domain, id) > own).count(), u64::MAX - own)
    });
    let overdue = take.iter().filter(|domain| is_overdue(domain)).count();
    take.truncate(most.saturating_sub(held.len()).max(overdue));
    Moves { take: take.into_iter().cloned().collect(), give: Vec::new(), refused }
}

/// The domains that another worker is the one for, so many at most, those without jobs first.
fn gifts(to: &str, held: &BTreeSet<String>, busy: &BTreeSet<String>, most: usize) -> Vec<String> {
    let (mut busy, mut idle): (Vec<&String>, Vec<&String>) = held.iter().partition(|domain| busy.contains(*domain));
    for domains in [&mut busy, &mut idle] {
        domains.sort_by_cached_key(|domain| u64::MAX - score(domain, to));
    }
    busy.truncate(held.len().div_ceil(PART));
    idle.into_iter().chain(busy).take(most).cloned().collect()
}

/// How much a worker is the one for a domain.
fn score(domain: &str, replica: &str) -> u64 {
    let digest = Sha256::digest(format!("{replica}\n{domain}"));
    digest.first_chunk().map_or(0, |chunk| u64::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests;
