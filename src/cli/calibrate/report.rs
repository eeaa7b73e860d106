//! A calibration's findings: settings for a file, with what was seen beside them as comments; or data for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::table::plain;
use crate::domain::catalog::{Action, Catalog};
use crate::domain::undo;
use crate::settings::Settings;
use crate::wiring;

use super::Args;
use super::findings::{Answer, Asked, End, Finding, Shown};
use super::observed::Headers;
use super::plan::Plan;

/// What the settings of one method would be.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
struct Proposal {
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_s: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gone_codes: Vec<i64>,
    #[serde(skip)]
    notes: Vec<String>,
}

/// Writes them; 1 if something could not be tried or is left.
pub(super) fn write(
    context: &mut Context,
    args: &Args,
    settings: &Settings,
    plan: &Plan<'_>,
    end: &End,
) -> anyhow::Result<Exit> {
    let catalog = wiring::catalog_of(settings)?;
    let platform = settings.apps.get(&args.app).map(|app| app.platform.as_str()).unwrap_or_default();
    let proposals = proposals(&catalog, platform, end);
    let now = context.clock.now().in_china();
    let date = now.get(..10).unwrap_or_default();
    if args.json {
        context.print_json(&document(args, plan, end, &proposals, date))?;
    } else {
        context.out.write_all(text(&args.app, &catalog, end, &proposals, date).as_bytes())?;
        context.out.flush()?;
    }
    if end.deleted_before > 0 {
        writeln!(context.err, "{} objects of an interrupted calibration were deleted first", end.deleted_before)?;
    }
    for finding in &end.findings {
        if let Some(why) = &finding.failed {
            writeln!(context.err, "not tried: {}: {}", finding.method, plain(why))?;
        }
    }
    for left in &end.left {
        let object = if left.key.is_empty() { "an object".to_owned() } else { plain(&left.key) };
        writeln!(context.err, "left: {object} of {} (job {}): {}", left.method, left.job, plain(&left.why))?;
    }
    if !end.left.is_empty() {
        writeln!(
            context.err,
            "hint: the next calibration deletes what is left, and so does `paceline undo --batch {}{}`",
            super::BATCH,
            args.app
        )?;
    }
    if end.is_interrupted {
        return Ok(Exit::Interrupted);
    }
    let is_well = end.left.is_empty() && end.findings.iter().all(|finding| finding.failed.is_none());
    Ok(if is_well { Exit::Success } else { Exit::Unwell })
}

/// What was found out that settings can say, by method.
fn proposals(catalog: &Catalog, platform: &str, end: &End) -> BTreeMap<String, Proposal> {
    let mut proposals: BTreeMap<String, Proposal> = BTreeMap::new();
    for finding in &end.findings {
        if let Some(Shown { after_s: Some(after_s), .. }) = finding.shown {
            let proposal = proposals.entry(finding.method.clone()).or_default();
            // Rounded up: a look-up that comes too early says that nothing is there.
            proposal.delay_s = Some((after_s.ceil() as u64).max(1));
        }
        let Some(Asked { method, answer: Answer::Code { code, .. } }) = &finding.again else { continue };
        let proposal = proposals.entry(method.clone()).or_default();
        match meaning(catalog, platform, method, *code) {
            Meaning::New if !proposal.gone_codes.contains(code) => proposal.gone_codes.push(*code),
            Meaning::New | Meaning::Gone => {}
            Meaning::Other => proposal.notes.push(format!(
                "a second deletion answers {code}, which means other things too: it stays as the catalog has it"
            )),
        }
    }
    proposals.retain(|_, proposal| *proposal != Proposal::default());
    proposals
}

/// What the catalog says of a code that a second deletion answered.
enum Meaning {
    /// That the object is gone.
    Gone,
    /// Nothing, or that the method refuses it: that this means "gone" is news.
    New,
    /// Something that every method may answer, or that is tried again.
    Other,
}

fn meaning(catalog: &Catalog, platform: &str, method: &str, code: i64) -> Meaning {
    let own = catalog.method(method).and_then(|method| method.errors.get(&code));
    let common = catalog.platforms.get(platform).and_then(|platform| platform.errors.get(&code));
    match (own.map(|rule| &rule.action), common) {
        (Some(Action::Gone), _) => Meaning::Gone,
        (Some(Action::Permanent), _) | (None, None) => Meaning::New,
        (Some(_), _) | (None, Some(_)) => Meaning::Other,
    }
}

