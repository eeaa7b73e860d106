//! `paceline audit`: replays the recorded calls and proves, per quota key and window, the largest count there can have
//! been, against the limit.
//!
//! What counts for what is the worker's knowledge (its planner names the keys); the counting is not: that is
//! [`domain::audit`](crate::domain::audit), which knows nothing of permits.

mod budgets;
mod report;
mod since;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::audit::{Call, Calls, Finding, Waits};
use crate::domain::catalog::Catalog;
use crate::domain::job::LaneKey;
use crate::domain::quota::{Key, Quota};
use crate::domain::time::Timestamp;
use crate::engine::planner::Planner;
use crate::engine::ports::LedgerError;
use crate::settings::Settings;
use crate::wiring;
use paceline_ports::location::StoreUrl;
use paceline_ports::operator::Reports;

use super::context::Context;
use super::exit::{Exit, refuse};

pub(super) use since::Since;

/// Prove from the recorded calls that no quota window was ever exceeded
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Leave out calls that were surely counted before: 2026-11-21T16:00:00+08:00, or so long ago: 90s, 30min, 24h, 7day
    #[arg(long, value_name = "TIME|DURATION")]
    since: Option<Since>,
    /// Audit the ledger of the rehearsals instead
    #[arg(long)]
    simulate: bool,
    /// How many times shorter all windows were in the rehearsals; left out, as the ledger knows
    #[arg(long, value_name = "N", requires = "simulate")]
    speed: Option<f64>,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

/// What the recorded calls prove.
struct Audit {
    /// Calls counted before this are left out.
    since: Option<Timestamp>,
    /// Recorded calls that are judged.
    calls: usize,
    /// The first and last sending of those.
    sent: Option<(Timestamp, Timestamp)>,
    quotas: Vec<Judged>,
    /// Calendar days and months, judged.
    budgets: Vec<budgets::Judged>,
    /// Lanes of an app or method that is not known any more, and their calls.
    not_judged: Vec<(LaneKey, usize)>,
}

/// A quota key, judged.
struct Judged {
    key: Key,
    calls: usize,
    /// Calls that the platform refused for their pace; which of a call's quotas it was is not recorded.
    refused: usize,
    /// One for each window, shortest first.
    findings: Vec<Finding>,
}

/// The recorded calls of a lane, as intervals alone: a million of them are 16 MB. And when its jobs waited.
#[derive(Default)]
struct Lane {
    calls: Vec<Call>,
    refused: usize,
    waits: Waits,
    /// Calls that left on one day in UTC+8 and were answered on another.
    late: Vec<(Timestamp, Timestamp)>,
}

/// Prints the proof; 1 if a window was exceeded.
pub(super) fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let catalog = wiring::catalog_of(&settings)?;
    let now = context.clock.now();
    let since = args.since.map(|since| since.before(now));
    let ledger = wiring::open_for_people(ledger_of(&settings, args))?;
    let lanes = read(&*ledger, since, now, settings.engine.grace)?;
    let rehearsed = ledger.rehearsal_speed()?;
    let speed = args.speed.or(rehearsed);
    let planner = planner(&settings, &catalog, &lanes, (args.simulate || rehearsed.is_some(), speed))?;
    let (called, late) = (ledger.called()?, late(&lanes));
    let budgets = budgets::judge(&planner, &called, &late);
    let audit = Audit { since, budgets, ..judge(lanes, &planner) };
    if audit.quotas.is_empty() && !audit.not_judged.is_empty() {
        return Err(refuse(
            audit.not_judged_text(),
            "name the settings or catalog.dir that these calls were made with",
        ));
    }
    if args.json {
        context.print_json(&audit.document())?;
    } else {
        audit.write(&mut context.out)?;
        context.out.flush()?;
        audit.write_notes(&mut context.err)?;
    }
    context.out.flush()?;
    if !audit.not_judged.is_empty() {
        writeln!(context.err, "warning: {}", audit.not_judged_text())?;
    }
    Ok(if audit.is_clean() { Exit::Success } else { Exit::Unwell })
}

