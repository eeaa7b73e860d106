//! Who grants: governor's limiters, the table of windows, and the schedule with its lanes on top of it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use governor::{Quota as Rate, RateLimiter};
use paceline::domain::catalog::{QuotaScope, built_in};
use paceline::domain::job::LaneKey;
use paceline::domain::quota::{Class, Key, KeyId, Quota, QuotaTable, Reserve};
use paceline::domain::time::{Mono, Timestamp, micros};
use paceline::engine::planner::Planner;
use paceline::engine::ports::{JobSeq, Waiting};
use paceline::engine::schedule::{Ended, Limits, Next, Schedule};
use paceline::wiring::apps_for_rehearsal;

use super::sentence;

/// From asking to the reply.
const REPLY: Duration = Duration::from_micros(20);
/// Where the schedule's calendar stands.
const WALL: i64 = 1_800_000_000_000_000;

/// Somebody who grants; those of as many keys are compared with the first of them.
pub(crate) struct Contestant {
    pub keys: usize,
    pub who: &'static str,
    pub quota: String,
    pub grant: Box<dyn FnMut() -> Result<(), String>>,
}

/// Everybody, governor first.
pub(crate) fn all(many: usize) -> anyhow::Result<Vec<Contestant>> {
    const ONE: [&str; 3] = ["20/min", "1000/min, 50/s", "150000/h"];
    const THREE: [&str; 3] = ["150000/h, 10000/min", "600000/h, 20000/min", "10000/day"];
    let mut all = vec![governor("20/min")?];
    for quota in ONE {
        all.push(table(&[quota])?);
    }
    all.push(table(&THREE)?);
    all.push(schedule("feishu.calendar.create", ONE[1], 1)?);
    all.push(schedule("wecom.meeting.create", &THREE.join(" + "), 1)?);
    all.push(governor_keyed(ONE[1], many)?);
    all.push(books(ONE[1], many)?);
    all.push(schedule("feishu.calendar.create", ONE[1], many)?);
    Ok(all)
}

fn quota(text: &str) -> anyhow::Result<Quota> {
    text.parse().map_err(sentence)
}

/// A little slower than all these quotas allow, for ever.
fn step(quotas: &[&str]) -> anyhow::Result<Duration> {
    let mut step = Duration::ZERO;
    for text in quotas.iter().flat_map(|text| text.split(" + ")) {
        for window in quota(text)?.windows() {
            // A long window's permits come back up to a thousandth of it later.
            step = step.max((window.span.mul_f64(1.002) + REPLY).div_f64(f64::from(window.limit)).mul_f64(1.01));
        }
    }
    Ok(step)
}

/// The same for so many keys in turns.
fn step_of(quotas: &[&str], many: usize) -> anyhow::Result<Duration> {
    Ok(Duration::from_micros(step(quotas)?.as_micros() as u64 / many as u64 + 1))
}

fn key(number: usize) -> Key {
    Key { scope: QuotaScope::AppTenant, owner: format!("cli_a1/tenant-{number}"), method: "m".to_owned() }
}

/// Numbers below `many`, each once a round, in an order that no cache knows.
fn order(many: usize) -> impl FnMut() -> usize {
    let mut order: Vec<usize> = (0..many).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut order);
    let mut at = 0;
    move || {
        at = (at + 1) % order.len();
        order[at]
    }
}

/// Time as the bench says it is; governor asks for it itself.
#[derive(Clone, Debug, Default)]
struct Hand(Arc<AtomicI64>);

impl governor::clock::Clock for Hand {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed).unsigned_abs())
    }
}

impl Hand {
    fn forward(&self, step: Duration) {
        self.0.fetch_add(micros(step), Ordering::Relaxed);
    }
}

/// The average of the last window, with the burst that it has by default.
fn rate(text: &str) -> anyhow::Result<Rate> {
    let quota = quota(text)?;
    let window = quota.windows()[quota.windows().len() - 1];
    let rate = Rate::with_period(window.span / window.limit).ok_or_else(|| sentence("a window of no length"))?;
    Ok(rate.allow_burst(NonZeroU32::new(window.limit).unwrap_or(NonZeroU32::MIN)))
}

fn governor(text: &'static str) -> anyhow::Result<Contestant> {
    let (hand, step) = (Hand::default(), step(&[text])?);
    let limiter = RateLimiter::direct_with_clock(rate(text)?, hand.clone());
    let grant = move || {
        hand.forward(step);
        limiter.check().map_err(|early| early.to_string())
    };
    Ok(Contestant { keys: 1, who: "governor, direct", quota: text.to_owned(), grant: Box::new(grant) })
}

