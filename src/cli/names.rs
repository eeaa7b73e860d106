//! Names in files that stand in the place of ids: looked up while the rows are checked, some hundred rows at a time, out of
//! what the ledger has kept or through the platform's look-ups.
//!
//! Decision: docs/decisions/0052-names-are-kept-with-their-age.md

mod levels;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::domain::decode::Decoder;
use crate::domain::find::{self, Answer, Listed, Names, Step};
use crate::domain::job::Job;
use crate::domain::messages::{Language, Render as _, RowsNotSent};
use crate::domain::rows::Row;
use crate::engine::{Engine, Found, LookedUp, Stop, Unfound, Wanted};
use crate::operations::files::names::{NameRows, not_read};
use crate::settings::Settings;
use crate::wiring::{self, Worker};
use paceline_ports::State;
use paceline_ports::location::StoreUrl;
use paceline_ports::operator::{Seeker, Sought, Untouched};

use self::levels::Levels;
use super::context::Context;
use super::exit::refuse;
use super::read;
use super::signals;

/// What is done about names that nobody has looked up.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct NamesArgs {
    /// Create the levels of a path that are not there, parents first, before the rows that name them
    #[arg(long)]
    create_levels: bool,
}

impl NamesArgs {
    /// Whether the platform has to be asked.
    pub(super) const fn creates(self) -> bool {
        self.create_levels
    }
}

/// Looks the names of rows up.
pub(super) struct LookUps<'d> {
    decoder: &'d Decoder,
    mode: Mode,
    /// What is known by now.
    names: Names,
    calls: u64,
    /// Names that the platform or the ledger was asked for.
    answered: usize,
    /// Names that nobody has looked up, by the look-up that would.
    open: BTreeMap<String, u64>,
    seen: Wanted,
    /// Names that could not be looked up.
    unfound: Vec<Unfound>,
    levels: Option<Levels>,
}

enum Mode {
    /// They stay names.
    Leave,
    /// Each has an id that is made of it: a rehearsal's platform knows nobody's names.
    MakeUp,
    /// Only what the ledger has kept is used.
    Recall(Recalled),
    /// The platform is asked.
    Ask(Box<Asking>),
}

/// What the ledger has kept, and how old it may be.
struct Recalled {
    store: StoreUrl,
    /// Opened at the first name: whoever writes the ledger has opened it by then, and a process whose first connection
    /// cannot write the index of the write-ahead log cannot write the ledger at all.
    ledger: Option<Box<dyn Untouched>>,
    clock: Clock,
    max_age: Duration,
}

/// A worker without jobs, started when the first name is asked for.
struct Asking {
    source: wiring::Source,
    clock: Clock,
    running: Option<Running>,
}

struct Running {
    worker: Worker,
    stopping: Arc<Notify>,
    working: JoinHandle<Stop>,
}

impl<'d> LookUps<'d> {
    fn of(decoder: &'d Decoder, mode: Mode) -> Self {
        let (names, open, seen) = (Names::Unasked, BTreeMap::new(), Wanted::new());
        Self { decoder, mode, names, calls: 0, answered: 0, open, seen, unfound: Vec::new(), levels: None }
    }

    /// Leaves names alone.
    pub(super) fn leave(decoder: &'d Decoder) -> Self {
        Self::of(decoder, Mode::Leave)
    }

    /// Makes an id of every name.
    pub(super) fn make_up(decoder: &'d Decoder) -> Self {
        Self { names: Names::MadeUp, ..Self::of(decoder, Mode::MakeUp) }
    }

    /// Takes what the ledger has kept, and counts the rest.
    pub(super) fn recall(context: &Context, settings: &Settings, decoder: &'d Decoder) -> Self {
        let max_age = Duration::from_secs(3_600 * u64::from(settings.engine.names_max_age_h));
        let recalled = Recalled { store: settings.store.clone(), ledger: None, clock: context.clock.clone(), max_age };
        Self { names: Names::Found(Arc::default()), ..Self::of(decoder, Mode::Recall(recalled)) }
    }

    /// Asks the platform for what the ledger has not kept; with `create_levels`, what is not there is to be created.
    pub(super) fn ask(context: &Context, decoder: &'d Decoder, args: NamesArgs) -> Self {
        let asking = Asking { source: context.source(), clock: context.clock.clone(), running: None };
        let levels = args.create_levels.then(Levels::default);
        let names = Names::Found(Arc::default());
        Self { names, levels, ..Self::of(decoder, Mode::Ask(Box::new(asking))) }
    }

