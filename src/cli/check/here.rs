//! What can be looked at without asking anybody: settings, catalog, quotas, ledger and clock.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::domain::catalog::{Catalog, Kind};
use crate::domain::time::Timestamp;
use crate::files;
use crate::settings::Settings;
use crate::wiring::inspect;
use crate::wiring::{self, AMQPS, READABLE};
use paceline_ports::LedgerError;
use paceline_ports::location::StoreUrl;
use paceline_ports::operator::{Found, Inspection, ServerInspection};

use super::finding::Finding;

/// No true clock is before the year in which this program was written.
const EARLIEST: &str = "2026-01-01T00:00:00Z";

/// A ledger may be this far ahead of the clock before anybody should look: NTP corrects that much by itself.
const AHEAD_MAX: Duration = Duration::from_secs(60);

/// The settings loaded, or nobody would be here.
pub(super) fn settings(settings: &Settings) -> Finding {
    let from = match &settings.file {
        Some(file) => file.display().to_string(),
        None => "no file: defaults and environment alone".to_owned(),
    };
    let apps = match settings.apps.len() {
        1 => "1 app".to_owned(),
        count => format!("{count} apps"),
    };
    Finding::ok("settings", format!("{from}; {apps}"))
}

/// Who else could change the settings, or lay files beside the ledger.
pub(super) fn rights(settings: &Settings) -> Vec<Finding> {
    let file = settings.file.as_deref();
    let mut folders: Vec<&Path> = file.into_iter().chain(settings.store.file()).map(files::folder_of).collect();
    folders.dedup();
    let exposed = file.into_iter().chain(folders).filter_map(files::writable_by_others);
    exposed
        .map(|exposed| {
            Finding::warning("rights", exposed.what.to_string(), format!("run `{}`", exposed.command))
                .with_fact(json!(exposed.what))
        })
        .collect()
}

/// Who may ask for what over the broker.
pub(super) fn publishers(settings: &Settings) -> Finding {
    let rights = wiring::rights_of(settings);
    let detail = match rights.publishers.len() {
        0 => "everybody who may publish may use every app, method and user; [broker.publishers] gives each its own rights"
            .to_owned(),
        count => format!("{count} with rights of their own; messages of nobody's are refused"),
    };
    let queues =
        rights.reply_to.map_or_else(|| "any queue but the worker's own".to_owned(), |queues| queues.to_string());
    Finding::ok("publishers", format!("{detail}; reply_to: {queues}"))
}

/// Whether what goes to the broker can be read on its way.
pub(super) fn broker(settings: &Settings) -> Vec<Finding> {
    let readable = settings.broker.iter().flat_map(crate::settings::Broker::readable_on_the_way);
    readable.map(|address| Finding::warning("broker", format!("{address} {READABLE}"), AMQPS)).collect()
}

/// The catalog loaded.
pub(super) fn catalog(settings: &Settings, catalog: &Catalog) -> Finding {
    let jobs = catalog.methods.values().filter(|method| method.kind == Kind::Job).count();
    let more = settings.catalog.dir.as_ref().map(|dir| format!(", with {}", dir.display())).unwrap_or_default();
    Finding::ok("catalog", format!("{jobs} methods for jobs{more}"))
}

/// Quotas of the settings that the catalog cannot place, or how many replace documented ones.
pub(super) fn quotas(settings: &Settings, catalog: &Catalog) -> Vec<Finding> {
    let faults = match wiring::apps_of(settings, catalog) {
        Ok(_) => Vec::new(),
        Err(faults) => faults,
    };
    if !faults.is_empty() {
        return faults.into_iter().map(|fault| Finding::fault("quotas", fault, "")).collect();
    }
    let own: usize =
        settings.apps.values().map(|app| app.quotas.len() + app.tenants.values().map(Vec::len).sum::<usize>()).sum();
    let detail = if own == 0 { "as documented".to_owned() } else { format!("{own} replace documented ones") };
    vec![Finding::ok("quotas", detail)]
}

/// The ledger, and the clock against it.
pub(super) fn ledger(store: &StoreUrl, now: Timestamp) -> Vec<Finding> {
    let place = store.place();
    let (ledger, newest) = match inspect(store) {
        Ok(Found::Absent) => {
            (vec![Finding::ok("ledger", format!("none yet; the first `run`, `submit` or `work` makes {place}"))], None)
        }
        Ok(Found::Ledger(inspection)) => (describe(&place, &inspection), inspection.newest),
        Err(error) => {
            // Which of them failed is said by the finding's name.
            let words = if let LedgerError::Failed(words) = error { words } else { error.to_string() };
            (vec![Finding::fault("ledger", words, "")], None)
        }
    };
    ledger.into_iter().chain([clock(now, newest)]).collect()
}

