//! What holds calls back beyond the quotas: kept with its cause, for people and for the next process.
//!
//! The book, the gates and the lanes know how far they are held back; here stands why, and since when.

use std::collections::BTreeMap;

use super::{Failure, KeyId, LaneId, Mono, Refusal, Schedule, Ticket, Timestamp};
use crate::ports::{Hold, Restrained, Restraint};
use paceline_domain::quota::{Foreign, Gate, Key, Pause};

/// One way in which something is held back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    KeyPause(KeyId),
    KeyLimit(KeyId),
    AppPause(String),
    AppRate(String),
    /// Its concurrency.
    Lane(LaneId),
    LanePause(LaneId),
}

/// Why something is held back.
#[derive(Debug)]
struct Why {
    app: String,
    since: Mono,
    cause: Failure,
}

/// The causes of all restraints; what is over is forgotten when it is asked for.
#[derive(Debug, Default)]
pub(super) struct Restraints {
    why: BTreeMap<Mark, Why>,
    /// Taken up from an earlier process for keys that no lane has yet, with the instant of that.
    waiting: Vec<(Restraint, Mono, Timestamp)>,
}

/// A pause, as a lane that waits for it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
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

/// Why a call that was granted may not leave any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// Its key or its app paused meanwhile.
    Paused,
    /// Its app or lane was suspended meanwhile.
    Suspended,
}

impl Withheld {
    /// For the attempt's record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "its quota was paused before the call could leave",
            Self::Suspended => "its app was suspended before the call could leave",
        }
    }
}

impl Restraints {
    /// Notes a cause; one that goes on keeps its beginning.
    pub(super) fn note(&mut self, mark: Mark, app: &str, now: Mono, cause: &Failure) {
        let since = self.why.get(&mark).map_or(now, |before| before.since);
        self.why.insert(mark, Why { app: app.to_owned(), since, cause: cause.clone() });
    }
}

impl Schedule {
    /// Whether a granted call may still leave at `now`: asked at the last moment before it does.
    ///
    /// # Errors
    /// What began since: the permit is to be given back with [`super::Ended::NotSent`].
    pub fn may_leave(&self, ticket: Ticket, now: Mono) -> Result<(), Withheld> {
        let lane = &self.lanes[ticket.lane];
        // The app's gate and suspensions are asked for the calls that tokens are fetched for.
        let is_token = lane.plan.is_token();
        if lane.suspended && !is_token {
            return Err(Withheld::Suspended);
        }
        let gate = self.gates.get(&lane.key.app).filter(|_| !is_token);
        let is_open = self.book.lets(&lane.keys, ticket.probes, now)
            && (!ticket.has_slot || lane.breaker.lets(now, ticket.lane_probe))
            && gate.is_none_or(|gate| gate.gate.lets(now, ticket.gate_probe));
        if is_open { Ok(()) } else { Err(Withheld::Paused) }
    }

    /// What holds calls back at `now` (`wall` on the calendar).
    pub fn restraints(&mut self, now: Mono, wall: Timestamp) -> Vec<Restraint> {
        let marks: Vec<Mark> = self.restraints.why.keys().cloned().collect();
        let mut found = Vec::new();
        for mark in marks {
            let holds = self.holds(&mark, now);
            if holds.is_empty() {
                self.restraints.why.remove(&mark);
            }
            let target = self.target(&mark);
            let Some(why) = self.restraints.why.get(&mark) else { continue };
            found.extend(holds.into_iter().map(|(hold, until)| Restraint {
                target: target.clone(),
                app: why.app.clone(),
                hold,
                since: on_calendar(why.since, now, wall),
                until: until.map(|until| on_calendar(until, now, wall)),
                cause: why.cause.clone(),
            }));
        }
        found.extend(self.restraints.waiting.iter().map(|(restraint, ..)| restraint.clone()));
        found
    }

    /// Takes up what held calls back in an earlier process. A pause that is over by now is reopened by a probe.
    pub fn restrain(&mut self, restraints: Vec<Restraint>, now: Mono, wall: Timestamp) {
        for restraint in restraints {
            self.take_up(restraint, now, wall);
        }
    }

    /// Ends what holds an app back: a person says that the cause is gone. A paused key or app is reopened by a probe.
    pub fn lift(&mut self, app: &str, now: Mono) {
        self.restraints.waiting.retain(|(restraint, ..)| restraint.app != app);
        let marks = self.restraints.why.iter().filter(|(_, why)| why.app == app).map(|(mark, _)| mark.clone());
        for mark in marks.collect::<Vec<_>>() {
            match mark {
                Mark::KeyPause(key) | Mark::KeyLimit(key) => {
                    self.book.lift(key, now);
                    self.wake_line(key, now);
                }
                Mark::AppPause(app) | Mark::AppRate(app) => {
                    self.gate(&app).gate.lift(now);
                    self.wake_gate(&app);
                }
                Mark::Lane(id) => {
                    let max = self.lanes[id].concurrency.max();
                    self.lanes[id].concurrency.restore(max);
                }
                Mark::LanePause(id) => self.lanes[id].breaker.lift(now),
            }
        }
        // Lanes that wait for the end of a pause by a timer of their own look again.
        for id in 0..self.lanes.len() {
            if self.lanes[id].key.app == app {
                self.make_ready(id);
            }
        }
    }

