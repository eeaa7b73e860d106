//! What must hold whatever a broker sends. The property tests and the fuzzers assert it.

#![expect(clippy::unwrap_used, reason = "only tests and fuzzers have it")]

use super::frames::{BODY, END, Frames, HEADER, METHOD, Next};

pub(super) fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 0, 1], &size[..], payload, &[END]].concat()
}

pub(super) fn deliver(exchange: &[u8]) -> Vec<u8> {
    let exchange = [&[u8::try_from(exchange.len()).unwrap()], exchange].concat();
    frame(METHOD, &[&[0, 60, 0, 60, 1, b't'], &7_u64.to_be_bytes()[..], &[1], &exchange, b"\x03key"].concat())
}

pub(super) fn header(size: usize, properties: &[u8]) -> Vec<u8> {
    frame(HEADER, &[&[0, 60, 0, 0], &(size as u64).to_be_bytes()[..], properties].concat())
}

/// What comes out of these bytes, a few at a time, and the bodies that were counted.
pub(super) fn through(bytes: &[u8], at_once: usize, body_bytes_max: usize) -> (Vec<u8>, Vec<usize>) {
    let mut frames = Frames::new(0, body_bytes_max);
    let (mut out, mut held, mut some) = (Vec::new(), Vec::new(), [0; 1_000]);
    for part in bytes.chunks(at_once) {
        frames.write(part);
        while !matches!(
            frames.next(|_, bytes| {
                held.push(bytes);
                true
            }),
            Next::More
        ) {}
        loop {
            let count = frames.read(&mut some);
            out.extend_from_slice(&some[..count]);
            if count == 0 {
                break;
            }
        }
    }
    (out, held)
}

/// No bytes make it panic, or hand out much more than came in.
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "the fuzzers are another crate"))]
pub fn any_bytes(bytes: &[u8], at_once: usize) {
    let frames = [deliver(b""), header(3, bytes), frame(BODY, bytes), frame(METHOD, bytes), bytes.to_vec()].concat();
    let (out, _) = through(&frames, at_once, 10);
    assert!(out.len() <= frames.len() + 2_000);
}
