mod editions;

use std::path::Path;

use super::super::{Action, Creation, IdentityKind, Kind, SuspendScope, ThrottleScope};
use super::*;
use crate::time::Timestamp;

const ROOM: &str = include_str!("../../../../../config/methods/feishu.vc.room.create.toml");

fn source(text: &str) -> Source {
    Source { name: "own.toml".to_owned(), text: text.to_owned() }
}

/// Faults of the built-in catalog extended by one file.
fn faults(text: &str) -> Vec<String> {
    built_in().unwrap().extend(&[source(text)]).err().map(|error| error.0).unwrap_or_default()
}

/// The room's file with one piece replaced has exactly one fault, near the piece (or, where something is missing, on
/// line 1), with these words.
fn one_fault(from: &str, to: &str, field: &str, words: &str) {
    assert_eq!(ROOM.matches(from).count(), 1, "{from:?}");
    let found = faults(&ROOM.replace(from, to));
    assert_eq!(found.len(), 1, "{found:#?}");
    let line = ROOM[..ROOM.find(from).unwrap()].lines().count() + usize::from(from.starts_with('\n'));
    let near = std::iter::once(1)
        .chain(line.saturating_sub(3)..=line + 3)
        .any(|line| found[0].starts_with(&format!("own.toml:{line}: {field}")));
    assert!(near && found[0].contains(words), "near line {line}, {field}, {words:?}: {found:?}");
}

#[test]
fn the_built_in_catalog_holds_what_is_promised() {
    let catalog = built_in().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(catalog.platforms.keys().collect::<Vec<_>>(), ["feishu", "lark", "wecom"]);
    assert_eq!(catalog.platforms["lark"].family, "feishu");
    let jobs: Vec<&str> = catalog.methods.values().filter(|m| m.kind == Kind::Job).map(|m| m.name.as_str()).collect();
    let expected = [
        "feishu.calendar.create",
        "feishu.calendar.event.meeting_minute.create",
        "feishu.vc.room.create",
        "wecom.meeting.create",
    ];
    let deletes = ["feishu.calendar.delete", "feishu.vc.room.delete", "wecom.meeting.cancel"];
    assert!(expected.iter().chain(&deletes).all(|promised| jobs.contains(promised)), "{jobs:?}");
    let quotas = |name: &str| {
        let quotas = &catalog.method(name).unwrap().quotas;
        quotas.iter().map(|quota| format!("{} per {}", quota.quota, quota.scope)).collect::<Vec<_>>()
    };
    assert_eq!(quotas(expected[0]), ["1000/min, 50/s per app-tenant"]);
    assert_eq!(quotas(expected[1]), ["1000/min, 50/s per app-tenant"]);
    assert_eq!(quotas(expected[2]), ["20/min per app-tenant"]);
    let meeting = ["150000/h, 10000/min per corp", "600000/h, 20000/min per host", "10000/day per app"];
    assert_eq!(quotas(expected[3]), meeting);
    assert_eq!(catalog.method(expected[2]).unwrap().identities, [IdentityKind::Tenant]);
    assert!(matches!(catalog.method(expected[1]).unwrap().creation, Creation::None));
}

#[test]
fn feishu_and_lark_answer_with_the_same_codes() {
    let catalog = built_in().unwrap();
    let codes =
        |name: &str| catalog.platforms[name].errors.values().map(|rule| format!("{rule:?}")).collect::<Vec<_>>();
    assert_eq!(codes("feishu"), codes("lark"));
}

