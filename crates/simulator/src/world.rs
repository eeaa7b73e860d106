//! The simulated world: decides what happens to a request that arrives at a given instant.
//!
//! Synchronous and without I/O: both front ends (in process, over HTTP) ask it, and wait themselves. The order of
//! decisions is that of the platforms' gateways: path, caller, quota, access token, faults, parameters, effect.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::budgets::Budgets;
use super::endpoint::{Endpoint, platform_of, prepare};
use super::error_replies::{Details, Family, error, with_limits};
use super::ids::Ids;
use super::objects::{ObjectLine, Objects};
use super::quota_enforcer::{Manner, QuotaEnforcer};
use super::request::{SimAnswer, SimMessage, SimReply, SimRequest};
use super::routes::{Found, Routes};
use super::scenario::{Fault, FaultKind, FaultTrigger, LeftOut, Scenario};
use super::stats::Stats;
use super::tokens::{BadToken, Caller, Tokens};
use paceline_domain::catalog::{Catalog, Kind};
use paceline_domain::time::{Mono, Timestamp, micros};
use paceline_ports::clock::Clock;

/// Feishu: nothing stands at that path.
const FEISHU_NO_SUCH_PATH: i64 = 99_991_201;

/// The size of a huge reply when the scenario does not say: 64 MiB.
const HUGE_BYTES: usize = 64 << 20;
/// The wait that a made-up refusal announces.
const THROTTLE_WAIT: Duration = Duration::from_secs(1);

/// The simulated world.
pub struct World {
    pub(super) catalog: Arc<Catalog>,
    pub(super) scenario: Scenario,
    pub(super) speed: f64,
    endpoint: Vec<Arc<Endpoint>>,
    routes: Routes,
    /// One instant on both clocks.
    epoch: (Mono, Timestamp),
    /// The newest instant seen, in microseconds since 1970; time never steps back.
    now: i64,
    /// When the scenario began.
    began: i64,
    pub(super) random: fastrand::Rng,
    pub(super) ids: Ids,
    triggers: Vec<FaultTrigger>,
    pub(super) left_out: Vec<LeftOut>,
    /// Positions of events that have not happened yet, with their instants.
    events: Vec<(i64, usize)>,
    /// Likewise of what others create, the last first.
    others: Vec<(i64, usize)>,
    pub(super) tokens: Tokens,
    quotas: QuotaEnforcer,
    budgets: Budgets,
    pub(super) objects: Objects,
    pub(super) stats: Stats,
    in_flight: BTreeMap<String, u32>,
}

/// A request on its way.
pub struct Departure {
    /// Until it arrives.
    pub travel: Duration,
    /// Whether no connection can be made: it never arrives.
    pub is_unreachable: bool,
    /// The method that it is for, to be given back to [`World::finish`].
    pub method: Option<Arc<Endpoint>>,
}

impl World {
    /// A world in which nothing has happened yet. Windows are `speed` times shorter than documented.
    pub fn new(catalog: Arc<Catalog>, scenario: Scenario, speed: f64, clock: &Clock) -> Self {
        let epoch = clock.both();
        let (endpoint, routes) = prepare(&catalog, &scenario, speed);
        let mut world = Self {
            catalog,
            speed,
            endpoint,
            routes,
            epoch,
            now: epoch.1.0,
            began: epoch.1.0,
            random: fastrand::Rng::with_seed(scenario.seed),
            ids: Ids::new(scenario.seed),
            triggers: Vec::new(),
            left_out: Vec::new(),
            events: Vec::new(),
            others: Vec::new(),
            tokens: Tokens::default(),
            quotas: QuotaEnforcer::default(),
            budgets: Budgets::default(),
            objects: Objects::default(),
            stats: Stats::default(),
            in_flight: BTreeMap::new(),
            scenario: Scenario::default(),
        };
        world.begin(scenario);
        world
    }

    /// Another scenario from now on; tokens, objects and books stay, and so do the windows of unchanged quotas.
    pub fn change(&mut self, scenario: Scenario, now: Mono) {
        self.advance(now);
        self.began = self.now;
        (self.endpoint, self.routes) = prepare(&self.catalog, &scenario, self.speed);
        self.random = fastrand::Rng::with_seed(scenario.seed);
        self.begin(scenario);
        self.quotas.replace_others((&self.scenario.background, self.began));
    }

