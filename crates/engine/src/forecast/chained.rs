//! Jobs that wait for others: they come into their lanes when those are done. The schedule is run forward once for each
//! link of the longest chain, each time with the jobs that the run before has let come.

use std::sync::Arc;

use super::{Basis, BatchForecast, Chained, Forecast, Group, Jobs, LaneForecast};
use paceline_domain::job::LaneKey;

/// Links that are run one by one; of a longer chain the rest follows at the pace of its round trips.
const LINKS_MAX: usize = 8;
/// Jobs that are alike come in so many parts, each when the first that it waits for is done; the last job comes by itself,
/// because it decides when all are done.
const PARTS: u64 = 16;

/// The forecast of a basis with blocked jobs; `run` makes that of one without.
pub(super) fn forecast(basis: &Basis, run: impl Fn(&Basis) -> Forecast) -> Forecast {
    let mut whole = Basis { chained: Vec::new(), ..basis.clone() };
    let mut forecast = run(&whole);
    let mut simulated = forecast.simulated;
    let mut stuck: Vec<&Chained> = basis.chained.iter().filter(|chained| chained.link.is_none()).collect();
    let last = basis.chained.iter().filter_map(|chained| chained.link).max().unwrap_or_default();
    for link in 1..=last.min(LINKS_MAX) {
        let is_turn = |at: usize| at == link || link == LINKS_MAX && at > link;
        for one in basis.chained.iter().filter(|one| one.link.is_some_and(is_turn)) {
            match come(one, link, basis, &forecast) {
                Some(groups) => whole.backlog.extend(groups),
                None => stuck.push(one),
            }
        }
        whole.backlog.sort_by_key(|group| group.ages);
        forecast = run(&whole);
        simulated += forecast.simulated;
    }
    for one in stuck {
        leave(&mut forecast, &one.group);
    }
    Forecast { simulated, ..forecast }
}

/// The jobs in the parts in which they come; `None` if what they wait for stands still.
fn come<'c>(chained: &'c Chained, link: usize, basis: &Basis, forecast: &'c Forecast) -> Option<Vec<Group>> {
    let lane = |(lane, batch): &'c (LaneKey, Arc<str>)| Some((forecast.lane(lane)?, batch));
    let before: Vec<(&LaneForecast, &Arc<str>)> = chained.behind.iter().filter_map(lane).collect();
    if before.iter().any(|(lane, _)| lane.finish.is_none() && lane.jobs.total() > 0) {
        return None;
    }
    // What follows on the last link that is run takes a round trip each.
    let more = chained.link.unwrap_or_default().saturating_sub(link);
    let later = basis.round_trip(&chained.group.lane).saturating_mul(u32::try_from(more).unwrap_or(u32::MAX));
    let Group { count, ages: (first, last), .. } = chained.group;
    let (parts, before_last) = (PARTS.min(count).max(1), count.saturating_sub(1));
    let part = |n: u64| {
        let (from, to) =
            if n == parts { (before_last, count) } else { (before_last * n / parts, before_last * (n + 1) / parts) };
        // Batches take turns: what is waited for stands among the lane's jobs where those of its batch do.
        let done = |(lane, batch): &(&LaneForecast, &Arc<str>)| {
            let (first, last) = lane.spans.get(*batch).copied().unwrap_or((1, lane.curve.jobs() as u64));
            let place = first - 1 + (last + 1 - first) * (from + 1) / count.max(1);
            lane.curve.instant_of(usize::try_from(place).unwrap_or(usize::MAX).max(1)) + later
        };
        let come = before.iter().map(done).max();
        let age = |of: u64| first + (i128::from(last - first) * i128::from(of) / i128::from(count.max(1))) as i64;
        Group {
            not_before: chained.group.not_before.max(come),
            ages: (age(from), age(to).max(age(from))),
            count: to - from,
            ..chained.group.clone()
        }
    };
    Some((0..=parts).map(part).filter(|group| group.count > 0).collect())
}

/// Counts jobs that do not move by themselves.
fn leave(forecast: &mut Forecast, group: &Group) {
    let jobs = Jobs { blocked: group.count, ..Jobs::default() };
    forecast.jobs.add(jobs);
    match forecast.lanes.binary_search_by(|lane| lane.key.cmp(&group.lane)) {
        Ok(place) => forecast.lanes[place].jobs.add(jobs),
        Err(place) => {
            let mut lane = LaneForecast::still(group.lane.clone());
            lane.jobs.add(jobs);
            forecast.lanes.insert(place, lane);
        }
    }
    if let Some(batch) = forecast.batches.iter_mut().find(|batch| batch.name == group.batch) {
        batch.jobs.add(jobs);
        return;
    }
    forecast.batches.push(BatchForecast { name: Arc::clone(&group.batch), jobs, ..BatchForecast::default() });
    forecast.batches.sort_by(|left, right| left.name.cmp(&right.name));
}