#[test]
fn codes_are_classified_as_documented() {
    let catalog = built_in().unwrap();
    let action = |method: &str, code: i64| {
        let method = catalog.method(method).unwrap();
        let platform = &catalog.platforms[&method.family];
        method
            .errors
            .get(&code)
            .or_else(|| platform.errors.get(&code))
            .unwrap_or_else(|| panic!("{code}"))
            .action
            .clone()
    };
    let room = |code| action("feishu.vc.room.create", code);
    let meeting = |code| action("wecom.meeting.create", code);
    let throttled = |scope| Action::Throttled { scope, blocks_s: Vec::new() };
    assert_eq!(room(99_991_400), throttled(ThrottleScope::Method));
    assert_eq!(room(190_005), throttled(ThrottleScope::App));
    assert_eq!(room(190_010), throttled(ThrottleScope::Concurrency));
    assert_eq!(meeting(45033), throttled(ThrottleScope::Concurrency));
    assert_eq!(meeting(45009), Action::Throttled { scope: ThrottleScope::Method, blocks_s: vec![60, 3600, 86400] });
    for code in [190_003, 121_001, 2200] {
        assert_eq!(room(code), Action::Transient { verify: true });
    }
    assert_eq!(meeting(-1), Action::Transient { verify: true });
    assert_eq!(
        (room(121_006), meeting(6000)),
        (Action::Transient { verify: false }, Action::Transient { verify: false })
    );
    for code in [99_991_663, 99_991_664, 99_991_665, 99_991_668, 99_991_671, 99_991_677, 4001] {
        assert_eq!(room(code), Action::AccessToken);
    }
    for code in [40014, 42001, 40001, 41001] {
        assert_eq!(meeting(code), Action::AccessToken);
    }
    assert_eq!(action("wecom.gettoken", 40001), Action::Suspend { scope: SuspendScope::App });
    for code in [99_991_403, 99_991_406] {
        assert_eq!(room(code), Action::Suspend { scope: SuspendScope::Month });
    }
    assert_eq!(room(190_011), Action::Suspend { scope: SuspendScope::Tenant });
    assert_eq!(room(125_001), Action::Permanent);
    assert_eq!(meeting(400_301), Action::Uncertain { settle_s: 300, exists: false });
    assert_eq!(meeting(400_302), Action::Uncertain { settle_s: 0, exists: true });
    assert_eq!(meeting(400_220), Action::Suspend { scope: SuspendScope::Lane });
    assert_eq!(meeting(45035), Action::Transient { verify: false }, "the write was refused");
    assert_eq!(meeting(45036), throttled(ThrottleScope::Method));
    assert_eq!(meeting(45029), Action::Uncertain { settle_s: 0, exists: false }, "done, but the reply did not fit");
    assert_eq!(meeting(48010), Action::Suspend { scope: SuspendScope::App });
    for code in [60021, 60030, 400_218, 400_223, 400_227, 400_228, 400_237, 400_238, 400_303, 400_304, 730_009, 730_011]
    {
        assert_eq!((code, meeting(code)), (code, Action::Permanent));
    }
    assert_eq!(
        meeting(730_007),
        Action::Suspend { scope: SuspendScope::Lane },
        "the corp's plan is not the job's fault"
    );
    for code in [400_307, 400_308, 730_003, 730_004, 730_005, 730_010] {
        assert_eq!(action("wecom.meeting.get_info", code), Action::Permanent);
    }
    for code in [99_992_351, 99_992_353, 99_992_360, 99_992_361, 99_992_363, 99_992_364, 99_992_375, 99_992_381] {
        assert_eq!((code, room(code)), (code, Action::Permanent));
    }
    for code in [99_992_375, 99_992_376, 99_992_378] {
        assert_eq!(action("feishu.vc.room.delete", code), Action::Gone);
    }
}

#[test]
fn a_wrong_secret_is_told_by_the_code_that_comes_for_it() {
    let catalog = built_in().unwrap();
    let token = &catalog.method("feishu.auth.tenant_access_token.internal").unwrap().errors;
    for rules in [token, &catalog.platforms["feishu"].errors, &catalog.platforms["lark"].errors] {
        let rule = &rules[&10014];
        assert_eq!(rule.action, Action::Suspend { scope: SuspendScope::App });
        for (cure, words) in
            [(&rule.cure, ["app_secret", "app_id", "enabled"]), (&rule.cure_zh, ["app_secret", "app_id", "启用"])]
        {
            assert!(words.iter().all(|word| cure.contains(word)), "{cure}");
        }
    }
}

