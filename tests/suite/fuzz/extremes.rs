//! Numbers, times and counts at the ends of what holds them, where a platform or a person may send one.

use std::time::Duration;

use bytes::Bytes;
use paceline::domain::outcome::{Answer, Reply, classify};
use paceline::domain::quota::{Breaker, Gate, Pause, Quota, RESET_MAX, Trouble};
use paceline::domain::reset::Reset;
use paceline::domain::time::{Mono, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::{CATALOG, decoder, explains, is_sound};

/// A number as somebody may write it.
fn numbers() -> impl Strategy<Value = String> {
    let ends = [
        "0",
        "-0",
        "0.05",
        "-1",
        "1e300",
        "-1e300",
        "1e-300",
        "inf",
        "-inf",
        "NaN",
        "7",
        "86400",
        "86401",
        "1795852830",
        "1795852830000",
        "1795852830000000",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "4294967295",
        "4294967296",
        "0x10",
        "1_000",
        "１２",
        " 5 ",
        "",
    ];
    prop_oneof![
        prop::sample::select(ends.to_vec()).prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
    ]
}

/// A time as somebody may write it.
fn times() -> impl Strategy<Value = String> {
    let ends = [
        "0001-01-01T00:00:00Z",
        "-009999-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "2199-12-31T23:59:59.999999999Z",
        "2200-01-01T00:00:00Z",
        "2999-12-31T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-23:59",
        "+010000-01-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-12-31T23:59:60Z",
        "2026-11-28T24:00:00Z",
        "2026-11-28T08:00:00+99:00",
        "2026-11-28",
        "never",
        "Sat, 28 Nov 2026 08:00:30 GMT",
        "Saturday, 28-Nov-26 08:00:30 GMT",
        "Sat Nov 28 08:00:30 2026",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Thu, 01 Jan 0000 00:00:00 GMT",
        "Sat, 28 Nov 2026 08:00:30 -9999",
    ];
    prop_oneof![
        prop::sample::select(ends.to_vec()).prop_map(str::to_owned),
        any::<i64>().prop_map(|micros| Timestamp(micros).to_string()),
        any::<i64>().prop_map(|micros| Timestamp(micros).exact()),
        "[+-]?[0-9]{1,6}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,12})?(Z|[+-][0-9]{2}:[0-9]{2})",
        "(Mon|Sat|Monday), [0-9]{1,2}[ -](Jan|Feb|Dec)[ -][0-9]{2,5} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|[+-][0-9]{4})",
    ]
}

fn instants() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), Just(1_795_852_800_000_000)].prop_map(Timestamp)
}

proptest! {
    #[test]
    fn what_headers_say_of_a_wait(
        values in prop::collection::vec(prop_oneof![numbers(), times(), "\\PC{0,12}"], 0..4),
        date in prop::option::of(instants()),
        now in instants(),
        at in any::<i64>(),
        was_probe in any::<bool>(),
    ) {
        let wait = Reset::read(values.iter().map(String::as_str), date).wait(now);
        prop_assert!(wait.is_none_or(|wait| wait <= RESET_MAX), "{values:?}: {wait:?}");
        let at = Mono(at);
        let (mut pause, mut gate, mut breaker) = (Pause::default(), Gate::default(), Breaker::default());
        for n in 0..8 {
            pause.refuse(at, was_probe, wait, &[]);
            gate.unavailable(at, was_probe, n % 2 == 0, wait);
            breaker.fail(at, was_probe, Trouble::UNAVAILABLE.until(wait), 1.0);
            let least = wait.unwrap_or_default();
            for until in [pause.until(), gate.paused_until(), breaker.pause().until()].into_iter().flatten() {
                prop_assert!(until >= at + least, "{values:?}: {until:?}");
            }
        }
        prop_assert!(pause.until().is_some_and(|until| until > at || at.0 == i64::MAX), "never without a pause");
    }

    #[test]
    fn jobs_of_any_times_and_numbers(
        before in prop::option::of(times()),
        after in prop::option::of(times()),
        number in numbers(),
        priority in prop_oneof![numbers(), Just("4".to_owned())],
    ) {
        let mut job = json!({"id": "a", "method": "wecom.meeting.create", "app": "campus", "body": {
            "admin_userid": "z", "title": "t", "meeting_start": "NUMBER", "meeting_duration": "NUMBER"}});
        job["priority"] = json!("PRIORITY");
        for (field, time) in [("not_before", before), ("not_after", after)] {
            if let Some(time) = time {
                job[field] = json!(time);
            }
        }
        let text = job.to_string().replace("\"NUMBER\"", &number).replace("\"PRIORITY\"", &priority);
        match decoder().decode(text.as_bytes(), &paceline::domain::decode::Defaults::default()) {
            Ok(job) => is_sound(&job),
            Err(rejection) => explains(&rejection),
        }
    }

    #[test]
    fn codes_of_any_number(number in numbers(), status in 100_u16..600, quoted in any::<bool>()) {
        let number = if quoted { json!(number).to_string() } else { number };
        let body = Bytes::from(format!("{{\"code\":{number},\"errcode\":{number},\"data\":{{\"room\":{number}}}}}"));
        for method in ["feishu.vc.room.create", "wecom.meeting.create"] {
            let method = &CATALOG.methods[method];
            let platform = &CATALOG.platforms[&method.family];
            let answer = Answer { status, body: body.clone(), ..Answer::default() };
            let outcome = classify(platform, method, &Reply::Answered(answer));
            super::verdicts::judged(&outcome, status, &body);
        }
    }

    #[test]
    fn quotas_of_any_number(limit in numbers(), count in numbers(), unit in "(s|min|h|day|ms)", share in 0.0_f64..1.0, speed in 1.0_f64..1e9) {
        if let Ok(quota) = format!("{limit}/{count}{unit}").parse::<Quota>() {
            for quota in [quota.share(share), quota.sped_up(speed), quota] {
                prop_assert!(quota.windows().iter().all(|window| window.limit > 0), "{quota}");
                prop_assert!(quota.span_max() <= Duration::from_secs(31 * 86_400) && !quota.to_string().is_empty());
            }
        }
    }
}
