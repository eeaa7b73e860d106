//! A campus in one file, at sixty times the pace, killed twice on the way, and undone from its ends.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::books;
use super::site::{Plan, Site, until};

/// How many of each: method, and how many objects the simulator must have made of it.
const WANTED: [(&str, u64); 8] = [
    ("feishu.vc.room_level.create", 3),
    ("feishu.vc.room.create", 60),
    ("feishu.calendar.create", 40),
    ("feishu.calendar.event.create", 200),
    ("feishu.calendar.event.attendee.create", 400),
    ("wecom.meeting.create", 100),
    ("wecom.oa.meetingroom.add", 20),
    ("wecom.oa.meetingroom.book", 40),
];
/// Reservation rules, invitations and minutes make no object of their own, or none of a job's own.
const JOBS: u64 = 3 + 60 + 3 + 40 + 200 + 200 + 50 + 100 + 20 + 40;
const MINUTES: &str = "feishu.calendar.event.meeting_minute.create";
const FILE: &str = "university.csv";
const CAMPUS: &str = include_str!("../../examples/university.csv");
const SPEED: &str = "60";
/// The documented quotas at that speed, as far as a quota can say them.
const QUOTAS: &str = "[apps.acme.quotas]\n\"feishu.vc.room_level.create\" = \"20/s\"\n\"feishu.vc.room.create\" = \"20/s\"\n\
     \"feishu.vc.room.delete\" = \"20/s\"\n\"feishu.vc.room_level.del\" = \"20/s\"\n\
     \"feishu.vc.reserve_config.patch\" = \"100/s\"\n";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Not killed on the way: how long it takes is compared with what `paceline plan` says
    #[arg(long)]
    whole: bool,
}

/// Kills the worker once as many objects of a method are there.
async fn kill_at(site: &Site, method: &str, created: u64) -> anyhow::Result<()> {
    let mut worker = site.start_worker(&["run", FILE, "--json"])?;
    until(&format!("{created} of {method}"), Duration::from_secs(120), async || {
        ensure!(worker.ended()?.is_none(), "the worker ended before it could be killed");
        Ok(site.books().await?["methods"][method]["created"].as_u64().unwrap_or_default() >= created)
    })
    .await?;
    worker.kill()
}

async fn check(site: &Site) -> anyhow::Result<f64> {
    let (code, output) = site.run(&["run", FILE, "--json"])?;
    let counts: Value = serde_json::from_str(output.lines().last().context("'paceline run --json' said nothing")?)?;
    ensure!(code == Some(0) && counts["succeeded"] == JOBS, "the last run ended with {code:?}: {counts}");
    let books = site.books().await?;
    books::check(&books, &WANTED)?;
    let minutes = &books["methods"][MINUTES];
    ensure!(minutes["succeeded"] == 50, "50 minutes wanted: {minutes}");
    site.audited()?;
    counts["elapsed_s"].as_f64().context("it does not say how long it took")
}

/// Everything that can be deleted is, what depends on something before that, and nothing is refused.
async fn undo(site: &Site) -> anyhow::Result<()> {
    let keys = keys(site)?;
    let (code, output) = site.run(&["undo", "--batch", "university", "--yes"])?;
    let books = site.books().await?;
    books::check(&books, &WANTED)?;
    for (method, wanted) in [
        ("feishu.vc.room_level.del", 3),
        ("feishu.vc.room.delete", 60),
        ("feishu.calendar.delete", 40),
        ("feishu.calendar.event.delete", 200),
        ("wecom.meeting.cancel", 100),
        ("wecom.oa.meetingroom.del", 20),
        ("wecom.oa.meetingroom.cancel_book", 40),
    ] {
        let entry = &books["methods"][method];
        ensure!(
            entry["deleted"] == wanted,
            "{method}: {wanted} wanted, got {entry}; undo ended with {code:?}: {output}"
        );
    }
    let objects = site.objects().await?;
    let objects = objects.as_array().context("the simulator lists no objects")?;
    let deleted = |object: &Value| Some((object["key"].as_str()?.to_owned(), object["deleted"].as_u64()?));
    let pairs = from_the_end(CAMPUS, &keys, &objects.iter().filter_map(deleted).collect())?;
    // 60 rooms below their levels, 200 events in their calendars, 40 bookings of a room for a meeting.
    ensure!(pairs == 340, "340 pairs of objects were to be deleted in order, and {pairs} were looked at");
    Ok(())
}

/// The id of each job's object.
fn keys(site: &Site) -> anyhow::Result<HashMap<String, String>> {
    let (code, output) = site.run(&["export", "--batch", "university", "--format", "jsonl"])?;
    let of_line = |line: &str| -> anyhow::Result<Option<(String, String)>> {
        let job: Value = serde_json::from_str(line).with_context(|| format!("export ended with {code:?}: {line}"))?;
        Ok(job["id"].as_str().zip(job["key"].as_str()).map(|(id, key)| (id.to_owned(), key.to_owned())))
    };
    output.lines().filter_map(|line| of_line(line).transpose()).collect()
}

/// Of each job that names another one, and of which both had an object that was deleted: its own was deleted first.
/// Says how many such pairs there were. `deleted` has the position of each object's deletion by its id.
fn from_the_end(file: &str, keys: &HashMap<String, String>, deleted: &HashMap<String, u64>) -> anyhow::Result<usize> {
    let position = |id: &str| deleted.get(keys.get(id)?).copied();
    let mut pairs = 0;
    for row in file.lines().skip(1) {
        let id = row.split(',').next().unwrap_or_default();
        let named = row.split("@{").skip(1).filter_map(|rest| rest.split(['}', ':']).next());
        let after = row.split(',').nth(3).unwrap_or_default().split(';');
        for other in named.chain(after) {
            let (Some(own), Some(others)) = (position(id), position(other)) else { continue };
            ensure!(own < others, "{other} was deleted before {id}, which names it");
            pairs += 1;
        }
    }
    Ok(pairs)
}

pub(crate) async fn carry_out(binary: &Path, options: &Options) -> anyhow::Result<()> {
    let plan = Plan { request_timeout_ms: 2_000, settings: QUOTAS, speed: SPEED, ..Plan::default() };
    let site = Site::open(binary, &plan).await?;
    site.write(FILE, CAMPUS)?;
    let (code, output) = site.run(&["plan", FILE, "--json"])?;
    let planned: Value = serde_json::from_str(&output).with_context(|| format!("plan ended with {code:?}"))?;
    let planned = planned["time_s"].as_f64().context("the plan says no time")?;
    let trial = async {
        if !options.whole {
            kill_at(&site, "feishu.vc.room.create", 15).await?;
            kill_at(&site, "feishu.calendar.event.create", 60).await?;
        }
        let took = check(&site).await?;
        undo(&site).await?;
        anyhow::Ok(took)
    };
    let took = trial.await.map_err(|error| site.explain(&error))?;
    let how = if options.whole { "not killed" } else { "killed twice" };
    println!(
        "{JOBS} jobs, {how}: each ended once, 0 duplicates, 0 refusals, undone from the end; planned {planned:.1} s, the last \
         run took {took:.1} s"
    );
    Ok(())
}
