use std::fs::File;
use std::io::Write;
use std::path::Path;

use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};

use super::super::kind_of;
use super::*;

fn find(path: &Path, sheet: Option<&str>) -> Result<Found, Refused> {
    let mut file = File::open(path).unwrap();
    let kind = kind_of(&mut file).unwrap();
    find_sheet(file, kind, sheet)
}

fn open(path: &Path, sheet: Option<&str>) -> Result<Sheet, Refused> {
    let name = find(path, sheet)?.name;
    let mut file = File::open(path).unwrap();
    let kind = kind_of(&mut file).unwrap();
    read_sheet(file, kind, &name)
}

fn rows(path: &Path, sheet: Option<&str>) -> Vec<Row> {
    open(path, sheet).unwrap().map(Result::unwrap).collect()
}

fn folder_with(write: impl FnOnce(&mut Workbook)) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rooms.xlsx");
    let mut book = Workbook::new();
    write(&mut book);
    book.save(&path).unwrap();
    (folder, path)
}

#[test]
fn cells_are_what_they_show() {
    let (_folder, path) = folder_with(|book| {
        let sheet = book.add_worksheet();
        sheet.write(0, 0, "会议室名称").unwrap();
        sheet.write(0, 1, "容量").unwrap();
        sheet.write(2, 0, "0701").unwrap();
        sheet.write(2, 1, 10).unwrap();
        sheet.write(2, 2, 2.5).unwrap();
        sheet.write(2, 3, true).unwrap();
        let day = Format::new().set_num_format("yyyy-mm-dd hh:mm");
        sheet
            .write_datetime_with_format(2, 4, ExcelDateTime::parse_from_str("2026-11-28T09:05:00").unwrap(), &day)
            .unwrap();
        sheet.write_datetime_with_format(2, 5, ExcelDateTime::parse_from_str("2026-11-28").unwrap(), &day).unwrap();
        sheet.write_formula(2, 6, Formula::new("=1+1").set_result("2")).unwrap();
        sheet.write(3, 0, 13_800_000_000_u64).unwrap();
        sheet.write_number(3, 1, 6_911_234_567_890_123_000.0).unwrap();
        sheet.write(5, 1, "  ").unwrap();
    });
    let rows = rows(&path, None);
    assert_eq!(rows[0], Row { number: 1, cells: vec!["会议室名称".into(), "容量".into()], faults: Vec::new() });
    let cells = ["0701", "10", "2.5", "true", "2026-11-28T09:05:00", "2026-11-28", "2"];
    assert_eq!((rows[1].number, rows[1].cells.iter().map(String::as_str).collect::<Vec<_>>()), (3, cells.to_vec()));
    assert_eq!(rows[2].cells[0], "13800000000", "no exponent");
    assert_eq!(rows[2].faults, [(1, CellFault::Rounded)]);
    assert_eq!(rows[3].cells, ["", "  "]);
}

#[test]
fn a_sheet_is_chosen_and_the_rest_is_told() {
    let (_folder, path) = folder_with(|book| {
        book.add_worksheet().set_name("说明").unwrap().set_hidden(true).write(0, 0, "hidden").unwrap();
        let rooms = book.add_worksheet().set_name("会议室").unwrap();
        rooms.set_active(true).write(0, 0, "name").unwrap();
        rooms.merge_range(1, 0, 2, 1, "merged", &Format::new()).unwrap();
        rooms.write(4, 0, "x").unwrap();
        rooms.set_row_hidden(4).unwrap().set_row_hidden(5).unwrap();
        book.add_worksheet().set_name("B").unwrap().write(0, 0, "other").unwrap();
    });
    let sheet = find(&path, None).unwrap();
    assert_eq!(sheet.name, "会议室", "the first that is shown");
    assert_eq!(
        sheet.notes,
        Notes { others: vec!["B".into()], merged: vec!["A2:B3".into()], hidden: vec![5, 6], is_untold: false }
    );
    assert_eq!(rows(&path, Some("B"))[0].cells, ["other"]);
    let refused = find(&path, Some("C")).unwrap_err().to_string();
    assert_eq!(refused, "there is no sheet \"C\"; the workbook has \"会议室\", \"B\"");
}

fn zipped(parts: &[(&str, &[u8])]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.xlsx");
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    for (name, bytes) in parts {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    (folder, path)
}

fn why(path: &Path) -> String {
    match open(path, None) {
        Err(refused) => refused.to_string(),
        Ok(sheet) => sheet.filter_map(Result::err).map(|refused| refused.to_string()).collect(),
    }
}

#[test]
fn what_is_no_workbook_is_refused_in_words() {
    assert_eq!(why(&zipped(&[("a.txt", b"a")]).1), "the file is a ZIP archive, but not a workbook");
    let (_folder, path) = zipped(&[("xl/workbook.xml", b"<workbook><sheets><sheet")]);
    assert!(why(&path).starts_with("the workbook is damaged: "), "{}", why(&path));
    let spaces = vec![b' '; 80 << 20];
    let (_folder, path) = zipped(&[("xl/workbook.xml", b""), ("xl/worksheets/sheet1.xml", &spaces)]);
    assert!(why(&path).starts_with("xl/worksheets/sheet1.xml unpacks to 83886080 bytes from"), "{}", why(&path));
    let (_folder, path) = folder_with(|book| {
        book.add_worksheet().write(0, 16_383, "far away").unwrap();
    });
    assert_eq!(why(&path), "row 1 has a value in column 16384; at most 4096 columns are read");
    std::fs::write(&path, b"PK\x03\x04 cut").unwrap();
    assert!(why(&path).starts_with("the workbook is damaged: "), "{}", why(&path));
    let mut locked = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    locked.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    std::fs::write(&path, locked).unwrap();
    assert_eq!(why(&path), "the workbook is protected by a password");
}

#[test]
fn who_reads_no_further_leaves_no_thread_waiting() {
    let (_folder, path) = folder_with(|book| {
        let sheet = book.add_worksheet();
        for row in 0..1_000 {
            sheet.write(row, 0, row).unwrap();
        }
    });
    let mut sheet = open(&path, None).unwrap();
    assert_eq!(sheet.next().unwrap().unwrap().cells, ["0"]);
    drop(sheet);
}
