//! Plans and pasts at the ends of time: a forecast of them ends, and says no instant before it begins.

use super::*;
use crate::schedule::instants;

proptest! {
    #[test]
    fn no_instant_stops_a_forecast(
        plans in proptest::collection::vec((0..3_usize, proptest::option::of(instants()), proptest::option::of(instants()), 1..4_i64), 0..6),
        past in proptest::collection::vec((0..3_usize, instants()), 0..6),
        until in proptest::option::of(instants()),
        round_trip in prop_oneof![any::<u64>().prop_map(Duration::from_micros), (0..9_000_u64).prop_map(Duration::from_millis)],
    ) {
        let of = |at: usize| [("acme", ROOM), ("acme", CALENDAR), ("we1", MEETING)][at];
        let mut ages = 0;
        let groups = plans.into_iter().map(|(at, not_before, not_after, count)| {
            let (app, method) = of(at);
            ages += count;
            Group { not_before, not_after, ..group(app, method, "b", ages - count..ages) }
        });
        let mut basis = basis(&planner(&[("acme", "1"), ("we1", "corp")], &[]), groups.collect());
        for (at, instant) in past {
            let (app, method) = of(at);
            basis.past.entry(lane(app, method)).or_default().push(instant);
        }
        basis.suspensions.extend(until.map(|until| suspension("we1", Some(until))));
        basis.round_trips.insert(ROOM.to_owned(), round_trip);
        let forecast = run(&basis);
        prop_assert!(forecast.finish >= NOW, "{}", forecast.finish);
        let jobs = forecast.jobs;
        prop_assert_eq!(jobs.done + jobs.expired + jobs.suspended + jobs.unknown, ages as u64);
    }
}
