//! Several workers on one ledger: who is there, and how quota domains change hands.

use std::sync::Arc;

use super::owners::Processes;
use super::{take as take_over, *};
use paceline_ports::{Card, Fleet, Holding, LedgerError, QuotaDomain, Store};

const OTHER_APP: &str = "campus";

fn domain_of(app: &str) -> QuotaDomain {
    QuotaDomain::of(format!("family/{app}"), vec![(app.to_owned(), None)])
}

fn lane_of(app: &str) -> Arc<LaneKey> {
    Arc::new(LaneKey { app: app.to_owned(), ..lane() })
}

fn card(name: &str) -> Card {
    Card { name: name.to_owned(), version: "1".to_owned(), quotas: "q1".to_owned(), ..Card::default() }
}

async fn take(fleet: &dyn Fleet, app: &str) -> bool {
    let (taken, _) = fleet.take(vec![domain_of(app)]).await.unwrap();
    fleet.open(&[domain_of(app).name().to_owned()], true);
    !taken.is_empty()
}

async fn holding(fleet: &dyn Fleet, app: &str) -> Holding {
    let gathering = fleet.gathering().await.unwrap();
    gathering.holdings.iter().find(|holding| holding.domain == domain_of(app).name()).unwrap().clone()
}

pub async fn workers_know_of_each_other(all: Processes<'_, impl Store>) {
    let (one, other) = (all.one.fleet().unwrap(), all.other.fleet().unwrap());
    one.join(card("one")).await.unwrap();
    other.join(card("other")).await.unwrap();
    let seen = one.gathering().await.unwrap();
    let mut names: Vec<_> = seen.replicas.iter().map(|replica| replica.card.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["one", "other"]);
    let own = seen.replicas.iter().find(|replica| replica.id == seen.own).unwrap();
    assert!(own.is_alive && own.card.name == "one");
    assert!(seen.replicas[0].id != seen.replicas[1].id);
    other.join(Card { quotas: "q2".to_owned(), ..card("other") }).await.unwrap();
    let quotas = one.gathering().await.unwrap().replicas;
    assert!(quotas.iter().any(|replica| replica.card.quotas == "q2") && quotas.len() == 2);
    other.leave().await.unwrap();
    assert_eq!(one.gathering().await.unwrap().replicas.len(), 1);
}

pub async fn a_domain_is_taken_by_one_worker_and_changes_hands(all: Processes<'_, impl Store>) {
    let (one, other) = (all.one.fleet().unwrap(), all.other.fleet().unwrap());
    one.join(card("one")).await.unwrap();
    assert!(take(&*one, "acme").await);
    assert!(!take(&*other, "acme").await && take(&*other, OTHER_APP).await);
    let first = holding(&*one, "acme").await;
    assert_eq!((first.quotas.as_str(), first.owner), ("q1", one.gathering().await.unwrap().own));
    assert!(!first.left.is_zero());
    let held = one.held();
    assert!(held.covers(&lane_of("acme")) && !held.covers(&lane_of(OTHER_APP)));
    assert_eq!(held.epoch_of(&lane_of("acme")), Some(first.epoch));
    assert_eq!(held.epoch_of(&lane_of(OTHER_APP)), None);

    let acme = [domain_of("acme").name().to_owned()];
    assert_eq!(one.give_up(&acme).await.unwrap(), acme);
    assert!(!held.covers(&lane_of("acme")) && held.epoch_of(&lane_of("acme")).is_none());
    assert!(holding(&*one, "acme").await.left.is_zero());
    assert!(take(&*other, "acme").await);
    assert!(one.give_up(&acme).await.unwrap().is_empty(), "another one has taken it over");
    assert!(holding(&*other, "acme").await.epoch > first.epoch, "the epoch never goes back");
    assert!(other.held().covers(&lane_of("acme")) && other.held().covers(&lane_of(OTHER_APP)));
}

pub async fn who_has_a_part_changes_nothing_of_the_others(all: Processes<'_, impl Store>) {
    let (one, other) = (all.one.fleet().unwrap(), all.other.fleet().unwrap());
    assert!(take(&*one, "acme").await && take(&*other, OTHER_APP).await);
    let seq = queue(all.one, from_amqp(job("a"))).await.seq;
    let is_not_owner = |done: Result<(), LedgerError>| matches!(done, Err(LedgerError::NotOwner(_)));
    let start = |at| AttemptStart { lane: lane_of("acme"), ..start(Purpose::Job(seq), at) };
    assert!(is_not_owner(other.held().begin_attempt(start(1)).await.map(drop)));
    assert!(is_not_owner(other.held().settle(seq, death(Reason::Expired), at(1)).await.map(drop)));
    let (open, _) = one.held().begin_attempt(start(2)).await.unwrap();
    assert!(is_not_owner(other.held().end_attempt(ended(open, 3, Some((seq, success("k")))).into()).await.map(drop)));
    one.held().end_attempt(ended(open, 3, Some((seq, success("k")))).into()).await.unwrap();
    assert_eq!(counts(all.one).await.succeeded, 1);
}

