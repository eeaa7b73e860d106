//! What the cells of a table are where types are kept: numbers and yes or no where a method wants them, else text.

use std::sync::Arc;

use super::heading::{Headings, schema};
use super::rewritten::is_rewritten;
use crate::catalog::{Catalog, Method, Schema, SchemaKind};

/// A cell as a workbook has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Typed {
    /// Text, whatever it looks like.
    Text(String),
    /// A number.
    Number(f64),
    /// Yes or no.
    Bool(bool),
}

/// What the columns of a header hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Types(Vec<SchemaKind>);

impl Types {
    /// Of the parameters of a method.
    pub fn of(catalog: &Catalog, method: &str, header: &[String]) -> Self {
        let headings = Headings::of(catalog, Some(method));
        let name = |heading: &String| match headings.find(heading).as_slice() {
            [called] => called.column.clone(),
            _ => heading.clone(),
        };
        Self::of_method(catalog.job_method(method).map(Arc::as_ref), &header.iter().map(name).collect::<Vec<_>>())
    }

    /// Of the parameters of a method, by their own names.
    pub fn of_method(method: Option<&Method>, header: &[String]) -> Self {
        let Some(known) = method else { return Self(Vec::new()) };
        let kind = |column: &String| {
            let leaf = schema(known, column).filter(|schema| schema.items.is_none()).map(Schema::leaf);
            leaf.filter(|leaf| leaf.format.is_none()).map_or(SchemaKind::String, |leaf| leaf.kind)
        };
        Self(header.iter().map(kind).collect())
    }

    /// A cell of a column: typed, if it comes back as the same text.
    pub fn cell(&self, column: usize, text: String) -> Typed {
        match self.0.get(column) {
            Some(SchemaKind::Integer | SchemaKind::Number) => number(text),
            Some(SchemaKind::Boolean) => match text.as_str() {
                "true" | "TRUE" => Typed::Bool(true),
                "false" | "FALSE" => Typed::Bool(false),
                _ => Typed::Text(text),
            },
            Some(SchemaKind::String | SchemaKind::Object | SchemaKind::Array) | None => Typed::Text(text),
        }
    }
}

/// A number, if it comes back as the same text.
pub fn number(text: String) -> Typed {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && !is_rewritten(&text) => Typed::Number(number),
        Ok(_) | Err(_) => Typed::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::built_in;

    #[test]
    fn numbers_are_numbers_where_the_method_wants_them() {
        let header = ["名称", "容量（人）", "room_status.status", "备注"].map(str::to_owned);
        let types = Types::of(&built_in().unwrap(), "feishu.vc.room.create", &header);
        let cell = |column, text: &str| types.cell(column, text.to_owned());
        let text = |text: &str| Typed::Text(text.to_owned());
        assert_eq!([cell(0, "701"), cell(1, "10"), cell(1, "10人")], [text("701"), Typed::Number(10.0), text("10人")]);
        assert_eq!([cell(1, "010"), cell(1, "1,000"), cell(1, "NaN")], ["010", "1,000", "NaN"].map(text));
        assert_eq!([cell(2, "true"), cell(2, "是"), cell(3, "7")], [Typed::Bool(true), text("是"), text("7")]);
        assert_eq!(Types::of(&built_in().unwrap(), "no.such", &header).cell(1, "10".to_owned()), text("10"));
    }
}