    /// The pause that keeps a lane waiting, the longest one of its own, its keys' and its app's.
    pub(super) fn held_back(&self, id: LaneId, now: Mono) -> Option<HeldBack> {
        let lane = &self.lanes[id];
        let of_keys = lane.keys.iter().map(|key| (self.book.pause_of(*key).until(), Mark::KeyPause(*key)));
        let of_app = self.gates.get(&lane.key.app).and_then(|gate| gate.gate.paused_until());
        let of_lane = (lane.breaker.pause().until(), Mark::LanePause(id));
        let all = of_keys.chain([(of_app, Mark::AppPause(lane.key.app.clone())), of_lane]);
        let (until, mark) = all.filter_map(|(until, mark)| Some((until?, mark))).max_by_key(|(until, _)| *until)?;
        let cause = self.restraints.why.get(&mark).map(|why| why.cause.clone()).unwrap_or_default();
        (until > now).then_some(HeldBack { until, cause })
    }

    /// Whether a pause keeps a lane waiting beyond an instant.
    pub(super) fn is_held_back(&self, id: LaneId, at: Mono) -> bool {
        let lane = &self.lanes[id];
        let of_keys = lane.keys.iter().filter_map(|key| self.book.pause_of(*key).until());
        let of_app = self.gates.get(&lane.key.app).and_then(|gate| gate.gate.paused_until());
        of_keys.chain(of_app).chain(lane.breaker.pause().until()).any(|until| until > at)
    }

    /// A refusal pauses the method's key, and may say that somebody else uses it.
    pub(super) fn refuse_key(
        &mut self,
        ticket: Ticket,
        keys: &[KeyId],
        refusal: Refusal<'_>,
        cause: &Failure,
        now: Mono,
    ) -> Vec<Notice> {
        let Some(&main) = keys.first() else { return Vec::new() };
        let (app, method) = (self.lanes[ticket.lane].key.app.clone(), self.lanes[ticket.lane].key.method.clone());
        self.forget_if_over(&Mark::KeyPause(main), now);
        self.forget_if_over(&Mark::KeyLimit(main), now);
        let refused = self.book.refuse(keys, ticket.probes, ticket.granted, now, refusal);
        self.restraints.note(Mark::KeyPause(main), &app, now, cause);
        let mut notices = Vec::new();
        if let Some(until) = refused.paused {
            notices.push(Notice::Paused { app: app.clone(), method, until, cause: cause.clone() });
        }
        if refused.lowered {
            self.restraints.note(Mark::KeyLimit(main), &app, now, cause);
        }
        notices
    }

    /// Whether somebody else seems to use the key that this call probed after a pause.
    pub(super) fn foreign_use(&mut self, ticket: Ticket, now: Mono) -> Option<Notice> {
        let key = *self.lanes[ticket.lane].keys.first().filter(|_| ticket.probes.any())?;
        let foreign = self.book.news_of(key, now)?;
        let why = self.restraints.why.get(&Mark::KeyLimit(key))?;
        let (app, cause) = (why.app.clone(), why.cause.clone());
        Some(Notice::Foreign { app, key: self.book.name(key).clone(), foreign, cause })
    }

    /// Pauses an app's gate by `refuse`.
    pub(super) fn pause_app(
        &mut self,
        app: &str,
        cause: &Failure,
        now: Mono,
        refuse: impl FnOnce(&mut Gate),
    ) -> Option<Notice> {
        let (pause, rate) = (Mark::AppPause(app.to_owned()), Mark::AppRate(app.to_owned()));
        self.forget_if_over(&pause, now);
        self.forget_if_over(&rate, now);
        let gate = &mut self.gate(app).gate;
        let (paused_before, rate_before) = (gate.paused_until(), gate.rate());
        refuse(gate);
        let (paused, slowed) = (gate.paused_until(), gate.rate() != rate_before);
        self.restraints.note(pause, app, now, cause);
        if slowed {
            self.restraints.note(rate, app, now, cause);
        }
        // A pause that is only made longer by another call in flight is no news.
        let is_new = paused_before.is_none_or(|before| before <= now);
        // Nor is one that was over before: whoever was in flight then does not begin it anew.
        let until = paused.filter(|until| is_new && *until > now)?;
        Some(Notice::Paused { app: app.to_owned(), method: String::new(), until, cause: cause.clone() })
    }

