//! Whether a ledger's file and the write-ahead log beside it belong together.
//!
//! SQLite takes whatever `-wal` lies beside a file for its own. After a crash that is right. If somebody copied a backup
//! over the file since, it mixes two states of the ledger: at best the backup has no effect, at worst the file is damaged.
//!
//! So every transaction puts a new stamp into the ledger, with the one before it. The stamp has a page to itself: the
//! first copy of that page in the log names the state of the file on which the log was begun, and each further one a
//! state that moving the log into the file can have left there. It is known by its form, because VACUUM numbers pages
//! anew. Another stamp in the file means another file. And a
//! stamp remembers the schema's number, which SQLite's backup and VACUUM change in what they write: so a backup of a state
//! that the log leads through is told from that state.
//!
//! What cannot be told: a plain copy of the very state on which the log was begun, because it is the same bytes; a file
//! from before stamps; a change that another program made, which has no stamp.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::Connection;

use super::file;

const HEADER_BYTES: u64 = 32;
pub(super) const FRAME_HEADER_BYTES: u64 = 24;
const STAMP_BYTES: usize = 24;
/// What a page begins with: a leaf of a table.
const LEAF: u8 = 13;
/// The row begins so: its length and key, its header's length, a column that is the key, and a blob of 24 bytes.
const ROW_BEGINS: [u8; 5] = [27, 1, 3, 0, 60];
/// Where the schema's number stands on a file's first page.
const SCHEMA_AT: u64 = 40;

/// A transaction's mark: eight bytes by chance, and the schema's number in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    before: [u8; 8],
    own: [u8; 8],
    schema: [u8; 8],
}

/// Puts a new stamp into the ledger, within the transaction that it is for.
pub(super) fn stamp(conn: &Connection) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "UPDATE stamp SET stamp = CAST(substr(stamp, 9, 8) || randomblob(8)
             || (SELECT printf('%08x', schema_version) FROM pragma_schema_version) AS BLOB)",
    )?
    .execute([])
    .map(drop)
}

/// What file and log say of each other; the same twice where nobody writes them.
#[derive(Debug, PartialEq, Eq)]
struct Sight {
    file: Stamp,
    /// As the file's first page has it, not its stamp.
    schema: [u8; 8],
    salts: [u8; 8],
    /// The log's first stamp.
    first: Stamp,
    is_in_log: bool,
    knows_schema: bool,
}

impl Sight {
    fn is_foreign(&self) -> bool {
        (self.file.own != self.first.before && !self.is_in_log) || !self.knows_schema
    }
}

/// Whether the log beside the file at `path` is another file's. No, where nothing can be told.
pub(super) fn has_foreign_log(path: &Path) -> bool {
    let Some(first) = sight(path).filter(Sight::is_foreign) else { return false };
    // Somebody who works the ledger may have moved the log into the file between two looks.
    sight(path) == Some(first)
}

/// `None` also where they plainly belong together.
fn sight(path: &Path) -> Option<Sight> {
    let log = Log::open(&file::beside(path, "-wal"))?;
    let conn = file::open_without_log(path).ok()?;
    let number = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).ok();
    let bytes = conn.query_row("SELECT stamp FROM stamp", [], |row| row.get::<_, Vec<u8>>(0)).ok()?;
    let (file, schema) = (Stamp::of(&bytes)?, hex(u32::try_from(number("PRAGMA schema_version")?).ok()?));
    // Mostly all of the log has just been moved into the file. Then its last stamp is enough.
    if file.schema == schema && log.last().is_some_and(|last| last.own == file.own) {
        return None;
    }
    let told = log.read()?;
    let is_in_log = told.stamps.iter().any(|stamp| stamp.own == file.own);
    let knows_schema = file.schema == schema || told.schemas.contains(&schema);
    Some(Sight { file, schema, salts: log.salts, first: *told.stamps.first()?, is_in_log, knows_schema })
}

