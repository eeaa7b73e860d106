use std::sync::Arc;

use super::super::{Format, Input, Layout, Rows};
use super::*;
use crate::catalog::{Kind, built_in};
use crate::decode::{Apps, Decoder};

fn now() -> Timestamp {
    Timestamp::parse("2026-11-29T03:00:00Z").unwrap()
}

fn text(template: &Template) -> String {
    let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
    let line = |cells: Vec<&String>| cells.into_iter().map(quoted).collect::<Vec<_>>().join(",") + "\n";
    let header = line(template.columns.iter().map(|column| &column.heading).collect());
    let rows = template.examples.iter().map(|row| line(row.iter().collect()));
    std::iter::once(header).chain(rows).collect()
}

/// What reading the template finds, and the jobs of its rows.
fn read(decoder: &Arc<Decoder>, method: &Method, language: Language) -> (Vec<String>, Vec<Params>) {
    let input = Input {
        name: "template.csv".to_owned(),
        batch: "template".to_owned(),
        method: Some(method.name.clone()),
        app: Some("acme".to_owned()),
        bytes_max: 1 << 20,
        layout: Layout::default(),
    };
    let text = text(&template(method, language, now()));
    let rows = match Rows::open(Arc::clone(decoder), input, Format::Csv, text.as_bytes()) {
        Ok(rows) => rows,
        Err(error) => return (vec![error.to_string()], Vec::new()),
    };
    let (mut found, mut jobs) = (Vec::new(), Vec::new());
    for row in rows {
        let row = row.unwrap();
        found.extend(row.warnings.iter().map(|warning| format!("warning: {}: {:?}", warning.field, warning.check)));
        match row.input {
            Ok(job) => jobs.push(job.params),
            Err(rejection) => found.push(rejection.detail().to_string()),
        }
    }
    (found, jobs)
}

#[test]
fn each_methods_template_is_two_valid_rows() {
    let catalog = Arc::new(built_in().unwrap());
    let decoder = Arc::new(Decoder { catalog: Arc::clone(&catalog), apps: Apps::Any, rights: Arc::default() });
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for method in catalog.methods.values().filter(|method| method.kind == Kind::Job) {
        for language in [Language::English, Language::Chinese] {
            let (found, jobs) = read(&decoder, method, language);
            wrong.extend(found.into_iter().map(|what| format!("{}: {what}", method.name)));
            tried += jobs.len();
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 150, "{tried}");
}

#[test]
fn examples_lie_in_the_weeks_to_come() {
    let catalog = built_in().unwrap();
    let method = catalog.method("wecom.meeting.create").unwrap();
    let made = template(method, Language::English, now());
    let at = made.columns.iter().position(|column| column.name == "meeting_start").unwrap();
    assert_eq!(made.examples[0][at], "2026-11-30T09:00:00+08:00");
    assert_eq!(made.examples[1][at], "2026-12-07T09:00:00+08:00");
}

#[test]
fn notes_say_what_a_cell_may_hold_in_both_languages() {
    let catalog = built_in().unwrap();
    let method = catalog.method("feishu.vc.room.create").unwrap();
    let note = |language, name: &str| {
        let made = template(method, language, now());
        made.columns.into_iter().find(|column| column.name == name).unwrap()
    };
    let level = note(Language::English, "room_level_id");
    assert!(level.note.contains("(required, not empty, a level id such as"), "{}", level.note);
    let status = note(Language::Chinese, "room_status.status");
    assert_eq!((status.choices, status.is_required), (vec!["是".to_owned(), "否".to_owned()], false));
    assert!(status.note.ends_with("（是或否）"), "{}", status.note);
    assert!(note(Language::English, "room_status.contact_ids").note.contains("several with ; between them"));
}
