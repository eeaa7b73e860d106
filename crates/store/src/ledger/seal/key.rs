//! A ledger's key, and what is derived from it: HKDF-SHA-256 gives each use a key of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{hkdf, hmac};
use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};

/// How a key is written: as `openssl rand -base64 32` writes it, or without the sign at its end.
const WRITTEN: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const KEY_BYTES: usize = 32;
const SALT: &[u8] = b"paceline ledger";
const OF_VALUES: &[u8] = b"sealed values";
const OF_DIGESTS: &[u8] = b"digests of contents";

/// The key of one version's digests. Wiped when it is dropped.
pub(super) type DigestKey = Zeroizing<[u8; KEY_BYTES]>;

/// A key. Its bytes are wiped once it is made of them; the ciphers keep their own until the process ends.
pub(super) struct Key {
    /// Tells it from others; says nothing about the key itself.
    pub(super) mark: i64,
    /// For digests of contents.
    pub(super) digests: DigestKey,
    values: LessSafeKey,
    /// The key itself, which sealed values before they were bound to their places.
    unbound: LessSafeKey,
}

impl Key {
    /// Reads Base64 of 32 bytes.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        // Room for all of it at once: what grows leaves pieces behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
        WRITTEN.decode_vec(text, &mut bytes).ok().filter(|()| bytes.len() == KEY_BYTES)?;
        Some(Self {
            mark: Sha256::digest(&bytes).first_chunk().map(|chunk| i64::from_be_bytes(*chunk))?,
            digests: derived(&bytes, OF_DIGESTS)?,
            values: cipher(derived(&bytes, OF_VALUES)?.as_slice())?,
            unbound: cipher(&bytes)?,
        })
    }

    /// Nonce and cipher text of a value that can be opened at `place` alone.
    pub(super) fn seal(&self, plain: &[u8], place: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let with = Nonce::assume_unique_for_key(nonce);
        self.values.seal_in_place_append_tag(with, Aad::from(place), &mut sealed).ok()?;
        Some([&nonce, sealed.as_slice()].concat())
    }

    /// What [`Self::seal`] sealed at `place`.
    pub(super) fn open(&self, sealed: &[u8], place: &[u8]) -> Option<Vec<u8>> {
        opened(&self.values, sealed, place)
    }

    /// What was sealed before values were bound to their places.
    pub(super) fn open_unbound(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        opened(&self.unbound, sealed, &[])
    }

    #[cfg(test)]
    pub(super) fn seal_unbound(&self, plain: &[u8]) -> Vec<u8> {
        let mut sealed = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key([7; NONCE_LEN]);
        self.unbound.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed).unwrap();
        [&[7; NONCE_LEN], sealed.as_slice()].concat()
    }
}

/// A new key, as it is written.
pub(super) fn generate() -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new().fill(bytes.as_mut_slice()).ok()?;
    Some(Zeroizing::new(BASE64.encode(bytes)))
}

/// HMAC-SHA-256 of a digest.
pub(super) fn keyed(key: &DigestKey, digest: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()), digest);
    tag.as_ref().try_into().unwrap_or_default()
}

fn derived(key: &[u8], purpose: &[u8]) -> Option<DigestKey> {
    let mut out = Zeroizing::new([0; KEY_BYTES]);
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(key);
    secret.expand(&[purpose], hkdf::HKDF_SHA256).ok()?.fill(out.as_mut_slice()).ok()?;
    Some(out)
}

fn cipher(key: &[u8]) -> Option<LessSafeKey> {
    Some(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).ok()?))
}

fn opened(cipher: &LessSafeKey, sealed: &[u8], place: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut plain = sealed.to_vec();
    let with = Nonce::assume_unique_for_key(*nonce);
    let length = cipher.open_in_place(with, Aad::from(place), &mut plain).ok()?.len();
    plain.truncate(length);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use secrecy::zeroize::ZeroizeOnDrop;

    use super::*;

    #[test]
    fn a_key_is_wiped_wherever_it_is_held() {
        const fn wiped<T: ZeroizeOnDrop>(_: &T) {}
        let text = generate().unwrap();
        wiped(&text);
        wiped(&Key::parse(text.as_bytes()).unwrap().digests);
        wiped(&derived(b"x", OF_VALUES).unwrap());
    }
}
