//! What only all rows together show of chains: ids that are nowhere, circles, and results that have no key to take.

use std::collections::{HashMap, HashSet};

use crate::domain::catalog::Catalog;
use crate::domain::chain::{self, graph::Graph};
use crate::domain::job::{Fault, Job};
use crate::domain::messages::Rule;
use crate::domain::rows::Row;

use super::finding::{At, Finding};

/// The jobs of the files, and who waits for whom.
#[derive(Default)]
pub(super) struct Chains {
    /// The method of each, by its id.
    methods: HashMap<String, u32>,
    names: Vec<String>,
    graph: Graph,
    waiting: Vec<Waiting>,
    /// Rows that are no jobs.
    faulty: HashSet<String>,
}

/// What chains have that no row has alone.
#[derive(Debug, Default)]
pub(super) struct Broken {
    /// Every fault, in the order of the rows.
    pub(super) findings: Vec<Finding>,
    /// Jobs that can never be sent, by id: those with a fault, and whoever waits for one of them or for a row that is no job.
    pub(super) never: HashMap<String, Vec<Fault>>,
}

/// A row that waits for others.
struct Waiting {
    file: String,
    line: u64,
    id: String,
    /// Another job, where it is named, and whether its key is taken.
    named: Vec<Named>,
}

struct Named {
    fault: Fault,
    id: String,
    takes_key: bool,
}

impl Chains {
    /// Notes a row; one with faults is there for those that wait for it, too: it has faults enough.
    pub(super) fn add(&mut self, row: &Row, file: &str) {
        match &row.input {
            Ok(job) => {
                let method = self.method(&job.lane.method);
                self.methods.insert(job.id.clone(), method);
                self.wait(row, file, job);
            }
            Err(rejection) => {
                if let Some(id) = &rejection.id {
                    let method = self.method(rejection.method.as_deref().unwrap_or_default());
                    self.methods.insert(id.clone(), method);
                    self.faulty.insert(id.clone());
                }
            }
        }
    }

    fn method(&mut self, name: &str) -> u32 {
        let known = self.names.iter().position(|known| known == name);
        let place = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    fn wait(&mut self, row: &Row, file: &str, job: &Job) {
        let fault = |field: &str| Fault { column: row.column_of(field), ..Fault::invalid(field, "") };
        let mut named: Vec<_> =
            job.after.iter().map(|id| Named { fault: fault("after"), id: id.clone(), takes_key: false }).collect();
        for reference in chain::references(&job.params) {
            let takes_key = reference.at.is_none();
            named.push(Named { fault: fault(&reference.field), id: reference.id, takes_key });
        }
        if named.is_empty() {
            return;
        }
        self.graph.add(&job.id, job.prerequisites());
        self.waiting.push(Waiting { file: file.to_owned(), line: row.line, id: job.id.clone(), named });
    }

    /// What is broken; `knows` says whether the ledger has a job of an id.
    pub(super) fn end<E>(self, catalog: &Catalog, knows: impl Fn(&str) -> Result<bool, E>) -> Result<Broken, E> {
        let mut broken = Broken::default();
        let mut in_circles: HashSet<String> = HashSet::new();
        for row in &self.waiting {
            let at = At { file: &row.file, line: row.line, id: &row.id };
            for Named { fault, id, takes_key } in &row.named {
                let rule = match self.methods.get(id).and_then(|place| self.names.get(*place as usize)) {
                    Some(method) if *takes_key => no_key(catalog, method, id),
                    Some(_) => None,
                    None if knows(id)? => None,
                    None => Some((Rule::KnownJob, id.as_str())),
                };
                if let Some((rule, got)) = rule {
                    broken.add(at, Fault { rule, ..fault.clone() }.got(got));
                }
            }
            if in_circles.contains(&row.id) {
                continue;
            }
            if let Some(way) = self.graph.cycle_of(&row.id) {
                let first = row.named.iter().find(|named| Some(&named.id) == way.get(1)).or_else(|| row.named.first());
                let fault = first.map_or_else(|| Fault::invalid("after", ""), |named| named.fault.clone());
                let rule = Rule::JobWaitsForItself;
                broken.add(at, Fault { rule, ..fault }.got(way.join(" → ")));
                in_circles.extend(way);
            }
        }
        broken.spread(&self.waiting, &self.faulty, knows)?;
        Ok(broken)
    }
}

impl Broken {
    fn add(&mut self, at: At<'_>, fault: Fault) {
        self.findings.push(at.finding(&fault));
        self.never.entry(at.id.to_owned()).or_default().push(fault);
    }

    /// Down the chains.
    fn spread<E>(
        &mut self,
        waiting: &[Waiting],
        faulty: &HashSet<String>,
        knows: impl Fn(&str) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut behind: HashMap<&str, Vec<(&Waiting, &Named)>> = HashMap::new();
        for row in waiting {
            row.named.iter().for_each(|named| behind.entry(&named.id).or_default().push((row, named)));
        }
        let mut left: Vec<String> = self.never.keys().chain(faulty).cloned().collect();
        while let Some(id) = left.pop() {
            let Some(rows) = behind.get(id.as_str()) else { continue };
            if knows(&id)? {
                continue;
            }
            for (row, named) in rows {
                if !self.never.contains_key(&row.id) {
                    let fault = Fault { rule: Rule::KnownJob, ..named.fault.clone() }.got(id.as_str());
                    self.never.insert(row.id.clone(), vec![fault]);
                    left.push(row.id.clone());
                }
            }
        }
        Ok(())
    }
}

/// What is wrong with taking the key of a job's object, if it makes none.
fn no_key<'i>(catalog: &Catalog, method: &str, id: &'i str) -> Option<(Rule, &'i str)> {
    let method = catalog.job_method(method)?;
    let rule = || Rule::MakesNoKey { method: method.name.clone(), form: "@{ID:field}".to_owned() };
    method.reply.key.is_none().then(|| (rule(), id))
}