pub async fn jobs_are_told_to_the_worker_that_has_their_domain(all: Processes<'_, impl Store>) {
    let (one, other) = (all.one.fleet().unwrap(), all.other.fleet().unwrap());
    assert!(take(&*one, "acme").await);
    let own = queue(all.one, from_amqp(job("own"))).await.seq;
    let others = queue(all.other, from_amqp(job("others"))).await.seq;
    let told = one.held().changed().await.unwrap().waiting;
    assert_eq!(told.iter().map(|job| job.seq).collect::<Vec<_>>(), [others], "its own are in its lanes already");
    assert!(other.held().changed().await.unwrap().waiting.is_empty());
    one.open(&[domain_of("acme").name().to_owned()], false);
    queue(all.one, from_amqp(job("late"))).await;
    assert!(one.held().changed().await.unwrap().waiting.is_empty(), "the next owner's");
    one.give_up(&[domain_of("acme").name().to_owned()]).await.unwrap();
    let (_, part) = other.take(vec![domain_of("acme")]).await.unwrap();
    assert_eq!(all_waiting(&*part).await.len(), 3);
    assert_eq!(all_waiting(&*part).await[0].seq, own);
}

pub async fn jobs_of_others_that_wait_for_names_hide_none_of_ones_own(all: Processes<'_, impl Store>) {
    let (one, other) = (all.one.fleet().unwrap(), all.other.fleet().unwrap());
    assert!(take(&*one, "acme").await && take(&*other, OTHER_APP).await);
    for (id, app) in [("a", "acme"), ("b", "acme"), ("c", OTHER_APP), ("d", "acme"), ("e", OTHER_APP)] {
        let mut named = Job { lane: LaneKey { app: app.to_owned(), ..lane() }, ..job(id) };
        named.params.body.insert("room_level_id".into(), json!({"$find": "总部"}));
        assert_eq!(take_over(all.one, from_amqp(named)).await, TakenOver::Blocked);
    }
    let found = other.held().nameless(JobSeq(0), 1).await.unwrap();
    assert_eq!(found.iter().map(|(_, job)| job.id.as_str()).collect::<Vec<_>>(), ["c"]);
    let found = one.held().nameless(JobSeq(0), 2).await.unwrap();
    assert_eq!(found.iter().map(|(_, job)| job.id.as_str()).collect::<Vec<_>>(), ["a", "b"], "no more than that");
    assert_eq!(other.held().nameless(JobSeq(0), 10).await.unwrap().len(), 2);
}

pub async fn every_worker_reads_what_all_of_them_called(all: Processes<'_, impl Store>) {
    let (one, other) = (all.one.fleet().unwrap(), all.other.fleet().unwrap());
    assert!(take(&*one, "acme").await && take(&*other, OTHER_APP).await);
    one.held().begin_attempt(start(Purpose::Token, 95)).await.unwrap();
    let of_other = AttemptStart { lane: lane_of(OTHER_APP), ..start(Purpose::Token, 100) };
    other.held().begin_attempt(of_other).await.unwrap();
    for fleet in [&one, &other] {
        let since = async |seconds: i64| -> Vec<String> {
            let calls = fleet.past_calls(at(seconds)).await.unwrap();
            calls.iter().map(|call| call.lane.app.clone()).collect()
        };
        assert_eq!(since(125).await, ["acme", OTHER_APP]);
        assert_eq!(since(126).await, [OTHER_APP], "what cannot be counted any more is left out");
    }
}

pub async fn everything_and_a_part_have_no_two_owners(all: Processes<'_, impl Store>) {
    let (one, other) = (all.one.fleet().unwrap(), all.other.fleet().unwrap());
    assert!(take(&*one, "acme").await);
    assert!(matches!(all.other.acquire_all().await, Err(LedgerError::NotOwner(_))));
    one.give_up(&[domain_of("acme").name().to_owned()]).await.unwrap();
    all.other.acquire_all().await.unwrap();
    assert!(!take(&*one, "acme").await && take(&*other, OTHER_APP).await);
}
