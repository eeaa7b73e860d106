//! Signals to a `run` that still loads its file: nothing is sent after the first, and the second ends it at once.
//!
//! The file is a pipe, so that the test holds the loading back for as long as it likes.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::{OFlags, fcntl_setfl};

use super::check::Simulator;
use super::commands::Place;
use super::harness::place::app_at;
use super::harness::process::Process;
use super::harness::until;

const RUN: [&str; 6] = ["run", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"];
const HEADER: &str = "name,capacity,room_level_id\n";
/// More than are accepted at one time.
const ROWS: usize = 700;

fn place() -> (Place, Simulator) {
    let place = Place::new(&[]);
    let simulator = Simulator::start(&place, "calm");
    place.write("paceline.toml", &app_at(&simulator.address));
    let made = Command::new("mkfifo").arg(file(&place)).status().unwrap();
    assert!(made.success());
    (place, simulator)
}

/// The writing end, once the process has the reading one.
async fn pipe(run: &Process<'_>, place: &Place) -> File {
    let mut writing = None;
    until("somebody who reads", || {
        // Whoever just opened it would wait for a reader forever.
        let opened =
            OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(file(place));
        writing = writing.take().or(opened.ok());
        writing.is_some() && has_open(run, place)
    })
    .await;
    let writing = writing.unwrap();
    fcntl_setfl(&writing, OFlags::empty()).unwrap();
    writing
}

fn file(place: &Place) -> PathBuf {
    place.path().join("rooms.csv")
}

/// Whether the process has the reading end.
fn has_open(run: &Process<'_>, place: &Place) -> bool {
    let path = file(place).canonicalize().unwrap();
    let open = std::fs::read_dir(format!("/proc/{}/fd", run.id())).unwrap();
    open.flatten().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target == path))
}

fn rows(from: usize) -> String {
    (from..from + ROWS).map(|row| format!("Room {row},4,omb_1\n")).collect::<Vec<_>>().concat()
}

/// Writes rows until nobody reads them.
fn fill(mut pipe: File) {
    let mut from = 0;
    while pipe.write_all(rows(from).as_bytes()).is_ok() {
        from += ROWS;
    }
}

/// How many jobs there are, and how many of them were called.
fn jobs(place: &Place) -> (usize, usize) {
    let listed = place.run(&["jobs", "list", "--json", "--limit", "100000"]).out;
    let called = listed.lines().filter(|line| !line.contains("\"attempts\":0")).count();
    (listed.lines().count(), called)
}

#[tokio::test]
async fn the_first_signal_ends_the_reading_before_anything_is_accepted() {
    let (place, _simulator) = place();
    let mut run = Process::start(&place, &RUN);
    let mut pipe = pipe(&run, &place).await;
    pipe.write_all(HEADER.as_bytes()).unwrap();
    run.signal("INT");
    fill(pipe);
    run.ends_with(130).await;
    assert!(run.log().contains("interrupted while the files were read; nothing was sent"), "{}", run.log());
    assert!(!place.path().join("paceline.db").exists());
}

#[tokio::test]
async fn the_first_signal_ends_the_accepting_before_anything_is_sent() {
    let (place, _simulator) = place();
    let mut run = Process::start(&place, &RUN);
    let mut checked = pipe(&run, &place).await;
    checked.write_all(format!("{HEADER}{}", rows(0)).as_bytes()).unwrap();
    drop(checked);
    until("the end of the check", || !has_open(&run, &place)).await;
    // Rows are accepted when there is a ledger.
    until("a ledger", || place.path().join("paceline.db").exists()).await;
    let mut accepted = pipe(&run, &place).await;
    accepted.write_all(HEADER.as_bytes()).unwrap();
    run.signal("TERM");
    fill(accepted);
    run.ends_with(130).await;
    assert!(
        run.log().contains("rows were accepted; nothing was sent. The same command again goes on"),
        "{}",
        run.log()
    );
    let (accepted, called) = jobs(&place);
    assert!(accepted >= 500 && accepted % 500 == 0, "whole chunks: {accepted}");
    assert_eq!(called, 0);
}

#[tokio::test]
async fn the_second_signal_ends_it_at_once() {
    let (place, _simulator) = place();
    let mut run = Process::start(&place, &RUN);
    // Nothing comes, so the process hangs in its reading.
    let held = pipe(&run, &place).await;
    run.signal("INT");
    until("its end", || {
        run.signal("INT");
        run.has_ended()
    })
    .await;
    run.ends_with(130).await;
    drop(held);
    assert!(!place.path().join("paceline.db").exists());
}
