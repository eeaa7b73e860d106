//! The rows of the files: which of them will be called, and which repeat what was wanted before.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::savings::{Saving, Savings};
use crate::domain::decode::Decoder;
use crate::domain::identity::ObjectHash;
use crate::domain::job::{Job, LaneKey};
use crate::domain::rows::Row;
use crate::domain::time::Timestamp;
use crate::domain::update::Compared;
use crate::engine::forecast::Alike;
use crate::engine::ports::LedgerError;
use crate::operations::files::again::is_gone;
use crate::operations::files::changes;
use paceline_ports::State;
use paceline_ports::operator::{Before, Chained, Group, Likeness, Link, Seeker, Sought, chained};

/// Lane, batch, priority, not before, not after.
type Kind = (LaneKey, Option<String>, u8, Option<Timestamp>, Option<Timestamp>);

/// What will become of the rows.
pub struct PlannedRows<'l> {
    rows: Vec<PlannedRow>,
    seeker: Option<Box<dyn Seeker + 'l>>,
    decoder: &'l Decoder,
    allow_duplicates: bool,
    ids: HashMap<Box<str>, (usize, [u8; 32])>,
    /// The first row that creates an object, or that wants this very content.
    objects: HashMap<ObjectHash, usize>,
    contents: HashMap<[u8; 32], usize>,
    /// Each kind of job once, and its place.
    kinds: Vec<Kind>,
    of_kind: HashMap<Kind, usize>,
    /// The rows that wait for others, by their places: which those are.
    waits: BTreeMap<usize, Vec<String>>,
    /// Of rows of the files, and of jobs of the ledger.
    repeats: [Vec<Repeated>; 2],
    savings: Savings,
    failed: Option<LedgerError>,
}

/// A valid row.
#[derive(Debug)]
struct PlannedRow {
    place: Box<str>,
    id: Box<str>,
    kind: usize,
    /// Whether it will be called.
    is_called: bool,
}

/// A row whose deadline passes, or has passed, before its turn: its job would be dead without a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Late {
    /// `file:line`.
    pub place: String,
    /// The job's id.
    pub id: String,
    /// The deadline: the job's own, or that of its parameters.
    pub not_after: Timestamp,
}

/// A row that repeats an earlier job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repeated {
    /// `file:line`.
    pub place: String,
    /// How.
    pub how: How,
    /// The earlier job's id.
    pub earlier_id: String,
    /// Its batch; empty if none.
    pub earlier_batch: String,
    /// Its state in the ledger; absent for a row of these files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier_state: Option<State>,
    /// The id of what it created; absent if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier_key: Option<String>,
    /// Its place; absent for a job of the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier_place: Option<String>,
}

/// How a row repeats an earlier job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The same id, the same content: nothing is done twice.
    Known,
    /// The same id for other content: `run` and `submit` stop.
    IdConflict,
    /// Another id for what is created already: `run` and `submit` stop.
    Duplicate,
}

impl<'l> PlannedRows<'l> {
    /// Looks rows up with `seeker`; with `allow_duplicates` they may create again what is there.
    pub fn new(seeker: Option<Box<dyn Seeker + 'l>>, decoder: &'l Decoder, allow_duplicates: bool) -> Self {
        Self {
            rows: Vec::new(),
            seeker,
            decoder,
            allow_duplicates,
            ids: HashMap::new(),
            objects: HashMap::new(),
            contents: HashMap::new(),
            kinds: Vec::new(),
            of_kind: HashMap::new(),
            waits: BTreeMap::new(),
            repeats: Default::default(),
            savings: Savings::default(),
            failed: None,
        }
    }

    /// What merging rows would save.
    pub(super) fn savings(&self) -> Vec<Saving> {
        self.savings.end(&self.decoder.catalog)
    }

