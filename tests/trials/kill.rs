//! Kills the worker with SIGKILL at random moments, starts it again each time, and then asks the simulator's own books.
//!
//! Holds if every job ended once, nothing was created twice, no call was refused for its pace, and the audit of the ledger
//! finds no window exceeded.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use fastrand::Rng;
use serde_json::{Value, json};

use super::books::{self, CALENDAR, MEETING, ROOM};
use super::site::{Plan, Site};

/// Ten rooms leave half of 20/min for the permits that each kill burns; the others fill some seconds at 50/s.
const WANTED: [(&str, u64); 3] = [(ROOM, 10), (CALENDAR, 350), (MEETING, 150)];
const FILE: &str = "jobs.jsonl";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often the worker is killed
    #[arg(long, default_value_t = 6)]
    kills: u32,
    /// Replays the order of jobs and the moments of kills; where in its work a kill meets the worker, the machine decides
    #[arg(long)]
    seed: Option<u64>,
    /// How the jobs come
    #[arg(long, value_enum, default_value_t = Mode::Run)]
    mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    /// By `paceline run`, which is killed and started again
    Run,
    /// By `paceline submit`, then `paceline work --until-idle`
    Work,
}

fn job(method: &str, number: u64) -> Value {
    let (app, body) = match method {
        ROOM => {
            let custom = format!("kill-{number}");
            let body = json!({"name": format!("Kill {number}"), "capacity": 4, "room_level_id": "omb_4ad1",
                "custom_room_id": custom});
            ("acme", body)
        }
        CALENDAR => {
            let description = format!("calendar {number} of the kill trial");
            ("acme", json!({"summary": format!("Kill {number}"), "description": description}))
        }
        _ => {
            let start = 1_930_000_000 + 3_600 * number;
            let body = json!({"admin_userid": "t2001", "title": format!("Kill {number}"), "meeting_start": start,
                "meeting_duration": 1_800});
            ("campus", body)
        }
    };
    json!({"id": format!("{method}-{number}"), "method": method, "app": app, "batch": "kill", "body": body})
}

/// All jobs as lines, in an order of the seed's.
fn jobs(rng: &mut Rng) -> Vec<String> {
    let of =
        |(method, count): (&'static str, u64)| (0..count).map(move |number| job(method, number).to_string() + "\n");
    let mut lines: Vec<String> = WANTED.into_iter().flat_map(of).collect();
    rng.shuffle(&mut lines);
    lines
}

/// Starts the worker and kills it, again and again; how many of the kills hit a living one.
async fn kill_some(site: &Site, command: &[&str], kills: u32, rng: &mut Rng) -> anyhow::Result<u32> {
    let mut hits = 0;
    for _ in 0..kills {
        let mut worker = site.start_worker(command)?;
        let moment = Duration::from_secs_f64(0.05 + 1.95 * rng.f64());
        if let Some(status) = worker.ends_within(moment).await? {
            ensure!(matches!(status.code(), Some(0 | 1)), "the worker ended by itself: {status}");
        } else {
            worker.kill()?;
            hits += 1;
        }
    }
    Ok(hits)
}

/// What the last life left behind.
async fn check(site: &Site, mode: Mode, command: &[&str], total: u64) -> anyhow::Result<()> {
    let (code, output) = site.run(command)?;
    let counts = match mode {
        Mode::Run => serde_json::from_str(output.lines().last().context("'paceline run --json' said nothing")?)?,
        Mode::Work => site.counts()?,
    };
    ensure!(code == Some(0), "the last 'paceline {}' ended with {code:?}; counts: {counts}", command[0]);
    ensure!(counts["succeeded"] == total, "{total} jobs, but the ledger says {counts}");
    ensure!(counts["total"] == total, "{total} jobs were given, the ledger holds {}", counts["total"]);
    let ended = site.counts()?;
    ensure!(ended["succeeded"] == total, "{total} jobs, but 'paceline status' says {ended}");
    books::check(&site.books().await?, &WANTED)?;
    let judged = site.audited()?;
    ensure!(judged >= total, "'paceline audit' judged {judged} calls of at least {total}");
    Ok(())
}

pub(crate) async fn carry_out(binary: &Path, options: &Options) -> anyhow::Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let site = Site::open(binary, &Plan { request_timeout_ms: 2_000, ..Plan::default() }).await?;
    let lines = jobs(&mut rng);
    site.write(FILE, &lines.concat())?;
    let total = lines.len() as u64;
    let command: &[&str] = match options.mode {
        Mode::Run => &["run", FILE, "--json"],
        Mode::Work => {
            let (code, _) = site.run(&["submit", FILE])?;
            ensure!(code == Some(0), "'paceline submit' ended with {code:?}");
            &["work", "--until-idle"]
        }
    };
    let trial = async {
        let hits = kill_some(&site, command, options.kills, &mut rng).await?;
        check(&site, options.mode, command, total).await?;
        anyhow::Ok(hits)
    };
    let hits = trial.await.map_err(|error| site.explain(&error))?;
    let mode = options.mode;
    println!(
        "{total} jobs, killed {hits} times (seed {seed}, {mode:?}): each ended once, 0 duplicates, 0 refusals, audit clean"
    );
    Ok(())
}
