//! A run in which everything fails, and then a search for every secret in everything that was written.
//!
//! Logs are at trace level; the platform refuses, cuts, answers rubbish, revokes tokens and changes a secret; the broker is
//! taken away; the worker is killed once; operators look, edit, redrive and export. A proxy between worker and simulator
//! keeps what passes, which gives the access tokens and proves that the passwords did travel. Searched for: app secrets,
//! access tokens, a user's token, the broker's password and every meeting password, in the ledger's files, logs, exports, the
//! output of every command, what the admin server answers, results, and the headers of dead letters. A dead letter's body is
//! upstream's own message, byte for byte.

mod calls;
mod inputs;
mod search;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use self::calls::TRACEPARENT;
use self::inputs::{Passwords, USER_TOKEN};
use crate::books::MEETING;
use crate::broker::{Client, Queues};
use crate::node::Node;
use crate::proxy::Proxy;
use crate::site::{Plan, Process, SECRETS, Site, request, until};

const BROKER_PASSWORD: &str = "broker-pass-59113-word";
const LIMIT: Duration = Duration::from_secs(240);
/// Highest exit codes of commands: what they asked about may be bad, or they may be refused.
const BAD: i32 = 1;
const REFUSED: i32 = 2;

struct Trial<'t> {
    site: &'t Site,
    node: &'t mut Node,
    proxy: &'t Proxy,
    queues: Queues,
    passwords: Passwords,
    /// Whatever was published.
    originals: Vec<Vec<u8>>,
    /// What commands and the admin server have said.
    outputs: String,
}

impl Trial<'_> {
    async fn client(&self) -> anyhow::Result<Client> {
        Client::open(self.node.url(), self.queues.clone()).await
    }

    async fn publish(&mut self, bodies: Vec<Vec<u8>>) -> anyhow::Result<()> {
        let client = self.client().await?;
        client.declare(&self.queues.jobs()).await?;
        for body in bodies {
            client.publish_traced(&body, TRACEPARENT).await?;
            self.originals.push(body);
        }
        client.close().await
    }

    fn start(&self, format: &str) -> anyhow::Result<Process> {
        self.site.start_worker(&["work", "--log-level", "trace", "--log-format", format])
    }

    fn paceline(&mut self, highest: i32, arguments: &[&str]) -> anyhow::Result<String> {
        let (code, output) = self.site.run(&[&["--log-level", "trace"], arguments].concat())?;
        let is_expected = code.is_some_and(|code| (0..=highest).contains(&code));
        ensure!(is_expected, "'paceline {}' ended with {code:?}", arguments.join(" "));
        self.outputs += &output;
        Ok(output)
    }

    async fn until_ended(&self, what: &str) -> anyhow::Result<()> {
        until(what, 2 * LIMIT, async || {
            let counts = self.site.counts()?;
            Ok(counts["total"] != 0 && counts["queued"] == 0 && counts["uncertain"] == 0)
        })
        .await
    }

    /// Where the admin server of the present worker listens.
    fn admin(&self) -> anyhow::Result<String> {
        let log = self.site.log("worker");
        let line = log.lines().rfind(|line| line.contains("the admin server listens"));
        let (_, rest) = line.and_then(|line| line.split_once("127.0.0.1:")).context("no admin server listens")?;
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Ok(format!("127.0.0.1:{port}"))
    }

    /// Everything that shows a job.
    async fn look_around(&mut self) -> anyhow::Result<()> {
        self.paceline(BAD, &["jobs", "list"])?;
        for number in 0..10 {
            let id = format!("lesson-{number}");
            self.paceline(BAD, &["jobs", "show", &id])?;
            self.paceline(BAD, &["jobs", "show", &id, "--json"])?;
        }
        self.paceline(BAD, &["dead", "list"])?;
        for line in self.paceline(BAD, &["dead", "list", "--json"])?.lines().take(8) {
            let letter: Value = serde_json::from_str(line)?;
            self.paceline(
                BAD,
                &["dead", "show", letter["handle"].as_str().context("a dead letter without a handle")?],
            )?;
        }
        self.paceline(BAD, &["export", "--batch", "lessons"])?;
        self.paceline(BAD, &["export", "--batch", "lessons", "--format", "jsonl"])?;
        self.paceline(BAD, &["status"])?;
        self.paceline(REFUSED, &["check"])?;
        self.paceline(BAD, &["audit"])?;
        self.ask().await?;
        let patch = json!({"body": {"settings": {"password": self.passwords.of(39)}}});
        self.site.write("inputs/patch.json", &patch.to_string())?;
        let edit = ["dead", "edit", "--patch-file", "inputs/patch.json"];
        self.paceline(BAD, &[&edit[..], &["--method", MEETING, "--dry-run"]].concat())?;
        self.paceline(REFUSED, &[&edit[..], &["lesson-3"]].concat())?;
        Ok(())
    }

    /// Asks the admin server for everything that it tells of jobs.
    async fn ask(&mut self) -> anyhow::Result<()> {
        let address = self.admin()?;
        let pages = ["metrics", "api/v1/overview", "api/v1/held", "api/v1/dead/groups", "api/v1/jobs?limit=500"];
        let jobs = (0..10).map(|number| format!("api/v1/jobs/lesson-{number}"));
        for path in pages.map(str::to_owned).into_iter().chain(jobs) {
            self.outputs += &request(&address, "GET", &path, "").await?;
        }
        Ok(())
    }

    /// Files with passwords: one is refused, the other one's jobs are submitted.
    fn hand_in(&mut self) -> anyhow::Result<()> {
        for (name, text) in self.passwords.files() {
            self.site.write(name, &text)?;
        }
        for (command, file) in
            [("validate", "inputs/faulty.csv"), ("plan", "inputs/good.csv"), ("submit", "inputs/good.csv")]
        {
            self.paceline(BAD, &[command, file, "--method", MEETING, "--app", "campus"])?;
        }
        Ok(())
    }

    /// Until the first jobs have succeeded; then the worker is killed.
    async fn first_life(&mut self) -> anyhow::Result<()> {
        let mut worker = self.start("text")?;
        let lessons = (0..30).map(|number| self.passwords.meeting(number)).collect::<Vec<_>>();
        let jobs = |jobs: Vec<Value>| jobs.into_iter().map(|job| job.to_string().into_bytes());
        self.publish(jobs(lessons).chain(self.passwords.bad()).chain(jobs(inputs::others())).collect()).await?;
        self.hand_in()?;
        let succeeded = async || Ok(self.site.counts()?["succeeded"].as_u64() > Some(10));
        until("first successes", LIMIT, succeeded).await?;
        self.site.tell("revoke-tokens", "").await?;
        worker.kill()
    }

    /// The broker is missed, a secret is wrong, and in the end everything is well again.
    async fn second_life(&mut self) -> anyhow::Result<Process> {
        self.node.halt()?;
        let worker = self.start("json")?;
        let misses = async || Ok(self.site.log("worker").contains("trying again until it works"));
        until("the broker to be missed", LIMIT, misses).await?;
        self.node.boot()?;
        let secret = |secret: &str| json!({"secret": secret}).to_string();
        self.site.tell("apps/ww_rehearsal/secret", &secret("another")).await?;
        self.site.tell("revoke-tokens", "").await?;
        let mut late = self.passwords.meeting(35);
        late["batch"] = json!("late");
        let bodies = [vec![late.to_string().into_bytes()], self.passwords.bad()].concat();
        self.publish(bodies).await?;
        until("the app to be suspended", LIMIT, async || {
            let status: Value = serde_json::from_str(&self.paceline(BAD, &["status", "--json"])?)?;
            Ok(status["suspensions"].as_array().into_iter().flatten().any(|each| each["app"] == "campus"))
        })
        .await?;
        self.look_around().await?;
        self.site.play(&inputs::better()).await?;
        let [_, (_, own), _] = SECRETS;
        self.site.tell("apps/ww_rehearsal/secret", &secret(own)).await?;
        self.paceline(BAD, &["resume", "campus"])?;
        self.until_ended("everything to end").await?;
        self.paceline(REFUSED, &["dead", "redrive", "--method", MEETING, "--yes"])?;
        self.until_ended("what was redriven to end").await?;
        self.look_around().await?;
        Ok(worker)
    }

    async fn carry_out(&mut self) -> anyhow::Result<String> {
        self.first_life().await?;
        let mut worker = self.second_life().await?;
        worker.signal(Signal::TERM)?;
        let code = worker.code_within(LIMIT, "the worker").await?;
        ensure!(code == Some(0), "the worker ended with {code:?} after SIGTERM");
        search::carry_out(self).await
    }
}

