use super::super::ports::State;
use crate::budget_usage::BudgetUse;
use paceline_domain::budget::{BudgetKey, Period};
use paceline_domain::messages::{Bilingual, Cure};
use std::time::Duration;

use super::super::ports::{Restrained, RestraintKind, SuspendedBy};
use super::*;
use paceline_domain::catalog::QuotaScope;
use paceline_domain::quota::Key;

fn at(second: i64) -> Timestamp {
    Timestamp(1_800_000_000_000_000 + second * 1_000_000)
}

fn lane() -> LaneKey {
    LaneKey { app: "acme".to_owned(), tenant: String::new(), method: "a.b.create".to_owned() }
}

fn queued() -> Situation {
    Situation {
        now: at(0),
        standing: Standing::Queued,
        awaited: Vec::new(),
        budgets: Vec::new(),
        lane: lane(),
        priority: 4,
        not_before: None,
        not_after: None,
        attempts: 0,
        created_at: at(-60),
        ended_at: None,
        sent_at: None,
        key: None,
        warnings: Vec::new(),
        reason: None,
        failure: Failure::default(),
        meaning: None,
        was_looked_up: false,
        is_known: true,
        look_up: Some(LaneKey { method: "a.b.list".to_owned(), ..lane() }),
        has_worker: true,
        windows: Vec::new(),
        ahead: Ahead::default(),
        suspensions: Vec::new(),
        restraints: Vec::new(),
        expected_at: None,
    }
}

fn text(why: &Why) -> String {
    why.text(Language::English)
}

fn kinds(at: &Situation) -> Vec<&'static str> {
    explain(at).facts.iter().map(|fact| fact.kind).collect()
}

fn window(used: u64, limit: u32, next: Option<i64>) -> WindowUse {
    let key = Key { scope: QuotaScope::AppTenant, owner: "cli_a1".to_owned(), method: "a.b.create".to_owned() };
    let quota: paceline_domain::quota::Quota = format!("{limit}/min").parse().unwrap();
    WindowUse { key, window: quota.windows()[0], used, unanswered: 0, next_free_at: next.map(at) }
}

fn suspension(app: &str, method: &str) -> Suspension {
    Suspension {
        app: app.to_owned(),
        tenant: String::new(),
        method: method.to_owned(),
        by: SuspendedBy::Platform,
        since: at(-10),
        until: None,
        code: Some(99_991_672),
        detail: "a scope is missing".into(),
        cure: Cure::Older { text: "add the scope".into() },
        log_id: Some("0217".to_owned()),
    }
}

fn paused(target: Restrained) -> Restraint {
    let cause = Failure { code: Some(45_009), detail: "api freq out of limit".into(), ..Failure::default() };
    let kind = RestraintKind::Pause { refusals: 2 };
    Restraint { target, app: "acme".to_owned(), kind, since: at(-5), until: Some(at(55)), cause }
}

#[test]
fn what_nothing_holds_back_is_about_to_be_sent() {
    assert_eq!(kinds(&queued()), ["ready"]);
    let free = Situation { windows: vec![window(19, 20, None)], ..queued() };
    assert_eq!(kinds(&free), ["ready"], "a window with room decides nothing");
}

#[test]
fn a_full_window_names_its_key_and_its_next_permit() {
    let windows = vec![window(50, 50, Some(1)), window(20, 20, Some(12))];
    let why = explain(&Situation { windows, expected_at: Some(at(13)), ..queued() });
    assert_eq!(
        text(&why),
        "20 of 20/min permits of a.b.create (app-tenant cli_a1) are taken: the next is free at 2027-01-15T08:00:12.000Z, \
         in 12 s\nexpected to be done at 2027-01-15T08:00:13.000Z, in 13 s"
    );
    assert_eq!(why.facts[0].until, Some(at(12)), "the window that has room last");
}

#[test]
fn what_decides_comes_first() {
    let everything = Situation {
        is_known: false,
        has_worker: false,
        not_before: Some(at(3_700)),
        windows: vec![window(20, 20, Some(12))],
        ahead: Ahead { higher: 1, own_batch: 2, others: 3 },
        suspensions: vec![suspension("acme", "")],
        restraints: vec![paused(Restrained::App)],
        ..queued()
    };
    let wanted = ["unknown-app", "no-worker", "suspended", "not-before", "paused", "quota", "ahead"];
    assert_eq!(kinds(&everything), wanted);
    let text = text(&explain(&everything));
    assert!(text.contains("in 1 h 1 min"), "{text}");
    assert!(text.contains("6 jobs go first: 1 of higher priority, 2 of its batch that are older"), "{text}");
    assert!(
        text.contains("a scope is missing (log id 0217)\n  fix: add the scope; then `paceline resume acme`"),
        "{text}"
    );
    assert!(text.contains("paused after 2 rate-limit rejections in a row"), "{text}");
}

