//! Timetables as files of jobs: from a table and from a calendar, to meetings at the simulated platform.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use paceline::domain::time::Timestamp;
use rust_xlsxwriter::Workbook;
use serde_json::{Value, json};

use super::commands::Place;
use super::engine::World;
use super::forecast::{CALM, compare, work_off};

const EXAMPLES: [(&str, &str); 3] = [
    ("timetable.csv", include_str!("../../examples/timetable.csv")),
    ("timetable.ics", include_str!("../../examples/timetable.ics")),
    ("timetable.rule.toml", include_str!("../../examples/timetable.rule.toml")),
];

/// A term in Berlin: the clocks change on 30 March, and every holiday is made up for on a Saturday.
const TERM: &str = r#"
[term]
time_zone = "Europe/Berlin"
first_day = 2031-03-03
weeks = 16
holidays = ["2031-04-11", "2031-04-14", "2031-05-01", "2031-05-22", "2031-06-02"]
make_up = [
    { day = 2031-03-08, takes = 2031-04-11 },
    { day = 2031-03-15, takes = 2031-04-14 },
    { day = 2031-04-26, takes = 2031-05-01 },
    { day = 2031-05-24, takes = "Thursday" },
    { day = 2031-06-07, takes = "周一" },
]
[sections]
1 = "08:00-08:45"
2 = "09:00-09:45"
3 = "10:00-10:45"
4 = "11:00-11:45"
5 = "13:00-13:45"
6 = "14:00-14:45"
7 = "15:00-15:45"
8 = "16:00-16:45"
[job]
method = "feishu.calendar.event.create"
app = "acme"
[job.parameters]
"path.calendar_id" = "feishu.cn_term@group.calendar.feishu.cn"
summary = "{course}"
"start_time.timestamp" = "{start}"
"start_time.timezone" = "{time_zone}"
"end_time.timestamp" = "{end}"
"#;
const HOLIDAYS: [&str; 5] = ["2031-04-11", "2031-04-14", "2031-05-01", "2031-05-22", "2031-06-02"];
const MAKE_UPS: [&str; 5] = ["2031-03-08", "2031-03-15", "2031-04-26", "2031-05-24", "2031-06-07"];
const COURSES: usize = 40;
const HOURS: [usize; 8] = [8, 9, 10, 11, 13, 14, 15, 16];
const WEEKDAYS: [&str; 5] = ["周一", "Tue", "星期三", "4", "Friday"];

fn table() -> String {
    let mut text = "课程名称,任课教师,教室,周次,星期,节次\n".to_owned();
    for course in 0..COURSES {
        let (day, section) = (WEEKDAYS[course % 5], course / 5 + 1);
        writeln!(text, "Course {course},T{course},R{course},1-16周,{day},第{section}节").unwrap();
    }
    text
}

/// The table as a workbook.
fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("课表").unwrap();
    for (row, line) in table().lines().enumerate() {
        for (column, cell) in line.split(',').enumerate() {
            sheet.write(row as u32, column as u16, cell).unwrap();
        }
    }
    book.save_to_buffer().unwrap()
}

fn calendar() -> String {
    let mut text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t\r\n".to_owned();
    for course in 0..COURSES {
        let (day, hour) = (3 + course % 5, HOURS[course / 5]);
        write!(
            text,
            "BEGIN:VEVENT\r\nUID:course-{course}\r\nSUMMARY:Course {course}\r\nLOCATION:R{course}\r\n\
             DTSTART;TZID=Europe/Berlin:203103{day:02}T{hour:02}0000\r\nDURATION:PT45M\r\nRRULE:FREQ=WEEKLY;COUNT=16\r\n\
             END:VEVENT\r\n"
        )
        .unwrap();
    }
    text + "END:VCALENDAR\r\n"
}

/// Course, beginning and end of each row.
fn rows(csv: &str) -> Vec<[String; 3]> {
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let columns = ["summary", "start_time.timestamp", "end_time.timestamp"];
    let columns = columns.map(|name| header.iter().position(|heading| *heading == name).unwrap());
    lines.map(|cells| columns.map(|column| cells[column].trim_start_matches('\'').to_owned())).collect()
}

