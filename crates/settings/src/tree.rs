//! Values with the place they stand at: a TOML file flattened, then overridden by environment variables.
//!
//! It knows which keys there are only as far as names from the environment need it, and no types.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Place};
use super::keys;

/// A value as it stands there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raw {
    /// A TOML string.
    Text(String),
    /// A TOML integer.
    Whole(i64),
    /// A TOML float.
    Fraction(f64),
    /// A TOML boolean.
    Bool(bool),
    /// The text of an environment variable, whose type the key decides.
    Variable(String),
    /// A TOML array of strings.
    List(Vec<String>),
    /// A list of whole numbers.
    Numbers(Vec<i64>),
    /// Something that no key takes: its TOML type.
    Other(&'static str),
}

impl Raw {
    /// The text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Variable(text) => Some(text),
            Self::Whole(_) | Self::Fraction(_) | Self::Bool(_) | Self::List(_) | Self::Numbers(_) | Self::Other(_) => {
                None
            }
        }
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// The value.
    pub raw: Raw,
    /// Where it stands.
    pub place: Place,
}

/// All values and tables that were given, by path.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Values.
    pub leaves: BTreeMap<Vec<String>, Leaf>,
    /// Tables, and where they begin.
    pub tables: BTreeMap<Vec<String>, Place>,
}

impl Tree {
    /// Flattens a TOML text; its syntax faults are returned beside what could be read.
    pub(crate) fn read(file: &str, text: &str) -> (Self, Vec<Fault>) {
        let lines = Lines::of(file, text);
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut tree = Self::default();
        tree.add_table(&lines, &mut Vec::new(), root.get_ref());
        let faults = errors
            .into_iter()
            .map(|error| {
                let at = error.span().map_or(text.len(), |span| span.start);
                Fault {
                    place: lines.place(at),
                    field: String::new(),
                    message: format!("not TOML: {}", error.message()),
                }
            })
            .collect();
        (tree, faults)
    }

