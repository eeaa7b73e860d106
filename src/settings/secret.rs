//! Secrets: where they may come from, and that nothing of them is ever shown.

use std::path::Path;

use secrecy::SecretString;

use super::draft::{Draft, shown};
use super::keys::{self, Kind};
use super::tree::{Leaf, Raw};
use super::url;

impl Draft<'_> {
    /// A secret from where the settings say, without its trailing line break; `None` after a fault.
    ///
    /// A variable that overrides the key itself holds the secret: then it comes from the environment as it should.
    pub fn secret(&mut self, path: &[String]) -> Option<SecretString> {
        let key = keys::find(path)?;
        if let Some(leaf) = self.leaf(path) {
            let is_bare = matches!(leaf.raw, Raw::Text(_)) && key.kind != Kind::BrokerUrl;
            let text = leaf.raw.as_text().filter(|text| !is_bare && !text.is_empty()).map(str::to_owned);
            if text.is_none() && is_bare {
                let kind = key.kind;
                self.fault(
                    path,
                    format!("expected {kind}, got a bare string (not shown): a secret must not stand in the file"),
                );
            } else if text.is_none() {
                self.expected(path, key.kind, &leaf.raw);
            }
            return Some(self.checked(path, text?)?.into());
        }
        let sub = |name: &str| [path, &[name.to_owned()]].concat();
        match (self.leaf(&sub("env")), self.leaf(&sub("file"))) {
            (Some(leaf), None) => self.referenced(path, &leaf, Self::read_variable),
            (None, Some(leaf)) => self.referenced(path, &leaf, Self::read_secret_file),
            (Some(_), Some(_)) => {
                self.fault(path, "expected either env or file, got both");
                None
            }
            (None, None) => {
                self.fault(path, format!("expected {}, got neither", key.kind));
                None
            }
        }
    }

    fn referenced(
        &mut self,
        path: &[String],
        leaf: &Leaf,
        read: fn(&Self, &str) -> Result<String, String>,
    ) -> Option<SecretString> {
        let Some(name) = leaf.raw.as_text().filter(|name| !name.is_empty()) else {
            self.fault(path, format!("expected the name of a variable or file as a text, got {}", shown(&leaf.raw)));
            return None;
        };
        if !self.with_secrets {
            return Some(String::new().into());
        }
        let value = read(self, name).and_then(|value| {
            let value = value.strip_suffix('\n').unwrap_or(&value);
            let value = value.strip_suffix('\r').unwrap_or(value).to_owned();
            if value.is_empty() { Err(format!("{name} is empty")) } else { Ok(value) }
        });
        match value {
            Ok(value) => Some(self.checked(path, value)?.into()),
            Err(message) => {
                self.fault(path, message);
                None
            }
        }
    }

    fn read_variable(&self, name: &str) -> Result<String, String> {
        self.variables.get(name).cloned().ok_or_else(|| format!("the environment variable {name} is not set"))
    }

    fn read_secret_file(&self, name: &str) -> Result<String, String> {
        (self.read_file)(Path::new(name)).map_err(|error| format!("the file {name} cannot be read: {error}"))
    }

    /// What only some secrets must be: a broker's address. Nothing of it is shown.
    fn checked(&mut self, path: &[String], value: String) -> Option<String> {
        let key = keys::find(path)?;
        if key.kind == Kind::BrokerUrl && !url::parts(&value).is_some_and(|url| matches!(url.scheme, "amqp" | "amqps"))
        {
            self.fault(path, format!("expected {}, got something else (not shown: it may hold a password)", key.kind));
            return None;
        }
        if key.kind == Kind::Secret && value.contains(|char: char| char.is_control() || char == ' ') {
            self.fault(path, "expected a secret in one line without spaces; what was read (not shown) has some");
            return None;
        }
        Some(value)
    }
}
