//! Jobs that wait for others: what each waits for, and what becomes of it when one of those has ended.
//!
//! A job that waits is *blocked*: no lane knows it. What it waits for are rows that never change; whether it may go on is
//! read from the jobs themselves, in the transaction in which one of them ends. So nothing can be counted wrongly, and a
//! process that dies has nothing to make up for.
//!
//! Decision: docs/decisions/0045-chains-are-rows-of-references.md

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::LazyLock;
use std::time::Duration;

use super::books::{Books, Trouble};
use super::job_row::list_text;
use super::listed;
use super::settle::{self, STANDING_COLUMNS, Standing, known_state};
use crate::driver::{self, Conn, values};
use crate::state::State;
use paceline_domain::chain::{self, graph};
use paceline_domain::find;
use paceline_domain::job::Job;
use paceline_domain::messages::Cause;
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_ports::operator::json_of;
use paceline_ports::{JobSeq, Settlement, Waiting};

/// What a job waits for, before the writer's turn.
pub(crate) struct Needs {
    /// Its own list, as JSON; `None` where it names none.
    pub(crate) after: Option<String>,
    /// Whether names are to be looked up first; `None` where there are none.
    pub(crate) finds: Option<bool>,
    rows: Vec<Need>,
}

struct Need {
    id: String,
    takes: bool,
    field: Option<String>,
}

impl Needs {
    pub(crate) fn of(job: &Job) -> Self {
        let taken = chain::references(&job.params).into_iter();
        let mut rows: Vec<_> = taken.map(|it| Need { id: it.id, takes: true, field: it.at }).collect();
        rows.extend(job.after.iter().map(|id| Need { id: id.clone(), takes: false, field: None }));
        let after = list_text(&job.after);
        let finds = find::holds(job).then(|| find::left(&job.params).is_some());
        Self { after, finds, rows }
    }

    /// Whether there is nothing to wait for but jobs of which this is true.
    pub(crate) fn are_all(&self, is: impl Fn(&str) -> bool) -> bool {
        !matches!(self.finds, Some(true)) && self.rows.iter().all(|need| is(&need.id))
    }

    /// The state in which the job begins.
    pub(crate) const fn state(&self) -> State {
        if self.rows.is_empty() && !matches!(self.finds, Some(true)) { State::Queued } else { State::Blocked }
    }
}

/// Writes what the job waits for, in place of what it waited for before.
pub(crate) fn keep(conn: &Conn, seq: JobSeq, needs: &Needs) -> driver::Result<()> {
    conn.send("DELETE FROM prerequisites WHERE job = $1", values![seq])?;
    begin_all(conn, std::iter::once((seq, needs)))
}

/// Writes what new jobs wait for.
pub(crate) fn begin_all<'n>(conn: &Conn, jobs: impl Iterator<Item = (JobSeq, &'n Needs)>) -> driver::Result<()> {
    let rows = jobs.flat_map(|(seq, needs)| (0_i64..).zip(&needs.rows).map(move |(n, need)| (seq, n, need)));
    let rows = rows.map(|(seq, n, need)| {
        [seq.0.into(), n.into(), (&*need.id).into(), i64::from(need.takes).into(), need.field.as_deref().into()]
    });
    let sql = "INSERT INTO prerequisites (job, n, id, takes, field) VALUES ($1, $2, $3, $4, $5)";
    conn.send_all(sql, &rows.collect::<Vec<_>>())
}

/// The state in which a job that is known begins again.
pub(crate) fn state_of(conn: &Conn, seq: JobSeq) -> driver::Result<State> {
    if let Some(state) = listed::begin_again(conn, seq)? {
        return Ok(state);
    }
    let waits = conn.query_value("SELECT EXISTS (SELECT 1 FROM prerequisites WHERE job = $1)", values![seq])?;
    Ok(if waits { State::Blocked } else { State::Queued })
}

