//! Records of CSV files that people open in spreadsheets.

use std::io::{self, Write};

use csv::QuoteStyle;

use crate::domain::rows::exported::is_quoted;

/// Room for a usual record.
const RECORD_BYTES: usize = 1 << 10;

/// Writes a record on a line of its own, all of it between quotes if a cell of it could be taken for several.
///
/// # Errors
/// Those of `out`: a reader that went away stays recognisable.
pub fn write_record(cells: &[String], out: &mut dyn Write) -> io::Result<()> {
    let quotes = if cells.iter().any(|cell| is_quoted(cell)) { QuoteStyle::Always } else { QuoteStyle::Necessary };
    let mut csv = csv::WriterBuilder::new().quote_style(quotes).buffer_capacity(RECORD_BYTES).from_writer(out);
    csv.write_record(cells).map_err(io_of)?;
    csv.flush()
}

fn io_of(error: csv::Error) -> io::Error {
    let words = error.to_string();
    if let csv::ErrorKind::Io(error) = error.into_kind() { error } else { io::Error::other(format!("CSV: {words}")) }
}
