use std::collections::BTreeSet;

use super::*;
use crate::fixture::{RULE, rule, said};
use crate::{Plan, expand};

fn berlin() -> Rule {
    rule(&RULE.replace("Asia/Shanghai", "Europe/Berlin"))
}

fn calendar(events: &str) -> String {
    let alarm = "BEGIN:VALARM\nTRIGGER:-PT15M\nACTION:DISPLAY\nEND:VALARM\n";
    format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y\n{}END:VCALENDAR\n",
        events.replace("END:VEVENT", &format!("{alarm}END:VEVENT"))
    )
    .replace('\n', "\r\n")
}

fn planned(rule: &Rule, events: &str) -> Plan {
    let read = lessons("t.ics", &calendar(events), rule).unwrap_or_else(|faults| panic!("{}", said(&faults)));
    expand("t.ics", rule, read.lessons).unwrap()
}

fn starts(plan: &Plan) -> Vec<String> {
    plan.meetings.iter().map(|meeting| meeting.start.to_string()).collect()
}

fn faults(events: &str) -> String {
    said(&lessons("t.ics", &calendar(events), &berlin()).unwrap_err())
}

#[test]
fn a_series_keeps_its_hour_across_summer_time_and_its_exceptions() {
    let plan = planned(
        &berlin(),
        "BEGIN:VEVENT\nUID:a\nSUMMARY:Analysis\\, part\n  one\nLOCATION:H 1\nORGANIZER;CN=\"Prof. Noether\":mailto:n@x.example\n\
         DTSTART;TZID=Europe/Berlin:20261012T100000\nDTEND;TZID=Europe/Berlin:20261012T113000\n\
         RRULE:FREQ=WEEKLY;UNTIL=20261109\nEXDATE;TZID=Europe/Berlin:20261019T100000\n\
         RDATE;TZID=Europe/Berlin:20261021T140000\nEND:VEVENT\n",
    );
    assert_eq!(
        starts(&plan),
        [
            "2026-10-12T08:00:00Z",
            "2026-10-21T12:00:00Z",
            "2026-10-26T09:00:00Z",
            "2026-11-02T09:00:00Z",
            "2026-11-09T09:00:00Z"
        ]
    );
    let [lesson] = plan.lessons.as_slice() else { panic!() };
    let value = |name: &str| lesson.values[name].as_str();
    assert_eq!((value("course"), value("room"), value("teacher")), ("Analysis, part one", "H 1", "Prof. Noether"));
    assert_eq!(plan.meetings[0].end.to_string(), "2026-10-12T09:30:00Z");
}

#[test]
fn the_terms_holidays_and_make_up_days_hold_for_events_too() {
    let plan = planned(
        &rule(RULE),
        "BEGIN:VEVENT\nUID:a\nSUMMARY:X\nDTSTART:20260924T000000Z\nDURATION:PT1H40M\nRRULE:FREQ=WEEKLY\nEND:VEVENT\n",
    );
    let days: BTreeSet<_> = plan.meetings.iter().map(|meeting| meeting.slot.start.date().to_string()).collect();
    assert!(days.contains("2026-09-27") && !days.contains("2026-10-01"), "{days:?}");
    assert!(days.contains("2026-10-08") && days.contains("2026-10-10"), "{days:?}");
    assert_eq!(days.last().unwrap(), "2026-12-17", "an endless series ends with the term");
    assert_eq!(plan.meetings[0].slot.start.to_string(), "2026-09-24T08:00:00", "by the clocks of the term");
    assert_eq!(plan.meetings[0].slot.end.to_string(), "2026-09-24T09:40:00");
}

