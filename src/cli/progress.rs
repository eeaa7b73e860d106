//! Progress of `run`: one bar a lane on a terminal, plain lines every few seconds elsewhere.
//!
//! It is told how far the lanes are; where that is known from is not its business.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use unicode_width::UnicodeWidthStr as _;

use crate::domain::quota::Window;
use crate::domain::time::Mono;

use super::table::{cut, plain};

/// How often plain lines are written.
const LINES_EVERY: Duration = Duration::from_secs(10);
/// The widest name of a lane in front of a bar, in columns.
const NAME_COLUMNS_MAX: usize = 48;

/// How far a lane is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// `app/method`.
    pub name: String,
    /// Jobs that ended or are held.
    pub done: u64,
    /// All its jobs.
    pub total: u64,
    /// The windows that it is under, as the worker keeps them, each with the permits that are taken now.
    pub windows: Vec<(Window, u64)>,
    /// The time that its jobs still take, if that is known.
    pub left: Option<Duration>,
    /// Why it stands still, if it does.
    pub stopped: Option<String>,
}

impl Lane {
    /// What stands behind the counts.
    fn message(&self, rate_per_s: f64) -> String {
        if let Some(why) = &self.stopped {
            return format!("stopped: {}", plain(why));
        }
        let left = self.left.map(|left| format!(", about {} left", duration(left))).unwrap_or_default();
        format!("{}, {}{left}", rate(rate_per_s), self.use_text())
    }

    /// The fullest window, which is the one that decides, e.g. `12 of 20/min`.
    pub fn use_text(&self) -> String {
        let share = |window: &Window, used: u64| used as f64 / f64::from(window.limit);
        let fullest =
            self.windows.iter().max_by(|(a, used_a), (b, used_b)| share(a, *used_a).total_cmp(&share(b, *used_b)));
        fullest.map_or_else(String::new, |(window, used)| format!("{used} of {window}"))
    }
}

/// Where progress is shown.
pub enum Progress {
    /// On a terminal.
    Bars {
        /// All bars.
        all: MultiProgress,
        /// By the lane's name.
        bars: BTreeMap<String, ProgressBar>,
        /// For the rates.
        meter: Meter,
    },
    /// Elsewhere.
    Lines {
        /// When lines were written last.
        last: Mono,
        /// For the rates.
        meter: Meter,
    },
}

impl Progress {
    /// Bars on a terminal, lines elsewhere, both on standard error.
    pub fn new(is_terminal: bool, now: Mono) -> Self {
        let meter = Meter::default();
        if is_terminal {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(4));
            Self::Bars { all, bars: BTreeMap::new(), meter }
        } else {
            Self::Lines { last: now, meter }
        }
    }

    /// Shows where the lanes are; `err` takes plain lines.
    pub fn show(&mut self, lanes: &[Lane], now: Mono, err: &mut dyn Write) -> std::io::Result<()> {
        match self {
            Self::Bars { all, bars, meter } => {
                let columns =
                    lanes.iter().map(|lane| plain(&lane.name).width()).max().unwrap_or(0).min(NAME_COLUMNS_MAX);
                for lane in lanes {
                    let bar = bars.entry(lane.name.clone()).or_insert_with(|| all.add(new_bar(lane, columns)));
                    bar.set_length(lane.total);
                    bar.set_position(lane.done);
                    bar.set_message(lane.message(meter.rate(lane, now)));
                }
            }
            Self::Lines { last, meter } => {
                // Rates are measured at every look, whether lines are due or not.
                let due: Vec<_> = lanes.iter().map(|lane| (lane, lane.message(meter.rate(lane, now)))).collect();
                if now.since(*last) < LINES_EVERY {
                    return Ok(());
                }
                *last = now;
                for (lane, message) in due {
                    writeln!(err, "{}: {}/{}, {message}", plain(&lane.name), lane.done, lane.total)?;
                }
            }
        }
        Ok(())
    }

    /// Says something above the bars.
    pub fn say(&self, err: &mut dyn Write, message: &str) -> std::io::Result<()> {
        match self {
            Self::Bars { all, .. } => all.println(message),
            Self::Lines { .. } => writeln!(err, "{message}"),
        }
    }

    /// Takes the bars away, before the summary.
    pub fn finish(&self) {
        if let Self::Bars { all, .. } = self {
            // A terminal that is gone needs no clearing.
            let _ = all.clear();
        }
    }
}

/// A line never gets longer than the terminal is wide: a wrapped one could not be drawn over.
fn new_bar(lane: &Lane, columns: usize) -> ProgressBar {
    let bar = ProgressBar::hidden();
    bar.set_length(lane.total);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:20} {pos:>6}/{len}  {wide_msg}") {
        bar.set_style(style.progress_chars("█▌░"));
    }
    let name = cut(&plain(&lane.name), columns);
    let padding = columns.saturating_sub(name.width());
    bar.set_prefix(format!("{name}{}", " ".repeat(padding)));
    bar
}

/// How many jobs a lane ended per second over the last minute.
#[derive(Debug, Default)]
pub struct Meter {
    seen: BTreeMap<String, Vec<(Mono, u64)>>,
}

impl Meter {
    const SPAN: Duration = Duration::from_secs(60);

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
pub fn duration(length: Duration) -> String {
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
        let mut progress = Progress::new(false, at(0));
        let mut err = Vec::new();
        progress.show(&[lane(0)], at(9), &mut err).unwrap();
        assert!(err.is_empty());
        let left = Some(Duration::from_secs(540));
        progress.show(&[Lane { left, ..used(10, 10, 3) }], at(10), &mut err).unwrap();
        progress.show(&[lane(20)], at(19), &mut err).unwrap();
        progress.show(&[Lane { stopped: Some("99991663\nno".to_owned()), ..lane(30) }], at(20), &mut err).unwrap();
        let lines = String::from_utf8(err).unwrap();
        assert_eq!(
            lines,
            "acme/feishu.vc.room.create: 10/200, 10/s, 3 of 5/s, about 9 min 0 s left\n\
             acme/feishu.vc.room.create: 30/200, stopped: 99991663 no\n"
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
