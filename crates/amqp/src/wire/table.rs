//! Whether the client can parse a table of headers. Pure.

/// Tables and lists within each other; the client's parser calls itself for each, and its stack is not endless.
const DEPTH_MAX: u8 = 16;

/// Whether every name is UTF-8, every type one that the client knows, and every length that of what is there.
pub(super) fn is_readable(table: &[u8]) -> bool {
    fields(table, 0).is_some()
}

fn fields(mut rest: &[u8], depth: u8) -> Option<()> {
    while let Some((length, more)) = rest.split_first() {
        let (name, more) = more.split_at_checked(usize::from(*length))?;
        std::str::from_utf8(name).ok()?;
        rest = value(more, depth)?;
    }
    Some(())
}

fn values(mut rest: &[u8], depth: u8) -> Option<()> {
    while !rest.is_empty() {
        rest = value(rest, depth)?;
    }
    Some(())
}

/// What follows the value at the beginning.
fn value(bytes: &[u8], depth: u8) -> Option<&[u8]> {
    let (kind, rest) = bytes.split_first()?;
    let length = match kind {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'U' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'L' | b'l' | b'd' | b'T' => 8,
        b'S' | b'x' | b'A' | b'F' => return long(*kind, rest, depth),
        _ => return None,
    };
    rest.get(length..)
}

fn long(kind: u8, bytes: &[u8], depth: u8) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (inner, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let is_deep = depth >= DEPTH_MAX;
    match kind {
        b'A' | b'F' if is_deep => return None,
        b'A' => values(inner, depth + 1)?,
        b'F' => fields(inner, depth + 1)?,
        _ => {}
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use lapin::types::parsing::parse_field_table;
    use proptest::prelude::*;

    use super::*;

    /// Tables in tables, innermost empty.
    fn nested(depth: usize) -> Vec<u8> {
        (0..depth).fold(Vec::new(), |inner, _| {
            let length = u32::try_from(inner.len()).unwrap().to_be_bytes();
            [&[1, b'a', b'F'][..], &length, &inner].concat()
        })
    }

    #[test]
    fn odd_types_names_lengths_and_depths_are_not_readable() {
        for table in
            [&b""[..], b"\x01aV", b"\x01as\x00\x01", b"\x01aS\x00\x00\x00\x02\xff\xfe", b"\x01aA\x00\x00\x00\x01V"]
        {
            assert!(is_readable(table), "{table:?}");
        }
        for table in [&b"\x01aZ"[..], b"\x01\xffV", b"\x02aV", b"\x01a", b"\x01aI\x00", b"\x01aS\x00\x00\x00\x02a"] {
            assert!(!is_readable(table), "{table:?}");
        }
        assert!(is_readable(&nested(16)) && !is_readable(&nested(17)) && !is_readable(&nested(20_000)));
    }

    proptest! {
        #[test]
        fn whatever_is_readable_the_client_parses(
            table in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"\x00\x01\x02aVtbsIlSFAx"[..])], 0..40)
        ) {
            let whole = [&u32::try_from(table.len()).unwrap().to_be_bytes()[..], &table].concat();
            if is_readable(&table) {
                prop_assert!(parse_field_table(&whole[..]).is_ok(), "{table:?}");
            }
        }
    }
}
