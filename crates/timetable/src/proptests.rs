//! Any term and any lessons, against a computation that shares nothing with ours: it walks through the days by number and
//! knows Berlin's summer time by its law.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::prelude::*;

use crate::fixture::{lessons, rule};
use crate::{Plan, expand};

/// 2026-08-31, a Monday, in days since 1970.
const FIRST: i64 = 20_696;
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "周三", "星期四", "Fri", "Saturday", "7"];

#[derive(Clone, Debug)]
struct Lesson {
    weekday: i64,
    first: i64,
    last: i64,
    /// 0: all weeks; 1: odd; 2: even.
    parity: i64,
    hour: i64,
}

#[derive(Clone, Debug)]
struct Case {
    weeks: i64,
    holidays: BTreeSet<i64>,
    /// The day → the one that it takes.
    make_ups: BTreeMap<i64, i64>,
    lessons: Vec<Lesson>,
}

fn case() -> impl Strategy<Value = Case> {
    (2..=20_i64).prop_flat_map(|weeks| {
        let days = weeks * 7;
        let lesson = (0..7_i64, 1..=weeks, 0..weeks, 0..3_i64, 7..22_i64).prop_map(
            move |(weekday, first, long, parity, hour)| {
                let last = (first + long.max(1)).min(weeks);
                Lesson { weekday, first: first.min(last - 1).max(1), last, parity, hour }
            },
        );
        let make_ups = prop::collection::btree_map(0..days + 14, 0..days, 0..5);
        (prop::collection::btree_set(0..days, 0..12), make_ups, prop::collection::vec(lesson, 1..8)).prop_map(
            move |(holidays, make_ups, lessons)| {
                let make_ups = make_ups.into_iter().filter(|(day, takes)| !holidays.contains(day) && day != takes);
                Case { weeks, make_ups: make_ups.collect(), holidays, lessons }
            },
        )
    })
}

/// The date of a day since 1970.
fn civil(mut days: i64) -> (i64, i64, i64) {
    let mut year = 1970;
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + i64::from(is_leap(year));
    for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
    }
    unreachable!("a year's days are those of its months");
}

