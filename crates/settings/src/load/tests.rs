use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;
use crate::{Credentials, OnUncertain};
use paceline_domain::quota::Reserve;

/// Loads a text as `x.toml`, with the files `/run/secret` and `/ca.pem` and these variables.
fn load_text(text: &str, env: &[(&str, &str)]) -> Result<Settings, Faults> {
    let read = |path: &Path, _: As| match path.to_str().unwrap() {
        "x.toml" => Ok(text.to_owned()),
        "/run/secret" => Ok("from-file\r\n".to_owned()),
        "/run/empty" => Ok("\n".to_owned()),
        "/ca.pem" => Ok("-----BEGIN CERTIFICATE-----\n…".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load_from(Some(Path::new("x.toml")), env, &read, true)
}

fn faults(text: &str, env: &[(&str, &str)]) -> String {
    load_text(text, env).unwrap_err().to_string()
}

const ACME: &str = "[apps.acme]\nplatform = \"feishu\"\napp_id = \"cli_a1\"\napp_secret = { file = \"/run/secret\" }\n";

#[test]
fn an_empty_file_gives_the_defaults() {
    let settings = load_text("", &[]).unwrap();
    assert_eq!(settings.store.file(), Some(Path::new("paceline.db")));
    assert_eq!(settings.http.request_timeout, Duration::from_secs(30));
    assert_eq!(settings.http.reply_bytes_max, 4 << 20);
    assert_eq!(settings.engine.attempts_max, 5);
    assert_eq!(settings.intake.pending_max, 100_000);
    assert!(settings.broker.is_none() && settings.apps.is_empty());
}

#[test]
fn an_app_is_read_whole() {
    let text = format!(
        "{ACME}share = 0.5\nbase_url = \"http://127.0.0.1:8080/\"\non_uncertain = \"retry\"\nusers.ann = {{ env = \"ANN\" }}\n\
         quotas.\"feishu.vc.room.create\" = \"100/min\"\nquotas.\"wecom.x@host\" = \"1/s\"\n"
    );
    let settings = load_text(&text, &[("ANN", "u-1")]).unwrap();
    let app = &settings.apps["acme"];
    assert!(
        matches!(&app.credentials, Credentials::App { id, secret } if id == "cli_a1" && secret.expose_secret() == "from-file")
    );
    assert_eq!(app.base_url.as_deref(), Some("http://127.0.0.1:8080"));
    assert_eq!((app.on_uncertain, app.mark_created), (OnUncertain::Retry, true));
    assert!((app.share - 0.5).abs() < f64::EPSILON);
    assert_eq!(app.users["ann"].expose_secret(), "u-1");
    assert!(app.quotas.iter().any(|quota| quota.is_for("feishu.vc.room.create") && quota.scope.is_none()));
    assert!(app.quotas.iter().any(|quota| quota.is_for("wecom.x") && quota.scope.unwrap().to_string() == "host"));
}

#[test]
fn the_apps_of_a_corp_choose_the_same_meetings() {
    let corp = |name: &str, id: &str, more: &str| {
        format!("[apps.{name}]\nplatform = \"wecom\"\ncorp_id = \"{id}\"\ncorp_secret = {{ env = \"S\" }}\n{more}")
    };
    let advanced = "meetings = \"advanced\"\n";
    let good = [corp("a", "ww1", advanced), corp("b", "ww1", advanced), corp("c", "ww2", "")].concat();
    let settings = load_text(&good, &[("S", "s")]).unwrap();
    let chosen = |app: &str| settings.apps[app].editions["meetings"].as_str();
    assert_eq!((chosen("a"), chosen("b"), chosen("c")), ("advanced", "advanced", "basic"));
    let mixed = [corp("a", "ww1", advanced), corp("b", "ww1", "")].concat();
    let found = faults(&mixed, &[("S", "s")]);
    assert!(
        found.contains("apps.b.meetings: expected \"advanced\", as apps.a has it: both are apps of one corp"),
        "{found}"
    );
    let found = faults(&corp("a", "ww1", "meetings = \"some\"\n"), &[("S", "s")]);
    assert!(found.contains("apps.a.meetings") && found.contains("advanced"), "{found}");
    let found = faults(&format!("{ACME}{advanced}"), &[]);
    assert!(found.contains("apps.acme.meetings: expected only for wecom"), "{found}");
}

#[test]
fn a_tenant_has_quotas_of_its_own_and_nothing_else() {
    let text = format!("{ACME}[apps.acme.tenants.tk_1.quotas]\n\"feishu.vc.room.create\" = \"100/min\"\n");
    let env = [
        ("PACELINE_APPS__ACME__TENANTS__TK_1__QUOTAS__FEISHU_VC_ROOM_CREATE", "7/min"),
        ("PACELINE_APPS__ACME__TENANTS__TK_2__QUOTAS__FEISHU_CALENDAR_CREATE__APP_TENANT", "8/min"),
    ];
    let tenants = |env: &[(&str, &str)]| load_text(&text, env).unwrap().apps["acme"].tenants.clone();
    assert_eq!(tenants(&[])["tk_1"][0].quota.to_string(), "100/min");
    let with = tenants(&env);
    assert_eq!(with["tk_1"][0].quota.to_string(), "7/min");
    assert!(with["tk_2"][0].is_for("feishu.calendar.create") && with["tk_2"][0].scope.is_some());

    let wrong = "[apps.acme.tenants.tk_1]\nshare = 0.5\n[apps.acme.tenants.tk_1.quotas]\n\"m\" = \"100/minute\"\n\
                 [apps.acme.tenants.\"\".quotas]\n\"m\" = \"1/s\"\n";
    assert_eq!(
        faults(&format!("{ACME}{wrong}"), &[]),
        "x.toml:6: apps.acme.tenants.tk_1.share: no such key; there are quotas\n\
         x.toml:8: apps.acme.tenants.tk_1.quotas.m: expected a quota like 20/min, 50/s, 150000/h, 10000/day or 5/10s, got \"100/minute\"\n\
         x.toml:9: apps.acme.tenants.: expected the name of a tenant, 1 to 255 bytes, got \"\""
    );
    assert!(load_text(&format!("{ACME}tenants.tk_1 = 5\n"), &[]).is_err());
}

#[test]
fn the_environment_overrides_the_file_and_adds_to_it() {
    let env = [
        ("PACELINE_HTTP__REQUEST_TIMEOUT_MS", "1_000"),
        ("PACELINE_APPS__ACME__APP_ID", "cli_b2"),
        ("PACELINE_APPS__ACME__APP_SECRET", "from-env"),
        ("PACELINE_APPS__ACME__SHARE", "0.25"),
        ("PACELINE_APPS__ACME__MARK_CREATED", "false"),
        ("PACELINE_APPS__ACME__QUOTAS__FEISHU_VC_ROOM_CREATE", "7/min"),
        ("PACELINE_APPS__CAMPUS__PLATFORM", "wecom"),
        ("PACELINE_APPS__CAMPUS__CORP_ID", "ww1"),
        ("PACELINE_APPS__CAMPUS__CORP_SECRET__FILE", "/run/secret"),
        ("PACELINE_CONFIG", "elsewhere.toml"),
    ];
    let settings = load_text(&format!("[http]\nrequest_timeout_ms = 5\n{ACME}"), &env).unwrap();
    assert_eq!(settings.http.request_timeout, Duration::from_secs(1));
    let acme = &settings.apps["acme"];
    assert!(
        matches!(&acme.credentials, Credentials::App { id, secret } if id == "cli_b2" && secret.expose_secret() == "from-env")
    );
    assert!(!acme.mark_created && acme.share < 0.3);
    assert!(acme.quotas[0].is_for("feishu.vc.room.create") && !acme.quotas[0].is_for("feishu.vc.room.delete"));
    assert!(
        matches!(&settings.apps["campus"].credentials, Credentials::Corp { secret, .. } if secret.expose_secret() == "from-file")
    );
}

#[test]
fn every_fault_comes_at_once_with_its_place() {
    let text = "[http]\nrequest_timeout_ms = \"30s\"\nrequest_timout_ms = 5\n[htpp]\nx = 1\n[engine]\nattempts_max = 0\n\
                backoff_max_ms = 1\n[apps.acme]\nplatform = \"feishu\"\napp_secret = \"hunter2\"\n";
    let env = [("PACELINE_INTAKE__PENDING_MAX", "many"), ("PACELINE_INTAKE__PENDING_MX", "1")];
    let expected = "\
x.toml:2: http.request_timeout_ms: expected a whole number from 100 to 600000, got \"30s\"
x.toml:3: http.request_timout_ms: no such key; did you mean request_timeout_ms?
x.toml:4: htpp: no such section; did you mean http?
x.toml:6: engine.backoff_initial_ms: expected at most engine.backoff_max_ms (1), got 500
x.toml:7: engine.attempts_max: expected a whole number from 1 to 1000, got 0
x.toml:9: apps.acme.app_id: expected, because the platform is feishu, got nothing
x.toml:11: apps.acme.app_secret: expected { env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }, got a bare string (not shown): a secret must not stand in the file
PACELINE_INTAKE__PENDING_MAX: intake.pending_max: expected a whole number from 1 to 10000000, got \"many\"
PACELINE_INTAKE__PENDING_MX: intake.pending_mx: no such key; did you mean pending_max?";
    assert_eq!(faults(text, &env), expected);
}

#[test]
fn a_reserve_is_read_by_priority() {
    let text = "[lanes]\nreserve = { \"8\" = 0.2 }\n";
    assert_eq!(load_text(text, &[]).unwrap().lanes.reserve, Reserve::NONE.keep(8, 0.2));
    let env = [("PACELINE_LANES__RESERVE__5", "0.1"), ("PACELINE_LANES__RESERVE__8", "0.25")];
    assert_eq!(load_text(text, &env).unwrap().lanes.reserve, Reserve::NONE.keep(5, 0.1).keep(8, 0.25));
    assert_eq!(load_text("[lanes.reserve]\n9 = 0.999\n", &[]).unwrap().lanes.reserve, Reserve::NONE.keep(9, 0.999));
    assert_eq!(load_text("[lanes]\n", &[]).unwrap().lanes.reserve, Reserve::NONE);
}

#[test]
fn a_reserve_that_makes_no_sense_is_a_fault() {
    let text = "[lanes.reserve]\n0 = 0.1\n10 = 0.1\n08 = 0.1\nhigh = 0.1\n5 = 0\n6 = 1\n7 = \"0.2\"\n8.x = 0.1\n";
    let expected = "\
x.toml:2: lanes.reserve.0: expected a priority from 1 to 9 as the key, got \"0\"
x.toml:3: lanes.reserve.10: expected a priority from 1 to 9 as the key, got \"10\"
x.toml:4: lanes.reserve.08: expected a priority from 1 to 9 as the key, got \"08\"
x.toml:5: lanes.reserve.high: expected a priority from 1 to 9 as the key, got \"high\"
x.toml:6: lanes.reserve.5: expected a fraction above 0 and below 1, like 0.2, got 0
x.toml:7: lanes.reserve.6: expected a fraction above 0 and below 1, like 0.2, got 1
x.toml:8: lanes.reserve.7: expected a fraction above 0 and below 1, like 0.2, got \"0.2\"
x.toml:9: lanes.reserve.8: expected a fraction above 0 and below 1, like 0.2, got a table";
    assert_eq!(faults(text, &[]), expected);
    let sum = "x.toml:2: lanes.reserve: expected fractions that are below 1 together, got 1.1";
    assert_eq!(faults("[lanes]\nreserve = { 3 = 0.3, 8 = 0.8 }\n", &[]), sum);
    let value = "x.toml:2: lanes.reserve: expected the table [lanes.reserve], got a value";
    assert_eq!(faults("[lanes]\nreserve = 0.2\n", &[]), value);
    assert_eq!(
        faults("", &[("PACELINE_LANES__RESERVE__8", "lots")]),
        "PACELINE_LANES__RESERVE__8: lanes.reserve.8: expected a fraction above 0 and below 1, like 0.2, got \"lots\""
    );
}

#[test]
fn tables_and_values_are_told_apart() {
    let text = "http = 5\n[store.url]\nx = 1\n[[apps]]\nplatform = \"feishu\"\n[engine]\ndrain_ms = [1]\n";
    assert_eq!(
        faults(text, &[]),
        "x.toml:1: http: expected the table [http], got a value\n\
         x.toml:2: store.url: expected a URL like sqlite://paceline.db or postgres://user:password@host/database, or \
         { env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }, got neither\n\
         x.toml:3: store.url.x: no such key; there are env, file, credential\n\
         x.toml:4: apps: expected the table [apps], got an array\n\
         x.toml:7: engine.drain_ms: expected a whole number from 0 to 86400000, got [1]"
    );
}

#[test]
fn secrets_are_never_shown() {
    let cases = [
        format!("{ACME}users.ann = \"hunter2\"\n"),
        "[broker]\nurl = \"http://u:hunter2@mq\"\n".to_owned(),
        format!("{ACME}base_url = \"https://u:hunter2@open.feishu.cn\"\n"),
        format!("{ACME}app_secrt = \"hunter2\"\n"),
        ACME.replace("{ file = \"/run/secret\" }", "{ env = \"S\", fil = \"hunter2\" }"),
        ACME.replace("{ file = \"/run/secret\" }", "[\"hunter2\"]"),
        ACME.replace("{ file = \"/run/secret\" }", "\"hunter2"),
    ];
    for text in cases {
        let faults = faults(&text, &[("S", "hunter2 hunter2")]);
        assert!(!faults.contains("hunter2"), "{faults}");
    }
    let text = format!("{ACME}[broker]\nurl = \"amqp://u:hunter2@mq:5672/%2f\"\n");
    let shown = format!("{:?}", load_text(&text, &[]).unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("from-file"), "{shown}");
    assert!(shown.contains("jobs_queue"), "{shown}");
}

#[test]
fn what_editors_and_shells_leave_around_a_secret_is_stripped_or_named() {
    let text = ACME.replace("{ file = \"/run/secret\" }", "{ env = \"S\" }");
    for (value, secret) in
        [("\u{feff}s3cret", "s3cret"), ("\u{feff}s3cret\r\n", "s3cret"), ("s3\"cret", "s3\"cret"), ("\"", "\"")]
    {
        let settings = load_text(&text, &[("S", value)]).unwrap();
        let read = &settings.apps["acme"].credentials;
        assert!(matches!(read, Credentials::App { secret: read, .. } if read.expose_secret() == secret), "{value:?}");
    }
    for (value, wanted) in [
        ("s3cret\u{200b}", "without invisible characters; what was read (not shown) has U+200B: type it anew"),
        ("s3\u{ad}cret", "has U+00AD"),
        ("s3cret\u{feff}", "has U+FEFF"),
        ("\"s3cret\"", "without quotes around it; what was read (not shown) has some: remove them"),
        ("'s3cret'", "without quotes around it"),
        ("\u{201c}s3cret\u{201d}", "without quotes around it"),
        ("\"\"", "without quotes around it"),
        ("s3\u{a0}cret", "in one line without spaces"),
        ("s3 cret", "in one line without spaces"),
    ] {
        let faults = faults(&text, &[("S", value)]);
        assert!(faults.contains(wanted) && !faults.contains("s3"), "{value:?}: {faults}");
    }
}

#[test]
fn an_address_with_raw_signs_in_its_password_says_how_to_write_them() {
    for url in [
        "amqp://u:p#ss@mq:5672/%2f",
        "amqp://u:p/ss@mq:5672/%2f",
        "amqp://u:12/ss@mq:5672/%2f",
        "amqp://u:12#ss@mq:5672/%2f",
        "amqp://u:p?ss@mq/%2f",
        "amqp://u:p ss@mq/%2f",
    ] {
        let faults = faults("[broker]\nurl = { env = \"U\" }\n", &[("U", url)]);
        assert!(
            faults.contains("percent-encoded, e.g. # as %23 and / as %2F") && !faults.contains("ss@"),
            "{url}: {faults}"
        );
    }
    for (url, wanted) in [("'amqp://u:p@mq/%2f'", "quotes"), ("amqp://u:p@mq/\u{200b}", "U+200B")] {
        let faults = faults("[broker]\nurl = { env = \"U\" }\n", &[("U", url)]);
        assert!(faults.contains(wanted), "{url}: {faults}");
    }
    for url in ["amqp://u:p%23%2Fss@mq/%2f", "amqp://u:p@ss@mq/%2f", "\u{feff}amqp://mq"] {
        load_text("[broker]\nurl = { env = \"U\" }\n", &[("U", url)]).unwrap();
    }
}

#[test]
fn what_a_secret_refers_to_must_be_there() {
    let with = |secret: &str| ACME.replace("{ file = \"/run/secret\" }", secret);
    let field = "x.toml:4: apps.acme.app_secret: ";
    assert_eq!(faults(&with("{ env = \"NOPE\" }"), &[]), format!("{field}the environment variable NOPE is not set"));
    assert!(faults(&with("{ file = \"/nope\" }"), &[]).starts_with(&format!("{field}the file /nope cannot be read: ")));
    assert_eq!(faults(&with("{ file = \"/run/empty\" }"), &[]), format!("{field}/run/empty is empty"));
    assert!(faults(&with("{ env = \"A\", file = \"B\" }"), &[]).contains("got more"));
    assert!(faults(&with("{}"), &[]).contains("got neither"));

    let env = std::iter::empty();
    let text = with("{ env = \"NOPE\" }");
    let settings = load_from(Some(Path::new("x.toml")), env, &|_: &Path, _: As| Ok(text.clone()), false).unwrap();
    assert!(settings.apps.contains_key("acme"), "commands that call nobody need no secret");
}

#[test]
fn platforms_take_their_own_credentials() {
    let text = ACME.replace("feishu", "wecom");
    assert_eq!(
        faults(&text, &[]),
        "x.toml:1: apps.acme.corp_id: expected, because the platform is wecom, got nothing\n\
         x.toml:1: apps.acme.corp_secret: expected, because the platform is wecom, got nothing\n\
         x.toml:3: apps.acme.app_id: expected corp_id instead: the platform is wecom\n\
         x.toml:4: apps.acme.app_secret: expected corp_secret instead: the platform is wecom"
    );
    assert!(
        faults(&ACME.replace("feishu", "slack"), &[])
            .contains("expected \"feishu\" or \"lark\" or \"wecom\", got \"slack\"")
    );
    assert!(faults("[apps.acme]\n", &[]).contains("x.toml:1: apps.acme.platform: expected"));
}

#[test]
fn addresses_are_https_unless_loopback() {
    let with = |url: &str| load_text(&format!("{ACME}base_url = {url:?}\n"), &[]);
    for good in
        ["https://open.feishu.cn", "https://proxy.example.com:8443/feishu/", "http://localhost:1", "http://[::1]:80"]
    {
        assert!(with(good).is_ok(), "{good}");
    }
    for bad in
        ["http://open.feishu.cn", "ftp://localhost", "open.feishu.cn", "https://", "https://h?x=1", "https://u@h"]
    {
        assert!(with(bad).is_err(), "{bad}");
    }
}

#[test]
fn names_quotas_and_shares_are_checked() {
    assert!(faults(&ACME.replace("acme", "\"a b\""), &[]).contains("expected a name of 1 to 64 letters"));
    assert!(load_text(&ACME.replace("acme", &"a".repeat(64)), &[]).is_ok());
    assert!(load_text(&ACME.replace("acme", &"a".repeat(65)), &[]).is_err());
    assert!(faults(&format!("{ACME}quotas.\"m\" = \"20/minute\"\n"), &[]).contains("expected a quota like 20/min"));
    assert!(faults(&format!("{ACME}quotas.\"m@planet\" = \"20/min\"\n"), &[]).contains("got \"planet\""));
    for (share, is_good) in
        [("0", false), ("0.0", false), ("-0.1", false), ("1.1", false), ("nan", false), ("1", true), ("0.01", true)]
    {
        assert_eq!(load_text(&format!("{ACME}share = {share}\n"), &[]).is_ok(), is_good, "{share}");
    }
}

#[test]
fn stores_and_brokers_are_checked() {
    let store = |url: &str| load_text(&format!("[store]\nurl = {url:?}\n"), &[]);
    assert_eq!(store("sqlite:///var/lib/p.db").unwrap().store.file(), Some(Path::new("/var/lib/p.db")));
    assert!(store("postgres://u:p@h/db").unwrap_err().to_string().contains("store.key: expected a key"));
    let there = "[store]\nurl = { env = \"DB\" }\nkey = { env = \"KEY\" }\n[cluster]\nlease_ttl_ms = 3000\negress = \"office\"\n";
    let there = load_text(there, &[("DB", "postgres://u:pass@h/db?sslmode=require"), ("KEY", "k")]).unwrap();
    assert_eq!(there.cluster.egress, "office");
    let there = there.store;
    assert_eq!((there.place().as_str(), there.file()), ("postgres://u:***@h/db", None));
    assert_eq!(there.clone().into_location().server.unwrap().lease, Duration::from_secs(3));
    assert!(!format!("{there:?} {there}").contains("pass@"));
    // Whoever looks at the ledger needs no secret but the one that says where it is.
    let variables = [("DB".to_owned(), "postgres://u:pass@h/db".to_owned())];
    let text = "[store]\nurl = { env = \"DB\" }\nkey = { env = \"KEY\" }\n[broker]\nurl = { env = \"MQ\" }\n";
    let read = |_: &Path, _| Ok(text.to_owned());
    let looking = load_from(Some(Path::new("p.toml")), variables.into_iter(), &read, false).unwrap();
    assert_eq!(looking.store.place(), "postgres://u:***@h/db");
    for bad in ["sqlite://", "sqlite://:memory:", "sqlite://x?mode=ro", "p.db", "sqlite://dir/"] {
        assert!(store(bad).is_err(), "{bad}");
    }
    let broker = |rest: &str| load_text(&format!("[broker]\n{rest}\n"), &[("MQ", "amqps://u:p@h/%2f")]);
    assert!(
        broker("url = { env = \"MQ\" }\nca_file = \"/ca.pem\"\nresults_queue = \"\"")
            .unwrap()
            .broker
            .unwrap()
            .results_queue
            .is_none()
    );
    assert!(broker("").unwrap_err().to_string().contains("broker.url: expected"));
    assert!(broker("url = \"amqp://h\"\njobs_queue = \"\"").is_err());
    assert!(
        broker("url = \"amqp://h\"\ndead_queue = \"paceline.jobs\"")
            .unwrap_err()
            .to_string()
            .contains("a queue of its own")
    );
    assert!(
        broker("url = \"amqp://h\"\nca_file = \"/nope\"").unwrap_err().to_string().contains("/nope cannot be read")
    );
    assert!(broker("url = \"amqp://h\"\nca_file = \"/run/secret\"").unwrap_err().to_string().contains("found none"));
}

#[test]
fn several_addresses_come_from_a_list_or_a_secret() {
    let urls = |text: &str, env: &[(&str, &str)]| {
        let broker = load_text(&format!("[broker]\n{text}\n"), env).map_err(|faults| faults.to_string())?.broker;
        Ok::<_, String>(broker.unwrap().urls.iter().map(|url| url.expose_secret().to_owned()).collect::<Vec<_>>())
    };
    let two = ["amqps://u:p@a/%2f", "amqps://u:p@b/%2f"];
    assert_eq!(urls(&format!("urls = {two:?}"), &[]).unwrap(), two);
    assert_eq!(urls("urls = { env = \"MQ\" }", &[("MQ", &two.join("\n"))]).unwrap(), two);
    assert_eq!(urls("", &[("PACELINE_BROKER__URLS", &two.join(", "))]).unwrap(), two);
    assert_eq!(urls("url = \"amqp://h\"", &[]).unwrap(), ["amqp://h"]);
    for (text, wanted) in [
        ("urls = []", "broker.urls: expected a list of URLs like"),
        ("urls = \"amqp://h\"", "broker.urls: expected a list of URLs like"),
        ("urls = [\"amqp://a\", \"amqp://u:hunter2/x@b\"]", "broker.urls: address 2: expected a list"),
        (
            "urls = [\"amqp://a\"]\nurl = \"amqp://b\"",
            "broker.urls: expected either broker.url or broker.urls, got both",
        ),
    ] {
        let fault = urls(text, &[]).unwrap_err();
        assert!(fault.contains(wanted) && !fault.contains("hunter2"), "{fault}");
    }
    let text = "[broker]\nurls = [\"amqp://u:hunter2@mq1\", \"amqps://mq2\", \"amqp://127.0.0.1\"]\n";
    let settings = load_text(text, &[]).unwrap();
    let readable: Vec<_> = settings.broker.as_ref().unwrap().readable_on_the_way().collect();
    assert_eq!(readable, ["amqp://u:***@mq1"]);
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn what_signs_in_to_the_broker_goes_together() {
    let broker = |rest: &str| load_text(&format!("[broker]\nurl = \"amqps://mq\"\n{rest}\n"), &[]);
    let both = "tls_cert = \"c.pem\"\ntls_key = \"c.key\"";
    let read = broker(&format!("{both}\ntoken_command = [\"token\", \"--for mq\"]")).unwrap().broker.unwrap();
    assert_eq!(read.tls_key.as_deref(), Some(Path::new("c.key")));
    assert_eq!(read.token_command.unwrap(), ["token", "--for mq"]);
    for (rest, wanted) in [
        ("tls_cert = \"c.pem\"", "broker.tls_cert: expected broker.tls_key as well"),
        ("tls_key = \"c.key\"", "broker.tls_key: expected broker.tls_cert as well"),
        ("token_command = \"token\"", "broker.token_command: expected a program and its arguments"),
        ("token_file = \"t\"\ntoken_command = [\"t\"]", "expected either broker.token_file or broker.token_command"),
    ] {
        let fault = broker(rest).unwrap_err().to_string();
        assert!(fault.contains(wanted), "{fault}");
    }
    let plain = load_text(&format!("[broker]\nurl = \"amqp://mq\"\n{both}\n"), &[]).unwrap_err().to_string();
    assert!(plain.contains("expected addresses that begin with amqps://"), "{plain}");
}

#[test]
fn the_file_is_looked_for_in_the_documented_order() {
    let order = |present: &'static [&'static str], path: Option<&str>, config: Option<&str>| {
        let read = move |path: &Path, _: As| {
            if present.iter().any(|name| Path::new(name) == path) {
                Ok(String::new())
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        };
        let env = config.map(|value| ("PACELINE_CONFIG".to_owned(), value.to_owned()));
        let settings = load_from(path.map(Path::new), env.into_iter(), &read, true);
        settings
            .map(|settings| settings.file.map(|file| file.display().to_string()))
            .map_err(|faults| faults.to_string())
    };
    let all = &["a.toml", "b.toml", "paceline.toml", "config/paceline.toml"];
    assert_eq!(order(all, Some("a.toml"), Some("b.toml")).unwrap().unwrap(), "a.toml");
    assert_eq!(order(all, None, Some("b.toml")).unwrap().unwrap(), "b.toml");
    assert_eq!(order(all, None, None).unwrap().unwrap(), "paceline.toml");
    assert_eq!(order(&["config/paceline.toml"], None, Some("")).unwrap().unwrap(), "config/paceline.toml");
    assert_eq!(order(&[], None, None).unwrap(), None);
    assert!(order(all, Some("nope.toml"), None).unwrap_err().starts_with("nope.toml: the settings cannot be read: "));
    assert!(order(all, None, Some("nope.toml")).unwrap_err().contains("(named by PACELINE_CONFIG)"));
}

#[test]
fn broken_toml_names_its_lines_only() {
    let text = "[http]\nrequest_timeout_ms = \n[apps.acme]\napp_secret = \"hunter2\n";
    let faults = faults(text, &[]);
    assert!(faults.contains("x.toml:2: not TOML: ") && faults.contains("x.toml:4: not TOML: "), "{faults}");
    assert!(!faults.contains("hunter2"), "{faults}");
}
