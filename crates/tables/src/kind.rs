//! What a file is, by its first bytes: names lie, and standard input has none.

use std::io::{self, Read, Seek, SeekFrom};

use super::encoding::is_utf_16;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A workbook that is a ZIP archive: XLSX, XLSM, XLSB, ODS.
    Zip,
    /// A workbook of the kind before: XLS.
    Compound,
    /// An HTML page, which some systems write under the name of a workbook.
    Html,
    /// Text that begins with `{`.
    Json,
    /// Any other text.
    Text,
    /// Neither a workbook nor text.
    Binary,
}

/// How much is looked at.
const HEAD_BYTES: u64 = 4_096;
/// No text has more of them than one in so many; of bytes at random every tenth is one.
const CONTROLS_ONE_IN: usize = 32;

/// Tells it by the first bytes, and goes back to the beginning.
///
/// # Errors
/// What the file system says.
pub fn kind_of(file: &mut (impl Read + Seek)) -> io::Result<Kind> {
    let mut head = Vec::new();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(of_head(&head))
}

fn of_head(head: &[u8]) -> Kind {
    if head.starts_with(b"PK\x03\x04") {
        return Kind::Zip;
    }
    if head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Kind::Compound;
    }
    // Of UTF-16 the NULs between ASCII letters are passed over, and so are marks of the byte order.
    let ascii: String = head
        .iter()
        .filter(|byte| byte.is_ascii() && **byte != 0)
        .map(|byte| char::from(*byte).to_ascii_lowercase())
        .collect();
    let start = ascii.trim_start();
    if ["<!doctype", "<html", "<?xml", "<table", "<meta"].iter().any(|tag| start.starts_with(tag)) {
        Kind::Html
    } else if start.starts_with('{') {
        Kind::Json
    } else if is_binary(head) {
        Kind::Binary
    } else {
        Kind::Text
    }
}

/// Whether so many bytes are control characters that it can be no text; one alone is for the reader to say where.
fn is_binary(head: &[u8]) -> bool {
    let is_utf_16 = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || is_utf_16(head);
    let is_control = |byte: &&u8| byte.is_ascii_control() && !b"\t\n\r\x0b\x0c\x1b".contains(byte);
    let controls = head.iter().filter(is_control).count();
    !is_utf_16 && controls >= 2 && controls * CONTROLS_ONE_IN > head.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell() {
        let utf_16: Vec<u8> = "\u{feff}<html>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (head, kind) in [
            (b"PK\x03\x04\x14\x00".as_slice(), Kind::Zip),
            (b"\xd0\xcf\x11\xe0\xa1\xb1", Kind::Compound),
            (b"\n <HTML xmlns:x=\"", Kind::Html),
            (&utf_16, Kind::Html),
            (b"\xef\xbb\xbf{\"id\":1}", Kind::Json),
            (b"name,capacity\n{x},1\n", Kind::Text),
            (b"", Kind::Text),
            (b"\x7fELF\x02\x01\x01\x00\x00\x00", Kind::Binary),
            (b"name,capacity\nA\x00,1\nBBBBBBBBBBBBBBBBBBBBBBBBB,2\n", Kind::Text),
            (b"n\x00a\x00m\x00e\x00,\x00c\x00\n\x00", Kind::Text),
        ] {
            assert_eq!(of_head(head), kind, "{head:?}");
        }
    }
}