#[test]
fn a_term_has_all_its_meetings_from_a_table_and_from_a_calendar() {
    let place = Place::with_apps(&[("term.csv", &table()), ("term.ics", &calendar()), ("rule.toml", TERM)]);
    place.write("bar.csv", &table().replace(',', "|"));
    std::fs::write(place.path().join("term.xlsx"), workbook()).unwrap();
    let mut found = Vec::new();
    for file in ["term.csv", "term.ics", "term.xlsx", "bar.csv"] {
        let delimiter: &[&str] = if file == "bar.csv" { &["--delimiter", "|"] } else { &[] };
        let expanded = place.run(&[&["expand", file, "--rule", "rule.toml", "--strict"], delimiter].concat());
        assert_eq!(expanded.code, Some(0), "{}", expanded.err);
        assert!(
            expanded.err.contains(&format!("{file}: 40 lessons, 640 meetings, 2031-03-03 to 2031-06-20")),
            "{}",
            expanded.err
        );
        let rows = rows(&expanded.out);
        assert_eq!(rows.len(), 640);
        for [course, start, end] in &rows {
            let course: usize = course.strip_prefix("Course ").unwrap().parse().unwrap();
            let (date, rest) = start.split_once('T').unwrap();
            assert!(!HOLIDAYS.contains(&date), "{start}");
            let offset = if date < "2031-03-30" { "+01:00" } else { "+02:00" };
            let hour = HOURS[course / 5];
            assert_eq!(rest, format!("{hour:02}:00:00{offset}"), "the hour stays when the clocks change");
            assert_eq!(*end, format!("{date}T{hour:02}:45:00{offset}"));
        }
        let moved = rows.iter().filter(|[_, start, _]| MAKE_UPS.contains(&&start[..10])).count();
        assert_eq!(moved, 40, "five days of eight lessons");
        found.push(rows.into_iter().collect::<BTreeSet<_>>());
    }
    assert!(found.iter().all(|rows| *rows == found[0]), "the same meetings");
    let chinese = place.run(&["expand", "term.csv", "--rule", "rule.toml", "--lang", "zh"]);
    for words in ["term.csv：40 条课程，640 次会议，2031-03-03 至 2031-06-20", "40 次在补课日", "640 行任务"]
    {
        assert!(chinese.err.contains(words), "{words}: {}", chinese.err);
    }
}

#[tokio::test(start_paused = true)]
async fn a_term_is_done_when_it_was_said() {
    let place = Place::with_apps(&[("term.csv", &table()), ("rule.toml", TERM)]);
    let expanded = place.run(&["expand", "term.csv", "--rule", "rule.toml"]);
    let seconds = |time: &str| Timestamp::parse(time).unwrap().unix_seconds().to_string();
    let event = |(n, [course, start, end]): (usize, [String; 3])| {
        json!({"id": format!("e{n}"), "method": "feishu.calendar.event.create", "app": "acme",
            "path": {"calendar_id": "feishu.cn_term@group.calendar.feishu.cn"}, "body": {"summary": course,
            "start_time": {"timestamp": seconds(&start)}, "end_time": {"timestamp": seconds(&end)}}})
    };
    let jobs: Vec<Value> = rows(&expanded.out).into_iter().enumerate().map(event).collect();
    assert_eq!(jobs.len(), 640);
    // As the canaries of a run do, some tell first how long the platform takes; the rest is within 3 %.
    let (canaries, rest) = jobs.split_at(20);
    let world = World::new(CALM);
    work_off(&world, canaries).await;
    let planned = compare(&world, rest).await;
    assert_eq!(planned.jobs.done, 620);
}

#[test]
fn a_term_is_checked_run_and_run_again_like_any_file() {
    let place = Place::with_apps(&[("term.csv", &table()), ("rule.toml", TERM)]);
    let expanded = place.run(&["expand", "term.csv", "--rule", "rule.toml", "-o", "jobs.csv"]);
    assert_eq!(expanded.code, Some(0), "{}", expanded.err);
    let validated = place.run(&["validate", "jobs.csv", "--strict"]);
    assert_eq!(validated.code, Some(0), "{}{}", validated.out, validated.err);
    let run = place.run(&["run", "jobs.csv", "--simulate", "--speed", "600", "--json"]);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let summary: Value = serde_json::from_str(run.out.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["books"]["created"], &summary["books"]["twice"]), (&640.into(), &0.into()), "{}", run.out);
    let submitted = place.run(&["submit", "jobs.csv", "--json"]);
    assert!(submitted.out.contains("\"known\":0,\"queued\":640,"), "{}{}", submitted.out, submitted.err);
    let text = table();
    let (header, rows) = text.split_once('\n').unwrap();
    let turned: Vec<_> = std::iter::once(header).chain(rows.lines().rev()).collect();
    place.write("term.csv", &turned.join("\n"));
    assert_eq!(place.run(&["expand", "term.csv", "--rule", "rule.toml", "-o", "jobs.csv"]).code, Some(0));
    let again = place.run(&["submit", "jobs.csv", "--json"]);
    assert!(
        again.out.contains("\"known\":640,\"queued\":0,"),
        "moved rows are the same jobs: {}{}",
        again.out,
        again.err
    );
}