fn written(days: i64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Whether the clocks of Berlin show summer time at noon: from the last Sunday of March to that of October.
fn is_summer(days: i64) -> bool {
    let (_, month, day) = civil(days);
    // Day 0 was a Thursday; this is the Sunday on or before the day.
    let sunday = day - (days + 4).rem_euclid(7);
    match month {
        4..=9 => true,
        3 => sunday >= 25,
        10 => sunday < 25,
        _ => false,
    }
}

fn naive(case: &Case) -> BTreeSet<(usize, i64)> {
    let mut found = BTreeSet::new();
    let mut hold = |index: usize, lesson: &Lesson, day: i64| {
        let offset = if is_summer(FIRST + day) { 2 } else { 1 };
        found.insert((index, (FIRST + day) * 86_400 + (lesson.hour - offset) * 3_600));
    };
    for (index, lesson) in case.lessons.iter().enumerate() {
        let is_due = |day: i64| {
            let week = day / 7 + 1;
            let fits = lesson.parity == 0 || (lesson.parity == 1) == (week % 2 == 1);
            day % 7 == lesson.weekday && (lesson.first..=lesson.last).contains(&week) && fits
        };
        for day in 0..case.weeks * 7 + 14 {
            match case.make_ups.get(&day) {
                Some(takes) if is_due(*takes) => hold(index, lesson, day),
                None if is_due(day) && !case.holidays.contains(&day) => hold(index, lesson, day),
                Some(_) | None => {}
            }
        }
    }
    found
}

fn rule_of(case: &Case, parameters: &str) -> crate::Rule {
    let holidays: Vec<_> = case.holidays.iter().map(|day| format!("{:?}", written(FIRST + day))).collect();
    let make_up = |(day, takes): (&i64, &i64)| {
        format!("{{ day = {}, takes = {:?} }}", written(FIRST + day), written(FIRST + takes))
    };
    let make_ups: Vec<_> = case.make_ups.iter().map(make_up).collect();
    let sections: Vec<_> = (7..22).map(|hour| format!("{hour} = \"{hour:02}:00-{hour:02}:45\"")).collect();
    rule(&format!(
        "[term]\ntime_zone = \"Europe/Berlin\"\nfirst_day = {}\nweeks = {}\nholidays = [{}]\nmake_up = [{}]\n[sections]\n{}\n\
         [job]\nmethod = \"m\"\nkey = [\"n\"]\n[job.parameters]\nstart = \"{{start}}\"\n{parameters}",
        written(FIRST),
        case.weeks,
        holidays.join(", "),
        make_ups.join(", "),
        sections.join("\n")
    ))
}

fn planned(case: &Case, rule: &crate::Rule) -> Plan {
    let mut text = "n,course,weeks,day,sections\n".to_owned();
    for (n, lesson) in case.lessons.iter().enumerate() {
        let parity = ["", "单", "双"][usize::try_from(lesson.parity).unwrap()];
        let weekday = WEEKDAYS[usize::try_from(lesson.weekday).unwrap()];
        writeln!(text, "{n},C,{}-{}周{parity},{weekday},{}", lesson.first, lesson.last, lesson.hour).unwrap();
    }
    expand("t.csv", rule, lessons(rule, &text)).unwrap()
}

/// The instants of a row of jobs: those of its weekly rule, by the clocks of Berlin.
fn instants(start: &str, recurrence: &str) -> Vec<i64> {
    let start: jiff::Timestamp = start.parse().unwrap();
    let zoned = start.to_zoned(jiff::tz::TimeZone::get("Europe/Berlin").unwrap());
    let Some(rule) = recurrence.strip_prefix("FREQ=WEEKLY;INTERVAL=") else { return vec![start.as_second()] };
    let (weeks, until) = rule.split_once(";UNTIL=").unwrap();
    let until = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", until).unwrap();
    let until = until.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    let step = jiff::Span::new().weeks(weeks.parse::<i64>().unwrap());
    let later = std::iter::successors(Some(zoned), |at| at.checked_add(step).ok());
    later.map(|at| at.timestamp()).take_while(|at| *at <= until).map(jiff::Timestamp::as_second).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn meetings_are_those_of_a_walk_through_the_days(case in case()) {
        let rule = rule_of(&case, "");
        let plan = planned(&case, &rule);
        let found: BTreeSet<_> = plan.meetings.iter().map(|meeting| (meeting.lesson, meeting.start.as_second())).collect();
        prop_assert_eq!(found.len(), plan.meetings.len(), "none twice");
        prop_assert_eq!(&found, &naive(&case));
        let left = plan.left.holidays.values().chain(plan.left.displaced.values()).sum::<usize>();
        let moved = plan.meetings.iter().filter(|meeting| meeting.moved_from.is_some()).count();
        let slots: usize = plan.lessons.iter().map(|lesson| lesson.slots.len()).sum();
        prop_assert!(plan.meetings.len() - moved + left <= slots, "a slot is held on its day, or left, or moved");
        prop_assert!(plan.meetings.len() + left >= slots, "nothing is dropped silently");
    }

    #[test]
    fn series_hold_the_same_meetings(case in case()) {
        let rule = rule_of(&case, "recurrence = \"{recurrence}\"\nn = \"{n}\"\n");
        let table = planned(&case, &rule).table("t.csv", &rule).unwrap();
        let mut found = BTreeSet::new();
        for row in &table.rows {
            for at in instants(&row[2], &row[3]) {
                prop_assert!(found.insert((row[4].parse::<usize>().unwrap(), at)), "none twice");
            }
        }
        prop_assert_eq!(found, naive(&case));
        let ids: BTreeSet<_> = table.rows.iter().map(|row| &row[0]).collect();
        prop_assert_eq!(ids.len(), table.rows.len());
    }
}
