use std::time::Duration;

use super::*;
use crate::ports::{Card, Replica};
use proptest::prelude::*;

/// Workers that take turns, each with what it sees.
struct Model {
    domains: BTreeSet<String>,
    replicas: Vec<Replica>,
    holdings: BTreeMap<String, Holding>,
    /// Domains that have jobs.
    busy: BTreeSet<String>,
    ownerless: BTreeMap<String, BTreeMap<String, u32>>,
}

impl Model {
    fn new(domains: usize, replicas: usize) -> Self {
        let domains: BTreeSet<_> = (0..domains).map(|n| format!("d{n}")).collect();
        let (replicas_of_none, busy) = (Vec::new(), domains.clone());
        let mut model =
            Self { domains, replicas: replicas_of_none, holdings: BTreeMap::new(), busy, ownerless: BTreeMap::new() };
        (0..replicas).for_each(|n| model.join(&format!("r{n}"), "q"));
        model
    }

    fn join(&mut self, id: &str, quotas: &str) {
        let card = Card { quotas: quotas.to_owned(), ..Card::default() };
        self.replicas.push(Replica { id: id.to_owned(), card, is_alive: true, ..Replica::default() });
    }

    fn die(&mut self, id: &str) {
        self.replicas.retain(|replica| replica.id != id);
        self.holdings
            .values_mut()
            .filter(|holding| holding.owner == id)
            .for_each(|holding| holding.left = Duration::ZERO);
    }

    fn of(&self, id: &str) -> BTreeSet<String> {
        let owned = self.holdings.values().filter(|holding| holding.owner == id && !holding.left.is_zero());
        owned.map(|holding| holding.domain.clone()).collect()
    }

    /// A turn of each worker; says how many domains moved.
    fn turn(&mut self) -> usize {
        let mut moved = 0;
        for replica in self.replicas.clone() {
            let id = replica.id.as_str();
            let held = self.of(id);
            let ownerless = self.ownerless.entry(id.to_owned()).or_default();
            let free = |domain: &&String| self.holdings.get(*domain).is_none_or(|holding| holding.left.is_zero());
            *ownerless = self
                .domains
                .iter()
                .filter(free)
                .map(|domain| (domain.clone(), ownerless.get(domain).map_or(0, |turns| turns + 1)))
                .collect();
            let gathering = Gathering {
                own: id.to_owned(),
                replicas: self.replicas.clone(),
                holdings: self.holdings.values().cloned().collect(),
                ..Gathering::default()
            };
            let quotas = replica.card.quotas.as_str();
            let (domains, busy, ownerless) = (&self.domains, &self.busy, &self.ownerless[id]);
            let decided = moves(&Seen { gathering: &gathering, quotas, domains, held: &held, busy, ownerless });
            for domain in decided.take {
                let holding =
                    self.holdings.entry(domain.clone()).or_insert_with(|| Holding { domain, ..Holding::default() });
                assert!(holding.left.is_zero(), "nobody takes what another one has");
                *holding = Holding {
                    owner: id.to_owned(),
                    quotas: quotas.to_owned(),
                    left: Duration::from_secs(6),
                    ..holding.clone()
                };
                moved += 1;
            }
            for given in decided.give {
                let holding = self.holdings.get_mut(&given).unwrap();
                assert_eq!(holding.owner, id);
                holding.left = Duration::ZERO;
                moved += 1;
            }
        }
        moved
    }

    fn settle(&mut self) -> usize {
        (0..500).find(|_| self.turn() == 0).expect("domains go on moving")
    }

    fn counts(&self) -> Vec<usize> {
        self.replicas.iter().map(|replica| self.of(&replica.id).len()).collect()
    }
}

#[test]
fn one_worker_takes_everything_and_shares_it_with_the_next() {
    let mut model = Model::new(5, 1);
    model.turn();
    assert_eq!(model.counts(), [5]);
    model.join("late", "q");
    assert_eq!(model.turn(), 2, "one is let go of, and taken");
    model.settle();
    assert_eq!(model.counts(), [3, 2]);
    assert_eq!(model.turn(), 0, "and stays");
}

