//! Successes that are not whole: what a reply names as left out.

use serde::Deserialize;
use serde_json::Value;

use super::fits;
use paceline_domain::catalog::Catalog;

/// A field of successful replies that says what was left out. Without `every` or `first` every reply has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The method, by name or pattern.
    pub method: String,
    /// A field that the method's `[[warnings]]` name.
    pub field: String,
    /// What stands in it.
    pub values: Vec<Value>,
    /// In every n-th success.
    pub every: Option<u64>,
    /// In the first n successes.
    pub first: Option<u64>,
    /// Successes seen that fit.
    #[serde(skip)]
    seen: u64,
}

impl LeftOut {
    /// Looks at a success: what its reply says was left out, if it says anything.
    pub fn fires(&mut self, method: &str) -> Option<&[Value]> {
        if !fits(&self.method, method) {
            return None;
        }
        self.seen += 1;
        let fires = match (self.every, self.first) {
            (Some(every), _) => self.seen.is_multiple_of(every),
            (None, Some(first)) => self.seen <= first,
            (None, None) => true,
        };
        fires.then_some(self.values.as_slice())
    }

    /// What is wrong with it in itself.
    pub fn faults(&self) -> Vec<String> {
        let wrong = [
            (self.values.is_empty(), "`values` needs at least one"),
            (self.every == Some(0), "`every` is at least 1"),
            (self.every.is_some() && self.first.is_some(), "only one of `every` and `first` can be given"),
        ];
        wrong.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, words)| words.to_owned()).collect()
    }

    /// What is wrong with it beside this catalog, if its method is there.
    pub fn unknown_field(&self, catalog: &Catalog) -> Option<String> {
        let fields: Vec<_> = catalog
            .methods
            .values()
            .filter(|method| fits(&self.method, &method.name))
            .flat_map(|method| method.warnings.iter().map(|rule| rule.field.as_str()))
            .collect();
        (!fields.contains(&self.field.as_str())).then(|| {
            let there_are = if fields.is_empty() {
                "it has no warnings".to_owned()
            } else {
                format!("there are {}", fields.join(", "))
            };
            format!("warnings: {} does not warn of {:?}; {there_are}", self.method, self.field)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(text: &str) -> LeftOut {
        toml::from_str(&format!("method = \"wecom.*\"\nfield = \"excess_users\"\nvalues = [\"lisi\"]\n{text}")).unwrap()
    }

    #[test]
    fn frequency_is_counted_over_fitting_successes() {
        let fired = |text: &str| {
            let mut it = left_out(text);
            assert_eq!(it.fires("feishu.a"), None);
            (1..=5).map(|_| it.fires("wecom.a").is_some()).collect::<Vec<_>>()
        };
        assert_eq!(fired(""), [true; 5]);
        assert_eq!(fired("every = 2"), [false, true, false, true, false]);
        assert_eq!(fired("first = 1"), [true, false, false, false, false]);
    }

    #[test]
    fn what_cannot_be_is_named() {
        assert!(left_out("").faults().is_empty());
        assert_eq!(left_out("every = 0\nfirst = 1").faults().len(), 2);
        let catalog = paceline_domain::catalog::built_in().unwrap();
        assert_eq!(left_out("").unknown_field(&catalog), None);
        let misspelt = LeftOut { field: "excess_user".to_owned(), ..left_out("") };
        assert!(misspelt.unknown_field(&catalog).unwrap().contains("excess_users"));
        let other = LeftOut { method: "feishu.vc.room.create".to_owned(), ..left_out("") };
        assert!(other.unknown_field(&catalog).unwrap().contains("no warnings"));
    }
}
