//! `[admin]`: where the admin server listens, and who is let in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use super::app::entries;
use super::draft::{Draft, path};
use super::role::Role;
use super::tls::{Tls, tls};
use paceline_domain::time::Timestamp;

/// What is shorter could be guessed.
const TOKEN_BYTES_MIN: usize = 16;
const CURE: &str = "set admin.token = { env = \"NAME\" } or { file = \"PATH\" }, or one of admin.tokens";

/// `[admin]`.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where the admin server listens; `None` for nowhere.
    pub listen: Option<SocketAddr>,
    /// The Unix socket that it listens on; `None` for none.
    pub socket: Option<PathBuf>,
    /// With what connections to `listen` are secured; `None` for plain HTTP.
    pub tls: Option<Tls>,
    /// What its clients show who may do everything.
    pub token: Option<SecretString>,
    /// `[admin.tokens.NAME]`, by name.
    pub tokens: BTreeMap<String, Named>,
    /// The origin under which a proxy serves it, in lower case and without a slash at its end.
    pub public_url: Option<String>,
    /// Who may read.
    pub read: Reading,
}

/// `[admin.tokens.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// `sha256:` and 64 hexadecimal digits.
    pub hash: String,
    /// What its holder may do.
    pub role: Role,
    /// When it ends; `None` for never.
    pub expires: Option<Timestamp>,
}

/// Who may read over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Everybody on this machine.
    Open,
    /// Whoever shows a token.
    Token,
}

/// `[admin]`.
pub(crate) fn admin(draft: &mut Draft<'_>) -> Admin {
    let field = path("admin.listen");
    let text = draft.text(&field).unwrap_or_default();
    let listen = text.parse::<SocketAddr>().ok();
    if listen.is_none() && !text.is_empty() {
        draft.fault(&field, format!("expected an address and port like 127.0.0.1:9464 or [::1]:9464, got {text:?}"));
    }
    let token = token(draft);
    let tokens = tokens(draft);
    let has_token = draft.is_given(&path("admin.token")) || !tokens.is_empty();
    if let Some(listen) = listen.filter(|listen| !listen.ip().is_loopback() && !has_token) {
        let message = format!(
            "expected loopback, or a token that clients show, got {listen} and no token: {CURE}, or listen on 127.0.0.1"
        );
        draft.fault(&field, message);
    }
    let public_url = public_url(draft, has_token);
    let is_local = listen.is_none_or(|listen| listen.ip().is_loopback()) && public_url.is_none();
    Admin {
        listen,
        socket: draft.file_path("admin.socket"),
        tls: tls(draft),
        token,
        tokens,
        read: reading(draft, has_token, is_local),
        public_url,
    }
}

fn token(draft: &mut Draft<'_>) -> Option<SecretString> {
    let field = path("admin.token");
    let token = if draft.is_given(&field) { draft.secret(&field) } else { None };
    if draft.with_secrets && token.as_ref().is_some_and(|token| token.expose_secret().len() < TOKEN_BYTES_MIN) {
        let message = format!(
            "expected at least {TOKEN_BYTES_MIN} characters (`openssl rand -hex 32` makes a good one); what was read (not shown) is shorter"
        );
        draft.fault(&field, message);
    }
    token
}

fn tokens(draft: &mut Draft<'_>) -> BTreeMap<String, Named> {
    let names = entries(draft, &path("admin.tokens"));
    names.into_iter().filter_map(|field| Some((field.last()?.clone(), named(draft, &field)?))).collect()
}

fn named(draft: &mut Draft<'_>, table: &[String]) -> Option<Named> {
    let field = |name: &str| [table, &[name.to_owned()]].concat();
    let name = table.last().map(String::as_str).unwrap_or_default();
    let is_name = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_name) {
        draft.fault(table, format!("expected a name of at most 64 letters, digits, - and _, got {name:?}"));
    }
    for required in ["hash", "role"] {
        if !draft.is_given(&field(required)) {
            let message =
                format!("expected {required}, got nothing; `paceline admin token` makes a token and prints its lines");
            draft.fault(table, message);
        }
    }
    let given = |draft: &mut Draft<'_>, name: &str| {
        let field = field(name);
        if draft.is_given(&field) { draft.text(&field) } else { None }
    };
    let hash = given(draft, "hash");
    if hash.as_ref().is_some_and(|hash| !is_hash(hash)) {
        let message = "expected sha256: and 64 hexadecimal digits (not shown: it may be the token itself); `paceline admin \
                       token` makes a token and prints its hash";
        draft.fault(&field("hash"), message);
    }
    let role = given(draft, "role").and_then(|word| Role::parse(&word));
    let expires = given(draft, "expires").map(|text| Timestamp::parse(&text));
    let expires = match expires.transpose() {
        Ok(expires) => expires,
        Err(message) => {
            draft.fault(&field("expires"), message);
            None
        }
    };
    Some(Named { hash: hash?, role: role?, expires })
}

