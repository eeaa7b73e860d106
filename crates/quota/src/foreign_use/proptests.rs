//! Properties of the working limit against a brute-force foreign user: a platform that counts both in one sliding window.

use std::time::Duration;

use proptest::prelude::*;

use crate::time::Mono;
use crate::{Class, KeyId, Quota, QuotaTable, Refusal};

const SPAN: i64 = 60_000_000;

/// What the platform and both callers have seen.
struct Platform {
    limit: usize,
    /// All that arrived, refused ones included.
    arrivals: Vec<i64>,
    /// The other one calls this often, until then.
    every: i64,
    until: i64,
    next: i64,
}

impl Platform {
    fn let_others_call(&mut self, now: i64) {
        while self.next <= now && self.next < self.until {
            self.arrivals.push(self.next);
            self.next += self.every;
        }
    }

    fn within(&self, now: i64) -> usize {
        self.arrivals.iter().rev().take_while(|at| **at > now - SPAN).count()
    }

    /// Whether it takes one more call; else when there may be room again.
    fn call(&mut self, now: i64) -> Result<(), Duration> {
        self.let_others_call(now);
        let before = self.within(now);
        self.arrivals.push(now);
        if before < self.limit {
            return Ok(());
        }
        let oldest = self.arrivals[self.arrivals.len() - 1 - self.limit];
        Err(Duration::from_micros((oldest + SPAN - now).max(1) as u64))
    }
}

struct Seen {
    ours: Vec<i64>,
    refused: Vec<i64>,
    /// When the documented limit held again, after the other one had stopped.
    back_at: Option<i64>,
}

/// Calls as early as the table allows until `end`, with replies at once.
fn call_until(
    platform: &mut Platform,
    table: &mut QuotaTable<String>,
    keys: [KeyId; 1],
    documented: u32,
    end: i64,
) -> Seen {
    let mut seen = Seen { ours: Vec::new(), refused: Vec::new(), back_at: None };
    let mut now = 0;
    while now < end {
        let working = table.usage_of(keys[0], Mono(now)).windows[0].0.limit;
        assert!((1..=documented).contains(&working), "{working} of {documented}");
        if now >= platform.until && working == documented && seen.back_at.is_none() {
            seen.back_at = Some(now);
        }
        match table.take(&keys, Class::LOWEST, Mono(now)) {
            Ok(probes) => {
                seen.ours.push(now);
                let reply = platform.call(now);
                table.give_back(&keys, Class::LOWEST, Some(Mono(now)));
                match reply {
                    Ok(()) => table.answered(&keys, probes, Some(Mono(now))),
                    Err(reset) => {
                        seen.refused.push(now);
                        let refusal = Refusal { reset: Some(reset), blocks: &[] };
                        table.refuse(&keys, probes, Mono(now), Mono(now), refusal);
                    }
                }
            }
            Err(blocked) => {
                let until = blocked.until.expect("nothing is in flight");
                assert!(until.0 > now, "a promised instant lies ahead");
                now = until.0;
            }
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_steady_foreign_user_is_given_way_to_and_forgotten(
        limit in 6_u32..60,
        part in 0.1_f64..0.8,
        minutes in 60_i64..120,
    ) {
        let quota: Quota = format!("{limit}/min").parse().unwrap();
        let mut table = QuotaTable::default();
        let key = "acme".to_owned();
        let keys = [table.key(&key, &quota)];
        let theirs = (f64::from(limit) * part).max(1.0);
        let until = minutes * SPAN;
        let every = (SPAN as f64 / theirs) as i64;
        let mut platform = Platform { limit: limit as usize, arrivals: Vec::new(), every, until, next: 0 };
        let end = until + 20 * SPAN;
        let seen = call_until(&mut platform, &mut table, keys, limit, end);

        for (index, at) in seen.ours.iter().enumerate() {
            let within = seen.ours[..=index].iter().rev().take_while(|other| **other > at - SPAN).count();
            prop_assert!(within <= limit as usize, "{within} of {limit}, whoever else calls");
        }
        // Once it is known, one raise in eight minutes is refused. Now and then their rhythm and ours make it learnt anew.
        let known = seen.refused.iter().filter(|at| (20 * SPAN..until).contains(at)).count();
        // The worst of some ten thousand: 45 in 40 minutes, of 28 calls a minute of which 22.2 are theirs.
        let most = (minutes - 20) * 5 / 4;
        prop_assert!(i64::try_from(known).unwrap() <= most, "{known} refusals in {} minutes", minutes - 20);
        // And most of what they leave is used.
        let left = f64::from(limit) - theirs;
        let used = seen.ours.iter().filter(|at| (20 * SPAN..until).contains(at)).count() as f64 / (minutes - 20) as f64;
        prop_assert!(used >= left * 0.8 - 1.0, "{used:.1} a minute of {left:.1} left");
        // Patience, four raises, and the pause in which they stopped.
        let back = seen.back_at.map(|at| (at - until) / SPAN);
        prop_assert!(back.is_some_and(|minutes| minutes <= 14), "full pace after {back:?} minutes");
        let last = seen.refused.last().copied().unwrap_or(0);
        prop_assert!(last < until + SPAN, "nothing is refused when they are gone");
    }
}
