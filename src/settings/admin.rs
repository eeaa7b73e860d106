//! `[admin]`: where the admin server listens, and who is let in.

use std::net::SocketAddr;

use secrecy::{ExposeSecret as _, SecretString};

use super::draft::{Draft, path};

/// What is shorter could be guessed.
const TOKEN_BYTES_MIN: usize = 16;
const CURE: &str = "set admin.token = { env = \"NAME\" } or { file = \"PATH\" }";

/// `[admin]`.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where the admin server listens; `None` for nowhere.
    pub listen: Option<SocketAddr>,
    /// What its clients show to change something.
    pub token: Option<SecretString>,
    /// The origin under which a proxy serves it, in lower case and without a slash at its end.
    pub public_url: Option<String>,
    /// Who may read.
    pub read: Reading,
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
pub fn admin(draft: &mut Draft<'_>) -> Admin {
    let field = path("admin.listen");
    let text = draft.text(&field).unwrap_or_default();
    let listen = text.parse::<SocketAddr>().ok();
    if listen.is_none() && !text.is_empty() {
        draft.fault(&field, format!("expected an address and port like 127.0.0.1:9464 or [::1]:9464, got {text:?}"));
    }
    let token = token(draft);
    let has_token = draft.is_given(&path("admin.token"));
    if let Some(listen) = listen.filter(|listen| !listen.ip().is_loopback() && !has_token) {
        let message = format!(
            "expected loopback, or a token that clients show, got {listen} and no token: {CURE}, or listen on 127.0.0.1"
        );
        draft.fault(&field, message);
    }
    let public_url = public_url(draft, has_token);
    let is_local = listen.is_none_or(|listen| listen.ip().is_loopback()) && public_url.is_none();
    Admin { listen, token, read: reading(draft, has_token, is_local), public_url }
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
    use crate::settings::Settings;
    use crate::settings::draft::As;
    use crate::settings::fault::Faults;
    use crate::settings::load::load_from;

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
