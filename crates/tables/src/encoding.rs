//! Text in whatever encoding it comes, as UTF-8.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// What is shown to the detector: it has decided long before.
const JUDGED_BYTES: u64 = 1 << 20;

/// A text file, open at its beginning.
pub struct Text {
    /// The text as UTF-8, without a byte order mark. Bytes that are not of the encoding are an error of kind
    /// [`io::ErrorKind::InvalidData`]; those of a file in UTF-8 are passed on as they are.
    pub source: Box<dyn BufRead + Send>,
    /// The encoding's usual name.
    pub encoding: &'static str,
}

/// Why a text cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// What the file system says.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is neither UTF-8, UTF-16 nor GB18030.
    #[error("the encoding is not UTF-8, UTF-16 or GB18030, and looks like {guess}")]
    Unknown {
        /// What it looks like, by its usual name.
        guess: &'static str,
    },
    /// Nobody knows an encoding of this name.
    #[error("no encoding is called {0:?}")]
    NoSuch(String),
}

/// Opens a text in the encoding that was named, or else in the one that its bytes tell.
///
/// # Errors
/// Why it cannot be read.
pub fn text(mut file: impl Read + Seek + Send + 'static, named: Option<&str>) -> Result<Text, Unreadable> {
    let encoding = match named {
        Some(name) => Encoding::for_label(name.trim().as_bytes()).ok_or_else(|| Unreadable::NoSuch(name.to_owned()))?,
        None => told(&mut file)?,
    };
    // GB18030 holds all of GBK and GB2312, and is what their files are called.
    let encoding = if encoding == encoding_rs::GBK { GB18030 } else { encoding };
    file.seek(SeekFrom::Start(0))?;
    let source: Box<dyn BufRead + Send> = if encoding == UTF_8 {
        Box::new(BufReader::with_capacity(CHUNK_BYTES, file))
    } else {
        Box::new(Decoded::new(file, encoding))
    };
    Ok(Text { source, encoding: if encoding == GB18030 { "GB18030" } else { encoding.name() } })
}

/// The encoding that the bytes tell.
fn told(file: &mut (impl Read + Seek)) -> Result<&'static Encoding, Unreadable> {
    let mut head = Vec::new();
    file.by_ref().take(4096).read_to_end(&mut head)?;
    if let Some((encoding, _)) = Encoding::for_bom(&head) {
        return Ok(encoding);
    }
    if let Some(encoding) = utf_16(&head) {
        return Ok(encoding);
    }
    file.seek(SeekFrom::Start(0))?;
    if is_utf_8(file)? {
        return Ok(UTF_8);
    }
    file.seek(SeekFrom::Start(0))?;
    let mut judged = Vec::new();
    file.by_ref().take(JUDGED_BYTES).read_to_end(&mut judged)?;
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&judged, true);
    // Where bytes fit several encodings, a Chinese file is likelier than others.
    let guess = detector.guess(Some(b"cn"), Utf8Detection::Deny);
    if guess == encoding_rs::GBK || guess == GB18030 {
        Ok(GB18030)
    } else {
        Err(Unreadable::Unknown { guess: guess.name() })
    }
}

/// Whether a text without a mark is UTF-16.
pub(super) fn is_utf_16(head: &[u8]) -> bool {
    utf_16(head).is_some()
}

/// Whether a text without a mark is UTF-16, and which: every other byte is NUL where letters are ASCII.
fn utf_16(head: &[u8]) -> Option<&'static Encoding> {
    let line = head.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    let nuls = |offset: usize| line.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (nuls(0), nuls(1));
    // Not all of them: some letters may not be ASCII. And one NUL alone is a NUL.
    let is_utf_16 = (even == 0 || odd == 0) && even + odd >= 2 && (even + odd) * 6 >= line.len();
    is_utf_16.then_some(if even == 0 { UTF_16LE } else { UTF_16BE })
}

/// Whether a text is UTF-8, perhaps with damage: then its reader says on which line. Three bytes of one letter are not
/// there by chance, so a text that has one before its first wrong byte is meant as UTF-8.
fn is_utf_8(file: &mut impl Read) -> io::Result<bool> {
    let mut bytes = Vec::new();
    loop {
        let kept = bytes.len();
        if file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut bytes)? == 0 {
            return Ok(kept == 0);
        }
        let valid = match std::str::from_utf8(&bytes) {
            Ok(_) => bytes.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(error) => {
                let text = bytes.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok());
                return Ok(text.is_some_and(|text| text.chars().any(|letter| letter.len_utf8() > 2)));
            }
        };
        // Longer letters that came before decide for the rest.
        if bytes.get(..valid).is_some_and(|valid| valid.iter().any(|byte| *byte >= 0xe0)) {
            return Ok(true);
        }
        bytes.drain(..valid);
    }
}

/// Bytes of an encoding as UTF-8.
struct Decoded<R> {
    file: R,
    decoder: Decoder,
    bytes: Vec<u8>,
    /// What of `bytes` is still to be decoded.
    rest: Range<usize>,
    text: Vec<u8>,
    /// What of `text` is still to be read.
    ready: Range<usize>,
    has_ended: bool,
    is_broken: bool,
}

impl<R: Read> Decoded<R> {
    fn new(file: R, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_with_bom_removal();
        let (bytes, text) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
        Self { file, decoder, bytes, rest: 0..0, text, ready: 0..0, has_ended: false, is_broken: false }
    }

    /// Decodes until there is some text, or none is left.
    fn advance(&mut self) -> io::Result<()> {
        while self.ready.is_empty() {
            if self.is_broken {
                let message = format!("the text is not {} here", self.decoder.encoding().name());
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            if self.rest.is_empty() && !self.has_ended {
                let read = self.file.read(&mut self.bytes)?;
                self.rest = 0..read;
                self.has_ended = read == 0;
            }
            let bytes = self.bytes.get(self.rest.clone()).unwrap_or_default();
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(bytes, &mut self.text, self.has_ended);
            self.rest.start += read;
            self.ready = 0..written;
            // What is right before the wrong byte comes first, so that its line is known.
            self.is_broken = matches!(result, DecoderResult::Malformed(..));
            if self.has_ended && result == DecoderResult::InputEmpty {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl<R: Read> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // A decoder that has ended takes nothing more.
        if self.ready.is_empty() && !(self.has_ended && self.rest.is_empty() && !self.is_broken) {
            self.advance()?;
        }
        Ok(self.text.get(self.ready.clone()).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.ready.start += amount;
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