#[test]
fn of_many_a_tenth_moves_at_a_time() {
    let mut model = Model::new(100, 1);
    model.turn();
    model.join("late", "q");
    assert_eq!(model.turn(), 20, "ten are let go of, and taken");
    assert_eq!(model.turn(), 18, "nine of ninety");
    model.settle();
    assert_eq!(model.counts(), [50, 50]);
}

#[test]
fn what_has_no_jobs_moves_at_once() {
    let mut model = Model::new(100, 1);
    model.turn();
    model.busy = model.domains.iter().take(30).cloned().collect();
    model.join("second", "q");
    model.join("third", "q");
    assert_eq!(model.turn(), 66 + 66, "all are let go of, and taken");
    assert!(model.busy.is_subset(&model.of("r0")), "but for those that have jobs");
    model.settle();
    let mut counts = model.counts();
    counts.sort_unstable();
    assert_eq!(counts, [33, 33, 34]);
}

#[test]
fn who_has_other_quotas_takes_nothing_until_nobody_else_can() {
    let mut model = Model::new(4, 1);
    model.settle();
    model.join("other", "p");
    model.settle();
    assert_eq!(model.counts(), [4, 0]);
    model.join("same", "q");
    model.settle();
    assert_eq!(model.counts(), [2, 0, 2]);
    model.die("r0");
    model.settle();
    assert_eq!(model.counts(), [0, 4]);
    model.die("same");
    model.settle();
    assert_eq!(model.counts(), [4]);
}

#[test]
fn what_the_store_says_is_ours_and_we_do_not_have_is_taken_again() {
    let mut model = Model::new(4, 2);
    model.settle();
    let held = model.of("r0");
    let forgotten = held.first().unwrap().clone();
    let domains = model.domains.clone();
    let gathering = Gathering {
        own: "r0".to_owned(),
        replicas: model.replicas.clone(),
        holdings: model.holdings.values().cloned().collect(),
        ..Gathering::default()
    };
    let held = held.into_iter().filter(|domain| *domain != forgotten).collect();
    let seen = Seen {
        gathering: &gathering,
        quotas: "q",
        domains: &domains,
        held: &held,
        busy: &held,
        ownerless: &BTreeMap::new(),
    };
    assert_eq!(moves(&seen), Moves { take: vec![forgotten], ..Moves::default() });
}

#[test]
fn who_may_not_take_a_domain_says_so() {
    let (domains, none) = ([String::from("d")].into(), BTreeSet::new());
    let replica = |id: &str, quotas: &str| Replica {
        id: id.to_owned(),
        card: Card { quotas: quotas.to_owned(), ..Card::default() },
        is_alive: true,
        ..Replica::default()
    };
    let free = Holding { domain: "d".to_owned(), quotas: "q".to_owned(), ..Holding::default() };
    let gathering = Gathering {
        own: "a".to_owned(),
        replicas: vec![replica("a", "p"), replica("b", "q")],
        holdings: [free].into(),
        ..Gathering::default()
    };
    let seen = Seen {
        gathering: &gathering,
        quotas: "p",
        domains: &domains,
        held: &none,
        busy: &none,
        ownerless: &BTreeMap::new(),
    };
    assert_eq!(moves(&seen), Moves { refused: vec!["d".to_owned()], ..Moves::default() });
}

proptest! {
    #[test]
    fn whoever_comes_and_goes_every_domain_has_an_owner_and_none_has_two_more_than_another(
        domains in 0_usize..40,
        first in 1_usize..6,
        events in prop::collection::vec((any::<bool>(), 0_usize..6, 0_usize..4), 0..12),
    ) {
        let mut model = Model::new(domains, first);
        for (n, (joins, who, turns)) in events.into_iter().enumerate() {
            if joins {
                model.join(&format!("e{n}"), "q");
            } else if model.replicas.len() > 1 {
                let id = model.replicas[who % model.replicas.len()].id.clone();
                model.die(&id);
            }
            for _ in 0..turns {
                model.turn();
            }
        }
        model.settle();
        let counts = model.counts();
        prop_assert_eq!(counts.iter().sum::<usize>(), domains);
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{:?}", counts);
    }
}