#[test]
fn every_fact_has_its_document_and_every_code_its_cure() {
    let catalog = built_in().unwrap();
    let rules = catalog.methods.values().flat_map(|method| method.errors.values());
    for rule in rules.chain(catalog.platforms.values().flat_map(|platform| platform.errors.values())) {
        assert!(!rule.cure.is_empty() && !rule.message.is_empty(), "{rule:?}");
        assert!(!rule.cure_zh.is_empty() && !rule.message_zh.is_empty(), "{rule:?}");
    }
    for method in catalog.methods.values() {
        assert!(method.source.url.starts_with("https://") && !method.source.read.is_empty(), "{}", method.name);
        let day = Timestamp::parse(&format!("{}T00:00:00Z", method.source.read));
        assert!(day.is_ok_and(|day| day >= Timestamp::parse("2026-11-21T00:00:00Z").unwrap()), "{}", method.name);
        assert!(method.quotas.iter().all(|quota| !quota.note.is_empty()));
    }
}

#[test]
fn every_create_with_a_key_of_its_own_names_what_undoes_it() {
    let catalog = built_in().unwrap();
    let undoes = |name: &str| catalog.method(name).unwrap().undo.clone().map(|undo| (undo.method, undo.param));
    let undo = |method: &str, param: &str| Some((method.to_owned(), param.to_owned()));
    assert_eq!(undoes("feishu.vc.room.create"), undo("feishu.vc.room.delete", "path.room_id"));
    assert_eq!(undoes("feishu.calendar.create"), undo("feishu.calendar.delete", "path.calendar_id"));
    assert_eq!(undoes("wecom.meeting.create"), undo("wecom.meeting.cancel", "body.meetingid"));
    assert_eq!(undoes("feishu.calendar.event.meeting_minute.create"), None, "the platform has no way");
    let known = &catalog.method("feishu.vc.room.delete").unwrap().undoes;
    assert_eq!(known.iter().map(|undoes| undoes.method.as_str()).collect::<Vec<_>>(), ["feishu.vc.room.create"]);
    for (method, code) in
        [("feishu.vc.room.delete", 121_004), ("feishu.calendar.delete", 191_003), ("wecom.meeting.cancel", 400_041)]
    {
        assert_eq!(catalog.method(method).unwrap().errors[&code].action, Action::Gone, "{method}");
    }
}

#[test]
fn an_undo_that_cannot_work_does_not_load() {
    let undo = "[undo]\nmethod = \"feishu.vc.room.delete\"\nparam = \"path.room_id\"";
    let other = |method: &str, param: &str| format!("[undo]\nmethod = \"{method}\"\nparam = \"{param}\"");
    for (text, field, words) in [
        (other("feishu.vc.room.remove", "path.room_id"), "undo.method", "is no method for jobs of the same platform"),
        (other("wecom.meeting.cancel", "body.meetingid"), "undo.method", "is no method for jobs of the same platform"),
        (other("feishu.vc.room.list", "query.page_token"), "undo.method", "is no method for jobs"),
    ] {
        one_fault(undo, &text, field, words);
    }
    let found = faults(&ROOM.replace(undo, &other("feishu.vc.room.delete", "path.id")));
    assert!(found.iter().any(|fault| fault.contains("undo.param: feishu.vc.room.delete has no parameter path.id")));
    assert!(found.iter().any(|fault| fault.contains("also requires path.room_id")), "{found:?}");
    let gone = ROOM.replacen("outcome = \"permanent\"", "outcome = \"gone\"", 1);
    assert!(faults(&gone)[0].contains("gone belongs to methods of the class"), "{:?}", faults(&gone));
}

#[test]
fn every_file_of_the_directories_is_compiled_in_and_named_as_its_method() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let mut files = Vec::new();
    for kind in ["platforms", "methods"] {
        for entry in std::fs::read_dir(config.join(kind)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(stem) = name.strip_suffix(".toml") else { continue };
            let path = format!("config/{kind}/{name}");
            let text =
                BUILT_IN.iter().find(|(known, _)| *known == path).unwrap_or_else(|| panic!("{path} is not there")).1;
            assert!(format!("\n{text}").contains(&format!("\nname = \"{stem}\"")), "{path}");
            files.push(path);
        }
    }
    assert_eq!(files.len(), BUILT_IN.len(), "and nothing else: {BUILT_IN:?}");
}

