//! Jobs that wait for others, as a forecast takes them: put together where they are alike.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Group;
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;

/// Blocked jobs that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chained {
    /// They.
    pub group: Group,
    /// How many jobs stand before each on its longest way: from 1 on. `None`: it waits for what does not end by itself.
    pub link: Option<usize>,
    /// The lanes and batches of those that they wait for themselves.
    pub behind: BTreeSet<(LaneKey, Arc<str>)>,
}

/// One blocked job.
#[derive(Clone, Debug)]
pub struct Link {
    /// Alone in its group; its age names it.
    pub group: Group,
    /// What it waits for.
    pub before: Vec<Before>,
}

/// A job that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// It waits in its lane, or is in flight.
    Free(LaneKey, Arc<str>),
    /// It is blocked itself: its age.
    Blocked(i64, LaneKey, Arc<str>),
    /// It is not there, or only a person ends its waiting.
    Stuck,
}

/// What makes blocked jobs alike: lane, batch, priority, times, link, and what they are behind.
type Kind = (LaneKey, Arc<str>, u8, [Option<Timestamp>; 2], Option<usize>, BTreeSet<(LaneKey, Arc<str>)>);

/// Puts those together that are alike.
pub fn chained(links: Vec<Link>) -> Vec<Chained> {
    let depths = depths(&links);
    let mut found: BTreeMap<Kind, Group> = BTreeMap::new();
    for Link { group, before } in links {
        let link = depths.get(&group.ages.0).copied();
        let place = |before: Before| match before {
            Before::Free(lane, batch) | Before::Blocked(_, lane, batch) => Some((lane, batch)),
            Before::Stuck => None,
        };
        let behind: BTreeSet<_> = before.into_iter().filter_map(place).collect();
        let times = [group.not_before, group.not_after];
        let key = (group.lane.clone(), Arc::clone(&group.batch), group.priority, times, link, behind);
        let alike = found.entry(key).or_insert_with(|| Group { count: 0, ..group.clone() });
        alike.ages = (alike.ages.0.min(group.ages.0), alike.ages.1.max(group.ages.1));
        alike.count += group.count;
    }
    found.into_iter().map(|((.., link, behind), group)| Chained { group, link, behind }).collect()
}

/// How many stand before each, by age; without those that wait for what does not end by itself.
fn depths(links: &[Link]) -> HashMap<i64, usize> {
    let mut left: HashMap<i64, usize> = HashMap::new();
    let mut behind: HashMap<i64, Vec<i64>> = HashMap::new();
    for Link { group, before } in links {
        let blocked = before.iter().filter(|before| !matches!(before, Before::Free(..)));
        left.insert(group.ages.0, blocked.count());
        for other in before {
            if let Before::Blocked(age, ..) = other {
                behind.entry(*age).or_default().push(group.ages.0);
            }
        }
    }
    let mut ready: Vec<i64> = left.iter().filter(|(_, left)| **left == 0).map(|(age, _)| *age).collect();
    let mut depths: HashMap<i64, usize> = ready.iter().map(|age| (*age, 1)).collect();
    let mut done = BTreeSet::new();
    while let Some(age) = ready.pop() {
        done.insert(age);
        let next = depths.get(&age).copied().unwrap_or_default() + 1;
        for other in behind.get(&age).into_iter().flatten() {
            let depth = depths.entry(*other).or_default();
            *depth = (*depth).max(next);
            if let Some(left) = left.get_mut(other) {
                *left -= 1;
                if *left == 0 {
                    ready.push(*other);
                }
            }
        }
    }
    depths.retain(|age, _| done.contains(age));
    depths
}
