//! The simulator's own books: what was really called and created.

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::site::Site;

pub(crate) const ROOM: &str = "feishu.vc.room.create";
pub(crate) const CALENDAR: &str = "feishu.calendar.create";
pub(crate) const MEETING: &str = "wecom.meeting.create";

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_default()
}

/// Calls of a method that arrived.
pub(crate) async fn arrivals(site: &Site, method: &str) -> anyhow::Result<u64> {
    Ok(number(&site.books().await?["methods"][method], "arrivals"))
}

/// Objects of a method that were created.
pub(crate) async fn created(site: &Site, method: &str) -> anyhow::Result<u64> {
    Ok(number(&site.books().await?["methods"][method], "created"))
}

/// Calls of a method without a reply yet.
pub(crate) async fn in_flight(site: &Site, method: &str) -> anyhow::Result<u64> {
    Ok(number(&site.books().await?["methods"][method], "in_flight"))
}

/// No duplicate, no refusal for pace, no window over its quota, and exactly so many objects of each method.
pub(crate) fn check(books: &Value, created: &[(&str, u64)]) -> anyhow::Result<()> {
    for (method, wanted) in created {
        let found = number(&books["methods"][*method], "created");
        ensure!(found == *wanted, "{method}: {wanted} wanted, the simulator created {found}");
    }
    for (method, entry) in books["methods"].as_object().into_iter().flatten() {
        let (duplicates, refused) = (number(entry, "duplicates"), number(entry, "refused"));
        ensure!(duplicates == 0, "{method}: the simulator counted {duplicates} duplicates");
        ensure!(refused == 0, "{method}: the simulator refused {refused} calls for their pace");
    }
    check_windows(books)
}

/// No refusal for pace but those of the scenario, and no window over its quota.
pub(crate) fn check_scripted(books: &Value) -> anyhow::Result<()> {
    let (refused, scripted) = (number(books, "refused"), number(&books["faults"], "throttle"));
    ensure!(refused == scripted, "the simulator refused {refused} calls for their pace, {scripted} by its scenario");
    check_windows(books)
}

fn check_windows(books: &Value) -> anyhow::Result<()> {
    let quotas = books["quotas"].as_array().context("the books tell of no quotas")?;
    for quota in quotas {
        for window in quota["windows"].as_array().context("the books tell of no windows")? {
            ensure!(window["is_breached"] == false, "{}: over its window: {window}", quota["method"]);
        }
    }
    Ok(())
}

/// A calendar of this name, as a job.
pub(crate) fn calendar(name: &str, batch: &str) -> Value {
    serde_json::json!({"id": name, "method": CALENDAR, "app": "acme", "batch": batch,
        "body": {"summary": name, "description": name.repeat(20)}})
}
