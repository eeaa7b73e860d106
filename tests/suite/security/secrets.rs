//! Secrets on the wire and in memory.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};

use crate::commands::Place;
use crate::harness::process::Process;
use crate::harness::until;

const APP: &str = "[apps.acme]\nplatform = \"feishu\"\napp_id = \"cli_a1\"\napp_secret = { env = \"ACME_SECRET\" }\n";
const SECRET: [(&str, &str); 1] = [("ACME_SECRET", "hunter2")];
/// An address that is nobody's.
const ELSEWHERE: &str = "amqp://u:hunter3@192.0.2.1:5672/%2f";

fn place(broker: &str) -> Place {
    Place::new(&[("paceline.toml", &format!("{APP}[broker]\nurl = \"{broker}\"\n"))])
}

#[test]
fn a_broker_elsewhere_without_tls_is_warned_of_by_check() {
    for (url, is_warned) in [
        (ELSEWHERE, true),
        ("amqp://broker.example.com", true),
        ("amqps://u:hunter3@192.0.2.1/%2f", false),
        ("amqp://u:hunter3@127.0.0.1/%2f", false),
        ("amqp://localhost", false),
        ("amqp://[::1]:5672", false),
    ] {
        let checked = place(url).run_with(&["check", "--offline"], &SECRET);
        assert_eq!(checked.code, Some(0), "{}", checked.err);
        assert_eq!(checked.out.contains("is not encrypted"), is_warned, "{url}: {}", checked.out);
        assert_eq!(checked.out.contains("fix: begin its address with amqps://"), is_warned, "{url}: {}", checked.out);
        assert!(!checked.out.contains("hunter3"), "{}", checked.out);
    }
}

#[tokio::test]
async fn a_broker_elsewhere_without_tls_is_warned_of_at_the_start() {
    let place = place(ELSEWHERE);
    let mut worker = Process::start(&place, &["work"]);
    let warning = "amqp://u:***@192.0.2.1:5672/%2f is not encrypted";
    worker.says(&[" WARN ", warning, "begin its address with amqps://"]).await;
    assert!(!worker.log().contains("hunter3"), "{}", worker.log());
    worker.signal("KILL");
    worker.ends().await;
}

/// A worker as another user than root, if root runs the tests: whose `/proc` entries tell whether it can be looked into.
fn worker(place: &Place) -> (Child, u32) {
    let user = match rustix::process::geteuid().as_raw() {
        0 => 65_534,
        user => user,
    };
    let log = fs::File::create(place.path().join("log")).unwrap();
    for path in [place.path().to_owned(), place.path().join("paceline.toml")] {
        chown(path, Some(user), None).unwrap();
    }
    // Where root has put it, only root may reach the program.
    let program = place.path().join("paceline");
    fs::copy(env!("CARGO_BIN_EXE_paceline"), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(program);
    command.arg("work").current_dir(place.path()).env_clear().stdin(Stdio::null()).stderr(log).uid(user);
    command.envs(SECRET).env("PACELINE_ADMIN__LISTEN", "");
    (command.spawn().unwrap(), user)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worker_leaves_no_core_and_lets_nobody_look_into_its_memory() {
    let place = Place::new(&[("paceline.toml", APP)]);
    let (mut child, user) = worker(&place);
    let proc = format!("/proc/{}", child.id());
    until("it works", || fs::read_to_string(place.path().join("log")).unwrap().contains("working")).await;
    let limits = fs::read_to_string(format!("{proc}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let values: Vec<&str> = core.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).collect();
    assert_eq!(values, ["0", "0"], "{core}");
    // The entries of a process that may be looked into are its user's.
    assert_eq!(fs::metadata(format!("{proc}/mem")).unwrap().uid(), 0, "user {user} may read its memory");
    let status = fs::read_to_string(format!("{proc}/status")).unwrap();
    assert!(status.contains(&format!("Uid:\t{user}\t")), "{status}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn settings_print_none_of_their_secrets_and_listen_on_loopback() {
    let variables = [
        ("PACELINE_BROKER__URL", ELSEWHERE),
        ("PACELINE_ADMIN__TOKEN", "hunter4-and-more-of-it-for-the-length"),
        ("PACELINE_APPS__ACME__PLATFORM", "feishu"),
        ("PACELINE_APPS__ACME__APP_ID", "cli_a"),
        ("PACELINE_APPS__ACME__APP_SECRET", "hunter2"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = paceline::settings::load(None, variables.into_iter()).unwrap();
    let printed = format!("{settings:?}");
    assert!(printed.contains("cli_a") && !printed.contains("hunter"), "{printed}");
    assert!(settings.admin.listen.unwrap().ip().is_loopback());
}
