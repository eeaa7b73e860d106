//! Names become ids: through the catalog's look-ups, under their quotas, and out of what the ledger has kept of them.
//!
//! For commands, [`Engine::find_names`] answers all the names of some files. For the worker, its own task looks for blocked
//! jobs whose names nobody has looked up (they came over AMQP or HTTP, or the platform says that an id is gone).
//!
//! Decision: docs/decisions/0052-names-are-kept-with-their-age.md

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tracing::{info, warn};

use super::ports::{JobSeq, LedgerError, Named, Settlement};
use super::reading::Unread;
use super::runtime::Engine;
use paceline_domain::catalog::Resolve;
use paceline_domain::decode;
use paceline_domain::find::{self, Answer, Directory, Listed, Names, Step};
use paceline_domain::job::{Identity, Job, LaneKey, Params};
use paceline_domain::json;
use paceline_domain::look_up::{Pages, Turn};
use paceline_domain::messages::Cause;
use paceline_domain::outcome::{Failure, text_of};
use paceline_domain::reason::Reason;
use paceline_domain::time::Mono;

/// How often the ledger is asked for names to look up.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a look-up that failed is not tried again, doubled each time.
const AGAIN: Duration = Duration::from_secs(5);
/// And at the longest.
const AGAIN_MAX: Duration = Duration::from_secs(300);
/// Jobs whose names are looked up together.
const TOGETHER: usize = 2_000;

/// The names that are wanted, by where they are looked up.
pub type Wanted = BTreeMap<Directory, BTreeSet<String>>;
/// What was found.
pub type Found = HashMap<(Directory, String), Answer>;

/// What came of looking names up.
#[derive(Debug, Default)]
pub struct LookedUp {
    /// The answers.
    pub found: Found,
    /// The calls that they took.
    pub calls: u64,
}

/// Names that were not looked up, all for one cause.
#[derive(Debug)]
pub struct Unfound {
    /// The listing's lane.
    pub lane: LaneKey,
    /// As whom it was asked.
    pub identity: Identity,
    /// The names, as people may see them.
    pub names: BTreeSet<String>,
    /// Why it cannot be read.
    pub why: Unread,
}

impl Engine {
    /// Answers names; what the ledger has kept of their look-ups for `max_age` or less is not asked for again, unless it has
    /// no answer. A listing that cannot be read goes into `unfound` with its names, and is not asked again.
    pub async fn find_names(self: &Arc<Self>, wanted: &Wanted, unfound: &mut Vec<Unfound>) -> LookedUp {
        let mut finder = Finder { engine: self, known: HashMap::new(), fresh: HashSet::new(), calls: 0 };
        let mut found = HashMap::new();
        for (directory, names) in wanted {
            let shown = |name: &String| {
                if directory.resolve.personal { find::shortened(name) } else { name.clone() }
            };
            let is_there = |it: &&mut Unfound| it.lane == directory.lane && it.identity == directory.identity;
            if let Some(earlier) = unfound.iter_mut().find(is_there) {
                earlier.names.extend(names.iter().map(shown));
                continue;
            }
            if let Err(why) = finder.all(directory, names, &mut found).await {
                let is_open = |name: &&String| !found.contains_key(&(directory.clone(), (*name).clone()));
                let names = names.iter().filter(is_open).map(shown).collect();
                let (lane, identity) = (directory.lane.clone(), directory.identity.clone());
                unfound.push(Unfound { lane, identity, names, why });
            }
        }
        LookedUp { found, calls: finder.calls }
    }
}

/// Look-ups on their way.
struct Finder<'e> {
    engine: &'e Arc<Engine>,
    /// The items of places, by the directory's id.
    known: HashMap<(String, String), Arc<[Listed]>>,
    /// Those that were asked for just now.
    fresh: HashSet<(String, String)>,
    calls: u64,
}

