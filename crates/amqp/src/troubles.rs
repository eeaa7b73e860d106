//! What keeps results from where they belong: each cause is said once, and `status` has all of them.

use std::collections::BTreeMap;

use super::relay::State;

/// Whom a trouble concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concern {
    /// Everything.
    All,
    /// Nothing but a queue that somebody else has bound or named: our own queues get all.
    Others,
}

/// The troubles of now, by what they are with.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<String, (Concern, String)>);

impl Troubles {
    /// Notes one; says it if it is new, or another one with the same thing than before.
    pub(super) fn note(&mut self, with: &str, concern: Concern, why: &str) {
        let trouble = (concern, why.to_owned());
        if self.0.get(with) != Some(&trouble) {
            tracing::warn!("outbox: {with}: {why}; kept, and tried again until it works");
            self.0.insert(with.to_owned(), trouble);
        }
    }

    /// Something got through there.
    pub(super) fn end(&mut self, with: &str) {
        self.0.remove(with);
    }

    /// Only these are left.
    pub(super) fn retain(&mut self, stays: impl Fn(&str) -> bool) {
        self.0.retain(|with, _| stays(with));
    }

    /// What the relay does in spite of them, or not.
    pub(super) fn state(&self) -> State {
        let why = || self.0.iter().map(|(with, (_, why))| format!("{with}: {why}")).collect::<Vec<_>>().join("; ");
        match self.0.values().map(|(concern, _)| *concern).min() {
            None => State::Publishing,
            Some(Concern::Others) => State::Hindered { why: why() },
            Some(Concern::All) => State::Stalled { why: why() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_trouble_decides_and_all_are_told() {
        let mut troubles = Troubles::default();
        assert_eq!(troubles.state(), State::Publishing);
        troubles.note("exchange \"r\"", Concern::Others, "refused");
        assert_eq!(troubles.state(), State::Hindered { why: "exchange \"r\": refused".to_owned() });
        troubles.note("queue \"d\"", Concern::All, "full");
        let why = "exchange \"r\": refused; queue \"d\": full".to_owned();
        assert_eq!(troubles.state(), State::Stalled { why });
        troubles.end("queue \"d\"");
        troubles.end("exchange \"r\"");
        assert_eq!(troubles.state(), State::Publishing);
    }
}
