use super::*;

const CSV: Format = Format::Csv;

fn opened(bytes: &[u8], format: Format, layout: &Layout) -> Result<(String, u64, char), Broken> {
    let (mut source, opening) = open(bytes, format, layout)?;
    let mut rest = String::new();
    source.read_to_string(&mut rest).unwrap();
    Ok((rest, opening.lines, char::from(opening.separator)))
}

fn csv(text: &str) -> Result<(String, u64, char), Broken> {
    opened(text.as_bytes(), CSV, &Layout::default())
}

#[test]
fn a_line_for_excel_is_passed_over_and_believed() {
    for first in ["sep=,\n", "\u{feff}sep=,\r\n", "SEP=,\n", "\"sep=,\"\n", "sep=,,,,\n", "\"sep=,\",,\n"] {
        assert_eq!(csv(&format!("{first}name,capacity\n")), Ok(("name,capacity\n".to_owned(), 1, ',')), "{first:?}");
    }
    for (first, separator) in [("sep=;\n", ';'), ("sep=\t\r\n", '\t'), ("\"sep=;\"\n", ';'), ("sep=|\n", '|')] {
        assert_eq!(csv(&format!("{first}name\n")), Ok(("name\n".to_owned(), 1, separator)), "{first:?}");
    }
    assert!(csv("sep=，\nname\n").unwrap_err().1.to_string().contains("remove the line"));
    for kept in ["sep=", "separator,a\n", "sep=ab,\n", "sep,a\n", ""] {
        assert_eq!(csv(kept), Ok((kept.to_owned(), 0, ',')));
    }
    let layout = Layout::default();
    assert_eq!(opened(b"sep=,\n", Format::Jsonl, &layout), Ok(("sep=,\n".to_owned(), 0, ',')));
}

#[test]
fn a_byte_order_mark_is_passed_over_once() {
    assert_eq!(csv("\u{feff}a,b"), Ok(("a,b".to_owned(), 0, ',')));
    assert!(csv("\u{feff}\u{feff}a,b").unwrap_err().1.to_string().contains("U+FEFF"));
    assert!(opened("\u{feff}\u{feff}{}".as_bytes(), Format::Jsonl, &Layout::default()).is_err());
}

#[test]
fn the_separator_is_told_by_the_header() {
    for (header, separator) in [
        ("a,b\n", ','),
        ("a;b\n", ';'),
        ("\"a\";\"b\"\n", ';'),
        ("a\tb", '\t'),
        ("a;x,b\n", ','),
        ("\"a,x\";b\n", ';'),
        ("a,b\tc\td\n", '\t'),
        ("name\n", ','),
    ] {
        assert_eq!(csv(header).unwrap().2, separator, "{header:?}");
    }
    assert!(csv("a，b\n").unwrap_err().1.to_string().contains("'，'"));
    assert!(csv("a|b\n").unwrap_err().1.to_string().contains("--delimiter '|'"));
    let given = Layout { separator: Some(b'|'), ..Layout::default() };
    assert_eq!(opened(b"a|b,c\n", CSV, &given).unwrap().2, '|');
    assert!(csv("a,b\rc,d\r").unwrap_err().1.to_string().contains("U+000D"), "no line end that is read");
    assert!(csv("a,b\r\nc").is_ok() && csv("a,b\r").is_ok());
}

#[test]
fn titles_above_the_header_are_passed_over() {
    let third = Layout { header_row: Some(3), ..Layout::default() };
    let long = "x".repeat(10_000);
    for titles in ["Rooms 2026\n\n", &format!("{long}\n{long}\r\n"), "a,b,c\n,,\n"] {
        let text = format!("{titles}name;capacity\n1;2\n");
        assert_eq!(opened(text.as_bytes(), CSV, &third), Ok(("name;capacity\n1;2\n".to_owned(), 2, ';')));
    }
    assert_eq!(opened(b"sep=;\nTitle\nb\nname;x\n", CSV, &third), Ok(("name;x\n".to_owned(), 3, ';')));
    assert_eq!(opened(b"only\n", CSV, &third).unwrap().0, "", "the file ends before");
}
