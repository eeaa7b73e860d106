//! What throttles calls beyond the quotas: apps' gates, and the causes of every pause, rate and working limit.
//!
//! The table, the gates and the lanes know how far calls are throttled; here is why, and since when: for people, and for
//! the next process.

use std::collections::{BTreeMap, HashMap};

use super::lane::Lane;
use super::lanes::Lanes;
use super::ticket::{GateId, LaneId, Ticket};
use crate::ports::{Restrained, Restraint, RestraintKind};
use paceline_domain::outcome::Failure;
use paceline_domain::quota::{Foreign, Gate, Key, KeyId, Pause, QuotaTable, Refusal};
use paceline_domain::time::{Mono, Timestamp};

#[cfg(test)]
mod tests;

/// One way in which calls are throttled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Throttle {
    KeyPause(KeyId),
    KeyLimit(KeyId),
    AppPause(String),
    AppRate(String),
    LaneConcurrency(LaneId),
    LanePause(LaneId),
}

/// Why calls are throttled.
#[derive(Debug)]
struct Cause {
    app: String,
    since: Mono,
    failure: Failure,
}

/// The gates of apps, and the causes of all throttles; what is over is forgotten when it is asked for.
#[derive(Debug, Default)]
pub(super) struct Throttling {
    /// By number, which lanes know.
    gates: Vec<Gate>,
    by_app: HashMap<String, GateId>,
    causes: BTreeMap<Throttle, Cause>,
    /// Taken up from an earlier process for keys that no lane has yet, with the instant of that.
    pending: Vec<(Restraint, Mono, Timestamp)>,
}

/// A pause, as a lane that waits for it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivePause {
    /// When one call tries again.
    pub until: Mono,
    /// What was said.
    pub cause: Failure,
}

/// What a person should hear of, once.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A pause began.
    Paused {
        /// The app.
        app: String,
        /// The method; empty for the whole app.
        method: String,
        /// When one call tries again.
        until: Mono,
        /// What was said.
        cause: Failure,
    },
    /// Somebody else seems to use a quota.
    Foreign {
        /// The app.
        app: String,
        /// Whose quota.
        key: Key,
        /// Which window.
        foreign: Foreign,
        /// What was said.
        cause: Failure,
    },
}

impl Throttling {
    /// The number of an app's gate, which is open until something closes it.
    pub(super) fn gate_of(&mut self, app: &str) -> GateId {
        if let Some(&gate) = self.by_app.get(app) {
            return gate;
        }
        self.gates.push(Gate::default());
        self.by_app.insert(app.to_owned(), self.gates.len() - 1);
        self.gates.len() - 1
    }

    pub(super) fn gate(&self, gate: GateId) -> &Gate {
        &self.gates[gate]
    }

    pub(super) fn gate_mut(&mut self, gate: GateId) -> &mut Gate {
        &mut self.gates[gate]
    }

    /// Opens the gates of apps that have become others.
    pub(super) fn reset_gates(&mut self, is_another: impl Fn(&str) -> bool) {
        for (_, &gate) in self.by_app.iter().filter(|(app, _)| is_another(app)) {
            self.gates[gate] = Gate::default();
        }
    }

    /// Notes a cause; one that goes on keeps its beginning.
    pub(super) fn note(&mut self, throttle: Throttle, app: &str, now: Mono, failure: &Failure) {
        let since = self.causes.get(&throttle).map_or(now, |before| before.since);
        self.causes.insert(throttle, Cause { app: app.to_owned(), since, failure: failure.clone() });
    }

    /// Forgets a cause if its throttle has ended, so that the next one begins anew.
    pub(super) fn forget_if(&mut self, is_over: bool, throttle: &Throttle) {
        if is_over {
            self.causes.remove(throttle);
        }
    }

    /// Pauses an app's gate by `refuse`.
    pub(super) fn pause_app(
        &mut self,
        app: &str,
        cause: &Failure,
        now: Mono,
        refuse: impl FnOnce(&mut Gate),
    ) -> Option<Notice> {
        let (pause, rate) = (Throttle::AppPause(app.to_owned()), Throttle::AppRate(app.to_owned()));
        let gate = self.gate_of(app);
        let gate = &mut self.gates[gate];
        let (paused_before, rate_before) = (gate.paused_until(), gate.rate());
        refuse(gate);
        let (paused, slowed) = (gate.paused_until(), gate.rate() != rate_before);
        self.forget_if(paused_before.is_none(), &pause);
        self.forget_if(rate_before.is_none(), &rate);
        self.note(pause, app, now, cause);
        if slowed {
            self.note(rate, app, now, cause);
        }
        // A pause that is only made longer by another call in flight is no news.
        let is_new = paused_before.is_none_or(|before| before <= now);
        // Nor is one that was over before: a call that was in flight then does not begin it anew.
        let until = paused.filter(|until| is_new && *until > now)?;
        Some(Notice::Paused { app: app.to_owned(), method: String::new(), until, cause: cause.clone() })
    }

