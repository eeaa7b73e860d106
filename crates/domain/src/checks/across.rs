//! What only several rows show: two that look the same, two meetings at one time, more than an identity may have.
//!
//! It keeps a fingerprint and a few numbers a row, whatever the size of the file.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

use serde_json::Value;

use super::alike::alike;
use super::rules::{applies, time};
use super::{Check, Finding, Severity};
use crate::catalog::{Catalog, Method, Rule, RuleKind, Schema, shown};
use crate::identity::{self, ObjectHash};
use crate::job::{Identity, Job, LaneKey};

/// What was seen of the rows so far.
#[derive(Debug, Default)]
pub struct Across {
    busy: Busy,
    looks: Looks,
    totals: HashMap<(LaneKey, Identity, usize), Total>,
}

/// When somebody has something, and on which line it stands: spans that do not overlap, of one file.
#[derive(Debug, Default)]
struct Busy(BTreeMap<(u128, i64), (i64, u64)>);

/// The first row of each look, and what exactly it wants: rows of one file.
#[derive(Debug, Default)]
struct Looks(HashMap<u128, (ObjectHash, u64)>);

/// How many jobs an identity has, and where the first stands that is too many.
#[derive(Debug)]
struct Total {
    count: u64,
    /// Of these, those of the ledger.
    earlier: u64,
    first: Option<(String, u64)>,
}

/// What the ledger says of a job of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// Whether the job is there already.
    pub is_known: bool,
    /// How many jobs of its lane and identity there are that have or may get their object.
    pub jobs: u64,
}

impl Across {
    /// Forgets the rows of a file; totals go on.
    pub fn end_file(&mut self) {
        self.busy.0.clear();
        self.looks.0.clear();
    }

    /// Compares what a row of a table creates with what those before it do: what differs by signs that people overlook is
    /// meant to be the same. Rows that want exactly the same are told elsewhere.
    pub fn add_look(&mut self, method: &Method, job: &Job, line: u64) -> Option<Finding> {
        let object = job.object?;
        let look = alike(&identity::key(method, &job.params)).to_string();
        let print = fingerprint(&(&job.lane, job.identity.to_string(), look));
        let (first, earlier) = *self.looks.0.entry(print).or_insert((object, line));
        (first != object).then(|| Finding::new(Severity::Warning, "", Check::Alike { line: earlier }))
    }

    /// Compares a row with those before it in `file`.
    pub fn add(&mut self, method: &Method, job: &Job, line: u64) -> Vec<Finding> {
        let mut found = Vec::new();
        for rule in method.checks.iter().filter(|rule| applies(method, rule, &job.params)) {
            if let RuleKind::Overlap { length, by } = &rule.kind {
                found.extend(self.busy.overlap(method, rule, (length, by), job, line));
            }
        }
        found
    }

    /// Counts a row where its method has a total.
    ///
    /// # Errors
    /// Those of `earlier`, which is asked for such methods alone.
    pub fn count<E>(
        &mut self,
        method: &Method,
        job: &Job,
        (file, line): (&str, u64),
        earlier: impl Fn() -> Result<Earlier, E>,
    ) -> Result<(), E> {
        for (index, rule) in method.checks.iter().enumerate() {
            let RuleKind::Total { max } = rule.kind else { continue };
            let earlier = earlier()?;
            let new = || Total { count: earlier.jobs, earlier: earlier.jobs, first: None };
            let total = self.totals.entry((job.lane.clone(), job.identity.clone(), index)).or_insert_with(new);
            if earlier.is_known {
                continue;
            }
            total.count += 1;
            if total.count > max && total.first.is_none() {
                total.first = Some((file.to_owned(), line));
            }
        }
        Ok(())
    }

    /// Totals that are too high, each at the file and line of the first row that is too many.
    pub fn end(self, catalog: &Catalog) -> Vec<(String, u64, Finding)> {
        let mut found: Vec<_> = self
            .totals
            .into_iter()
            .filter_map(|((lane, _, index), total)| {
                let (file, line) = total.first?;
                let message = catalog.job_method(&lane.method)?.checks.get(index)?.words();
                let got = match total.earlier {
                    0 => total.count.to_string(),
                    earlier => format!("{}, {earlier} of them in the ledger", total.count),
                };
                let check = Check::Rule { message, got };
                Some((file, line, Finding::new(Severity::Warning, "", check)))
            })
            .collect();
        found.sort_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)));
        found
    }
}

impl Busy {
    /// Notes a row's time, and finds an earlier row that takes place at the same time.
    fn overlap(
        &mut self,
        method: &Method,
        rule: &Rule,
        (length, by): (&str, &[String]),
        job: &Job,
        line: u64,
    ) -> Option<Finding> {
        let field = rule.fields.first()?;
        let start = job.params.get(field).and_then(time)?;
        let end = start.saturating_add(job.params.get(length).and_then(time)?);
        let owner: Vec<_> = by.iter().map(|name| job.params.get(name).map(Value::to_string)).collect();
        let print = fingerprint(&(&job.lane.app, &job.lane.tenant, owner));
        let earlier = self.insert(print, start, end, line)?;
        let is_shown = |name: &&String| !method.param(name).is_some_and(Schema::holds_secrets);
        let whose = by.iter().filter(is_shown).filter_map(|name| job.params.get(name)).map(shown);
        let got = format!("{} in line {earlier}", whose.collect::<Vec<_>>().join(", "));
        Some(Finding::new(rule.severity, field, Check::Rule { message: rule.words(), got }))
    }

    /// Fills the gaps of a span, and gives the line that has another part of it.
    fn insert(&mut self, owner: u128, mut start: i64, end: i64, line: u64) -> Option<u64> {
        let before = self.0.range(..=(owner, start)).next_back();
        let mut other = None;
        if let Some(((of, _), (until, earlier))) = before
            && *of == owner
            && *until > start
        {
            other = Some(*earlier);
            start = *until;
        }
        while start < end {
            let next = self.0.range((owner, start)..(owner, end)).next().map(|((_, at), span)| (*at, *span));
            let gap_end = next.map_or(end, |(at, _)| at);
            if gap_end > start {
                self.0.insert((owner, start), (gap_end, line));
            }
            let Some((_, (until, earlier))) = next else { break };
            other = other.or(Some(earlier));
            start = until;
        }
        other
    }
}

/// 128 bits: those of different rows never meet by chance.
fn fingerprint(value: &impl Hash) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, value).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a list of all spans.
        #[test]
        fn every_overlap_is_found(spans in proptest::collection::vec((0..2_u128, 0..50_i64, 1..20_i64), 1..40)) {
            let mut busy = Busy::default();
            for (line, (owner, start, length)) in spans.iter().enumerate() {
                let meets = |(of, at, long): &(u128, i64, i64)| {
                    of == owner && *at < start + length && *start < at + long
                };
                let earlier = busy.insert(*owner, *start, start + length, line as u64);
                prop_assert_eq!(earlier.is_some(), spans[..line].iter().any(meets));
                if let Some(earlier) = earlier {
                    prop_assert!(meets(&spans[earlier as usize]));
                }
            }
        }
    }
}