#[test]
fn what_concerns_others_is_not_mentioned() {
    let other = LaneKey { method: "a.c.create".to_owned(), ..lane() };
    let key = Key { scope: QuotaScope::AppTenant, owner: "cli_b".to_owned(), method: "a.b.create".to_owned() };
    let situation = Situation {
        suspensions: vec![suspension("other", ""), suspension("acme", "a.c.create")],
        restraints: vec![
            paused(Restrained::Lane(other)),
            paused(Restrained::Key(key)),
            Restraint { app: "other".to_owned(), ..paused(Restrained::App) },
        ],
        windows: vec![window(1, 20, None)],
        ..queued()
    };
    assert_eq!(kinds(&situation), ["ready"]);
    let own = Restrained::Key(window(1, 20, None).key);
    assert_eq!(kinds(&Situation { restraints: vec![paused(own)], ..situation }), ["paused"]);
}

#[test]
fn a_wait_after_a_fault_is_not_taken_for_the_jobs_own() {
    let own = Situation { not_before: Some(at(90)), ..queued() };
    assert!(text(&explain(&own)).starts_with("not before 2027-01-15T08:01:30.000Z, in 1 min 30 s"));
    assert_eq!(kinds(&Situation { not_before: Some(at(0)), ..queued() }), ["ready"], "its time has come");
    let failure = Failure { code: Some(121_006), detail: "data conflict".into(), ..Failure::default() };
    let waits = Situation { attempts: 1, failure, ..own };
    let why = explain(&waits);
    assert!(text(&why).starts_with("waits after a fault until"), "{}", text(&why));
    assert_eq!(why.facts[1].kind, "retried");
    assert!(why.facts[1].said.0.to_string().contains("121006 data conflict"), "{}", text(&why));
    assert_eq!(kinds(&Situation { not_after: Some(at(0)), ..queued() }), ["expired"]);
}

#[test]
fn a_used_up_month_is_named_with_its_end() {
    let key = BudgetKey { owner: "cli_a1".to_owned(), method: String::new(), period: Period::Month };
    let budget = |used| BudgetUse { key: key.clone(), limit: 10, used, ends_at: at(90) };
    let why = explain(&Situation { budgets: vec![budget(10)], ..queued() });
    assert_eq!((why.facts[0].kind, why.facts[0].until), ("budget", Some(at(90))));
    assert!(
        text(&why).starts_with("cli_a1 has used up 10 of 10 calls (all methods) of this calendar month"),
        "{}",
        text(&why)
    );
    assert_eq!(kinds(&Situation { budgets: vec![budget(9)], ..queued() }), ["ready"]);
}

#[test]
fn an_uncertain_job_tells_of_its_look_up_and_what_stops_that() {
    let failure =
        Failure { detail: "no whole reply".into(), cure: Some(Cure::Older { text: "x".into() }), ..Failure::default() };
    let uncertain = Situation { standing: Standing::Uncertain, not_before: Some(at(10)), failure, ..queued() };
    let why = explain(&uncertain);
    assert!(
        text(&why).contains("(no whole reply): looked up with a.b.list at 2027-01-15T08:00:10.000Z, in 10 s"),
        "{}",
        text(&why)
    );
    let stopped = Situation { suspensions: vec![suspension("acme", "a.b.list")], ..uncertain.clone() };
    assert_eq!(kinds(&stopped), ["suspended", "uncertain"]);
    let creates = Situation { suspensions: vec![suspension("acme", "a.b.create")], ..uncertain };
    assert_eq!(kinds(&creates), ["uncertain"], "its own lane does not look");
}

#[test]
fn a_call_in_flight_without_a_worker_is_looked_up() {
    let running = Situation { standing: Standing::Running, sent_at: Some(at(-3)), ..queued() };
    assert_eq!(text(&explain(&running)), "a call of it is in flight, sent at 2027-01-15T07:59:57.000Z, 3 s ago");
    assert_eq!(kinds(&Situation { has_worker: false, ..running }), ["no-worker", "in-flight"]);
}