#[test]
fn the_examples_expand_and_are_valid() {
    let place = Place::with_apps(&EXAMPLES);
    for (file, meetings) in [("timetable.csv", "63 meetings"), ("timetable.ics", "24 meetings")] {
        let expanded = place.run(&["expand", file, "--rule", "timetable.rule.toml", "-o", "jobs.csv"]);
        assert_eq!(expanded.code, Some(0), "{}", expanded.err);
        assert!(expanded.err.contains(meetings), "{}", expanded.err);
        let validated = place.run(&["validate", "jobs.csv", "--simulate", "--strict"]);
        assert_eq!(validated.code, Some(0), "{}{}", validated.out, validated.err);
    }
    let series = EXAMPLES[2].1.replace("# recurrence", "recurrence");
    place.write("series.toml", &series);
    let expanded = place.run(&["expand", "timetable.csv", "--rule", "series.toml", "-o", "jobs.csv"]);
    assert_eq!(expanded.code, Some(0), "{}", expanded.err);
    let validated = place.run(&["validate", "jobs.csv", "--simulate", "--strict"]);
    assert_eq!(validated.code, Some(0), "{}{}", validated.out, validated.err);
}

#[test]
fn every_fault_is_told_and_nothing_is_written() {
    let rule = TERM.replace("summary = ", "sumary = ");
    let place = Place::with_apps(&[
        ("term.csv", "course,teacher,room,day,sections\nA,T,R,Mon,9\n=cmd|' /C calc'!A0,T,R,Someday,1\n"),
        ("ok.csv", "course,teacher,room,day,sections\n=cmd|' /C calc'!A0,T,R,Mon,1\nB,T,R,Mon,1\n"),
        ("rule.toml", &rule),
        ("good.toml", TERM),
    ]);
    let told = place.run(&["expand", "term.csv", "--rule", "rule.toml", "-o", "jobs.csv"]);
    assert_eq!((told.code, told.out.as_str()), (Some(1), ""));
    for words in [
        "rule.toml:28: job.parameters.sumary: feishu.calendar.event.create has no such parameter; is \"summary\" meant?",
        "term.csv:2: column 5 (sections): the rule's sections do not have 9, but 1, 2, 3, 4, 5, 6, 7, 8",
        "term.csv:3: column 4 (day): cannot be read from \"someday\" on",
        "nothing was written: 3 faults to correct",
    ] {
        assert!(told.err.contains(words), "{words}: {}", told.err);
    }
    let told = place.run(&["expand", "term.csv", "--rule", "rule.toml", "-o", "jobs.csv", "--lang", "zh"]);
    for words in [
        "rule.toml:28：job.parameters.sumary：feishu.calendar.event.create 没有这个参数；是不是 \"summary\"？",
        "term.csv:2：第 5 列（sections）：规则的 sections 里没有 9，只有 1、2、3、4、5、6、7、8",
        "term.csv:3：第 4 列（day）：从 \"someday\" 起无法识别：应为星期，例如 周二",
        "没有写出任何内容：有 3 处错误要改",
    ] {
        assert!(told.err.contains(words), "{words}: {}", told.err);
    }
    let told = place.run(&["expand", "ok.csv", "--rule", "good.toml", "-o", "jobs.csv"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    let warning = "have the room \"r\" at the same time: 16 times, first at 2031-03-03T08:00:00";
    assert!(told.err.contains(warning), "{}", told.err);
    let written = std::fs::read_to_string(place.path().join("jobs.csv")).unwrap();
    assert!(written.contains("'=cmd|") && !written.contains(",=cmd|"), "formulas are harmless: {written}");
    let strict = place.run(&["expand", "ok.csv", "--rule", "good.toml", "-o", "more.csv", "--strict"]);
    assert_eq!(strict.code, Some(1), "{}", strict.err);
    assert!(!place.names().contains(&"more.csv".to_owned()) && place.names().contains(&"jobs.csv".to_owned()));
}