    /// Notes a row of the files; a ledger that cannot be read is told at the end.
    pub fn add(&mut self, row: &Row) {
        let Ok(job) = &row.input else { return };
        self.savings.add(job, &self.decoder.catalog);
        let kind = self.kind(job);
        let (place, id) = (row.place.as_str().into(), job.id.as_str().into());
        let in_files = self.note(row, job);
        let prerequisites = job.prerequisites();
        if !prerequisites.is_empty() {
            self.waits.insert(self.rows.len(), prerequisites);
        }
        self.rows.push(PlannedRow { place, id, kind, is_called: !in_files });
        if !in_files && self.failed.is_none() {
            self.failed = self.look_up(row, job).err();
        }
    }

    /// Compares it with the earlier rows; says whether one of them has its id.
    fn note(&mut self, row: &Row, job: &Job) -> bool {
        let (number, content) = (self.rows.len(), job.content_hash());
        match self.ids.entry(job.id.as_str().into()) {
            Entry::Occupied(earlier) => {
                let (earlier, of_earlier) = *earlier.get();
                let how = if of_earlier == content { How::Known } else { How::IdConflict };
                self.repeat_row(row, how, earlier);
                return true;
            }
            Entry::Vacant(place) => drop(place.insert((number, content))),
        }
        let Some(object) = job.object else { return false };
        let by_object = row.goes_by_object();
        let same = by_object.then(|| self.objects.get(&object).copied()).flatten();
        let twin = same.or_else(|| self.contents.get(&content).copied());
        if let Some(earlier) = twin.filter(|_| !self.allow_duplicates) {
            self.repeat_row(row, How::Duplicate, earlier);
        }
        self.contents.entry(content).or_insert(number);
        if by_object {
            self.objects.entry(object).or_insert(number);
        }
        false
    }

    fn look_up(&mut self, row: &Row, job: &Job) -> Result<(), LedgerError> {
        let Some(seeker) = self.seeker.as_deref() else { return Ok(()) };
        let (known, twin) = seeker.seek(Sought { job, is_row: true, by_content: !row.goes_by_object() })?;
        let twin = twin.filter(|twin| !self.allow_duplicates && !is_gone(row, twin));
        for repeat in known.into_iter().chain(twin) {
            let how = match repeat.likeness {
                Likeness::Same | Likeness::IdConflict if changes::may_differ(seeker, &repeat)? => {
                    // Its updates may have made the object what the row says, or something else.
                    let compared = changes::compare(seeker, self.decoder, &repeat, job)?;
                    if compared == Compared::Same { How::Known } else { How::IdConflict }
                }
                Likeness::Same | Likeness::Corrected => How::Known,
                Likeness::IdConflict => How::IdConflict,
                Likeness::Twin => How::Duplicate,
            };
            if repeat.is_settled() || repeat.likeness == Likeness::IdConflict {
                self.rows.last_mut().into_iter().for_each(|planned| planned.is_called = false);
            }
            self.repeats[1].push(Repeated {
                place: row.place.clone(),
                how,
                earlier_id: repeat.id,
                earlier_batch: repeat.batch,
                earlier_state: Some(repeat.state),
                earlier_key: repeat.key,
                earlier_place: None,
            });
        }
        Ok(())
    }

    /// Everything, if the ledger could be read.
    ///
    /// # Errors
    /// The ledger's.
    pub fn end(self) -> Result<Self, LedgerError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    /// The jobs that the files add, those of a kind together, younger than any of the ledger: those that wait for nobody,
    /// and those that wait for others.
    pub fn groups(&self, younger_than: i64) -> (Vec<Group>, Vec<Chained>) {
        let mut groups: Vec<Option<Group>> = vec![None; self.kinds.len()];
        let mut links = Vec::new();
        for (number, age) in
            (0..self.rows.len()).zip(younger_than + 1..).filter(|(number, _)| self.rows[*number].is_called)
        {
            let kind = self.rows[number].kind;
            let before = self.before(number, younger_than);
            if !before.is_empty() {
                links.push(Link { group: self.group(kind, age, 1), before });
                continue;
            }
            let group = groups[kind].get_or_insert_with(|| self.group(kind, age, 0));
            group.ages.1 = age;
            group.count += 1;
        }
        (groups.into_iter().flatten().collect(), chained(links))
    }

