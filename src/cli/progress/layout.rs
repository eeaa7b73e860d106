//! What progress looks like on a terminal of a given size: lines that are never wider than it, each with the time left.
//!
//! Where room is short, the bars go first, then the middle of names, then counts and rates; the time left stays.

use std::time::Duration;

use unicode_width::UnicodeWidthStr as _;

use super::{Lane, Stopped, duration, rate};
use crate::cli::table::{cut, plain, shorten};

/// A name is not shortened further while anything else can go.
const NAME_MIN: usize = 12;
/// The widest and the narrowest bar.
const BAR_MAX: usize = 20;
const BAR_MIN: usize = 8;
/// What is said behind the figures is left out where there is less room.
const REST_MIN: usize = 8;
/// Between two columns.
const GAP: usize = 2;

/// A lane, and what was measured of it.
pub(super) struct Row<'l> {
    pub lane: &'l Lane,
    pub per_s: f64,
    /// How long it took, once all its jobs have ended.
    pub took: Option<Duration>,
}

/// A terminal's size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// One line of figures.
struct Figures {
    name: String,
    counts: String,
    left: String,
    rate: String,
    /// What else there is to say; cut where the line ends.
    rest: String,
    done: u64,
    total: u64,
}

/// How wide each column is; what is not shown has none.
struct Widths {
    name: usize,
    bar: Option<usize>,
    counts: Option<usize>,
    left: usize,
    rate: Option<usize>,
}

/// All lines, finished lanes first, the sum of all lanes last.
pub(super) fn frame(rows: &[Row<'_>], size: Size) -> Vec<String> {
    let (over, under_way): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.lane.is_over());
    // The last line of a terminal stays free, and the sum takes one.
    let room = size.rows.saturating_sub(2).max(1);
    let mut finished: Vec<_> = over.iter().map(|row| finished_line(row, size.columns)).collect();
    if finished.len() > 1 && finished.len() + under_way.len() > room {
        finished = vec![all_finished(&over, size.columns)];
    }
    let shown = match room.saturating_sub(finished.len()) {
        room if under_way.len() <= room => under_way.len(),
        room => room.saturating_sub(1),
    };
    let mut figures: Vec<_> = under_way.iter().take(shown).map(|row| figures_of(row)).collect();
    figures.push(sum_of(rows));
    let widths = Widths::of(&figures, size.columns);
    let mut lines: Vec<_> = figures.iter().map(|figures| widths.line(figures, size.columns)).collect();
    let sum = lines.pop();
    if shown < under_way.len() {
        lines.push(cut(&format!("  … {} more lanes", under_way.len() - shown), size.columns));
    }
    finished.into_iter().chain(lines).chain(sum).collect()
}

fn finished_line(row: &Row<'_>, columns: usize) -> String {
    let Lane { name, dead, held, total, .. } = row.lane;
    let sign = if dead + held == 0 { '✓' } else { '!' };
    let took = row.took.map(|took| format!(" in {}", duration(took))).unwrap_or_default();
    let end = format!("  {total} done{took}{}", failed(*dead, *held));
    let room = columns.saturating_sub(end.width() + GAP).max(NAME_MIN);
    cut(&format!("{sign} {}{end}", shorten(&plain(name), room)), columns)
}

