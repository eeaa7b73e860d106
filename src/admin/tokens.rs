//! The tokens that are let in, as digests: nobody can read them out of the settings or of this process.

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

use crate::domain::time::Timestamp;
use crate::settings::Role;

/// What tells people and scanners of repositories that a text is a token of Paceline.
const PREFIX: &str = "pcl_";
/// The beginning of a digest in the settings.
const SCHEME: &str = "sha256:";

/// A token that is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name in the settings.
    pub name: Arc<str>,
    /// What its holder may do.
    pub role: Role,
    /// When it ends; `None` for never.
    pub expires: Option<Timestamp>,
    digest: [u8; 32],
}

impl Token {
    /// A token as its holder shows it.
    pub fn of_secret(name: &str, secret: &str, role: Role) -> Self {
        Self { name: name.into(), role, expires: None, digest: Sha256::digest(secret).into() }
    }

    /// A token by its digest, `sha256:` and 64 hexadecimal digits; `None` if it is none.
    pub fn of_digest(name: &str, digest: &str, role: Role, expires: Option<Timestamp>) -> Option<Self> {
        Some(Self { name: name.into(), role, expires, digest: parse_digest(digest)? })
    }
}

/// A new token with 256 bits of chance, and its digest as the settings take it; `None` if this machine gives none.
pub fn make() -> Option<(String, String)> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let mut digest = SCHEME.to_owned();
    for byte in Sha256::digest(&secret) {
        // Writing to a String cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    Some((secret, digest))
}

fn parse_digest(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix(SCHEME).filter(|digits| digits.len() == 64 && digits.is_ascii())?;
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        let pair = digits.get(2 * at..2 * at + 2).filter(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(digest)
}

/// What a request shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// No token.
    Nothing,
    /// Something that is none.
    Wrong,
    /// One whose time is over.
    Expired(Token),
    /// One that is let in.
    Right(Token),
}

/// What these headers show. Every digest is compared, each byte of it.
pub(super) fn identify(tokens: &[Token], headers: &HeaderMap, now: Timestamp) -> Shown {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Shown::Nothing };
    let (scheme, shown) = value.to_str().ok().and_then(|value| value.split_once(' ')).unwrap_or_default();
    let shown: [u8; 32] = Sha256::digest(shown.trim()).into();
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && values.next().is_none();
    let is_it = |token: &&Token| {
        let differing = token.digest.iter().zip(shown).fold(0, |differing, (a, b)| differing | (a ^ b));
        black_box(differing) == 0
    };
    let found = tokens.iter().filter(is_it).fold(None, |first, token| first.or(Some(token)));
    match found.filter(|_| is_bearer) {
        Some(token) if token.expires.is_some_and(|expires| now >= expires) => Shown::Expired(token.clone()),
        Some(token) => Shown::Right(token.clone()),
        None => Shown::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_token_is_known_by_its_digest_and_by_nothing_else() {
        let (secret, digest) = make().unwrap();
        assert_ne!(make().unwrap().0, secret);
        assert!(secret.len() > 40 && parse_digest(&digest).is_some() && !digest.contains(&secret));
        let token = Token::of_digest("ci", &digest, Role::Read, None).unwrap();
        let show = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            identify(std::slice::from_ref(&token), &headers, Timestamp(7))
        };
        assert_eq!(show(&[&format!("Bearer {secret}")]), Shown::Right(token.clone()));
        assert_eq!(show(&[&format!("bearer  {secret} ")]), Shown::Right(token.clone()));
        assert_eq!(show(&[]), Shown::Nothing);
        for wrong in [
            digest.clone(),
            format!("Bearer {digest}"),
            format!("Bearer {}", &secret[..secret.len() - 1]),
            format!("Bearer {secret}x"),
            format!("Bearer {}", secret.to_uppercase()),
            format!("Bearer \"{secret}\""),
            format!("Bearer {secret},{secret}"),
            format!("Basic {secret}"),
            format!("Bearer{secret}"),
            secret.clone(),
            "Bearer ".to_owned(),
            String::new(),
        ] {
            assert_eq!(show(&[&wrong]), Shown::Wrong, "{wrong}");
        }
        let right = format!("Bearer {secret}");
        assert_eq!(show(&[&right, &right]), Shown::Wrong, "twice is not once");
        let over = Token { expires: Some(Timestamp(7)), ..token.clone() };
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, right.parse().unwrap())]);
        assert_eq!(identify(std::slice::from_ref(&over), &headers, Timestamp(7)), Shown::Expired(over.clone()));
        assert_eq!(identify(std::slice::from_ref(&over), &headers, Timestamp(6)), Shown::Right(over));
    }

    #[test]
    fn digests_are_read_strictly() {
        let good = format!("sha256:{}", "aF".repeat(32));
        assert!(parse_digest(&good).is_some());
        for bad in [
            "",
            "sha256:",
            &good[7..],
            &good[..70],
            &format!("{good}0"),
            &good.replace('a', "+"),
            &good.replace("aF", "é"),
        ] {
            assert!(parse_digest(bad).is_none(), "{bad}");
        }
    }
}