    /// What was found, for whoever reads the rows again.
    pub(super) fn names(&self) -> Names {
        self.names.clone()
    }

    /// The jobs that create what is not there, parents first.
    pub(super) fn created(&self) -> &[Row] {
        self.levels.as_ref().map(Levels::rows).unwrap_or_default()
    }

    /// The names of the rows that were not looked up yet.
    fn wanted(&mut self, rows: &[&mut Row]) -> Wanted {
        let mut wanted = Wanted::new();
        for job in rows.iter().filter_map(|row| row.input.as_ref().ok()) {
            for name in find::wanted(job, &self.decoder.catalog) {
                if self.seen.entry(name.directory.clone()).or_default().insert(name.name.clone()) {
                    wanted.entry(name.directory).or_default().insert(name.name);
                }
            }
        }
        wanted
    }

    fn look_up(&mut self, wanted: &Wanted) -> anyhow::Result<Found> {
        let mut found = match &mut self.mode {
            Mode::Leave | Mode::MakeUp => Found::new(),
            Mode::Recall(recalled) => {
                let found = recalled.all(wanted)?;
                for (directory, names) in wanted {
                    let open = names.iter().filter(|name| !found.contains_key(&(directory.clone(), (*name).clone())));
                    *self.open.entry(directory.lane.method.clone()).or_default() += open.count() as u64;
                }
                found
            }
            Mode::Ask(asking) => {
                let unfound = &mut self.unfound;
                let LookedUp { found, calls } = tokio::task::block_in_place(|| asking.all(wanted, unfound))?;
                (self.calls, self.answered) = (self.calls + calls, self.answered + found.len());
                found
            }
        };
        if let (Some(levels), Mode::Ask(asking)) = (&mut self.levels, &self.mode)
            && found.values().any(|answer| matches!(answer, Answer::Nothing(_)))
        {
            let ledger = wiring::open_untouched(&asking.source.settings()?.store)?;
            let seeker = ledger.as_ref().map(|ledger| ledger.seeker(&self.decoder.catalog)).transpose()?;
            levels.create(&mut found, self.decoder, &mut |job| made(seeker.as_deref(), job))?;
        }
        Ok(found)
    }

    /// Refuses what follows if a look-up could not be read: why, by cause.
    ///
    /// # Errors
    /// Why names were not looked up.
    pub(super) fn refuse_unread(&self, language: Language) -> anyhow::Result<()> {
        if self.unfound.is_empty() {
            return Ok(());
        }
        let causes = not_read(&self.unfound, &self.decoder.catalog);
        Err(refuse(RowsNotSent::NamesNotKnown { causes }.render(language), ""))
    }

    /// Ends the worker that asked, and says what was looked up or is still to be.
    ///
    /// # Errors
    /// Nothing can be printed.
    pub(super) fn end(&mut self, err: &mut dyn Write) -> anyhow::Result<()> {
        if let Mode::Ask(asking) = &mut self.mode {
            tokio::task::block_in_place(|| asking.end())?;
        }
        let count = self.seen.values().map(|names| names.len() as u64).sum::<u64>();
        let open = self.open.values().sum::<u64>();
        if self.answered > 0 {
            let calls = if self.calls == 1 { "1 call".to_owned() } else { format!("{} calls", self.calls) };
            let names = if self.answered == 1 { "1 name".to_owned() } else { format!("{} names", self.answered) };
            writeln!(err, "note: {names} looked up in {calls}")?;
        } else if count > open && matches!(self.mode, Mode::Recall(_)) {
            writeln!(err, "note: {} names known from earlier look-ups", count - open)?;
        }
        let made = self.created().len();
        if made > 0 {
            let levels = if made == 1 { "1 level is".to_owned() } else { format!("{made} levels are") };
            writeln!(err, "note: {levels} not there and created first:")?;
            for row in self.created() {
                writeln!(err, "  {}", super::table::plain(&row.place))?;
            }
        }
        Ok(())
    }

    /// Names that are still to be looked up, by their look-up.
    pub(super) fn open(&self) -> impl Iterator<Item = (&str, u64)> {
        self.open.iter().filter(|(_, count)| **count > 0).map(|(method, count)| (method.as_str(), *count))
    }
}

/// The key of what the ledger's job of this id has made.
fn made(seeker: Option<&dyn Seeker>, job: &Job) -> anyhow::Result<Option<String>> {
    let Some(seeker) = seeker else { return Ok(None) };
    let (known, _) = seeker.seek(Sought { job, is_row: false, by_content: true })?;
    Ok(known.filter(|known| known.state == State::Succeeded).and_then(|known| known.key))
}

