//! Meetings joined to series, as a weekly RRULE can say them: no exceptions, so a holiday ends one and begins the next.

use jiff::civil::{Date, Time, Weekday};

use crate::expand::Meeting;

/// Meetings at the same time every so many weeks; a single one, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    /// The first meeting, counted from 0 among those given.
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) count: usize,
    /// Weeks from one to the next; 0 of a single one.
    pub(crate) weeks: i32,
}

/// Joins the meetings of one lesson.
pub(crate) fn series(meetings: &[Meeting]) -> Vec<Series> {
    let weekday = |meeting: &Meeting| meeting.slot.start.date().weekday();
    let kind = |meeting: &Meeting| -> (i8, Time, Time) {
        let slot = meeting.slot;
        (Weekday::to_monday_zero_offset(weekday(meeting)), slot.start.time(), slot.end.time())
    };
    let day = |index: usize| -> Date { meetings[index].slot.start.date() };
    let mut order: Vec<usize> = (0..meetings.len()).collect();
    order.sort_by_key(|index| (kind(&meetings[*index]), meetings[*index].start));
    let mut found: Vec<Series> = Vec::new();
    for index in order {
        if let Some(open) = found.last_mut()
            && kind(&meetings[open.last]) == kind(&meetings[index])
        {
            let gap = (day(index) - day(open.last)).get_days() / 7;
            if gap > 0 && (open.weeks == 0 || open.weeks == gap) {
                *open = Series { first: open.first, last: index, count: open.count + 1, weeks: gap };
                continue;
            }
        }
        found.push(Series { first: index, last: index, count: 1, weeks: 0 });
    }
    found.sort_by_key(|series| meetings[series.first].start);
    found
}
