//! Files over HTTP: given, looked at, checked, planned and started; and timetables.

use rust_xlsxwriter::{Formula, Workbook};
use serde_json::{Value, json};

use super::admin_changes::{Desk, TOKEN};
use super::harness::until_async;

const ROOM: &str = "feishu.vc.room.create";
const OCTETS: &str = "Content-Type: application/octet-stream";

fn bearer() -> String {
    format!("Authorization: Bearer {TOKEN}")
}

/// Gives a file; its id.
fn give(desk: &Desk, name: &str, bytes: &[u8]) -> String {
    let answer = desk.bytes("POST", &format!("/api/v1/imports?name={name}"), &[OCTETS, &bearer()], bytes);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let document: Value = serde_json::from_str(body).unwrap();
    assert_eq!(document["bytes"], bytes.len(), "{document}");
    document["id"].as_str().unwrap().to_owned()
}

fn path(id: &str, what: &str) -> String {
    format!("/api/v1/imports/{id}/{what}")
}

/// Rooms as people have them; the third capacity is no number, and one name is a formula.
fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("会议室").unwrap();
    for (column, heading) in ["名称", "容量", "层级ID", "备注"].iter().enumerate() {
        sheet.write(0, column as u16, *heading).unwrap();
    }
    let rows = [("A101", "10"), ("A102", "12"), ("A103", "many"), ("=cmd|' /C calc'!A0", "4")];
    for (row, (name, capacity)) in (1..).zip(rows) {
        sheet.write(row, 0, name).unwrap();
        sheet.write(row, 1, capacity).unwrap();
        sheet.write(row, 2, "omb_1").unwrap();
    }
    sheet.write_formula(1, 3, Formula::new("=1+1").set_result("2")).unwrap();
    book.save_to_buffer().unwrap()
}

