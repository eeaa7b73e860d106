//! Names in files that stand in the place of ids: looked up through the platform's listings before anything is sent.
//!
//! A listing is read once, whatever the number of rows that use it.

use std::io::Write;
use std::sync::Arc;

use crate::domain::decode::Decoder;
use crate::domain::find::Names;
use crate::engine::Engine;
use crate::operations::files::names::{Asker, wanted};

use super::batch::{self, Source};
use super::context::Context;
use super::exit::refuse;
use super::read;
use super::signals;

/// Lets every name have an id that is made of it: a rehearsal's platform knows nobody's names.
pub(super) fn make_up(sources: &mut [Source]) {
    for source in sources {
        source.names = Names::MadeUp;
    }
}

/// Says how many names there are to look up.
pub(super) fn count(context: &mut Context, decoder: &Arc<Decoder>, sources: &[Source]) -> anyhow::Result<()> {
    for (directory, names) in wanted::<_, anyhow::Error>(sources, decoder, &batch::row_ids(sources))? {
        let (count, listing) = (names.len(), &directory.lane.method);
        let names = if count == 1 { "1 name is".to_owned() } else { format!("{count} names are") };
        writeln!(context.err, "note: {names} looked up with {listing} before anything is sent; --resolve does it now")?;
    }
    Ok(())
}

/// Looks every name up.
///
/// # Errors
/// A listing cannot be read. Names of nothing or of several become faults of their rows.
pub(super) async fn look_up(
    context: &mut Context,
    decoder: &Arc<Decoder>,
    sources: &mut [Source],
) -> anyhow::Result<()> {
    let wanted = wanted::<_, anyhow::Error>(sources, decoder, &batch::row_ids(sources))?;
    if wanted.is_empty() {
        return Ok(());
    }
    let (found, pages) = asking(context, async |engine| {
        let mut asker = Asker::new(engine, &decoder.catalog);
        let found = asker.all(&wanted).await?;
        Ok((found, asker.pages))
    })
    .await?;
    let calls = if pages == 1 { "1 call".to_owned() } else { format!("{pages} calls") };
    writeln!(context.err, "note: {} names looked up in {calls}", found.len())?;
    let names = Names::Found(Arc::new(found));
    for source in sources {
        source.names = names.clone();
    }
    Ok(())
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
    let worker = read::start(context, settings).await?;
    let stopping = tokio::sync::Notify::new();
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