    /// Pauses an app until an instant without slowing it afterwards; `false` if it was paused already.
    pub(super) fn pause_app_until(&mut self, app: &str, now: Mono, until: Mono, cause: &Failure) -> bool {
        let pause = Throttle::AppPause(app.to_owned());
        let gate = self.gate_of(app);
        let gate = &mut self.gates[gate];
        let before = gate.paused_until();
        gate.pause_until(now, until);
        self.forget_if(before.is_none(), &pause);
        self.note(pause, app, now, cause);
        before.is_none_or(|paused| paused <= now)
    }

    /// A rate-limit rejection pauses a lane's main key, and may say that somebody else uses it.
    pub(super) fn refuse_key(
        &mut self,
        ticket: Ticket,
        lane: &Lane,
        table: &mut QuotaTable,
        refusal: Refusal<'_>,
        cause: &Failure,
        now: Mono,
    ) -> Option<Notice> {
        let main = *lane.keys.first()?;
        let app = &lane.key.app;
        self.forget_if(table.pause_of(main).until().is_none(), &Throttle::KeyPause(main));
        self.forget_if(table.lowered_of(main, now).is_empty(), &Throttle::KeyLimit(main));
        let refused = table.refuse(&lane.keys, ticket.probes, ticket.granted, now, refusal);
        self.note(Throttle::KeyPause(main), app, now, cause);
        if refused.lowered {
            self.note(Throttle::KeyLimit(main), app, now, cause);
        }
        let (app, method) = (app.clone(), lane.key.method.clone());
        refused.paused.map(|until| Notice::Paused { app, method, until, cause: cause.clone() })
    }

    /// Whether somebody else seems to use the key that this call probed after a pause.
    pub(super) fn foreign_use(&self, ticket: Ticket, lane: &Lane, table: &mut QuotaTable, now: Mono) -> Option<Notice> {
        let key = *lane.keys.first().filter(|_| ticket.probes.any())?;
        let foreign = table.news_of(key, now)?;
        let cause = self.causes.get(&Throttle::KeyLimit(key))?;
        let (app, failure) = (cause.app.clone(), cause.failure.clone());
        Some(Notice::Foreign { app, key: table.name(key).clone(), foreign, cause: failure })
    }

    /// The pause that keeps a lane waiting, the longest one of its own, its keys' and its app's.
    pub(super) fn active_pause(&self, id: LaneId, lane: &Lane, table: &QuotaTable, now: Mono) -> Option<ActivePause> {
        let of_keys = lane.keys.iter().map(|key| (table.pause_of(*key).until(), Throttle::KeyPause(*key)));
        let of_app = self.gates[lane.gate].paused_until();
        let of_lane = (lane.breaker.pause().until(), Throttle::LanePause(id));
        let all = of_keys.chain([(of_app, Throttle::AppPause(lane.key.app.clone())), of_lane]);
        let (until, throttle) = all.filter_map(|(until, it)| Some((until?, it))).max_by_key(|(until, _)| *until)?;
        let cause = self.causes.get(&throttle).map(|cause| cause.failure.clone()).unwrap_or_default();
        (until > now).then_some(ActivePause { until, cause })
    }

    /// Whether a pause keeps a lane waiting beyond an instant.
    pub(super) fn is_paused_beyond(&self, lane: &Lane, table: &QuotaTable, at: Mono) -> bool {
        let of_keys = lane.keys.iter().filter_map(|key| table.pause_of(*key).until());
        let of_app = self.gates[lane.gate].paused_until();
        of_keys.chain(of_app).chain(lane.breaker.pause().until()).any(|until| until > at)
    }

    /// What throttles calls at `now` (`wall` on the calendar).
    pub(super) fn restraints(
        &mut self,
        table: &mut QuotaTable,
        lanes: &Lanes,
        now: Mono,
        wall: Timestamp,
    ) -> Vec<Restraint> {
        let mut found = Vec::new();
        let gate_of = |app: &String| self.by_app.get(app).map(|gate| &self.gates[*gate]);
        self.causes.retain(|throttle, cause| {
            let degrees = degrees(throttle, gate_of, table, lanes, now);
            let target = target(throttle, table, lanes);
            let is_over = degrees.is_empty();
            found.extend(degrees.into_iter().map(|(kind, until)| Restraint {
                target: target.clone(),
                app: cause.app.clone(),
                kind,
                since: on_calendar(cause.since, now, wall),
                until: until.map(|until| on_calendar(until, now, wall)),
                cause: cause.failure.clone(),
            }));
            !is_over
        });
        found.extend(self.pending.iter().map(|(restraint, ..)| restraint.clone()));
        found
    }

    /// The throttles of an app, and those of its keys and lanes; what is pending for it is forgotten.
    pub(super) fn take_throttles_of(&mut self, app: &str) -> Vec<Throttle> {
        self.pending.retain(|(restraint, ..)| restraint.app != app);
        let of_app = self.causes.iter().filter(|(_, cause)| cause.app == app);
        of_app.map(|(throttle, _)| throttle.clone()).collect()
    }

