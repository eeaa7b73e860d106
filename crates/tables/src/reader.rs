//! One reading of a file, from its beginning, whatever other readings do.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// A file, or its bytes, that several read at their own pace: each reader has a position of its own. The file need not have
/// a name.
#[derive(Clone, Debug)]
pub struct Reader {
    file: Source,
    at: u64,
}

#[derive(Clone, Debug)]
enum Source {
    File(Arc<File>),
    Bytes(Arc<[u8]>),
}

impl Reader {
    /// How long the file is.
    ///
    /// # Errors
    /// What the file system says.
    pub fn size_bytes(&self) -> io::Result<u64> {
        match &self.file {
            Source::File(file) => Ok(file.metadata()?.len()),
            Source::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Another reading, from the beginning.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { file: self.file.clone(), at: 0 }
    }
}

impl From<File> for Reader {
    fn from(file: File) -> Self {
        Self { file: Source::File(Arc::new(file)), at: 0 }
    }
}

impl From<Arc<[u8]>> for Reader {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self { file: Source::Bytes(bytes), at: 0 }
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = match &self.file {
            Source::File(file) => file.read_at(out, self.at)?,
            Source::Bytes(bytes) => {
                let start = usize::try_from(self.at).unwrap_or(usize::MAX);
                bytes.get(start..).unwrap_or_default().read(out)?
            }
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.size_bytes()?.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