    /// Forgets a cause whose restraint has ended, so that the next one begins anew.
    pub(super) fn forget_if_over(&mut self, mark: &Mark, now: Mono) {
        if self.restraints.why.contains_key(mark) && self.holds(mark, now).is_empty() {
            self.restraints.why.remove(mark);
        }
    }

    /// Takes up what waited for its key.
    pub(super) fn take_up_waiting(&mut self) {
        for (restraint, now, wall) in std::mem::take(&mut self.restraints.waiting) {
            self.take_up(restraint, now, wall);
        }
    }

    fn take_up(&mut self, restraint: Restraint, now: Mono, wall: Timestamp) {
        let since = Mono(now.0.saturating_add(restraint.since.0.saturating_sub(wall.0)).min(now.0));
        // Never longer from now than it was at its beginning: the calendar may have been set back.
        let until = restraint.until.map_or(now, |until| now + until.since(wall).min(until.since(restraint.since)));
        let mark = match (&restraint.target, restraint.hold) {
            (Restrained::Key(key), hold) => {
                let Some(id) = self.book.find(key) else {
                    self.restraints.waiting.push((restraint, now, wall));
                    return;
                };
                match hold {
                    Hold::Pause { refusals } => {
                        self.book.restore_pause(id, Pause::restored(until, refusals));
                        Mark::KeyPause(id)
                    }
                    Hold::Limit { window, limit, patience } => {
                        self.book.restore_limit(id, window.span, limit, patience, now);
                        Mark::KeyLimit(id)
                    }
                    Hold::Rate { .. } | Hold::Concurrency { .. } => return,
                }
            }
            (Restrained::App, Hold::Pause { refusals }) => {
                self.gate(&restraint.app).gate.restore_pause(Pause::restored(until, refusals));
                Mark::AppPause(restraint.app.clone())
            }
            (Restrained::App, Hold::Rate { per_s, refused_at }) => {
                self.gate(&restraint.app).gate.restore_rate(per_s, refused_at);
                Mark::AppRate(restraint.app.clone())
            }
            (Restrained::Lane(lane), Hold::Concurrency { limit, .. }) => {
                let Some(id) = self.lane(lane) else { return };
                self.lanes[id].concurrency.restore(limit);
                Mark::Lane(id)
            }
            (Restrained::Lane(lane), Hold::Pause { refusals }) => {
                let Some(id) = self.lane(lane) else { return };
                self.lanes[id].breaker.restore(Pause::restored(until, refusals));
                Mark::LanePause(id)
            }
            (Restrained::App | Restrained::Lane(_), _) => return,
        };
        self.restraints.why.insert(mark, Why { app: restraint.app, since, cause: restraint.cause });
    }

    /// How far something is held back, and until when; empty when it is over.
    fn holds(&mut self, mark: &Mark, now: Mono) -> Vec<(Hold, Option<Mono>)> {
        let pause = |pause: &Pause| {
            let hold = Hold::Pause { refusals: pause.refusals() };
            pause.until().map(|until| (hold, Some(until))).into_iter().collect()
        };
        let gate = |app: &String| self.gates.get(app).map(|gate| &gate.gate);
        match mark {
            Mark::KeyPause(key) => pause(self.book.pause_of(*key)),
            Mark::KeyLimit(key) => {
                let lowered = self.book.lowered_of(*key, now).into_iter();
                let hold = |(window, limit, patience)| Hold::Limit { window, limit, patience };
                lowered.map(|it| (hold((it.window, it.limit, it.patience)), it.raise_at)).collect()
            }
            Mark::AppPause(app) => gate(app).map(|gate| pause(gate.pause())).unwrap_or_default(),
            Mark::AppRate(app) => {
                let rates = gate(app).and_then(|gate| Some((gate.rate()?, gate.refused_at()?)));
                rates.map(|(per_s, refused_at)| (Hold::Rate { per_s, refused_at }, None)).into_iter().collect()
            }
            Mark::Lane(id) => {
                let (limit, max) = (self.lanes[*id].concurrency.limit(), self.lanes[*id].concurrency.max());
                if limit < max { vec![(Hold::Concurrency { limit, max }, None)] } else { Vec::new() }
            }
            Mark::LanePause(id) => pause(self.lanes[*id].breaker.pause()),
        }
    }

    fn target(&self, mark: &Mark) -> Restrained {
        match mark {
            Mark::KeyPause(key) | Mark::KeyLimit(key) => Restrained::Key(self.book.name(*key).clone()),
            Mark::AppPause(_) | Mark::AppRate(_) => Restrained::App,
            Mark::Lane(id) | Mark::LanePause(id) => Restrained::Lane((*self.lanes[*id].key).clone()),
        }
    }
}

fn on_calendar(at: Mono, now: Mono, wall: Timestamp) -> Timestamp {
    Timestamp(wall.0.saturating_add(at.0.saturating_sub(now.0)))
}
