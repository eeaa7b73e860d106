//! What every store must do, as functions over its ports: one suite for all of them.
//!
//! A store's tests call [`store_contract!`] with what makes an empty store. Nothing here knows how one keeps its records.

#![allow(clippy::panic, clippy::unwrap_used, clippy::wildcard_imports, reason = "it is test code, whoever compiles it")]
#![allow(missing_docs, reason = "what a test is called is what it says")]

pub mod again;
pub mod attempts;
pub mod chains;
pub mod commands;
pub mod endings;
pub mod fleet;
pub mod intake;
pub mod names;
pub mod owners;
pub mod repeats;
pub mod reports;
pub mod retention;
pub mod selections;
pub mod unsettled;

use std::ops::Deref;

use paceline_domain::messages::Cure;
use serde_json::{Map, Value, json};

use paceline_domain::identity;
use paceline_domain::job::{Fault, Job, LaneKey, Params, Rejection};
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_domain::warning::Warning;
use paceline_ports::operator::{Commands, Connect, Selection};
use paceline_ports::{
    AmqpOrigin, Arrival, AttemptEnd, AttemptSeq, AttemptStart, BATCH_COMPLETED, Counts, Domain, Ending, Intake, JobSeq,
    Ledger, Origin, Outbox, Outgoing, Purpose, Settlement, State, TakenOver, Waiting,
};

/// The ports of a store. What it works is acquired; people come to it by `people`.
#[derive(Clone, Copy)]
pub struct Store<'a> {
    pub intake: &'a dyn Intake,
    pub outbox: &'a dyn Outbox,
    pub ledger: &'a dyn Ledger,
    pub domain: &'a dyn Domain,
    pub people: &'a dyn Connect,
}

/// Puts an empty store to one test.
pub async fn run(store: &(impl Intake + Outbox + Ledger), people: &dyn Connect, test: impl AsyncFnOnce(Store<'_>)) {
    let domain = store.acquire_all().await.unwrap();
    test(Store { intake: store, outbox: store, ledger: store, domain: &*domain, people }).await;
}

/// A store with people at work beside its worker.
pub struct World<'a> {
    store: Store<'a>,
    pub operator: Box<dyn Commands>,
}

impl<'a> Deref for World<'a> {
    type Target = Store<'a>;

    fn deref(&self) -> &Store<'a> {
        &self.store
    }
}

impl<'a> World<'a> {
    pub fn of(store: Store<'a>) -> Self {
        Self { store, operator: store.people.commands().unwrap() }
    }

    pub async fn with_one_of_each(store: Store<'a>) -> Self {
        one_of_each(store.intake, store.domain).await;
        Self::of(store)
    }

    /// Puts the dead letters that match back to work.
    pub fn redrive(&mut self, selection: &Selection) -> usize {
        let letters = self.operator.select_dead(selection).unwrap();
        self.operator.redrive(&letters).unwrap().len()
    }