/// The map that the guesses of a look make.
fn map(look: &Value) -> String {
    let columns = look["columns"].as_array().unwrap();
    let text = |column: &Value, key: &str| column[key].to_string();
    let known = columns.iter().filter(|column| column["column"].is_string());
    let lines: Vec<_> =
        known.map(|column| format!("{} = {}", text(column, "heading"), text(column, "column"))).collect();
    let ignored = columns.iter().filter(|column| column["column"].is_null());
    let ignored: Vec<_> = ignored.map(|column| text(column, "heading")).collect();
    format!("ignored = [{}]\n[columns]\n{}\n", ignored.join(", "), lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workbook_is_guessed_checked_planned_and_started() {
    let desk = Desk::new("").await;
    let id = give(&desk, "rooms.xlsx", &workbook());
    let look = desk.done(&path(&id, "look"), &json!({}));
    assert_eq!((&look["format"], &look["sheet"], &look["line"]), (&json!("workbook"), &json!("会议室"), &json!(1)));
    assert_eq!((&look["method"], &look["batch"]), (&json!(ROOM), &json!("rooms")), "{look}");
    let guessed = |number: usize| (look["columns"][number]["column"].clone(), look["columns"][number]["how"].clone());
    assert_eq!(guessed(0), (json!("name"), json!("alias")));
    assert_eq!(guessed(3), (json!(null), json!("nothing")));
    assert_eq!(look["columns"][1]["samples"], json!(["10", "12", "many"]));
    assert_eq!(look["missing"], json!([]), "{look}");
    let serves: Vec<_> = look["apps"].as_array().unwrap().iter().map(|app| (&app["name"], &app["serves"])).collect();
    assert_eq!(serves, [(&json!("acme"), &json!(true)), (&json!("campus"), &json!(false))]);

    let mut order = json!({"method": ROOM, "app": "acme", "batch": "hq", "map": map(&look)});
    let checked = desk.done(&path(&id, "check"), &order);
    assert_eq!((&checked["rows"], &checked["bad_rows"]), (&json!(4), &json!(2)), "{checked}");
    let spots: Vec<_> =
        checked["groups"].as_array().unwrap().iter().map(|group| (&group["heading"], &group["lines"])).collect();
    assert_eq!(spots, [(&json!("容量"), &json!([4])), (&json!("名称"), &json!([5]))], "{checked}");
    let group = &checked["groups"][0];
    assert!(group["message_fact"]["code"].is_string() && group["rule_fact"]["code"].is_string(), "{group}");
    assert_eq!(checked["lines"][0], json!({"line": 4, "cells": ["A103", "many", "omb_1", ""]}));
    assert_eq!(checked["findings"][0]["column"], 2);
    let plan = &checked["plan"];
    assert_eq!((&plan["calls"], &plan["quotas"][0]["calls"]), (&json!(2), &json!(2)), "{plan}");
    assert!(plan["finish_at"].is_string() && plan["deciding"].is_null(), "{plan}");
    assert_eq!(desk.get("/api/v1/jobs")["jobs"], json!([]), "a check keeps nothing");

    let (status, refused) = desk.post(&path(&id, "start"), &order);
    assert_eq!(status, 409, "{refused}");
    assert_eq!(refused["error"], "2 of 4 rows have faults; nothing was sent");
    assert_eq!(
        (&refused["error_fact"]["code"], &refused["cure_fact"]["code"]),
        (&json!("rows-with-faults"), &json!("correct-or-skip"))
    );
    order["skip_invalid"] = json!(true);
    let started = desk.done(&path(&id, "start"), &order);
    assert_eq!((&started["queued"], &started["rejected"], &started["batches"]), (&json!(2), &json!(2), &json!(["hq"])));
    desk.until_total("succeeded", 2).await;
    let activity = desk.get("/api/v1/activity");
    assert!(activity.to_string().contains("rooms.xlsx") && activity.to_string().contains("admin.token"), "{activity}");
    let again = desk.done(&path(&id, "start"), &order);
    assert_eq!((&again["queued"], &again["succeeded"]), (&json!(0), &json!(2)), "nothing is done twice: {again}");
    assert_eq!(desk.done(&path(&id, "drop"), &json!({})), json!({"dropped": true}));
    assert_eq!(desk.post(&path(&id, "look"), &json!({})).0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_already_is_shown_and_stops_the_start_until_somebody_says_what_to_do() {
    let desk = Desk::new("").await;
    let order = |batch: &str, more: &Value| {
        let mut order = json!({"method": ROOM, "app": "acme", "batch": batch});
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        order
    };
    let first = give(&desk, "rooms.csv", b"name,capacity,room_level_id\nA1,4,omb_1\nA2,4,omb_1\n");
    desk.done(&path(&first, "start"), &order("hq", &json!({})));
    desk.until_total("succeeded", 2).await;

    let copy = give(&desk, "copy.csv", b"name,capacity,room_level_id\nA1,4,omb_1\nA3,4,omb_1\n");
    let checked = desk.done(&path(&copy, "check"), &order("copy", &json!({})));
    assert_eq!(
        (&checked["duplicates"]["count"], &checked["duplicates"]["rows"][0]["earlier_batch"]),
        (&json!(1), &json!("hq"))
    );
    assert_eq!(desk.post(&path(&copy, "start"), &order("copy", &json!({}))).0, 409);
    let started = desk.done(&path(&copy, "start"), &order("copy", &json!({"allow_duplicates": true})));
    assert_eq!(started["queued"], 2);

    let changed = give(&desk, "rooms.csv", b"name,capacity,room_level_id\nA1,6,omb_1\nA2,4,omb_1\n");
    let checked = desk.done(&path(&changed, "check"), &order("hq", &json!({})));
    let row = &checked["changed"]["rows"][0];
    assert_eq!(
        (&row["line"], &row["changes"]),
        (&json!(2), &json!([{"field": "body.capacity", "before": 4, "now": 6}])),
        "{checked}"
    );
    assert_eq!(checked["repeats"]["known"], 1, "{checked}");
    assert_eq!(desk.post(&path(&changed, "start"), &order("hq", &json!({}))).0, 409);
    let kept = desk.done(&path(&changed, "start"), &order("hq", &json!({"on_change": "keep"})));
    assert_eq!((&kept["queued"], &kept["succeeded"]), (&json!(0), &json!(2)), "{kept}");
    let updated = desk.done(&path(&changed, "start"), &order("hq", &json!({"on_change": "update"})));
    assert_eq!(updated["queued"], 1, "{updated}");
    until_async("the update", async || {
        let jobs = desk.get("/api/v1/jobs?method=feishu.vc.room.patch&state=succeeded");
        jobs["jobs"].as_array().is_some_and(|jobs| jobs.len() == 1)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_needs_the_token_a_page_of_ours_and_its_measure() {
    let desk = Desk::new("").await;
    let status = |headers: &[&str], bytes: &[u8]| {
        let answer = desk.bytes("POST", "/api/v1/imports?name=rooms.csv", headers, bytes);
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let token = bearer();
    assert_eq!(status(&[OCTETS], b"name\n"), 401);
    assert_eq!(status(&[OCTETS, &token, "Origin: https://evil.example"], b"name\n"), 403);
    assert_eq!(status(&[OCTETS, &token, "Sec-Fetch-Site: cross-site"], b"name\n"), 403);
    assert_eq!(status(&["Content-Type: text/plain", &token], b"name\n"), 415);
    assert_eq!(desk.ask("POST", "/api/v1/imports", &[OCTETS, &token], "x").0, 400, "without a name");
    let large = format!("Content-Length: {}", (16 << 20) + 1);
    assert_eq!(desk.ask("POST", "/api/v1/imports?name=a.csv", &[OCTETS, &token], "").0, 400, "an empty file");
    let (status, document) = told_large(&desk, &token, &large);
    assert_eq!(
        (status, &document["error"]),
        (413, &json!("the file is larger than 16 MiB: `paceline run` reads files of any size; or split it"))
    );
    for (name, bytes, why) in [
        ("rooms.xlsx", b"PK\x03\x04nonsense".as_slice(), "the workbook is damaged"),
        ("rooms.xls", b"<html><table>".as_slice(), "web page under the name of a workbook"),
        ("rooms.csv", b"name,capacity\n\x81\x82\xff,1\n".as_slice(), "cannot be read"),
        ("rooms.csv", b"\n\n".as_slice(), "is empty"),
    ] {
        let id = give(&desk, name, bytes);
        let (status, document) = desk.post(&path(&id, "look"), &json!({}));
        assert_eq!(status, 400, "{document}");
        assert!(document["error"].as_str().unwrap().contains(why), "{document}");
        let (status, document) = desk.post(&path(&id, "start"), &json!({"method": ROOM, "app": "acme"}));
        assert_eq!(status, 409, "{document}");
    }
    assert_eq!(desk.get("/api/v1/jobs")["jobs"], json!([]));
    let kept: Vec<_> = std::fs::read_dir(desk.place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(kept.iter().all(|name| !name.to_string_lossy().starts_with("rooms")), "on disk: {kept:?}");
}

/// What is said of a body whose length alone is too much.
fn told_large(desk: &Desk, token: &str, length: &str) -> (u16, Value) {
    let answer = desk.head("POST", "/api/v1/imports?name=a.csv", &[OCTETS, token, length]);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_looked_up_by_the_worker_that_runs() {
    let desk = Desk::new("").await;
    let level = |id: &str, name: &str, parent: Value| json!({"id": id, "method": "feishu.vc.room_level.create", "app": "acme", "body": {"name": name, "parent_id": parent}});
    let levels = json!([level("hq", "总部", json!("omb_root")), level("b2", "2层", json!({"$from": "hq"}))]);
    desk.done("/api/v1/jobs", &levels);
    desk.until_total("succeeded", 2).await;
    let id = give(&desk, "rooms.csv", "名称,容量,层级\nR1,4,总部/2层\nR2,4,总部/3层\n".as_bytes());
    let mut order = json!({"method": ROOM, "app": "acme", "batch": "hq"});
    let counted = desk.done(&path(&id, "check"), &order);
    assert_eq!((&counted["names"], &counted["faults"]), (&json!(2), &json!(0)), "{counted}");
    order["resolve"] = json!(true);
    let found = desk.done(&path(&id, "check"), &order);
    assert_eq!((&found["names"], &found["faults"]), (&json!(0), &json!(1)), "{found}");
    assert!(found["findings"][0]["message"].as_str().unwrap().contains("2层"), "{found}");

    desk.done("/api/v1/jobs", &json!([level("b3", "3层", json!({"$from": "hq"}))]));
    desk.until_total("succeeded", 3).await;
    let started = desk.done(&path(&id, "start"), &order);
    assert_eq!(started["queued"], 2, "what is there by now is found: {started}");
    desk.until_total("succeeded", 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timetable_becomes_a_file_that_is_imported_like_any() {
    let desk = Desk::new("").await;
    let id = give(&desk, "term.csv", include_bytes!("../../examples/timetable.csv"));
    let rule = include_str!("../../examples/timetable.rule.toml");
    let expanded = desk.done(&path(&id, "expand"), &json!({"rule": rule}));
    assert_eq!((&expanded["faults"], &expanded["lessons"]), (&json!([]), &json!(5)), "{expanded}");
    assert_eq!(expanded["count"], expanded["meetings"]);
    let made = expanded["import"]["id"].as_str().unwrap();
    let text = desk.done(&path(made, "text"), &json!({}));
    assert_eq!(text["name"], "term.jobs.csv");
    assert_eq!(text["text"].as_str().unwrap().lines().count() as u64, expanded["count"].as_u64().unwrap() + 1);
    let look = desk.done(&path(made, "look"), &json!({}));
    assert_eq!(look["format"], "csv", "{look}");
    let checked = desk.done(&path(made, "check"), &json!({}));
    assert_eq!((&checked["rows"], &checked["faults"]), (&expanded["count"], &json!(0)), "{checked}");

    let wrong = desk.done(&path(&id, "expand"), &json!({"rule": rule.replace("weeks = 16", "weeks = 0")}));
    assert_eq!((&wrong["import"], &wrong["faults"][0]["file"]), (&Value::Null, &json!("rule")), "{wrong}");
    let fact = &wrong["faults"][0]["message_fact"];
    assert_eq!(fact["values"]["trouble"]["values"]["entry"], "term.weeks", "a page says it in its language: {wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_header_or_a_map_is_told_as_data() {
    let desk = Desk::new("").await;
    let id = give(&desk, "rooms.csv", "会议室名,容量,层级ID\nA,1,omb_1\n".as_bytes());
    let order = json!({"method": ROOM, "app": "acme"});
    let checked = desk.done(&path(&id, "check"), &order);
    let group = &checked["groups"][0];
    let trouble = &group["message_fact"]["values"]["rule"]["values"]["trouble"];
    assert_eq!((&group["column"], &trouble["code"]), (&json!(1), &json!("no-method-takes-but")), "{checked}");
    let (status, refused) = desk.post(&path(&id, "check"), &json!({"method": ROOM, "map": "columns = 1"}));
    assert_eq!(status, 400, "{refused}");
    assert_eq!(refused["faults"][0]["error_fact"]["code"], "in-field", "{refused}");
    let (status, refused) = desk.post(&path(&id, "look"), &json!({"header_row": 9}));
    assert_eq!((status, &refused["error_fact"]["code"]), (400, &json!("faulty")), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_names_cannot_be_looked_up_is_told_and_nothing_is_sent() {
    let fault = "[[faults]]\nmethod = 'feishu.vc.room_level.list'\nkind = 'code'\ncode = 99991672\nchance = 1.0\n";
    let desk = Desk::new(fault).await;
    let id = give(&desk, "rooms.csv", "name,capacity,room_level_id\nA,4,总部/2层\nB,4,总部/3层\n".as_bytes());
    let mut order = json!({"method": ROOM, "app": "acme"});
    assert_eq!(desk.done(&path(&id, "check"), &order)["names"], 2);
    let (_, started) = desk.post(&path(&id, "start"), &order);
    order["resolve"] = json!(true);
    let (status, refused) = desk.post(&path(&id, "check"), &order);
    for refused in [&started, &refused] {
        assert_eq!((status, &refused["error_fact"]["code"]), (409, &json!("names-not-known")), "{refused}");
        let cause = &refused["error_fact"]["values"]["causes"][0]["values"];
        let what = &cause["what"]["values"];
        assert_eq!((&what["count"], &what["why"]["code"]), (&json!(2), &json!("with-log-id")), "{refused}");
        assert_eq!(what["why"]["values"]["what"]["values"]["code"], 99_991_672, "{refused}");
        assert!(cause["cure"]["values"]["advice"]["zh"].is_string(), "{refused}");
    }
    assert_eq!(desk.get("/api/v1/jobs")["jobs"], json!([]));
}
