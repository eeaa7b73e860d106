//! From a seed to a plan: jobs, apps, a scenario, and what happens to the worker.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use paceline::domain::catalog::{Catalog, built_in};
use paceline::domain::quota::{Quota, Reserve};
use paceline::domain::time::Timestamp;
use paceline::engine::app::{App, Apps, OnDeclined, OnUncertain};
use paceline::engine::schedule::Limits;
use paceline::engine::{Options, backoff};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{links, twins};

/// Where the calendar begins.
pub(super) const T0: Timestamp = Timestamp(1_800_000_000_000_000);

pub(super) const ROOM: &str = "feishu.vc.room.create";
pub(super) const CALENDAR: &str = "feishu.calendar.create";
pub(super) const MINUTES: &str = "feishu.calendar.event.meeting_minute.create";
pub(super) const MEETING: &str = "wecom.meeting.create";

/// A job as it is sent in, with what the checks need to know of it.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub id: String,
    pub method: &'static str,
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
    pub value: Value,
    /// What it is called with others that want the same thing.
    pub twin: Option<String>,
    /// Ids of the jobs that it waits for.
    pub after: Vec<String>,
}

/// Jobs that come together.
pub(super) struct Portion {
    pub at: Timestamp,
    pub jobs: Vec<Sent>,
}

/// Something a person does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    /// Cancels every n-th job that waits.
    Cancel(usize),
    /// Ends every n-th job that is held or uncertain.
    Resolve(usize),
    /// Puts the exhausted jobs back to work.
    Redrive,
}

/// Connections that break while a request is still on its way, to arrive as late as it can.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cuts {
    pub chance: f64,
    pub until: Timestamp,
    /// Requests arrive within this time.
    pub latest: Duration,
    pub seed: u64,
}

impl Cuts {
    /// Drawn by a generator of its own, so that older seeds keep their worlds.
    fn of(seed: u64, faults_s: u32, options: &mut Options) -> Self {
        let rng = &mut Rng::with_seed(seed ^ 0xc075);
        let chance = *pick(rng, &[0.0, 0.0, 0.1, 0.3, 0.6]);
        if chance > 0.0 && rng.bool() {
            // With a short one, every request has arrived before anybody looks.
            options.request_timeout = Duration::from_secs(30);
        }
        let until = T0 + Duration::from_secs(u64::from(faults_s.max(100)));
        Self {
            chance,
            until,
            latest: options.latest_count().saturating_sub(Duration::from_millis(1)),
            seed: rng.u64(..),
        }
    }
}

/// When a life ends, and how long nobody lives then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kill {
    pub after: Duration,
    pub down: Duration,
}

pub(super) struct Plan {
    pub catalog: Arc<Catalog>,
    pub apps: Apps,
    pub scenario: String,
    pub options: Options,
    pub portions: Vec<Portion>,
    pub deeds: Vec<(Timestamp, Deed)>,
    pub cuts: Cuts,
    pub kills: Vec<Kill>,
    /// Everything has ended by then.
    pub bound: Timestamp,
}

fn seconds(rng: &mut Rng, from: f64, to: f64) -> Duration {
    // Jobs write their times in milliseconds.
    Duration::from_millis(((from + (to - from) * rng.f64()) * 1e3) as u64)
}

