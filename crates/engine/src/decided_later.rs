//! A job whose call has succeeded and whose rooms have not decided: it waits among the uncertain ones of its lane, and the
//! listing is asked until all have decided or [`Options::room_wait`](super::options::Options::room_wait) is over.
//!
//! Nothing of it is kept but what the ledger knows anyway: that its last call succeeded, and when.
//!
//! Decision: docs/decisions/0050-a-room-decides-after-the-call.md

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Map, Value};

use super::app::OnDeclined;
use super::planner::LanePlan;
use super::ports::{JobSeq, Settlement, Unsettled};
use super::runtime::Engine;
use super::schedule::Queued;
use super::verify::{self, Asker, Stopped};
use paceline_domain::catalog::{LookUp, Method};
use paceline_domain::decided_later::{Decides, Standing, own};
use paceline_domain::job::{LaneKey, Params};
use paceline_domain::look_up::{Pages, Query, Turn, listed_under};
use paceline_domain::mask;
use paceline_domain::messages::{Cause, Cure, Names};
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;

/// Listings that are read at the same time.
const READ_AT_ONCE: usize = 16;
/// Names in a sentence.
const NAMED_MAX: usize = 10;

/// Those of the unsettled jobs whose call has succeeded.
pub(super) fn is_deciding(plan: &LanePlan, known: &Unsettled) -> bool {
    known.is_applied && known.in_flight_until.is_none() && plan.method.decides.is_some()
}

/// Who decides after a call with these parameters.
pub(super) fn wanted(method: &Method, params: &Params) -> Vec<String> {
    method.decides.as_ref().map(|decides| decides.wanted(method, params)).unwrap_or_default()
}

/// What becomes of a job by the reply to its call: a success is none yet while somebody decides.
pub(super) fn replied(engine: &Engine, plan: &LanePlan, wanted: &[String], settlement: Settlement) -> Settlement {
    let (Some(decides), Settlement::Succeeded { result, .. }) = (&plan.method.decides, &settlement) else {
        return settlement;
    };
    let standing = decides.replied(wanted, result);
    if standing.pending.is_empty() {
        return decided(plan, decides, &standing, settlement);
    }
    let failure = Failure { detail: Cause::StillDeciding { names: names(&standing.pending) }, ..Failure::default() };
    let after = decides.again_after(Duration::ZERO, engine.options().speed).min(wait_max(engine));
    Settlement::Uncertain { not_before: engine.clock().now() + after, charged: true, failure }
}

/// What becomes of a job that a look-up has found applied, by these items of the listing: a success, or when to ask again.
pub(super) fn found(
    engine: &Engine,
    plan: &LanePlan,
    known: &Unsettled,
    items: &[Value],
    success: Settlement,
) -> Result<Settlement, Timestamp> {
    let (Some(decides), Some(look_up)) = (&plan.method.decides, plan.method.creation.look_up()) else {
        return Ok(success);
    };
    let items = own(look_up, &known.job, items);
    let result = mask::answer(Some(&plan.method), &as_replied(decides, &items));
    let standing = decides.standing(&wanted(&plan.method, &known.job.params), &items);
    let now = engine.clock().now();
    let ends = known.lost_until + wait_max(engine);
    if !standing.pending.is_empty() && now < ends {
        let passed = now.since(known.lost_until);
        return Err((now + decides.again_after(passed, engine.options().speed)).min(ends));
    }
    Ok(decided(plan, decides, &standing, success_with(result)))
}

/// A success of a call that makes no object.
const fn success_with(result: Value) -> Settlement {
    Settlement::Succeeded { key: None, result, sole: false, warnings: Vec::new() }
}

/// All have decided, or nobody waits any longer.
fn decided(plan: &LanePlan, decides: &Decides, standing: &Standing, success: Settlement) -> Settlement {
    if !standing.declined.is_empty() && plan.app.on_room_declined == OnDeclined::Dead {
        let detail = Cause::Declined { names: names(&standing.declined) };
        let failure = Failure { detail, cure: Some(Cure::ChooseOthers), ..Failure::default() };
        return Settlement::Dead { reason: Reason::Rejected, failure };
    }
    let Settlement::Succeeded { key, result, sole, mut warnings } = success else { return success };
    warnings.extend(decides.warnings(standing));
    Settlement::Succeeded { key, result, sole, warnings }
}

/// Asks how things stand for jobs whose time has come: each is settled, or put back to be asked about later.
pub(super) async fn run(
    engine: &Arc<Engine>,
    lane: &LaneKey,
    plan: &LanePlan,
    jobs: Vec<Queued>,
    deciding: Vec<Unsettled>,
) {
    let Some(look_up) = plan.method.creation.look_up() else { return };
    let mut known: HashMap<JobSeq, Unsettled> = deciding.into_iter().map(|known| (known.seq, known)).collect();
    let asked = jobs.into_iter().filter_map(|job| Some((known.remove(&job.seq)?, job)));
    // One after the other, all of them would wait for the slowest reply as often as there are events.
    let mut read = stream::iter(asked)
        .map(|(known, job)| async move {
            let items = read(engine, lane, look_up, &known).await;
            (known, job, items)
        })
        .buffer_unordered(READ_AT_ONCE);
    while let Some((known, job, items)) = read.next().await {
        match items {
            Ok(items) => settle(engine, lane, plan, &known, job, &items).await,
            Err(Stopped::Refused(_)) => settle(engine, lane, plan, &known, job, &[]).await,
            Err(stopped) => verify::put_off(engine, plan, lane, vec![job], stopped).await,
        }
    }
}

async fn settle(
    engine: &Arc<Engine>,
    lane: &LaneKey,
    plan: &LanePlan,
    known: &Unsettled,
    job: Queued,
    items: &[Value],
) {
    match found(engine, plan, known, items, success_with(Value::Null)) {
        Ok(settlement) => verify::settle(engine, lane, vec![(job, settlement)]).await,
        Err(at) => engine.schedule().put_uncertain(lane, job, at),
    }
}

/// What the reply to the call would say now.
fn as_replied(decides: &Decides, items: &[&Value]) -> Value {
    let list = Value::Array(items.iter().map(|item| (*item).clone()).collect());
    let names = decides.items.rsplit('.');
    names.fold(list, |inner, name| Value::Object(Map::from_iter([(name.to_owned(), inner)])))
}

/// Every item of the listing for a job.
async fn read(
    engine: &Arc<Engine>,
    lane: &LaneKey,
    look_up: &LookUp,
    known: &Unsettled,
) -> Result<Vec<Value>, Stopped> {
    let query = Query::of(look_up, &known.job);
    let asker = Asker::new(engine, lane, &query.identity, std::iter::once(known.seq));
    let (mut params, mut pages, mut items) = (query.params.clone(), Pages::default(), Vec::new());
    loop {
        let page = asker.ask(&look_up.method, &params).await?;
        let listed = listed_under(&page, &look_up.items).unwrap_or_default();
        items.extend(listed.iter().map(|item| (*item).clone()));
        let Some(next) = &look_up.next else { return Ok(items) };
        match pages.turn(next, &page, listed.len(), &mut params) {
            Turn::Next => {}
            Turn::Last => return Ok(items),
            Turn::Broken(why) => return Err(Stopped::broken(&look_up.method, why)),
        }
    }
}

fn wait_max(engine: &Engine) -> Duration {
    let options = engine.options();
    options.room_wait.div_f64(options.speed)
}

fn names(all: &[String]) -> Names {
    Names::first(all.iter().map(String::as_str), all.len(), NAMED_MAX)
}