impl NameRows<anyhow::Error> for LookUps<'_> {
    fn of_rows(&mut self, rows: &mut [&mut Row]) -> anyhow::Result<()> {
        if matches!(self.mode, Mode::Leave) {
            return Ok(());
        }
        if !matches!(self.mode, Mode::MakeUp) {
            let wanted = self.wanted(rows);
            if !wanted.is_empty() {
                let found = self.look_up(&wanted)?;
                if let Names::Found(known) = &mut self.names {
                    Arc::make_mut(known).extend(found);
                }
            }
        }
        for row in rows {
            row.find_names(&self.names, &self.decoder.catalog);
        }
        Ok(())
    }

    fn levels(&self) -> &[Row] {
        self.created()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        // What went wrong before is what is told.
        drop(tokio::task::block_in_place(|| self.end()));
    }
}

impl Recalled {
    /// The names that what is kept has an answer for.
    fn all(&mut self, wanted: &Wanted) -> anyhow::Result<Found> {
        let (mut found, mut places) = (Found::new(), HashMap::new());
        if self.ledger.is_none() {
            self.ledger = wiring::open_untouched(&self.store)?;
        }
        let Some(ledger) = &self.ledger else { return Ok(found) };
        let since = self.clock.now() - self.max_age;
        for (directory, names) in wanted {
            for name in names {
                let answer = loop {
                    let known = |place: &str| places.get(&(directory.id.clone(), place.to_owned())).cloned();
                    match find::walk(directory, name, &known) {
                        Step::Done(answer) => break Some(answer),
                        Step::Ask(place) => {
                            let Some(kept) = ledger.listed(&directory.id, &place, since)? else { break None };
                            let items: Vec<Listed> = serde_json::from_str(&kept.items).unwrap_or_default();
                            places.insert((directory.id.clone(), place), Arc::<[Listed]>::from(items));
                        }
                    }
                };
                // What has no answer is asked for anew.
                if let Some(answer @ Answer::Is(_)) = answer {
                    found.insert((directory.clone(), name.clone()), answer);
                }
            }
        }
        Ok(found)
    }
}

impl Asking {
    /// Asks for names; a signal ends it.
    fn all(&mut self, wanted: &Wanted, unfound: &mut Vec<Unfound>) -> anyhow::Result<LookedUp> {
        Handle::current().block_on(async {
            let mut signals = signals::Stop::listen()?;
            let engine = Arc::clone(&self.running().await?.worker.engine);
            tokio::select! {
                biased;
                _ = signals.next() => Err(refuse("interrupted while names were looked up; nothing was sent", "")),
                looked_up = engine.find_names(wanted, unfound) => Ok(looked_up),
            }
        })
    }

    async fn running(&mut self) -> anyhow::Result<&Running> {
        if self.running.is_none() {
            let worker = read::start(self.source.settings()?, self.source.clone(), &self.clock).await?;
            let (engine, stopping) = (Arc::clone(&worker.engine), Arc::new(Notify::new()));
            let stop = Arc::clone(&stopping);
            let working = tokio::spawn(async move { engine.run(false, stop.notified()).await });
            self.running = Some(Running { worker, stopping, working });
        }
        self.running.as_ref().context("a worker was started")
    }

    fn end(&mut self) -> anyhow::Result<()> {
        let Some(Running { worker, stopping, working }) = self.running.take() else { return Ok(()) };
        Handle::current().block_on(async {
            stopping.notify_one();
            working.await?;
            worker.ledger.close().await;
            Ok(())
        })
    }
}

/// Has a worker without jobs ask the platform, under its quotas.
///
/// # Errors
/// Those of `ask`, a signal, or a worker that works already.
pub(super) async fn asking<T>(
    context: &mut Context,
    ask: impl AsyncFnOnce(&Arc<Engine>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut signals = signals::Stop::listen()?;
    let settings = context.settings()?;
    let worker = read::start(settings, context.source(), &context.clock).await?;
    let stopping = Notify::new();
    let engine = Arc::clone(&worker.engine);
    let working = engine.run(false, stopping.notified());
    let asked = async {
        let asked = tokio::select! {
            biased;
            _ = signals.next() => Err(refuse("interrupted while the platform was asked; nothing was sent", "")),
            asked = ask(&engine) => asked,
        };
        stopping.notify_one();
        asked
    };
    let (_, asked) = tokio::join!(working, asked);
    worker.ledger.close().await;
    asked
}
