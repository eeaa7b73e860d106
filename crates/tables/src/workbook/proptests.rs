use std::fs::File;
use std::io::{Cursor, Read as _, Write as _};
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use rust_xlsxwriter::{Format, Formula, Note, Workbook};

use super::*;

/// The parts of a workbook that uses what a reader may stumble over.
fn parts() -> Vec<(String, Vec<u8>)> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "名称").unwrap();
    sheet.insert_note(0, 0, &Note::new("7F")).unwrap();
    sheet.write_number_with_format(1, 1, 46_354.5, &Format::new().set_num_format("yyyy-mm-dd")).unwrap();
    sheet.write_formula(2, 2, Formula::new("=1+1").set_result("2")).unwrap();
    sheet.merge_range(3, 0, 4, 1, "merged", &Format::new()).unwrap();
    sheet.set_row_hidden(4).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(book.save_to_buffer().unwrap())).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut part = archive.by_index(index).unwrap();
            let mut text = Vec::new();
            part.read_to_end(&mut text).unwrap();
            (part.name().unwrap().into_owned(), text)
        })
        .collect()
}

fn file_of(parts: &[(String, Vec<u8>)]) -> File {
    let mut archive = zip::ZipWriter::new(tempfile::tempfile().unwrap());
    for (name, text) in parts {
        archive.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text).unwrap();
    }
    archive.finish().unwrap()
}

/// What XML and references of cells are made of.
const TOKENS: &[&str] =
    &["<", ">", "\"", "/", "&", "&#0;", "-1", "A0", "XFD1048576", "ZZZZ9", "99999999999", "$", "", "s", "é", ":"];

fn edit(bytes: &mut Vec<u8>, at: Index, length: usize, token: &str) {
    let from = at.index(bytes.len() + 1);
    let to = (from + length).min(bytes.len());
    bytes.splice(from..to, token.bytes());
}

proptest! {
    #[test]
    fn whatever_a_part_holds_the_workbook_is_read_or_refused_in_words(
        edits in prop::collection::vec(
            (any::<Index>(), any::<Index>(), 0_usize..12, prop::sample::select(TOKENS)), 1..6),
    ) {
        static PARTS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(parts);
        let mut parts = PARTS.clone();
        for (part, at, length, token) in edits {
            let part = part.index(parts.len());
            edit(&mut parts[part].1, at, length, token);
        }
        let reader = Reader::from(file_of(&parts));
        let read = || -> Result<usize, Refused> {
            let found = find_sheet(reader.clone(), Kind::Zip, None)?;
            read_sheet(reader.clone(), Kind::Zip, &found.name)?.try_fold(0, |count, row| row.map(|_| count + 1))
        };
        if let Err(refused) = read() {
            prop_assert!(!refused.to_string().trim().is_empty());
        }
    }
}