    fn begin(&mut self, scenario: Scenario) {
        self.left_out.clone_from(&scenario.warnings);
        self.triggers = scenario.faults.iter().cloned().map(FaultTrigger::new).collect();
        let events = scenario.events.iter().enumerate();
        self.events = events.map(|(position, event)| (self.began + (event.at_s * 1e6) as i64, position)).collect();
        self.events.sort_unstable();
        let others = scenario.objects.iter().enumerate();
        self.others = others.map(|(position, it)| (self.began + (it.at_s * 1e6) as i64, position)).collect();
        self.others.sort_unstable_by(|left, right| right.cmp(left));
        self.scenario = scenario;
    }

    /// Forgets objects, books and windows; access tokens stay good.
    pub fn reset(&mut self) {
        self.objects = Objects::default();
        self.quotas = QuotaEnforcer::default();
        self.budgets = Budgets::default();
        self.stats = Stats::default();
    }

    /// A request leaves its sender.
    pub fn depart(&mut self, request: &SimRequest, now: Mono) -> Departure {
        self.advance(now);
        let method = match self.routes.find(&request.http_method, &request.path) {
            Found::Method(index, _) => self.endpoint.get(index).cloned(),
            Found::OtherHttpMethod | Found::Nothing => None,
        };
        let name = method.as_ref().map_or("", |endpoint| endpoint.method.name.as_str());
        if self.next_fault(name, |kind| kind == FaultKind::Unreachable).is_some() {
            return Departure { travel: Duration::ZERO, is_unreachable: true, method: None };
        }
        if let Some(endpoint) = &method {
            let count = self.in_flight.entry(endpoint.method.name.clone()).or_default();
            *count += 1;
            let count = *count;
            let book = self.stats.method(&endpoint.method.name);
            book.in_flight = count;
            book.in_flight_max = book.in_flight_max.max(count);
        }
        let travel = self.scenario.latency.before.draw(&mut self.random);
        Departure { travel, is_unreachable: false, method }
    }

    /// The reply to a departed request is out.
    pub fn finish(&mut self, endpoint: &Endpoint) {
        let count = self.in_flight.entry(endpoint.method.name.clone()).or_default();
        *count = count.saturating_sub(1);
        let count = *count;
        self.stats.method(&endpoint.method.name).in_flight = count;
    }

    /// A request arrives: it is counted, decided and, if all is well, carried out, at this instant.
    pub fn arrive(&mut self, request: &SimRequest, now: Mono) -> SimAnswer {
        self.advance(now);
        self.stats.arrivals += 1;
        let mut after = self.scenario.latency.after.draw(&mut self.random);
        let reply = match self.routes.find(&request.http_method, &request.path) {
            Found::Method(index, path) => match self.endpoint.get(index).cloned() {
                Some(endpoint) => self.serve(&endpoint, request, path, &mut after),
                None => SimReply::Cut,
            },
            Found::OtherHttpMethod => SimReply::Whole(self.nothing_there(&request.path, true)),
            Found::Nothing => SimReply::Whole(self.nothing_there(&request.path, false)),
        };
        SimAnswer { after, reply }
    }

    /// What happened so far.
    pub fn stats(&self) -> Stats {
        Stats { quotas: self.quotas.stats(), ..self.stats.clone() }
    }

    /// What was created so far.
    pub fn objects(&self) -> Vec<ObjectLine> {
        self.objects.lines()
    }

    /// Makes every access token invalid; says how many were valid.
    pub fn revoke_tokens(&mut self, users: bool) -> usize {
        self.tokens.revoke_all(users)
    }

    /// Changes the secret of an app or corp.
    pub fn change_secret(&mut self, account: &str, secret: &str) {
        self.tokens.pin_secret(account, secret);
    }

    /// Now, in microseconds since 1970.
    pub(super) const fn micros_now(&self) -> i64 {
        self.now
    }

    /// A new log id of the platform.
    pub(super) fn log_id(&mut self) -> String {
        format!("sim{}", self.ids.hex(24))
    }

    fn advance(&mut self, now: Mono) {
        let calendar = self.epoch.1.0.saturating_add(now.0.saturating_sub(self.epoch.0.0));
        self.now = self.now.max(calendar);
        while let Some((_, position)) = self.others.pop_if(|(at, _)| *at <= self.now) {
            if let Some(others) = self.scenario.objects.get(position).cloned() {
                self.create_others(&others);
            }
        }
        while let Some((_, position)) = self.events.first().copied().filter(|(at, _)| *at <= self.now) {
            self.events.remove(0);
            let Some(event) = self.scenario.events.get(position).cloned() else { continue };
            if event.revoke_tokens {
                self.tokens.revoke_all(false);
            }
            if let (Some(account), Some(secret)) = (&event.app, &event.secret) {
                self.tokens.pin_secret(account, secret.expose());
            }
        }
    }

