//! What one seed in many would meet, written down.

use std::sync::Arc;
use std::time::Duration;

use paceline::domain::catalog::QuotaScope;

use super::{Event, Faults, Harm, Script, play};
use crate::simulation::plan::{MEETING, Plan, ROOM, T0};

fn at(seconds: u64, worker: usize, harm: Harm) -> Event {
    Event { at: T0 + Duration::from_secs(seconds), worker, harm }
}

fn holds(plan: &Plan, workers: usize, events: Vec<Event>) {
    let faults = play(plan, 1, &Script { workers, events }, Faults::default());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Two workers; the first one has the only domain until it stands still past its lease. Meanwhile the second one spends the
/// window, and dies soon after.
#[test]
fn what_others_called_while_a_domain_was_lost_counts_when_it_comes_back() {
    let plan = Plan::plain(ROOM, &["acme"], 50, T0 + Duration::from_secs(2));
    let pause = Harm::Pause(Duration::from_secs(15));
    holds(&plan, 2, vec![at(1, 0, pause), at(17, 1, Harm::Kill(Duration::from_secs(100)))]);
}

/// The first worker has the domain, and its heartbeats do not come through while permits return: the second one takes the
/// domain over meanwhile.
fn unheard(since: u64, faults: Faults) -> Vec<String> {
    let mut plan = Plan::plain(ROOM, &["acme"], 60, T0 + Duration::from_secs(2));
    // Jobs that are lost on the way stand still for ever.
    plan.bound = T0;
    let silence = Harm::Silence(Duration::from_secs(40), false);
    play(&plan, 1, &Script { workers: 2, events: vec![at(since, 0, silence)] }, faults)
}

/// That a simulation finds nothing says something only if it finds what is there. Either of the two is enough here: what
/// may not be recorded is not sent, and what may not be sent is not recorded.
#[test]
fn a_fence_that_is_left_out_is_noticed() {
    let found = |since, no_fence, no_leave_by| unheard(since, Faults { no_fence, no_leave_by, ..Faults::default() });
    for (no_fence, no_leave_by) in [(false, false), (true, false), (false, true)] {
        let faults = found(30, no_fence, no_leave_by);
        assert!(faults.is_empty(), "{no_fence} {no_leave_by}: {}", faults.join("\n"));
    }
    // The ledger's threads run by real time: which calls are under way when the domain changes hands is not the same twice.
    let seconds = [30, 48, 36, 52, 40, 44, 33, 50, 38, 46];
    assert!(seconds.into_iter().any(|since| !found(since, true, true).is_empty()), "nothing was noticed");
}

/// The clocks of two machines are set, by a minute for example, and then the first one dies: the second one takes over what
/// the first has just spent.
fn set_clocks(seconds: i64, who: &[usize], faults: Faults) -> Vec<String> {
    let plan = Plan::plain(ROOM, &["acme"], 60, T0 + Duration::from_secs(2));
    let mut events: Vec<_> = who.iter().map(|worker| at(15, *worker, Harm::Step(seconds))).collect();
    events.push(at(20, 0, Harm::Kill(Duration::from_secs(100))));
    play(&plan, 1, &Script { workers: 2, events }, faults)
}

#[test]
fn a_machine_whose_clock_was_set_counts_what_others_called() {
    for seconds in [60, -60, 3_600] {
        for who in [&[0, 1][..], &[0], &[1]] {
            let faults = set_clocks(seconds, who, Faults::default());
            assert!(faults.is_empty(), "{seconds} {who:?}: {}", faults.join("\n"));
        }
    }
    let own_clock = Faults { own_clock: true, ..Faults::default() };
    // As above, not the same twice.
    let is_noticed = (50..60).any(|seconds| !set_clocks(seconds, &[1], own_clock).is_empty());
    assert!(is_noticed, "that it goes by its own clock was not noticed");
}

#[test]
fn after_a_failover_nothing_is_sent_for_a_window_and_then_everything() {
    let plan = Plan::plain(ROOM, &["acme"], 60, T0 + Duration::from_secs(2));
    holds(&plan, 2, vec![at(30, 0, Harm::Failover)]);
    holds(&plan, 2, vec![at(30, 0, Harm::Failover), at(35, 1, Harm::Kill(Duration::from_secs(30)))]);
}

/// Meetings of two corps, which are two domains, and so few permits by address that they decide.
fn meetings() -> Plan {
    let mut plan = Plan::plain(MEETING, &["campus", "clinic"], 60, T0 + Duration::from_secs(15));
    let method = Arc::make_mut(Arc::get_mut(&mut plan.catalog).unwrap().methods.get_mut(MEETING).unwrap());
    for quota in method.quotas.iter_mut().filter(|quota| quota.scope == QuotaScope::Host) {
        quota.quota = "12/min".parse().unwrap();
    }
    plan
}

#[test]
fn workers_behind_one_address_share_what_it_allows() {
    holds(&meetings(), 2, Vec::new());
    holds(&meetings(), 3, Vec::new());
}

#[test]
fn a_worker_that_comes_counts_what_the_others_have_sent_from_the_address() {
    holds(&meetings(), 2, vec![at(0, 1, Harm::Kill(Duration::from_secs(18)))]);
    holds(&meetings(), 2, vec![at(0, 1, Harm::Kill(Duration::from_secs(40)))]);
}

#[test]
fn what_a_worker_that_goes_has_sent_from_the_address_counts_on() {
    holds(&meetings(), 2, vec![at(17, 1, Harm::Kill(Duration::from_secs(600)))]);
    holds(&meetings(), 2, vec![at(17, 0, Harm::Pause(Duration::from_secs(20)))]);
    holds(&meetings(), 2, vec![at(17, 0, Harm::Pause(Duration::from_secs(200)))]);
}