#[test]
fn a_changed_meeting_stands_in_for_that_of_the_series() {
    let series = "BEGIN:VEVENT\nUID:a\nSUMMARY:X\nDTSTART;TZID=Europe/Berlin:20261012T100000\nDURATION:PT1H\n\
                  RRULE:FREQ=WEEKLY;COUNT=3\nEND:VEVENT\n";
    let moved = "BEGIN:VEVENT\nUID:a\nSUMMARY:X\nRECURRENCE-ID:20261019T080000Z\nLOCATION:other\n\
                 DTSTART;TZID=Europe/Berlin:20261020T120000\nDURATION:PT1H\nEND:VEVENT\n";
    let cancelled = "BEGIN:VEVENT\nUID:a\nSUMMARY:X\nRECURRENCE-ID;TZID=Europe/Berlin:20261026T100000\nSTATUS:CANCELLED\n\
                     DTSTART;TZID=Europe/Berlin:20261026T100000\nEND:VEVENT\n";
    let text = format!("{series}{moved}{cancelled}").replace("STATUS:CANCELLED\n", "STATUS:CANCELLED\nDURATION:PT1H\n");
    assert_eq!(starts(&planned(&berlin(), &text)), ["2026-10-12T08:00:00Z", "2026-10-20T10:00:00Z"]);
    let read = lessons("t.ics", &calendar(&text), &berlin()).unwrap();
    assert_eq!(said(&read.warnings), "t.ics:27: \"X\" is cancelled: left out");
}

#[test]
fn zones_and_words_that_the_rule_knows_are_taken() {
    let text = "BEGIN:VEVENT\nUID:a\nSUMMARY:X\nLOCATION:H1\nDTSTART;TZID=W. Europe Standard Time:20261012T100000\n\
                DURATION:PT1H\nEND:VEVENT\n";
    assert_eq!(
        faults(text),
        "t.ics:8: DTSTART: the time zone \"W. Europe Standard Time\" has no IANA name: say in the rule which one is meant, as \
         [time_zones] \"W. Europe Standard Time\" = \"Asia/Shanghai\""
    );
    let known = rule(&format!(
        "{RULE}\n[time_zones]\n\"W. Europe Standard Time\" = \"Europe/Berlin\"\n[words.room]\nh1 = \"omm_1\"\n"
    ));
    let plan = planned(&known, text);
    assert_eq!(
        (starts(&plan).concat(), plan.lessons[0].values["room"].as_str()),
        ("2026-10-12T08:00:00Z".to_owned(), "omm_1")
    );
}

#[test]
fn every_fault_has_the_line_of_its_property() {
    let said = faults(
        "BEGIN:VEVENT\nUID:a\nSUMMARY:long\n  folded\nDTSTART:2026-10-12\nDTEND:20261012T113000\nEND:VEVENT\n\
         BEGIN:VEVENT\nSUMMARY:no uid\nDTSTART:20261012T100000\nDTEND:20261012T113000\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:c\nDTSTART:20261012T100000\nDTEND:20261012T090000\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:d\nDTSTART:20261012T100000\nDTEND:20261012T113000\nRRULE:FREQ=SOMETIMES\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:e\nDTSTART:20261012T100000\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:f\nDTSTART:20261012T100000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=3\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:g\nDTSTART:20261012T100000\nDURATION:PT1H\nRRULE:FREQ=MINUTELY;COUNT=9999\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:h\nDTSTART:20261012T100000\nDURATION:1h\nRDATE;VALUE=PERIOD:20261013T100000/PT1H\nEND:VEVENT\n",
    );
    for expected in [
        "t.ics:8: DTSTART: expected a time such as 20260901T100000, with TZID=Europe/Berlin before it or Z behind, got",
        "t.ics:15: UID: is missing",
        "t.ics:27: DTEND: is not behind DTSTART",
        "t.ics:37: RRULE: cannot be read",
        "t.ics:43: DTEND: is missing: expected DTEND or DURATION",
        "t.ics:55: RRULE: does not give 2026-10-12T10:00:00 itself",
        "t.ics:65: RRULE: gives more than 5000 meetings",
        "t.ics:75: RDATE: expected a time such as",
    ] {
        assert!(said.contains(expected), "{expected}\n---\n{said}");
    }
    for text in ["", "id,name\na,b\n", "BEGIN:VCALENDAR\nEND:VCALENDAR\n", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\n"] {
        let faults = lessons("t.ics", text, &berlin()).unwrap_err();
        assert_eq!(faults.len(), 1, "{text}: {}", crate::fixture::said(&faults));
    }
    let all_day =
        lessons("t.ics", &calendar("BEGIN:VEVENT\nUID:a\nDTSTART;VALUE=DATE:20261012\nEND:VEVENT\n"), &berlin());
    assert_eq!(crate::fixture::said(&all_day.unwrap().warnings), "t.ics:4: \"a\" is an all-day event: left out");
}