fn all_finished(rows: &[&Row<'_>], columns: usize) -> String {
    let sum = |count: fn(&Lane) -> u64| rows.iter().map(|row| count(row.lane)).sum::<u64>();
    let (dead, held) = (sum(|lane| lane.dead), sum(|lane| lane.held));
    let sign = if dead + held == 0 { '✓' } else { '!' };
    let failed = failed(dead, held);
    cut(&format!("{sign} {} lanes: {} done{failed}", rows.len(), sum(|lane| lane.total)), columns)
}

/// `, 3 dead, 1 held`.
pub(super) fn failed(dead: u64, held: u64) -> String {
    let part = |count: u64, state: &str| if count == 0 { String::new() } else { format!(", {count} {state}") };
    part(dead, "dead") + &part(held, "held")
}

fn figures_of(row: &Row<'_>) -> Figures {
    let lane = row.lane;
    let left = match (&lane.stopped, lane.left) {
        (Some(Stopped::Suspended { .. }), _) => "suspended".to_owned(),
        (_, Some(left)) => left_text(left),
        (_, None) => "time unknown".to_owned(),
    };
    let failed = failed(lane.dead, lane.held);
    let failed = failed.trim_start_matches(", ");
    let why = lane.stopped.as_ref().map(ToString::to_string);
    let parts = [why.as_deref(), Some(failed), Some(&*lane.use_text())].map(|part| part.unwrap_or_default().to_owned());
    let said: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Figures {
        name: plain(&lane.name),
        counts: format!("{}/{}", lane.done, lane.total),
        left,
        rate: rate(row.per_s),
        rest: plain(&said.join(", ")),
        done: lane.done,
        total: lane.total,
    }
}

/// All lanes together: as long as the longest of those that go on.
fn sum_of(rows: &[Row<'_>]) -> Figures {
    let sum = |count: fn(&Lane) -> u64| rows.iter().map(|row| count(row.lane)).sum::<u64>();
    let (done, total) = (sum(|lane| lane.done), sum(|lane| lane.total));
    let is_suspended = |lane: &Lane| matches!(lane.stopped, Some(Stopped::Suspended { .. })) && !lane.is_over();
    let suspended: u64 =
        rows.iter().filter(|row| is_suspended(row.lane)).map(|row| row.lane.total - row.lane.done).sum();
    let going = rows.iter().filter(|row| !is_suspended(row.lane) && !row.lane.is_over());
    let left = match going.map(|row| row.lane.left).collect::<Option<Vec<_>>>() {
        None => "time unknown".to_owned(),
        Some(left) if left.is_empty() && suspended > 0 => "suspended".to_owned(),
        Some(left) => left_text(left.into_iter().max().unwrap_or_default()),
    };
    let failed = failed(sum(|lane| lane.dead), sum(|lane| lane.held));
    let waiting = if suspended == 0 { String::new() } else { format!(", {suspended} suspended") };
    Figures {
        name: "all".to_owned(),
        counts: format!("{done}/{total}"),
        left,
        rate: rate(rows.iter().map(|row| row.per_s).sum()),
        rest: format!("{failed}{waiting}").trim_start_matches(", ").to_owned(),
        done,
        total,
    }
}

fn left_text(left: Duration) -> String {
    format!("{} left", duration(left))
}

impl Widths {
    fn of(figures: &[Figures], columns: usize) -> Self {
        let widest = |text: fn(&Figures) -> &str| figures.iter().map(|it| text(it).width()).max().unwrap_or_default();
        let name = widest(|it| &it.name);
        let mut widths = Self {
            name,
            bar: None,
            counts: Some(widest(|it| &it.counts)),
            left: widest(|it| &it.left),
            rate: Some(widest(|it| &it.rate)),
        };
        widths.narrow_name(columns, name.min(NAME_MIN));
        if widths.needed() > columns {
            widths.counts = None;
        }
        if widths.needed() > columns {
            widths.rate = None;
        }
        widths.narrow_name(columns, 0);
        let rest = widest(|it| &it.rest);
        let free = columns.saturating_sub(widths.needed() + if rest == 0 { 0 } else { rest + GAP });
        widths.bar = (free >= BAR_MIN + GAP).then(|| (free - GAP).min(BAR_MAX));
        widths
    }

    /// Takes what is too much from the name, as long as `least` is left.
    fn narrow_name(&mut self, columns: usize, least: usize) {
        let over = self.needed().saturating_sub(columns);
        self.name = self.name.saturating_sub(over).max(least.min(self.name));
    }

    fn needed(&self) -> usize {
        let others = [self.bar, self.counts, self.rate].into_iter().flatten();
        GAP + self.name + GAP + self.left + others.map(|width| GAP + width).sum::<usize>()
    }

    fn line(&self, figures: &Figures, columns: usize) -> String {
        let right = |text: &str, width: usize| format!("{}{text}", " ".repeat(width.saturating_sub(text.width())));
        let name = shorten(&figures.name, self.name);
        let mut line = format!("{}{name}{}", " ".repeat(GAP), " ".repeat(self.name.saturating_sub(name.width())));
        if let Some(width) = self.bar {
            add(&mut line, &bar(figures.done, figures.total, width));
        }
        if let Some(width) = self.counts {
            add(&mut line, &right(&figures.counts, width));
        }
        add(&mut line, &right(&figures.left, self.left));
        if let Some(width) = self.rate {
            add(&mut line, &right(&figures.rate, width));
        }
        // Half a word after it would only be in the way of the rate.
        let room = columns.saturating_sub(line.width() + GAP);
        if room >= REST_MIN {
            add(&mut line, &cut(&figures.rest, room));
        }
        cut(line.trim_end(), columns)
    }
}

fn add(line: &mut String, cell: &str) {
    line.push_str(&" ".repeat(GAP));
    line.push_str(cell);
}

fn bar(done: u64, total: u64, width: usize) -> String {
    let share = if total == 0 { 1.0 } else { (done as f64 / total as f64).min(1.0) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between nothing and a bar's width")]
    let full = (share * width as f64).floor() as usize;
    "█".repeat(full) + &"░".repeat(width - full)
}

#[cfg(test)]
mod tests;