#[test]
fn a_file_of_ones_own_overrides_and_adds() {
    let catalog = built_in().unwrap();
    let faster = ROOM.replace("quota = \"20/min\"", "quota = \"100/min\"");
    let catalog = catalog.extend(&[source(&faster)]).unwrap();
    assert_eq!(catalog.method("feishu.vc.room.create").unwrap().quotas[0].quota.to_string(), "100/min");
    let other = ROOM.replace("name = \"feishu.vc.room.create\"", "name = \"feishu.vc.room.copy\"");
    let catalog = catalog.extend(&[source(&other)]).unwrap();
    assert_eq!(catalog.methods.len(), built_in().unwrap().methods.len() + 1);
    assert!(catalog.job_method("feishu.vc.room.copy").is_some());
    let twice = catalog.extend(&[source(&other), source(&other)]).unwrap_err().to_string();
    assert!(twice.contains("is in own.toml as well"), "{twice}");
}

#[test]
fn a_method_without_a_quota_does_not_load() {
    let without = ROOM.replace("[[quotas]]\nscope = \"app-tenant\"\nquota = \"20/min\"\nnote", "[x]\nnote");
    let found = faults(&without);
    assert!(found.iter().any(|fault| fault.contains("quotas: a method needs at least one [[quotas]]")), "{found:?}");
    one_fault("quota = \"20/min\"", "quota = \"unlimited\"", "quotas[0].quota", "expected a quota like 20/min");
    one_fault("quota = \"20/min\"", "quota = \"0/min\"", "quotas[0].quota", "expected a quota like 20/min");
}

#[test]
fn all_faults_of_a_file_are_named_at_once() {
    let text = ROOM
        .replace("kind = \"job\"", "kind = \"jobs\"")
        .replace("title_zh = ", "titel_zh = ")
        .replace("type = \"integer\"", "type = \"int\"")
        .replace("code = 121002", "code = \"121002\"")
        .replace("class = \"look-up\"", "class = \"lookup\"");
    let found = faults(&text);
    let wanted = [
        "kind: unknown variant `jobs`",
        "titel_zh: no such key; did you mean \"title_zh\"?",
        "body.properties.capacity.type: unknown variant `int`",
        "errors[1].code: invalid type",
        "creation.class: expected \"idempotency-key\", \"look-up\", \"natural\" or \"none\", got \"lookup\"",
    ];
    for words in wanted {
        assert!(
            found.iter().any(|fault| fault.starts_with("own.toml:") && fault.contains(words)),
            "{words}: {found:#?}"
        );
    }
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    assert!(faults("name = \"a.b\"\nx = = 1\n")[0].starts_with("own.toml:2: "));
}

#[test]
fn schemas_are_checked_against_themselves() {
    one_fault(
        "required = [\"status\"]",
        "required = [\"state\"]",
        "body.properties.room_status.required",
        "no property",
    );
    one_fault(
        "maxLength = 10",
        "maximum = 10",
        "query.properties.user_id_type.maximum",
        "does not belong to type \"string\"",
    );
    one_fault("examples = [10]", "examples = [\"ten\"]", "body.properties.capacity.examples", "expected an integer");
    one_fault("default = \"open_id\"", "default = \"id\"", "query.properties.user_id_type.default", "expected one of");
    one_fault(
        "items = { type = \"string\", minLength = 1 }",
        "",
        "body.properties.room_status.properties.contact_ids.items",
        "is required",
    );
    one_fault("maxLength = 10", "multipleOf = 2", "query.properties.user_id_type.multipleOf", "no such key");
    let called = "x-called = \"a level id\"";
    one_fault(called, "", "body.properties.room_level_id.pattern", "needs x-called");
    one_fault("pattern = '^omb_[0-9A-Za-z]+$'", "", "body.properties.room_level_id.x-called", "belongs to a pattern");
    let broken = faults(&ROOM.replace("'^omb_[0-9A-Za-z]+$'", "'^omb_['"));
    assert!(broken[0].contains("body.properties.room_level_id.pattern: is not a regular expression: "), "{broken:?}");
    let own = "examples = [\"omb_4ad1a2c7a2fbc5fc9570f38456931293\"]";
    one_fault(own, "examples = [\"omm_1\"]", "body.properties.room_level_id.examples", "expected a level id");
    let items = "items = { type = \"string\", minLength = 1 }";
    let counted = format!("{items}\nx-not-counted = \"name\"");
    one_fault(
        items,
        &counted,
        "body.properties.room_status.properties.contact_ids.x-not-counted",
        "belongs to maxItems",
    );
    one_fault("capacity = 10, ", "capacity = \"10\", ", "body.examples.capacity", "expected an integer, got \"10\"");
}

