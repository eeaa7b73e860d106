//! The frames of a connection as they come, rewritten where the client could not parse them. Pure.
//!
//! Texts that are not UTF-8, headers of unknown types or over the negotiated size, and bodies too long to be jobs: each
//! becomes something that can be read, and a note in the message says what ([`super::notes`]). Everything else passes
//! byte for byte; what is not AMQP at all does, too, for the client to say so.

use std::collections::{HashMap, HashSet};

use super::notes::{BODY_BYTES, HEADERS, MARK, PROPERTIES};
use super::table;
use crate::properties::cut;

/// What is kept of a body that is too long to be a job.
pub(crate) const HEAD_BYTES: usize = paceline_domain::decode::HEAD_BYTES;
/// A frame's type, channel and size.
const HEAD: usize = 7;
/// What a frame has besides its payload.
const AROUND: usize = HEAD + 1;
pub(super) const END: u8 = 0xce;
pub(super) const METHOD: u8 = 1;
pub(super) const HEADER: u8 = 2;
pub(super) const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
/// A longer frame is none of RabbitMQ's, whose own bound is far below.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Class and weight of a content header; the size of its body follows, then the properties.
const SIZE_AT: usize = 4;
const PROPERTIES_AT: usize = SIZE_AT + 8;
/// An AMQP short string.
const TEXT_BYTES_MAX: usize = 255;

/// What came of looking at the next frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It can be read.
    Ready,
    /// It can be read, and closes its channel.
    Closed(u16),
    /// There is no room yet for the message that it begins.
    Wait,
    /// It is not whole yet.
    More,
}

/// Frames in, frames out.
#[derive(Debug)]
pub(super) struct Frames {
    raw: Vec<u8>,
    raw_at: usize,
    out: Vec<u8>,
    out_at: usize,
    frame_max: usize,
    body_bytes_max: usize,
    /// Channels on which a message's content follows.
    delivering: HashSet<u16>,
    /// Channels on which a body is cut.
    cuts: HashMap<u16, Cut>,
    /// It is not AMQP, or over: all passes as it is.
    is_foreign: bool,
}

/// Bytes of a body still to come, and those of them that are kept.
#[derive(Debug)]
struct Cut {
    left: u64,
    kept: usize,
}

impl Frames {
    /// `frame_max` as the client demands it, 0 for no demand; longer bodies than `body_bytes_max` are no jobs.
    pub(super) fn new(frame_max: u32, body_bytes_max: usize) -> Self {
        Self {
            raw: Vec::new(),
            raw_at: 0,
            out: Vec::new(),
            out_at: 0,
            frame_max: bounded(frame_max),
            body_bytes_max,
            delivering: HashSet::new(),
            cuts: HashMap::new(),
            is_foreign: false,
        }
    }

