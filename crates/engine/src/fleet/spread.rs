//! Which domains a worker takes and which it lets go of, as a function of what it sees: pure, so that every worker comes
//! to its own part of the same answer.
//!
//! Even: no two workers differ by more than one domain. Sticky: nothing moves for any other reason. Calm: a worker lets go
//! of a tenth of its domains at a time, of one at least, and only when all of them have an owner.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use crate::ports::{Gathering, Holding};

/// So many turns in a row a domain is left to those who have fewer; then whoever sees it takes it.
const TURNS_LEFT_TO_OTHERS: u32 = 3;

/// A worker lets go of such a part of its domains at a time: the others go on meanwhile.
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
    /// For how many turns each domain has been without an owner.
    pub ownerless: &'s BTreeMap<String, u32>,
}

/// Decides.
pub(super) fn moves(seen: &Seen<'_>) -> Moves {
    let Seen { gathering, quotas, domains, held, ownerless } = seen;
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
        let lot = held.len().saturating_sub(most).clamp(1, held.len().div_ceil(PART).max(1));
        let give = to.map(|to| best_for(to, held, lot)).unwrap_or_default();
        return Moves { take: Vec::new(), give, refused };
    }
    let has_fewest = fewest.is_none_or(|(_, count)| held.len() <= *count);
    let waits_long = |domain: &str| ownerless.get(domain).is_some_and(|turns| *turns >= TURNS_LEFT_TO_OTHERS);
    let is_overdue = |domain: &str| waits_long(domain) || is_left_over(domain);
    let mut take: Vec<&String> = free.into_iter().filter(|domain| has_fewest || is_overdue(domain)).collect();
    // Each begins with what it is the first choice for, so that those who look at one time seldom want the same.
    take.sort_by_cached_key(|domain| {
        let own = score(domain, &gathering.own);
        (counts.keys().filter(|id| score(domain, id) > own).count(), u64::MAX - own)
    });
    let overdue = take.iter().filter(|domain| is_overdue(domain)).count();
    take.truncate(most.saturating_sub(held.len()).max(overdue));
    Moves { take: take.into_iter().cloned().collect(), give: Vec::new(), refused }
}

/// The domains that a worker is the one for, so many of these.
fn best_for(replica: &str, domains: &BTreeSet<String>, count: usize) -> Vec<String> {
    let mut all: Vec<&String> = domains.iter().collect();
    all.sort_by_cached_key(|domain| u64::MAX - score(domain, replica));
    all.into_iter().take(count).cloned().collect()
}

/// How much a worker is the one for a domain.
fn score(domain: &str, replica: &str) -> u64 {
    let digest = Sha256::digest(format!("{replica}\n{domain}"));
    digest.first_chunk().map_or(0, |chunk| u64::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests;