    pub fn ids(&self, selection: &Selection) -> Vec<String> {
        let lines = self.operator.list_jobs(selection, 0, 100).unwrap();
        lines.iter().map(|line| line.document["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// One job in each state, named after it, and one in flight.
pub async fn one_of_each(intake: &dyn Intake, domain: &dyn Domain) {
    let alone = State::ALL.into_iter().filter(|state| *state != State::Blocked);
    for (n, state) in alone.enumerate() {
        let seq = queue(intake, from_file(job(state.as_str()), &format!("f:{}", n + 2))).await.seq;
        let failure = failure("why");
        let settlement = match state {
            State::Queued | State::Blocked => continue,
            State::Uncertain => Settlement::Uncertain { not_before: at(9), charged: true, failure },
            State::Held => Settlement::Held { failure },
            State::Dead => death(Reason::Rejected),
            State::Cancelled => Settlement::Cancelled,
            State::Succeeded => success("omm_1"),
        };
        call(domain, seq, 0, settlement).await;
    }
    let running = queue(intake, from_file(job("running"), "f:8")).await.seq;
    begin(domain, running, 5).await;
}

pub fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// Runs the whole suite: each of its functions is a test of its own, on a fresh store. `$fresh` makes one, whose field
/// `store` has the worker's ports, and `people` the way in for people; it may hold more, such as the folder that goes with
/// it. What follows is said of each test.
#[macro_export]
macro_rules! store_contract {
    ($fresh:expr $(, #[$of_each:meta])*) => {
        $crate::contract_tests! {
            $fresh; [$(#[$of_each])*];
            intake: a_job_comes_back_as_it_came, the_same_content_is_known, other_content_under_a_known_id_is_rejected,
                a_succeeded_job_is_published_again, a_dead_job_is_queued_again, rejected_inputs_are_kept_once,
                a_corrected_message_ends_its_rejection, a_file_job_that_comes_by_amqp_is_published;
            again: a_job_that_has_not_ended_is_known, every_repeat_of_a_succeeded_job_is_answered,
                a_dead_letter_moved_back_is_queued_and_its_ending_published, other_content_is_a_conflict_in_every_state,
                a_rejected_message_that_is_redelivered_is_one_dead_letter;
            repeats: a_stranger_learns_nothing_in_any_state, a_files_job_answers_nobody_who_guesses_it,
                the_same_user_is_answered_at_another_queue, conflicts_beyond_three_are_counted;
            attempts: attempts_are_charged_as_they_end, a_job_that_does_not_wait_is_not_called,
                an_uncertain_job_is_looked_up_and_not_sent, the_first_ending_stays,
                what_comes_together_is_as_if_in_turn,
                what_ends_together_with_its_deletion_is_cancelled,
                recovery_makes_open_attempts_uncertain, past_calls_reach_back_exactly;
            unsettled: jobs_are_unsettled_while_in_flight_or_uncertain, an_object_has_one_owner,
                a_look_up_settles_uncertain_jobs_alone;
            endings: documents_are_the_contracts, warnings_are_told_and_counted, warnings_go_with_what_they_were_about,
                the_outbox_is_paged_and_forgotten, what_is_set_aside_is_read_apart, suspensions_come_and_go,
                restraints_are_replaced_as_a_whole, waiting_jobs_are_paged_by_batch;
            names: a_job_waits_until_the_ids_of_its_names_are_known,
                a_name_is_looked_up_again_when_its_id_is_gone_or_its_job_begins_anew,
                a_name_and_another_job_are_both_waited_for, what_look_ups_have_shown_is_kept_with_its_age;
            chains: a_job_goes_on_with_the_values_of_those_that_it_waited_for,
                who_waits_for_nothing_any_more_does_not_wait, jobs_come_in_any_order,
                a_chain_ends_with_the_job_that_it_waits_for, what_is_not_in_the_result_cannot_be_taken,
                who_closes_a_circle_is_invalid_and_the_others_end_with_it, what_never_comes_is_waited_for_so_long,
                a_chain_that_is_published_again_goes_on_in_any_order, look_ups_and_people_unblock_as_calls_do,
                who_is_waited_for_is_not_forgotten;
            retention: what_ended_before_is_forgotten, what_is_on_its_way_stays, batches_go_with_their_last_job,
                a_forgotten_job_still_owns_what_it_created;
            reports: jobs_are_listed_by_every_filter_and_in_pages,
                a_job_is_shown_with_its_attempts_and_without_its_parameters, rejected_inputs_can_be_read_again,
                jobs_are_followed_to_their_endings, a_cancellation_is_counted_beforehand, batches_and_lanes_are_counted,
                an_export_gives_every_row_in_the_files_order,
                a_forecast_is_told_what_waits_what_flies_and_what_still_counts, it_is_known_what_a_job_waits_for,
                what_jobs_created_is_found_again;
            commands: only_queued_jobs_that_are_not_in_flight_are_cancelled,
                many_jobs_are_cancelled_and_redriven_in_chunks, dead_letters_are_found_redriven_and_dropped_by_filter,
                a_person_resolves_what_nobody_else_can, a_redrive_takes_what_was_dead_when_it_was_selected,
                an_edited_job_stays_dead_until_it_is_put_back, an_edited_job_answers_to_the_old_content_and_to_the_new,
                the_edited_content_published_anew_brings_its_own_times,
                what_changed_since_it_was_selected_is_not_edited,
                held_jobs_are_resolved_by_selection_and_others_are_not, suspensions_are_seen_by_the_worker_at_once,
                who_changed_what_is_told, who_died_for_a_dead_job_goes_with_it, what_people_note_stays;
            selections: every_selection_lists_and_counts_what_matches, dead_letters_are_paged_through_jobs_and_inputs,
                dead_groups_are_what_the_letters_are, lanes_and_batches_add_up, held_jobs_come_with_their_last_attempt;
        }
    };
}

/// Runs the tests of several processes on one ledger, each on a fresh one: `$fresh` makes what has the fields of
/// [`owners::Processes`].
#[macro_export]
macro_rules! owners_contract {
    ($fresh:expr $(, #[$of_each:meta])*) => {
        $crate::owners_contract! {
            $fresh; [$(#[$of_each])*]; owners:
            a_row_is_claimed_by_one_process_at_a_time, who_has_not_claimed_a_row_neither_ends_nor_moves_it,
            a_claim_that_is_over_goes_to_another_process, what_is_set_aside_is_claimed_likewise,
            a_domain_has_one_owner, a_domain_that_was_let_go_is_free_at_once,
            who_has_lost_a_domain_changes_nothing_of_it, an_owner_recovers_its_own_calls_alone,
            an_owner_sees_its_own_jobs_and_calls_alone, an_owner_replaces_its_own_restraints_alone
        }
        $crate::owners_contract! {
            $fresh; [$(#[$of_each])*]; fleet:
            workers_know_of_each_other, a_domain_is_taken_by_one_worker_and_changes_hands,
            who_has_a_part_changes_nothing_of_the_others, jobs_are_told_to_the_worker_that_has_their_domain,
            jobs_of_others_that_wait_for_names_hide_none_of_ones_own, every_worker_reads_what_all_of_them_called,
            everything_and_a_part_have_no_two_owners
        }
    };
    ($fresh:expr; $of_each:tt; $module:ident: $($name:ident),+) => {
        $(
            $crate::contract_test! { $of_each $name {
                let fresh = $fresh;
                let (one, other, brief) = (&fresh.one, &fresh.other, &fresh.brief);
                $crate::$module::$name($crate::owners::Processes { one, other, brief }).await;
            } }
        )+
    };
}

/// Runs the named functions of the suite.
#[macro_export]
macro_rules! contract_tests {
    ($fresh:expr; $of_each:tt; $($module:ident: $($name:ident),+;)+) => {
        $($(
            $crate::contract_test! { $of_each $name {
                let fresh = $fresh;
                $crate::run(&fresh.store, &fresh.people, $crate::$module::$name).await;
            } }
        )+)+
    };
}

/// A test, and what is said of it.
#[macro_export]
macro_rules! contract_test {
    ([$(#[$of_it:meta])*] $name:ident $does:block) => {
        #[tokio::test]
        $(#[$of_it])*
        async fn $name() $does
    };
}

/// A second, as the suite counts.
pub const S: i64 = 1_000_000;

/// The instant from which the suite counts.
pub const T0: Timestamp = Timestamp(1_795_248_000 * S);

/// `seconds` after [`T0`].
pub fn at(seconds: i64) -> Timestamp {
    Timestamp(T0.0 + seconds * S)
}

#[expect(clippy::needless_pass_by_value, reason = "reads as a literal")]
pub fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

pub fn lane() -> LaneKey {
    LaneKey { app: "acme".into(), tenant: String::new(), method: "feishu.vc.room.create".into() }
}

/// A job of the batch `move`, which creates an object of its own.
pub fn job(id: &str) -> Job {
    let params = Params { body: object(json!({"name": id, "capacity": 10})), ..Params::default() };
    let LaneKey { app, tenant, method } = &lane();
    let place = identity::Place { method, app, tenant, identity: "tenant" };
    Job {
        id: id.into(),
        lane: lane(),
        batch: Some("move".into()),
        identity: paceline_domain::job::Identity::Tenant,
        object: Some(identity::hash(place, None, &params)),
        params,
        after: Vec::new(),
        filled: Vec::new(),
        is_confidential: false,
        priority: 4,
        not_before: None,
        not_after: None,
        reply_to: None,
        meta: None,
        trace: None,
    }
}

pub fn from_file(job: Job, place: &str) -> Arrival {
    Arrival { input: Ok(Box::new(job)), origin: Origin { place: place.into(), ..Origin::default() } }
}

/// The body is no JSON that anything could rebuild: only the bytes themselves will do.
pub fn raw_of(id: &str) -> Vec<u8> {
    format!("{{ \"id\" : \"{id}\" }}\r\n\u{7}").into_bytes()
}

pub fn from_amqp(job: Job) -> Arrival {
    let origin = Origin {
        raw: raw_of(&job.id).into(),
        amqp: Some(AmqpOrigin { message_id: Some(job.id.clone()), ..AmqpOrigin::default() }),
        ..Origin::default()
    };
    Arrival { input: Ok(Box::new(job)), origin }
}

pub fn rejection(id: Option<&str>, batch: Option<&str>) -> Rejection {
    Rejection {
        id: id.map(Into::into),
        method: None,
        app: Some("acme".into()),
        batch: batch.map(Into::into),
        faults: vec![Fault::invalid("body.name", "expected at most 100 characters, got 101")],
    }
}

pub fn failure(detail: &str) -> Failure {
    Failure {
        status: Some(400),
        code: Some(125_001),
        detail: detail.into(),
        cure: Some(Cure::Older { text: "choose another level".into() }),
        log_id: Some("log-1".into()),
        candidates: Vec::new(),
    }
}

pub fn success(key: &str) -> Settlement {
    Settlement::Succeeded {
        key: Some(key.into()),
        result: json!({"room": {"room_id": key}}),
        sole: false,
        warnings: Vec::new(),
    }
}

/// A success of which the platform left something out.
pub fn warned(key: &str) -> Settlement {
    let warnings = vec![Warning {
        field: "excess_users".into(),
        message: "invited without an account".into(),
        message_zh: String::new(),
        values: vec![json!("zhangsan")],
    }];
    Settlement::Succeeded {
        key: Some(key.into()),
        result: json!({"excess_users": ["zhangsan"]}),
        sole: false,
        warnings,
    }
}

pub fn death(reason: Reason) -> Settlement {
    Settlement::Dead { reason, failure: failure("cannot create/update room at this level") }
}

/// The outbox without events of batches, which have tests of their own.
pub async fn endings(outbox: &dyn Outbox, after: i64, limit: usize) -> Vec<Outgoing> {
    let mut rows = outbox.claim(after, 1_000).await.unwrap();
    rows.retain(|row| row.ending.routing_key != BATCH_COMPLETED);
    rows.truncate(limit);
    rows
}

/// The document that is published of it.
pub fn document(ending: &Ending) -> Value {
    serde_json::from_slice(&ending.document).unwrap()
}

/// Takes one job over, which must be queued.
pub async fn queue(intake: &dyn Intake, arrival: Arrival) -> Waiting {
    match take(intake, arrival).await {
        TakenOver::Queued(waiting) => waiting,
        other @ (TakenOver::Blocked | TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected) => {
            panic!("not queued: {other:?}")
        }
    }
}

pub async fn take(intake: &dyn Intake, arrival: Arrival) -> TakenOver {
    let mut taken = intake.take_over(vec![arrival], T0).await.unwrap();
    assert_eq!(taken.len(), 1);
    taken.remove(0)
}

pub fn start(purpose: Purpose, sent_s: i64) -> AttemptStart {
    AttemptStart { purpose, lane: lane().into(), sent_at: at(sent_s), deadline_at: at(sent_s + 30) }
}

/// Begins an attempt for the job, which must be callable.
pub async fn begin(domain: &dyn Domain, seq: JobSeq, sent_s: i64) -> AttemptSeq {
    let (attempt, job) = domain.begin_attempt(start(Purpose::Job(seq), sent_s)).await.unwrap();
    assert!(job.is_some(), "the job is not callable");
    attempt
}

pub fn ended(attempt: AttemptSeq, ended_s: i64, settlement: Option<(JobSeq, Settlement)>) -> AttemptEnd {
    AttemptEnd { attempt, ended_at: at(ended_s), outcome: "succeeded", replied: true, failure: None, settlement }
}

/// One call of the job that ends in `settlement`, a second after it left.
pub async fn call(domain: &dyn Domain, seq: JobSeq, sent_s: i64, settlement: Settlement) {
    let attempt = begin(domain, seq, sent_s).await;
    domain.end_attempt(ended(attempt, sent_s + 1, Some((seq, settlement))).into()).await.unwrap();
}

pub async fn counts(ledger: &dyn Ledger) -> Counts {
    ledger.counts(None).await.unwrap()
}

pub async fn all_waiting(domain: &dyn Domain) -> Vec<Waiting> {
    domain.waiting(None, JobSeq(0), usize::MAX).await.unwrap()
}
