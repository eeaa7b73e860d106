//! Every kind of fault, what it leaves behind, and that a seed repeats all of it.

use super::*;

/// The reply to a room under one fault, and how many rooms there are then.
fn under(fault: &str) -> (SimReply, u64) {
    let mut bench = Bench::new(&format!("[[faults]]\nmethod = \"feishu.vc.room.create\"\n{fault}"));
    let token = bench.feishu_token();
    let reply = bench.reply(&room(&token, "r"));
    let books = bench.world.stats();
    assert_eq!(books.faults.values().sum::<u64>(), 1, "{fault}");
    assert_eq!(books.methods["feishu.vc.room.create"].arrivals, 1, "{fault}: it was counted all the same");
    (reply, books.created)
}

fn whole(fault: &str) -> (SimMessage, u64) {
    match under(fault) {
        (SimReply::Whole(message), created) => (message, created),
        (other, _) => panic!("{fault}: {other:?}"),
    }
}

#[test]
fn connections_are_cut_before_or_after_applying() {
    assert_eq!(under("kind = \"cut-before\""), (SimReply::Cut, 0));
    assert_eq!(under("kind = \"cut-after\""), (SimReply::Cut, 1));
    let (SimReply::Partial(message), 1) = under("kind = \"partial\"") else { panic!() };
    assert!(message.body.len() > 10);
    assert!(matches!(under("kind = \"partial\"\napplied = false"), (SimReply::Cut, 0)));
}

#[test]
fn statuses_and_codes_come_as_the_scenario_says() {
    let (message, created) = whole("kind = \"status\"\nstatus = 504\napplied = true");
    assert_eq!((message.status, created), (504, 1));
    let (message, created) = whole("kind = \"status\"\nstatus = 500");
    assert_eq!((message.status, created), (500, 0));
    assert!(serde_json::from_slice::<Value>(&message.body).is_err(), "no code of the platform's");
    assert_eq!(whole("kind = \"refuse\"").0.status, 503);
    let (message, _) = whole("kind = \"code\"\ncode = 190010");
    assert_eq!(message.status, 429, "the documented status");
    let (message, created) = whole("kind = \"code\"\ncode = 121001\napplied = true");
    assert_eq!((message.status, created), (500, 1));
    assert_eq!(whole("kind = \"code\"\ncode = 121001\nstatus = 404").0.status, 404);
    let (message, created) = whole("kind = \"html\"");
    assert_eq!((message.status, message.header("content-type"), created), (200, Some("text/html"), 0));
    let (message, created) = whole("kind = \"huge\"\nbody_bytes = 3000000");
    assert_eq!((message.body.len(), created), (3_000_000, 1));
}

#[test]
fn made_up_refusals_come_with_and_without_the_header() {
    let (message, created) = whole("kind = \"throttle\"");
    assert_eq!((message.status, message.header("x-ogw-ratelimit-reset"), created), (429, Some("1"), 0));
    assert_eq!(whole("kind = \"throttle\"\nheader = false").0.header("x-ogw-ratelimit-reset"), None);
}

#[test]
fn late_replies_are_applied_at_once() {
    let mut bench = Bench::new(
        "[latency]\nafter = { ms = 5 }\n[[faults]]\nmethod = \"feishu.vc.*\"\nkind = \"late\"\nlate_ms = 700",
    );
    let token = bench.feishu_token();
    let answer = bench.world.arrive(&room(&token, "r"), bench.start);
    assert_eq!(answer.after, std::time::Duration::from_millis(705));
    assert_eq!(bench.world.stats().created, 1);
}

#[test]
fn an_unreachable_platform_counts_nothing() {
    let mut bench = Bench::new("[[faults]]\nmethod = \"feishu.vc.*\"\nkind = \"unreachable\"\nfirst = 1");
    let token = bench.feishu_token();
    let now = bench.start;
    assert!(bench.world.depart(&room(&token, "r"), now).is_unreachable);
    assert!(!bench.world.depart(&room(&token, "r"), now).is_unreachable);
    assert_eq!(bench.code(&room(&token, "r")), 0, "the kind never strikes at arrival");
}

#[test]
fn a_seed_repeats_every_answer() {
    let run = |seed: u64| {
        let mut scenario = Scenario::load("storm").unwrap();
        scenario.seed = seed;
        let (mut world, start) = still(|| {
            let clock = Clock::at(epoch());
            (World::new(catalog(), scenario, 1.0, &clock), clock.mono())
        });
        let token = post(FEISHU_TOKEN, None, &json!({"app_id": "cli_a", "app_secret": "s"}));
        let mut seen = Vec::new();
        let mut bearer = String::new();
        for number in 0..400 {
            let now = Mono(start.0 + number * 200_000);
            let request = if bearer.is_empty() { &token } else { &room(&bearer, &number.to_string()) };
            let travel = world.depart(request, now).travel;
            let answer = world.arrive(request, now);
            if let SimReply::Whole(message) = &answer.reply
                && let Ok(body) = serde_json::from_slice::<Value>(&message.body)
                && let Some(token) = body["tenant_access_token"].as_str()
            {
                bearer = format!("Bearer {token}");
            }
            seen.push(format!("{travel:?} {answer:?}"));
        }
        (seen, serde_json::to_string(&world.stats()).unwrap())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).0, run(4).0);
}
