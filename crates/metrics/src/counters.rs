//! Counters with labels: thousands of them where there are thousands of lanes, so each is kept as it is written.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::names::Described;
use super::text::{Text, labels};

/// A metric's counters by their labels, which stand there as they are rendered.
pub(super) struct Counters {
    of: Described,
    values: Mutex<BTreeMap<String, u64>>,
}

impl Counters {
    pub(super) const fn new(of: Described) -> Self {
        Self { of, values: Mutex::new(BTreeMap::new()) }
    }

    /// Counts; by 0, the counter is there from now on. The values of the labels are in the order of their description.
    pub(super) fn add(&self, values: &[&str], by: u64) {
        let labels = labels(self.of.labels, values);
        *self.values.lock().unwrap_or_else(PoisonError::into_inner).entry(labels).or_default() += by;
    }

    pub(super) fn write(&self, text: &mut Text) {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        text.metric(&self.of, values.iter().map(|(labels, value)| (labels, *value as f64)));
    }
}