    fn add_table(&mut self, lines: &Lines, path: &mut Vec<String>, table: &DeTable<'_>) {
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            self.add(lines, path, key.span().start, value);
            path.pop();
        }
    }

    fn add(&mut self, lines: &Lines, path: &mut Vec<String>, key_at: usize, value: &Spanned<DeValue<'_>>) {
        let place = lines.place(key_at);
        let raw = match value.get_ref() {
            DeValue::Table(table) => {
                self.tables.insert(path.clone(), place);
                return self.add_table(lines, path, table);
            }
            DeValue::String(text) => Raw::Text(text.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Raw::Whole(number),
                Err(_) => Raw::Other("a number that is too large"),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Raw::Fraction(number),
                Err(_) => Raw::Other("a number"),
            },
            DeValue::Boolean(value) => Raw::Bool(*value),
            DeValue::Datetime(_) => Raw::Other("a date"),
            DeValue::Array(items) => {
                let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
                let numbers = items.iter().map(|item| {
                    let DeValue::Integer(number) = item.get_ref() else { return None };
                    i64::from_str_radix(number.as_str(), number.radix()).ok()
                });
                let texts = texts.collect::<Option<_>>().map(Raw::List);
                texts.or_else(|| numbers.collect::<Option<_>>().map(Raw::Numbers)).unwrap_or(Raw::Other("an array"))
            }
        };
        self.leaves.insert(path.clone(), Leaf { raw, place });
    }

    /// Lets a variable `PACELINE_SECTION__KEY` override what the file says. Other variables are left alone.
    pub(crate) fn override_with(&mut self, name: &str, value: String) {
        let Some(rest) = name.strip_prefix("PACELINE_") else { return };
        if !rest.contains("__") {
            return;
        }
        let path = self.path_of(rest);
        let place = Place::Variable(name.to_owned());
        for length in 1..path.len() {
            self.tables.entry(path[..length].to_vec()).or_insert_with(|| place.clone());
        }
        // `{ env = … }` in the file and another source from the environment are one value: the environment's.
        let secret = match path.split_last() {
            Some((last, parent)) if last == "env" || last == "file" => parent.to_vec(),
            _ => path.clone(),
        };
        if keys::find(&secret).is_some_and(|key| key.kind.takes_reference()) {
            self.leaves.retain(|other, leaf| {
                !other.starts_with(&secret) || matches!(leaf.place, Place::Variable(_)) && *other != path
            });
            if secret == path {
                self.tables.remove(&secret);
            }
        }
        self.leaves.insert(path, Leaf { raw: Raw::Variable(value), place });
    }

    /// The path that the part of a variable's name behind `PACELINE_` means.
    fn path_of(&self, name: &str) -> Vec<String> {
        let mut path = Vec::new();
        let mut rest = Some(name);
        while let Some(name) = rest {
            let (part, after) = self.next_name(&path, name);
            path.push(part);
            rest = after;
        }
        if let [apps, .., quotas, method, scope] = path.as_slice()
            && apps == "apps"
            && quotas == "quotas"
            && matches!(path.len(), 5 | 7)
        {
            let method = format!("{method}@{}", scope.replace('_', "-"));
            path.truncate(path.len() - 2);
            let known = self.known(&path).find(|known| normal(known) == normal(&method)).map(str::to_owned);
            path.push(known.unwrap_or(method));
        }
        path
    }

    /// Splits one name off: one that stands in the file, longest first, else all up to `__`, in lower case.
    fn next_name<'n>(&self, parent: &[String], rest: &'n str) -> (String, Option<&'n str>) {
        let mut splits: Vec<_> = rest.match_indices("__").map(|(at, _)| at).filter(|at| *at > 0).collect();
        let first = splits.first().copied().unwrap_or(rest.len());
        splits.push(rest.len());
        for at in splits.into_iter().rev() {
            if let Some(name) = self.known(parent).find(|name| normal(name) == normal(&rest[..at])) {
                return (name.to_owned(), after(rest, at));
            }
        }
        (rest[..first].to_lowercase(), after(rest, first))
    }

    /// The names that the file has directly under a table.
    fn known(&self, parent: &[String]) -> impl Iterator<Item = &str> {
        let depth = parent.len();
        self.directly_in(parent).map(move |path| path[depth].as_str())
    }

    /// The paths of the tables and of the values that stand directly in a table; none but those below it is looked at.
    pub(crate) fn directly_in(&self, table: &[String]) -> impl Iterator<Item = &Vec<String>> {
        below(&self.tables, table).chain(below(&self.leaves, table)).filter(|path| path.len() == table.len() + 1)
    }
}

fn below<'t, V>(paths: &'t BTreeMap<Vec<String>, V>, table: &[String]) -> impl Iterator<Item = &'t Vec<String>> {
    let after = paths.range::<[String], _>((Bound::Excluded(table), Bound::Unbounded)).map(|(path, _)| path);
    after.take_while(|path| path.starts_with(table))
}

fn after(rest: &str, at: usize) -> Option<&str> {
    rest.get(at + 2..).filter(|_| at < rest.len())
}

/// The shape in which a name can stand in a variable's name: upper case, `_` for everything but letters and digits.
pub(crate) fn normal(name: &str) -> String {
    name.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' }).collect()
}

struct Lines {
    file: Arc<str>,
    /// Where each line but the last one ends.
    ends: Vec<usize>,
}

impl Lines {
    fn of(file: &str, text: &str) -> Self {
        Self { file: Arc::from(file), ends: text.match_indices('\n').map(|(at, _)| at).collect() }
    }

