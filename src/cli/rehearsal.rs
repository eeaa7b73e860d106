//! A rehearsal: apps made up around a simulator of the platforms, and what the simulator counted at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde::Serialize;

use crate::clock::Clock;
use crate::domain::catalog::Catalog;
use crate::engine::app::Apps;
use crate::engine::ports::Transport;
use crate::simulator::scenario::User;
use crate::simulator::{InProcess, Options, Simulator, Tally};
use crate::wiring;

use super::batch::Checked;
use super::simulate::explain;

/// A simulator and the apps that call it.
pub(super) struct Rehearsal {
    simulator: Simulator,
    /// What the batch's ids name and the scenario does not list.
    unchecked: BTreeSet<String>,
}

/// What the simulator counted, for programs.
#[derive(Debug, Serialize)]
pub(super) struct Account {
    /// Independent counts of the run.
    #[serde(flatten)]
    tally: Tally,
    /// Kinds of things whose existence nobody checked.
    unchecked: BTreeSet<String>,
}

impl Rehearsal {
    /// Starts a simulator in which every app and user of the batch is known.
    pub(super) fn start(
        catalog: &Arc<Catalog>,
        checked: &Checked,
        scenario: &str,
        speed: f64,
        clock: Clock,
    ) -> anyhow::Result<(Self, Apps)> {
        let lanes = checked.calls.keys().map(|lane| (lane.app.as_str(), lane.method.as_str()));
        let apps = wiring::with_users(wiring::apps_for_rehearsal(catalog, lanes), &checked.users);
        let options = Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            scenario: scenario.to_owned(),
            speed,
            seed: None,
            users: users(&apps),
        };
        let simulator =
            Simulator::from_options(Arc::clone(catalog), &options, clock).map_err(|error| explain(&error))?;
        let known = simulator.known();
        let methods = checked.calls.keys().filter_map(|lane| catalog.method(&lane.method));
        let named = methods.flat_map(|method| method.names().into_iter().map(str::to_owned).collect::<Vec<_>>());
        let unchecked = named.filter(|kind| !known.contains(kind)).collect();
        Ok((Self { simulator, unchecked }, apps))
    }

    /// What the worker calls.
    pub(super) fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(InProcess::new(self.simulator.clone()))
    }

    /// The median of the round trips.
    pub(super) fn round_trip(&self) -> Duration {
        self.simulator.round_trip()
    }

    /// What the simulator counted so far.
    pub(super) fn account(&self) -> Account {
        Account { tally: self.simulator.stats().tally(), unchecked: self.unchecked.clone() }
    }
}

impl Account {
    /// Writes it for people.
    pub(super) fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Tally { created, twice, deleted, over_quota, refused } = self.tally;
        let deleted = if deleted == 0 { String::new() } else { format!(", {deleted} deleted") };
        writeln!(
            out,
            "simulator's books: {created} created, {twice} twice{deleted}, {over_quota} over quota, {refused} refused"
        )?;
        let unchecked = self.unchecked.iter().map(String::as_str).collect::<Vec<_>>();
        match unchecked.as_slice() {
            [] => writeln!(out, "not checked: rights"),
            kinds => writeln!(
                out,
                "not checked: rights, and whether the {} exist (a scenario's [known] can list them)",
                listed(kinds)
            ),
        }
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(words: &[&str]) -> String {
    match words {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        words => words.concat(),
    }
}

/// Whose the made-up user access tokens are.
fn users(apps: &Apps) -> BTreeMap<String, User> {
    let tokens = apps.values().flat_map(|app| {
        app.users.iter().map(|(name, token)| {
            (token.expose_secret().to_owned(), User { app: app.id.clone(), user: Some(name.clone()) })
        })
    });
    tokens.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(tally: Tally, unchecked: &[&str]) -> String {
        let mut out = Vec::new();
        let unchecked = unchecked.iter().map(|kind| (*kind).to_owned()).collect();
        Account { tally, unchecked }.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_books_are_one_line_and_what_nobody_checked_another() {
        let tally = Tally { created: 271, twice: 0, deleted: 0, over_quota: 0, refused: 2 };
        assert_eq!(
            written(tally, &["events", "levels", "users"]),
            "simulator's books: 271 created, 0 twice, 0 over quota, 2 refused\n\
             not checked: rights, and whether the events, levels and users exist (a scenario's [known] can list them)\n"
        );
        let tally = Tally { created: 2, twice: 1, deleted: 1, over_quota: 3, refused: 0 };
        assert_eq!(
            written(tally, &[]),
            "simulator's books: 2 created, 1 twice, 1 deleted, 3 over quota, 0 refused\nnot checked: rights\n"
        );
    }
}
