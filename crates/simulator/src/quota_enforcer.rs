//! Quotas by what the platform counts them by: one set of windows for each key, with what other programs use of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::scenario::{Background, WindowKind, fits};
use super::stats::{QuotaStats, WindowStats};
use super::tokens::Caller;
use super::window_counter::{Peak, WindowCounter};
use paceline_domain::catalog::QuotaScope;
use paceline_domain::quota::Quota;

/// A quota that is enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it is counted by.
    pub scope: QuotaScope,
    /// Its windows, already shortened by the rehearsal's speed.
    pub quota: Quota,
}

/// How calls are counted; the same for all keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// The kind of window.
    pub kind: WindowKind,
    /// Whether refused calls count.
    pub refused_count: bool,
    /// Whether a hit blocks the key for one window's length.
    pub blocks: bool,
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Until a call fits again, if none comes before.
    pub wait: Duration,
    /// The limit that was hit.
    pub limit: usize,
}

/// All quota keys seen.
#[derive(Debug, Default)]
pub(crate) struct QuotaEnforcer {
    /// By method, number of the quota within the method, and what it is counted by.
    keys: BTreeMap<(String, usize, String), Key>,
}

#[derive(Debug)]
struct Key {
    rule: Rule,
    kind: WindowKind,
    counters: Vec<WindowCounter>,
    peaks: Vec<Peak>,
    others: Vec<Other>,
    blocked_until: i64,
    accepted: u64,
    refused: u64,
    background: u64,
}

/// Another program's calls, evenly spaced.
#[derive(Debug)]
struct Other {
    next: f64,
    interval: f64,
    until: f64,
}

impl QuotaEnforcer {
    /// Counts a call of `method` under all of its quotas; all windows must have room. A caller that nobody knows is
    /// counted by its address alone.
    ///
    /// # Errors
    /// The refusal that lasts longest.
    pub(crate) fn charge(
        &mut self,
        method: &str,
        rules: &[Rule],
        caller: Option<&Caller>,
        manner: Manner,
        others: (&[Background], i64),
        now: i64,
    ) -> Result<(), Refusal> {
        let mut worst: Option<Refusal> = None;
        let slot = |(number, rule): (usize, &Rule)| Some((method.to_owned(), number, key_name(rule.scope, caller)?));
        let slots: Vec<_> = rules.iter().enumerate().map(slot).collect();
        for (rule, slot) in rules.iter().zip(&slots) {
            let Some(slot) = slot else { continue };
            let key = self.keys.entry(slot.clone()).or_insert_with(|| Key::new(method, rule, manner.kind, others));
            if key.kind != manner.kind || key.rule.scope != rule.scope {
                *key = Key::new(method, rule, manner.kind, others);
            } else if key.rule != *rule {
                key.change(rule);
            }
            key.catch_up(manner, now);
            let refusal = key.refusal(now);
            if let Some((refusal, span)) = refusal {
                if manner.blocks && key.blocked_until <= now {
                    key.blocked_until = now + span;
                }
                worst = worst.filter(|worst| worst.wait >= refusal.wait).or(Some(refusal));
            }
        }
        for slot in slots.iter().flatten() {
            if let Some(key) = self.keys.get_mut(slot) {
                key.settle(worst.is_none(), manner, now);
            }
        }
        worst.map_or(Ok(()), Err)
    }

    /// What was counted, key by key.
    pub(crate) fn stats(&self) -> Vec<QuotaStats> {
        self.keys.iter().map(|((method, _, name), key)| key.book(method, name)).collect()
    }

    /// Begins the other programs' calls anew, as a new scenario describes them.
    pub(crate) fn replace_others(&mut self, others: (&[Background], i64)) {
        for ((method, ..), key) in &mut self.keys {
            key.others = Other::of(method, others);
        }
    }
}

/// What a quota of this scope is counted by, for this caller. Holds no secret.
fn key_name(scope: QuotaScope, caller: Option<&Caller>) -> Option<String> {
    if scope == QuotaScope::Host {
        return Some("host".to_owned());
    }
    let caller = caller?;
    Some(match scope {
        QuotaScope::AppTenant if !caller.tenant.is_empty() => format!("{}/{}", caller.account, caller.tenant),
        QuotaScope::AppTenant | QuotaScope::Corp | QuotaScope::Host => caller.account.to_string(),
        QuotaScope::App => format!("{}#{}", caller.account, caller.secret_number),
    })
}

