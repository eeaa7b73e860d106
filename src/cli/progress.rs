//! Progress of `run`: a line a lane and their sum on a terminal, plain lines every few seconds elsewhere.
//!
//! It is told how far the lanes are; where that is known from is not its business.

mod layout;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::domain::quota::Window;
use crate::domain::time::Mono;

use super::screen::Screen;
use super::table::plain;
use layout::{Row, Size, failed, frame};

/// How often plain lines are written.
const LINES_EVERY: Duration = Duration::from_secs(10);
/// How often a terminal is drawn at most.
const DRAWN_PER_S: u8 = 4;

/// How far a lane is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    /// `app/method`.
    pub name: String,
    /// Jobs that ended or are held.
    pub done: u64,
    /// Those of them that ended without success since the command began.
    pub dead: u64,
    /// Those of them that are parked for a person since then.
    pub held: u64,
    /// All its jobs.
    pub total: u64,
    /// The windows that it is under, as the worker keeps them, each with the permits that are taken now.
    pub windows: Vec<(Window, u64)>,
    /// The time that its jobs still take, if that is known.
    pub left: Option<Duration>,
    /// Why none of its calls leaves, if beside its quota something holds them back.
    pub stopped: Option<Stopped>,
}

/// What holds a lane back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Until somebody resumes it.
    Suspended {
        /// What the platform, or a person, said.
        why: String,
    },
    /// For a while.
    Paused {
        /// Until one call tries again.
        next_in: Duration,
        /// What the platform said.
        why: String,
    },
}

impl fmt::Display for Stopped {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspended { why } => write!(out, "suspended: {why}"),
            Self::Paused { next_in, why } => write!(out, "paused, next try in {}: {why}", duration(*next_in)),
        }
    }
}

impl Lane {
    const fn is_over(&self) -> bool {
        self.done >= self.total
    }

    /// What stands behind the counts.
    fn message(&self, rate_per_s: f64) -> String {
        let failed = failed(self.dead, self.held);
        if let Some(stopped) = &self.stopped {
            return plain(&format!("{stopped}{failed}"));
        }
        let left = self.left.map(|left| format!(", about {} left", duration(left))).unwrap_or_default();
        format!("{}, {}{left}{failed}", rate(rate_per_s), self.use_text())
    }

    /// The fullest window, which is the bottleneck, e.g. `12 of 20/min`.
    pub(super) fn use_text(&self) -> String {
        let share = |window: &Window, used: u64| used as f64 / f64::from(window.limit);
        let fullest =
            self.windows.iter().max_by(|(a, used_a), (b, used_b)| share(a, *used_a).total_cmp(&share(b, *used_b)));
        fullest.map_or_else(String::new, |(window, used)| format!("{used} of {window}"))
    }
}

/// Where progress is shown, and what is measured for it.
pub(super) struct Progress {
    shown: Shown,
    meter: Meter,
    began: Mono,
    /// How long finished lanes took; `None` for those that had nothing left from the start.
    took: BTreeMap<String, Option<Duration>>,
}

enum Shown {
    /// On a terminal: one text of several lines, drawn in place.
    Frame(ProgressBar, Screen),
    /// Elsewhere: when lines were written last.
    Lines(Mono),
}

impl Progress {
    /// Drawn in place on a terminal, lines elsewhere, both on standard error.
    pub(super) fn new(screen: &Screen, is_terminal: bool, now: Mono) -> Self {
        let shown = if is_terminal { Self::on(screen) } else { Shown::Lines(now) };
        Self { shown, meter: Meter::default(), began: now, took: BTreeMap::new() }
    }

    fn on(screen: &Screen) -> Shown {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(DRAWN_PER_S));
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        screen.keep_above(&bar);
        Shown::Frame(bar, screen.clone())
    }

    /// Shows where the lanes are; `err` takes plain lines.
    pub(super) fn show(&mut self, lanes: &[Lane], now: Mono, err: &mut dyn Write) -> std::io::Result<()> {
        for lane in lanes.iter().filter(|lane| lane.is_over()) {
            let is_known = self.meter.knows(lane);
            self.took.entry(lane.name.clone()).or_insert_with(|| is_known.then(|| now.since(self.began)));
        }
        // Rates are measured at every look, whether lines are due or not.
        let rates: Vec<_> = lanes.iter().map(|lane| self.meter.rate(lane, now)).collect();
        match &mut self.shown {
            Shown::Frame(bar, _) => {
                let took = |lane: &Lane| self.took.get(&lane.name).copied().flatten();
                let rows = lanes.iter().zip(&rates).map(|(lane, per_s)| Row { lane, per_s: *per_s, took: took(lane) });
                // Asked each time: a terminal's size changes.
                let (rows_of_it, columns) = Term::stderr().size();
                let size = Size { columns: columns.into(), rows: rows_of_it.into() };
                bar.set_message(frame(&rows.collect::<Vec<_>>(), size).join("\n"));
            }
            Shown::Lines(last) => {
                if now.since(*last) < LINES_EVERY {
                    return Ok(());
                }
                *last = now;
                for (lane, per_s) in lanes.iter().zip(rates) {
                    writeln!(err, "{}: {}/{}, {}", plain(&lane.name), lane.done, lane.total, lane.message(per_s))?;
                }
            }
        }
        Ok(())
    }

    /// Takes it away, before the summary.
    pub(super) fn finish(&self) {
        if let Shown::Frame(bar, screen) = &self.shown {
            screen.release();
            bar.finish_and_clear();
        }
    }
}

