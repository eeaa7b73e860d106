//! A folder of a command, at a simulated platform of its own; what commands printed, as data.

use serde_json::Value;

use crate::check::Simulator;
use crate::commands::{Outcome, Place};

/// The secret that [`app_at`] names.
pub(crate) const SECRETS: [(&str, &str); 1] = [("ACME_SECRET", "hunter2")];

/// The settings of the app acme, whose platform is at this address.
pub(crate) fn app_at(base_url: &str) -> String {
    format!(
        "[apps.acme]\nplatform = \"feishu\"\nbase_url = \"{base_url}\"\napp_id = \"cli_a1\"\n\
         app_secret = {{ env = \"ACME_SECRET\" }}\n"
    )
}

/// A folder with these files, and with settings of the app acme, then `more`, at a platform of this scenario.
pub(crate) fn at_platform(files: &[(&str, &str)], scenario: &str, more: &str) -> (Place, Simulator) {
    let place = Place::new(files);
    place.write("world.toml", &format!("title = 'w'\n{scenario}"));
    let simulator = Simulator::start(&place, "world.toml");
    place.write("paceline.toml", &format!("{}{more}", app_at(&simulator.address)));
    (place, simulator)
}

/// How many calls were made for jobs.
pub(crate) fn calls(place: &Place) -> i64 {
    let ledger = rusqlite::Connection::open(place.path().join("paceline.db")).unwrap();
    ledger.query_row("SELECT count(*) FROM attempts WHERE job IS NOT NULL", [], |row| row.get(0)).unwrap()
}

/// The document that was printed.
pub(crate) fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.out).unwrap_or_else(|error| panic!("{error}: {}", outcome.transcript()))
}

/// The documents that were printed, one a line.
pub(crate) fn lines(outcome: &Outcome) -> Vec<Value> {
    outcome.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