fn ledger_of(settings: &Settings, args: &Args) -> StoreUrl {
    if args.simulate { settings.store.rehearsal() } else { settings.store.clone() }
}

/// The worker's planner, or the rehearsals' at their speed.
fn planner(
    settings: &Settings,
    catalog: &Arc<Catalog>,
    lanes: &BTreeMap<LaneKey, Lane>,
    (is_rehearsal, speed): (bool, Option<f64>),
) -> anyhow::Result<Planner> {
    let apps = if is_rehearsal {
        wiring::apps_for_rehearsal(catalog, lanes.keys().map(|lane| (lane.app.as_str(), lane.method.as_str())))
    } else {
        wiring::apps_of(settings, catalog).map_err(|faults| refuse(faults.join("\n"), ""))?
    };
    Ok(Planner::new(Arc::clone(catalog), apps, speed.unwrap_or(1.0)))
}

/// The recorded calls that can have been counted at `since` or later. A call without a reply was counted by its
/// deadline and `grace`, as the worker holds its permit.
fn read(
    ledger: &dyn Reports,
    since: Option<Timestamp>,
    now: Timestamp,
    grace: Duration,
) -> Result<BTreeMap<LaneKey, Lane>, LedgerError> {
    let since = since.unwrap_or_default();
    let mut lanes: BTreeMap<LaneKey, Lane> = BTreeMap::new();
    ledger.each_call(since - grace, &mut |call| {
        let counted_by = if call.open { call.counted_by + grace } else { call.counted_by };
        if counted_by < since {
            return;
        }
        let lane = lanes.entry(call.lane).or_default();
        lane.calls.push(Call::new(call.sent_at, counted_by));
        if call.sent_at.china_day() != counted_by.china_day() && !call.refused {
            lane.late.push((call.sent_at, counted_by));
        }
        lane.refused += usize::from(call.refused);
    })?;
    ledger.each_wait(since, now, &mut |lane, from, to| lanes.entry(lane).or_default().waits.add(from, to))?;
    Ok(lanes)
}

/// The calls that may have been counted on either of two days.
fn late(lanes: &BTreeMap<LaneKey, Lane>) -> Vec<(LaneKey, Timestamp, Timestamp)> {
    let late =
        lanes.iter().flat_map(|(key, lane)| lane.late.iter().map(|(sent, replied)| (key.clone(), *sent, *replied)));
    late.collect()
}

/// Judges every window of every quota that the calls fell under.
fn judge(lanes: BTreeMap<LaneKey, Lane>, planner: &Planner) -> Audit {
    let mut of_quota: HashMap<(Key, Quota), Vec<usize>> = HashMap::new();
    let mut not_judged = Vec::new();
    let mut known = Vec::new();
    for (key, lane) in lanes {
        let Some(plan) = planner.plan(&key) else {
            if !lane.calls.is_empty() {
                not_judged.push((key, lane.calls.len()));
            }
            continue;
        };
        for quota in plan.quotas {
            of_quota.entry(quota).or_default().push(known.len());
        }
        known.push(lane);
    }
    let mut of_quota: Vec<_> = of_quota.into_iter().collect();
    of_quota.sort_by(|((one, _), _), ((other, _), _)| (&one.method, one).cmp(&(&other.method, other)));
    let mut sent: Option<(Timestamp, Timestamp)> = None;
    let quotas = of_quota.into_iter().filter_map(|((key, quota), lanes)| {
        // One key's calls at a time, for a ledger with millions.
        let lanes = || lanes.iter().filter_map(|lane| known.get(*lane));
        let waits = Waits::merged(lanes().map(|lane| &lane.waits));
        let calls = Calls::new(lanes().flat_map(|lane| &lane.calls).copied().collect());
        let of_key = calls.sent();
        sent = sent.into_iter().chain(of_key).reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        of_key.map(|_| Judged {
            key,
            calls: calls.count(),
            refused: lanes().map(|lane| lane.refused).sum(),
            findings: quota.windows().iter().filter_map(|window| calls.judge(*window, &waits)).collect(),
        })
    });
    let quotas = quotas.collect();
    let calls = known.iter().map(|lane| lane.calls.len()).sum();
    Audit { since: None, calls, sent, quotas, budgets: Vec::new(), not_judged }
}

