use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const ROOMS: &str = "名称,容量,楼层\n3号楼701会议室,10,7层\n报告厅,200,1层\n";

fn read(bytes: &[u8], named: Option<&str>) -> Result<(String, &'static str), String> {
    let mut text = text(Cursor::new(bytes.to_vec()), named).map_err(|error| error.to_string())?;
    let mut whole = String::new();
    text.source.read_to_string(&mut whole).map_err(|error| error.to_string())?;
    Ok((whole, text.encoding))
}

fn utf_16(text: &str, is_little: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if is_little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

#[test]
fn what_excel_and_wps_write_is_told_by_itself() {
    let marked = format!("\u{feff}{ROOMS}");
    let (gb, _, _) = GB18030.encode(ROOMS);
    assert_eq!(read(ROOMS.as_bytes(), None), Ok((ROOMS.to_owned(), "UTF-8")));
    assert_eq!(read(&gb, None), Ok((ROOMS.to_owned(), "GB18030")));
    for is_little in [true, false] {
        let name = if is_little { "UTF-16LE" } else { "UTF-16BE" };
        assert_eq!(read(&utf_16(&marked, is_little), None), Ok((ROOMS.to_owned(), name)));
        let ascii = "name,capacity\n会议室,10\n";
        assert_eq!(read(&utf_16(ascii, is_little), None), Ok((ascii.to_owned(), name)));
    }
    assert_eq!(read(b"name,capacity\n7F-701,10\n", None).unwrap().1, "UTF-8", "ASCII");
    assert_eq!(read(b"", None).unwrap().1, "UTF-8");
}

#[test]
fn a_short_chinese_heading_is_enough() {
    for heading in ["名称\n", "会议室名称,容量\n", "name,capacity\n总部,1\n"] {
        let (bytes, _, _) = GB18030.encode(heading);
        assert_eq!(read(&bytes, None), Ok((heading.to_owned(), "GB18030")), "{heading}");
    }
}

#[test]
fn other_encodings_are_refused_unless_they_are_named() {
    let (latin, _, _) = encoding_rs::WINDOWS_1252.encode("name;capacity\nCafé à l'étage;12\nSalle «été»;4\n");
    let refused = read(&latin, None).unwrap_err();
    assert!(refused.contains("windows-125"), "{refused}");
    assert!(read(&latin, Some("windows-1252")).unwrap().0.contains("Café à l'étage"));
    let (big5, _, _) = encoding_rs::BIG5.encode("名稱,容量\n第三會議室,10\n總部大樓接待室,4\n");
    assert!(read(&big5, Some("big5")).unwrap().0.contains("會議室"));
    assert_eq!(read(b"x", Some("klingon")).unwrap_err(), "no encoding is called \"klingon\"");
}

#[test]
fn a_wrong_byte_in_utf_8_does_not_make_it_another_encoding() {
    let mut bytes = ROOMS.as_bytes().to_vec();
    bytes.extend(b"\xff\xfe,1\n");
    let mut text = text(Cursor::new(bytes.clone()), None).unwrap();
    assert_eq!(text.encoding, "UTF-8");
    let mut whole = Vec::new();
    text.source.read_to_end(&mut whole).unwrap();
    assert_eq!(whole, bytes, "passed on, so that the reader names its line");
    let cut = &GB18030.encode(ROOMS).0[..20].to_vec();
    assert!(read(&[cut.as_slice(), b"\xff"].concat(), Some("gb18030")).unwrap_err().contains("not gb18030 here"));
}

proptest! {
    #[test]
    fn any_text_comes_back_from_the_encoding_that_is_named(text in "[a-z0-9,\n一-龥！-～😀]{0,400}") {
        for (name, bytes) in [
            ("gb18030", GB18030.encode(&text).0.into_owned()),
            ("utf-16le", utf_16(&text, true)),
            ("utf-16be", utf_16(&text, false)),
            ("utf-8", text.as_bytes().to_vec()),
        ] {
            prop_assert_eq!(read(&bytes, Some(name)).unwrap().0, text.clone(), "{}", name);
        }
    }

    #[test]
    fn any_chinese_text_is_told_from_its_bytes(text in "[一-龥]{4,200}") {
        let line = format!("name\n{text}\n");
        prop_assert_eq!(read(line.as_bytes(), None).unwrap().1, "UTF-8");
        prop_assert_eq!(read(&utf_16(&format!("\u{feff}{line}"), true), None).unwrap().0, line);
    }
}
