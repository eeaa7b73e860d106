use super::*;
use crate::fixture::{RULE, said};

#[test]
fn every_fault_of_a_rule_is_named_with_its_line() {
    let text = r#"
[term]
time_zone = "+08:00"
first_day = "31.8.2026"
weeks = 99
holidays = ["2026-10-07..2026-10-01", 2026-10-01]
make_up = [{ day = 2026-10-10, takes = "someday" }]
[sections]
1 = "8-9"
x = "08:00-08:45"
2 = "10:00-10:45"
3 = "10:30-11:00"
[columns]
topic = "课程"
[job]
method = "m"
key = []
[job.parameters]
summary = "{course"
"#;
    let faults = Rule::read("rule.toml", text).unwrap_err();
    let said = said(&faults);
    for expected in [
        "rule.toml:3: term.time_zone: expected an IANA name such as Asia/Shanghai, got \"+08:00\"",
        "rule.toml:4: term.first_day: expected a date such as 2026-09-01, got \"31.8.2026\"",
        "rule.toml:5: term.weeks: expected 1 to 60, got 99",
        "rule.toml:9: sections.1: expected its times as 08:00-08:45, got \"8-9\"",
        "rule.toml:10: sections: expected a section's number, got \"x\"",
        "rule.toml:12: sections.3: begins at 10:30:00, before section 2 ends at 10:45:00",
        "rule.toml:14: columns.topic: expected one of course, code, ",
        "rule.toml:17: job.key: expected the columns that a lesson is known by",
        "rule.toml:19: job.parameters.summary: a brace is not closed",
    ] {
        assert!(said.contains(expected), "{expected}\n---\n{said}");
    }
    assert!(faults.is_sorted_by_key(|fault| fault.line), "{said}");
}

#[test]
fn days_of_a_term_are_judged_when_its_beginning_is_known() {
    let text = RULE.replace("\"2026-10-01..2026-10-07\"", "\"2026-10-07..2026-10-01\"").replace("周四", "someday");
    let said_now = said(&Rule::read("r", &text).unwrap_err());
    assert!(
        said_now.contains("r:6: term.holidays: expected a date such as 2026-09-01, or two as 2026-10-01..2026-10-07")
    );
    assert!(
        said_now.contains("r:7: term.make_up.takes: expected a date such as 2026-09-01 or a weekday such as Thursday")
    );
    let text = RULE.replace("day = 2026-09-27", "day = 2026-10-03");
    assert!(said(&Rule::read("r", &text).unwrap_err()).contains("r:7: term.make_up: 2026-10-03 is a holiday"));
    assert!(said(&Rule::read("r", "[term]\nweek = 1").unwrap_err()).starts_with("r:2: unknown field `week`"));
}
