//! A term and timetables for tests.

use crate::{Lesson, Plan, Rule, Sheet, expand};

/// The autumn of 2026 in China: the first week of October is free, and two weekends make up for two of its days.
pub(crate) const RULE: &str = r#"
[term]
time_zone = "Asia/Shanghai"
first_day = 2026-08-31
weeks = 16
holidays = ["2026-10-01..2026-10-07"]
make_up = [{ day = 2026-09-27, takes = 2026-10-01 }, { day = "2026-10-10", takes = "周四" }]

[sections]
1 = "08:00-08:45"
2 = "08:55-09:40"
3 = "10:00-10:45"
4 = "10:55-11:40"

[job]
method = "feishu.calendar.event.create"
app = "acme"

[job.parameters]
summary = "{course} ({teacher})"
"start_time.timestamp" = "{start}"
"end_time.timestamp" = "{end}"
"#;

pub(crate) fn rule(text: &str) -> Rule {
    Rule::read("rule.toml", text).unwrap()
}

/// A table of cells that have no commas in them.
pub(crate) fn sheet(text: &str) -> Sheet {
    let cells = |line: &str| line.split(',').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut lines = (1..).zip(text.trim().lines());
    let (line, header) = lines.next().unwrap();
    Sheet {
        name: "t.csv".to_owned(),
        line,
        header: cells(header),
        rows: lines.map(|(line, text)| (line, cells(text))).collect(),
    }
}

pub(crate) fn lessons(rule: &Rule, text: &str) -> Vec<Lesson> {
    sheet(text).lessons(rule).unwrap()
}

pub(crate) fn plan(rule: &Rule, text: &str) -> Plan {
    expand("t.csv", rule, lessons(rule, text)).unwrap()
}

/// Faults as people see them.
pub(crate) fn said(faults: &[paceline_domain::rows::FileFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