impl Finder<'_> {
    /// Answers the names of one directory, as far as it can be read.
    async fn all(&mut self, directory: &Directory, names: &BTreeSet<String>, found: &mut Found) -> Result<(), Unread> {
        self.ask_together(directory, names).await?;
        for name in names {
            let answer = self.answer(directory, name).await?;
            found.insert((directory.clone(), name.clone()), answer);
        }
        Ok(())
    }

    /// Asks for all names of a look-up that takes several, as many at once as it takes.
    async fn ask_together(&mut self, directory: &Directory, names: &BTreeSet<String>) -> Result<(), Unread> {
        let resolve = &directory.resolve;
        if !resolve.is_asked() {
            return Ok(());
        }
        let asked: BTreeSet<String> = names.iter().map(|name| resolve.asked(name)).collect();
        let mut left = Vec::new();
        for asked in asked {
            if !self.recall(directory, &find::place_of(&asked)).await? {
                left.push(asked);
            }
        }
        for some in left.chunks(resolve.most()) {
            self.ask(directory, some).await?;
        }
        Ok(())
    }

    /// Follows a name; what was kept and has no answer is asked for once more.
    async fn answer(&mut self, directory: &Directory, name: &str) -> Result<Answer, Unread> {
        let mut is_stale = false;
        loop {
            let (step, used) = self.step(directory, name);
            match step {
                Step::Ask(place) if is_stale => self.read(directory, &place).await?,
                Step::Ask(place) => {
                    if !self.recall(directory, &place).await? {
                        self.read(directory, &place).await?;
                    }
                }
                Step::Done(answer @ (Answer::Is(_) | Answer::Made(_))) => return Ok(answer),
                Step::Done(answer) => {
                    let old: Vec<_> = used.into_iter().filter(|it| !self.fresh.contains(it)).collect();
                    if old.is_empty() {
                        return Ok(answer);
                    }
                    is_stale = true;
                    for place in old {
                        self.known.remove(&place);
                    }
                }
            }
        }
    }

    /// The next step to a name, and the places that were looked at for it.
    fn step(&self, directory: &Directory, name: &str) -> (Step, Vec<(String, String)>) {
        let used = std::cell::RefCell::new(Vec::new());
        let known = |place: &str| {
            let place = (directory.id.clone(), place.to_owned());
            let items = self.known.get(&place).cloned();
            used.borrow_mut().push(place);
            items
        };
        let step = find::walk(directory, name, &known);
        (step, used.into_inner())
    }

    /// Whether the ledger has kept the place.
    async fn recall(&mut self, directory: &Directory, place: &str) -> Result<bool, Unread> {
        let key = (directory.id.clone(), place.to_owned());
        if self.known.contains_key(&key) {
            return Ok(true);
        }
        let since = self.engine.clock().now() - self.engine.options().names_max_age;
        let kept = self.engine.ledger().listed(&directory.id, place, since).await.map_err(Unread::Ledger)?;
        let Some(items) = kept.and_then(|kept| serde_json::from_str::<Vec<Listed>>(&kept.items).ok()) else {
            return Ok(false);
        };
        self.known.insert(key, items.into());
        Ok(true)
    }

    /// Reads a place from the platform.
    async fn read(&mut self, directory: &Directory, place: &str) -> Result<(), Unread> {
        if let Some(asked) = find::asked_of(place) {
            return self.ask(directory, &[asked.to_owned()]).await;
        }
        let engine = self.engine;
        let (items, calls) = engine.read_listing(directory, directory.listing(place)).await?;
        self.calls += calls;
        self.keep(directory, vec![(place.to_owned(), items)]).await
    }

    /// Asks for names in one call.
    async fn ask(&mut self, directory: &Directory, asked: &[String]) -> Result<(), Unread> {
        let resolve = &directory.resolve;
        let page = self.engine.read_page(&directory.lane, &directory.identity, &directory.call(asked)).await;
        self.calls += 1;
        let items = match page {
            Ok(page) => find::listed(&page, resolve).ok_or_else(no_list)?,
            Err(Unread::Refused(failure)) if failure.code.is_some_and(|code| resolve.nothing.contains(&code)) => {
                Vec::new()
            }
            Err(unread) => return Err(unread),
        };
        let of = |name: &String| {
            let has = |item: &&Listed| item.name.is_empty() || find::is_same(name, &item.name);
            (find::place_of(name), items.iter().filter(has).cloned().collect())
        };
        let places = asked.iter().map(of).collect();
        self.keep(directory, places).await
    }

    /// Keeps what was read. That nothing has a name is not kept in the ledger: somebody may make it any time.
    async fn keep(&mut self, directory: &Directory, places: Vec<(String, Vec<Listed>)>) -> Result<(), Unread> {
        let mut kept = Vec::new();
        for (place, items) in places {
            if !items.is_empty() || !directory.resolve.is_asked() {
                // Texts only: there is nothing that could fail.
                kept.push((place.clone(), json::text(&items)));
            }
            let key = (directory.id.clone(), place);
            self.fresh.insert(key.clone());
            self.known.insert(key, items.into());
        }
        let now = self.engine.clock().now();
        self.engine.ledger().keep_listed(&directory.id, kept, now).await.map_err(Unread::Ledger)
    }
}