    /// Takes up what was pending for keys that the table has got since.
    pub(super) fn take_up_pending(&mut self, table: &mut QuotaTable) {
        for (restraint, now, wall) in std::mem::take(&mut self.pending) {
            self.take_up(restraint, None, table, now, wall);
        }
    }

    /// Takes up what throttled calls in an earlier process, with the lane that it throttles, if it is one.
    pub(super) fn take_up(
        &mut self,
        restraint: Restraint,
        lane: Option<(LaneId, &mut Lane)>,
        table: &mut QuotaTable,
        now: Mono,
        wall: Timestamp,
    ) {
        let since = Mono(now.0.saturating_add(restraint.since.0.saturating_sub(wall.0)).min(now.0));
        // Never longer from now than it was at its beginning: the calendar may have been set back.
        let until = restraint.until.map_or(now, |until| now + until.since(wall).min(until.since(restraint.since)));
        let app = restraint.app.clone();
        let throttle = match (&restraint.target, restraint.kind, lane) {
            (Restrained::Key(key), kind, _) => {
                let Some(id) = table.find(key) else { return self.pending.push((restraint, now, wall)) };
                match kind {
                    RestraintKind::Pause { refusals } => {
                        table.restore_pause(id, Pause::restored(until, refusals));
                        Throttle::KeyPause(id)
                    }
                    RestraintKind::Limit { window, limit, patience } => {
                        table.restore_limit(id, window.span, limit, patience, now);
                        Throttle::KeyLimit(id)
                    }
                    RestraintKind::Rate { .. } | RestraintKind::Concurrency { .. } => return,
                }
            }
            (Restrained::App, RestraintKind::Pause { refusals }, _) => {
                let gate = self.gate_of(&app);
                self.gates[gate].restore_pause(Pause::restored(until, refusals));
                Throttle::AppPause(app)
            }
            (Restrained::App, RestraintKind::Rate { per_s, refused_at }, _) => {
                let gate = self.gate_of(&app);
                self.gates[gate].restore_rate(per_s, refused_at);
                Throttle::AppRate(app)
            }
            (Restrained::Lane(_), RestraintKind::Concurrency { limit, .. }, Some((id, lane))) => {
                lane.concurrency.restore(limit);
                Throttle::LaneConcurrency(id)
            }
            (Restrained::Lane(_), RestraintKind::Pause { refusals }, Some((id, lane))) => {
                lane.breaker.restore(Pause::restored(until, refusals));
                Throttle::LanePause(id)
            }
            (Restrained::App | Restrained::Lane(_), ..) => return,
        };
        self.causes.insert(throttle, Cause { app: restraint.app, since, failure: restraint.cause });
    }
}

/// How far calls are throttled, and until when; empty when it is over.
fn degrees<'t>(
    throttle: &Throttle,
    gate_of: impl Fn(&String) -> Option<&'t Gate>,
    table: &mut QuotaTable,
    lanes: &Lanes,
    now: Mono,
) -> Vec<(RestraintKind, Option<Mono>)> {
    let pause = |pause: &Pause| {
        let kind = RestraintKind::Pause { refusals: pause.refusals() };
        pause.until().map(|until| (kind, Some(until))).into_iter().collect()
    };
    match throttle {
        Throttle::KeyPause(key) => pause(table.pause_of(*key)),
        Throttle::KeyLimit(key) => {
            let lowered = table.lowered_of(*key, now).into_iter();
            let kind = |(window, limit, patience)| RestraintKind::Limit { window, limit, patience };
            lowered.map(|it| (kind((it.window, it.limit, it.patience)), it.raise_at)).collect()
        }
        Throttle::AppPause(app) => gate_of(app).map(|gate| pause(gate.pause())).unwrap_or_default(),
        Throttle::AppRate(app) => {
            let rates = gate_of(app).and_then(|gate| Some((gate.rate()?, gate.refused_at()?)));
            rates.map(|(per_s, refused_at)| (RestraintKind::Rate { per_s, refused_at }, None)).into_iter().collect()
        }
        Throttle::LaneConcurrency(id) => {
            let (limit, max) = (lanes[*id].concurrency.limit(), lanes[*id].concurrency.max());
            if limit < max { vec![(RestraintKind::Concurrency { limit, max }, None)] } else { Vec::new() }
        }
        Throttle::LanePause(id) => pause(lanes[*id].breaker.pause()),
    }
}

fn target(throttle: &Throttle, table: &QuotaTable, lanes: &Lanes) -> Restrained {
    match throttle {
        Throttle::KeyPause(key) | Throttle::KeyLimit(key) => Restrained::Key(table.name(*key).clone()),
        Throttle::AppPause(_) | Throttle::AppRate(_) => Restrained::App,
        Throttle::LaneConcurrency(id) | Throttle::LanePause(id) => Restrained::Lane((*lanes[*id].key).clone()),
    }
}

fn on_calendar(at: Mono, now: Mono, wall: Timestamp) -> Timestamp {
    Timestamp(wall.0.saturating_add(at.0.saturating_sub(now.0)))
}
