//! Secrets: where they may come from, and that nothing of them is ever shown.

use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

use super::draft::{As, Draft, shown};
use super::keys;
use super::kind::Kind;
use super::tree::{Leaf, Raw};
use super::url;
use paceline_domain::checks::is_ignorable;
use paceline_host::files::Exposed;
use paceline_ports::location::KeySource;

/// Pairs of quotes: straight ones, and those that word processors make of them.
const QUOTES: [(char, char); 4] = [('"', '"'), ('\'', '\''), ('\u{201c}', '\u{201d}'), ('\u{2018}', '\u{2019}')];

impl Draft<'_> {
    /// A secret from where the settings say, without its trailing line break; `None` after a fault.
    ///
    /// A variable that overrides the key itself holds the secret: then it comes from the environment as it should.
    pub(crate) fn secret(&mut self, path: &[String]) -> Option<SecretString> {
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
            let text = text?;
            let text = Zeroizing::new(text);
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            return self.checked(path, text);
        }
        let sub = |name: &str| [path, &[name.to_owned()]].concat();
        let given = [self.leaf(&sub("env")), self.leaf(&sub("file")), self.leaf(&sub("credential"))];
        match given {
            [Some(leaf), None, None] => self.referenced(path, &leaf, Self::read_variable),
            [None, Some(leaf), None] => self.referenced(path, &leaf, Self::read_secret_file),
            [None, None, Some(leaf)] => self.referenced(path, &leaf, Self::read_credential),
            [None, None, None] => {
                self.fault(path, format!("expected {}, got neither", key.kind));
                None
            }
            _ => {
                self.fault(path, "expected one of env, file and credential, got more");
                None
            }
        }
    }

    /// The addresses of a list, or of a secret that holds them with line breaks, spaces or commas between.
    pub(crate) fn addresses(&mut self, path: &[String]) -> Vec<SecretString> {
        let list = match self.leaf(path).map(|leaf| leaf.raw) {
            Some(Raw::List(list)) => Zeroizing::new(list),
            Some(raw @ Raw::Text(_)) => {
                self.expected(path, Kind::BrokerUrls, &raw);
                return Vec::new();
            }
            _ => {
                let secret = self.secret(path).unwrap_or_default();
                return split(secret.expose_secret()).into_iter().map(Into::into).collect();
            }
        };
        let each: Vec<_> = list.iter().map(String::as_str).collect();
        if let Some(fault) = no_addresses(&each, Kind::BrokerUrls) {
            self.fault(path, fault);
        }
        self.contents.insert(path.to_vec(), list.join("\n").into());
        each.into_iter().map(Into::into).collect()
    }

    /// Where the ledger's key comes from. It is read when the ledger is opened: most of what people look at needs no key.
    pub(crate) fn key(&mut self, path: &[String]) -> KeySource {
        if !self.is_given(path) {
            return KeySource::Beside;
        }
        let source = self.key_source(path);
        let content = match &source {
            KeySource::Given { text: Some(text), .. } => text.clone(),
            KeySource::Given { from, text: None } => from.as_str().into(),
            KeySource::File(file) => file.display().to_string().into(),
            KeySource::Beside => String::new().into(),
        };
        self.contents.insert(path.to_vec(), content);
        source
    }

    fn key_source(&mut self, path: &[String]) -> KeySource {
        let with_secrets = std::mem::replace(&mut self.with_secrets, false);
        // What is wrong with the setting itself is said as of any other secret.
        let text = self.secret(path);
        self.with_secrets = with_secrets;
        let named = |name: &str| self.leaf(&[path, &[name.to_owned()]].concat())?.raw.as_text().map(str::to_owned);
        if let Some(name) = named("env") {
            let text = self.variables.get(&name).cloned().map(Into::into);
            return KeySource::Given { from: format!("the variable {name}"), text };
        }
        if let Some(file) = named("file") {
            return KeySource::File(file.into());
        }
        if let Some(name) = named("credential") {
            return match self.credential(&name) {
                Ok(file) => KeySource::File(file),
                Err(_) => KeySource::Given { from: format!("the credential {name}"), text: None },
            };
        }
        KeySource::Given { from: "the variable PACELINE_STORE__KEY".to_owned(), text }
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
        let read = match read(self, name).map(Zeroizing::new) {
            Ok(read) => read,
            Err(message) => {
                self.fault(path, message);
                return None;
            }
        };
        let value = read.strip_prefix('\u{feff}').unwrap_or(&read);
        let value = value.strip_suffix('\n').unwrap_or(value);
        let value = value.strip_suffix('\r').unwrap_or(value);
        if value.is_empty() {
            self.fault(path, format!("{name} is empty"));
            return None;
        }
        self.checked(path, value)
    }

    fn read_variable(&self, name: &str) -> Result<String, String> {
        self.variables.get(name).cloned().ok_or_else(|| format!("the environment variable {name} is not set"))
    }

    fn read_credential(&self, name: &str) -> Result<String, String> {
        self.credential(name).and_then(|file| self.read_secret_file(&file.display().to_string()))
    }

    /// Where systemd puts a credential of its unit.
    fn credential(&self, name: &str) -> Result<PathBuf, String> {
        let folder = self.variables.get("CREDENTIALS_DIRECTORY").ok_or_else(|| {
            format!("there is no credential {name}: systemd gives them to the unit alone that says LoadCredential={name}:PATH")
        })?;
        Ok(Path::new(folder).join(name))
    }

    fn read_secret_file(&self, name: &str) -> Result<String, String> {
        (self.read_file)(Path::new(name), As::Secret).map_err(|error| {
            let is_exposed = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Exposed>);
            if is_exposed { error.to_string() } else { format!("the file {name} cannot be read: {error}") }
        })
    }

    /// What only some secrets must be: a broker's address. Nothing of it is shown.
    fn checked(&mut self, path: &[String], value: &str) -> Option<SecretString> {
        let key = keys::find(path)?;
        let fault = if key.kind == Kind::BrokerUrl {
            no_address(value, key.kind)
        } else if key.kind == Kind::BrokerUrls {
            no_addresses(&split(value), key.kind)
        } else if key.kind == Kind::Secret {
            no_secret(value)
        } else {
            None
        };
        if let Some(fault) = fault {
            self.fault(path, fault);
            return None;
        }
        // Exactly as long as it is: what shrinks leaves a piece behind.
        self.contents.insert(path.to_vec(), value.into());
        Some(value.into())
    }
}