fn no_list() -> Unread {
    Unread::Later(Failure { detail: Cause::NoList, ..Failure::default() })
}

impl Engine {
    /// All that a listing has for these parameters, and how many calls it took.
    async fn read_listing(
        self: &Arc<Self>,
        directory: &Directory,
        mut params: Params,
    ) -> Result<(Vec<Listed>, u64), Unread> {
        let planner = self.planner();
        let read = planner.catalog.method(&directory.lane.method).and_then(|listing| listing.read.as_ref());
        let resolve: &Resolve = &directory.resolve;
        for (name, value) in read.iter().flat_map(|read| &read.params) {
            if params.get(name).is_none() {
                params.put(name, value.clone());
            }
        }
        let next = resolve.next.as_ref().or_else(|| read.and_then(|read| read.next.as_ref()));
        let (mut pages, mut all, mut calls) = (Pages::default(), Vec::new(), 0);
        loop {
            let page: Value = self.read_page(&directory.lane, &directory.identity, &params).await?;
            calls += 1;
            let items = find::listed(&page, resolve).ok_or_else(no_list)?;
            let count = items.len();
            all.extend(items);
            let Some(next) = next else { return Ok((all, calls)) };
            match pages.turn(next, &page, count, &mut params) {
                Turn::Next => {}
                Turn::Last => return Ok((all, calls)),
                Turn::Broken(detail) => return Err(Unread::Later(Failure { detail, ..Failure::default() })),
            }
        }
    }

    /// Adds what a job has made to what the ledger has kept of the look-up that would find it.
    pub(super) async fn note_made(&self, job: &Job, key: &str) {
        let planner = self.planner();
        let mut ways = planner.catalog.methods.values().flat_map(|method| &method.resolves);
        let makes =
            |resolve: &&Arc<Resolve>| resolve.create.as_ref().is_some_and(|create| create.method == job.lane.method);
        let Some((resolve, create)) = ways.find(makes).and_then(|it| Some((it, it.create.as_ref()?))) else { return };
        let text = |param: &str| job.params.get(param).and_then(text_of);
        let (Some(name), Some(above)) = (text(&create.name), text(&create.parent)) else { return };
        let directory = Directory::of(job, resolve, &planner.catalog);
        let made = Listed { key: key.to_owned(), name, also: None, above: Some(above.clone()) };
        if let Err(error) = self.add_listed(&directory, &above, made).await {
            warn!(%error, "what was made is looked up when its name is wanted");
        }
    }

    async fn add_listed(&self, directory: &Directory, above: &str, made: Listed) -> Result<(), LedgerError> {
        let since = self.clock().now() - self.options().names_max_age;
        let below = find::place_below(&made.key);
        for place in [find::place_below(above), find::TOP.to_owned()] {
            let Some(kept) = self.ledger().listed(&directory.id, &place, since).await? else { continue };
            let Ok(mut items) = serde_json::from_str::<Vec<Listed>>(&kept.items) else { continue };
            if place == find::TOP && !items.iter().any(|item| item.above.as_deref() == Some(above)) {
                continue;
            }
            items.push(made);
            let items = json::text(&items);
            let places = vec![(place, items), (below, "[]".to_owned())];
            return self.ledger().keep_listed(&directory.id, places, kept.read_at).await;
        }
        Ok(())
    }

    /// What becomes of a job that the platform refuses: where a code says that an id is gone which was found for a name, the
    /// name is looked up anew, once.
    pub(super) async fn look_again(&self, seq: JobSeq, job: &Job, settlement: Settlement) -> Settlement {
        let Settlement::Dead { reason: Reason::Rejected, failure } = settlement else { return settlement };
        let refused = |failure| Settlement::Dead { reason: Reason::Rejected, failure };
        let Some(code) = failure.code else { return refused(failure) };
        let gone = find::gone(job, &self.planner().catalog, code);
        if gone.is_empty() || !matches!(self.domain().answers(seq, code).await, Ok(0)) {
            return refused(failure);
        }
        for directory in gone {
            if self.ledger().forget_listed(&directory.id).await.is_err() {
                return refused(failure);
            }
        }
        Settlement::Nameless { failure }
    }

