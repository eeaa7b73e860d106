//! Parameters as arguments of a command or a query: `NAME=VALUE`, named and written like the columns of a file.

use serde_json::{Map, Value};

use super::column::{Meaning, Target, meaning, names};
use crate::catalog::{Method, nearest};
use crate::job::Params;

/// The parameters that these arguments give. A name is a column's (`query.page_size`), or the last part of one if no other
/// column ends like it.
///
/// # Errors
/// What is wrong with them, a sentence each.
pub fn params(method: &Method, given: &[(String, String)]) -> Result<Params, Vec<String>> {
    let known = names(method);
    let (mut params, mut faults) = (Params::default(), Vec::new());
    for (name, text) in given {
        let column = match column(&known, name) {
            Ok(column) => column,
            Err(why) => {
                faults.push(format!("{name}: {why}"));
                continue;
            }
        };
        let Target::Param(part, path) = Target::of(column) else { continue };
        let map: &mut Map<String, Value> = match part {
            "path" => &mut params.path,
            "query" => &mut params.query,
            _ => &mut params.body,
        };
        match meaning(method, part, &path) {
            Meaning::Leaf(leaf) => leaf.put(map, &path, text),
            Meaning::NoCell(why) => faults.push(format!("{name}: {why}")),
            Meaning::Unknown => faults.push(format!("{name}: no such parameter")),
        }
    }
    if faults.is_empty() { Ok(params) } else { Err(faults) }
}

fn column<'k>(known: &'k [String], name: &str) -> Result<&'k str, String> {
    let bare = name.strip_prefix("body.").unwrap_or(name);
    if let Some(column) = known.iter().find(|column| *column == bare) {
        return Ok(column);
    }
    let ends_so = |column: &&String| column.rsplit('.').next() == Some(name);
    match known.iter().filter(ends_so).collect::<Vec<_>>().as_slice() {
        [one] => Ok(one),
        [] => Err(match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("no such parameter; did you mean {near}?"),
            None => format!("no such parameter; there are {}", known.join(", ")),
        }),
        several => {
            let names: Vec<_> = several.iter().map(|name| name.as_str()).collect();
            Err(format!("may mean {}: name one of them", names.join(", ")))
        }
    }
}