/// Why this is no address of a broker, if it is none.
fn no_address(value: &str, kind: Kind) -> Option<String> {
    wrapped(value, "an address").or_else(|| {
        let is_one = url::parts(value).is_some_and(|url| is_broker(&url));
        (!is_one).then(|| {
            format!(
                "expected {kind}, got something else (not shown: it may hold a password); signs like @ : / # ? % in user, \
                 password and vhost are percent-encoded, e.g. # as %23 and / as %2F"
            )
        })
    })
}

/// Why these are no addresses, if there is none or one of them is none.
fn no_addresses(each: &[&str], kind: Kind) -> Option<String> {
    if each.is_empty() {
        return Some(format!("expected {kind}, got an empty list"));
    }
    let wrong = each.iter().enumerate().find_map(|(index, one)| Some((index, no_address(one, kind)?)));
    wrong.map(|(index, fault)| format!("address {}: {fault}", index + 1))
}

/// Addresses that stand in one text; a comma in one of them is written %2C.
fn split(text: &str) -> Vec<&str> {
    text.split(|sign: char| sign == ',' || sign.is_whitespace()).filter(|part| !part.is_empty()).collect()
}

/// Why this is no secret, if it is none.
fn no_secret(value: &str) -> Option<String> {
    wrapped(value, "a secret").or_else(|| {
        let has_blanks = value.contains(|char: char| char.is_control() || char.is_whitespace());
        has_blanks
            .then(|| "expected a secret in one line without spaces; what was read (not shown) has some".to_owned())
    })
}

/// What editors, `docker --env-file` and web pages leave around a value, or in it.
fn wrapped(value: &str, what: &str) -> Option<String> {
    if let Some(sign) = value.chars().find(|sign| is_ignorable(*sign)) {
        let code = u32::from(sign);
        return Some(format!(
            "expected {what} without invisible characters; what was read (not shown) has U+{code:04X}: type it anew, or copy \
             it from another place"
        ));
    }
    let is_quoted = QUOTES
        .iter()
        .any(|(open, close)| value.strip_prefix(*open).and_then(|rest| rest.strip_suffix(*close)).is_some());
    is_quoted
        .then(|| format!("expected {what} without quotes around it; what was read (not shown) has some: remove them"))
}

/// An `@` behind the host is one of a password with a `/`, `?` or `#` in it, which was taken for the host's end.
fn is_broker(url: &url::Parts<'_>) -> bool {
    let path = url.rest.split('?').next().unwrap_or_default();
    matches!(url.scheme, "amqp" | "amqps") && !path.contains('@')
}