fn pick<'a, T>(rng: &mut Rng, all: &'a [T]) -> &'a T {
    &all[rng.usize(..all.len())]
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let rng = &mut Rng::with_seed(seed);
        let catalog = Arc::new(built_in().unwrap());
        let mut options = options(rng);
        if seed.is_multiple_of(3) {
            options.limits.reserve = Reserve::NONE.keep(5, 0.1).keep(8, 0.3);
        }
        let quotas = quotas(rng);
        let on_uncertain = if rng.u8(..10) == 0 { OnUncertain::Retry } else { OnUncertain::Hold };
        let apps = apps(&catalog, &quotas, on_uncertain, if rng.u8(..5) == 0 { 0.5 } else { 1.0 });
        let faults_s = if rng.bool() { rng.u32(10..55) } else { rng.u32(60..400) };
        let scenario = scenario(rng, &options, &quotas, faults_s);
        let portions = portions(rng, &quotas);
        let kills = (0..rng.usize(..7)).map(|_| kill(rng)).collect();
        let deeds = deeds(rng, faults_s);
        let cuts = Cuts::of(seed, faults_s, &mut options);
        let mut plan = Self { catalog, apps, scenario, options, portions, deeds, cuts, kills, bound: T0 };
        plan.bound = T0 + plan.longest(faults_s, &quotas);
        twins::add(&mut plan, seed);
        links::add(&mut plan, seed);
        plan
    }

    /// So many jobs of one method at once, by these apps in turn, and a platform that is quick and calm.
    pub(super) fn plain(method: &'static str, apps: &[&str], jobs: u64, at: Timestamp) -> Self {
        let (rng, catalog) = (&mut Rng::with_seed(1), Arc::new(built_in().unwrap()));
        let limits = Limits { concurrency_max: 16, lane_concurrency_max: 16, reserve: Reserve::NONE, stop_after: 0 };
        let seconds = Duration::from_secs;
        let options =
            Options { limits, request_timeout: seconds(5), grace: seconds(1), attempts_max: 3, ..options(rng) };
        let sent = |number| loop {
            let mut job = job(rng, number, at);
            if job.method == method && job.not_before.is_none() {
                job.value["app"] = apps[number as usize % apps.len()].into();
                return job;
            }
        };
        let portions = vec![Portion { at, jobs: (0..jobs).map(sent).collect() }];
        let none = BTreeMap::new();
        let scenario =
            "[latency]\nbefore = { kind = 'fixed', ms = 20 }\nafter = { kind = 'fixed', ms = 20 }\n".to_owned();
        let cuts = Cuts { chance: 0.0, until: T0, latest: Duration::ZERO, seed: 1 };
        let mut all = self::apps(&catalog, &none, OnUncertain::Hold, 1.0);
        all.retain(|name, _| apps.contains(&name.as_str()));
        let (deeds, kills, bound) = (Vec::new(), Vec::new(), T0 + seconds(1_800));
        Self { catalog, apps: all, scenario, options, portions, deeds, cuts, kills, bound }
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = &Sent> {
        self.portions.iter().flat_map(|portion| &portion.jobs)
    }

    /// Far more than it takes, and yet an end: a job is sent and looked up a few times at the pace of its quotas.
    fn longest(&self, faults_s: u32, quotas: &BTreeMap<&'static str, Quota>) -> Duration {
        let jobs = self.jobs().count() as u32;
        let calls = jobs * (self.options.attempts_max + 2);
        let pace: Duration = quotas
            .values()
            .flat_map(Quota::windows)
            .map(|window| (window.span + self.options.latest_count()) * (2 * calls / window.limit + 1))
            .sum();
        let kills: Duration = self.kills.iter().map(|kill| kill.after + kill.down).sum();
        // WeCom's second block is an hour; rooms go at 20 a minute or half of that.
        let blocks = Duration::from_secs(2 * 3_600 + 4 * u64::from(faults_s) + 1_000 + u64::from(calls) * 6);
        let look_ups = (self.options.latest_count() + Duration::from_secs(60)) * jobs;
        kills + blocks + pace + look_ups + Duration::from_secs(1_000)
    }
}

fn options(rng: &mut Rng) -> Options {
    let concurrency_max = *pick(rng, &[1, 2, 3, 5, 16, 64, 512]);
    let lane = *pick(rng, &[1, 2, 8, 128]);
    Options {
        limits: Limits {
            concurrency_max,
            lane_concurrency_max: u32::min(lane, concurrency_max),
            reserve: Reserve::NONE,
            stop_after: 0,
        },
        attempts_max: rng.u32(1..7),
        backoff: backoff::Schedule { initial: seconds(rng, 0.1, 2.0), max: seconds(rng, 2.0, 60.0) },
        request_timeout: *pick(rng, &[2, 5, 10, 30].map(Duration::from_secs)),
        grace: *pick(rng, &[1, 5, 10].map(Duration::from_secs)),
        drain: Duration::from_secs(30),
        room_wait: Duration::from_secs(60),
        names_max_age: Duration::from_secs(3_600),
        reference_wait: Duration::from_secs(3_600),
        keep: None,
        seed: rng.u64(..),
        speed: 1.0,
    }
}