fn document(args: &Args, plan: &Plan<'_>, end: &End, proposals: &BTreeMap<String, Proposal>, date: &str) -> Value {
    json!({
        "app": args.app,
        "tenant": args.tenant,
        "read": date,
        "findings": end.findings,
        "headers": end.headers,
        "settings": proposals,
        "left": end.left,
        "not_tried": plan.not_tried(),
        "undo_batch": undo::batch(&format!("{}{}", super::BATCH, args.app)),
    })
}

/// A part of a settings file.
fn text(app: &str, catalog: &Catalog, end: &End, proposals: &BTreeMap<String, Proposal>, date: &str) -> String {
    let mut text = format!("# What `paceline calibrate {app}` found on {date}.\n");
    for finding in end.findings.iter().filter(|finding| finding.failed.is_none()) {
        for line in lines(finding) {
            let _ = writeln!(text, "# {}: {}", finding.method, plain(&line));
        }
    }
    let mut of_replies: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (method, headers) in &end.headers {
        if let Some(line) = of_headers(catalog, method, headers) {
            of_replies.entry(line).or_default().push(method);
        }
    }
    for (line, methods) in of_replies {
        let _ = writeln!(text, "# {}: {}", some(&methods), plain(&line));
    }
    for (method, proposal) in proposals {
        for note in &proposal.notes {
            let _ = writeln!(text, "# {method}: {note}");
        }
        if proposal.delay_s.is_none() && proposal.gone_codes.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n[apps.{app}.catalog.\"{method}\"]");
        if let Some(delay_s) = proposal.delay_s {
            let _ = writeln!(text, "delay_s = {delay_s}");
        }
        if !proposal.gone_codes.is_empty() {
            let _ = writeln!(text, "gone_codes = {:?}", proposal.gone_codes);
        }
        let _ = writeln!(text, "read = \"{date}\"");
    }
    text
}

/// The first of some methods, and how many more.
fn some(methods: &[&str]) -> String {
    match methods {
        [first, rest @ ..] if rest.len() > 1 => format!("{first} and {} more methods", rest.len()),
        methods => methods.join(", "),
    }
}

/// What was seen of one create, a sentence each.
fn lines(finding: &Finding) -> Vec<String> {
    let mut lines = Vec::new();
    if let (Some(listing), Some(shown)) = (&finding.listing, &finding.shown) {
        lines.push(match shown {
            Shown { after_s: Some(after), not_after_s } if *not_after_s == 0.0 => {
                format!("{listing} showed it at once, {after:.1} s after the reply")
            }
            Shown { after_s: Some(after), not_after_s } => {
                format!("{listing} showed it {after:.1} s after the reply, and not yet after {not_after_s:.1} s")
            }
            Shown { after_s: None, not_after_s } => {
                format!("{listing} did not show it within {not_after_s:.0} s: try a longer --wait-s")
            }
        });
    }
    lines.extend(finding.repeat.as_ref().map(|answer| format!("the same again answers {}", words(answer))));
    let asked = |asked: &Asked, what: &str| format!("{what} {} answers {}", asked.method, words(&asked.answer));
    lines.extend(finding.again.as_ref().map(|again| asked(again, "a second")));
    lines.extend(finding.get.as_ref().map(|get| asked(get, "after the deletion,")));
    lines
}

fn words(answer: &Answer) -> String {
    match answer {
        Answer::Same => "success, with the same object".to_owned(),
        Answer::Another => "success, with another object".to_owned(),
        Answer::Success => "success".to_owned(),
        Answer::Code { code, http: Some(http), message } => format!("{code} with HTTP {http} ({message})"),
        Answer::Code { code, http: None, message } => format!("{code} ({message})"),
        Answer::Unclear { why } => format!("nothing usable ({why})"),
    }
}

/// Whether successful replies tell of rate limits, and which of the documented numbers they repeat.
fn of_headers(catalog: &Catalog, method: &str, headers: &Headers) -> Option<String> {
    let method = catalog.method(method)?;
    if headers.is_empty() {
        return Some("no header of rate limits on successful replies".to_owned());
    }
    let windows = || method.quotas.iter().flat_map(|quota| quota.quota.windows());
    let told = headers.iter().map(|(name, values)| {
        let mut values = values.iter().cloned().collect::<Vec<_>>();
        let number = values.first().filter(|_| values.len() == 1).and_then(|value| value.parse::<u32>().ok());
        let window = number.and_then(|number| windows().find(|window| window.limit == number));
        values.truncate(3);
        let meaning = window.map(|window| format!(", the documented {window}")).unwrap_or_default();
        format!("{name} {}{meaning}", values.join(" "))
    });
    Some(format!("headers of successful replies: {}", told.collect::<Vec<_>>().join("; ")))
}