/// What the worker and every command find in their environment.
fn set_variables(site: &mut Site, node: &Node, proxy: &Proxy) -> anyhow::Result<()> {
    node.control(&["add_user", "courier", BROKER_PASSWORD])?;
    node.control(&["set_permissions", "courier", ".*", ".*", ".*"])?;
    let platform = format!("http://{}", proxy.address());
    site.set("PACELINE_BROKER__URL", &format!("amqp://courier:{BROKER_PASSWORD}@{}/%2f", node.address()?));
    site.set("PACELINE_APPS__ACME__BASE_URL", &platform);
    site.set("PACELINE_APPS__CAMPUS__BASE_URL", &platform);
    site.set("PACELINE_ADMIN__LISTEN", "127.0.0.1:0");
    site.set("ANNA_TOKEN", USER_TOKEN);
    Ok(())
}

pub(crate) async fn carry_out(binary: &Path) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut node = Node::start(folder.path().join("node"))?;
    let (queues, url, scenario) = (Queues::of("secrets"), node.url().to_owned(), inputs::scenario());
    let plan = Plan {
        request_timeout_ms: 2_000,
        settings: inputs::SETTINGS,
        scenario: Some(&scenario),
        broker: Some((&url, &queues)),
        ..Plan::default()
    };
    let mut site = Site::open(binary, &plan).await?;
    let proxy = Proxy::keeping(site.address()).await?;
    set_variables(&mut site, &node, &proxy)?;
    let mut trial = Trial {
        site: &site,
        node: &mut node,
        proxy: &proxy,
        queues: queues.clone(),
        passwords: Passwords::new(),
        originals: Vec::new(),
        outputs: String::new(),
    };
    let found = trial.carry_out().await.map_err(|error| site.explain(&error))?;
    println!("{found}");
    Ok(())
}
