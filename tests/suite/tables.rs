//! Files as people have them: the same table in every encoding, with every separator and as a workbook is the same jobs.

use std::io::Write as _;
use std::process::{Command, Stdio};

use rust_xlsxwriter::{Format, Workbook};

use crate::commands::{Place, SETTINGS};

const METHOD: [&str; 4] = ["--method", "feishu.vc.room.create", "--app", "acme"];
const HEADER: [&str; 4] = ["name", "capacity", "room_level_id", "description"];
pub(crate) const ROOMS: usize = 300;

/// What is said of a workbook whose format does not tell more.
const UNTOLD: &str = "read sheet \"lo\"; hidden rows are read, too; whether rows are hidden or cells merged is not \
                      known of such a file: .xlsx tells";

/// Three hundred rooms with everything that separators, quotes and encodings stumble over.
pub(crate) fn rows() -> Vec<[String; 4]> {
    let room = |n: usize| {
        let description = ["", "65\" 屏幕", "靠窗, 朝南", "投影；白板", "a;b"][n % 5];
        [format!("3号楼{n:03}会议室"), (n % 40 + 1).to_string(), "omb_4ad1".to_owned(), description.to_owned()]
    };
    (0..ROOMS).map(room).collect()
}

/// The table as text.
fn text(separator: char, line_end: &str) -> String {
    let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
    let line = |cells: &[&str]| {
        let cells: Vec<_> = cells.iter().map(|cell| quoted(cell)).collect();
        cells.join(&separator.to_string()) + line_end
    };
    let rows = rows();
    let rows = rows.iter().map(|row| line(&row.each_ref().map(String::as_str)));
    std::iter::once(line(&HEADER)).chain(rows).collect()
}

fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect()
}

/// The table as a workbook, whose first rows are titles; numbers are numbers.
fn workbook(titles: u32) -> Vec<u8> {
    let mut book = Workbook::new();
    book.add_worksheet().set_name("填写说明").unwrap().set_hidden(true).write(0, 0, "…").unwrap();
    let sheet = book.add_worksheet().set_name("会议室").unwrap();
    sheet.set_active(true);
    if titles > 0 {
        sheet.merge_range(0, 0, 0, 3, "会议室清单", &Format::new()).unwrap();
    }
    for (column, name) in HEADER.iter().enumerate() {
        sheet.write(titles, column as u16, *name).unwrap();
    }
    for (number, row) in rows().iter().enumerate() {
        let line = titles + 1 + number as u32;
        sheet.write(line, 0, &row[0]).unwrap();
        sheet.write(line, 1, row[1].parse::<u32>().unwrap()).unwrap();
        sheet.write(line, 2, &row[2]).unwrap();
        sheet.write(line, 3, &row[3]).unwrap();
    }
    book.save_to_buffer().unwrap()
}

