//! Every secret is searched for in everything that was written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::ensure;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

use super::calls::{self, TRACEPARENT};
use super::inputs::USER_TOKEN;
use super::{BROKER_PASSWORD, Trial};
use crate::broker::Message;
use crate::site::{SECRETS, Site};

/// Six digits are a password only if they are not part of an instant or of a longer number.
fn shown<'s>(text: &[u8], secrets: &BTreeSet<&'s str>) -> BTreeSet<&'s str> {
    let mut found = BTreeSet::new();
    for at in 0..text.len() {
        if at > 0 && (text[at - 1].is_ascii_alphanumeric() || text[at - 1] == b'.') {
            continue;
        }
        let is_whole = |secret: &str| !text.get(at + secret.len()).is_some_and(u8::is_ascii_alphanumeric);
        let here = secrets.iter().filter(|secret| text[at..].starts_with(secret.as_bytes()) && is_whole(secret));
        found.extend(here.copied());
    }
    found
}

/// Access tokens in what the platform has answered.
fn tokens(passed: &str) -> BTreeSet<&str> {
    let behind = passed.split("access_token\":").skip(1);
    behind.filter_map(|rest| Some(rest.trim_start().strip_prefix('"')?.split_once('"')?.0)).collect()
}

/// Everything that a message carries beside its body. AMQP's long texts show themselves as numbers.
fn properties(properties: &BasicProperties) -> String {
    let headers = properties.headers().as_ref().map(texts).unwrap_or_default();
    format!("{properties:?}\n{headers}")
}

fn texts(table: &FieldTable) -> String {
    table
        .inner()
        .iter()
        .fold(String::new(), |all, (name, value)| all + name.as_str() + ": " + &value_text(value) + "\n")
}

fn value_text(value: &AMQPValue) -> String {
    if let Some(text) = value.as_long_string() {
        text.to_string()
    } else if let Some(table) = value.as_field_table() {
        texts(table)
    } else if let Some(array) = value.as_array() {
        array.as_slice().iter().map(|value| value_text(value) + "\n").collect()
    } else {
        format!("{value:?}")
    }
}

/// The worker's files and logs, by their names.
fn files(site: &Site) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut written = BTreeMap::new();
    for entry in fs::read_dir(site.path())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // What the simulator knows and says is not the worker's.
        let is_simulators = name.starts_with("simulator") || name == "scenario.toml";
        if entry.file_type()?.is_file() && !is_simulators {
            written.insert(name, fs::read(entry.path())?);
        }
    }
    ensure!(written.contains_key("paceline.db"), "no ledger was written: {:?}", written.keys());
    Ok(written)
}

/// What came out of the broker's queues, with what it carries.
async fn messages(trial: &Trial<'_>, written: &mut BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
    let client = trial.client().await?;
    let (results, dead) = (client.drain(&trial.queues.results()).await?, client.drain(&trial.queues.dead()).await?);
    client.close().await?;
    check_traces(&results, "results")?;
    check_traces(&dead, "dead letters")?;
    let whole = |message: &Message| [properties(&message.properties).as_bytes(), &message.body, b"\n"].concat();
    written.insert("results".to_owned(), results.iter().flat_map(whole).collect());
    let headers = dead.iter().map(|message| properties(&message.properties)).collect::<String>();
    written.insert("headers of dead letters".to_owned(), headers.into_bytes());
    for Message { body, .. } in &dead {
        let text = String::from_utf8_lossy(body);
        let is_as_it_came = trial.originals.contains(body) || text.contains("\"id\":\"row-");
        ensure!(is_as_it_came, "a dead letter is not as it came: {text}");
    }
    Ok(())
}

/// What was found, in a line for a person.
pub(super) async fn carry_out(trial: &Trial<'_>) -> anyhow::Result<String> {
    let mut written = files(trial.site)?;
    written.insert("what commands printed".to_owned(), trial.outputs.clone().into_bytes());
    messages(trial, &mut written).await?;
    calls::check(trial.site, &trial.site.log("worker")).await?;
    let passed = trial.proxy.passed();
    let tokens = tokens(&passed);
    ensure!(tokens.len() >= 3, "only {} access tokens were fetched", tokens.len());
    let travelled = trial.passwords.all().filter(|password| passed.contains(password)).count();
    ensure!(travelled >= 25, "only {travelled} passwords travelled to the platform");
    let mut secrets: BTreeSet<&str> = trial.passwords.all().chain(tokens.iter().copied()).collect();
    secrets.extend(SECRETS.map(|(_, secret)| secret));
    secrets.extend([BROKER_PASSWORD, USER_TOKEN]);
    let found = written.iter().flat_map(|(place, text)| {
        shown(text, &secrets).into_iter().map(move |secret| format!("\n  {place}: {secret}"))
    });
    let found: Vec<_> = found.collect();
    ensure!(found.is_empty(), "secrets were written:{}", found.concat());
    let bytes: usize = written.values().map(Vec::len).sum();
    Ok(format!(
        "{} secrets, {travelled} passwords and {} access tokens seen on the wire; none in {bytes} bytes of {} kinds",
        secrets.len(),
        tokens.len(),
        written.len()
    ))
}

fn check_traces(messages: &[Message], what: &str) -> anyhow::Result<()> {
    ensure!(!messages.is_empty(), "there are no {what}");
    let is_traced = messages.iter().any(|message| message.header("traceparent").as_deref() == Some(TRACEPARENT));
    ensure!(is_traced, "none of the {what} carries upstream's trace");
    Ok(())
}