fn governor_keyed(text: &'static str, many: usize) -> anyhow::Result<Contestant> {
    let (hand, step) = (Hand::default(), step_of(&[text], many)?);
    let limiter = RateLimiter::hashmap_with_clock(rate(text)?, hand.clone());
    let keys: Vec<Key> = (0..many).map(key).collect();
    let mut next = order(many);
    let grant = move || {
        hand.forward(step);
        limiter.check_key(&keys[next()]).map_err(|early| early.to_string())
    };
    Ok(Contestant { keys: many, who: "governor, keyed", quota: text.to_owned(), grant: Box::new(grant) })
}

fn take(table: &mut QuotaTable, keys: &[KeyId], now: Mono) -> Result<(), String> {
    table.take(keys, Class::LOWEST, now).map_err(|blocked| format!("{blocked:?} at {now:?}"))?;
    table.give_back(keys, Class::LOWEST, Some(now + REPLY));
    Ok(())
}

fn table(quotas: &[&'static str]) -> anyhow::Result<Contestant> {
    let (mut table, step) = (QuotaTable::default(), step(quotas)?);
    let mut keys = Vec::new();
    for (number, text) in quotas.iter().enumerate() {
        keys.push(table.key(&key(number), &quota(text)?));
    }
    let mut now = Mono(0);
    let grant = move || {
        now = now + step;
        take(&mut table, &keys, now)
    };
    let who = if quotas.len() == 1 { "the quota table" } else { "the table, 3 keys a grant" };
    Ok(Contestant { keys: 1, who, quota: quotas.join(" + "), grant: Box::new(grant) })
}

fn books(text: &'static str, many: usize) -> anyhow::Result<Contestant> {
    let (mut table, step, one) = (QuotaTable::default(), step_of(&[text], many)?, quota(text)?);
    let ids: Vec<KeyId> = (0..many).map(|number| table.key(&key(number), &one)).collect();
    let mut next = order(many);
    let mut now = Mono(0);
    let grant = move || {
        now = now + step;
        take(&mut table, &[ids[next()]], now)
    };
    Ok(Contestant { keys: many, who: "the quota table", quota: text.to_owned(), grant: Box::new(grant) })
}

/// A job through its lane: added, granted with a slot, replied, ended.
fn schedule(method: &'static str, text: &str, many: usize) -> anyhow::Result<Contestant> {
    let catalog = Arc::new(built_in().map_err(|faults| sentence(format!("{faults:?}")))?);
    let apps = apps_for_rehearsal(&catalog, [("acme", method)]);
    let planner = Planner::new(catalog, apps, 1.0);
    let limits = Limits { concurrency_max: 100, lane_concurrency_max: 100, reserve: Reserve::NONE, stop_after: 0 };
    let mut schedule = Schedule::new(Arc::new(planner), limits);
    let parts: Vec<&str> = text.split(" + ").collect();
    let step = step_of(&parts, many)?;
    let lanes: Vec<LaneKey> = (0..many)
        .map(|number| LaneKey {
            app: "acme".to_owned(),
            tenant: if many == 1 { String::new() } else { format!("tenant-{number}") },
            method: method.to_owned(),
        })
        .collect();
    let (mut next, mut now, mut seq) = (order(many), Mono(0), 0);
    let grant = move || {
        now = now + step;
        seq += 1;
        let waiting = Waiting {
            seq: JobSeq(seq),
            lane: lanes[next()].clone(),
            batch: "".into(),
            priority: 4,
            not_before: None,
            not_after: None,
            attempts: 0,
            uncertain: false,
        };
        schedule.add(waiting).map_err(|lane| format!("unknown lane {lane}"))?;
        let Next::Start(start) = schedule.next(now, Timestamp(WALL + now.0)) else {
            return Err(format!("not granted at {now:?}"));
        };
        schedule.end_call(start.ticket, Ended::Answered, now + REPLY);
        schedule.end_job(start.ticket);
        Ok(())
    };
    let who = if parts.len() == 1 { "the schedule: a job through its lane" } else { "the schedule, 3 keys a job" };
    Ok(Contestant { keys: many, who, quota: text.to_owned(), grant: Box::new(grant) })
}
