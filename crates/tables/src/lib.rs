//! Files as people have them, as text or rows of cells: encodings and workbooks. Knows nothing of jobs.
//!
//! [`kind_of()`] tells by a file's first bytes what it is; [`text()`] reads a text file as UTF-8, whatever it is encoded in;
//! [`workbook()`] reads one sheet, a row at a time.

mod encoding;
mod kind;
mod workbook;

pub use self::encoding::{Text, Unreadable, text};
pub use self::kind::{Kind, kind_of};
pub use self::workbook::{CellFault, Notes, Refused, Row, Sheet, workbook};