impl Audit {
    fn findings(&self) -> impl Iterator<Item = (&Judged, &Finding)> {
        self.quotas.iter().flat_map(|quota| quota.findings.iter().map(move |finding| (quota, finding)))
    }

    fn exceeded(&self) -> impl Iterator<Item = (&Judged, &Finding)> {
        self.findings().filter(|(_, finding)| !finding.is_kept())
    }

    fn is_clean(&self) -> bool {
        self.exceeded().next().is_none() && self.budgets.iter().all(budgets::Judged::is_kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog;

    const ROOMS: &str = "feishu.vc.room.create";
    const MEETINGS: &str = "wecom.meeting.create";

    fn lane(app: &str, method: &str) -> LaneKey {
        LaneKey { app: app.to_owned(), tenant: String::new(), method: method.to_owned() }
    }

    /// `count` calls, a second apart from `first_s` on, replied half a second later.
    fn calls(first_s: i64, count: i64) -> Lane {
        let sent = (first_s..first_s + count).map(Timestamp::from_unix_seconds);
        let half = Duration::from_millis(500);
        Lane { calls: sent.map(|sent| Call::new(sent, sent + half)).collect(), refused: 1, ..Lane::default() }
    }

    fn audit(lanes: Vec<(LaneKey, Lane)>) -> Audit {
        let catalog = Arc::new(catalog::built_in().unwrap());
        let names = lanes.iter().map(|(lane, _)| (lane.app.as_str(), lane.method.as_str()));
        let apps = wiring::apps_for_rehearsal(&catalog, names);
        judge(lanes.into_iter().collect(), &Planner::new(catalog, apps, 1.0))
    }

    #[test]
    fn lanes_of_one_key_are_judged_together() {
        let audit = audit(vec![(lane("a", MEETINGS), calls(0, 30)), (lane("b", MEETINGS), calls(30, 20))]);
        let counted: Vec<_> = audit.quotas.iter().map(|quota| (quota.key.scope.to_string(), quota.calls)).collect();
        assert!(counted.iter().any(|(scope, calls)| scope == "host" && *calls == 50), "{counted:?}");
        assert_eq!(counted.iter().filter(|(scope, calls)| scope == "app" && (20..=30).contains(calls)).count(), 2);
        let host = audit.quotas.iter().find(|quota| quota.calls == 50).unwrap();
        assert_eq!((host.refused, host.findings[0].largest), (2, 50));
        assert_eq!(audit.calls, 50, "a call is one call under however many quotas");
        assert_eq!(audit.sent, Some((Timestamp::from_unix_seconds(0), Timestamp::from_unix_seconds(49))));
    }

    #[test]
    fn one_call_too_many_in_a_minute_is_found() {
        for (count, is_clean) in [(20, true), (21, false)] {
            let audit = audit(vec![(lane("a", ROOMS), calls(0, count))]);
            assert_eq!(audit.is_clean(), is_clean, "{count} calls");
            assert_eq!(audit.exceeded().count(), usize::from(!is_clean));
        }
    }

    #[test]
    fn what_nobody_knows_any_more_is_named_and_not_judged() {
        let audit = audit(vec![(lane("a", ROOMS), calls(0, 1)), (lane("a", "gone.method"), calls(0, 9))]);
        assert_eq!(audit.not_judged, [(lane("a", "gone.method"), 9)]);
        assert_eq!((audit.calls, audit.quotas.len()), (1, 1));
    }
}
