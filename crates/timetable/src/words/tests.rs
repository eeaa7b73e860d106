use jiff::civil::time;

use super::*;

fn one(text: &str) -> When {
    let mut when = When::default();
    read(text, Unit::None, &mut when).unwrap_or_else(|rest| panic!("{text}: {rest}"));
    when
}

fn in_column(text: &str, unit: Unit) -> Result<When, String> {
    let mut when = When::default();
    read(text, unit, &mut when).map(|()| when)
}

#[test]
fn one_lesson_is_written_in_many_ways() {
    let expected = When {
        days: vec![Weekday::Tuesday],
        weeks: vec![(vec![1..=16], Some(Parity::Odd))],
        sections: vec![3..=4],
        ..When::default()
    };
    for text in [
        "周二第3-4节{1-16周(单)}",
        "周二 3-4节 1-16周 单周",
        "星期二第3-4节{第1-16周|单周}",
        "1－16周（单）礼拜二３－４节",
        "第1周至第16周单周 周二 第3节-第4节",
        "1-16(单周) 周二 3~4节课",
        "1-16单周周二3-4节",
        "Tue sections 3-4, weeks 1–16, odd weeks",
        "weeks 1–16, odd, Tuesday, sections 3–4",
        "1-16 odd weeks; Tues 3-4 periods",
    ] {
        assert_eq!(one(text), expected, "{text}");
    }
    let odd_tuesday = one("单周二 3-4节");
    assert_eq!((odd_tuesday.parity, odd_tuesday.days), (Some(Parity::Odd), vec![Weekday::Tuesday]));
}

#[test]
fn columns_know_what_their_numbers_are() {
    assert_eq!(in_column("1-8,10、12-16", Unit::Weeks).unwrap().weeks, [(vec![1..=8, 10..=10, 12..=16], None)]);
    let two = in_column("1-8周(单),10-16周", Unit::Weeks).unwrap().weeks;
    assert_eq!(two, [(vec![1..=8], Some(Parity::Odd)), (vec![10..=16], None)]);
    let last = in_column("1-5、7-11单、12-16双", Unit::Weeks).unwrap().weeks;
    let (odd, even) = ((vec![7..=11], Some(Parity::Odd)), (vec![12..=16], Some(Parity::Even)));
    assert_eq!(last, [(vec![1..=5], None), odd, even], "a letter behind a range is said of it alone");
    let all = in_column("1-5,7-11(单周)", Unit::Weeks).unwrap().weeks;
    assert_eq!(all, [(vec![1..=5, 7..=11], Some(Parity::Odd))]);
    assert_eq!(in_column("3,4", Unit::Sections).unwrap().sections, [3..=3, 4..=4]);
    assert_eq!(in_column("第3-4节", Unit::Sections).unwrap().sections, [3..=4]);
    assert_eq!(in_column("二", Unit::Day).unwrap().days, [Weekday::Tuesday]);
    assert_eq!(in_column("2、7", Unit::Day).unwrap().days, [Weekday::Tuesday, Weekday::Sunday]);
    assert_eq!(in_column("星期天", Unit::Day).unwrap().days, [Weekday::Sunday]);
    assert_eq!(in_column("双", Unit::Parity).unwrap().parity, Some(Parity::Even));
    assert!(
        in_column("全周", Unit::Parity).unwrap().is_weekly && in_column("every week", Unit::Weeks).unwrap().is_weekly
    );
    let times = in_column("10：00～11:40", Unit::Sections).unwrap().times;
    assert_eq!(times, [(time(10, 0, 0, 0), time(11, 40, 0, 0))]);
    assert_eq!(weekday("Thursday"), Some(Weekday::Thursday));
    assert_eq!(weekday("周四"), Some(Weekday::Thursday));
    assert_eq!(span("08:00-08:45"), Some((time(8, 0, 0, 0), time(8, 45, 0, 0))));
}

#[test]
fn what_cannot_be_read_is_said_and_not_guessed() {
    for (text, unit, rest) in [
        ("16-1周", Unit::Weeks, "16-1周"),
        ("一至八周", Unit::Weeks, "一至八周"),
        ("3-4", Unit::None, "3-4"),
        ("周二下午", Unit::Day, "下午"),
        ("周一至周五", Unit::Day, "至周五"),
        ("8", Unit::Day, "8"),
        ("三四节", Unit::Sections, "三四节"),
        ("3-4 TBA", Unit::Sections, "tba"),
        ("11:40-10:00", Unit::None, "11:40-10:00"),
        ("25:00-26:00", Unit::None, "25:00-26:00"),
        ("99999周", Unit::Weeks, "99999周"),
        ("1-16周单周双周", Unit::Weeks, "双周"),
        ("t", Unit::Day, "t"),
    ] {
        assert_eq!(in_column(text, unit), Err(rest.to_owned()), "{text}");
    }
    for text in ["周", "Thursday to Friday", "1", ""] {
        assert_eq!(weekday(text).filter(|_| text != "1"), None, "{text}");
    }
}
