//! `paceline read`: a listing, page by page under its quota, as a table that is ready to be edited and run.

use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::job::Job;
use crate::domain::printable::json;
use crate::domain::reading::{Page, Reading};
use crate::domain::rows::exported::harmless;
use crate::domain::rows::typed::Types;
use crate::engine::{Engine, Unread};
use crate::files::Output;
use crate::operations::reading::{Wanted, judge, listing, why_unread};
use crate::settings::Settings;
use crate::tables::Book;
use crate::wiring::{self, Parts, Surroundings, Worker};
use paceline_ports::Mode;

use super::book::{is_xlsx, value};
use super::context::Context;
use super::exit::{Exit, refuse};
use super::export::write_record;
use super::signals;

/// Read a listing page by page under its quota, and print it as rows to edit and run
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// E.g. feishu.vc.room.list
    method: String,
    /// The app that asks
    #[arg(long)]
    app: String,
    /// The tenant of a store app
    #[arg(long)]
    tenant: Option<String>,
    /// As whom: tenant, or user:NAME
    #[arg(long)]
    identity: Option<String>,
    /// A parameter of the listing, named like a column of a file; several times
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = argument)]
    params: Vec<(String, String)>,
    /// Print the items as the platform lists them, one JSON object a line
    #[arg(long)]
    jsonl: bool,
    /// Go on at this page, where an earlier reading ended; without a header
    #[arg(long, value_name = "PAGE")]
    from: Option<String>,
    /// Write to this file instead of standard output; one that ends in .xlsx is a workbook
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn argument(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("expected NAME=VALUE, got {text:?}"))?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// Where a reading ended.
struct End {
    rows: u64,
    /// Values that no cell could hold.
    unwritten: usize,
    /// The page that was not read, and why; `None` if all were.
    rest: Option<(Option<String>, Why)>,
}

enum Why {
    Signal,
    Unread(String, String),
}

/// Reads the pages.
pub(super) async fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let mut signals = signals::Stop::listen()?;
    let settings = context.settings()?;
    if settings.apps.is_empty() {
        return Err(refuse("no apps configured: add an [apps.NAME] section", "config/paceline.toml has an example"));
    }
    let catalog = wiring::catalog_of(&settings)?;
    let decoder = wiring::decoder(&settings, &catalog, false);
    let wanted = Wanted {
        method: args.method.clone(),
        app: args.app.clone(),
        tenant: args.tenant.clone(),
        identity: args.identity.clone(),
        arguments: args.params.clone(),
    };
    let call = judge(&decoder, &wanted)?;
    let method = listing(&catalog, &args.method)?;
    let Some(mut reading) = Reading::new(&catalog, method, call.params.clone(), args.from.as_deref()) else {
        return Err(refuse(format!("{} feeds no method of the catalog", args.method), ""));
    };
    let feeds = method.read.as_ref().map(|read| read.feeds.clone()).unwrap_or_default();
    let worker = start(settings, context.source(), &context.clock).await?;
    let stopping = tokio::sync::Notify::new();
    let engine = Arc::clone(&worker.engine);
    let working = engine.run(false, stopping.notified());
    let pages = async {
        let end = pages(context, &engine, &call, &mut reading, &args, &mut signals).await;
        stopping.notify_one();
        end
    };
    let (_, end) = tokio::join!(working, pages);
    worker.ledger.close().await;
    context.has_acted = true;
    conclude(context, &args, &feeds, end?)
}

/// A worker of this command's own, without jobs. One that runs already holds the quotas: it can be asked instead.
pub(super) async fn start(settings: Settings, source: wiring::Source, clock: &Clock) -> anyhow::Result<Worker> {
    let catalog = wiring::catalog_of(&settings)?;
    let store = settings.store.clone();
    let parts = Parts::of(settings, catalog, Surroundings::Bare, source, clock)?;
    if store.may_exist()
        && let Some(worker) = wiring::open_for_people(&store)?.worker()?
    {
        let hint = "ask it: GET /api/v1/reads/METHOD of its HTTP API reads a page (docs/api.md), or stop it first";
        return Err(refuse(format!("{worker}, which alone may spend its quotas"), hint));
    }
    let ledger = parts.open(Mode::Worker)?;
    let (worker, ()) = Worker::start(parts, ledger, async |_: &Arc<Engine>| Ok(())).await?;
    Ok(worker)
}

/// Reads and writes page after page, until the last or until something ends it.
async fn pages(
    context: &mut Context,
    engine: &Arc<Engine>,
    call: &Job,
    reading: &mut Reading<'_>,
    args: &Args,
    signals: &mut signals::Stop,
) -> anyhow::Result<End> {
    let mut end = End { rows: 0, unwritten: 0, rest: None };
    let mut at = args.from.clone();
    let mut out = Out::open(args, reading.types())?;
    if args.from.is_none() && !args.jsonl {
        out.header(context, &reading.header())?;
    }
    loop {
        let params = reading.params().clone();
        let page = tokio::select! {
            biased;
            _ = signals.next() => {
                end.rest = Some((at, Why::Signal));
                break;
            }
            page = engine.read_page(&call.lane, &call.identity, &params) => page,
        };
        let page = match page.map_err(|why| unread(&why)).and_then(|page| turn(reading, &page, &args.method)) {
            Ok(page) => page,
            Err(why) => {
                end.rest = Some((at, why));
                break;
            }
        };
        end.rows += page.items.len() as u64;
        end.unwritten += page.unwritten;
        out.page(context, &page, args.jsonl)?;
        at = page.next;
        if at.is_none() {
            break;
        }
    }
    out.finish()?;
    Ok(end)
}