/// Whether it is a SHA-256 as the settings take it.
fn is_hash(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn public_url(draft: &mut Draft<'_>, has_token: bool) -> Option<String> {
    let field = path("admin.public_url");
    let url = if draft.is_given(&field) { draft.text(&field)? } else { return None };
    if !is_origin(&url) {
        draft.fault(&field, format!("expected scheme and host like https://paceline.example.com, got {url:?}"));
    } else if !has_token {
        draft.fault(&field, format!("expected a token for those who come through the proxy, got none: {CURE}"));
    }
    Some(url.trim_end_matches('/').to_ascii_lowercase())
}

/// Left out, a token that is set is needed to read as well.
fn reading(draft: &mut Draft<'_>, has_token: bool, is_local: bool) -> Reading {
    let field = path("admin.read");
    let word = if draft.is_given(&field) { draft.text(&field) } else { None };
    match word.as_deref() {
        Some("open") if !is_local => {
            let message = "expected \"token\" where others than this machine's users come (admin.listen is not loopback, or \
                           admin.public_url is set), got \"open\"";
            draft.fault(&field, message);
            Reading::Token
        }
        Some("open") => Reading::Open,
        Some("token") if !has_token => {
            draft.fault(&field, format!("expected a token that readers show, got none: {CURE}"));
            Reading::Token
        }
        Some(_) => Reading::Token,
        None if has_token || !is_local => Reading::Token,
        None => Reading::Open,
    }
}

/// Whether it is `http://` or `https://`, a host, perhaps a port, and nothing else.
fn is_origin(text: &str) -> bool {
    let text = text.strip_suffix('/').unwrap_or(text);
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    !host.is_empty() && !host.contains(|char: char| "/?#@\\".contains(char) || char.is_whitespace())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Settings;
    use crate::draft::As;
    use crate::fault::Faults;
    use crate::load::load_from;

    fn load(text: &str) -> Result<Settings, Faults> {
        let text = format!("[admin]\n{text}");
        let read = |_: &Path, _: As| Ok(text.clone());
        let env = [("T".to_owned(), "0123456789abcdef".to_owned()), ("SHORT".to_owned(), "0123456789".to_owned())];
        load_from(Some(Path::new("x.toml")), env.into_iter(), &read, true)
    }

    const TOKEN: &str = "token = { env = \"T\" }\n";

    #[test]
    fn with_a_token_reading_needs_it_unless_it_is_said_to_be_open() {
        for (text, wanted) in [
            ("", Reading::Open),
            (TOKEN, Reading::Token),
            (&format!("{TOKEN}read = \"open\"\n"), Reading::Open),
            (&format!("{TOKEN}read = \"token\"\n"), Reading::Token),
            (&format!("{TOKEN}listen = \"0.0.0.0:1\"\n"), Reading::Token),
            (&format!("{TOKEN}public_url = \"https://p.example\"\n"), Reading::Token),
        ] {
            assert_eq!(load(text).unwrap().admin.read, wanted, "{text}");
        }
    }

    #[test]
    fn what_would_show_jobs_to_others_or_to_nobody_is_refused() {
        for (text, field) in [
            ("read = \"token\"\n", "admin.read"),
            ("read = \"all\"\n", "admin.read"),
            ("listen = \"0.0.0.0:1\"\n", "admin.listen"),
            ("public_url = \"https://p.example\"\n", "admin.public_url"),
            (&format!("{TOKEN}read = \"open\"\nlisten = \"0.0.0.0:1\"\n"), "admin.read"),
            (&format!("{TOKEN}read = \"open\"\npublic_url = \"https://p.example\"\n"), "admin.read"),
            (&format!("{TOKEN}public_url = \"p.example/x\"\n"), "admin.public_url"),
            ("token = { env = \"SHORT\" }\n", "admin.token"),
        ] {
            let faults = load(text).unwrap_err().to_string();
            assert!(faults.contains(field) && !faults.contains("0123456789"), "{text}: {faults}");
        }
    }
}
