//! Backs a ledger up, kills its worker, restores it, and takes it away under a running worker.
//!
//! Backup and restore are the commands of docs/running.md, word for word; both languages have to say the same. Holds if
//! nothing is lost by a backup beside the worker, a restored ledger is the backup, one that is restored beside the old log
//! is refused by every command, and a worker whose ledger is gone acknowledges and sends nothing more and says what to do.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use serde_json::json;

use super::books::{self, ROOM, arrivals};
use super::broker::{Address, Client, Queues};
use super::site::{Plan, Process, Site, until};

const SETTINGS: &str = "[apps.acme.quotas]\n\"feishu.vc.room.create\" = \"1000/min\"\n";
const SCENARIO: &str = "title = \"Quick\"\n[quotas]\n\"feishu.vc.room.create\" = \"1000/min\"\n";
const PAGES: [&str; 2] = ["docs/running.md", "docs/zh-CN/running.md"];
const LIMIT: Duration = Duration::from_secs(240);

/// The commands of the manual's block that begins so; comments are left out.
fn commands(first: &str) -> anyhow::Result<Vec<String>> {
    let of = |page: &str| {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page))?;
        let mut blocks = text.split("```console\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
        let block = blocks.find(|block| block.starts_with(first));
        let block = block.with_context(|| format!("no commands in {page} begin with {first:?}"))?;
        let command = |line: &str| line.split(" #").next().unwrap_or_default().trim().to_owned();
        anyhow::Ok(block.lines().map(command).collect::<Vec<_>>())
    };
    let [english, chinese] = [of(PAGES[0])?, of(PAGES[1])?];
    ensure!(english == chinese, "{PAGES:?} say different things: {english:?}, {chinese:?}");
    Ok(english)
}

/// A site whose worker is killed and whose ledger is handled as the manual says.
struct Trial<'t> {
    site: &'t Site,
    client: &'t Client,
    published: u64,
}

impl<'t> Trial<'t> {
    fn new(site: &'t Site, client: &'t Client) -> anyhow::Result<Self> {
        for folder in ["backup", "keys", "tools"] {
            fs::create_dir(site.path().join(folder))?;
        }
        symlink(site.binary(), site.path().join("tools/paceline"))?;
        Ok(Self { site, client, published: 0 })
    }

    fn ledger(&self, end: &str) -> PathBuf {
        self.site.path().join(format!("paceline.db{end}"))
    }

    async fn publish(&mut self, count: u64) -> anyhow::Result<()> {
        for _ in 0..count {
            let name = format!("room-{}", self.published);
            let body = json!({"name": name, "capacity": 4, "room_level_id": "omb_1"});
            self.client.publish(&json!({"id": name, "method": ROOM, "app": "acme", "body": body})).await?;
            self.published += 1;
        }
        Ok(())
    }

    async fn until_done(&self, count: u64) -> anyhow::Result<()> {
        // A worker that has just begun has made no ledger yet.
        until("a ledger", LIMIT, async || Ok(self.ledger("-wal").exists())).await?;
        until(&format!("{count} rooms"), LIMIT, async || Ok(self.site.counts()?["succeeded"] == count)).await
    }

    fn expect(&self, count: u64, what: &str) -> anyhow::Result<()> {
        let counts = self.site.counts()?;
        ensure!(counts["succeeded"] == count, "{what}, {count} rooms were expected, the ledger says {counts}");
        Ok(())
    }

    /// Runs commands of the manual in this folder. There is no service here: its worker has to have ended already.
    fn follow(&self, lines: &[String], worker: &mut Process) -> anyhow::Result<()> {
        let path = std::env::var("PATH")?;
        let (folder, tools) = (self.site.path().display(), self.site.path().join("tools"));
        for line in lines {
            if line.starts_with("systemctl stop") {
                ensure!(worker.ended()?.is_some(), "the worker still runs");
                continue;
            }
            let line = line.replace("/backup/", &format!("{folder}/backup/"));
            let line = line.replace("/var/lib/paceline/", &format!("{folder}/"));
            let line = line.replace("/another/place/", &format!("{folder}/keys/"));
            let mut shell = self.site.command("sh");
            let done = shell.args(["-c", &line]).env("PATH", format!("{}:{path}", tools.display())).output()?;
            let said = [done.stdout, done.stderr].concat();
            ensure!(done.status.success(), "{line:?}: {}: {}", done.status, String::from_utf8_lossy(&said));
        }
        Ok(())
    }

