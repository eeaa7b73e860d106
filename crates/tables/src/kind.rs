//! What a file is, by its first bytes: names lie, and standard input has none.

use std::io::{self, Read, Seek, SeekFrom};

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
}

/// How much is looked at.
const HEAD_BYTES: u64 = 512;

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
    } else {
        Kind::Text
    }
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
        ] {
            assert_eq!(of_head(head), kind, "{head:?}");
        }
    }
}
