//! The ledger's file in other hands: commands beside a worker, and what people and programs do to it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::commands::Place;
use super::harness::process::Process;

/// An app that nobody calls, and whose secret a [`Process`] has.
const SETTINGS: &str =
    "[apps.acme]\nplatform = \"feishu\"\napp_id = \"cli_a1\"\napp_secret = { env = \"ACME_SECRET\" }\n";

/// Whether this process has one of SQLite's locks on this file, as the system's table says.
fn holds_lock(process: u32, file: &Path) -> bool {
    let inode = format!(":{}", std::fs::metadata(file).unwrap().ino());
    let table = std::fs::read_to_string("/proc/locks").unwrap();
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.contains(&"POSIX")
            && fields.contains(&process.to_string().as_str())
            && line.contains(&format!("{inode} "))
    })
}

/// Without it, any program that closes the ledger believes that it was the last, and removes the log under the worker:
/// the `sqlite3` of the documented backup does.
#[tokio::test]
async fn a_worker_keeps_its_lock_on_the_ledger() {
    let place = Place::new(&[("paceline.toml", SETTINGS)]);
    let mut worker = Process::start(&place, &["work"]);
    worker.says(&["working"]).await;
    assert_eq!(place.run(&["suspend", "acme"]).code, Some(0));
    assert!(holds_lock(worker.id(), &place.path().join("paceline.db")), "{}", worker.log());
    assert!(place.path().join("paceline.db-wal").exists());
    worker.signal("TERM");
    worker.ends_with(0).await;
}