    /// Takes what has come.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.raw.drain(..std::mem::take(&mut self.raw_at));
        self.raw.extend_from_slice(bytes);
    }

    /// Nothing comes any more: what is left passes as it is.
    pub(super) fn end(&mut self) {
        self.is_foreign = true;
    }

    /// Gives what is ready, as much as there is room for.
    pub(super) fn read(&mut self, into: &mut [u8]) -> usize {
        let ready = &self.out[self.out_at..];
        let count = ready.len().min(into.len());
        into[..count].copy_from_slice(&ready[..count]);
        self.out_at += count;
        if self.out_at == self.out.len() {
            self.out.clear();
            self.out_at = 0;
        }
        count
    }

    /// Makes the next frame ready. `hold` says whether there is room for a body of so many bytes on a channel.
    pub(super) fn next(&mut self, hold: impl FnOnce(u16, usize) -> bool) -> Next {
        let rest = &self.raw[self.raw_at..];
        if !self.is_foreign {
            let Some((kind, channel, size)) = head(rest) else { return Next::More };
            let is_known = [METHOD, HEADER, BODY, HEARTBEAT].contains(&kind) && size <= FRAME_BYTES_MAX;
            if is_known && rest.len() < size + AROUND {
                return Next::More;
            }
            if is_known && rest[HEAD + size] == END {
                let payload = rest[HEAD..HEAD + size].to_vec();
                return self.pass(kind, channel, payload, hold);
            }
            self.is_foreign = true;
        }
        if rest.is_empty() {
            return Next::More;
        }
        self.out.extend_from_slice(rest);
        self.raw_at = self.raw.len();
        Next::Ready
    }

    fn pass(&mut self, kind: u8, channel: u16, payload: Vec<u8>, hold: impl FnOnce(u16, usize) -> bool) -> Next {
        let taken = payload.len() + AROUND;
        let mut next = Next::Ready;
        let payload = match kind {
            METHOD => {
                if let [0, 20, 0, 40 | 41, ..] = payload[..] {
                    self.delivering.remove(&channel);
                    self.cuts.remove(&channel);
                    next = Next::Closed(channel);
                }
                Some(self.method(channel, payload))
            }
            HEADER => match self.header(channel, payload, hold) {
                Some(payload) => Some(payload),
                None => return Next::Wait,
            },
            BODY => self.body(channel, payload),
            _ => Some(payload),
        };
        self.raw_at += taken;
        if let Some(payload) = payload {
            self.out.push(kind);
            self.out.extend_from_slice(&channel.to_be_bytes());
            self.out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
            self.out.extend_from_slice(&payload);
            self.out.push(END);
        }
        next
    }

    /// Sees what concerns messages and sizes. Of names that others chose only ASCII is left where they are no UTF-8.
    fn method(&mut self, channel: u16, mut payload: Vec<u8>) -> Vec<u8> {
        // Where the first text begins, how many there are, and what stands between the first and the others.
        let texts = match payload[..] {
            [0, 10, 0, 30, _, _, a, b, c, d, ..] => {
                let theirs = bounded(u32::from_be_bytes([a, b, c, d]));
                self.frame_max = self.frame_max.min(theirs);
                return payload;
            }
            [0, 60, 0, 60, tag, ..] => {
                self.delivering.insert(channel);
                // The consumer's tag, the delivery's, redelivered; exchange and routing key.
                (4 + 1 + usize::from(tag) + 9, 2)
            }
            [0, 60, 0, 71, ..] => {
                self.delivering.insert(channel);
                // The delivery's tag, redelivered; exchange and routing key.
                (4 + 9, 2)
            }
            // The code; its text, exchange and routing key.
            [0, 60, 0, 50, ..] => (4 + 2, 3),
            _ => return payload,
        };
        let (mut at, count) = texts;
        for _ in 0..count {
            let Some(length) = payload.get(at) else { break };
            let end = at + 1 + usize::from(*length);
            if let Some(text) = payload.get_mut(at + 1..end)
                && std::str::from_utf8(text).is_err()
            {
                text.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
            }
            at = end;
        }
        payload
    }

    /// A content header as the client can parse it; `None` if there is no room for its body yet.
    fn header(&mut self, channel: u16, payload: Vec<u8>, hold: impl FnOnce(u16, usize) -> bool) -> Option<Vec<u8>> {
        let Some(size) = payload.get(SIZE_AT..PROPERTIES_AT).and_then(|bytes| bytes.try_into().ok()) else {
            return Some(payload);
        };
        let size = u64::from_be_bytes(size);
        let is_delivery = self.delivering.contains(&channel);
        let most = self.body_bytes_max.max(HEAD_BYTES) as u64;
        let kept = if is_delivery && size > most { HEAD_BYTES } else { usize::try_from(size).unwrap_or(usize::MAX) };
        if is_delivery && !hold(channel, kept) {
            return None;
        }
        self.delivering.remove(&channel);
        let is_cut = kept as u64 != size;
        if is_cut {
            self.cuts.insert(channel, Cut { left: size, kept });
        }
        let full = is_cut.then_some(size);
        let room = self.frame_max.saturating_sub(AROUND + PROPERTIES_AT);
        let properties = readable(&payload[PROPERTIES_AT..], full, room);
        Some([&payload[..SIZE_AT], &(kept as u64).to_be_bytes(), &properties].concat())
    }

    /// A part of a body, or what is kept of it.
    fn body(&mut self, channel: u16, mut payload: Vec<u8>) -> Option<Vec<u8>> {
        let Some(cut) = self.cuts.get_mut(&channel) else { return Some(payload) };
        cut.left = cut.left.saturating_sub(payload.len() as u64);
        payload.truncate(cut.kept);
        cut.kept -= payload.len();
        if cut.left == 0 {
            self.cuts.remove(&channel);
        }
        (!payload.is_empty()).then_some(payload)
    }
}

fn head(bytes: &[u8]) -> Option<(u8, u16, usize)> {
    let (kind, rest) = bytes.split_first()?;
    let (channel, rest) = rest.split_first_chunk()?;
    let (size, _) = rest.split_first_chunk()?;
    Some((*kind, u16::from_be_bytes(*channel), usize::try_from(u32::from_be_bytes(*size)).ok()?))
}