/// Each file, what it needs to be told, and what is said of how it was read.
pub(crate) fn files() -> Vec<(&'static str, Vec<u8>, &'static [&'static str], &'static str)> {
    let gb = |text: &str| encoding_rs::GB18030.encode(text).0.into_owned();
    let comma = text(',', "\r\n");
    vec![
        ("utf-8.csv", comma.clone().into_bytes(), &[], ""),
        ("bom.csv", format!("\u{feff}{comma}").into_bytes(), &[], ""),
        ("gb18030.csv", gb(&comma), &[], "read as GB18030 (--encoding names another)"),
        (
            "semicolon.csv",
            text(';', "\n").into_bytes(),
            &[],
            "columns separated by ';' (--delimiter names another character)",
        ),
        (
            "sep.csv",
            format!("sep=;\n{}", text(';', "\n")).into_bytes(),
            &[],
            "columns separated by ';' (--delimiter names another character)",
        ),
        (
            "gb-tab.txt",
            gb(&text('\t', "\r\n")),
            &[],
            "read as GB18030 (--encoding names another); columns separated by tabs (--delimiter names another character)",
        ),
        (
            "unicode.txt",
            utf_16(&text('\t', "\r\n"), u16::to_le_bytes),
            &[],
            "read as UTF-16LE (--encoding names another); columns separated by tabs (--delimiter names another character)",
        ),
        ("be.csv", utf_16(&comma, u16::to_be_bytes), &[], "read as UTF-16BE (--encoding names another)"),
        (
            "bar.csv",
            text('|', "\n").into_bytes(),
            &["--delimiter", "|"],
            "columns separated by '|' (--delimiter names another character)",
        ),
        ("titles.csv", format!("会议室清单\n\n{comma}").into_bytes(), &["--header-row", "3"], ""),
        ("rooms.xlsx", workbook(0), &[], "read sheet \"会议室\""),
        (
            "titles.xlsx",
            workbook(2),
            &["--header-row", "3"],
            "read sheet \"会议室\"; merged cells have a value in their first cell only: A1:D1; \
             split them, and fill in each cell",
        ),
        // Saved by openpyxl 3.1.5.
        ("openpyxl.xlsx", include_bytes!("../data/rooms-openpyxl.xlsx").to_vec(), &[], "read sheet \"会议室\""),
        // Saved by LibreOffice 7.4.7.2.
        ("libreoffice.xlsx", include_bytes!("../data/rooms-libreoffice.xlsx").to_vec(), &[], "read sheet \"lo\""),
        ("libreoffice.xls", include_bytes!("../data/rooms-libreoffice.xls").to_vec(), &[], UNTOLD),
        ("libreoffice.ods", include_bytes!("../data/rooms-libreoffice.ods").to_vec(), &[], UNTOLD),
        (
            "text.xls",
            text('\t', "\r\n").into_bytes(),
            &[],
            "columns separated by tabs (--delimiter names another character)",
        ),
        ("book.csv", workbook(0), &["--sheet", "会议室"], "read sheet \"会议室\""),
    ]
}

#[test]
fn the_same_table_is_the_same_jobs_however_it_is_written() {
    let place = Place::with_apps(&[]);
    let batch = ["submit", "--batch", "move", "--json"];
    let mut first = true;
    for (name, bytes, arguments, note) in files() {
        std::fs::write(place.path().join(name), bytes).unwrap();
        let run = place.run(&[&batch, &METHOD[..], arguments, &[name]].concat());
        let (known, queued) = if first { (0, ROOMS) } else { (ROOMS, 0) };
        let counts =
            format!("{{\"blocked\":0,\"known\":{known},\"queued\":{queued},\"rejected\":0,\"succeeded\":0}}\n");
        assert_eq!(run.out, counts, "{name}: {}", run.err);
        let said = run.err.lines().find_map(|line| line.strip_prefix(&format!("note: {name}: "))).unwrap_or_default();
        assert_eq!(said, note, "{name}");
        first = false;
    }
}

#[test]
fn standard_input_is_a_file_too() {
    let place = Place::with_apps(&[("rooms.csv", "")]);
    place.write("paceline.toml", SETTINGS);
    let piped = |bytes: &[u8], arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paceline"));
        command.current_dir(place.path()).args([&["validate", "-"], &METHOD[..], arguments].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Who refuses the arguments does not read.
        let _ = child.stdin.take().unwrap().write_all(bytes);
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let batch = ["--batch", "move"];
    let job = r#"{"id":"a","body":{"name":"x","capacity":1,"room_level_id":"omb_1"}}"#;
    for bytes in [text(';', "\n").into_bytes(), workbook(0), job.as_bytes().to_vec()] {
        let (code, out, err) = piped(&bytes, &batch);
        assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
        assert!(err.contains("rows, no fault") || err.contains("1 row, no fault"), "{err}");
    }
    let (code, out, _) = piped(b"name,capacity,room_level_id\nx,none,omb_1\n", &batch);
    assert_eq!(code, Some(1));
    assert!(out.starts_with("stdin:2: "), "{out}");
    assert_eq!(piped(job.as_bytes(), &[]).0, Some(2), "its batch needs a name");
}

/// Bytes without any order, the same each time.
fn junk(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

#[test]
fn what_is_neither_text_nor_a_workbook_is_refused_as_that() {
    let place = Place::with_apps(&[("text.xlsx", "name,capacity,room_level_id\nx,1,omb_1\n")]);
    for (name, length) in [("junk.xlsx", 3_000), ("junk.xls", 300), ("junk.ods", 30_000), ("junk.csv", 3_000)] {
        std::fs::write(place.path().join(name), junk(length)).unwrap();
    }
    let wide: Vec<String> = (0..1 << 20).map(|number| format!("c{number}")).collect();
    place.write("wide.csv", &format!("{}\n", wide.join(",")));
    let names = ["text.xlsx", "junk.xlsx", "junk.xls", "junk.ods", "junk.csv", "wide.csv"];
    let all = place.run(&[&["validate"], &METHOD[..], &names].concat());
    let lines: Vec<&str> = all.out.lines().collect();
    assert_eq!((all.code, lines.len()), (Some(1), names.len()), "{}{}", all.out, all.err);
    for line in &lines[..4] {
        assert!(line.contains(":1: is named as a workbook and is none: "), "{line}");
    }
    assert!(lines[4].starts_with("junk.csv:1: is no text: "), "{}", lines[4]);
    assert!(lines[5].starts_with("wide.csv:1: has 1048576 columns; at most 4096 are read"), "{}", lines[5]);
}

#[test]
fn files_that_cannot_be_read_are_named_with_the_way_out() {
    let place = Place::with_apps(&[
        ("page.xls", "<html><table><tr><td>name</td></tr></table></html>"),
        ("good.csv", "name,capacity,room_level_id\nx,1,omb_1\n"),
    ]);
    let latin = encoding_rs::WINDOWS_1252.encode("name;étage\nCafé;à l'étage\n").0.into_owned();
    std::fs::write(place.path().join("latin.csv"), latin).unwrap();
    std::fs::write(place.path().join("cut.xlsx"), &workbook(0)[..2_000]).unwrap();
    let validate = |arguments: &[&str]| place.run(&[&["validate"], &METHOD[..], arguments].concat());
    let all = validate(&["page.xls", "latin.csv", "cut.xlsx", "good.csv"]);
    let lines: Vec<&str> = all.out.lines().collect();
    assert_eq!((all.code, lines.len()), (Some(1), 3), "{}{}", all.out, all.err);
    assert!(lines[0].starts_with("page.xls:1: is a web page under the name of a workbook: "), "{}", lines[0]);
    assert!(
        lines[1].contains("looks like windows-1252") && lines[1].contains("--encoding windows-1252"),
        "{}",
        lines[1]
    );
    assert!(lines[2].starts_with("cut.xlsx:1: the workbook is damaged"), "{}", lines[2]);
    let absent = validate(&["good.csv", "--encoding", "klingon"]);
    assert!(absent.out.contains("no encoding is called \"klingon\"; examples are gb18030"), "{}", absent.out);
    std::fs::write(place.path().join("rooms.xlsx"), workbook(0)).unwrap();
    let sheet = validate(&["rooms.xlsx", "--sheet", "Rooms"]);
    assert!(sheet.out.contains("there is no sheet \"Rooms\"; the workbook has \"会议室\""), "{}", sheet.out);
    assert_eq!(validate(&["good.csv", "--delimiter", "ab"]).code, Some(2));
    assert_eq!(validate(&["good.csv", "--header-row", "0"]).code, Some(2));
}
