//! What one seed in many would meet, written down.

use std::time::Duration;

use super::{Event, Faults, Harm, LEASE, Script, play};
use crate::simulation::plan::{Plan, ROOM, T0};

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
fn unheard(faults: Faults) -> Vec<String> {
    let mut plan = Plan::plain(ROOM, &["acme"], 50, T0 + Duration::from_secs(2));
    // Jobs that are lost on the way stand still for ever.
    plan.bound = T0 - LEASE * 50;
    let silence = Harm::Silence(Duration::from_secs(20), false);
    play(&plan, 1, &Script { workers: 2, events: vec![at(48, 0, silence)] }, faults)
}

/// That a simulation finds nothing says something only if it finds what is there. Either of the two is enough here: what
/// may not be recorded is not sent, and what may not be sent is not recorded.
#[test]
fn a_fence_that_is_left_out_is_noticed() {
    let found = |no_fence, no_leave_by| unheard(Faults { no_fence, no_leave_by });
    for (no_fence, no_leave_by) in [(false, false), (true, false), (false, true)] {
        let faults = found(no_fence, no_leave_by);
        assert!(faults.is_empty(), "{no_fence} {no_leave_by}: {}", faults.join("\n"));
    }
    let faults = found(true, true);
    assert!(!faults.is_empty());
}
