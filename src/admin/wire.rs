//! What a client writes, looked at before the HTTP library reads it: it takes what RFC 9112 wants refused, because others
//! might read the same bytes as other requests.

use std::sync::{Arc, OnceLock};

/// As much of a header line as is looked at: the names that matter and a length are short.
const LINE_MAX: usize = 256;

/// What is wrong with the bytes of a connection, if anything is.
#[derive(Clone, Debug, Default)]
pub(super) struct Sloppy(Arc<OnceLock<&'static str>>);

impl Sloppy {
    /// A sentence about it.
    pub(super) fn why(&self) -> Option<&'static str> {
        self.0.get().copied()
    }
}

/// The bytes of a connection as they come.
#[derive(Default)]
pub(super) struct Wire {
    at: At,
    head: Head,
    sloppy: Sloppy,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Default)]
enum At {
    #[default]
    Head,
    /// So many bytes of a body are to come.
    Body(u64),
    /// No other request can follow, or none is answered.
    Rest,
}

/// A request's head as far as it has come.
#[derive(Default)]
struct Head {
    line: Vec<u8>,
    has_request_line: bool,
    is_after_cr: bool,
    hosts: u32,
    encodings: u32,
    lengths: u32,
    length: Option<u64>,
}

impl Wire {
    /// Of a connection whose faults are told there.
    pub(super) fn new(sloppy: Sloppy) -> Self {
        Self { sloppy, ..Self::default() }
    }

    /// Looks at what has come.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while let Some((byte, rest)) = bytes.split_first() {
            match self.at {
                At::Head => {
                    self.at = match self.head.take(*byte) {
                        Ok(next) => next,
                        Err(why) => {
                            // The first is said; what comes behind it cannot be relied on.
                            let _ = self.sloppy.0.set(why);
                            At::Rest
                        }
                    };
                    bytes = rest;
                }
                At::Body(left) => {
                    let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    bytes = &bytes[taken..];
                    let left = left - taken as u64;
                    self.at = if left == 0 { At::Head } else { At::Body(left) };
                }
                At::Rest => return,
            }
        }
    }
}

impl Head {
    fn take(&mut self, byte: u8) -> Result<At, &'static str> {
        match (std::mem::replace(&mut self.is_after_cr, byte == b'\r'), byte) {
            (true, b'\n') => self.end_line(),
            (false, b'\n') => Err("a line of the head ends without CR"),
            (true, _) => Err("a CR stands inside a line of the head"),
            (false, b'\r') => Ok(At::Head),
            (false, _) => {
                if self.line.len() < LINE_MAX {
                    self.line.push(byte);
                }
                Ok(At::Head)
            }
        }
    }

    fn end_line(&mut self) -> Result<At, &'static str> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            // Empty lines before a request are none of its head.
            return if self.has_request_line { self.end() } else { Ok(At::Head) };
        }
        if std::mem::replace(&mut self.has_request_line, true) {
            self.header(&line);
        }
        Ok(At::Head)
    }

    fn header(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.encodings += 1;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths += 1;
            let digits = value.get(1..).unwrap_or_default().trim_ascii();
            self.length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        }
    }

    fn end(&mut self) -> Result<At, &'static str> {
        let head = std::mem::take(self);
        if head.hosts > 1 {
            Err("the request has several Host headers")
        } else if head.encodings > 1 {
            Err("the request has several Transfer-Encoding headers")
        } else if head.lengths > 1 {
            Err("the request has several Content-Length headers")
        } else if head.encodings + head.lengths > 1 {
            Err("the request has both Transfer-Encoding and Content-Length")
        } else if head.encodings == 1 {
            Ok(At::Rest)
        } else {
            Ok(match head.length {
                Some(0) | None => At::Head,
                Some(length) => At::Body(length),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same whether it comes at once or byte by byte.
    fn why(text: &str) -> Option<&'static str> {
        let (whole, single) = (Sloppy::default(), Sloppy::default());
        Wire::new(whole.clone()).read(text.as_bytes());
        let mut wire = Wire::new(single.clone());
        text.as_bytes().iter().for_each(|byte| wire.read(&[*byte]));
        assert_eq!(whole.why(), single.why(), "{text:?}");
        whole.why()
    }

    #[test]
    fn what_clients_send_is_let_through() {
        for text in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na\nb\rcGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\n\n\r\n0\r\n\r\n",
        ] {
            assert_eq!(why(text), None, "{text:?}");
        }
        assert_eq!(why(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(9_000))), None);
    }

    #[test]
    fn what_others_may_read_otherwise_is_found_in_every_request_of_a_connection() {
        for (head, word) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", "CR"),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", "CR"),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", "CR"),
            ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", "CR"),
            ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", "Host"),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n", "Transfer-Encoding"),
            ("GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", "Content-Length"),
            ("GET / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", "both"),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", "both"),
        ] {
            assert!(why(head).is_some_and(|why| why.contains(word)), "{head:?}: {:?}", why(head));
            let body = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\n\n\n";
            assert!(why(&format!("{body}{head}")).is_some_and(|why| why.contains(word)), "{head:?}");
        }
    }
}
