use std::fmt::Write;

use proptest::prelude::*;

use super::*;

type Read = Vec<(u64, Vec<String>)>;
type Faults = Vec<(u64, usize, QuoteKind)>;

fn all(text: &str) -> Result<Read, Faults> {
    let mut records = Records::new(text.as_bytes(), b',', 1, usize::MAX);
    let mut found = Vec::new();
    loop {
        match records.read() {
            Ok(Some(record)) => {
                found.push((record.line, records.cells().unwrap().into_iter().map(str::to_owned).collect()));
            }
            Ok(None) => return Ok(found),
            Err(Trouble::Quotes(faults)) => {
                return Err(faults.into_iter().map(|fault| (fault.line, fault.cell, fault.kind)).collect());
            }
            Err(Trouble::Io(..) | Trouble::Unread(..)) => panic!("a slice does not fail"),
        }
    }
}

fn cells(text: &str) -> Read {
    all(text).unwrap()
}

#[test]
fn quotes_hold_commas_quotes_and_line_ends() {
    let of = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        cells("a,\"b,\"\"c\"\"\"\r\n\n\"d\r\ne\",\r\n,\"\"\n\"f\""),
        [(1, of(&["a", "b,\"c\""])), (3, of(&["d\r\ne", ""])), (5, of(&["", ""])), (6, of(&["f"]))]
    );
    assert_eq!(cells("\"a\"\r"), [(1, of(&["a"]))]);
    assert_eq!(cells("\"\"\"\"\n"), [(1, of(&["\""]))], "one quote");
    assert!(cells("").is_empty() && cells("\r\n\n").is_empty());
}

#[test]
fn a_quote_out_of_place_is_told_where_its_cell_opens() {
    let half = |line| QuoteKind::Half { line };
    for (text, found) in [
        ("a,65\" b\n", vec![(1, 1, QuoteKind::Stray)]),
        ("a, \"b\"\n", vec![(1, 1, QuoteKind::Stray)]),
        ("a,=\"0701\"\n", vec![(1, 1, QuoteKind::Formula)]),
        ("a\"", vec![(1, 0, QuoteKind::Stray)]),
        ("x\n\"7F 65\" east\",1\n", vec![(2, 0, half(2))]),
        ("\"a\" ,1\n", vec![(1, 0, half(1))]),
        ("\"a\"\rb\n", vec![(1, 0, half(1))]),
        ("x\na,\"65 inch\nb,c\nd,65\" screen\ne,f\n", vec![(2, 1, half(4))]),
        ("x\n\"a,b\nc\n", vec![(2, 0, QuoteKind::Unclosed)]),
        ("\"", vec![(1, 0, QuoteKind::Unclosed)]),
        ("a,\"b\"\",c", vec![(1, 1, QuoteKind::Unclosed)]),
    ] {
        assert_eq!(all(text), Err(found), "{text:?}");
    }
}

#[test]
fn all_faults_within_a_line_are_told_and_none_behind_one_that_spans_lines() {
    let text = "a\nb\"\nc\n\"d\"e\nf\n\"g\nh\n\"i\nj\"\n";
    let half = |line| QuoteKind::Half { line };
    assert_eq!(all(text), Err(vec![(2, 0, QuoteKind::Stray), (4, 0, half(4)), (6, 0, half(8))]));
}

#[test]
fn many_faults_need_no_deep_stack() {
    let found = all(&"a\"\n".repeat(200_000)).unwrap_err();
    assert_eq!(found.len(), 200_000);
}

#[test]
fn of_a_long_record_the_beginning_is_kept() {
    let mut records = Records::new(&b"abc,defg\r\nh,i\n"[..], b',', 1, 5);
    assert_eq!(records.read().unwrap(), Some(Record { line: 1, bytes: 8 }));
    assert_eq!((records.cells().unwrap(), records.text()), (vec!["abc", "d"], &b"abcd"[..]));
    assert_eq!(records.read().unwrap(), Some(Record { line: 2, bytes: 3 }));
}

proptest! {
    /// Whatever the csv crate writes is read as it was, with the lines of the file.
    #[test]
    fn what_is_written_is_read(rows in prop::collection::vec(prop::collection::vec("[a\"',; \n\r\t会]{0,5}", 2..4), 0..6)) {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        let mut wanted = Vec::new();
        for row in &rows {
            let before = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let line = 1 + before.matches('\n').count() as u64;
            writer = csv::WriterBuilder::new().flexible(true).from_writer(before.into_bytes());
            writer.write_record(row).unwrap();
            wanted.push((line, row.clone()));
        }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        prop_assert_eq!(all(&text), Ok(wanted));
    }

    /// With one quote too many, no row is lost without a word: all are there, or a fault is.
    #[test]
    fn no_quote_takes_rows_away(
        rows in prop::collection::vec(("[a-c]{1,3}", "[a-c]{1,3}", "[a-c]{1,3}"), 1..6),
        place in any::<prop::sample::Index>(),
    ) {
        let mut text = rows.iter().fold(String::new(), |mut text, (a, b, c)| {
            let _ = writeln!(text, "{a},{b},{c}");
            text
        });
        text.insert(place.index(text.len()), '"');
        prop_assert!(all(&text).is_err(), "{}", text);
    }
}
