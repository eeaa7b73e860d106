//! What is given to the worker, drawn from the seed: jobs by AMQP and by file, repeats, and what is no job.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::books::{CALENDAR, MEETING, ROOM};
use crate::jobs::{MINUTES, chain, single, text};

/// Methods of single jobs, each as often as it has its share.
const SINGLES: [&str; 11] =
    [ROOM, ROOM, CALENDAR, CALENDAR, CALENDAR, CALENDAR, MEETING, MEETING, MEETING, MINUTES, MINUTES];
pub(crate) const PER_LIFE: u32 = 4;
/// A message for the jobs queue.
pub(crate) struct Given {
    pub body: Vec<u8>,
    /// Its properties are such as no client reads.
    pub is_unreadable: bool,
}

pub(crate) struct Plan {
    rng: Rng,
    number: u64,
    chains: u64,
    /// Every good job by its id.
    pub good: BTreeMap<String, Value>,
    /// Which of them came by AMQP, and how often.
    pub sent: BTreeMap<String, usize>,
    /// The body of each message that is no job, and the reason of its dead letter.
    pub bad: Vec<(Vec<u8>, &'static str)>,
}

impl Plan {
    pub(crate) const fn new(rng: Rng) -> Self {
        Self { rng, number: 0, chains: 0, good: BTreeMap::new(), sent: BTreeMap::new(), bad: Vec::new() }
    }

    /// So many new jobs, and a chain, whose jobs come before what they wait for as often as behind it.
    fn portion(&mut self, by: &str, count: u32) -> Vec<Value> {
        let mut jobs = Vec::new();
        for _ in 0..count {
            self.number += 1;
            let method = SINGLES[self.rng.usize(..SINGLES.len())];
            jobs.push(single(method, self.number, by));
        }
        jobs.extend(chain(self.chains, by));
        self.chains += 1;
        self.good.extend(jobs.iter().map(|job| (text(job, "id").to_owned(), job.clone())));
        self.rng.shuffle(&mut jobs);
        jobs
    }

    /// For the jobs queue: new jobs, some of them twice, some old ones again, and some that are no job.
    pub(crate) fn messages(&mut self, count: u32) -> Vec<Given> {
        let mut jobs = self.portion("amqp", count);
        let ids: BTreeSet<_> = jobs.iter().map(|job| text(job, "id").to_owned()).collect();
        let twice: Vec<_> = jobs.iter().filter(|_| self.rng.f64() < 0.1).cloned().collect();
        let known: Vec<_> = self.sent.keys().chain(&ids).collect();
        let old = (self.rng.f64() < 0.3).then(|| self.good[known[self.rng.usize(..known.len())]].clone());
        jobs.extend(twice.into_iter().chain(old));
        for job in &jobs {
            *self.sent.entry(text(job, "id").to_owned()).or_default() += 1;
        }
        let good = |job: &Value| Given { body: job.to_string().into_bytes(), is_unreadable: false };
        let mut messages: Vec<_> = jobs.iter().map(good).collect();
        if self.rng.f64() < 0.3 {
            messages.push(self.bad_message());
        }
        self.rng.shuffle(&mut messages);
        messages
    }

    fn bad_message(&mut self) -> Given {
        self.number += 1;
        let mut job = single(CALENDAR, self.number, "bad");
        let kind = self.rng.usize(..5);
        let reason = match kind {
            0 => {
                job["method"] = json!("feishu.calendar.creat");
                "unknown-method"
            }
            1 => {
                job["app"] = json!("nobody");
                "unknown-app"
            }
            2 => {
                job["body"] = json!({"summary": "S".repeat(256)});
                "invalid"
            }
            _ => "malformed",
        };
        let mut body = job.to_string().into_bytes();
        if kind == 3 {
            body.truncate(body.len() - 9);
        }
        self.bad.push((body.clone(), reason));
        Given { body, is_unreadable: kind == 4 }
    }

    /// New jobs as lines: the name of a file, and its text.
    pub(crate) fn file(&mut self) -> (String, String) {
        let name = format!("jobs-{}.jsonl", self.number);
        let lines: Vec<_> = self.portion("file", PER_LIFE).iter().map(|job| job.to_string() + "\n").collect();
        (name, lines.concat())
    }
}
