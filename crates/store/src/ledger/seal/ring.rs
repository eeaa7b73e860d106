//! The keys of a ledger by version, and what the table `keys` keeps of them.
//!
//! Whatever a key made says by which version. The digests of a later version are made of those of the earlier one, so that
//! a new key needs no parameters to carry them forward; for that, the earlier versions' keys of digests stay in the ledger,
//! sealed with the latest key.

use std::collections::BTreeMap;

use secrecy::zeroize::Zeroizing;

use super::key::{DigestKey, Key, keyed};
use super::place;
use crate::driver::{Conn, Result, values};
use crate::ledger::meta;

/// Where the table keeps past keys of digests.
const DIGESTS: &str = "keys.digests";
/// Before this version of the schema a ledger had one key for ever.
const MANY_KEYS_SINCE: i64 = 14;
/// Bytes of a digest's version.
const VERSION_BYTES: usize = 4;

/// The keys that can be used now.
pub(super) struct Ring {
    keys: BTreeMap<u32, Key>,
    latest: u32,
    /// The keys of digests of every version, from the first.
    digests: Vec<DigestKey>,
}

/// A version of the table.
struct Version {
    number: u32,
    mark: i64,
    digests: Option<Vec<u8>>,
}

impl Ring {
    /// What these keys open of the ledger; `None` if its latest key is not among them.
    pub(super) fn of(conn: &Conn, keys: Vec<Key>) -> Result<Option<Self>> {
        let versions = versions(conn)?;
        let mut found = BTreeMap::new();
        for key in keys {
            if let Some(version) = versions.iter().find(|version| version.mark == key.mark) {
                found.insert(version.number, key);
            }
        }
        let Some(latest) = versions.last().map(|version| version.number) else { return Ok(None) };
        let Some(key) = found.get(&latest) else { return Ok(None) };
        let digests = versions.iter().map(|version| {
            if version.number == latest {
                return Some(key.digests.clone());
            }
            let sealed = version.digests.as_deref()?;
            let opened =
                Zeroizing::new(key.open(sealed, &place(latest, DIGESTS, version.number.to_string().as_bytes()))?);
            opened.as_slice().try_into().ok().map(DigestKey::new)
        });
        let digests: Option<Vec<DigestKey>> = digests.collect();
        Ok(digests.map(|digests| Self { keys: found, latest, digests }))
    }

    pub(super) fn latest(&self) -> (u32, Option<&Key>) {
        (self.latest, self.keys.get(&self.latest))
    }

    pub(super) fn key(&self, version: u32) -> Option<&Key> {
        self.keys.get(&version)
    }

    /// The digest of the latest version for a content.
    pub(super) fn digest(&self, content: &[u8]) -> Vec<u8> {
        self.carried(0, content, self.latest)
    }

    /// Whether a digest in the ledger is that of the content.
    pub(super) fn is_digest(&self, digest: &[u8], content: &[u8]) -> Option<bool> {
        let (version, _) = split(digest)?;
        (version <= self.latest).then(|| self.carried(0, content, version) == digest)
    }

    /// The digest of the latest version for one of an earlier version.
    pub(super) fn carried_forward(&self, digest: &[u8]) -> Option<Vec<u8>> {
        let (version, bare) = split(digest)?;
        (version <= self.latest).then(|| self.carried(version, bare, self.latest))
    }

    fn carried(&self, from: u32, bare: &[u8], to: u32) -> Vec<u8> {
        let steps = self.digests.get(from as usize..to as usize).unwrap_or_default();
        let Some((first, rest)) = steps.split_first() else { return joined(to, bare) };
        let digest = rest.iter().fold(keyed(first, bare), |digest, key| keyed(key, &digest));
        joined(to, &digest)
    }

    /// Makes this key the ledger's latest: what is written from now on is written with it.
    pub(super) fn begin(&self, conn: &Conn, key: &Key) -> Result<Option<u32>> {
        let version = self.latest + 1;
        for (number, digests) in (1_u32..).zip(&self.digests) {
            let at = place(version, DIGESTS, number.to_string().as_bytes());
            let Some(sealed) = key.seal(digests.as_slice(), &at) else { return Ok(None) };
            conn.send("UPDATE keys SET digests = $2 WHERE version = $1", values![number, sealed])?;
        }
        add(conn, version, key)?;
        Ok(Some(version))
    }
}

/// The version of the ledger's latest key; 0 if it has none yet.
pub(super) fn latest(conn: &Conn) -> Result<u32> {
    conn.query_value("SELECT coalesce(max(version), 0) FROM keys", &[])
}

/// Records a ledger's key.
pub(super) fn add(conn: &Conn, version: u32, key: &Key) -> Result<()> {
    let insert = "INSERT INTO keys (version, mark) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING";
    conn.send(insert, values![version, key.mark])
}

/// The version of a digest and the digest itself; version 0 has no key.
pub(super) fn split(digest: &[u8]) -> Option<(u32, &[u8])> {
    if digest.len() == size_of::<DigestKey>() {
        return Some((0, digest));
    }
    let (version, bare) = digest.split_first_chunk::<VERSION_BYTES>()?;
    (bare.len() == size_of::<DigestKey>()).then(|| (u32::from_be_bytes(*version), bare))
}

fn joined(version: u32, bare: &[u8]) -> Vec<u8> {
    if version == 0 { bare.to_vec() } else { [&version.to_be_bytes(), bare].concat() }
}

/// All of them, in order; of a ledger that is only looked at and has no table of them yet, its one key.
fn versions(conn: &Conn) -> Result<Vec<Version>> {
    if conn.has_since(MANY_KEYS_SINCE) {
        let all = "SELECT version, mark, digests FROM keys ORDER BY version";
        return conn
            .query(all, &[], |row| Ok(Version { number: row.get(0)?, mark: row.get(1)?, digests: row.get(2)? }));
    }
    if !conn.has_since(1) {
        return Ok(Vec::new());
    }
    let only = meta::get(conn, "key")?;
    Ok(only.map(|mark| Version { number: 1, mark, digests: None }).into_iter().collect())
}
