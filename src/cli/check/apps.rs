//! Are the credentials right? One token call for each app, at the same time, and never a second.

use futures_util::future::join_all;

use crate::clock::Clock;
use crate::domain::catalog::Catalog;
use crate::domain::outcome::Failure;
use crate::engine::app::App;
use crate::engine::fetch_token::try_credentials;
use crate::engine::ports::Transport;
use crate::settings::{Settings, masked_url};
use crate::wiring;

use super::finding::Finding;
use super::server::{self, Seen};

/// What came of it.
pub(super) struct Tried {
    /// One for each app, or why none was tried.
    pub findings: Vec<Finding>,
    /// Calls that were made.
    pub calls: usize,
}

impl Tried {
    fn none(finding: Finding) -> Self {
        Self { findings: vec![finding], calls: 0 }
    }
}

/// Tries the credentials of the apps of these names, or of all if there are none.
pub(super) async fn try_all(settings: &Settings, catalog: Option<&Catalog>, names: &[String], clock: &Clock) -> Tried {
    if settings.apps.is_empty() {
        let cure = "config/paceline.toml has an example; `paceline run --simulate` needs none";
        return Tried::none(Finding::warning("apps", "no apps configured: add an [apps.NAME] section", cure));
    }
    let Some(catalog) = catalog else {
        return Tried::none(Finding::warning("apps", "not tried: the catalog has faults", ""));
    };
    let Ok(apps) = wiring::apps_of(settings, catalog) else {
        return Tried::none(Finding::warning("apps", "not tried: their quotas have faults", ""));
    };
    let transport = match wiring::looking_transport(settings) {
        Ok(transport) => transport,
        Err(message) => return Tried::none(Finding::fault("apps", message, "")),
    };
    let chosen = apps.values().filter(|app| names.is_empty() || names.contains(&app.name));
    let calls = chosen.map(|app| try_one(settings, catalog, app, &*transport, clock));
    let tried = join_all(calls).await;
    let calls = tried.len();
    let (mut findings, seen): (Vec<_>, Vec<_>) = tried.into_iter().unzip();
    findings.extend(server::judge(&seen.into_iter().flatten().collect::<Vec<_>>()));
    Tried { findings, calls }
}

async fn try_one(
    settings: &Settings,
    catalog: &Catalog,
    app: &App,
    transport: &dyn Transport,
    clock: &Clock,
) -> (Finding, Option<Seen>) {
    let what = format!("app {}", app.name);
    let place = format!("{} at {}", app.platform.name, masked_url(&app.base_url));
    let (taken, reply) = try_credentials(app, catalog, transport, settings.http.request_timeout).await;
    let finding = match taken {
        Ok(()) => Finding::ok(what, format!("{place} takes its credentials")),
        Err(failure) => Finding::fault(what, format!("{place}: {}", describe(&failure)), cure_of(&failure)),
    };
    let seen = reply.and_then(|reply| Seen::of(masked_url(&app.base_url), reply, clock.now()));
    (finding, seen)
}

fn describe(failure: &Failure) -> String {
    let code = failure.code.map(|code| format!("{code} ")).unwrap_or_default();
    let log_id = failure.log_id.as_deref().map(|id| format!(" (log id {id})")).unwrap_or_default();
    format!("{code}{}{log_id}", failure.detail)
}

fn cure_of(failure: &Failure) -> String {
    match &failure.cure {
        Some(cure) => cure.to_string(),
        None if failure.status.is_none() => failure.detail.cure_of_silence().to_string(),
        None => "give the code and the log id to the platform's support if the credentials are right".to_owned(),
    }
}
