//! The ledger's disk runs full while jobs flow, and gets room again.
//!
//! Where a small filesystem can be mounted (as root), the ledger lies on one, and a ballast file fills it. Elsewhere the
//! worker may not make files larger (`RLIMIT_FSIZE`), which fails its writes as surely, though with another error. Holds if
//! no call is sent and no message acknowledged meanwhile, the cause is said once, and with room again every job ends once.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Resource, Rlimit, Signal, prlimit};

use super::books::{self, CALENDAR, arrivals, calendar};
use super::broker::{Address, Client, Queues};
use super::site::{Plan, Process, Site, until};

const SETTINGS: &str = "[apps.acme.quotas]\n\"feishu.calendar.create\" = \"200/5s, 40/s\"\n";
const SMALL_BYTES: u64 = 24 << 20;
const LIMIT: Duration = Duration::from_secs(240);
const JOBS: u64 = 500;

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    broker: Address,
    /// Limit the size of files, as where nothing may be mounted
    #[arg(long)]
    no_mount: bool,
}

/// What runs full.
enum Disk {
    /// A filesystem of a few megabytes that a ballast file fills.
    Mounted(PathBuf),
    /// The ledger's log may not grow. The worker's own log is far smaller and may.
    Limited(PathBuf, Option<Rlimit>),
}

impl Disk {
    fn mount(folder: PathBuf) -> Option<Self> {
        let size = format!("size={SMALL_BYTES}");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success()).then_some(Self::Mounted(folder))
    }

    fn fill(&mut self, worker: &Process) -> anyhow::Result<()> {
        match self {
            Self::Mounted(folder) => {
                let mut ballast = File::create(folder.join("ballast"))?;
                for size in [65_536, 4_096, 1] {
                    let zeros = vec![0; size];
                    let error = loop {
                        if let Err(error) = ballast.write(&zeros) {
                            break error;
                        }
                    };
                    ensure!(error.kind() == ErrorKind::StorageFull, "the ballast: {error}");
                }
            }
            Self::Limited(folder, before) => {
                let mut largest = 0;
                for entry in fs::read_dir(folder)? {
                    let entry = entry?;
                    if entry.file_name().to_string_lossy().starts_with("paceline.db") {
                        largest = largest.max(entry.metadata()?.len());
                    }
                }
                let usual = rustix::process::getrlimit(Resource::Fsize);
                let limit = Rlimit { current: Some(largest), maximum: usual.maximum };
                *before = Some(prlimit(Some(worker.pid()), Resource::Fsize, limit)?);
            }
        }
        Ok(())
    }

    fn make_room(&mut self, worker: &Process) -> anyhow::Result<()> {
        match self {
            Self::Mounted(folder) => fs::remove_file(folder.join("ballast"))?,
            Self::Limited(_, before) => {
                let before = before.take().context("the disk was never full")?;
                prlimit(Some(worker.pid()), Resource::Fsize, before)?;
            }
        }
        Ok(())
    }

    const fn how(&self) -> &'static str {
        match self {
            Self::Mounted(_) => "a filesystem of 24 MiB",
            Self::Limited(..) => "a limit on the size of its files; nothing was mounted",
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::Mounted(folder) = self {
            let _ = Command::new("umount").arg("--lazy").arg(folder).status();
        }
    }
}

async fn publish(client: &Client, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    for number in numbers {
        client.publish(&calendar(&format!("full-{number}"), "full")).await?;
    }
    Ok(())
}

/// Waits until calls in flight are over and nothing moves any more; how many calls that makes.
async fn stands_still(site: &Site, polls: u32) -> anyhow::Result<u64> {
    let (mut seen, mut times) = (0, 0);
    until("calls to stop", LIMIT, async || {
        let now = arrivals(site, CALENDAR).await?;
        times = if now == seen { times + 1 } else { 0 };
        seen = now;
        Ok(times == polls)
    })
    .await?;
    Ok(seen)
}

async fn trial(site: &Site, client: &Client, disk: &mut Disk) -> anyhow::Result<()> {
    let mut worker = site.start_worker(&["work"])?;
    publish(client, 0..400).await?;
    let flow = async || Ok(arrivals(site, CALENDAR).await? > 20 && site.counts()?["total"] == 400);
    until("jobs to flow", LIMIT, flow).await?;
    // Full in one instant for the worker: a disk that is nearly full takes one record and refuses the next.
    worker.signal(Signal::STOP)?;
    disk.fill(&worker)?;
    worker.signal(Signal::CONT)?;
    publish(client, 400..JOBS).await?;
    let called = stands_still(site, 50).await?;
    ensure!(called < 400, "all {called} calls were made before the disk was full: nothing is shown");
    // For three seconds, in which 120 calls could have left.
    let later = stands_still(site, 150).await?;
    ensure!(later == called, "a call was sent although it could not be recorded");
    let ended = worker.ended()?;
    ensure!(ended.is_none(), "the worker ended: {ended:?}");
    let log = site.log("worker");
    let told: Vec<&str> = log.lines().filter(|line| line.contains("the ledger cannot be written")).collect();
    ensure!(told.len() == 1, "the cause is said {} times", told.len());
    println!("with {called} calls made: {}", told[0].split_once("ERROR ").map_or(told[0], |(_, words)| words));
    ensure!(log.lines().count() < 40, "{} lines in the log", log.lines().count());
    disk.make_room(&worker)?;
    until("work to go on with room again", LIMIT, async || Ok(site.counts()?["succeeded"] == JOBS)).await?;
    ensure!(site.log("worker").contains("the ledger can be written again"), "the worker does not say that it goes on");
    worker.signal(Signal::TERM)?;
    let code = worker.code_within(LIMIT, "a worker that was to stop").await?;
    ensure!(code == Some(0), "the worker ended with {code:?} after SIGTERM");
    let left = client.jobs_left().await?;
    ensure!(left == 0, "{left} messages are left in the jobs queue, or were never acked");
    let ids = client.results().await?;
    let is_there = |number| ids.contains(&format!("full-{number}"));
    ensure!(ids.len() as u64 == JOBS && (0..JOBS).all(is_there), "{} of {JOBS} results", ids.len());
    books::check(&site.books().await?, &[(CALENDAR, JOBS)])?;
    site.audited()?;
    Ok(())
}

pub(crate) async fn carry_out(binary: &Path, options: &Options) -> anyhow::Result<()> {
    let url = options.broker.url.as_str();
    let client = Client::connect(url, Queues::of("full")).await?;
    // The ledger alone is here. What is declared later goes earlier: processes, then the mount, then the folder.
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_owned();
    let mounted = if options.no_mount { None } else { Disk::mount(path.clone()) };
    let mut disk = mounted.unwrap_or(Disk::Limited(path.clone(), None));
    let store = path.join("paceline.db");
    let store = store.to_str().context("a temporary folder whose name is no text")?;
    let plan = Plan { store, settings: SETTINGS, broker: Some((url, client.queues())), ..Plan::default() };
    let site = Site::open(binary, &plan).await?;
    trial(&site, &client, &mut disk).await.map_err(|error| site.explain(&error))?;
    let how = disk.how();
    drop(site);
    client.clean_up().await?;
    println!(
        "{JOBS} jobs, the disk full in between ({how}): calls stopped, nothing was acked, said once; then each created \
         once, 0 duplicates, 0 refusals, audit clean"
    );
    Ok(())
}
