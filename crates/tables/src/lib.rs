//! Files as people have them, as text or rows of cells: encodings and workbooks. Knows nothing of jobs.
//!
//! [`kind_of()`] tells by a file's first bytes what it is; [`text()`] reads a text file as UTF-8, whatever it is encoded in;
//! [`find_sheet()`] and [`read_sheet()`] choose one sheet and read it, a row at a time; [`form()`] makes a workbook to fill in, and a
//! [`Book`] is written row by row.

mod book;
mod encoding;
mod form;
mod kind;
mod reader;
mod workbook;

pub use self::book::{Book, Value};
pub use self::encoding::{Text, Unreadable, text};
pub use self::form::{FormColumn, FormNames, Unwritable, form};
pub use self::kind::{Kind, kind_of};
pub use self::reader::Reader;
pub use self::workbook::{COLUMNS_MAX, CellFault, Found, Notes, Refused, Row, Sheet, find_sheet, read_sheet};