#[test]
fn look_ups_are_checked_against_what_they_call() {
    one_fault(
        "method = \"feishu.vc.room.list\"",
        "method = \"feishu.vc.room.search\"",
        "creation.method",
        "no method \"feishu.vc.room.search\"",
    );
    one_fault(
        "method = \"feishu.vc.room.list\"",
        "method = \"feishu.calendar.create\"",
        "creation",
        "not of kind \"look-up\"",
    );
    one_fault(
        "\"query.room_level_id\" = \"$body.room_level_id\"",
        "\"query.room_level_id\" = \"$body.level\"",
        "creation.params.query.room_level_id",
        "$body.level refers to nothing",
    );
    one_fault(
        "\"query.page_size\" = 100 }",
        "\"query.page_size\" = 101 }",
        "creation.params.query.page_size",
        "at most 100",
    );
    one_fault(
        "\"query.page_size\" = 100",
        "\"query.size\" = 100",
        "creation.params.query.size",
        "no parameter query.size",
    );
    one_fault("items = \"rooms\"", "items = \"room\"", "creation.items", "no list \"room\"");
    one_fault("token = \"page_token\"", "token = \"cursor\"", "creation.next.token", "has no \"cursor\"");
    one_fault(
        "matches = { custom_room_id = ",
        "matches = { own_id = ",
        "creation.matches.own_id",
        "stands in no documented example",
    );
    one_fault("\"$id\"", "\"$item\"", "creation.mark.body.custom_room_id", "$item refers to nothing");
    one_fault("key = \"room_id\"", "key = \"id\"", "creation.key", "has no \"id\"");
    one_fault(
        "unmarked = { name = ",
        "unmarked = { label = ",
        "creation.unmarked.label",
        "stands in no documented example",
    );
    one_fault(
        "items = \"rooms\"",
        "items = \"rooms\"\nleast = [\"query.page_size\"]",
        "creation.least",
        "no parameter that a job fills",
    );
}

#[test]
fn what_an_item_must_not_show_is_a_list_of_plain_values() {
    for (condition, field, message) in [
        ("{ none_of = [] }", "creation.matches.room_id", "none_of"),
        ("{ none_of = [\"$id\"] }", "creation.matches.room_id", "none_of"),
        ("{ any_of = [1] }", "creation.matches.room_id", "none_of"),
        ("{ none_of = [1], more = 2 }", "creation.matches.room_id", "none_of"),
    ] {
        let to = format!("matches = {{ room_id = {condition}, custom_room_id = ");
        one_fault("matches = { custom_room_id = ", &to, field, message);
    }
    let to = "matches = { gone = { none_of = [true] }, custom_room_id = ";
    one_fault("matches = { custom_room_id = ", to, "creation.matches.gone", "stands in no documented example");
    let to = "unmarked = { gone = { none_of = [true] }, name = ";
    one_fault("unmarked = { name = ", to, "creation.unmarked.gone", "stands in no documented example");
}

#[test]
fn calls_are_limited_for_codes_that_are_tried_again() {
    let code = |rest: &str| format!("code = 121006\n{rest}");
    one_fault("code = 121006\n", &code("attempts_max = 0\n"), "errors[", "attempts_max: expected at least 1");
    one_fault(
        "code = 125001\n",
        "code = 125001\nattempts_max = 4\n",
        "errors[",
        "attempts_max: belongs to codes that are tried again",
    );
    assert_eq!(faults(&ROOM.replace("code = 121006\n", &code("attempts_max = 4\n"))), Vec::<String>::new());
}

