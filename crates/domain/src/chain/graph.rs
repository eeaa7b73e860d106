//! Who waits for whom among the jobs of a file: cycles, ids that are nowhere, and how deep a job stands in its chain.

use std::collections::{HashMap, HashSet};

/// Jobs by their ids, with the ids of those that each waits for.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    jobs: HashMap<String, Vec<String>>,
}

impl Graph {
    /// Adds a job.
    pub fn add(&mut self, id: &str, prerequisites: Vec<String>) {
        self.jobs.insert(id.to_owned(), prerequisites);
    }

    /// Whether nothing waits for anything.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The jobs that `id` waits for, as far as it was added.
    pub fn prerequisites(&self, id: &str) -> &[String] {
        self.jobs.get(id).map_or(&[], Vec::as_slice)
    }

    /// The way from `id` back to itself, beginning and ending with it; `None` if it waits for itself nowhere.
    pub fn cycle_of(&self, id: &str) -> Option<Vec<String>> {
        find_way(id, |id| self.prerequisites(id).to_vec())
    }

    /// How many jobs stand before each one on its longest way; those of a cycle are left out, and what waits for them.
    pub fn depths(&self) -> HashMap<&str, usize> {
        let mut depths: HashMap<&str, usize> = HashMap::new();
        let mut left: HashMap<&str, usize> = HashMap::new();
        let mut dependents: HashMap<&str, Vec<&str>> = HashMap::new();
        for (id, prerequisites) in &self.jobs {
            let known = prerequisites.iter().filter(|id| self.jobs.contains_key(*id));
            left.insert(id, known.clone().count());
            known.for_each(|known| dependents.entry(known).or_default().push(id));
        }
        let mut ready: Vec<&str> = left.iter().filter(|(_, left)| **left == 0).map(|(id, _)| *id).collect();
        depths.extend(ready.iter().map(|id| (*id, 0)));
        while let Some(id) = ready.pop() {
            let next = depths.get(id).copied().unwrap_or_default() + 1;
            for dependent in dependents.get(id).into_iter().flatten() {
                let depth = depths.entry(dependent).or_default();
                *depth = (*depth).max(next);
                if let Some(count) = left.get_mut(dependent) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(dependent);
                    }
                }
            }
        }
        depths.retain(|id, _| left.get(id) == Some(&0));
        depths
    }
}

/// The way along prerequisites from a job back to itself, beginning and ending with it.
pub fn find_way(start: &str, prerequisites: impl Fn(&str) -> Vec<String>) -> Option<Vec<String>> {
    let Ok(way) = try_find_way(start, |id| Ok::<_, std::convert::Infallible>(prerequisites(id)));
    way
}

/// Likewise, over jobs that are read as they are met.
///
/// # Errors
/// That of reading.
pub fn try_find_way<E>(
    start: &str,
    mut prerequisites: impl FnMut(&str) -> Result<Vec<String>, E>,
) -> Result<Option<Vec<String>>, E> {
    let mut came_from: HashMap<String, String> = HashMap::new();
    let mut seen = HashSet::from([start.to_owned()]);
    let mut left = vec![start.to_owned()];
    while let Some(id) = left.pop() {
        for next in prerequisites(&id)? {
            if next == start {
                let mut way = vec![id];
                while let Some(before) = way.last().and_then(|last| came_from.get(last)) {
                    way.push(before.clone());
                }
                way.reverse();
                way.push(next);
                return Ok(Some(way));
            }
            if seen.insert(next.clone()) {
                came_from.insert(next.clone(), id.clone());
                left.push(next);
            }
        }
    }
    Ok(None)
}
