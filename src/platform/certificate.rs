//! When a certificate ends: the one field that `paceline check` needs of X.509, read out of its DER.
//!
//! Whether the certificate is to be trusted is not judged here: the connection that it came with was, by rustls.

use crate::domain::time::Timestamp;

/// DER's tags of what is passed on the way.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The end of a certificate's validity (RFC 5280, 4.1.2.5); `None` if this is no certificate.
pub fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = element(der).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut rest, _) = element(certificate)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// The first element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // Certificates are far shorter than 16 MB.
        let count = usize::from(first & 0x7f);
        let (bytes, rest) = (1..=3).contains(&count).then(|| rest.split_at_checked(count)).flatten()?;
        (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` from 2050 on.
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    let text = match tag {
        UTC_TIME => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 14 && digits.is_ascii())?;
    let [year, month, day, hour, minute, second] =
        [0..4, 4..6, 6..8, 8..10, 10..12, 12..14].map(|range| digits.get(range).unwrap_or_default());
    Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()
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
        assert_eq!(time(GENERALIZED_TIME, "20500101000000Z"), Some(Timestamp::parse("2050-01-01T00:00:00Z").unwrap()));
        assert_eq!(time(UTC_TIME, "991231235959Z"), Some(Timestamp::parse("1999-12-31T23:59:59Z").unwrap()));
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