#[test]
fn endings_come_with_meaning_and_cure() {
    let failure = Failure {
        code: Some(125_001),
        detail: "no such level".into(),
        cure: Some(Cure::Older { text: "use another level".into() }),
        log_id: Some("0217".to_owned()),
        ..Failure::default()
    };
    let dead = Situation {
        standing: Standing::Dead,
        reason: Some(Reason::Rejected),
        meaning: Some(Bilingual { en: "cannot create room".to_owned(), zh: String::new() }),
        attempts: 1,
        ended_at: Some(at(-1)),
        failure,
        ..queued()
    };
    let why = explain(&dead);
    assert_eq!(
        text(&why),
        "dead at 2027-01-15T07:59:59.000Z after 1 attempt, rejected: 125001 cannot create room: no such level \
         (log id 0217)\n  fix: use another level"
    );
    assert_eq!((why.facts[0].kind, why.facts[0].code), ("dead", Some(125_001)));
    let done = Situation {
        standing: Standing::Succeeded,
        key: Some("omm_1".to_owned()),
        failure: Failure::default(),
        was_looked_up: true,
        attempts: 2,
        ..dead.clone()
    };
    let text = text(&explain(&done));
    assert!(text.contains("with 2 attempts, found by a look-up") && text.ends_with(": omm_1"), "{text}");
    let expired = Situation { reason: Some(Reason::Expired), failure: Failure::default(), ..dead };
    assert_eq!(explain(&expired).facts[0].cure.0, Some(Cure::GiveLaterTime), "the reason's own cure");
}

#[test]
fn spans_are_rounded_up() {
    let text = |ms: u64| {
        let until = at(0) + Duration::from_millis(ms);
        text(&explain(&Situation { not_before: Some(until), ..queued() }))
    };
    assert!(
        text(1).ends_with("in 1 s")
            && text(59_001).ends_with("in 1 min 0 s")
            && text(3_599_999).ends_with("in 1 h 0 min")
    );
}

#[test]
fn what_a_success_left_out_is_a_fact_of_its_own() {
    let warning = Warning {
        field: "excess_users".to_owned(),
        message: "invited without an account".to_owned(),
        message_zh: String::new(),
        values: vec!["zhangsan".into()],
    };
    let situation = Situation { standing: Standing::Succeeded, warnings: vec![warning], ..queued() };
    let why = explain(&situation);
    assert_eq!(kinds(&situation), ["succeeded", "warning"]);
    assert_eq!(
        why.facts[1].said.0.to_string(),
        "the platform reported excess_users: invited without an account: zhangsan"
    );
    assert!(text(&why).ends_with(&why.facts[1].said.0.to_string()), "{}", text(&why));
}

#[test]
fn a_blocked_job_names_what_it_waits_for_and_what_to_do_where_nothing_happens_by_itself() {
    let awaited = |id: &str, state| Awaited { id: id.to_owned(), state };
    let standing = Standing::Blocked;
    let few = vec![awaited("a", Some(State::Queued)), awaited("b", None), awaited("c", Some(State::Dead))];
    let why = explain(&Situation { standing, awaited: few, ..queued() });
    assert_eq!(
        text(&why),
        "waits for the job \"b\", which nobody has published yet\n  fix: publish the job \"b\", or cancel this one\n\
         waits for the job \"c\", which is dead\n  fix: redrive the job \"c\" or publish it again, or cancel this one\n\
         waits for the job \"a\", which is queued"
    );
    assert!(why.facts.iter().all(|fact| fact.kind == "blocked"));
    let many = (0..30).map(|n| awaited(&n.to_string(), Some(State::Queued))).collect();
    let why = explain(&Situation { standing, awaited: many, ..queued() });
    assert_eq!(text(&why).lines().last(), Some("and for 10 more"));
}

#[test]
fn both_languages_are_made_of_the_same_facts() {
    let failure = Failure { code: Some(121_006), detail: "data conflict".into(), ..Failure::default() };
    let situation = Situation {
        windows: vec![window(20, 20, Some(72))],
        ahead: Ahead { higher: 1, own_batch: 2, others: 3 },
        attempts: 1,
        failure,
        ..queued()
    };
    assert_eq!(
        explain(&situation).text(Language::Chinese),
        "a.b.create（app-tenant cli_a1）的 20/min 许可已占用 20 个：2027-01-15T08:01:12.000Z 起有空余（还有 1 分 12 秒）\n\
         前面还有 6 个任务：优先级更高的 1 个，同批次中更早或期限更近的 2 个，与本批次轮流的其他批次 3 个\n\
         上一次调用遇到：121006 data conflict；已计 1 次尝试，会自动再试"
    );
    let document = serde_json::to_value(explain(&situation)).unwrap();
    assert_eq!(document["facts"][0]["text_fact"]["code"], "permits-taken");
    assert!(document["text"].as_str().unwrap().starts_with("20 of 20/min permits"), "{document}");
}

#[test]
fn an_unknown_reason_leaves_no_colon_without_an_end() {
    let dead =
        Situation { standing: Standing::Dead, reason: Some(Reason::Expired), ended_at: Some(at(-1)), ..queued() };
    let text = explain(&dead).facts[0].said.0.to_string();
    assert_eq!(text, "dead at 2027-01-15T07:59:59.000Z after 0 attempts, expired");
}