    fn place(&self, offset: usize) -> Place {
        Place::Line(Arc::clone(&self.file), 1 + self.ends.partition_point(|end| *end < offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, name: &str) -> Vec<String> {
        let (mut tree, faults) = Tree::read("x.toml", text);
        assert!(faults.is_empty(), "{faults:?}");
        tree.override_with(name, "v".to_owned());
        let found = tree.leaves.iter().find(|(_, leaf)| matches!(leaf.place, Place::Variable(_)));
        found.map(|(path, _)| path.clone()).unwrap_or_default()
    }

    #[test]
    fn variables_name_paths() {
        assert_eq!(with("", "PACELINE_HTTP__REQUEST_TIMEOUT_MS"), ["http", "request_timeout_ms"]);
        assert_eq!(with("", "PACELINE_APPS__ACME__APP_SECRET__ENV"), ["apps", "acme", "app_secret", "env"]);
        assert_eq!(with("[apps.Acme-1]", "PACELINE_APPS__ACME_1__APP_ID"), ["apps", "Acme-1", "app_id"]);
        assert_eq!(with("[apps.a__b]", "PACELINE_APPS__A__B__APP_ID"), ["apps", "a__b", "app_id"]);
        assert_eq!(with("[apps.a]\n[apps.a__b]", "PACELINE_APPS__A__B__APP_ID"), ["apps", "a__b", "app_id"]);
    }

    #[test]
    fn a_quota_is_named_by_its_method_and_scope() {
        let file = "[apps.a.quotas]\n\"feishu.vc.room.create@app-tenant\" = \"1/s\"";
        let name = "PACELINE_APPS__A__QUOTAS__FEISHU_VC_ROOM_CREATE__APP_TENANT";
        assert_eq!(with(file, name), ["apps", "a", "quotas", "feishu.vc.room.create@app-tenant"]);
        assert_eq!(with("", name), ["apps", "a", "quotas", "feishu_vc_room_create@app-tenant"]);
        assert_eq!(with("", "PACELINE_APPS__A__QUOTAS__x.y"), ["apps", "a", "quotas", "x.y"]);
        let file = "[apps.a.tenants.Tk-1.quotas]\n\"feishu.vc.room.create\" = \"1/s\"";
        let name = "PACELINE_APPS__A__TENANTS__TK_1__QUOTAS__FEISHU_VC_ROOM_CREATE";
        assert_eq!(with(file, name), ["apps", "a", "tenants", "Tk-1", "quotas", "feishu.vc.room.create"]);
        let found = with("", &format!("{name}__APP_TENANT"));
        assert_eq!(found, ["apps", "a", "tenants", "tk_1", "quotas", "feishu_vc_room_create@app-tenant"]);
    }

    #[test]
    fn other_variables_are_left_alone() {
        for name in ["PACELINE_CONFIG", "PACELINE_LOG", "PACELINE_SERVICE_HOST", "HTTP__REQUEST_TIMEOUT_MS", "PATH"] {
            assert!(with("", name).is_empty(), "{name}");
        }
    }

    #[test]
    fn a_variable_replaces_the_whole_secret() {
        let file = "[apps.a]\napp_secret = { file = \"/run/x\" }";
        let (mut tree, _) = Tree::read("x.toml", file);
        tree.override_with("PACELINE_APPS__A__APP_SECRET__ENV", "X".to_owned());
        let paths: Vec<_> = tree.leaves.keys().map(|path| path.join(".")).collect();
        assert_eq!(paths, ["apps.a.app_secret.env"]);
    }

    #[test]
    fn lines_are_counted_from_one() {
        let (tree, faults) = Tree::read("x.toml", "[http]\n\nrequest_timeout_ms = 1\n[a.b]\nc = [1]\n");
        assert!(faults.is_empty());
        let place = |path: &[&str]| {
            let path: Vec<_> = path.iter().map(|name| (*name).to_owned()).collect();
            tree.leaves
                .get(&path)
                .map(|leaf| leaf.place.to_string())
                .or_else(|| tree.tables.get(&path).map(ToString::to_string))
        };
        assert_eq!(place(&["http", "request_timeout_ms"]).unwrap(), "x.toml:3");
        assert_eq!(place(&["http"]).unwrap(), "x.toml:1");
        assert_eq!(place(&["a", "b", "c"]).unwrap(), "x.toml:5");
    }

    #[test]
    fn all_syntax_faults_come_with_their_lines() {
        let (_, faults) = Tree::read("x.toml", "[http]\na = \n\n[store]\nurl = nope\n");
        let lines: Vec<_> = faults.iter().map(|fault| fault.place.to_string()).collect();
        assert!(lines.len() >= 2, "{faults:?}");
        assert!(lines.contains(&"x.toml:2".to_owned()), "{lines:?}");
        assert!(lines.contains(&"x.toml:5".to_owned()), "{lines:?}");
    }
}
