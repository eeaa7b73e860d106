//! When a certificate ends: the one field that `paceline check` needs of X.509.
//!
//! Whether the certificate is to be trusted is not judged here: the connection that it came with was, by rustls.

use x509_parser::prelude::{FromDer, X509Certificate};

use paceline_domain::time::Timestamp;

/// The end of a certificate's validity (RFC 5280, 4.1.2.5); `None` if this is no certificate.
pub fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(Timestamp::from_unix_seconds(certificate.validity().not_after.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl req -x509 -newkey ed25519 -days 1 -subj /CN=a`.
    const DER: &str = "\
        3082012c3081dfa0030201020214667f2c52514f93157394c01c4f1717a593488903300506032b6570300c310a300806035504030c0161301e170d32\
        36313132323035323031365a170d3236313132333035323031365a300c310a300806035504030c0161302a300506032b6570032100ba7833de43472c\
        e3352213886512cabcc5d8c7d2aafc4078b406cf4fbea122d2a3533051301d0603551d0e0416041460f873831fd08009b9604c249a188102cf8f13c0\
        301f0603551d2304183016801460f873831fd08009b9604c249a188102cf8f13c0300f0603551d130101ff040530030101ff300506032b6570034100\
        12e6a5c7c7d51685faafab685db6b9d5e254df1c6af27c5faa55e490be9faef057b8587aa979a2d4b120a7edfd579351de6159892acdf1bf371bcc58\
        c1d36704";

    fn der() -> Vec<u8> {
        let nibbles: Vec<u8> = DER.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
        nibbles.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    #[test]
    fn the_end_is_read() {
        assert_eq!(not_after(&der()), Some(Timestamp::parse("2026-11-23T05:20:16Z").unwrap()));
    }

    #[test]
    fn no_certificate_and_a_cut_one_have_no_end() {
        let der = der();
        for length in 0..70 {
            assert_eq!(not_after(&der[..length]), None, "{length}");
        }
        assert_eq!(not_after(b"hello, this is no certificate"), None);
        assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0]), None);
    }
}