impl Key {
    fn new(method: &str, rule: &Rule, kind: WindowKind, others: (&[Background], i64)) -> Self {
        let windows = rule.quota.windows();
        Self {
            rule: rule.clone(),
            kind,
            counters: windows.iter().map(|window| WindowCounter::new(*window, kind)).collect(),
            peaks: windows.iter().map(|window| Peak::new(*window)).collect(),
            others: Other::of(method, others),
            blocked_until: i64::MIN,
            accepted: 0,
            refused: 0,
            background: 0,
        }
    }

    /// Another quota from now on: windows of the same length keep what they counted.
    fn change(&mut self, rule: &Rule) {
        let windows = rule.quota.windows();
        let known = |span: Duration| self.counters.iter().find(|counter| counter.span() == span).cloned();
        let counters = windows.iter().map(|window| match known(window.span) {
            Some(counter) => counter.with_limit(window.limit),
            None => WindowCounter::new(*window, self.kind),
        });
        self.counters = counters.collect();
        self.peaks = windows.iter().map(|window| Peak::new(*window)).collect();
        self.rule = rule.clone();
    }

    /// Why a call at `now` is refused, with the length of the window that was hit.
    fn refusal(&self, now: i64) -> Option<(Refusal, i64)> {
        let blocked = (self.blocked_until > now).then(|| {
            let wait = Duration::from_micros((self.blocked_until - now).unsigned_abs());
            (Refusal { wait, limit: self.counters.first().map_or(0, WindowCounter::limit) }, 0)
        });
        let hits = self.counters.iter().filter_map(|counter| {
            let wait = counter.early_by(now)?;
            let span = i64::try_from(counter.span().as_micros()).unwrap_or(i64::MAX);
            Some((Refusal { wait, limit: counter.limit() }, span))
        });
        hits.chain(blocked).max_by_key(|(refusal, _)| refusal.wait)
    }

    fn settle(&mut self, accepted: bool, manner: Manner, now: i64) {
        self.peaks.iter_mut().for_each(|peak| peak.see(now));
        if accepted {
            self.accepted += 1;
        } else {
            self.refused += 1;
        }
        if accepted || manner.refused_count {
            self.counters.iter_mut().for_each(|counter| counter.count(now));
        }
    }

    /// Lets the other programs' calls arrive that came before `now`, in their order.
    fn catch_up(&mut self, manner: Manner, now: i64) {
        while let Some(at) = self.take_next_other(now) {
            let fits = self.refusal(at).is_none();
            self.background += 1;
            if fits || manner.refused_count {
                self.counters.iter_mut().for_each(|counter| counter.count(at));
            }
        }
    }

    fn take_next_other(&mut self, now: i64) -> Option<i64> {
        let due = self.others.iter_mut().filter(|other| other.next <= now as f64 && other.next < other.until);
        let first = due.min_by(|a, b| a.next.total_cmp(&b.next))?;
        let at = first.next as i64;
        first.next += first.interval;
        Some(at)
    }

    fn book(&self, method: &str, name: &str) -> QuotaStats {
        let windows = self.counters.iter().zip(&self.peaks).map(|(counter, peak)| WindowStats {
            limit: counter.limit(),
            window_s: counter.span().as_secs_f64(),
            largest: peak.largest(),
            is_breached: peak.largest() > counter.limit(),
        });
        QuotaStats {
            method: method.to_owned(),
            scope: self.rule.scope.to_string(),
            key: name.to_owned(),
            accepted: self.accepted,
            refused: self.refused,
            background: self.background,
            windows: windows.collect(),
        }
    }
}

