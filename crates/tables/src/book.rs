//! A workbook that is written row by row, whatever its length: what was written is on disk, not in memory.

use rust_xlsxwriter::{Format, FormatAlign, Workbook, Worksheet, XlsxError};

use super::form::Unwritable;

/// How wide a column is, in characters, at least and at most.
const WIDTH: [usize; 2] = [10, 40];

/// A cell to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, whatever it looks like: a spreadsheet takes it neither for a number nor for a formula.
    Text(String),
    /// A number.
    Number(f64),
    /// Yes or no.
    Bool(bool),
}

/// A workbook on its way; its sheets are written side by side.
pub struct Book {
    file: Workbook,
    rows: Vec<u32>,
    text: Format,
}

impl Book {
    /// A workbook with these sheets.
    ///
    /// # Errors
    /// A name that no sheet can have, or no place for what is written.
    pub fn new(sheets: &[&str]) -> Result<Self, Unwritable> {
        let mut book = Workbook::new();
        for name in sheets {
            book.add_worksheet_with_constant_memory()?.set_name(*name)?;
        }
        let text = Format::new().set_num_format("@").set_align(FormatAlign::Top);
        Ok(Self { file: book, rows: vec![0; sheets.len()], text })
    }

    /// Writes the first row of a sheet: bold, and in sight however far one scrolls.
    ///
    /// # Errors
    /// More columns than a workbook can hold.
    pub fn header(&mut self, sheet: usize, names: &[String]) -> Result<(), Unwritable> {
        let page = self.file.worksheet_from_index(sheet)?;
        let bold = Format::new().set_bold();
        page.set_freeze_panes(1, 0)?;
        for (column, name) in (0_u16..).zip(names) {
            let width = name.chars().map(|letter| if letter.is_ascii() { 1 } else { 2 }).sum::<usize>() + 2;
            page.set_column_width(column, width.clamp(WIDTH[0], WIDTH[1]) as f64)?;
            page.write_string_with_format(0, column, name, &bold)?;
        }
        self.rows[sheet] = 1;
        Ok(())
    }

    /// Writes the next row of a sheet.
    ///
    /// # Errors
    /// A text or a row more than a workbook can hold.
    pub fn row(&mut self, sheet: usize, cells: &[Value]) -> Result<(), Unwritable> {
        let row = self.rows[sheet];
        let page = self.file.worksheet_from_index(sheet)?;
        for (column, cell) in (0_u16..).zip(cells) {
            write(page, (row, column), cell, &self.text)?;
        }
        self.rows[sheet] += 1;
        Ok(())
    }

    /// The workbook's bytes.
    ///
    /// # Errors
    /// What was written cannot be read again.
    pub fn finish(mut self) -> Result<Vec<u8>, Unwritable> {
        Ok(self.file.save_to_buffer()?)
    }
}

fn write(page: &mut Worksheet, (row, column): (u32, u16), cell: &Value, text: &Format) -> Result<(), XlsxError> {
    match cell {
        Value::Text(cell) if cell.is_empty() => {}
        Value::Text(cell) => drop(page.write_string_with_format(row, column, cell, text)?),
        Value::Number(number) => drop(page.write_number(row, column, *number)?),
        Value::Bool(is) => drop(page.write_boolean(row, column, *is)?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::{Kind, find_sheet, read_sheet};

    fn read_back(rows: &[Vec<Value>]) -> Vec<Vec<String>> {
        let mut book = Book::new(&["results", "faults"]).unwrap();
        book.header(0, &["a".to_owned(), "b".to_owned()]).unwrap();
        book.header(1, &["c".to_owned()]).unwrap();
        for row in rows {
            book.row(0, row).unwrap();
            book.row(1, &row[..1]).unwrap();
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&book.finish().unwrap()).unwrap();
        let found = find_sheet(file.try_clone().unwrap(), Kind::Zip, None).unwrap();
        assert_eq!((found.name.as_str(), found.notes.others), ("results", vec!["faults".to_owned()]));
        read_sheet(file, Kind::Zip, "results").unwrap().map(|row| row.unwrap().cells).collect()
    }

    #[test]
    fn types_are_kept_and_a_formula_is_text() {
        let text = |text: &str| Value::Text(text.to_owned());
        let rows = [
            vec![text("=1+1"), Value::Number(10.0)],
            vec![text("0701"), Value::Bool(true)],
            vec![text("总部\n7F"), text("_x0041_")],
        ];
        let read = read_back(&rows);
        assert_eq!(read, [["a", "b"], ["=1+1", "10"], ["0701", "true"], ["总部\n7F", "_x0041_"]]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_that_people_can_see_is_read_back(cell in "[ -~\n\t\u{a0}-\u{2ff}会议室👩‍🚀]{0,40}", number in -1e9..1e9_f64) {
            let rows = [vec![Value::Text(format!("x{cell}")), Value::Number(number)]];
            let read = read_back(&rows);
            prop_assert_eq!(&read[1], &[format!("x{cell}"), number.to_string()]);
        }
    }
}