    /// Looks the names of blocked jobs up, until it is aborted.
    pub(super) async fn find_names_of_jobs(self: Arc<Self>) {
        let mut waits = Waits::new();
        loop {
            let is_more = match self.find_some(&mut waits).await {
                Ok(is_more) => is_more,
                Err(error) => {
                    self.ledger_failed(&error);
                    false
                }
            };
            if is_more {
                continue;
            }
            if self.finding.swap(false, Ordering::Relaxed) {
                self.wake();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Looks up what jobs want, app by app; says whether something was found.
    async fn find_some(self: &Arc<Self>, waits: &mut Waits) -> Result<bool, LedgerError> {
        let mut after = JobSeq(0);
        let mut by_app: BTreeMap<(String, String), Vec<(JobSeq, Job)>> = BTreeMap::new();
        let now = self.clock().mono();
        loop {
            let jobs = self.domain().nameless(after, TOGETHER).await?;
            let Some((last, _)) = jobs.last() else { break };
            after = *last;
            for (seq, job) in jobs {
                let app = (job.lane.app.clone(), job.lane.tenant.clone());
                if waits.get(&app).is_none_or(|wait| wait.until <= now) {
                    by_app.entry(app).or_default().push((seq, job));
                }
            }
        }
        let mut has_found = false;
        for (app, jobs) in by_app {
            self.finding.store(true, Ordering::Relaxed);
            match self.find_of(jobs).await {
                Ok(()) => {
                    waits.remove(&app);
                    has_found = true;
                }
                Err((_, Unread::Ledger(error))) => return Err(error),
                Err((lane, unread)) => {
                    let why = unread.cause();
                    let wait = waits.entry(app).or_insert(Wait { failures: 0, until: now });
                    let length = AGAIN.saturating_mul(1 << wait.failures.min(16)).min(AGAIN_MAX);
                    *wait = Wait { failures: wait.failures + 1, until: self.clock().mono() + length };
                    let again_s = length.as_secs();
                    warn!(%lane, %why, again_s, "names cannot be looked up; the jobs that use them wait");
                }
            }
        }
        Ok(has_found)
    }

    async fn find_of(self: &Arc<Self>, jobs: Vec<(JobSeq, Job)>) -> Result<(), (LaneKey, Unread)> {
        let planner = self.planner();
        let catalog = &planner.catalog;
        let Some(lane) = jobs.first().map(|(_, job)| job.lane.clone()) else { return Ok(()) };
        let mut wanted = Wanted::new();
        let mut open = Vec::with_capacity(jobs.len());
        for (seq, mut job) in jobs {
            find::forget(&mut job.params);
            for name in find::wanted(&job, catalog) {
                wanted.entry(name.directory).or_default().insert(name.name);
            }
            open.push((seq, job));
        }
        let mut unfound = Vec::new();
        let LookedUp { found, calls } = self.find_names(&wanted, &mut unfound).await;
        if let Some(Unfound { lane, why, .. }) = unfound.into_iter().next() {
            return Err((lane, why));
        }
        let (jobs, names_count, names) = (open.len(), found.len(), Names::Found(Arc::new(found)));
        let settled = open.into_iter().map(|(seq, mut job)| match names.settle(&mut job, catalog) {
            Ok(_) => {
                decode::identify(&mut job, catalog);
                (seq, Named::As(Box::new(job)))
            }
            Err(faults) => {
                let why: Vec<_> = faults.iter().map(ToString::to_string).collect();
                (seq, Named::Not(Cause::NamesNotFound { why: why.join("; ") }))
            }
        });
        let unblocked = self.domain().named(settled.collect(), self.clock().now()).await;
        let unblocked = unblocked.map_err(|error| (lane, Unread::Ledger(error)))?;
        info!(jobs, names = names_count, calls, "names looked up");
        self.outbox_changed().notify_one();
        self.backlog_changed().notify_one();
        self.enqueue(unblocked);
        Ok(())
    }
}

/// Apps whose look-ups failed, with their tenants.
type Waits = HashMap<(String, String), Wait>;

struct Wait {
    failures: u32,
    until: Mono,
}