fn describe(place: &str, inspection: &Inspection) -> Vec<Finding> {
    let worker = inspection.worker.as_ref().map_or("no process is using it".to_owned(), ToString::to_string);
    let old = if inspection.is_old { "; the next start brings its format up to date" } else { "" };
    let mut findings: Vec<_> =
        inspection.faults.iter().map(|fault| Finding::fault("ledger", fault.clone(), "")).collect();
    if findings.is_empty() {
        findings.push(Finding::ok("ledger", format!("{place}: {worker}{old}")));
    }
    if inspection.mode & 0o077 != 0 {
        findings.push(Finding::warning(
            "ledger",
            format!("{place} has mode {:04o}: others can read jobs and their passwords", inspection.mode),
            "the worker's next start sets 0600; at once: `chmod 600` on it",
        ));
    }
    findings.extend(inspection.server.as_ref().map(database));
    findings
}

/// What a crash or a failover of the database leaves of what was recorded.
fn database(server: &ServerInspection) -> Finding {
    let ServerInspection { version, is_durable, standbys, is_on_standbys } = server;
    if !is_durable {
        return Finding::fault(
            "database",
            format!("PostgreSQL {version} confirms commits before they are on disk: a crash loses the newest calls"),
            "set synchronous_commit = on, for the worker's role for example (ALTER ROLE … SET synchronous_commit = on)",
        );
    }
    let followed = if *standbys == 1 { "1 standby follows".to_owned() } else { format!("{standbys} standbys follow") };
    match (standbys, is_on_standbys) {
        (0, false) => Finding::ok("database", format!("PostgreSQL {version}, without a standby")),
        (_, true) => Finding::ok("database", format!("PostgreSQL {version}: {followed}, synchronously")),
        (_, false) => Finding::warning(
            "database",
            format!(
                "PostgreSQL {version}: {followed} asynchronously, so a failover can lose the newest calls and send them again"
            ),
            "name a synchronous standby in synchronous_standby_names",
        ),
    }
}

fn clock(now: Timestamp, newest: Option<Timestamp>) -> Finding {
    if Timestamp::parse(EARLIEST).is_ok_and(|earliest| now < earliest) {
        let cure = "set this machine's clock (NTP): deadlines, certificates and quota windows go by it";
        return Finding::fault("clock", format!("{now} is before this program was written"), cure);
    }
    match newest {
        Some(newest) if newest.since(now) > AHEAD_MAX => Finding::fault(
            "clock",
            format!(
                "{now}, and the ledger holds an entry of {newest}: the clock stood wrong then, or stands wrong now"
            ),
            "set this machine's clock (NTP); until it is past that entry, calls wait longer than they need to",
        ),
        _ => Finding::ok("clock", format!("{now}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_clock_of_the_past_is_wrong() {
        assert_eq!(clock(at("2025-12-31T23:59:59.999Z"), None).verdict, Verdict::Fault);
        assert_eq!(clock(at(EARLIEST), None).verdict, Verdict::Ok);
    }

    #[test]
    fn a_ledger_may_be_a_minute_ahead() {
        let now = at("2026-11-21T08:00:00Z");
        assert_eq!(clock(now, Some(at("2026-11-21T08:01:00Z"))).verdict, Verdict::Ok);
        assert_eq!(clock(now, Some(at("2026-11-21T08:01:00.001Z"))).verdict, Verdict::Fault);
        assert_eq!(clock(now, Some(at("2020-11-21T08:00:00Z"))).verdict, Verdict::Ok);
    }

    #[test]
    fn a_database_that_may_lose_calls_is_a_warning_or_a_fault() {
        let verdict = |is_durable, standbys, is_on_standbys| {
            database(&ServerInspection { version: "15.20".to_owned(), is_durable, standbys, is_on_standbys }).verdict
        };
        assert_eq!((verdict(true, 0, false), verdict(true, 2, true)), (Verdict::Ok, Verdict::Ok));
        assert_eq!(verdict(true, 1, false), Verdict::Warning);
        assert_eq!(verdict(false, 1, true), Verdict::Fault);
    }

    #[test]
    fn a_ledger_that_others_can_read_is_a_warning() {
        let inspection =
            |mode| Inspection { mode, worker: None, is_old: false, newest: None, faults: Vec::new(), server: None };
        let verdicts =
            |mode| describe("x.db", &inspection(mode)).iter().map(|it| it.verdict).max_by_key(|it| *it as u8);
        assert_eq!(verdicts(0o600), Some(Verdict::Ok));
        assert_eq!(verdicts(0o640), Some(Verdict::Warning));
        assert_eq!(verdicts(0o604), Some(Verdict::Warning));
    }
}
