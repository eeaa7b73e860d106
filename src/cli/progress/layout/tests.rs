use proptest::prelude::*;

use super::*;
use crate::domain::quota::Quota;

fn lane(name: &str, done: u64, total: u64, left_s: u64) -> Lane {
    Lane {
        name: name.to_owned(),
        done,
        dead: 0,
        held: 0,
        total,
        windows: vec![("1000/min".parse::<Quota>().unwrap().windows()[0], 87)],
        left: Some(Duration::from_secs(left_s)),
        stopped: None,
    }
}

fn row(lane: &Lane) -> Row<'_> {
    Row { lane, per_s: 16.7, took: lane.is_over().then_some(Duration::from_secs(3)) }
}

fn drawn(lanes: &[Lane], columns: usize, rows: usize) -> String {
    let rows_of: Vec<_> = lanes.iter().map(row).collect();
    frame(&rows_of, Size { columns, rows }).join("\n")
}

fn campus() -> [Lane; 3] {
    let mut done = lane("campus/feishu.vc.room.create", 120, 120, 0);
    done.dead = 2;
    let why = "rate-limited by the platform: 99991400 request trigger frequency limit".to_owned();
    let stopped = Some(Stopped::Paused { next_in: Duration::from_secs(7), why });
    let paused = Lane { stopped, held: 1, ..lane("campus/feishu.calendar.event.create", 340, 1_000, 540) };
    [done, lane("campus/wecom.meeting.create", 12, 3_000, 5_400), paused]
}

#[test]
fn a_usual_terminal_has_rate_and_time_left() {
    insta::assert_snapshot!(drawn(&campus(), 80, 24), @r"
    ! campus/feishu.vc.room.create  120 done in 3 s, 2 dead
      campus/wecom.meeting.create           12/3000  1 h 30 min left  17/s  87 of 1…
      campus/feishu.calendar.event.create  340/1000   9 min 0 s left  17/s  paused,…
      all                                  472/4120  1 h 30 min left  50/s  2 dead,…
    ");
}

#[test]
fn a_wide_one_has_bars() {
    insta::assert_snapshot!(drawn(&campus(), 120, 34), @r"
    ! campus/feishu.vc.room.create  120 done in 3 s, 2 dead
      campus/wecom.meeting.create           12/3000  1 h 30 min left  17/s  87 of 1000/min
      campus/feishu.calendar.event.create  340/1000   9 min 0 s left  17/s  paused, next try in 7 s: rate-limited by the pl…
      all                                  472/4120  1 h 30 min left  50/s  2 dead, 1 held
    ");
}

#[test]
fn a_narrow_one_keeps_the_time_left() {
    insta::assert_snapshot!(drawn(&campus(), 60, 24), @r"
    ! campus/feishu.vc.room.create  120 done in 3 s, 2 dead
      campus/wecom…eting.create   12/3000  1 h 30 min left  17/s
      campus/feish…event.create  340/1000   9 min 0 s left  17/s
      all                        472/4120  1 h 30 min left  50/s
    ");
    insta::assert_snapshot!(drawn(&campus(), 30, 24), @r"
    ! campu…create  120 done in 3…
      campu…reate  1 h 30 min left
      campu…reate   9 min 0 s left
      all          1 h 30 min left
    ");
}

#[test]
fn a_low_one_counts_what_it_has_no_room_for() {
    let many: Vec<_> = (0..9).map(|n| lane(&format!("a/b.{n}"), if n < 4 { 9 } else { n }, 9, 60)).collect();
    insta::assert_snapshot!(drawn(&many, 80, 6), @r"
    ✓ 4 lanes: 36 done
      a/b.4  ████████░░░░░░░░░░░░    4/9  1 min 0 s left   17/s  87 of 1000/min
      a/b.5  ███████████░░░░░░░░░    5/9  1 min 0 s left   17/s  87 of 1000/min
      … 3 more lanes
      all    ████████████████░░░░  66/81  1 min 0 s left  150/s
    ");
}

#[test]
fn suspended_jobs_do_not_count_for_the_time_left() {
    let stopped = Some(Stopped::Suspended { why: "10015 app secret wrong".to_owned() });
    let suspended = Lane { stopped, left: None, ..lane("a/b.c", 0, 135, 0) };
    insta::assert_snapshot!(drawn(&[suspended.clone(), lane("a/b.d", 1, 9, 30)], 80, 24), @r"
    a/b.c  0/135  suspended  17/s  suspended: 10015 app secret wrong, 87 of 1000/…
    a/b.d    1/9  30 s left  17/s  87 of 1000/min
    all    1/144  30 s left  33/s  135 suspended
    ");
    insta::assert_snapshot!(drawn(&[suspended], 80, 24), @r"
    a/b.c  0/135  suspended  17/s  suspended: 10015 app secret wrong, 87 of 1000/…
    all    0/135  suspended  17/s  135 suspended
    ");
}

fn any_lane() -> impl Strategy<Value = Lane> {
    let stopped = prop_oneof![
        Just(None),
        "\\PC{0,90}".prop_map(|why| Some(Stopped::Suspended { why })),
        ("\\PC{0,90}", 0_u64..9_999)
            .prop_map(|(why, s)| Some(Stopped::Paused { next_in: Duration::from_secs(s), why })),
    ];
    ("[a-zA-Z0-9._/-]{1,60}|[会议室a]{1,40}", 0_u64..=40_000, 0_u64..40_000, 0_u64..400_000, stopped).prop_map(
        |(name, done, more, left, stopped)| Lane { stopped, dead: done / 9, ..lane(&name, done, done + more, left) },
    )
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal_and_each_has_the_time_left(
        lanes in prop::collection::vec(any_lane(), 0..12), columns in 20_usize..200, rows in 5_usize..40,
    ) {
        let rows_of: Vec<_> = lanes.iter().map(row).collect();
        let lines = frame(&rows_of, Size { columns, rows });
        prop_assert!(lines.len() < rows, "{lines:#?}");
        for line in &lines {
            prop_assert!(line.width() <= columns, "{} > {columns}: {line:?}", line.width());
        }
        let sum = lines.last().unwrap();
        prop_assert!(sum.contains(" left") || sum.contains("suspended"), "{sum}");
        for lane in lanes.iter().filter(|lane| !lane.is_over()) {
            let known = lane.left.map(left_text).filter(|_| !matches!(lane.stopped, Some(Stopped::Suspended { .. })));
            let text = known.unwrap_or_else(|| "suspended".to_owned());
            let more = lines.iter().any(|line| line.starts_with("  … "));
            prop_assert!(more || lines.iter().any(|line| line.contains(&text)), "{text} in {lines:#?}");
        }
    }
}
