//! From a path to the method of the catalog that is served there.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::request::decoded;

/// Where methods are endpoint. Paths without placeholders are found by one look-up.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    exact: HashMap<String, Vec<(String, usize)>>,
    /// HTTP method, segments of the path's template, index.
    templates: Vec<(String, Vec<String>, usize)>,
}

/// What stands at a path.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// The method of that index, with the values of its placeholders.
    Method(usize, Map<String, Value>),
    /// A method stands there, but not for this HTTP method.
    OtherHttpMethod,
    /// Nothing.
    Nothing,
}

impl Routes {
    /// Adds a method.
    pub(crate) fn add(&mut self, http_method: &str, path: &str, index: usize) {
        if path.contains("/:") {
            let segments = path.split('/').map(str::to_owned).collect();
            self.templates.push((http_method.to_owned(), segments, index));
        } else {
            self.exact.entry(path.to_owned()).or_default().push((http_method.to_owned(), index));
        }
    }

    /// Finds the method of a request. A path without placeholders comes before one with.
    pub(crate) fn find(&self, http_method: &str, path: &str) -> Found {
        let at_path = self.exact.get(path);
        if let Some((_, index)) = at_path.and_then(|all| all.iter().find(|(method, _)| method == http_method)) {
            return Found::Method(*index, Map::new());
        }
        let mut other = at_path.is_some();
        for (method, segments, index) in &self.templates {
            let Some(values) = values(segments, path) else { continue };
            if method == http_method {
                return Found::Method(*index, values);
            }
            other = true;
        }
        if other { Found::OtherHttpMethod } else { Found::Nothing }
    }
}

fn values(template: &[String], path: &str) -> Option<Map<String, Value>> {
    let mut values = Map::new();
    let mut segments = path.split('/');
    for wanted in template {
        let segment = segments.next()?;
        match wanted.strip_prefix(':') {
            Some(name) if !segment.is_empty() => {
                values.insert(name.to_owned(), Value::String(decoded(segment)));
            }
            None if wanted == segment => {}
            _ => return None,
        }
    }
    segments.next().is_none().then_some(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn methods_are_found_by_path_and_http_method() {
        let mut routes = Routes::default();
        routes.add("POST", "/rooms", 0);
        routes.add("GET", "/rooms", 1);
        routes.add("POST", "/c/:calendar_id/e/:event_id/minute", 2);
        routes.add("GET", "/rooms/:room_id", 3);
        routes.add("POST", "/rooms/search", 4);
        assert_eq!(routes.find("POST", "/rooms"), Found::Method(0, Map::new()));
        assert_eq!(routes.find("GET", "/rooms"), Found::Method(1, Map::new()));
        assert_eq!(routes.find("DELETE", "/rooms"), Found::OtherHttpMethod);
        assert_eq!(routes.find("POST", "/rooms/search"), Found::Method(4, Map::new()));
        assert_eq!(routes.find("GET", "/rooms/"), Found::Nothing);
        assert_eq!(routes.find("GET", "/rooms/a/b"), Found::Nothing);
        let Found::Method(2, values) = routes.find("POST", "/c/a%40b%2Fc/e/1_0/minute") else { panic!() };
        assert_eq!(Value::Object(values), json!({"calendar_id": "a@b/c", "event_id": "1_0"}));
    }
}
