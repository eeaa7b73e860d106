//! What `expand` says of a timetable, in English and in Chinese.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::domain::messages::Language;
use crate::operations::expand::Expanded;

/// Days that a line of the summary shows.
const DAYS_SHOWN_MAX: usize = 5;

/// What stands before a warning.
pub(super) const fn warning(language: Language) -> &'static str {
    match language {
        Language::English => "warning: ",
        Language::Chinese => "警告：",
    }
}

/// That warnings count as faults.
pub(super) const fn strict(language: Language) -> &'static str {
    match language {
        Language::English => "nothing was written: --strict treats warnings as faults",
        Language::Chinese => "没有写出任何内容：--strict 把警告当作错误",
    }
}

/// How many faults there are.
pub(super) fn faults(count: usize, language: Language) -> String {
    match language {
        Language::English => format!("nothing was written: {} to correct", counted(count, "fault")),
        Language::Chinese => format!("没有写出任何内容：有 {count} 处错误要改"),
    }
}

/// What comes next.
pub(super) fn hint(output: &str, language: Language) -> String {
    match language {
        Language::English => format!("hint: paceline validate {output}, then paceline run {output}"),
        Language::Chinese => format!("提示：先 paceline validate {output}，再 paceline run {output}"),
    }
}

/// What became of the lessons, a line each.
pub(super) fn summary(name: &str, method: &str, expanded: &Expanded, language: Language) -> Vec<String> {
    let plan = &expanded.plan;
    let is_english = language == Language::English;
    let days = plan.meetings.iter().map(|meeting| meeting.slot.start.date());
    let span = days.clone().min().zip(days.max());
    let (lessons, meetings, rows) = (plan.lessons.len(), plan.meetings.len(), expanded.table.rows.len());
    let mut lines = vec![if is_english {
        let span = span.map_or_else(String::new, |(first, last)| format!(", {first} to {last}"));
        format!("{name}: {}, {}{span}", counted(lessons, "lesson"), counted(meetings, "meeting"))
    } else {
        let span = span.map_or_else(String::new, |(first, last)| format!("，{first} 至 {last}"));
        format!("{name}：{lessons} 条课程，{meetings} 次会议{span}")
    }];
    let moved = plan.meetings.iter().filter(|meeting| meeting.moved_from.is_some()).count();
    if moved > 0 {
        lines.push(if is_english {
            format!("{} on make-up days", counted(moved, "meeting"))
        } else {
            format!("{moved} 次在补课日")
        });
    }
    let left = &plan.left;
    for (what, what_zh, days) in [
        ("on holidays that nothing makes up for", "在没有补课的假日", &left.holidays),
        ("on days that have another day's lessons", "当天改上别的日子的课", &left.displaced),
        ("outside the term", "在学期之外", &left.outside),
    ] {
        let count: usize = days.values().sum();
        if count > 0 {
            lines.push(if is_english {
                format!("{} not held, {what}: {}", counted(count, "meeting"), shown(days, language))
            } else {
                format!("{count} 次不举行，{what_zh}：{}", shown(days, language))
            });
        }
    }
    lines.push(if is_english {
        format!("{} of jobs for {method}", counted(rows, "row"))
    } else {
        format!("{rows} 行任务，接口 {method}")
    });
    lines
}

fn shown<D: Display>(days: &BTreeMap<D, usize>, language: Language) -> String {
    let day = |(day, count): (&D, &usize)| match language {
        Language::English => format!("{day} ({count})"),
        Language::Chinese => format!("{day}（{count} 次）"),
    };
    let mut shown: Vec<_> = days.iter().take(DAYS_SHOWN_MAX).map(day).collect();
    let more = days.len().saturating_sub(DAYS_SHOWN_MAX);
    if more > 0 {
        shown.push(match language {
            Language::English => format!("and {more} more days"),
            Language::Chinese => format!("另有 {more} 天"),
        });
    }
    shown.join(if language == Language::English { ", " } else { "、" })
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
