//! `paceline submit`: files of jobs to the broker, with confirms; without a broker, into the ledger.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::amqp::publish::{Submission, submit};
use crate::amqp::{Link, LinkState, Options};
use crate::domain::decode::Decoder;
use crate::domain::job::PRIORITY_DEFAULT;
use crate::domain::messages::Language;
use crate::domain::rows::Row;
use crate::engine::ports::AmqpOrigin;
use crate::operations::files::{Again, Changes, OnChange, RowSource as _, refuse_changed};
use crate::settings::Settings;
use crate::wiring;
use paceline_ports::location::StoreUrl;

use super::again::conclude;
use super::batch::{self, BatchArgs, Present, Source};
use super::context::Context;
use super::exit::{Exit, refuse};
use super::findings::Findings;
use super::names::{LookUps, NamesArgs};
use super::said::{self, Becomes};
use super::signals::Stop;
use super::table::plain;
use super::take_over::take_over;

/// Messages published in one go; a lost connection leaves at most as many in doubt.
const RUN_ROWS: usize = 2_000;
/// How long a broker that does not answer is tried.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// Publish files of jobs to the broker with confirms; without a broker, put them into the ledger
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    names: NamesArgs,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

/// Submits every row, or none if any has a fault.
pub(super) async fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let mut settings = context.settings_without_secrets()?;
    if settings.broker.is_some() {
        settings = context.settings()?;
    }
    let catalog = wiring::catalog_of(&settings)?;
    let decoder = Arc::new(wiring::decoder(&settings, &catalog, false));
    if settings.apps.is_empty() {
        return Err(refuse("no apps configured: add an [apps.NAME] section", "config/paceline.toml has an example"));
    }
    let store = &settings.store;
    let mut sources = args.batch.sources(&mut context.err, &decoder, &settings, Some(store))?;
    // The worker looks names up; what is known here spares it that.
    let mut names = if args.names.creates() {
        LookUps::ask(context, &decoder, args.names)
    } else {
        LookUps::recall(context, &settings, &decoder)
    };
    let (allow, rules) = (args.batch.allow_duplicates, (args.rules, args.batch.language()));
    wiring::warn_of_plain_text(&settings);
    let Some(options) = wiring::broker_options(&settings) else {
        let checked = check_with_ledger(context, (&sources, &mut names), &decoder, rules, (store, allow));
        names.end(&mut context.err)?;
        let (_, changes) = checked?;
        for source in &mut sources {
            source.names = names.names();
        }
        say_open(context, &names)?;
        return to_ledger(context, &args, &settings, (&sources, &changes, names.created()), &decoder).await;
    };
    // The worker may be elsewhere; where the ledger is here, it is only looked at.
    let present = Present::new(Some(context.clock.now()), wiring::open_untouched(store)?);
    let seeker = present.ledger().map(|ledger| ledger.seeker(&catalog)).transpose()?;
    let again = seeker.map(|seeker| Again::new(seeker, &decoder, allow, args.rules.on_change()));
    let checked = refuse_invalid(context, &sources, &decoder, (&present, &mut names), rules, again);
    names.end(&mut context.err)?;
    let (_, changes) = checked?;
    for source in &mut sources {
        source.names = names.names();
    }
    say_open(context, &names)?;
    if changes.supersedes() {
        let message = "updates wait in the ledger here that are not wanted any more; nothing was sent";
        return Err(refuse(message, "`paceline jobs cancel` ends them, or their worker sends them; then submit again"));
    }
    to_broker(context, &args, &options, (&sources, &changes, names.created()), &decoder).await
}

/// Says which names the worker looks up.
fn say_open(context: &mut Context, names: &LookUps<'_>) -> anyhow::Result<()> {
    for (method, count) in names.open() {
        let names = if count == 1 { "1 name is".to_owned() } else { format!("{count} names are") };
        writeln!(context.err, "note: {names} looked up by the worker with {method}")?;
    }
    Ok(())
}

/// Which files are refused.
#[derive(Clone, Copy, Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an argument of its own")]
pub(super) struct Rules {
    /// Let rows with faults become dead letters. Without it a file with faults is refused as a whole
    #[arg(long)]
    pub skip_invalid: bool,
    /// Treat warnings as faults: nothing is done if there are any
    #[arg(long)]
    pub strict: bool,
    /// Send what changed in rows whose job has succeeded; on a terminal they are shown first, and somebody is asked
    #[arg(long, conflicts_with = "keep")]
    pub update: bool,
    /// Leave rows alone that changed after their job succeeded
    #[arg(long)]
    pub keep: bool,
    /// Do not ask: send updates, and the rest if every canary succeeded
    #[arg(long)]
    pub yes: bool,
}

impl Rules {
    const fn on_change(self) -> OnChange {
        match (self.update, self.keep) {
            (true, _) => OnChange::Update,
            (false, true) => OnChange::Keep,
            (false, false) => OnChange::Stop,
        }
    }
}

