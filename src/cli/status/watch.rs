//! `paceline status --watch`: the status again and again, in place on a terminal, one after the other elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use console::Term;

use crate::cli::context::Context;
use crate::cli::exit::{Exit, refuse};
use crate::cli::signals::Stop;
use crate::cli::table::cut;
use crate::domain::printable::lines;
use crate::domain::time::Timestamp;

use super::{Args, Status};

/// Shorter ones would read the ledger all the time.
const INTERVAL_MIN_S: f64 = 0.1;
/// A day: longer ones are no watching.
const INTERVAL_MAX_S: f64 = 86_400.0;

/// The other screen, without a cursor; and back to the one before, as it was.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";
/// To the first line; from here to the end of the line, of the screen.
const HOME: &[u8] = b"\x1b[H";
const CLEAR_LINE: &[u8] = b"\x1b[K";
const CLEAR_REST: &[u8] = b"\x1b[J";

/// Shows what `look` sees until a signal: 130.
pub(super) async fn watch(
    context: &mut Context,
    args: &Args,
    look: impl Fn(Timestamp) -> anyhow::Result<Status>,
) -> anyhow::Result<Exit> {
    if !(INTERVAL_MIN_S..=INTERVAL_MAX_S).contains(&args.interval) {
        let message =
            format!("--interval {} is not between {INTERVAL_MIN_S} and {INTERVAL_MAX_S} seconds", args.interval);
        return Err(refuse(message, ""));
    }
    let interval = Duration::from_secs_f64(args.interval);
    let mut signals = Stop::listen()?;
    let is_screen = std::io::stdout().is_terminal() && !args.json;
    if is_screen {
        context.out.raw().write_all(ENTER)?;
    }
    let ended = tokio::select! {
        ended = show(context, args, look, interval, is_screen) => ended,
        _ = signals.next() => Ok(()),
    };
    if is_screen {
        context.out.raw().write_all(LEAVE)?;
    }
    context.out.flush()?;
    ended.map(|()| Exit::Interrupted)
}

async fn show(
    context: &mut Context,
    args: &Args,
    look: impl Fn(Timestamp) -> anyhow::Result<Status>,
    interval: Duration,
    is_screen: bool,
) -> anyhow::Result<()> {
    loop {
        let (mono, now) = context.clock.both();
        let status = look(now)?;
        if args.json {
            context.print_json(&status.document())?;
        } else {
            let mut text = Vec::new();
            writeln!(text, "{now}")?;
            status.write(&mut text)?;
            if is_screen {
                let (rows, columns) = Term::stdout().size();
                draw(&lines(&String::from_utf8_lossy(&text)), rows.into(), columns.into(), context.out.raw())?;
            } else {
                writeln!(text)?;
                context.out.write_all(&text)?;
            }
        }
        context.out.flush()?;
        context.clock.sleep_until(mono + interval).await;
    }
}

/// As much as the screen holds, in place of what it showed before; nothing flickers, because nothing is cleared first.
fn draw(text: &str, rows: usize, columns: usize, out: &mut dyn Write) -> std::io::Result<()> {
    let lines: Vec<_> = text.lines().collect();
    let shown = if lines.len() > rows { rows.saturating_sub(1) } else { lines.len() };
    out.write_all(HOME)?;
    for (n, line) in lines.iter().take(shown).enumerate() {
        if n > 0 {
            out.write_all(b"\r\n")?;
        }
        write!(out, "{}", cut(line, columns.max(1)))?;
        out.write_all(CLEAR_LINE)?;
    }
    if shown < lines.len() {
        write!(out, "\r\n{}", cut(&format!("… {} more lines", lines.len() - shown), columns.max(1)))?;
        out.write_all(CLEAR_LINE)?;
    }
    out.write_all(CLEAR_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, rows: usize, columns: usize) -> String {
        let mut out = Vec::new();
        draw(text, rows, columns, &mut out).unwrap();
        String::from_utf8(out).unwrap().replace('\x1b', "^")
    }

    #[test]
    fn a_screen_never_scrolls_and_keeps_nothing_of_before() {
        assert_eq!(drawn("one\ntwo\n", 24, 80), "^[Hone^[K\r\ntwo^[K^[J");
        assert_eq!(drawn("one\ntwo\nthree\n", 2, 80), "^[Hone^[K\r\n… 2 more lines^[K^[J");
        assert_eq!(drawn("会议室\n", 24, 5), "^[H会议…^[K^[J");
    }
}