#[test]
fn replies_and_paths_are_checked() {
    one_fault("key = \"room.room_id\"", "key = \"room.id\"", "reply.key", "nothing under \"room.id\"");
    one_fault(
        "path = \"/open-apis/vc/v1/rooms\"",
        "path = \"/open-apis/vc/v1/rooms/:room_id\"",
        "path_params",
        "\"room_id\"",
    );
    one_fault("identities = [\"tenant\"]", "identities = []", "identities", "needs \"tenant\", \"user\" or both");
    one_fault(
        "name = \"feishu.vc.room.create\"",
        "expires = \"body.capacity\"\nname = \"feishu.vc.room.create\"",
        "expires",
        "unix-seconds",
    );
    let identity = "identity = [\"body.name\", \"body.room_level_id\"]";
    one_fault(identity, "identity = [\"body.nam\"]", "identity", "the method has no parameter body.nam");
    one_fault(identity, "identity = [\"body.name\", \"body.name\"]", "identity", "names body.name twice");
    let secret = ROOM
        .replace(identity, "identity = [\"query.user_id_type\"]")
        .replace("maxLength = 10", "maxLength = 10\nx-sensitive = true");
    assert!(faults(&secret).iter().any(|fault| fault.contains("user_id_type is sensitive")), "{:?}", faults(&secret));
    let token = faults(&ROOM.replace("kind = \"job\"", "kind = \"token\""));
    assert!(token.iter().any(|fault| fault.contains("reply.token: a token method must name it")), "{token:?}");
}

#[test]
fn a_platform_needs_a_token_method_and_https() {
    let lark = include_str!("../../../../../config/platforms/lark.toml");
    let found = faults(&lark.replace("https://open.larksuite.com\"", "http://open.larksuite.com\""));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("base_url: expected https://"), "{found:?}");
    let found = faults(&lark.replace("tenant_access_token.internal", "tenant_access_token"));
    assert!(found[0].contains("token_method: there is no method"), "{found:?}");
}

#[test]
fn warnings_that_could_warn_of_nothing_do_not_load() {
    let meeting = include_str!("../../../../../config/methods/wecom.meeting.create.toml");
    assert!(faults(meeting).is_empty());
    let with = |from: &str, to: &str| {
        assert!(meeting.contains(from), "{from:?}");
        faults(&meeting.replacen(from, to, 1))
    };
    let field = "field = \"excess_users\"";
    let section = meeting.find("[[warnings]]").map(|at| meeting[at..].split("\n\n").next().unwrap()).unwrap();
    for (found, field, words) in [
        (
            with(field, "field = \"excess_user\""),
            "warnings[0].field",
            "reply.example holds nothing under \"excess_user\"",
        ),
        (with(field, "field = \"\""), "warnings[0].field", "dotted path"),
        (with(field, &format!("{field}\nvalue = \"userid\"")), "warnings[0].value", "no \"userid\" in an item"),
        (with(section, &format!("{section}\n\n{section}")), "warnings[1].field", "duplicate field \"excess_users\""),
        (with("message = \"invited", "message = \" \" # "), "warnings[0].message", "expected a sentence"),
        (with("message = \"invited", "massage = \"invited"), "warnings[0].message", "missing required field"),
    ] {
        let fault = found.iter().find(|fault| fault.contains(words)).unwrap_or_else(|| panic!("{words}: {found:#?}"));
        assert!(fault.contains(field), "{fault}");
    }
    let token = include_str!("../../../../../config/methods/wecom.gettoken.toml");
    let warned = format!("{token}\n[[warnings]]\nfield = \"access_token\"\nmessage = \"m\"\n");
    assert!(faults(&warned)[0].contains("belongs to methods of the kind \"job\""));
}

#[test]
fn every_warning_is_said_in_both_languages() {
    let catalog = built_in().unwrap();
    let rules: Vec<_> = catalog.methods.values().flat_map(|method| &method.warnings).collect();
    assert!(!rules.is_empty());
    assert!(rules.iter().all(|rule| !rule.message.is_empty() && !rule.message_zh.is_empty()), "{rules:?}");
}