fn unread(why: &Unread) -> Why {
    let refused = why_unread(why);
    Why::Unread(refused.error, refused.cure)
}

fn turn(reading: &mut Reading<'_>, page: &serde_json::Value, method: &str) -> Result<Page, Why> {
    let hint = "the platform's reply is not as its document says; `paceline methods show` names the document";
    reading.turn(page).map_err(|cause| Why::Unread(format!("{method}: {cause}"), hint.to_owned()))
}

/// Where rows go: a file, or standard output.
struct Out {
    file: Option<Output>,
    is_on_terminal: bool,
    /// A workbook, which is written when it is whole, and what its columns hold.
    book: Option<(Book, Types)>,
}

impl Out {
    fn open(args: &Args, types: Types) -> anyhow::Result<Self> {
        let Some(path) = &args.output else {
            return Ok(Self { file: None, is_on_terminal: std::io::stdout().is_terminal(), book: None });
        };
        let unwritable = |error| refuse(format!("{} cannot be written: {error}", path.display()), "");
        let file = Some(Output::to(path).map_err(unwritable)?);
        let book = (is_xlsx(path) && !args.jsonl).then(|| Book::new(&["rows"])).transpose()?;
        Ok(Self { file, is_on_terminal: false, book: book.map(|book| (book, types)) })
    }

    fn write(&mut self, context: &mut Context, bytes: &[u8]) -> anyhow::Result<()> {
        if let Some(file) = &mut self.file {
            return Ok(file.write_all(bytes)?);
        }
        let out = context.out.raw();
        out.write_all(bytes)?;
        // Whoever reads on the other side need not wait for the next page.
        Ok(out.flush()?)
    }

    fn header(&mut self, context: &mut Context, names: &[String]) -> anyhow::Result<()> {
        match &mut self.book {
            Some((book, _)) => Ok(book.header(0, names)?),
            None => self.record(context, names),
        }
    }

    fn record(&mut self, context: &mut Context, cells: &[String]) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        write_record(cells, &mut bytes)?;
        self.write(context, &bytes)
    }

    fn page(&mut self, context: &mut Context, page: &Page, is_jsonl: bool) -> anyhow::Result<()> {
        if is_jsonl {
            let lines = page.items.iter().map(|item| json(&item.to_string()).into_owned() + "\n");
            return self.write(context, lines.collect::<String>().as_bytes());
        }
        for row in &page.rows {
            if let Some((book, types)) = &mut self.book {
                let cells = row.iter().enumerate().map(|(column, cell)| value(types.cell(column, cell.clone())));
                book.row(0, &cells.collect::<Vec<_>>())?;
                continue;
            }
            // Neither a terminal nor a spreadsheet must obey what somebody has called a room.
            let cells: Vec<_> = row.iter().map(|cell| harmless(cell, self.is_on_terminal)).collect();
            self.record(context, &cells)?;
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let book = self.book.take().map(|(book, _)| book.finish()).transpose()?;
        if let Some(mut file) = self.file {
            file.write_all(&book.unwrap_or_default())?;
            file.finish()?;
        }
        Ok(())
    }
}

fn conclude(context: &mut Context, args: &Args, feeds: &str, end: End) -> anyhow::Result<Exit> {
    let rows = if end.rows == 1 { "1 row" } else { &format!("{} rows", end.rows) };
    let file = args.output.as_ref().map_or("FILE".to_owned(), |path| path.display().to_string());
    if end.unwritten > 0 && !args.jsonl {
        writeln!(context.err, "note: {} values fit no cell and were left out; --jsonl prints them", end.unwritten)?;
    }
    let Some((page, why)) = end.rest else {
        writeln!(context.err, "{rows} read")?;
        if !args.jsonl && end.rows > 0 {
            writeln!(context.err, "hint: edit them, then `paceline run {file} --method {feeds} --app {}`", args.app)?;
        }
        return Ok(Exit::Success);
    };
    let (exit, fix) = match why {
        Why::Signal => {
            writeln!(context.err, "interrupted after {rows}")?;
            (Exit::Interrupted, String::new())
        }
        Why::Unread(error, fix) => {
            writeln!(context.err, "error: {error}; {rows} were read before")?;
            (Exit::Unwell, fix)
        }
    };
    if !fix.is_empty() {
        writeln!(context.err, "hint: {fix}")?;
    }
    match page {
        Some(page) => {
            writeln!(context.err, "hint: the same command with --from {page:?} goes on there, without a header")?;
        }
        None => writeln!(context.err, "hint: the same command begins anew")?,
    }
    Ok(exit)
}
