//! Runs a batch in stages, as a person at a terminal does, and looks at the simulator's books.
//!
//! The canary's question is answered at a terminal with Enter, Ctrl-C and y; `--yes` answers it beforehand, and not when a
//! canary failed; `--stop-at` stops a batch of which too much fails. Then a row is inserted into a file that was run, and the
//! file is run under the name of a second download. Holds if exactly what was agreed to was created, once.

use std::path::Path;

use anyhow::{anyhow, ensure};

use super::books::{self, ROOM};
use super::site::{Plan, Site};
use super::terminal;

const SETTINGS: &str = "[apps.acme.quotas]\n\"feishu.vc.room.create\" = \"1000/10s\"\n";
const SCENARIO: &str = "title = \"Quick\"\n[quotas]\n\"feishu.vc.room.create\" = \"1000/10s\"\n";
/// Every second room is refused for good: the first one is created, the second is not.
const REFUSALS: &str = "[[faults]]\nkind = \"code\"\ncode = 125001\nmethod = \"*.room.create\"\nevery = 2\n";
const CTRL_C: &[u8] = b"\x03";

fn rooms<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> String {
    let row = |name: N| format!("{},4,omb_1\n", name.as_ref());
    "name,capacity,room_level_id\n".to_owned() + &names.into_iter().map(row).collect::<String>()
}

/// `paceline run` of a file of rooms.
fn run<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", file, "--method", ROOM, "--app", "acme"], more].concat()
}

struct Trial<'t> {
    site: &'t Site,
    /// Rooms that were there when the case began.
    before: u64,
}

impl<'t> Trial<'t> {
    async fn begin(site: &'t Site) -> anyhow::Result<Self> {
        Ok(Self { site, before: books::created(site, ROOM).await? })
    }

    async fn created(&self) -> anyhow::Result<u64> {
        Ok(books::created(self.site, ROOM).await? - self.before)
    }

    async fn expect(&self, what: &str, code: Option<i32>, wanted: (i32, u64)) -> anyhow::Result<()> {
        let created = self.created().await?;
        ensure!(
            (code, created) == (Some(wanted.0), wanted.1),
            "{what}: {code:?}, {created} rooms, expected {wanted:?}"
        );
        Ok(())
    }
}

/// The canary's question, and its three answers.
async fn asked(site: &Site) -> anyhow::Result<()> {
    let trial = Trial::begin(site).await?;
    site.write("asked.csv", &rooms((0..30).map(|number| format!("asked {number}"))))?;
    let command = run("asked.csv", &["--canary", "3"]);
    let (code, shown) = terminal::answered(site, &command, b"\n").await?;
    trial.expect("without an answer", code, (1, 3)).await.map_err(|error| anyhow!("{error}: {shown}"))?;
    let question = shown.lines().find(|line| line.contains("[y/N]")).unwrap_or_default();
    ensure!(question.contains("Send the other 27 jobs? [y/N]"), "it asked {question:?}");
    let (code, shown) = terminal::answered(site, &command, CTRL_C).await?;
    let created = trial.created().await?;
    ensure!(code != Some(0) && created == 6, "after Ctrl-C: {code:?}, {created} rooms: {shown}");
    let (code, shown) = terminal::answered(site, &command, b"y\n").await?;
    trial.expect("after y", code, (0, 30)).await.map_err(|error| anyhow!("{error}: {shown}"))?;
    println!("asked at a terminal: Enter and Ctrl-C left it at 3 canaries each, y sent the rest, 30 rooms");
    Ok(())
}

async fn agreed_beforehand(site: &Site) -> anyhow::Result<()> {
    let trial = Trial::begin(site).await?;
    site.write("yes.csv", &rooms((0..30).map(|number| format!("yes {number}"))))?;
    let (code, _) = site.run(&run("yes.csv", &["--canary", "3"]))?;
    trial.expect("without a terminal", code, (1, 3)).await?;
    let (code, _) = site.run(&run("yes.csv", &["--canary", "3", "--yes"]))?;
    trial.expect("with --yes", code, (0, 30)).await?;
    println!("without a terminal 3 canaries and a stop, with --yes all 30 rooms");
    Ok(())
}

/// A row is inserted after the fourth of twenty: one room more. The same file by another name: none.
async fn inserted_and_copied(site: &Site) -> anyhow::Result<()> {
    let trial = Trial::begin(site).await?;
    let mut names: Vec<_> = (0..20).map(|number| format!("1F-{number}")).collect();
    site.write("small.csv", &rooms(&names))?;
    let (code, _) = site.run(&run("small.csv", &[]))?;
    trial.expect("twenty rooms", code, (0, 20)).await?;
    names.insert(4, "1F-new".to_owned());
    site.write("small.csv", &rooms(&names))?;
    let (code, _) = site.run(&run("small.csv", &[]))?;
    trial.expect("one more row", code, (0, 21)).await?;
    site.write("small (1).csv", &rooms(&names))?;
    let (code, _) = site.run(&run("small (1).csv", &[]))?;
    trial.expect("a copy", code, (2, 21)).await?;
    println!("a row inserted: 1 room; the same file as 'small (1).csv': refused, 0 rooms");
    Ok(())
}

async fn failing(site: &Site) -> anyhow::Result<()> {
    let trial = Trial::begin(site).await?;
    site.write("bad.csv", &rooms((0..200).map(|number| format!("bad {number}"))))?;
    let (code, _) = site.run(&run("bad.csv", &["--canary", "2", "--yes"]))?;
    trial.expect("a failed canary and --yes", code, (1, 1)).await?;
    let (code, _) = site.run(&run("bad.csv", &["--stop-at", "5%"]))?;
    let queued = site.counts()?["queued"].as_u64().unwrap_or_default();
    ensure!(code == Some(1) && queued > 100, "--stop-at: {code:?}, {queued} wait");
    let log = site.log("commands");
    let said: Vec<_> = log.lines().filter(|line| line.contains("stopped by --stop-at")).collect();
    ensure!(said.len() == 1, "it said {said:?}");
    println!("a failed canary stops a run with --yes; {}; {queued} of 200 wait", said[0]);
    Ok(())
}

async fn check_books(site: &Site) -> anyhow::Result<()> {
    books::check(&site.books().await?, &[(ROOM, books::created(site, ROOM).await?)])
}

pub(crate) async fn carry_out(binary: &Path) -> anyhow::Result<()> {
    let site = Site::open(binary, &Plan { settings: SETTINGS, scenario: Some(SCENARIO), ..Plan::default() }).await?;
    let trial = async {
        asked(&site).await?;
        agreed_beforehand(&site).await?;
        inserted_and_copied(&site).await?;
        check_books(&site).await
    };
    trial.await.map_err(|error| site.explain(&error))?;
    let scenario = SCENARIO.to_owned() + REFUSALS;
    let site = Site::open(binary, &Plan { settings: SETTINGS, scenario: Some(&scenario), ..Plan::default() }).await?;
    let trial = async {
        failing(&site).await?;
        check_books(&site).await
    };
    trial.await.map_err(|error| site.explain(&error))
}
