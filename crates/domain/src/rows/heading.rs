//! What people call a parameter in the heading of a column: its alias or its title, perhaps with a unit or a remark behind
//! it, as in `容量（人）` or `*会议室名称（必填）`.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;

use super::column::names;
use crate::catalog::{Catalog, Kind, Method, Schema};

/// What stands in brackets behind a heading and says nothing of the values.
const REMARKS: [&str; 6] = ["必填", "选填", "可选", "可不填", "required", "optional"];

/// A parameter that a heading names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Called {
    /// Its dotted name, as a header may name it.
    pub(super) column: String,
    /// The unit that the heading names.
    pub(super) unit: Option<String>,
}

/// A text as it is compared: letters of any width and case are the same, and blanks and asterisks do not count.
pub(super) fn normal(text: &str) -> String {
    let kept = text.nfkc().filter(|letter| !letter.is_whitespace() && *letter != '*');
    kept.collect::<String>().to_lowercase()
}

/// What the parameters of some methods are called.
pub(super) struct Headings(HashMap<String, Vec<Entry>>);

/// One parameter of one method under one of its names.
struct Entry {
    method: usize,
    column: String,
    is_alias: bool,
    units: Vec<String>,
}

impl Headings {
    /// Those of one method, or of all that jobs may name.
    pub(super) fn of(catalog: &Catalog, method: Option<&str>) -> Self {
        let mut names: HashMap<String, Vec<Entry>> = HashMap::new();
        let wanted = |name: &str| method.is_none_or(|wanted| wanted == name);
        let jobs = catalog.methods.values().filter(|method| method.kind == Kind::Job && wanted(&method.name));
        for (number, method) in jobs.enumerate() {
            for (column, schema) in columns(method) {
                let units: Vec<String> = schema.units.iter().map(|(unit, _)| unit.clone()).collect();
                let others = [&column, &schema.title, &schema.description_zh];
                let aliases = schema.aliases.iter().map(|alias| (alias, true));
                for (name, is_alias) in aliases.chain(others.map(|name| (name, false))) {
                    let entry = Entry { method: number, column: column.clone(), is_alias, units: units.clone() };
                    names.entry(normal(name)).or_default().push(entry);
                }
            }
        }
        names.remove("");
        Self(names)
    }

    /// The parameters that the heading may mean; several if methods, or parameters of one, share a name.
    pub(super) fn find(&self, heading: &str) -> Vec<Called> {
        let (bare, remark) = split(&normal(heading));
        let remark = remark.filter(|remark| !REMARKS.contains(&remark.as_str()));
        let unit_of = |entry: &Entry| entry.units.iter().find(|unit| Some(normal(unit)) == remark).cloned();
        let entries = self.0.get(&bare).into_iter().flatten();
        let fitting: Vec<_> = entries.filter(|entry| remark.is_none() || unit_of(entry).is_some()).collect();
        let mut found: Vec<Called> = Vec::new();
        for entry in &fitting {
            // What the catalog calls an alias is meant; a title may be that of several.
            let has_alias = fitting.iter().any(|other| other.method == entry.method && other.is_alias);
            let called = Called { column: entry.column.clone(), unit: unit_of(entry) };
            if (entry.is_alias || !has_alias) && !found.contains(&called) {
                found.push(called);
            }
        }
        found
    }
}

/// What people call the parameters of a method, besides their names.
pub(super) fn aliases(method: &Method) -> Vec<String> {
    columns(method).into_iter().flat_map(|(_, schema)| schema.aliases.clone()).collect()
}

/// A heading without its brackets, and what is in them.
fn split(heading: &str) -> (String, Option<String>) {
    let parts = heading.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    match parts {
        Some((bare, remark)) if !bare.is_empty() => (bare.to_owned(), Some(remark.to_owned())),
        Some(_) | None => (heading.to_owned(), None),
    }
}

/// Every column that a method knows, with the schema of its values.
pub(super) fn columns(method: &Method) -> Vec<(String, &Schema)> {
    let named = |column: String| Some((schema(method, &column)?, column));
    names(method).into_iter().filter_map(named).map(|(schema, column)| (column, schema)).collect()
}

/// The schema of the values in a column.
pub(super) fn schema<'m>(method: &'m Method, column: &str) -> Option<&'m Schema> {
    let (part, name) = ["path", "query", "body"]
        .into_iter()
        .find_map(|part| Some((part, column.strip_prefix(part)?.strip_prefix('.')?)))
        .unwrap_or(("body", column));
    method.schema(part)?.at(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::built_in;

    fn found(method: Option<&str>, heading: &str) -> Vec<String> {
        Headings::of(&built_in().unwrap(), method).find(heading).into_iter().map(|called| called.column).collect()
    }

    #[test]
    fn headings_of_people_are_known() {
        let room = Some("feishu.vc.room.create");
        for (heading, column) in [
            ("名称", "name"),
            ("*会议室名称（必填）", "name"),
            (" 会议室 名称 ", "name"),
            ("Name", "name"),
            ("容量", "capacity"),
            ("容纳人数 (人)", "capacity"),
            ("状态", "room_status.status"),
            ("自定义的会议室ID", "custom_room_id"),
            ("设备", "device.name"),
        ] {
            assert_eq!(found(room, heading), [column], "{heading}");
        }
        for heading in ["备注一下", "容量（平方米）", "（必填）", ""] {
            assert_eq!(found(room, heading), Vec::<String>::new(), "{heading}");
        }
        assert_eq!(found(None, "会议室名称"), ["name"], "all methods agree");
        assert!(found(None, "开始时间").len() > 1, "they do not");
    }

    #[test]
    fn a_unit_in_brackets_is_kept() {
        let found = Headings::of(&built_in().unwrap(), Some("wecom.meeting.create")).find("会议时长（分钟）");
        assert_eq!(found, [Called { column: "meeting_duration".to_owned(), unit: Some("分钟".to_owned()) }]);
    }

    #[test]
    fn no_two_parameters_of_a_method_share_an_alias() {
        let catalog = built_in().unwrap();
        for method in catalog.methods.values() {
            let mut titles: Vec<String> = aliases(method).iter().map(|title| normal(title)).collect();
            let all = titles.len();
            titles.sort();
            titles.dedup();
            assert_eq!(titles.len(), all, "{}", method.name);
        }
    }
}