    /// The first fault that strikes a request of this method, among the kinds that are looked for.
    fn next_fault(&mut self, method: &str, is_wanted: impl Fn(FaultKind) -> bool) -> Option<Fault> {
        let at_s = (self.now - self.began) as f64 / 1e6;
        let random = &mut self.random;
        let mut wanted = self.triggers.iter_mut().filter(|trigger| is_wanted(trigger.kind()));
        let fault = wanted.find_map(|trigger| trigger.fires(method, at_s, random).cloned())?;
        *self.stats.faults.entry(fault.kind.as_str()).or_default() += 1;
        Some(fault)
    }

    fn nothing_there(&mut self, path: &str, is_other_http_method: bool) -> SimMessage {
        let family = Family::of_path(path);
        let name = if family == Family::Wecom { "wecom" } else { "feishu" };
        let code = match family {
            _ if is_other_http_method => family.other_http_method(),
            Family::Feishu => FEISHU_NO_SUCH_PATH,
            // WeCom's table of codes has none for it; that it is a plain 404 is UNCONFIRMED.
            Family::Wecom => {
                let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
                return SimMessage { status: 404, headers, body: "404 page not found".into() };
            }
        };
        let log_id = self.log_id();
        *self.stats.codes.entry(code).or_default() += 1;
        error(family, platform_of(&self.catalog, name).map(|it| &**it), None, code, &log_id, &Details::default())
    }

    fn serve(
        &mut self,
        endpoint: &Arc<Endpoint>,
        request: &SimRequest,
        path: Map<String, Value>,
        after: &mut Duration,
    ) -> SimReply {
        self.stats.method(&endpoint.method.name).arrivals += 1;
        let (caller, bad_token) = self.caller(endpoint, request);
        if let Some(message) = self.gate(endpoint, caller.as_ref(), bad_token) {
            return SimReply::Whole(message);
        }
        let Some(fault) = self.next_fault(&endpoint.method.name, |kind| kind != FaultKind::Unreachable) else {
            return SimReply::Whole(self.carry_out(endpoint, request, path, caller.as_ref()));
        };
        let carried_out = fault.is_applied().then(|| self.carry_out(endpoint, request, path, caller.as_ref()));
        self.apply_fault(endpoint, &fault, carried_out, after)
    }

    /// What the caller gets instead of the reply that it would have had if it was carried out; `after` grows for late
    /// replies.
    fn apply_fault(
        &mut self,
        endpoint: &Endpoint,
        fault: &Fault,
        carried_out: Option<SimMessage>,
        after: &mut Duration,
    ) -> SimReply {
        if !matches!(fault.kind, FaultKind::Late | FaultKind::Throttle | FaultKind::Code) {
            self.stats.method(&endpoint.method.name).failed += 1;
        }
        match fault.kind {
            FaultKind::Throttle => {
                let limit = endpoint.rules.first().and_then(|rule| rule.quota.windows().first());
                let limit = (limit.map_or(1, |window| window.limit as usize), THROTTLE_WAIT);
                SimReply::Whole(self.over_quota(endpoint, Some(limit), fault.header))
            }
            FaultKind::Code => {
                let details = Details { status: fault.status, ..Details::default() };
                SimReply::Whole(self.error(endpoint, fault.code.unwrap_or(-1), &details))
            }
            FaultKind::Status => {
                let status = fault.status.unwrap_or(500);
                plain(status, "text/plain", format!("simulated HTTP {status}").into())
            }
            FaultKind::Refuse => plain(503, "text/plain", Bytes::from_static(b"simulated HTTP 503")),
            FaultKind::Html => {
                plain(200, "text/html", Bytes::from_static(b"<!doctype html><title>Sign in to this network</title>"))
            }
            FaultKind::Huge => {
                plain(200, "application/json", vec![b' '; fault.body_bytes.unwrap_or(HUGE_BYTES)].into())
            }
            FaultKind::CutBefore | FaultKind::CutAfter | FaultKind::Unreachable => SimReply::Cut,
            FaultKind::Partial => carried_out.map_or(SimReply::Cut, SimReply::Partial),
            FaultKind::Late => {
                *after += Duration::from_millis(fault.late_ms.unwrap_or_default());
                carried_out.map_or(SimReply::Cut, SimReply::Whole)
            }
        }
    }