    /// What every command says to the present ledger, in the last one's words; none may do anything.
    async fn refusals(&self, words: &str) -> anyhow::Result<String> {
        let mut last = String::new();
        let commands: [&[&str]; 4] =
            [&["status"], &["jobs", "list"], &["check", "--offline"], &["work", "--until-idle"]];
        for command in commands {
            let before = self.site.log("refused").len();
            let code = self.site.start("refused", command, &[])?.code_within(LIMIT, "what was to be refused").await?;
            let said = self.site.log("refused").split_off(before);
            let is_refused = matches!(code, Some(1 | 2)) && said.contains(words);
            ensure!(is_refused, "{command:?} ended with {code:?} and said {said}");
            said.trim().lines().last().unwrap_or_default().clone_into(&mut last);
        }
        Ok(last)
    }

    async fn end_well(&self, mut worker: Process) -> anyhow::Result<()> {
        worker.signal(Signal::TERM)?;
        let code = worker.code_within(LIMIT, "the worker on the restored ledger").await?;
        ensure!(code == Some(0), "the worker on the restored ledger ended with {code:?}");
        Ok(())
    }

    /// A backup beside the worker, more work, kill -9, and the backup is back; without the manual's `rm` it is refused.
    async fn restored(&mut self) -> anyhow::Result<()> {
        let mut worker = self.site.start_worker(&["work"])?;
        self.publish(30).await?;
        self.until_done(30).await?;
        self.follow(&commands("sqlite3 ")?, &mut worker)?;
        self.publish(20).await?;
        self.until_done(50).await?;
        worker.kill()?;
        self.expect(50, "after a backup beside the worker")?;
        let mut worker = self.site.start_worker(&["work"])?;
        self.publish(10).await?;
        self.until_done(60).await?;
        worker.kill()?;
        fs::copy(self.site.path().join("backup/paceline.db"), self.ledger(""))?;
        println!("without the rm: {}", self.refusals("paceline.db-wal is not the log of").await?);
        self.follow(&commands("systemctl stop")?, &mut worker)?;
        self.expect(30, "after the restore")?;
        let worker = self.site.start_worker(&["work"])?;
        self.publish(5).await?;
        self.until_done(35).await?;
        self.end_well(worker).await
    }

    /// All files but the key are removed under the worker; what is published then stays in the queue.
    async fn taken_away(&mut self) -> anyhow::Result<()> {
        let mut worker = self.site.start_worker(&["work"])?;
        self.publish(10).await?;
        self.until_done(45).await?;
        let before = arrivals(self.site, ROOM).await?;
        for end in ["", "-wal", "-shm", ".lock"] {
            fs::remove_file(self.ledger(end)).with_context(|| format!("paceline.db{end}"))?;
        }
        self.publish(15).await?;
        let code = worker.code_within(LIMIT / 2, "a worker without a ledger").await?;
        ensure!(code == Some(1), "the worker ended with {code:?}");
        let is_back = async || Ok(self.client.jobs_left().await? == 15);
        until("all 15 messages to be back in their queue", LIMIT / 2, is_back).await?;
        let sent = arrivals(self.site, ROOM).await? - before;
        ensure!(sent == 0, "{sent} calls were sent after the ledger was gone");
        let log = self.site.log("worker");
        let said = log.trim().lines().last().unwrap_or_default();
        ensure!(said.contains("paceline.db was removed or moved while in use"), "the last line is {said}");
        println!("removed under the worker: {said}");
        println!("a start beside the key: {}", self.refusals("paceline.db is missing, but its key").await?);
        self.follow(&commands("systemctl stop")?, &mut worker)?;
        let worker = self.site.start_worker(&["work"])?;
        self.until_done(45).await?;
        self.end_well(worker).await
    }
}

pub(crate) async fn carry_out(binary: &Path, broker: &Address) -> anyhow::Result<()> {
    let client = Client::connect(&broker.url, Queues::of("ledger")).await?;
    let plan = Plan {
        settings: SETTINGS,
        scenario: Some(SCENARIO),
        broker: Some((&broker.url, client.queues())),
        ..Plan::default()
    };
    let site = Site::open(binary, &plan).await?;
    let mut trial = Trial::new(&site, &client)?;
    let held = async {
        trial.restored().await?;
        trial.taken_away().await?;
        // Every room once, by books that know of no ledger: the restored ones were not asked for again.
        books::check(&site.books().await?, &[(ROOM, trial.published)])
    };
    held.await.map_err(|error| site.explain(&error))?;
    drop(site);
    client.clean_up().await?;
    println!(
        "backed up beside the worker, killed, restored by the manual twice, taken away once: each room created once"
    );
    Ok(())
}
