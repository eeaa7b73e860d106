//! Finds the file, lets the environment override it, and checks everything before it gives anything out.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use paceline_domain::catalog::nearest;
use paceline_host::files::{self, Exposed};

use super::draft::{As, Draft, ReadFile};
use super::fault::{Fault, Faults, Place};
use super::tree::{Raw, Tree};
use super::values::Values;
use super::{Catalog, Cluster, Files, Http, Intake, Ledger, Settings, admin, app, keys, sections, telemetry};

/// Where the file is looked for when nobody names it.
const SEARCHED: [&str; 2] = ["paceline.toml", "config/paceline.toml"];

/// What may stand for a secret.
const REFERENCES: [&str; 3] = ["env", "file", "credential"];

/// Reads the settings whole, secrets included.
///
/// `path` is `--config`; without it the file is `PACELINE_CONFIG`, `./paceline.toml`, `config/paceline.toml` or none.
///
/// # Errors
/// Every fault at once.
pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Settings, Faults> {
    load_from(path, env, &read_file, true)
}

/// Like [`load`], but leaves every secret that is referred to empty, except where the ledger is: for commands that call
/// nobody.
///
/// # Errors
/// Every fault at once, except unset variables and unreadable files of the other secrets.
pub fn load_without_secrets(
    path: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Settings, Faults> {
    load_from(path, env, &read_file, false)
}

fn read_file(path: &Path, as_: As) -> io::Result<String> {
    match as_ {
        As::Named => std::fs::read_to_string(path),
        As::Found => files::read_found(path),
        As::Secret => files::read_secret(path),
    }
}

pub(super) fn load_from(
    path: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    read_file: ReadFile<'_>,
    with_secrets: bool,
) -> Result<Settings, Faults> {
    let variables: BTreeMap<_, _> = env.collect();
    let (file, text) = find(path, &variables, read_file).map_err(|fault| Faults(vec![fault]))?;
    let name = file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    let (mut tree, faults) = Tree::read(&name, &text);
    if !faults.is_empty() {
        // What a broken file would have said is not known: no fault that follows from it is worth reading.
        return Err(Faults(faults));
    }
    for (name, value) in &variables {
        tree.override_with(name, value.clone());
    }
    let mut draft = Draft { tree, variables, read_file, with_secrets, contents: BTreeMap::new(), faults };
    find_unknown(&mut draft);
    let cluster = Cluster::read(&mut draft);
    let settings = Settings {
        file,
        store: sections::store(&mut draft, cluster.lease_ttl),
        cluster,
        ledger: Ledger::read(&mut draft),
        broker: sections::broker(&mut draft),
        http: Http::read(&mut draft),
        intake: Intake::read(&mut draft),
        engine: sections::engine(&mut draft),
        lanes: sections::lanes(&mut draft),
        admin: admin::admin(&mut draft),
        telemetry: telemetry::telemetry(&mut draft),
        catalog: Catalog::read(&mut draft),
        files: Files::read(&mut draft),
        apps: app::apps(&mut draft),
        values: Values::of(&draft),
    };
    if draft.faults.is_empty() {
        Ok(settings)
    } else {
        draft.faults.sort();
        draft.faults.dedup();
        Err(Faults(draft.faults))
    }
}

/// The file and its text; an empty text if there is none and nobody named one.
fn find(
    path: Option<&Path>,
    variables: &BTreeMap<String, String>,
    read_file: ReadFile<'_>,
) -> Result<(Option<PathBuf>, String), Fault> {
    let named = match path {
        Some(path) => Some((path.to_owned(), String::new())),
        None => variables
            .get("PACELINE_CONFIG")
            .filter(|value| !value.is_empty())
            .map(|value| (PathBuf::from(value), " (named by PACELINE_CONFIG)".to_owned())),
    };
    let unreadable = |path: &Path, by: &str, error: &io::Error| {
        let is_exposed = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Exposed>);
        let why = if is_exposed { "are not taken" } else { "cannot be read" };
        Fault {
            place: Place::File(Arc::from(path.display().to_string())),
            field: String::new(),
            message: format!("the settings {why}{by}: {error}"),
        }
    };
    if let Some((path, by)) = named {
        let text = read_file(&path, As::Named).map_err(|error| unreadable(&path, &by, &error))?;
        return Ok((Some(path), text));
    }
    for candidate in SEARCHED.map(Path::new) {
        match read_file(candidate, As::Found) {
            Ok(text) => return Ok((Some(candidate.to_owned()), text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(candidate, "", &error)),
        }
    }
    Ok((None, String::new()))
}

/// Keys that do not exist, tables where a value belongs, and values where a table belongs.
fn find_unknown(draft: &mut Draft<'_>) {
    let leaves: Vec<_> = draft
        .tree
        .leaves
        .iter()
        .map(|(path, leaf)| (path.clone(), matches!(leaf.raw, Raw::List(_) | Raw::Numbers(_) | Raw::Other("an array"))))
        .collect();
    for (path, is_array) in leaves {
        if keys::find(&path).is_some() || is_reference(&path) || is_inside_fault(&path) {
            continue;
        }
        if keys::is_table(&path) {
            let got = if is_array { "an array" } else { "a value" };
            draft.fault(&path, format!("expected the table [{}], got {got}", path.join(".")));
        } else {
            draft.fault(&path, unknown(&path));
        }
    }
    let tables: Vec<_> = draft.tree.tables.keys().cloned().collect();
    for path in tables {
        if keys::is_table(&path) || is_inside_fault(&path) {
            continue;
        }
        match keys::find(&path) {
            Some(key) if key.kind.takes_reference() => {}
            Some(key) => draft.fault(&path, format!("expected {}, got a table", key.kind)),
            None => draft.fault(&path, unknown(&path)),
        }
    }
}

/// Whether the path is `….env`, `….file` or `….credential` of a key that takes them.
fn is_reference(path: &[String]) -> bool {
    let Some((last, parent)) = path.split_last() else { return false };
    REFERENCES.contains(&last.as_str()) && keys::find(parent).is_some_and(|key| key.kind.takes_reference())
}

/// Whether a table around the path has a fault that says it all.
fn is_inside_fault(path: &[String]) -> bool {
    let parent = &path[..path.len() - 1];
    !parent.is_empty() && !keys::is_table(parent) && !keys::find(parent).is_some_and(|key| key.kind.takes_reference())
}

/// "no such key", with the nearest name there is.
fn unknown(path: &[String]) -> String {
    let Some((last, parent)) = path.split_last() else { return String::new() };
    let mut names = keys::siblings(path);
    if keys::find(parent).is_some_and(|key| key.kind.takes_reference()) {
        names = REFERENCES.to_vec();
    }
    let what = if parent.is_empty() { "section" } else { "key" };
    match nearest(last, names.iter().copied()) {
        Some(name) => format!("no such {what}; did you mean {name}?"),
        _ if names.is_empty() => format!("no such {what}"),
        _ => format!("no such {what}; there are {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests;
