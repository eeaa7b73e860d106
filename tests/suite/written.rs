//! One table of three hundred rooms, written by every program and in every way: each file creates the same rooms at the
//! platform, as the platform's own books tell it.

use std::collections::BTreeMap;

use super::commands::{Outcome, Place};
use super::harness::place::{SECRETS, at_platform, json};
use super::tables::{ROOMS, files, rows};

/// Every room in the books, without the id that the platform gave it and the one that its file's batch gives.
type Books = Vec<BTreeMap<String, String>>;

const QUICK: &str = "[quotas]\n'feishu.vc.*' = '1000/s'\n";
const LEVEL: &str = "room_level_id=omb_4ad1";

/// The table under the headings of the platform's own template, with what people write: units, and digits of any width.
fn as_people_write() -> String {
    let wide =
        |digits: &str| digits.chars().map(|digit| char::from_u32(digit as u32 + 0xfee0).unwrap()).collect::<String>();
    let line = |(number, [name, capacity, level, description]): (usize, [String; 4])| {
        let capacity = match number % 4 {
            0 => format!("{capacity}人"),
            1 => format!("{capacity}.0"),
            2 => wide(&capacity),
            _ => capacity,
        };
        format!("{name},{capacity},{level},\"{}\"\n", description.replace('"', "\"\""))
    };
    let lines: String = rows().into_iter().enumerate().map(line).collect();
    format!("*名称（必填）,容量（人）,层级ID,描述\n{lines}")
}

fn run(place: &Place, file: &str, more: &[&str]) -> Outcome {
    let command = ["run", "--method", "feishu.vc.room.create", "--app", "acme", "--json", file];
    place.run_with(&[&command[..], more].concat(), &SECRETS)
}

/// What a file created, by the books of a platform that had nothing before.
fn created(name: &str, bytes: &[u8], more: &[&str]) -> Books {
    let quotas = "[apps.acme.quotas]\n\"feishu.vc.room.create\" = \"1000/s\"\n\"feishu.vc.room.list\" = \"1000/s\"\n";
    let (place, _simulator) = at_platform(&[], QUICK, quotas);
    std::fs::write(place.path().join(name), bytes).unwrap();
    let ran = run(&place, name, more);
    assert_eq!(ran.code, Some(0), "{name}: {}", ran.transcript());
    assert_eq!(json(&ran)["succeeded"], ROOMS, "{name}: {}", ran.transcript());
    let read = place.run_with(&["read", "feishu.vc.room.list", "--app", "acme", "--param", LEVEL], &SECRETS);
    assert_eq!(read.code, Some(0), "{name}: {}", read.transcript());
    let mut books = csv(&read.out);
    for room in &mut books {
        room.retain(|column, _| !column.ends_with("room_id"));
    }
    books.sort();
    books
}

/// The rows of a CSV file whose cells hold no line break.
fn csv(text: &str) -> Books {
    let mut lines = text.lines().map(cells);
    let header = lines.next().unwrap_or_default();
    lines.map(|row| header.iter().cloned().zip(row).collect()).collect()
}

fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut is_quoted) = (vec![String::new()], false);
    for letter in line.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            other => cells.last_mut().unwrap().push(other),
        }
    }
    cells
}

#[test]
fn every_file_creates_the_same_rooms_by_the_platforms_books() {
    let people = as_people_write().into_bytes();
    let table = files().into_iter().map(|(name, bytes, more, _)| (name, bytes, more));
    let mut first: Option<Books> = None;
    for (name, bytes, more) in table.chain([("people.csv", people, &[][..])]) {
        let books = created(name, &bytes, more);
        assert_eq!(books.len(), ROOMS, "{name}");
        match &first {
            None => first = Some(books),
            Some(first) => assert!(books == *first, "{name}: {:?}", books.iter().zip(first).find(|(a, b)| a != b)),
        }
    }
}