/// Overrides that the simulator enforces too.
fn quotas(rng: &mut Rng) -> BTreeMap<&'static str, Quota> {
    let mut quotas = BTreeMap::new();
    let tiny = ["1/s", "3/10s", "5/min", "2/s, 30/min", "7/10s, 20/min", "1/5s"];
    for method in [ROOM, CALENDAR, MINUTES, MEETING] {
        if rng.u8(..3) == 0 {
            quotas.insert(method, pick(rng, &tiny).parse().unwrap());
        }
    }
    for method in ["feishu.calendar.list", "feishu.vc.room.list", "wecom.meeting.get_info"] {
        if rng.u8(..6) == 0 {
            quotas.insert(method, pick(rng, &["2/s", "10/10s", "60/min, 5/s"]).parse().unwrap());
        }
    }
    quotas
}

/// Two apps of one corp, one of another, and two of Feishu.
const APPS: [(&str, &str, &str); 5] = [
    ("acme", "feishu", "cli_1"),
    ("beta", "feishu", "cli_2"),
    ("campus", "wecom", "ww1"),
    ("library", "wecom", "ww1"),
    ("clinic", "wecom", "ww2"),
];

fn apps(catalog: &Catalog, quotas: &BTreeMap<&'static str, Quota>, on_uncertain: OnUncertain, share: f64) -> Apps {
    let app = |(name, family, id): (&str, &str, &str)| {
        let platform = Arc::clone(&catalog.platforms[family]);
        let own = quotas.iter().filter(|(method, _)| method.starts_with(family));
        let app = App {
            name: name.to_owned(),
            base_url: "https://platform.test".to_owned(),
            platform,
            methods: BTreeMap::new(),
            id: id.to_owned(),
            secret: SecretString::from(format!("secret of {name}")),
            users: BTreeMap::new(),
            on_uncertain,
            on_room_declined: OnDeclined::Warn,
            mark_created: true,
            share,
            month_calls: None,
            quotas: own.map(|(method, quota)| (((*method).to_owned(), None), quota.clone())).collect(),
            tenants: BTreeMap::new(),
        };
        (name.to_owned(), Arc::new(app))
    };
    APPS.into_iter().map(app).collect()
}

fn latency(rng: &mut Rng, max_ms: f64) -> String {
    match rng.u8(..3) {
        0 => format!("{{ kind = 'fixed', ms = {:.3} }}", rng.f64() * max_ms.min(300.0)),
        1 => format!("{{ kind = 'uniform', from_ms = 1, to_ms = {:.3} }}", 1.0 + rng.f64() * max_ms.min(2_000.0)),
        _ => {
            let shape = 0.6 + rng.f64();
            format!(
                "{{ kind = 'pareto', ms = {:.3}, shape = {shape:.3}, max_ms = {max_ms:.3} }}",
                1.0 + rng.f64() * 30.0
            )
        }
    }
}

