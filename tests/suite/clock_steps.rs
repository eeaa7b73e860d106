//! The machine's clock set by hours, forward and back, while the worker runs and between two lives of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use paceline::clock::Clock;
use serde_json::{Value, json};

use crate::engine::{CALM, T0, World, assert_no_breach, room};

const HOUR_US: i64 = 3_600_000_000;

fn rooms(numbers: std::ops::Range<usize>) -> Vec<Value> {
    numbers.map(room).collect()
}

#[tokio::test(start_paused = true)]
async fn windows_stay_exact_whatever_the_clock_is_set_to() {
    let mut world = World::new(CALM);
    let (clock, system) = Clock::steppable(T0);
    world.clock = clock;
    let steps = tokio::spawn(async move {
        for (wait_s, hours) in [(20, 3), (10, -5), (15, 9), (25, -2), (30, 1)] {
            tokio::time::sleep(Duration::from_secs(wait_s)).await;
            system.store(T0.0 + hours * HOUR_US, Ordering::Relaxed);
        }
    });
    let (took, counts) = world.work(&rooms(0..60)).await;
    assert_eq!(counts.succeeded, 60, "{counts:?}");
    assert_no_breach(&world.stats());
    assert!(took <= 120.0 * 1.02, "{took} s");
    steps.await.unwrap();
}

/// What waits for an instant of the calendar is due when the clock says so, not when it would have said so.
#[tokio::test(start_paused = true)]
async fn a_step_forward_makes_waiting_jobs_due_and_overdue_ones_expire() {
    let mut world = World::new(CALM);
    let (clock, system) = Clock::steppable(T0);
    world.clock = clock;
    let at = |hours: i64| paceline::domain::time::Timestamp(T0.0 + hours * HOUR_US).to_string();
    let job = |n: usize, not_before: &str, not_after: &str| {
        let mut job = room(n);
        job["not_before"] = json!(not_before);
        job["not_after"] = json!(not_after);
        job
    };
    let jobs = [job(1, &at(2), &at(5)), job(2, &at(2), &at(3)), job(3, &at(5), &at(9))];
    let set = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(10)).await;
        system.store(T0.0 + 4 * HOUR_US, Ordering::Relaxed);
    });
    let (took, counts) = world.work(&jobs).await;
    assert_eq!((counts.succeeded, counts.dead), (2, 1), "{counts:?}");
    // The third waits the hour that is left of its five.
    assert!((3_600.0..3_620.0).contains(&took), "{took} s");
    set.await.unwrap();
}

/// Records from the future are no free burst: their calls count as if they were made just now, and no longer.
#[tokio::test(start_paused = true)]
async fn after_a_restart_with_the_clock_set_back_nothing_bursts_and_nothing_waits_for_ever() {
    let mut world = World::new(CALM);
    let (took, counts) = world.work(&rooms(0..20)).await;
    assert_eq!(counts.succeeded, 20, "{counts:?}");
    assert!(took < 30.0, "{took} s");
    for hours in [3, 7] {
        world.clock = Clock::at(paceline::domain::time::Timestamp(T0.0 - hours * HOUR_US));
        let first = 20 * hours as usize;
        let (took, _) = world.work(&rooms(first..first + 20)).await;
        assert!(took < 92.0, "one window, and the time of the batch itself: {took} s");
    }
    let counts = world.stats();
    assert_eq!(counts.created, 60);
    assert_no_breach(&counts);
}
