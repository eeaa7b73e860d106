//! A workbook for people to fill in: headings with notes, choices, rows of examples.

use rust_xlsxwriter::{Color, DataValidation, DataValidationErrorStyle, Format, Formula, Note, Workbook, Worksheet};

/// The last row of a sheet, counted from 0.
const ROW_LAST: u32 = 1_048_575;
/// How wide a column is, in characters, at least and at most.
const WIDTH: [usize; 2] = [10, 40];
/// Longer notes are cut: what a spreadsheet shows beside a cell.
const NOTE_WIDTH: u32 = 360;

/// A column of a workbook to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormColumn {
    /// What stands in the first row.
    pub heading: String,
    /// What is shown beside the heading.
    pub note: String,
    /// Whether every row needs a value.
    pub is_required: bool,
    /// Whether the examples are written as numbers, where they are some.
    pub is_number: bool,
    /// What can be chosen; empty for anything.
    pub choices: Vec<String>,
    /// Whether something else than a choice is accepted, too: several of them.
    pub is_open: bool,
}

/// The names of the sheets: the one to fill in, the notes, the choices.
#[derive(Clone, Copy, Debug)]
pub struct FormNames<'a> {
    /// The sheet to fill in.
    pub rows: &'a str,
    /// The sheet of the notes.
    pub notes: &'a str,
    /// The hidden sheet of the choices.
    pub choices: &'a str,
}

/// Why a workbook could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the workbook cannot be written: {0}")]
pub struct Unwritable(#[from] rust_xlsxwriter::XlsxError);

/// The workbook's bytes.
///
/// # Errors
/// A text that no workbook can hold.
pub fn form(columns: &[FormColumn], rows: &[Vec<String>], names: FormNames<'_>) -> Result<Vec<u8>, Unwritable> {
    let mut book = Workbook::new();
    fill_in(book.add_worksheet().set_name(names.rows)?, columns, rows, names.choices)?;
    write_notes(book.add_worksheet().set_name(names.notes)?, columns)?;
    let choices = book.add_worksheet().set_name(names.choices)?.set_hidden(true);
    for (column, row, choice) in all_choices(columns) {
        choices.write_string(row, column, choice)?;
    }
    Ok(book.save_to_buffer()?)
}

fn fill_in(
    sheet: &mut Worksheet,
    columns: &[FormColumn],
    rows: &[Vec<String>],
    choices: &str,
) -> Result<(), Unwritable> {
    let (text, bold) = (Format::new().set_num_format("@"), Format::new().set_bold());
    let required = bold.clone().set_background_color(Color::RGB(0x00FF_F2CC));
    sheet.set_freeze_panes(1, 0)?;
    for (index, column) in (0_u16..).zip(columns) {
        let width = column.heading.chars().map(|letter| if letter.is_ascii() { 1 } else { 2 }).sum::<usize>() + 2;
        sheet.set_column_width(index, width.clamp(WIDTH[0], WIDTH[1]) as f64)?;
        if !column.is_number {
            // Or a spreadsheet takes 0701 for a number.
            sheet.set_column_format(index, &text)?;
        }
        let format = if column.is_required { &required } else { &bold };
        sheet.write_string_with_format(0, index, &column.heading, format)?;
        if !column.note.is_empty() {
            sheet.insert_note(0, index, &Note::new(&column.note).set_width(NOTE_WIDTH))?;
        }
        if !column.choices.is_empty() {
            let validation = choose(choices, index, column);
            sheet.add_data_validation(1, index, ROW_LAST, index, &validation)?;
        }
        for (line, row) in (1_u32..).zip(rows) {
            let cell = row.get(usize::from(index)).map_or("", String::as_str);
            match cell.parse::<f64>() {
                Ok(number) if column.is_number => drop(sheet.write_number(line, index, number)?),
                _ if cell.is_empty() => {}
                _ => drop(sheet.write_string_with_format(line, index, cell, &text)?),
            }
        }
    }
    Ok(())
}

fn choose(sheet: &str, index: u16, column: &FormColumn) -> DataValidation {
    let letters = rust_xlsxwriter::utility::column_number_to_name(index);
    let list = Formula::new(format!("='{sheet}'!${letters}$1:${letters}${}", column.choices.len()));
    let style = if column.is_open { DataValidationErrorStyle::Information } else { DataValidationErrorStyle::Stop };
    DataValidation::new().allow_list_formula(list).set_error_style(style).show_error_message(!column.is_open)
}

/// The choices of each column under one another, in a column of the same place.
fn all_choices(columns: &[FormColumn]) -> impl Iterator<Item = (u16, u32, &String)> {
    (0_u16..)
        .zip(columns)
        .flat_map(|(index, column)| (0_u32..).zip(&column.choices).map(move |(row, choice)| (index, row, choice)))
}

fn write_notes(sheet: &mut Worksheet, columns: &[FormColumn]) -> Result<(), Unwritable> {
    let (bold, wrapped) = (Format::new().set_bold(), Format::new().set_text_wrap());
    sheet.set_column_width(0, WIDTH[1] as f64)?.set_column_width(1, 100)?;
    for (row, column) in (0_u32..).zip(columns) {
        sheet.write_string_with_format(row, 0, &column.heading, &bold)?;
        sheet.write_string_with_format(row, 1, &column.note, &wrapped)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::{Kind, find_sheet, read_sheet};

    #[test]
    fn what_is_filled_in_is_read_back_and_the_other_sheets_are_not() {
        let column = |heading: &str, is_number, choices: &[&str]| FormColumn {
            heading: heading.to_owned(),
            note: format!("about {heading}"),
            is_required: is_number,
            is_number,
            choices: choices.iter().map(|it| (*it).to_owned()).collect(),
            is_open: false,
        };
        let columns = [column("编号", false, &[]), column("capacity", true, &[]), column("used", false, &["是", "否"])];
        let rows = [vec!["0701".to_owned(), "10".to_owned(), "是".to_owned()], vec!["x".to_owned()]];
        let names = FormNames { rows: "rows", notes: "notes", choices: "choices" };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&form(&columns, &rows, names).unwrap()).unwrap();
        let found = find_sheet(file.try_clone().unwrap(), Kind::Zip, None).unwrap();
        assert_eq!((found.name.as_str(), found.notes.others), ("rows", vec!["notes".to_owned()]));
        let read: Vec<_> = read_sheet(file, Kind::Zip, "rows").unwrap().map(|row| row.unwrap().cells).collect();
        assert_eq!(read, [vec!["编号", "capacity", "used"], vec!["0701", "10", "是"], vec!["x"]]);
    }
}
