//! Logs: to standard error, for people, at a level per module.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged: a level, or `paceline::module=level` parts joined by commas.
///
/// Other crates are kept at warnings: their debug lines hold URLs, and WeCom's access token stands in the URL. Messages
/// that the broker returned are not logged by its client, which would show their bodies.
#[derive(Clone, Debug)]
pub struct Filter(Targets);

impl Filter {
    /// A level for all of Paceline.
    pub fn at(level: LevelFilter) -> Self {
        let others = Targets::new().with_default(level.min(LevelFilter::WARN));
        Self(others.with_target("lapin::returned_messages", LevelFilter::OFF).with_target("paceline", level))
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut targets = Self::at(LevelFilter::WARN).0;
        for part in text.split(',').map(str::trim) {
            let expected =
                || format!("expected off, error, warn, info, debug, trace or paceline::module=level, got {part:?}");
            match part.split_once('=') {
                None => targets = Self::at(level(part).ok_or_else(expected)?).0,
                Some((target, name)) if target == "paceline" || target.starts_with("paceline::") => {
                    targets = targets.with_target(target, level(name).ok_or_else(expected)?);
                }
                Some(_) => return Err(expected()),
            }
        }
        Ok(Self(targets))
    }
}

fn level(name: &str) -> Option<LevelFilter> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    name.parse().ok().filter(|_| is_name)
}

/// Starts logging to standard error; with colours only on a terminal and without `NO_COLOR`.
pub fn start(filter: Filter, no_color: bool) {
    let with_colours = std::io::stderr().is_terminal() && !no_color;
    // A terminal that has gone must not end the worker in the middle of a call: what cannot be logged is not.
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(with_colours)
        .log_internal_errors(false);
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry().with(filter.0).with(lines).try_init();
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
        assert!(!filter.0.would_enable("lapin::returned_messages", &Level::ERROR), "it would show bodies");
        let filter: Filter = "off".parse().unwrap();
        assert!(!filter.0.would_enable("hyper", &Level::ERROR));
    }

    #[test]
    fn modules_have_their_own_level() {
        let filter: Filter = "info,paceline::broker=debug".parse().unwrap();
        assert!(filter.0.would_enable("paceline::broker::intake", &Level::DEBUG));
        assert!(!filter.0.would_enable("paceline::engine", &Level::DEBUG));
    }

    #[test]
    fn what_is_no_level_is_refused() {
        for text in ["", "loud", "hyper=trace", "paceline=loud", "paceline=", "4", "info,,"] {
            assert!(text.parse::<Filter>().is_err(), "{text}");
        }
    }
}