/// 0 stands for no bound.
fn bounded(frame_max: u32) -> usize {
    if frame_max == 0 { FRAME_BYTES_MAX } else { frame_max as usize }
}

/// One property as it stands in a header.
enum Property<'a> {
    Text(&'a [u8]),
    Table(&'a [u8]),
    Fixed(&'a [u8]),
}

/// The flag of the headers.
const TABLE: u16 = 1 << 13;

/// Properties as the client can parse them, in at most `room` bytes. `full` is the length of a body that is cut.
fn readable(bytes: &[u8], full: Option<u64>, room: usize) -> Vec<u8> {
    let Some(properties) = read(bytes) else {
        return written(&[], &[note(PROPERTIES), full.map(length_note).unwrap_or_default()].concat());
    };
    let found = properties.iter().find_map(|(_, property)| match property {
        Property::Table(table) => Some(*table),
        Property::Text(_) | Property::Fixed(_) => None,
    });
    let noted = full.map(length_note).unwrap_or_default();
    let table = match found {
        Some(table) if table::is_readable(table) => [table, &noted].concat(),
        Some(_) => [note(HEADERS), noted.clone()].concat(),
        None => noted.clone(),
    };
    let whole = written(&properties, &table);
    if whole.len() <= room { whole } else { written(&properties, &[note(HEADERS), noted].concat()) }
}

/// Every property by its flag; `None` if they are not what AMQP 0-9-1 has.
fn read(bytes: &[u8]) -> Option<Vec<(u16, Property<'_>)>> {
    let (flags, mut rest) = bytes.split_first_chunk()?;
    let flags = u16::from_be_bytes(*flags);
    // Neither a property that nobody knows nor further flags.
    if flags & 3 != 0 {
        return None;
    }
    let mut properties = Vec::new();
    for flag in (2..16).rev().map(|bit| 1 << bit).filter(|flag| flags & flag != 0) {
        let length = match flag {
            TABLE => {
                let (length, more) = rest.split_first_chunk()?;
                rest = more;
                usize::try_from(u32::from_be_bytes(*length)).ok()?
            }
            // Delivery mode and priority; the timestamp.
            0x1000 | 0x0800 => 1,
            0x0040 => 8,
            _ => {
                let (length, more) = rest.split_first()?;
                rest = more;
                usize::from(*length)
            }
        };
        let (value, more) = rest.split_at_checked(length)?;
        rest = more;
        properties.push((
            flag,
            match flag {
                TABLE => Property::Table(value),
                0x1000 | 0x0800 | 0x0040 => Property::Fixed(value),
                _ => Property::Text(value),
            },
        ));
    }
    rest.is_empty().then_some(properties)
}

/// Properties with this table of headers.
fn written(properties: &[(u16, Property<'_>)], table: &[u8]) -> Vec<u8> {
    let has_table = properties.iter().any(|(flag, _)| *flag == TABLE) || !table.is_empty();
    let flags = properties.iter().fold(if has_table { TABLE } else { 0 }, |flags, (flag, _)| flags | flag);
    let mut out = flags.to_be_bytes().to_vec();
    for flag in (2..16).rev().map(|bit| 1_u16 << bit).filter(|flag| flags & flag != 0) {
        if flag == TABLE {
            out.extend_from_slice(&u32::try_from(table.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend_from_slice(table);
        }
        match properties.iter().find(|(other, _)| *other == flag) {
            Some((_, Property::Text(text))) => {
                let text = text_of(text);
                out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
                out.extend_from_slice(text.as_bytes());
            }
            Some((_, Property::Fixed(value))) => out.extend_from_slice(value),
            Some((_, Property::Table(_))) | None => {}
        }
    }
    out
}

/// A text as it is, or marked and with its odd bytes spelt out.
fn text_of(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut text = String::from(MARK);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text.truncate(cut(&text, TEXT_BYTES_MAX).len());
    text
}

/// A header without a value.
fn note(name: &str) -> Vec<u8> {
    [&[name.len() as u8], name.as_bytes(), b"V"].concat()
}

/// The header that tells how long a body was.
fn length_note(bytes: u64) -> Vec<u8> {
    let name = BODY_BYTES;
    [&[name.len() as u8], name.as_bytes(), b"l", &bytes.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests;
