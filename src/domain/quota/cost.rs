//! What a grant costs: `cargo test --release --lib cost_of -- --ignored --nocapture`.

use super::{Book, Class, Key, Quota, Reserve};
use crate::clock::Clock;
use crate::domain::catalog::QuotaScope;
use crate::domain::time::{Mono, micros};

const GRANTS: i64 = 200_000;
/// The quickest counts: other work on the machine only makes it slower.
const ROUNDS: usize = 7;

/// Nanoseconds to take and to give back one permit of each of `keys` keys, with as many permits spent as fit.
fn grant_ns(quota: &Quota, keys: usize, reserve: Reserve) -> i64 {
    let mut book = Book::new(reserve);
    let key = |n: usize| Key { scope: QuotaScope::App, owner: n.to_string(), method: "m".to_owned() };
    let keys: Vec<_> = (0..keys).map(|n| book.key(&key(n), quota)).collect();
    // As fast as is free even for the low half of the calls.
    let steps = quota.windows().iter().map(|window| micros(window.span) * 11 / 10 / i64::from(window.limit) + 1);
    let step = steps.max().unwrap_or(1);
    let high = reserve.class_of(9);
    book.want(&keys, Class::LOWEST, high);
    let clock = Clock::system();
    let started = clock.mono();
    for n in 0..GRANTS {
        let now = Mono(n * step);
        let class = if n % 2 == 0 { high } else { Class::LOWEST };
        assert!(book.take(&keys, class, now).is_ok());
        book.give_back(&keys, class, Some(now));
    }
    micros(clock.mono().since(started)) * 1_000 / GRANTS
}

#[test]
#[ignore = "a measurement: run it by its name, in a release build"]
fn cost_of_a_grant() {
    for quota in ["20/min", "1000/min, 50/s", "150000/h"] {
        let quota: Quota = quota.parse().unwrap();
        for keys in [1, 3] {
            let quickest = |reserve| (0..ROUNDS).map(|_| grant_ns(&quota, keys, reserve)).min().unwrap_or_default();
            let (plain, kept) = (quickest(Reserve::NONE), quickest(Reserve::NONE.keep(8, 0.2)));
            println!("{quota}, {keys} keys: {plain} ns a grant, {kept} ns with a reserve");
            assert!(plain > 0 && kept > 0);
        }
    }
}
