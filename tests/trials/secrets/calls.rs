//! Every call is logged, in both formats, and by its job: else a search for secrets in the log would prove nothing.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::jobs::text;
use crate::site::Site;

/// What upstream sends along, and the id in it.
pub(super) const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const SPANS: [&str; 3] = ["attempt", "look_up", "token"];
/// What the line of a call's end says.
const FIELDS: [&str; 10] =
    ["timestamp", "level", "target", "message", "call", "outcome", "ms", "span", "app", "method"];
/// The killed worker may have got replies that it could not log any more.
const LOST_MAX: u64 = 20;

/// The lines of a log in both formats.
fn lines(log: &str) -> anyhow::Result<(Vec<&str>, Vec<Value>)> {
    let (json, plain): (Vec<_>, Vec<_>) = log.lines().partition(|line| line.starts_with('{'));
    let parsed = json.into_iter().map(|line| serde_json::from_str(line).with_context(|| line.to_owned()));
    Ok((plain, parsed.collect::<anyhow::Result<_>>()?))
}

/// Which kinds of calls began, in which format.
fn began(plain: &[&str], json: &[Value]) -> BTreeSet<String> {
    let mut began = BTreeSet::new();
    for span in SPANS {
        let opens = format!(" {span}{{");
        if plain.iter().any(|line| line.contains(&opens) && line.contains(" calling call=")) {
            began.insert(format!("{span} text"));
        }
        if json.iter().any(|line| line["message"] == "calling" && line["span"] == span) {
            began.insert(format!("{span} json"));
        }
    }
    began
}

fn check_ends(ended: &[&Value]) -> anyhow::Result<()> {
    for line in ended {
        let missing = FIELDS.into_iter().find(|field| line.get(field).is_none());
        ensure!(missing.is_none(), "a call's line lacks {missing:?}: {line}");
        if line["span"] == "token" {
            continue;
        }
        ensure!(line.get("job").is_some(), "a call's line lacks its job: {line}");
        let is_published = !text(line, "job").starts_with("row-");
        ensure!(!is_published || line["trace_id"] == TRACE_ID, "a call's line lacks its job's trace: {line}");
    }
    ensure!(ended.iter().any(|line| line["trace_id"] == TRACE_ID), "no call of a published job is logged");
    let says = |field: &str| ended.iter().any(|line| !line[field].is_null() && line[field] != 0);
    ensure!(says("code") && says("log_id"), "no code or no log id is logged");
    Ok(())
}

pub(super) async fn check(site: &Site, log: &str) -> anyhow::Result<()> {
    let (plain, json) = lines(log)?;
    let began = began(&plain, &json);
    let wanted = ["attempt text", "attempt json", "token text", "token json", "look_up json"];
    let missing: Vec<_> = wanted.into_iter().filter(|wanted| !began.contains(*wanted)).collect();
    ensure!(missing.is_empty(), "calls are missing from the log: {missing:?}");
    let ended: Vec<_> = json.iter().filter(|line| line["message"] == "called").collect();
    let books = site.books().await?;
    let methods = books["methods"].as_object().context("the books tell of no methods")?;
    let calls: u64 = methods.values().filter_map(|book| book["arrivals"].as_u64()).sum();
    let logged = (ended.len() + plain.iter().filter(|line| line.contains(" called call=")).count()) as u64;
    ensure!(logged.abs_diff(calls) <= LOST_MAX, "{logged} calls in the log, {calls} in the simulator's books");
    ensure!(logged > 60, "only {logged} calls in the log");
    check_ends(&ended)
}
