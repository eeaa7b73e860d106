//! A listing as people read it: page by page, its items as rows of the method that it feeds.

use serde_json::{Value, json};

use crate::catalog::{Catalog, Method, NextPage, Read};
use crate::job::Params;
use crate::look_up::{Pages, Turn, listed_under, set};
use crate::mask;
use crate::messages::Cause;
use crate::outcome::lookup;
use crate::rows::typed::Types;
use crate::rows::written::cell;

/// A reading on its way through the pages.
#[derive(Debug)]
pub struct Reading<'c> {
    listing: &'c Method,
    read: &'c Read,
    columns: Vec<Column<'c>>,
    params: Params,
    pages: Pages,
}

#[derive(Debug)]
struct Column<'c> {
    /// As a header writes it.
    name: String,
    fed: &'c Method,
    /// The parameter of the fed method.
    param: String,
    source: Source<'c>,
}

#[derive(Debug)]
enum Source<'c> {
    /// A field of the item.
    Item(&'c str),
    /// A parameter that the listing was asked with.
    Asked,
}

/// What one page holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// A row of cells for each item.
    pub rows: Vec<Vec<String>>,
    /// The items as they are listed.
    pub items: Vec<Value>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
    /// Values that no cell can hold: their cells are empty.
    pub unwritten: usize,
}

impl<'c> Reading<'c> {
    /// Reads a listing with these parameters, from the page on that `from` names; `None` if people cannot read it.
    pub fn new(catalog: &'c Catalog, listing: &'c Method, params: Params, from: Option<&str>) -> Option<Self> {
        let read = listing.read.as_ref()?;
        let fed = catalog.job_method(&read.feeds)?;
        let mut reading = Self { listing, read, columns: columns(listing, read, fed), params, pages: Pages::default() };
        for (name, value) in &read.params {
            if reading.params.get(name).is_none() {
                set(&mut reading.params, name, value.clone());
            }
        }
        if let (Some(from), Some(next)) = (from, &read.next) {
            reading.start_at(next, from);
        }
        Some(reading)
    }

    fn start_at(&mut self, next: &NextPage, from: &str) {
        match from.parse::<usize>() {
            Ok(number) if next.token.is_empty() => {
                self.pages = Pages::after(number);
                set(&mut self.params, &next.param, Value::from(number));
            }
            _ => set(&mut self.params, &next.param, Value::from(from)),
        }
    }

    /// The columns, as a header names them.
    pub fn header(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// What the columns hold.
    pub fn types(&self) -> Types {
        Types::of_method(self.columns.first().map(|column| column.fed), &self.header())
    }

    /// The parameters of the next call.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Takes a page in, and turns to the next.
    ///
    /// # Errors
    /// Why the listing cannot be read further.
    pub fn turn(&mut self, page: &Value) -> Result<Page, Cause> {
        let items = listed_under(page, &self.read.items).ok_or(Cause::NoList)?;
        let mut unwritten = 0;
        let rows = items.iter().map(|item| self.row(item, &mut unwritten)).collect();
        let next = match &self.read.next {
            None => None,
            Some(next) => match self.pages.turn(next, page, items.len(), &mut self.params) {
                Turn::Next => {
                    self.params.get(&next.param).map(|at| at.as_str().map_or_else(|| at.to_string(), str::to_owned))
                }
                Turn::Last => None,
                Turn::Broken(why) => return Err(why),
            },
        };
        let items = items.into_iter().map(|item| mask::answer(Some(self.listing), item)).collect();
        Ok(Page { rows, items, next, unwritten })
    }

    fn row(&self, item: &Value, unwritten: &mut usize) -> Vec<String> {
        let text = |column: &Column<'_>| {
            let value = match column.source {
                Source::Item(path) => lookup(item, path),
                Source::Asked => self.params.get(&column.param),
            };
            let schema = column.fed.param(&column.param)?;
            if schema.holds_secrets() {
                return Some(String::new());
            }
            cell(schema, &json!({ "it": value }), &["it"])
        };
        let cells = self.columns.iter().map(|column| {
            text(column).unwrap_or_else(|| {
                *unwritten += 1;
                String::new()
            })
        });
        cells.collect()
    }
}

/// Those of `[read]`, behind what the listing was asked with and the fed method wants, too.
fn columns<'c>(listing: &'c Method, read: &'c Read, fed: &'c Method) -> Vec<Column<'c>> {
    let column = |param: String, source| {
        let name = param.strip_prefix("body.").unwrap_or(&param).to_owned();
        Column { name, fed, param, source }
    };
    let asked = fed.path_schema.required.iter().filter(|name| listing.path_schema.property(name).is_some());
    let asked = asked.map(|name| format!("path.{name}")).filter(|param| !read.columns.contains_key(param));
    let own = read.columns.iter().map(|(param, path)| column(param.clone(), Source::Item(path)));
    // What says which object it is stands first.
    let (ids, rest): (Vec<_>, Vec<_>) = own.partition(|column| column.param.starts_with("path."));
    asked.map(|param| column(param, Source::Asked)).chain(ids).chain(rest).collect()
}