impl Other {
    fn of(method: &str, (all, began): (&[Background], i64)) -> Vec<Self> {
        let began = began as f64;
        let fitting = all.iter().filter(|it| fits(&it.method, method));
        let made = fitting.map(|it| Self {
            next: began + it.from_s * 1e6,
            interval: 60e6 / it.calls_per_min,
            until: it.until_s.map_or(f64::INFINITY, |until| began + until * 1e6),
        });
        made.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const STRICT: Manner = Manner { kind: WindowKind::Sliding, refused_count: true, blocks: false };
    const LENIENT: Manner = Manner { kind: WindowKind::Sliding, refused_count: false, blocks: false };

    fn caller(account: &str, secret_number: usize) -> Caller {
        Caller { account: account.into(), secret_number, tenant: "".into(), user: "".into() }
    }

    fn rule(scope: QuotaScope, quota: &str) -> Rule {
        Rule { scope, quota: quota.parse().unwrap() }
    }

    #[test]
    fn all_windows_together_or_none() {
        let mut quotas = QuotaEnforcer::default();
        let rules = [rule(QuotaScope::AppTenant, "3/min, 1/s")];
        let mut charge = |now| quotas.charge("m", &rules, Some(&caller("a", 0)), LENIENT, (&[], 0), now);
        assert!(charge(0).is_ok());
        assert_eq!(charge(1), Err(Refusal { wait: Duration::from_micros(999_999), limit: 1 }));
        assert!(charge(SECOND).is_ok() && charge(2 * SECOND).is_ok());
        assert_eq!(charge(3 * SECOND), Err(Refusal { wait: Duration::from_secs(57), limit: 3 }));
        assert!(charge(60 * SECOND).is_ok(), "the refused calls were not counted");
        let book = &quotas.stats()[0];
        assert_eq!((book.accepted, book.refused), (4, 2));
        assert_eq!(book.windows.iter().map(|window| window.largest).collect::<Vec<_>>(), [2, 5]);
        assert!(book.windows.iter().all(|window| window.is_breached), "refused calls arrived too");
    }

    #[test]
    fn a_changed_quota_counts_what_came_before() {
        let mut quotas = QuotaEnforcer::default();
        let mut charge = |quota, now| {
            let rules = [rule(QuotaScope::AppTenant, quota)];
            quotas.charge("m", &rules, Some(&caller("a", 0)), LENIENT, (&[], 0), now).is_ok()
        };
        assert!(charge("2/min", 0) && charge("2/min", SECOND));
        assert!(charge("3/min", 2 * SECOND) && !charge("3/min", 3 * SECOND));
        assert!(!charge("1/min, 1/s", 62 * SECOND - 1) && charge("1/min, 1/s", 62 * SECOND));
    }

    #[test]
    fn scopes_decide_who_shares() {
        let takes = |scope, first: Caller, second: Caller| {
            let mut quotas = QuotaEnforcer::default();
            let rules = [rule(scope, "1/min")];
            quotas.charge("m", &rules, Some(&first), STRICT, (&[], 0), 0).unwrap();
            quotas.charge("m", &rules, Some(&second), STRICT, (&[], 0), 1).is_ok()
        };
        assert!(takes(QuotaScope::AppTenant, caller("a", 0), caller("b", 0)));
        assert!(!takes(QuotaScope::AppTenant, caller("a", 0), caller("a", 0)));
        let tenant = Caller { tenant: "t".into(), ..caller("a", 0) };
        assert!(takes(QuotaScope::AppTenant, caller("a", 0), tenant));
        assert!(!takes(QuotaScope::Corp, caller("ww", 0), caller("ww", 1)));
        assert!(takes(QuotaScope::App, caller("ww", 0), caller("ww", 1)));
        assert!(!takes(QuotaScope::Host, caller("a", 0), caller("b", 0)));
        let mut quotas = QuotaEnforcer::default();
        let rules = [rule(QuotaScope::Corp, "1/min"), rule(QuotaScope::Host, "2/min")];
        let mut nobody = |now| quotas.charge("m", &rules, None, STRICT, (&[], 0), now).is_ok();
        assert_eq!([nobody(0), nobody(1), nobody(2)], [true, true, false], "unknown callers have an address");
    }

    #[test]
    fn a_hit_blocks_for_one_window_where_the_platform_does_so() {
        let mut quotas = QuotaEnforcer::default();
        let manner = Manner { blocks: true, refused_count: false, ..STRICT };
        let rules = [rule(QuotaScope::Corp, "1/min")];
        let mut charge = |now| quotas.charge("m", &rules, Some(&caller("ww", 0)), manner, (&[], 0), now);
        assert!(charge(0).is_ok());
        assert!(charge(50 * SECOND).is_err());
        assert_eq!(charge(61 * SECOND).unwrap_err().wait, Duration::from_secs(49));
        assert!(charge(110 * SECOND - 1).is_err());
        assert!(charge(110 * SECOND).is_ok());
    }

    #[test]
    fn other_programs_take_their_part() {
        let mut quotas = QuotaEnforcer::default();
        let others: Vec<Background> =
            vec![toml::from_str("method = \"*\"\ncalls_per_min = 60\nfrom_s = 1\nuntil_s = 3").unwrap()];
        let rules = [rule(QuotaScope::AppTenant, "2/10s")];
        let mut charge = |now| quotas.charge("m", &rules, Some(&caller("a", 0)), LENIENT, (&others, 0), now);
        assert!(charge(0).is_ok());
        assert!(charge(2 * SECOND).is_err(), "mine at 0 s, theirs at 1 s");
        assert!(charge(10 * SECOND).is_ok());
        assert!(charge(11 * SECOND).is_ok(), "theirs at 1 s is out of the window, the one at 2 s was refused");
        assert_eq!(quotas.stats()[0].background, 2);
        assert_eq!(
            quotas.stats()[0].windows[0].largest,
            3,
            "mine alone: the refused one at 2 s, those at 10 s and 11 s"
        );
    }
}