/// Whether anybody waits for a job that is not there.
pub(crate) fn is_any_absent(conn: &Conn) -> driver::Result<bool> {
    conn.query_value("SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 6 AND absent_since IS NOT NULL)", &[])
}

/// How a job came to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It is new: where one that it waits for has ended without success already, so does it.
    New,
    /// Somebody put it to work again: such a one is waited for, because it may be put to work again, too.
    Again,
}

/// A job that waits, and what it waits for.
struct Blocked {
    seq: JobSeq,
    standing: Standing,
    /// Whether the ledger says since when what it waits for is absent.
    is_overdue_noted: bool,
    /// Whether names are to be looked up first.
    finds: bool,
    /// By their places in its list.
    prerequisites: BTreeMap<i64, Prerequisite>,
}

impl Blocked {
    fn is_blocked(&self) -> bool {
        self.standing.state == State::Blocked
    }
}

/// Another job, as one that waits for it needs it.
struct Prerequisite {
    id: String,
    takes: bool,
    field: Option<String>,
    seq: Option<JobSeq>,
    state: Option<State>,
    reason: Option<String>,
    key: Option<String>,
    result: Option<String>,
}

/// One job; `None` if it was dropped.
fn look(conn: &Conn, seq: JobSeq) -> driver::Result<Option<Blocked>> {
    static SQL: LazyLock<String> = LazyLock::new(|| look_at("jobs j", "j.seq = $1"));
    Ok(read(conn, &SQL, &[seq])?.pop().unwrap_or_default().into_values().next())
}

/// The blocked jobs that wait for each of these.
fn dependents(conn: &Conn, seqs: &[JobSeq]) -> driver::Result<Vec<BTreeMap<JobSeq, Blocked>>> {
    const WAITING: &str = "jobs e JOIN prerequisites d ON d.id = e.id JOIN jobs j ON j.seq = d.job";
    static SQL: LazyLock<String> = LazyLock::new(|| look_at(WAITING, "e.seq = $1 AND j.state = 6"));
    read(conn, &SQL, seqs)
}

/// Everything that is wanted of such jobs at once, because every job of a chain comes this way twice. In no order, which
/// would cost as much again; those that take several values from one job come as often.
fn look_at(jobs: &str, which: &str) -> String {
    // A result may be long: it is read where a field of it is wanted.
    format!(
        "SELECT j.seq, j.absent_since IS NOT NULL, coalesce(j.finds, 0), r.n, r.id, r.takes, r.field, p.seq, p.state,
             p.reason, p.key, CASE WHEN r.field IS NOT NULL THEN p.result END, {STANDING_COLUMNS}
         FROM {jobs} LEFT JOIN prerequisites r ON r.job = j.seq LEFT JOIN jobs p ON p.id = r.id WHERE {which}"
    )
}