fn scenario(rng: &mut Rng, options: &Options, quotas: &BTreeMap<&'static str, Quota>, faults_s: u32) -> String {
    // A request may arrive after its deadline, but not after the grace.
    let latest_ms = options.latest_count().as_secs_f64() * 1e3 - 1.0;
    let (before, after) = (latency(rng, latest_ms), latency(rng, 1.5 * latest_ms));
    let mut text = format!("seed = {}\n[latency]\nbefore = {before}\nafter = {after}\n", rng.u32(..));
    text.push_str("[quotas]\n");
    for (method, quota) in quotas {
        writeln!(text, "'{method}' = '{quota}'").unwrap();
    }
    let life_s = *pick(rng, &[120, 600, 7_200]);
    writeln!(text, "[tokens]\nlife_s = {life_s}\nsame_above_s = {}", life_s / 4).unwrap();
    let (delay_ms, page_max) = (*pick(rng, &[0, 500, 3_000, 9_900]), *pick(rng, &[0, 7, 50]));
    writeln!(text, "[listing]\ndelay_ms = {delay_ms}\npage_max = {page_max}").unwrap();
    if rng.u8(..4) == 0 {
        writeln!(text, "[concurrency]\n'{MEETING}' = {}\n'{CALENDAR}' = {}", rng.u32(1..20), rng.u32(1..20)).unwrap();
    }
    for n in 0..rng.usize(..4) {
        // Two tokens in a row that are revoked as soon as they are fetched look like credentials that are no good.
        let at_s = 15 + 45 * n + rng.u32(..faults_s) as usize % 20;
        writeln!(text, "[[events]]\nat_s = {at_s}\nrevoke_tokens = true").unwrap();
    }
    for _ in 0..rng.usize(..9) {
        text.push_str(&fault(rng, options, faults_s));
    }
    text
}

fn fault(rng: &mut Rng, options: &Options, faults_s: u32) -> String {
    let applied = rng.bool();
    let any =
        *pick(rng, &["*", "*.create", "feishu.*", "feishu.calendar.*", "feishu.vc.*", "wecom.*", MEETING, CALENDAR]);
    let late = rng.u64(100..2 * options.request_timeout.as_millis() as u64);
    let (method, kind) = match rng.u8(..16) {
        0 => ("feishu.calendar.*", "kind = 'code'\ncode = 190010".to_owned()),
        1 => ("feishu.calendar.*", "kind = 'code'\ncode = 190005".to_owned()),
        2 => ("wecom.meeting.*", "kind = 'code'\ncode = 45009".to_owned()),
        3 => ("wecom.meeting.*", "kind = 'code'\ncode = 45033".to_owned()),
        4 => (MEETING, format!("kind = 'code'\ncode = -1\napplied = {applied}")),
        // Told apart by what is drawn anyway, so that older seeds keep their worlds.
        5 if late.is_multiple_of(2) => (MINUTES, format!("kind = 'code'\ncode = 190003\napplied = {applied}")),
        5 => (CALENDAR, format!("kind = 'code'\ncode = 190003\napplied = {applied}")),
        6 => ("feishu.*", format!("kind = 'throttle'\nheader = {applied}")),
        7 => (any, format!("kind = 'status'\nstatus = {}\napplied = {applied}", pick(rng, &[500, 502, 503, 504]))),
        8 => (any, "kind = 'cut-before'".to_owned()),
        9 => (any, "kind = 'cut-after'".to_owned()),
        10 => (any, format!("kind = 'late'\nlate_ms = {late}")),
        11 => (any, "kind = 'html'".to_owned()),
        12 => (any, "kind = 'huge'\nbody_bytes = 1100000".to_owned()),
        13 => (any, "kind = 'partial'".to_owned()),
        14 => (any, "kind = 'refuse'".to_owned()),
        _ => (any, "kind = 'unreachable'".to_owned()),
    };
    let from_s = rng.u32(..faults_s);
    let often = match rng.u8(..4) {
        0 => format!("first = {}", rng.u8(1..9)),
        1 => format!("every = {}", rng.u8(2..20)),
        2 => format!("chance = {:.3}", 0.3 + 0.7 * rng.f64()),
        _ => format!("chance = {:.3}", 0.3 * rng.f64()),
    };
    let until_s = rng.u32(from_s + 1..=faults_s);
    format!("[[faults]]\nmethod = '{method}'\n{kind}\n{often}\nfrom_s = {from_s}\nuntil_s = {until_s}\n")
}