    fn group(&self, kind: usize, age: i64, count: u64) -> Group {
        let (lane, batch, priority, not_before, not_after) = &self.kinds[kind];
        Group {
            lane: lane.clone(),
            batch: batch.as_deref().unwrap_or_default().into(),
            priority: *priority,
            not_before: *not_before,
            not_after: *not_after,
            ages: (age, age),
            count,
        }
    }

    /// The rows of the files that this one waits for and that will be called.
    fn before(&self, number: usize, younger_than: i64) -> Vec<Before> {
        let before = self.waited_for(number).map(|other| {
            let (lane, batch, ..) = &self.kinds[self.rows[other].kind];
            let (lane, batch) = (lane.clone(), batch.as_deref().unwrap_or_default().into());
            let age = younger_than + 1 + i64::try_from(other).unwrap_or(i64::MAX);
            let is_blocked = self.waited_for(other).next().is_some();
            if is_blocked { Before::Blocked(age, lane, batch) } else { Before::Free(lane, batch) }
        });
        before.collect()
    }

    fn waited_for(&self, number: usize) -> impl Iterator<Item = usize> {
        let ids = self.waits.get(&number).into_iter().flatten();
        let rows = ids.filter_map(|id| self.ids.get(id.as_str()).map(|(other, _)| *other));
        rows.filter(|other| self.rows[*other].is_called)
    }

    /// Rows that would be called, were it not too late.
    pub fn late(&self, now: Timestamp) -> Vec<Late> {
        let late = |row: &PlannedRow| {
            let not_after = self.kinds[row.kind].4.filter(|at| row.is_called && *at <= now)?;
            Some(Late { place: row.place.to_string(), id: row.id.to_string(), not_after })
        };
        self.rows.iter().filter_map(late).collect()
    }

    /// Rows whose turn comes too late by this forecast: of those that are alike the last ones.
    pub fn expiring(&self, now: Timestamp, forecast: &BTreeMap<Alike, u64>) -> Vec<Late> {
        let mut alike: BTreeMap<Alike, Vec<usize>> = BTreeMap::new();
        for (number, row) in self.rows.iter().enumerate().filter(|(_, row)| row.is_called) {
            let (lane, batch, priority, _, not_after) = &self.kinds[row.kind];
            if let Some(not_after) = not_after.filter(|at| *at > now) {
                let batch = batch.as_deref().unwrap_or_default().into();
                let key = Alike { lane: lane.clone(), batch, priority: *priority, not_after };
                alike.entry(key).or_default().push(number);
            }
        }
        let mut found = Vec::new();
        for (key, mut rows) in alike {
            let count = forecast.get(&key).map_or(0, |count| usize::try_from(*count).unwrap_or(usize::MAX));
            rows.sort_by_key(|row| (self.kinds[self.rows[*row].kind].3, *row));
            found.extend(rows.split_off(rows.len().saturating_sub(count)).into_iter().map(|row| (row, key.not_after)));
        }
        found.sort_unstable();
        let late = |(row, not_after): (usize, Timestamp)| {
            let PlannedRow { place, id, .. } = &self.rows[row];
            Late { place: place.to_string(), id: id.to_string(), not_after }
        };
        found.into_iter().map(late).collect()
    }

    /// Rows that repeat something, in the order in which they were found: first those that repeat a row of the files.
    pub fn repeats(&self) -> Vec<Repeated> {
        self.repeats.concat()
    }

    fn kind(&mut self, job: &Job) -> usize {
        let kind = (job.lane.clone(), job.batch.clone(), job.priority, job.not_before, job.not_after);
        match self.of_kind.entry(kind) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.kinds.push(new.key().clone());
                *new.insert(self.kinds.len() - 1)
            }
        }
    }

    fn repeat_row(&mut self, row: &Row, how: How, earlier: usize) {
        let earlier = &self.rows[earlier];
        self.repeats[0].push(Repeated {
            place: row.place.clone(),
            how,
            earlier_id: earlier.id.to_string(),
            earlier_batch: self.kinds[earlier.kind].1.clone().unwrap_or_default(),
            earlier_state: None,
            earlier_key: None,
            earlier_place: Some(earlier.place.to_string()),
        });
    }
}