/// [`refuse_invalid`] beside the ledger at `store`, if there is one.
pub(super) fn check_with_ledger(
    context: &mut Context,
    (sources, names): (&[Source], &mut LookUps<'_>),
    decoder: &Arc<Decoder>,
    (rules, language): (Rules, Language),
    (store, allow_duplicates): (&StoreUrl, bool),
) -> anyhow::Result<(batch::Checked, Changes)> {
    // Before it is opened to be looked at: a process whose first connection cannot write the index of the write-ahead
    // log cannot write the ledger through any other one either.
    let mut ledger = store.may_exist().then(|| wiring::open_for_people(store)).transpose()?;
    if let Some(ledger) = &mut ledger {
        ledger.identify(&decoder.catalog)?;
    }
    let present = Present::new(Some(context.clock.now()), wiring::open_untouched(store)?);
    let seeker = ledger.as_ref().map(|ledger| ledger.seeker(&decoder.catalog)).transpose()?;
    let again = seeker.map(|seeker| Again::new(seeker, decoder, allow_duplicates, rules.on_change()));
    refuse_invalid(context, sources, decoder, (&present, names), (rules, language), again)
}

/// Refuses files with any fault, after printing what was found; with `skip_invalid` only those that cannot be read. `again`
/// refuses what the ledger has already.
pub(super) fn refuse_invalid(
    context: &mut Context,
    sources: &[Source],
    decoder: &Arc<Decoder>,
    (present, names): (&Present, &mut LookUps<'_>),
    (rules, language): (Rules, Language),
    mut again: Option<Again<'_>>,
) -> anyhow::Result<(batch::Checked, Changes)> {
    let mut findings = Findings::default();
    let note = &mut |finding: &_| {
        findings.add(finding);
        Ok(())
    };
    let look = &mut |row: &Row| {
        if let Some(again) = &mut again {
            again.look(row);
        }
        Ok(())
    };
    let mut checked = batch::check_each(sources, decoder, (present, &mut *names), note, look)?;
    findings.print(&mut context.err, language)?;
    names.refuse_unread(language)?;
    if rules.strict && checked.warnings > 0 && checked.is_valid() {
        let summary = said::summary(&checked, language);
        return Err(refuse(said::nothing_sent(&summary, language), said::strict(language)));
    }
    if checked.bad_files > 0 || (!checked.is_valid() && (rules.strict || !rules.skip_invalid)) {
        let summary = said::summary(&checked, language);
        let cure = said::cure(&checked, Becomes::DeadLetter, language);
        return Err(refuse(said::nothing_sent(&summary, language), cure));
    }
    if checked.rows == 0 {
        return Err(refuse(said::no_job(language), ""));
    }
    let mut changes = again.map(|again| conclude(again, context, rules.yes)).transpose()?.unwrap_or_default();
    changes.leave_out(std::mem::take(&mut checked.never));
    changes.add_to(&mut checked);
    Ok((checked, changes))
}

async fn to_ledger(
    context: &mut Context,
    args: &Args,
    settings: &Settings,
    (sources, changes, levels): (&[Source], &Changes, &[Row]),
    decoder: &Arc<Decoder>,
) -> anyhow::Result<Exit> {
    let skip = args.rules.skip_invalid;
    let ledger = wiring::connector(&settings.store).intake(context.clock.now())?;
    let taken = take_over(context, &*ledger, &settings.store, sources, decoder, (skip, changes, levels), None).await;
    ledger.close().await;
    let taken = taken?;
    context.has_acted = true;
    if args.json {
        context.print_json(&json!(taken))?;
    } else {
        writeln!(
            context.err,
            "{} queued in the ledger, {} known and waiting, {} known and done, {} dead letters",
            taken.queued, taken.known, taken.succeeded, taken.rejected
        )?;
        if taken.blocked > 0 {
            writeln!(context.err, "{} wait for other jobs, or for names to be looked up", taken.blocked)?;
        }
    }
    Ok(if taken.rejected == 0 { Exit::Success } else { Exit::Unwell })
}

async fn to_broker(
    context: &mut Context,
    args: &Args,
    options: &Options,
    rows: (&[Source], &Changes, &[Row]),
    decoder: &Arc<Decoder>,
) -> anyhow::Result<Exit> {
    let (link, supervisor) = Link::new(options, "paceline submit", context.clock.clone())
        .map_err(|fault| refuse(fault.cause(), fault.cure()))?;
    let (stop, stopped) = watch::channel(false);
    let supervised = tokio::spawn(supervisor.run(stopped));
    let mut signals = Stop::listen()?;
    let published = tokio::select! {
        published = publish_all(&link, options, args, rows, decoder) => published.map(Some),
        _ = signals.next() => Ok(None),
    };
    stop.send_replace(true);
    supervised.await.context("the broker's connection")?;
    let Some(published) = published? else {
        writeln!(context.err, "interrupted; submit the same files again: nothing is done twice")?;
        return Ok(Exit::Interrupted);
    };
    context.has_acted = true;
    report(context, args, options, &published)
}

/// What was published.
#[derive(Debug, Default)]
struct Published {
    confirmed: usize,
    /// Place and cause of those in doubt.
    unconfirmed: Vec<(String, String)>,
}

async fn publish_all(
    link: &Link,
    options: &Options,
    args: &Args,
    (sources, changes, levels): (&[Source], &Changes, &[Row]),
    decoder: &Arc<Decoder>,
) -> anyhow::Result<Published> {
    until_connected(link).await?;
    let mut published = Published::default();
    let (mut places, mut jobs) = (Vec::new(), Vec::new());
    for row in levels {
        places.push(row.place.clone());
        jobs.push(submission(row.clone()));
    }
    let ids = batch::row_ids(sources);
    for source in sources {
        for row in source.rows(decoder, &ids)?? {
            let row = row?;
            refuse_changed(&row, args.rules.skip_invalid)?;
            // A worker would wait for what never comes.
            if changes.leaves_out(&row) {
                continue;
            }
            let Some(row) = changes.of_row(row) else { continue };
            places.push(row.place.clone());
            jobs.push(submission(row));
            if jobs.len() == RUN_ROWS {
                publish_run(link, options, &mut published, &mut places, &mut jobs).await?;
            }
        }
    }
    publish_run(link, options, &mut published, &mut places, &mut jobs).await?;
    Ok(published)
}

async fn publish_run(
    link: &Link,
    options: &Options,
    published: &mut Published,
    places: &mut Vec<String>,
    jobs: &mut Vec<Submission>,
) -> anyhow::Result<()> {
    let report = submit(link, options, std::mem::take(jobs), |_| {}).await?;
    published.confirmed += report.confirmed;
    let in_doubt =
        report.unconfirmed.iter().filter_map(|(position, why)| Some((places.get(*position)?.clone(), why.to_string())));
    published.unconfirmed.extend(in_doubt);
    places.clear();
    Ok(())
}

/// Waits for the first connection; a broker that cannot be reached is told with its cause.
async fn until_connected(link: &Link) -> anyhow::Result<()> {
    let mut states = link.states();
    let connected = tokio::time::timeout(
        CONNECT_MAX,
        states.wait_for(|state| matches!(state, LinkState::Connected | LinkState::Blocked { .. })),
    )
    .await;
    if connected.is_ok() {
        return Ok(());
    }
    let state = link.state();
    let why = if let LinkState::Down { fault, .. } = &state { fault.to_string() } else { state.to_string() };
    Err(refuse(format!("the broker cannot be reached: {why}"), "`paceline check` looks at it more closely"))
}

/// The row as a message: as it stands, with what the file or the command line said in its place filled in.
fn submission(row: Row) -> Submission {
    let (id, method, app, batch, priority) = match row.input {
        Ok(job) => (Some(job.id), Some(job.lane.method), Some(job.lane.app), job.batch, job.priority),
        Err(rejection) => (rejection.id, rejection.method, rejection.app, rejection.batch, PRIORITY_DEFAULT),
    };
    let properties = AmqpOrigin {
        message_id: id.clone(),
        kind: method.clone(),
        app_id: app.clone(),
        content_type: Some("application/json".to_owned()),
        // RabbitMQ 4 hands out by it what waits there; a property of 0 counts as absent.
        priority: (priority > 0 && priority != PRIORITY_DEFAULT).then_some(priority),
        ..AmqpOrigin::default()
    };
    let body = match serde_json::from_slice::<Value>(&row.raw) {
        Ok(Value::Object(mut document)) => {
            let given = [("id", id), ("method", method), ("app", app), ("batch", batch)];
            let absent: Vec<_> =
                given.into_iter().filter(|(field, value)| value.is_some() && !document.contains_key(*field)).collect();
            if absent.is_empty() {
                row.raw
            } else {
                document.extend(absent.into_iter().map(|(field, value)| (field.to_owned(), json!(value))));
                Bytes::from(Value::Object(document).to_string())
            }
        }
        _ => row.raw,
    };
    Submission { body, properties }
}

fn report(context: &mut Context, args: &Args, options: &Options, published: &Published) -> anyhow::Result<Exit> {
    if args.json {
        let in_doubt: Vec<_> =
            published.unconfirmed.iter().map(|(place, why)| json!({"place": place, "cause": why})).collect();
        context.print_json(
            &json!({"queue": options.jobs_queue, "published": published.confirmed, "unconfirmed": in_doubt}),
        )?;
    }
    for (place, why) in published.unconfirmed.iter().take(batch::FAULTS_SHOWN_MAX as usize) {
        writeln!(context.err, "{}", plain(&format!("{place}: not confirmed: {why}")))?;
    }
    writeln!(
        context.err,
        "{} published to {}, {} not confirmed",
        published.confirmed,
        options.jobs_queue,
        published.unconfirmed.len()
    )?;
    if published.unconfirmed.is_empty() {
        return Ok(Exit::Success);
    }
    writeln!(context.err, "hint: submit the same files again: nothing is done twice")?;
    Ok(Exit::Unwell)
}