    /// Quota, access token and concurrency: whatever refuses a request before anything is looked at.
    fn gate(
        &mut self,
        endpoint: &Endpoint,
        caller: Option<&Caller>,
        bad_token: Option<BadToken>,
    ) -> Option<SimMessage> {
        let counting = &self.scenario.counting;
        let manner = Manner {
            kind: counting.window,
            refused_count: counting.refused_count,
            blocks: counting.wecom_block && endpoint.family == Family::Wecom,
        };
        let others = (self.scenario.background.as_slice(), self.began);
        let refusal =
            self.quotas.charge(&endpoint.method.name, &endpoint.rules, caller, manner, others, self.now).err();
        if let Some(bad) = bad_token {
            return Some(self.error(endpoint, endpoint.family.bad_token(bad), &Details::default()));
        }
        if let Some(refusal) = refusal {
            return Some(self.over_quota(endpoint, Some((refusal.limit, refusal.wait)), None));
        }
        let month_calls = self.scenario.counting.month_calls;
        let spent = caller.and_then(|caller| self.budgets.refusal(endpoint, caller, month_calls, self.now));
        if let Some(code) = spent {
            self.stats.refused += 1;
            self.stats.method(&endpoint.method.name).refused += 1;
            return Some(self.write_error(endpoint, code, &Details::default()));
        }
        let in_flight = self.in_flight.get(&endpoint.method.name).copied().unwrap_or_default();
        if endpoint.in_flight_limit.is_some_and(|limit| in_flight > limit) {
            return Some(self.error(endpoint, endpoint.family.too_many_in_flight(), &Details::default()));
        }
        None
    }

    /// Counts a call towards its calendar day or month.
    pub(super) fn count_call(&mut self, endpoint: &Endpoint, caller: &Caller) {
        self.budgets.count(endpoint, caller, self.scenario.counting.month_calls, self.now);
    }

    /// A refusal for a used-up quota.
    pub(super) fn over_quota(
        &mut self,
        endpoint: &Endpoint,
        limit: Option<(usize, Duration)>,
        header: Option<bool>,
    ) -> SimMessage {
        self.stats.refused += 1;
        self.stats.method(&endpoint.method.name).refused += 1;
        let counting = &self.scenario.counting;
        let details = Details {
            status: Some(counting.feishu_status),
            hint: String::new(),
            limit: limit.filter(|_| header.unwrap_or(counting.reset_header)),
        };
        self.write_error(endpoint, endpoint.family.over_quota(), &details)
    }

    /// An answer with a code that counts as a failure of the method.
    pub(super) fn error(&mut self, endpoint: &Endpoint, code: i64, details: &Details) -> SimMessage {
        self.stats.method(&endpoint.method.name).failed += 1;
        self.write_error(endpoint, code, details)
    }

    fn write_error(&mut self, endpoint: &Endpoint, code: i64, details: &Details) -> SimMessage {
        *self.stats.codes.entry(code).or_default() += 1;
        let log_id = self.log_id();
        error(endpoint.family, Some(&endpoint.platform), Some(&endpoint.method), code, &log_id, details)
    }

    /// Who calls, as far as known, and what is wrong with the access token.
    fn caller(&mut self, endpoint: &Endpoint, request: &SimRequest) -> (Option<Caller>, Option<BadToken>) {
        if endpoint.method.kind == Kind::Token {
            return (self.token_caller(request), None);
        }
        self.bearer(endpoint, request)
    }

    /// How long the platform may keep new objects of a create out of its listings, in microseconds.
    pub(super) fn listing_delay(&self, create: &str) -> i64 {
        let own = self.scenario.undocumented.delay_ms(create);
        micros(Duration::from_millis(own.unwrap_or(self.scenario.listing.delay_ms)))
    }

    /// Feishu's headers of a refusal on a reply that is none, where the scenario has them.
    pub(super) fn tell_limits(&self, endpoint: &Endpoint, message: SimMessage) -> SimMessage {
        let window = endpoint.rules.first().and_then(|rule| rule.quota.windows().first());
        match window.filter(|_| self.scenario.undocumented.headers && endpoint.family == Family::Feishu) {
            Some(window) => with_limits(message, window.limit as usize, window.span),
            None => message,
        }
    }
}

fn plain(status: u16, kind: &str, body: Bytes) -> SimReply {
    SimReply::Whole(SimMessage { status, headers: vec![("content-type".to_owned(), kind.to_owned())], body })
}