fn read(conn: &Conn, sql: &str, seqs: &[JobSeq]) -> driver::Result<Vec<BTreeMap<JobSeq, Blocked>>> {
    let mut found: Vec<BTreeMap<JobSeq, Blocked>> = seqs.iter().map(|_| BTreeMap::new()).collect();
    let asked: Vec<_> = seqs.iter().map(|seq| [seq.0.into()]).collect();
    conn.query_each_of(sql, &asked, |at, row| {
        let Some(jobs) = found.get_mut(at) else { return Ok(()) };
        let job = match jobs.entry(JobSeq(row.get(0)?)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let (seq, standing) = (*new.key(), Standing::read(row, 12)?);
                let (is_overdue_noted, finds) = (row.get(1)?, row.get::<i64>(2)? == 1);
                new.insert(Blocked { seq, standing, is_overdue_noted, finds, prerequisites: BTreeMap::new() })
            }
        };
        if let Some(n) = row.get(3)? {
            let one = Prerequisite {
                id: row.get(4)?,
                takes: row.get::<i64>(5)? == 1,
                field: row.get(6)?,
                seq: row.get::<Option<i64>>(7)?.map(JobSeq),
                state: row.get::<Option<i64>>(8)?.map(known_state).transpose()?,
                reason: row.get(9)?,
                key: row.get(10)?,
                result: row.get(11)?,
            };
            job.prerequisites.insert(n, one);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Lets a job begin that was written as blocked: it goes on at once if nothing keeps it, and is given back if it waits in
/// its lane now.
pub(crate) fn start(books: &mut Books, seq: JobSeq, how: Start, now: Timestamp) -> Result<Option<Waiting>, Trouble> {
    // Who came with it may have ended it.
    let Some(job) = look(books.conn(), seq)?.filter(Blocked::is_blocked) else { return Ok(None) };
    // A circle is closed by who is waited for already.
    if job.standing.is_awaited
        && let Some(way) = circle_of(books.conn(), seq)?
    {
        die(books, &job, Reason::Invalid, Cause::WaitsForItself { way: way.join(" → ") }, now)?;
        return Ok(None);
    }
    let due = due(&job, how == Start::New);
    become_of(books, &job, due, now)
}

/// The way from a job over those that it waits for back to itself.
fn circle_of(conn: &Conn, seq: JobSeq) -> driver::Result<Option<Vec<String>>> {
    let id: String = conn.query_value("SELECT id FROM jobs WHERE seq = $1", values![seq])?;
    graph::try_find_way(&id, |id| waits_for(conn, id))
}

/// The ids that a blocked job waits for; of any other there is nothing to wait for.
fn waits_for(conn: &Conn, id: &str) -> driver::Result<Vec<String>> {
    let sql =
        "SELECT r.id FROM jobs j JOIN prerequisites r ON r.job = j.seq WHERE j.id = $1 AND j.state = 6 ORDER BY r.n";
    conn.query(sql, values![id], |row| row.get(0))
}

/// What the jobs that one waits for come to.
enum Due {
    /// All have succeeded: the values that it takes.
    Ready(Vec<serde_json::Value>),
    /// Somebody is not done; `absent` if one is not there, or ended before.
    Waits { absent: bool },
    /// It can never be sent.
    Never(Reason, Cause),
}

/// With `is_final`, who ended without success ends this one.
fn due(job: &Blocked, is_final: bool) -> Due {
    let (mut values, mut waits, mut absent) = (Vec::new(), job.finds, false);
    for one in job.prerequisites.values() {
        match one.state {
            Some(State::Succeeded) if one.takes => match value_of(one) {
                Ok(value) => values.push(value),
                Err(cause) => return Due::Never(Reason::Invalid, cause),
            },
            Some(State::Succeeded) => {}
            Some(state) if state.is_ended() && is_final => {
                return Due::Never(Reason::Prerequisite, ended(&one.id, one.reason.as_deref(), state));
            }
            Some(state) if !state.is_ended() => waits = true,
            Some(_) | None => (waits, absent) = (true, true),
        }
    }
    if waits { Due::Waits { absent } } else { Due::Ready(values) }
}

fn value_of(one: &Prerequisite) -> Result<serde_json::Value, Cause> {
    let result = json_of(one.result.as_deref());
    chain::value_of(&one.id, one.field.as_deref(), one.key.as_deref(), &result)
}

/// Why somebody waits in vain.
fn ended(id: &str, reason: Option<&str>, state: State) -> Cause {
    Cause::PrerequisiteEnded { id: id.to_owned(), reason: reason.unwrap_or(state.as_str()).to_owned() }
}

/// The job, if it waits in its lane now.
fn become_of(books: &mut Books, job: &Blocked, due: Due, now: Timestamp) -> Result<Option<Waiting>, Trouble> {
    match due {
        Due::Ready(values) => return release(books, job, &values, now),
        Due::Waits { absent } if absent || job.is_overdue_noted => {
            let since = absent.then_some(now);
            let sql = "UPDATE jobs SET absent_since = $2 WHERE seq = $1 AND (absent_since IS NULL) <> (CAST($2 AS BIGINT) IS NULL)";
            books.conn().send(sql, values![job.seq, since])?;
        }
        Due::Waits { .. } => {}
        Due::Never(reason, cause) => die(books, job, reason, cause, now)?,
    }
    Ok(None)
}

/// Puts a job into its lane, with the values that it took.
fn release(
    books: &mut Books,
    job: &Blocked,
    taken: &[serde_json::Value],
    now: Timestamp,
) -> Result<Option<Waiting>, Trouble> {
    let filled = list_text(taken);
    let waiting = books.release(job.seq, filled.as_deref())?;
    let place = job.standing.place;
    books.tallies.moved(place.pile(State::Blocked, None, None), place.queued(), now);
    books.announce(job.seq, place.lane)?;
    Ok(waiting)
}

/// Ends a job that waits in vain, and whoever waits for it.
fn die(books: &mut Books, job: &Blocked, reason: Reason, cause: Cause, now: Timestamp) -> Result<(), Trouble> {
    let dead = Settlement::Dead { reason, failure: Failure { detail: cause, ..Failure::default() } };
    settle::apply(books, job.seq, job.standing, &dead, false, now)
}

/// Lets a blocked job go on if nothing keeps it any more.
pub(crate) fn go_on(books: &mut Books, seq: JobSeq, now: Timestamp) -> Result<(), Trouble> {
    let Some(job) = look(books.conn(), seq)? else { return Ok(()) };
    let due = due(&job, false);
    let waiting = become_of(books, &job, due, now)?;
    books.note_unblocked(waiting);
    Ok(())
}

/// Jobs have ended: whoever waited for one goes on, or ends with it, down the chain. Gives whom each lets go on.
pub(crate) fn follow_all(books: &mut Books, ended: &[(JobSeq, Timestamp)]) -> Result<Vec<Vec<Waiting>>, Trouble> {
    let seqs: Vec<_> = ended.iter().map(|(seq, _)| *seq).collect();
    let mut unblocked = Vec::with_capacity(ended.len());
    for ((seq, now), waiting) in ended.iter().zip(dependents(books.conn(), &seqs)?) {
        follow_these(books, *seq, waiting, *now)?;
        unblocked.push(books.take_unblocked());
    }
    Ok(unblocked)
}

/// Likewise, of one.
pub(crate) fn follow(books: &mut Books, ended: JobSeq, now: Timestamp) -> Result<(), Trouble> {
    let waiting = dependents(books.conn(), &[ended])?.pop().unwrap_or_default();
    follow_these(books, ended, waiting, now)
}

fn follow_these(
    books: &mut Books,
    ended: JobSeq,
    waiting: BTreeMap<JobSeq, Blocked>,
    now: Timestamp,
) -> Result<(), Trouble> {
    let mut left: Vec<_> = waiting.into_values().map(|job| (ended, job)).collect();
    while let Some((ended, mut job)) = left.pop() {
        if books.is_touched(job.seq) {
            // Another one has let it go on.
            let Some(now_so) = look(books.conn(), job.seq)?.filter(Blocked::is_blocked) else { continue };
            job = now_so;
        }
        // Whether another one ended without success before is for nobody to say now: it may be put to work again.
        let due = never_again(&job, ended).unwrap_or_else(|| due(&job, false));
        if let Due::Never(reason, cause) = due {
            end_one(books, &job, reason, cause, now)?;
            let next = dependents(books.conn(), &[job.seq])?.pop().unwrap_or_default();
            left.extend(next.into_values().map(|next| (job.seq, next)));
        } else {
            let waiting = become_of(books, &job, due, now)?;
            books.note_unblocked(waiting);
        }
    }
    Ok(())
}

/// If this one of those that it waits for has ended without success.
fn never_again(job: &Blocked, seq: JobSeq) -> Option<Due> {
    let one = job.prerequisites.values().find(|one| one.seq == Some(seq))?;
    let state = one.state.filter(|state| state.is_ended() && *state != State::Succeeded)?;
    Some(Due::Never(Reason::Prerequisite, ended(&one.id, one.reason.as_deref(), state)))
}

/// Ends a job alone: who waits for it is still to be looked at.
fn end_one(books: &mut Books, job: &Blocked, reason: Reason, cause: Cause, now: Timestamp) -> Result<(), Trouble> {
    let dead = Settlement::Dead { reason, failure: Failure { detail: cause, ..Failure::default() } };
    settle::apply_alone(books, job.seq, job.standing, &dead, false, now).map(drop)
}

/// Blocked jobs ended in one transaction at most.
const OVERDUE_MAX: usize = 500;

/// Jobs whose time is over while they are blocked: their deadline has passed, or what they wait for did not come.
pub(crate) fn overdue(conn: &Conn, now: Timestamp, absent_before: Timestamp) -> driver::Result<Vec<JobSeq>> {
    let late = "SELECT seq FROM jobs WHERE state = 6 AND not_after IS NOT NULL AND not_after <= $1 LIMIT $2";
    let absent = "SELECT seq FROM jobs WHERE state = 6 AND absent_since IS NOT NULL AND absent_since <= $1 LIMIT $2";
    let mut found = conn.query(late, values![now, OVERDUE_MAX], |row| row.get(0).map(JobSeq))?;
    found.extend(conn.query(absent, values![absent_before, OVERDUE_MAX], |row| row.get(0).map(JobSeq))?);
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Ends those of these jobs that are still blocked and whose time is over; says how many.
pub(crate) fn expire(books: &mut Books, overdue: &[JobSeq], now: Timestamp, wait: Duration) -> Result<usize, Trouble> {
    let mut count = 0;
    for seq in overdue {
        let job = look(books.conn(), *seq)?.filter(Blocked::is_blocked);
        let Some(job) = job else { continue };
        if let Some((reason, cause)) = over(books.conn(), &job, now, wait)? {
            die(books, &job, reason, cause, now)?;
            count += 1;
        } else {
            books.conn().send("UPDATE jobs SET absent_since = NULL WHERE seq = $1", values![seq])?;
        }
    }
    Ok(count)
}

/// Why a blocked job's time is over; `None` if what it waits for has come meanwhile.
fn over(conn: &Conn, job: &Blocked, now: Timestamp, wait: Duration) -> driver::Result<Option<(Reason, Cause)>> {
    let not_after: Option<i64> = conn.query_value("SELECT not_after FROM jobs WHERE seq = $1", values![job.seq])?;
    if let Some(at) = not_after.map(Timestamp).filter(|at| *at <= now) {
        return Ok(Some((Reason::Expired, Cause::DeadlinePassed { not_after_at: at.to_string() })));
    }
    Ok(job.prerequisites.values().find_map(|one| match one.state {
        None => {
            let absent = Cause::PrerequisiteAbsent { id: one.id.clone(), hours: wait.as_secs() / 3_600 };
            Some((Reason::Prerequisite, absent))
        }
        Some(state @ (State::Dead | State::Cancelled)) => {
            Some((Reason::Prerequisite, ended(&one.id, one.reason.as_deref(), state)))
        }
        Some(_) => None,
    }))
}

/// The jobs that a blocked one waits for, with the numbers of their states; none for one that is not there.
pub(crate) fn awaited(conn: &Conn, seq: JobSeq) -> driver::Result<Vec<(String, Option<i64>)>> {
    let sql = "SELECT DISTINCT r.id, p.state FROM jobs j JOIN prerequisites r ON r.job = j.seq
         LEFT JOIN jobs p ON p.id = r.id
         WHERE j.seq = $1 AND j.state = 6 AND (p.state IS NULL OR p.state <> 5) ORDER BY r.id";
    conn.query(sql, values![seq], |row| Ok((row.get(0)?, row.get(1)?)))
}

#[cfg(test)]
mod proptests;
