//! Logs: to standard error, for people or for programs, at a level per module.

mod json;
mod line;

use std::io::IsTerminal;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::screen::Screen;
use crate::telemetry;

/// The AMQP client.
const LAPIN: &str = "lapin";
/// Where the client logs messages that came back, with their bodies.
const RETURNED: &str = "lapin::returned_messages";

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("expected text or json, got {text:?}")),
        }
    }
}

/// What is logged: a level, or `paceline::module=level` parts joined by commas.
///
/// Other crates are kept at warnings: their debug lines hold URLs, and WeCom's access token stands in the URL. The AMQP
/// client is silent until somebody debugs or names it: it calls a lost connection an error a dozen times over, where
/// `broker::link` says it once and mends it. Its debug lines hold whole messages, and are never shown.
#[derive(Clone, Debug)]
pub(super) struct Filter(Targets);

impl Filter {
    /// A level for all of Paceline.
    pub(super) fn at(level: LevelFilter) -> Self {
        let quiet = level.min(LevelFilter::WARN);
        let targets = Targets::new().with_default(quiet).with_target("paceline", level);
        let client = if level >= LevelFilter::DEBUG { quiet } else { LevelFilter::OFF };
        Self(targets.with_target(LAPIN, client).with_target(RETURNED, LevelFilter::OFF))
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut targets = Self::at(LevelFilter::WARN).0;
        for part in text.split(',').map(str::trim) {
            let expected = || {
                format!(
                    "expected off, error, warn, info, debug, trace, paceline::module=level or lapin=level (info at most), got {part:?}"
                )
            };
            match part.split_once('=') {
                None => targets = Self::at(level(part).ok_or_else(expected)?).0,
                Some((target, name)) if is_within(target, "paceline") => {
                    let level = level(name).ok_or_else(expected)?;
                    targets = targets.with_target(in_crate(target), level).with_target(target, level);
                }
                Some((target, name)) if is_within(target, LAPIN) && !is_within(target, RETURNED) => {
                    let level = level(name).filter(|level| *level <= LevelFilter::INFO).ok_or_else(expected)?;
                    targets = targets.with_target(target, level);
                }
                Some(_) => return Err(expected()),
            }
        }
        Ok(Self(targets))
    }
}

/// The same module where it is a crate: people name one as the other, `paceline::engine` for `paceline_engine`, and
/// `paceline::broker` was once the name of `paceline_amqp`.
fn in_crate(target: &str) -> String {
    target.replacen("::", "_", 1).replacen("paceline_broker", "paceline_amqp", 1)
}

fn is_within(target: &str, module: &str) -> bool {
    target.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn level(name: &str) -> Option<LevelFilter> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    name.parse().ok().filter(|_| is_name)
}

/// Starts logging to standard error; as text with colours only on a terminal and without `NO_COLOR`.
/// Lines come out above the progress that `screen` may show.
pub(super) fn start(filter: Filter, format: Format, no_color: bool, screen: &Screen) {
    let with_colours = std::io::stderr().is_terminal() && !no_color;
    let screen = screen.clone();
    let is_coloured = with_colours && format == Format::Text;
    let writer = move || line::Line { screen: screen.clone(), is_coloured };
    // A terminal that has gone must not end the worker in the middle of a call: what cannot be logged is not.
    let lines = match format {
        Format::Text => tracing_subscriber::fmt::layer()
            .with_writer(writer)
            .with_ansi(with_colours)
            .log_internal_errors(false)
            .boxed(),
        Format::Json => json::Json::new(writer).boxed(),
    };
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter.0)).with(telemetry::layer()).try_init();
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn other_crates_stay_quiet() {
        let filter: Filter = "trace".parse().unwrap();
        assert!(filter.0.would_enable("paceline::engine", &Level::TRACE));
        assert!(filter.0.would_enable("hyper", &Level::WARN));
        assert!(!filter.0.would_enable("hyper", &Level::INFO));
        assert!(filter.0.would_enable("lapin::channel", &Level::WARN));
        assert!(!filter.0.would_enable("lapin::channel", &Level::INFO));
        assert!(!filter.0.would_enable("lapin::returned_messages", &Level::ERROR), "it would show bodies");
        let filter: Filter = "off".parse().unwrap();
        assert!(!filter.0.would_enable("hyper", &Level::ERROR));
    }

    #[test]
    fn the_amqp_client_speaks_when_asked() {
        for (text, loudest) in [
            ("warn", None),
            ("info", None),
            ("info,paceline::broker=trace", None),
            ("debug", Some(Level::WARN)),
            ("info,lapin=error", Some(Level::ERROR)),
            ("lapin=info", Some(Level::INFO)),
            ("lapin::io_loop=warn,debug,lapin=off", None),
        ] {
            let filter: Filter = text.parse().unwrap();
            let enabled = |level: &Level| filter.0.would_enable("lapin::io_loop", level);
            let all = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
            assert_eq!(all.into_iter().rfind(enabled), loudest, "{text}");
            assert!(!filter.0.would_enable("lapin::returned_messages", &Level::ERROR), "{text}: it would show bodies");
        }
    }

    #[test]
    fn modules_have_their_own_level() {
        let filter: Filter = "info,paceline::broker=debug".parse().unwrap();
        assert!(filter.0.would_enable("paceline_amqp::intake", &Level::DEBUG));
        assert!(!filter.0.would_enable("paceline::engine", &Level::DEBUG));
        assert!(filter.0.would_enable("paceline_engine::runtime", &Level::INFO));
        let filter: Filter = "paceline::broker=debug".parse().unwrap();
        assert!(filter.0.would_enable("paceline_amqp::intake", &Level::DEBUG), "the name of before is known");
        let filter: Filter = "paceline::engine=debug".parse().unwrap();
        assert!(filter.0.would_enable("paceline_engine::runtime", &Level::DEBUG), "a crate is named as a module, too");
        assert!(!filter.0.would_enable("paceline_simulator::world", &Level::DEBUG));
    }

    #[test]
    fn what_is_no_level_is_refused() {
        for text in [
            "",
            "loud",
            "hyper=trace",
            "paceline=loud",
            "paceline=",
            "4",
            "info,,",
            "lapin=debug",
            "lapin=trace",
            "lapinette=warn",
            "lapin::returned_messages=warn",
        ] {
            assert!(text.parse::<Filter>().is_err(), "{text}");
        }
    }
}