/// How many jobs a lane ended per second over the last minute.
#[derive(Debug, Default)]
pub(super) struct Meter {
    seen: BTreeMap<String, Vec<(Mono, u64)>>,
}

impl Meter {
    const SPAN: Duration = Duration::from_secs(60);

    /// Whether it was looked at before.
    fn knows(&self, lane: &Lane) -> bool {
        self.seen.contains_key(&lane.name)
    }

    fn rate(&mut self, lane: &Lane, now: Mono) -> f64 {
        let seen = self.seen.entry(lane.name.clone()).or_default();
        seen.push((now, lane.done));
        // One sample at least as old as the span is kept, so that the rate is over the whole of it.
        while seen.get(1).is_some_and(|(at, _)| now.since(*at) >= Self::SPAN) {
            seen.remove(0);
        }
        let Some((since, before)) = seen.first() else { return 0.0 };
        let elapsed = now.since(*since).as_secs_f64();
        if elapsed > 0.0 { lane.done.saturating_sub(*before) as f64 / elapsed } else { 0.0 }
    }
}

fn rate(per_s: f64) -> String {
    if per_s >= 2.0 { format!("{per_s:.0}/s") } else { format!("{:.0}/min", per_s * 60.0) }
}

/// A length of time for people: its two largest units.
pub(super) fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{} s", length.as_secs_f64().ceil()),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quota::Quota;

    fn lane(done: u64) -> Lane {
        let windows = ["20/min", "5/s"].map(|text| (text.parse::<Quota>().unwrap().windows()[0], 0));
        Lane {
            name: "acme/feishu.vc.room.create".to_owned(),
            done,
            dead: 0,
            held: 0,
            total: 200,
            windows: windows.into(),
            left: None,
            stopped: None,
        }
    }

    fn used(done: u64, minute: u64, second: u64) -> Lane {
        let mut lane = lane(done);
        (lane.windows[0].1, lane.windows[1].1) = (minute, second);
        lane
    }

    fn at(seconds: i64) -> Mono {
        Mono(seconds * 1_000_000)
    }

    #[test]
    fn plain_lines_come_every_ten_seconds() {
        let mut progress = Progress::new(&Screen::default(), false, at(0));
        let mut err = Vec::new();
        progress.show(&[lane(0)], at(9), &mut err).unwrap();
        assert!(err.is_empty());
        let left = Some(Duration::from_secs(540));
        progress.show(&[Lane { left, ..used(10, 10, 3) }], at(10), &mut err).unwrap();
        progress.show(&[lane(20)], at(19), &mut err).unwrap();
        let stopped = Some(Stopped::Suspended { why: "99991663\nno".to_owned() });
        progress.show(&[Lane { stopped, dead: 2, ..lane(30) }], at(20), &mut err).unwrap();
        let lines = String::from_utf8(err).unwrap();
        assert_eq!(
            lines,
            "acme/feishu.vc.room.create: 10/200, 10/s, 3 of 5/s, about 9 min 0 s left\n\
             acme/feishu.vc.room.create: 30/200, suspended: 99991663<U+000A>no, 2 dead\n"
        );
    }

    #[test]
    fn rates_are_over_the_last_minute() {
        let mut meter = Meter::default();
        assert!(meter.rate(&lane(0), at(0)).abs() < f64::EPSILON);
        assert!((meter.rate(&lane(20), at(10)) - 2.0).abs() < 1e-9);
        assert!((meter.rate(&lane(20), at(60)) - 20.0 / 60.0).abs() < 1e-9);
        assert!(meter.rate(&lane(20), at(70)).abs() < 1e-9, "nothing ended since the tenth second");
    }

    #[test]
    fn lengths_of_time_have_two_units() {
        let texts = [0.0, 0.2, 59.0, 60.0, 3_599.0, 3_600.0, 90_000.0]
            .map(|seconds| duration(Duration::from_secs_f64(seconds)));
        assert_eq!(texts, ["0 s", "1 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "1 d 1 h"]);
    }
}
