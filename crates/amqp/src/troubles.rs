//! What keeps results from where they belong: each cause is said once, and `status` has all of them.

use paceline_domain::messages::{BrokerFault, BrokerPart, RelayState};

/// Whom a trouble concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concern {
    /// Everything.
    All,
    /// Nothing but a queue that somebody else has bound or named: our own queues get all.
    Others,
}

/// The troubles of now, each with the part that it is with.
#[derive(Debug, Default)]
pub(super) struct Troubles(Vec<(BrokerPart, Concern, BrokerFault)>);

impl Troubles {
    /// Notes one; says it if it is new, or another one with the same part than before.
    pub(super) fn note(&mut self, with: &BrokerPart, concern: Concern, fault: BrokerFault) {
        let trouble = (with.clone(), concern, fault);
        if self.0.contains(&trouble) {
            return;
        }
        tracing::warn!("outbox: {with}: {}; kept, and tried again until it works", trouble.2);
        match self.0.iter_mut().find(|(part, ..)| part == with) {
            Some(known) => *known = trouble,
            None => self.0.push(trouble),
        }
    }

    /// Something got through there.
    pub(super) fn end(&mut self, with: &BrokerPart) {
        self.retain(|part| part != with);
    }

    /// Only these are left.
    pub(super) fn retain(&mut self, stays: impl Fn(&BrokerPart) -> bool) {
        self.0.retain(|(part, ..)| stays(part));
    }

    /// What the relay does in spite of them, or not.
    pub(super) fn state(&self) -> RelayState {
        let faults = || self.0.iter().map(|(part, _, fault)| fault.clone().of(part.clone())).collect();
        match self.0.iter().map(|(_, concern, _)| *concern).min() {
            None => RelayState::RelayPublishing,
            Some(Concern::Others) => RelayState::RelayHindered { faults: faults() },
            Some(Concern::All) => RelayState::RelayStalled { faults: faults() },
        }
    }
}

#[cfg(test)]
mod tests {
    use paceline_domain::messages::BrokerCause;

    use super::*;

    #[test]
    fn the_worst_trouble_decides_and_all_are_told() {
        let mut troubles = Troubles::default();
        assert_eq!(troubles.state(), RelayState::RelayPublishing);
        let exchange = BrokerPart::Exchange { name: "r".to_owned() };
        let queue = BrokerPart::Queue { name: "d".to_owned() };
        troubles.note(&exchange, Concern::Others, BrokerFault::new(BrokerCause::BoundQueueFull, None));
        let refused = "exchange \"r\": it refuses results because it is full";
        assert_eq!(troubles.state().to_string(), format!("publishing, except to {refused}"));
        troubles.note(&queue, Concern::All, BrokerFault::new(BrokerCause::QueueFull, None));
        let full = "queue \"d\": RabbitMQ refuses it: the queue is full";
        assert_eq!(troubles.state().to_string(), format!("stalled: {refused}; {full}"));
        troubles.end(&queue);
        troubles.end(&exchange);
        assert_eq!(troubles.state(), RelayState::RelayPublishing);
    }
}
