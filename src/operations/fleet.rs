//! Several workers on one ledger, as people are told of them: who is there, and which of the quota domains each works.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::time::Timestamp;
use crate::engine::fleet::silence;
use crate::engine::planner::Planner;
use crate::engine::ports::{Gathering, Holding, Replica};

/// What was seen of the workers of a ledger.
pub struct Workers {
    seen: Gathering,
    /// Domains of the settings and the ledger.
    domains: BTreeSet<String>,
    /// Until when nothing is sent because the newest calls may be missing.
    silent_until: Option<Timestamp>,
}

impl Workers {
    /// As a planner names the domains.
    pub fn of(seen: Gathering, planner: &Planner) -> Self {
        let domains = planner.domain_names(&seen.tenants);
        let until = seen.broken_at.map(|at| at + silence(planner, Duration::ZERO));
        Self { silent_until: until.filter(|until| seen.now < *until), seen, domains }
    }

    fn holdings(&self) -> impl Iterator<Item = (&str, Option<&Holding>)> {
        let by_name: BTreeMap<&str, &Holding> =
            self.seen.holdings.iter().map(|holding| (holding.domain.as_str(), holding)).collect();
        self.domains.iter().map(move |name| (name.as_str(), by_name.get(name.as_str()).copied()))
    }

    fn owner(holding: Option<&Holding>) -> Option<&str> {
        holding.filter(|holding| !holding.left.is_zero()).map(|holding| holding.owner.as_str())
    }

    fn owned_by(&self, replica: &Replica) -> usize {
        self.holdings().filter(|(_, holding)| Self::owner(*holding) == Some(replica.id.as_str())).count()
    }

    /// Domains that nobody works.
    pub fn ownerless(&self) -> Vec<&str> {
        self.holdings().filter(|(_, holding)| Self::owner(*holding).is_none()).map(|(name, _)| name).collect()
    }

    /// The names of the living workers, those together that go by the same quotas.
    fn by_quotas(&self) -> Vec<Vec<&str>> {
        let mut alike: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for replica in self.alive() {
            alike.entry(&replica.card.quotas).or_default().push(&replica.card.name);
        }
        let mut groups: Vec<_> = alike.into_values().collect();
        groups.sort_by_key(|names| std::cmp::Reverse(names.len()));
        groups
    }

    fn alive(&self) -> impl Iterator<Item = &Replica> {
        self.seen.replicas.iter().filter(|replica| replica.is_alive)
    }

    /// Whether any worker lives.
    pub fn are_any(&self) -> bool {
        self.alive().next().is_some()
    }

    /// The workers, for `--json`.
    pub fn replicas(&self) -> Value {
        let replicas = self.seen.replicas.iter().map(|replica| {
            let Replica { id, card, silent, is_alive } = replica;
            json!({
                "id": id, "name": card.name, "version": card.version, "egress": card.egress, "quotas": card.quotas,
                "started_at": card.started_at, "heartbeat_age_s": silent.as_secs_f64(), "alive": is_alive,
                "domains": self.owned_by(replica),
            })
        });
        Value::Array(replicas.collect())
    }

    /// The domains, for `--json`.
    pub fn domains(&self) -> Value {
        let domains = self.holdings().map(|(name, holding)| {
            let left = holding.map(|holding| holding.left).unwrap_or_default();
            json!({
                "domain": name, "owner": Self::owner(holding), "epoch": holding.map(|holding| holding.epoch),
                "lease_left_s": left.as_secs_f64(), "quotas": holding.map(|holding| holding.quotas.as_str()),
            })
        });
        Value::Array(domains.collect())
    }

    /// Lines for a terminal: the workers, then what is wrong.
    pub fn lines(&self) -> Vec<String> {
        let worker = |replica: &Replica| {
            let Replica { card, silent, is_alive, .. } = replica;
            let domains = self.owned_by(replica);
            let domains = if domains == 1 { "1 quota domain".to_owned() } else { format!("{domains} quota domains") };
            let heard = seconds(*silent);
            if *is_alive {
                format!("worker {}: version {}, {domains}, last heartbeat {heard} ago", card.name, card.version)
            } else {
                format!("worker {}: lost, last heartbeat {heard} ago", card.name)
            }
        };
        let mut lines: Vec<String> = self.seen.replicas.iter().map(worker).collect();
        if let Some(until) = self.silent_until {
            lines.push(format!(
                "the database's timeline changed (a standby was promoted, or a backup restored): its newest rows may be \
                 missing, so nothing is sent until about {until}"
            ));
        }
        let ownerless = self.ownerless();
        if self.are_any() && !ownerless.is_empty() {
            lines.push(format!("no worker has: {}; their jobs wait", ownerless.join(", ")));
        }
        // A name has a comma in it.
        let groups: Vec<_> = self.by_quotas().iter().map(|names| names.join("; ")).collect();
        if groups.len() > 1 {
            lines.push(format!(
                "the workers go by different quotas ({}): domains do not move between them until their settings are alike",
                groups.join(" | ")
            ));
        }
        lines
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::built_in;
    use paceline_ports::Card;
    use std::sync::Arc;

    #[test]
    fn who_is_lost_and_what_nobody_has_is_said() {
        let card = |name: &str, quotas: &str| Card {
            name: name.to_owned(),
            version: "1".to_owned(),
            quotas: quotas.to_owned(),
            ..Card::default()
        };
        let replica = |id: &str, quotas: &str, is_alive| Replica {
            id: id.to_owned(),
            card: card(id, quotas),
            silent: Duration::from_millis(1_500),
            is_alive,
        };
        let left = |domain: &str, seconds| Holding {
            domain: domain.to_owned(),
            owner: "a".to_owned(),
            epoch: 3,
            quotas: "q".to_owned(),
            left: Duration::from_secs(seconds),
        };
        let planner = Planner::new(Arc::new(built_in().unwrap()), BTreeMap::new(), 1.0);
        let seen = Gathering {
            replicas: vec![
                replica("a", "q", true),
                replica("b", "p", true),
                replica("c", "q", false),
                replica("d", "q", true),
            ],
            holdings: [left("x", 2), left("y", 0), left("gone", 0)].into(),
            ..Gathering::default()
        };
        let workers = Workers { domains: ["x", "y"].map(str::to_owned).into(), ..Workers::of(seen, &planner) };
        let lines = workers.lines();
        assert_eq!(lines[0], "worker a: version 1, 1 quota domain, last heartbeat 1.5 s ago");
        assert_eq!(lines[1], "worker b: version 1, 0 quota domains, last heartbeat 1.5 s ago");
        assert_eq!(lines[2], "worker c: lost, last heartbeat 1.5 s ago");
        assert_eq!(lines[3], "worker d: version 1, 0 quota domains, last heartbeat 1.5 s ago");
        assert_eq!(lines[4], "no worker has: y; their jobs wait");
        assert!(lines[5].starts_with("the workers go by different quotas (a; d | b): "), "{}", lines[5]);
        assert_eq!(workers.domains()[0]["owner"], "a");
        let broken = |seconds: i64| {
            let (now, broken_at) = (Timestamp(seconds * 1_000_000), Some(Timestamp(0)));
            Workers::of(Gathering { now, broken_at, ..Gathering::default() }, &planner).lines().join("\n")
        };
        assert!(broken(119).contains("nothing is sent until about 1970-01-01T00:02:00"), "{}", broken(119));
        assert_eq!(broken(120), "");
        assert!(workers.domains()[1]["owner"].is_null() && workers.domains().as_array().unwrap().len() == 2);
    }
}
