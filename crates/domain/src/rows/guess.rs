//! What the columns of an unknown table may be, for a person to look at.

use super::column::{Target, names};
use super::exported::result_of;
use super::heading::{Headings, columns, normal};
use crate::catalog::{Catalog, Method, Schema, nearest};
use crate::decode::FIELDS;

/// What a column may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The heading.
    pub heading: String,
    /// The parameter or field, as a header names it; `None` if nothing is like it.
    pub column: Option<String>,
    /// How it was found.
    pub how: How,
}

/// How a column was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The heading is its name.
    Name,
    /// The heading is what people call it.
    Alias,
    /// The heading is like one of these.
    Like,
    /// Nothing is like it, or another column has it already.
    Nothing,
}

/// Guesses what the headings of a table mean to a method; no parameter twice. What surely is one comes before what is
/// like one.
pub fn guess(catalog: &Catalog, method: &Method, header: &[String]) -> Vec<Guess> {
    let headings = Headings::of(catalog, Some(&method.name));
    let known = names(method);
    let mut taken: Vec<String> = Vec::new();
    let mut guesses: Vec<Guess> = Vec::with_capacity(header.len());
    for heading in header {
        let sure = sure(&known, &headings, heading).filter(|(column, _)| !taken.contains(column));
        let (column, how) = sure.map_or((None, How::Nothing), |(column, how)| (Some(column), how));
        taken.extend(column.clone());
        guesses.push(Guess { heading: heading.clone(), column, how });
    }
    let called = called(method);
    for guess in guesses.iter_mut().filter(|guess| guess.column.is_none() && result_of(&guess.heading).is_none()) {
        let free = called.iter().filter(|(_, column)| !taken.contains(column));
        let bare = normal(&guess.heading);
        let near = nearest(&bare, free.clone().map(|(name, _)| name.as_str())).filter(|_| bare.chars().count() > 1);
        if let Some((_, column)) = near.and_then(|near| free.clone().find(|(name, _)| name == near)) {
            taken.push(column.clone());
            (guess.column, guess.how) = (Some(column.clone()), How::Like);
        }
    }
    guesses
}

/// The required parameters that no column gives.
pub fn missing(method: &Method, guesses: &[Guess]) -> Vec<String> {
    let given = |column: &String| guesses.iter().any(|guess| guess.column.as_ref() == Some(column));
    let parts = [("", &method.body_schema), ("query.", &method.query_schema), ("path.", &method.path_schema)];
    let required = parts.into_iter().flat_map(|(prefix, schema)| {
        let leaves =
            schema.required.iter().filter(|name| schema.property(name).is_some_and(|it| it.properties.is_empty()));
        leaves.map(move |name| format!("{prefix}{name}"))
    });
    required.filter(|name| !given(name)).collect()
}

/// Whether a column's values are for nobody's eyes.
pub fn is_secret(method: &Method, column: &str) -> bool {
    let has_part = ["path.", "query.", "body."].iter().any(|part| column.starts_with(part));
    let name = if has_part { column.to_owned() } else { format!("body.{column}") };
    method.param(&name).is_some_and(Schema::holds_secrets)
}

fn sure(known: &[String], headings: &Headings, heading: &str) -> Option<(String, How)> {
    if let Target::Field(field) = Target::of(heading) {
        return Some((field.to_owned(), How::Name));
    }
    if known.iter().any(|name| name == heading) {
        return Some((heading.to_owned(), How::Name));
    }
    match headings.find(heading).as_slice() {
        [called] => Some((called.column.clone(), How::Alias)),
        _ => None,
    }
}

/// Every name of every parameter, as it is compared.
fn called(method: &Method) -> Vec<(String, String)> {
    let of_column = |(column, schema): (String, &Schema)| {
        let mut names: Vec<String> = schema.aliases.iter().map(|alias| normal(alias)).collect();
        names.push(normal(&column));
        names.into_iter().map(move |name| (name, column.clone())).collect::<Vec<_>>()
    };
    let fields = FIELDS.into_iter().map(|field| (field.to_owned(), field.to_owned()));
    columns(method).into_iter().flat_map(of_column).chain(fields).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::built_in;

    #[test]
    fn columns_are_guessed_and_none_twice() {
        let catalog = built_in().unwrap();
        let method = catalog.job_method("feishu.vc.room.create").unwrap();
        let header = ["名称", "会议室名", "capacty", "楼栋", "容量（人）", "备注", "id"].map(str::to_owned);
        let guesses = guess(&catalog, method, &header);
        let found: Vec<_> = guesses.iter().map(|guess| (guess.column.as_deref(), guess.how)).collect();
        assert_eq!(found[0], (Some("name"), How::Alias));
        assert_eq!(found[2].1, How::Nothing, "容量 is surely the capacity: {found:?}");
        assert_eq!(found[3], (None, How::Nothing));
        assert_eq!(found[4], (Some("capacity"), How::Alias));
        assert_eq!(found[6], (Some("id"), How::Name));
        assert_eq!(missing(method, &guesses), ["room_level_id"]);
        let alone = guess(&catalog, method, &["capacty".to_owned()]);
        assert_eq!((alone[0].column.as_deref(), alone[0].how), (Some("capacity"), How::Like));
    }
}