fn hex(schema: u32) -> [u8; 8] {
    let mut text = [0; 8];
    for (at, digit) in text.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(schema >> (28 - 4 * at) & 15) as usize];
    }
    text
}

impl Stamp {
    fn of(bytes: &[u8]) -> Option<Self> {
        let part = |at: usize| bytes.get(at..at + 8)?.try_into().ok();
        (bytes.len() == STAMP_BYTES).then_some(())?;
        Some(Self { before: part(0)?, own: part(8)?, schema: part(16)? })
    }
}

/// A write-ahead log. It has none of the locks that closing a file would end.
struct Log {
    file: File,
    page_bytes: u64,
    salts: [u8; 8],
}

/// A frame's header, and how its page begins.
struct Frame {
    head: [u8; FRAME_HEADER_BYTES as usize + 10],
    page_at: u64,
}

impl Frame {
    fn is_first_page(&self) -> bool {
        self.head[..4] == [0, 0, 0, 1]
    }

    /// Where in the page its row stands, if it is a leaf with a single one.
    fn only_row(&self) -> Option<u64> {
        let is_single = self.head[24] == LEAF && self.head[27..29] == [0, 1];
        (is_single && !self.is_first_page()).then(|| u64::from(u16::from_be_bytes([self.head[32], self.head[33]])))
    }
}

struct Told {
    stamps: Vec<Stamp>,
    schemas: BTreeSet<[u8; 8]>,
}

impl Log {
    fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let mut header = [0; HEADER_BYTES as usize];
        file.read_exact_at(&mut header, 0).ok()?;
        let page_bytes = u64::from(u32::from_be_bytes(header[8..12].try_into().ok()?));
        (page_bytes >= 512).then_some(Self { file, page_bytes, salts: header[16..24].try_into().ok()? })
    }

    /// All stamps, and all numbers of the schema.
    fn read(&self) -> Option<Told> {
        let mut told = Told { stamps: Vec::new(), schemas: BTreeSet::new() };
        for frame in (0..).map_while(|number| self.frame(number)) {
            if frame.is_first_page() {
                let mut schema = [0; 4];
                self.file.read_exact_at(&mut schema, frame.page_at + SCHEMA_AT).ok()?;
                told.schemas.insert(hex(u32::from_be_bytes(schema)));
            }
            told.stamps.extend(self.stamp(&frame));
        }
        told.schemas.extend(told.stamps.iter().map(|stamp| stamp.schema));
        Some(told)
    }

    /// The last stamp.
    fn last(&self) -> Option<Stamp> {
        let (mut there, mut beyond) = (0, self.file.metadata().ok()?.len() / (FRAME_HEADER_BYTES + self.page_bytes));
        while there < beyond {
            let middle = there.midpoint(beyond);
            if self.frame(middle).is_some() { there = middle + 1 } else { beyond = middle }
        }
        (0..there).rev().find_map(|number| self.stamp(&self.frame(number)?))
    }

    /// A frame of the log's present life: those behind it are older, and have other salts.
    fn frame(&self, number: u64) -> Option<Frame> {
        let at = HEADER_BYTES + number * (FRAME_HEADER_BYTES + self.page_bytes);
        let mut head = [0; FRAME_HEADER_BYTES as usize + 10];
        self.file.read_exact_at(&mut head, at).ok()?;
        (head[8..16] == self.salts).then_some(Frame { head, page_at: at + FRAME_HEADER_BYTES })
    }

    /// The stamp in a page, if it is the stamp's.
    fn stamp(&self, frame: &Frame) -> Option<Stamp> {
        let mut row = [0; ROW_BEGINS.len() + STAMP_BYTES];
        self.file.read_exact_at(&mut row, frame.page_at + frame.only_row()?).ok()?;
        Stamp::of(row.strip_prefix(&ROW_BEGINS)?)
    }
}

#[cfg(test)]
mod tests;
