//! Lists and counts of every selection, against a look at every job.

use std::collections::BTreeMap;

use super::*;
use paceline_ports::operator::JobLine;

const JOBS: usize = 240;

/// Jobs of several lanes, batches, priorities and states, and inputs that are no jobs.
pub async fn mixed(store: Store<'_>) -> World<'_> {
    let world = World::of(store);
    let mut rng = fastrand::Rng::with_seed(5);
    let mut arrivals = Vec::new();
    for n in 0..JOBS {
        let mut job = job(&format!("{}-{n}", ["a", "b"][rng.usize(..2)]));
        job.lane.method = ["feishu.vc.room.create", "feishu.calendar.create"][rng.usize(..2)].into();
        job.lane.app = ["acme", "beta"][rng.usize(..2)].into();
        job.lane.tenant = ["", "t1"][rng.usize(..2)].into();
        job.batch = [None, Some("x"), Some("y")][rng.usize(..3)].map(str::to_owned);
        job.priority = [4, 9][rng.usize(..2)];
        job.not_after = (rng.usize(..8) == 0).then(|| at(1_000));
        arrivals.push(from_file(job, &format!("f:{n}")));
        if n % 9 == 0 {
            let mut input = from_file(super::job("-"), &format!("g:{n}"));
            let app = [None, Some("acme")][rng.usize(..2)].map(str::to_owned);
            input.input = Err(Box::new(Rejection { app, ..rejection(None, Some("x")) }));
            arrivals.push(input);
        }
    }
    let taken = world.intake.take_over(arrivals, T0).await.unwrap();
    for (n, taken) in taken.into_iter().enumerate() {
        let TakenOver::Queued(waiting) = taken else { continue };
        settle(&world, waiting.seq, n, &mut rng).await;
    }
    world
}

async fn settle(world: &World<'_>, seq: JobSeq, n: usize, rng: &mut fastrand::Rng) {
    let mut failure = failure("why");
    failure.code = [None, Some(0), Some(99)][rng.usize(..3)];
    let settlement = match rng.usize(..9) {
        0 => return,
        1 => Settlement::Uncertain { not_before: at(9), charged: true, failure },
        2 => Settlement::Held { failure },
        3 => Settlement::Dead { reason: Reason::Rejected, failure },
        4 => Settlement::Dead { reason: Reason::Exhausted, failure },
        5 => Settlement::Cancelled,
        6 => success(&format!("key-{n}")),
        7 => warned(&format!("key-{n}")),
        _ => {
            begin(world.domain, seq, 5).await;
            return;
        }
    };
    call(world.domain, seq, 0, settlement).await;
}

/// What a document says about a field; empty if nothing.
fn field(line: &JobLine, name: &str) -> String {
    line.document.get(name).map(|value| value.as_str().map_or(value.to_string(), str::to_owned)).unwrap_or_default()
}

fn matches(line: &JobLine, selection: &Selection) -> bool {
    let is = |wanted: Option<&str>, name| wanted.is_none_or(|wanted| field(line, name) == wanted);
    let (state, code) = (selection.state.map(State::as_str), selection.code.map(|code| code.to_string()));
    let has_ending = selection.code.is_none() || ["held", "dead"].contains(&&*field(line, "status"));
    let id = field(line, "id");
    is(state, "status")
        && (!selection.warnings || line.document.get("warnings").is_some())
        && has_ending
        && is(code.as_deref(), "code")
        && is(selection.reason.map(Reason::as_str), "reason")
        && is(selection.batch.as_deref(), "batch")
        && is(selection.method.as_deref(), "method")
        && is(selection.app.as_deref(), "app")
        && is(selection.tenant.as_deref(), "tenant")
        && selection.prefix.as_ref().is_none_or(|prefix| id.starts_with(prefix.as_str()))
        && (selection.ids.is_empty() || selection.ids.contains(&id))
}

/// Every combination that a few values of each restriction make.
fn selections() -> Vec<Selection> {
    let mut all = vec![Selection::default()];
    let mut vary = |change: &dyn Fn(&mut Selection, usize) -> bool| {
        let mut more = Vec::new();
        for selection in &all {
            for which in 0.. {
                let mut changed = selection.clone();
                if !change(&mut changed, which) {
                    break;
                }
                more.push(changed);
            }
        }
        all.extend(more);
    };
    vary(&|one, n| State::ALL.get(n).map(|state| one.state = Some(*state)).is_some());
    vary(&|one, n| {
        one.warnings = true;
        n == 0
    });
    vary(&|one, n| [Reason::Rejected, Reason::Cancelled].get(n).map(|reason| one.reason = Some(*reason)).is_some());
    vary(&|one, n| [0, 99].get(n).map(|code| one.code = Some(*code)).is_some());
    vary(&|one, n| ["", "x", "none"].get(n).map(|batch| one.batch = Some((*batch).to_owned())).is_some());
    vary(&|one, n| ["beta"].get(n).map(|app| one.app = Some((*app).to_owned())).is_some());
    vary(&|one, n| ["", "t1"].get(n).map(|tenant| one.tenant = Some((*tenant).to_owned())).is_some());
    vary(&|one, n| ["feishu.calendar.create"].get(n).map(|it| one.method = Some((*it).to_owned())).is_some());
    vary(&|one, n| ["a-1"].get(n).map(|prefix| one.prefix = Some((*prefix).to_owned())).is_some());
    all
}

pub async fn every_selection_lists_and_counts_what_matches(store: Store<'_>) {
    let world = mixed(store).await;
    let all = world.operator.list_jobs(&Selection::default(), 0, usize::MAX).unwrap();
    assert_eq!(all.len(), JOBS);
    let selections = selections();
    assert!(selections.len() > 1_000);
    for selection in &selections {
        let expected: Vec<i64> = all.iter().filter(|line| matches(line, selection)).map(|line| line.seq).collect();
        let (mut found, mut after) = (Vec::new(), Some(0));
        while let Some(from) = after {
            let page = world.operator.page_jobs(selection, from, 7).unwrap();
            assert!(page.lines.len() <= 7);
            found.extend(page.lines.iter().map(|line| line.seq));
            after = page.next;
        }
        assert_eq!(found, expected, "{selection:?}");
        let inputs = world.operator.list_dead(selection, usize::MAX).unwrap();
        let inputs = inputs.iter().filter(|line| line.handle.starts_with('#')).count();
        let inputs = if selection.state.is_none_or(|state| state == State::Dead) { inputs } else { 0 };
        assert_eq!(world.operator.count(selection).unwrap(), (expected.len() + inputs) as u64, "{selection:?}");
    }
}

pub async fn dead_letters_are_paged_through_jobs_and_inputs(store: Store<'_>) {
    let world = mixed(store).await;
    for selection in
        [Selection::default(), Selection::of_batch("x"), Selection { code: Some(99), ..Selection::default() }]
    {
        let all = world.operator.list_dead(&selection, usize::MAX).unwrap();
        for limit in [1, 5, all.len()] {
            let (mut found, mut after) = (Vec::new(), Some(0));
            while let Some(from) = after {
                let page = world.operator.page_dead(&selection, from, limit).unwrap();
                assert!(!page.lines.is_empty(), "no page without need");
                found.extend(page.lines);
                after = page.next;
            }
            assert_eq!(found, all);
        }
        let letters = world.operator.select_dead(&selection).unwrap();
        assert_eq!(
            letters.iter().map(|letter| &letter.handle).collect::<Vec<_>>(),
            all.iter().map(|line| &line.handle).collect::<Vec<_>>()
        );
    }
}

pub async fn dead_groups_are_what_the_letters_are(store: Store<'_>) {
    let world = mixed(store).await;
    for selection in
        [Selection::default(), Selection::of_batch("x"), Selection { app: Some("acme".into()), ..Selection::default() }]
    {
        let mut expected: BTreeMap<_, (u64, String)> = BTreeMap::new();
        for line in world.operator.list_dead(&selection, usize::MAX).unwrap() {
            let text = |name: &str| line.document.get(name).map(|value| value.as_str().unwrap_or_default().to_owned());
            let code = line.document.get("code").and_then(Value::as_i64);
            let key = (text("reason").unwrap(), code, text("method"), text("app"));
            let (count, example) = expected.entry(key).or_default();
            *count += 1;
            *example = line.handle;
        }
        let groups = world.operator.dead_groups(&selection).unwrap();
        let found: BTreeMap<_, _> = groups
            .into_iter()
            .map(|group| {
                let key = (group.reason.as_str().to_owned(), group.code, group.method, group.app);
                (key, (group.count, group.example_id))
            })
            .collect();
        assert_eq!(found, expected, "the example is the newest");
    }
}

pub async fn lanes_and_batches_add_up(store: Store<'_>) {
    let world = mixed(store).await;
    let all = world.operator.list_jobs(&Selection::default(), 0, usize::MAX).unwrap();
    let lanes = world.operator.lane_counts().unwrap();
    assert_eq!(lanes.len(), 8);
    let running = all.iter().filter(|line| line.running).count() as u64;
    assert_eq!(lanes.iter().map(|lane| lane.running).sum::<u64>(), running);
    for lane in lanes {
        let selection = Selection {
            app: Some(lane.app.clone()),
            tenant: Some(lane.tenant.clone()),
            method: Some(lane.method.clone()),
            ..Selection::default()
        };
        let of = |state| all.iter().filter(|line| matches(line, &selection.in_state(state))).count() as u64;
        let counts = lane.counts;
        let found = [
            counts.queued,
            counts.uncertain,
            counts.held,
            counts.dead,
            counts.cancelled,
            counts.succeeded,
            counts.blocked,
        ];
        assert_eq!(found, State::ALL.map(of));
        assert_eq!(counts.total, State::ALL.map(of).iter().sum::<u64>());
        assert_eq!(lane.oldest_waiting_at, Some(T0));
    }
    let batches = world.operator.batches().unwrap();
    let mut paged = Vec::new();
    let mut after = Some(-1);
    while let Some(from) = after {
        let page = world.operator.page_batches(from, 1).unwrap();
        paged.extend(page.lines);
        after = page.next;
    }
    assert_eq!(paged, batches);
    assert_eq!(batches.iter().map(|batch| batch.counts.total).sum::<u64>(), (JOBS + JOBS.div_ceil(9)) as u64);
}

pub async fn held_jobs_come_with_their_last_attempt(store: Store<'_>) {
    let world = mixed(store).await;
    let held = world.operator.page_held(&Selection::default(), 0, 500).unwrap().lines;
    assert_eq!(held.len() as u64, world.operator.count(&Selection::of_state(State::Held)).unwrap());
    assert!(held.iter().all(|held| held.last_attempt.as_ref().is_some_and(|attempt| attempt.ended_at.is_some())));
}
