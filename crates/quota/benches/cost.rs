//! What a grant costs: `cargo bench -p paceline-quota`.

#![expect(clippy::disallowed_methods, clippy::expect_used, clippy::print_stdout, reason = "a measurement")]

use std::time::Instant;

use paceline_quota::time::{Mono, micros};
use paceline_quota::{Class, Quota, QuotaTable, Reserve};

const GRANTS: i64 = 200_000;
/// The quickest counts: other work on the machine only makes it slower.
const ROUNDS: usize = 7;

/// Nanoseconds to take and to give back one permit of each of `keys` keys, with as many permits spent as fit.
fn grant_ns(quota: &Quota, keys: usize, reserve: Reserve) -> i64 {
    let mut table = QuotaTable::new(reserve);
    let keys: Vec<_> = (0..keys).map(|n| table.key(&n, quota)).collect();
    // As fast as is free even for the low half of the calls.
    let steps = quota.windows().iter().map(|window| micros(window.span) * 11 / 10 / i64::from(window.limit) + 1);
    let step = steps.max().unwrap_or(1);
    let high = reserve.class_of(9);
    table.raise_demand(&keys, Class::LOWEST, high);
    let started = Instant::now();
    for n in 0..GRANTS {
        let now = Mono(n * step);
        let class = if n % 2 == 0 { high } else { Class::LOWEST };
        assert!(table.take(&keys, class, now).is_ok());
        table.give_back(&keys, class, Some(now));
    }
    micros(started.elapsed()) * 1_000 / GRANTS
}

fn main() {
    for quota in ["20/min", "1000/min, 50/s", "150000/h"] {
        let quota: Quota = quota.parse().expect("a quota");
        for keys in [1, 3] {
            let quickest = |reserve| (0..ROUNDS).map(|_| grant_ns(&quota, keys, reserve)).min().unwrap_or_default();
            let (plain, kept) = (quickest(Reserve::NONE), quickest(Reserve::NONE.keep(8, 0.2)));
            println!("{quota}, {keys} keys: {plain} ns a grant, {kept} ns with a reserve");
        }
    }
}