fn portions(rng: &mut Rng, quotas: &BTreeMap<&'static str, Quota>) -> Vec<Portion> {
    let (mut portions, mut numbers, mut at) = (Vec::new(), 0.., T0);
    let total = rng.usize(50..=250);
    // A tiny quota makes long hours of few jobs.
    let mut left: BTreeMap<&str, usize> = quotas.keys().map(|method| (*method, 40)).collect();
    left.entry(ROOM).or_insert(60);
    for _ in 0..rng.usize(1..5) {
        let mut jobs = Vec::new();
        for _ in 0..=(total / 4) {
            let job = job(rng, numbers.next().unwrap_or(0), at);
            let left = left.entry(job.method).or_insert(usize::MAX);
            if *left > 0 {
                *left -= 1;
                jobs.push(job);
            }
        }
        portions.push(Portion { at, jobs });
        at = at + seconds(rng, 0.0, 120.0);
    }
    portions
}

fn job(rng: &mut Rng, number: u64, at: Timestamp) -> Sent {
    let id = format!("job-{number:04}");
    let method = *pick(rng, &[ROOM, CALENDAR, CALENDAR, MINUTES, MEETING, MEETING]);
    let app =
        if method == MEETING { *pick(rng, &["campus", "library", "clinic"]) } else { *pick(rng, &["acme", "beta"]) };
    let mut not_before = (rng.u8(..10) == 0).then(|| at + seconds(rng, 0.0, 300.0));
    let mut not_after = (rng.u8(..10) == 0).then(|| at + seconds(rng, 0.0, 600.0));
    let mut value = match method {
        ROOM => json!({"body": {"name": id, "capacity": 8, "room_level_id": *pick(rng, &["omb_1", "omb_2"])}}),
        CALENDAR => json!({"body": {"summary": id}}),
        MINUTES => json!({"path": {"calendar_id": "primary@x", "event_id": id}}),
        _ => {
            let soon = rng.u8(..12) == 0;
            let starts = if soon { at.unix_seconds() + rng.i64(1..400) } else { 1_900_000_000 + rng.i64(0..1_000_000) };
            let starts_at = Timestamp(starts * 1_000_000);
            not_after = Some(not_after.map_or(starts_at, |own| own.min(starts_at)));
            json!({"body": {"admin_userid": *pick(rng, &["zhang", "li"]), "title": id, "meeting_start": starts,
                "meeting_duration": 3_600}})
        }
    };
    if let (Some(from), Some(until)) = (not_before, not_after)
        && until <= from
    {
        not_before = None;
    }
    value["id"] = id.clone().into();
    value["method"] = method.into();
    value["app"] = app.into();
    if rng.bool() {
        value["batch"] = (*pick(rng, &["north", "south", "east"])).into();
    }
    if rng.u8(..4) == 0 {
        value["priority"] = rng.u8(..10).into();
    }
    if let Some(at) = not_before {
        value["not_before"] = at.to_string().into();
    }
    if let Some(at) = not_after {
        value["not_after"] = at.to_string().into();
    }
    Sent { id, method, not_before, not_after, value, twin: None, after: Vec::new() }
}

fn kill(rng: &mut Rng) -> Kill {
    let after = match rng.u8(..4) {
        0 => Duration::from_micros(rng.u64(..20_000)),
        1 => seconds(rng, 0.0, 2.0),
        2 => seconds(rng, 0.0, 30.0),
        _ => seconds(rng, 0.0, 180.0),
    };
    Kill { after, down: if rng.bool() { Duration::ZERO } else { seconds(rng, 0.0, 60.0) } }
}

fn deeds(rng: &mut Rng, faults_s: u32) -> Vec<(Timestamp, Deed)> {
    let count = if rng.bool() { 0 } else { rng.usize(1..5) };
    let mut deeds: Vec<_> = (0..count)
        .map(|_| {
            let at = T0 + seconds(rng, 0.0, f64::from(faults_s) + 60.0);
            let every = rng.usize(1..6);
            (at, *pick(rng, &[Deed::Cancel(every * 4), Deed::Resolve(every), Deed::Redrive]))
        })
        .collect();
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}
