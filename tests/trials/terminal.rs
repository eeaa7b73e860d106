//! A command at a terminal of its own, with somebody who answers its question.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::ensure;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::site::{Site, until};

const LIMIT: Duration = Duration::from_secs(240);
const QUESTION: &str = "[y/N] ";

/// A pseudo-terminal: the person's side, and the command's.
fn terminal() -> anyhow::Result<(File, OwnedFd)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    // It is to be the command's terminal, and not the trial's.
    let theirs = open(ptsname(&ours, Vec::new())?, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
    Ok((File::from(ours), theirs))
}

/// Runs a command and answers its question; its exit code, and all that was shown.
pub(crate) async fn answered(site: &Site, arguments: &[&str], answer: &[u8]) -> anyhow::Result<(Option<i32>, String)> {
    let (mut ours, theirs) = terminal()?;
    let mut process = site.start_at(theirs, arguments)?;
    let (sender, parts) = mpsc::channel();
    let mut from = ours.try_clone()?;
    // Reading waits, and ends with an error once nobody holds the other side.
    std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let _ = sender.send(buffer[..length].to_vec());
        }
    });
    let mut shown = Vec::new();
    let is_asked = |shown: &[u8]| String::from_utf8_lossy(shown).contains(QUESTION);
    until(&format!("the question of {arguments:?}"), LIMIT, async || {
        shown.extend(parts.try_iter().flatten());
        Ok(is_asked(&shown) || process.ended()?.is_some())
    })
    .await?;
    if is_asked(&shown) {
        ours.write_all(answer)?;
    }
    let code = process.code_within(LIMIT, "a command at a terminal").await?;
    shown.extend(parts.iter().flatten());
    let text = String::from_utf8_lossy(&shown).into_owned();
    ensure!(text.contains(QUESTION), "{arguments:?} asked nothing: {text}");
    Ok((code, text))
}
