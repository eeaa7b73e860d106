//! The Unix socket: made for its owner alone, and in the place of another one only if nobody listens there.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use crate::files;

/// A socket that is listened on; its file is removed with it.
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
}

impl Socket {
    /// Listens there.
    ///
    /// # Errors
    /// Somebody else listens there, something else stands there, or the folder does not let it be made.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        refuse_taken(path)?;
        // It is made in a folder that nobody else can enter, so that it is never open to others, not even for a moment.
        let folder = files::folder_of(path).join(format!(".paceline.{:08x}", fastrand::u32(..)));
        DirBuilder::new().mode(0o700).create(&folder)?;
        let made = make(&folder.join("s"), path);
        let removed = fs::remove_dir_all(&folder);
        let (listener, identity) = made?;
        removed?;
        Ok(Self { listener, path: path.to_owned(), identity })
    }

    /// The next connection, with the user at its other end.
    pub(super) async fn accept(&self) -> io::Result<(UnixStream, u32)> {
        let (stream, _) = self.listener.accept().await?;
        let user = stream.peer_cred()?.uid();
        Ok((stream, user))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Another worker's socket may stand there by now.
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn make(draft: &Path, path: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    let listener = UnixListener::bind(draft)?;
    fs::set_permissions(draft, Permissions::from_mode(0o600))?;
    let metadata = fs::symlink_metadata(draft)?;
    fs::rename(draft, path)?;
    Ok((listener, (metadata.dev(), metadata.ino())))
}

/// Refuses a place where somebody listens, or something stands that is no socket: a link is none.
fn refuse_taken(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "something else stands there, and is left as it is"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        // Left behind by a worker that was killed.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Ok(_) => Err(io::Error::new(ErrorKind::AddrInUse, "somebody listens there")),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_for_its_owner_and_takes_the_place_of_a_stale_one_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let socket = Socket::bind(&path).unwrap();
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");
        assert_eq!(Socket::bind(&path).err().unwrap().kind(), ErrorKind::AddrInUse);
        assert!(path.exists(), "the one that is listened on stays");
        drop(socket);
        assert!(!path.exists(), "it goes with its listener");
        // As a killed worker leaves one behind.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let second = Socket::bind(&path).unwrap();
        // Somebody else's that stands there meanwhile is not removed.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "theirs").unwrap();
        drop(second);
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
    }

    #[tokio::test]
    async fn a_file_a_folder_and_a_link_are_left_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, socket) = ["file", "link", "socket"].map(|name| folder.path().join(name)).into();
        fs::write(&file, "kept").unwrap();
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        std::os::unix::fs::symlink(&socket, &link).unwrap();
        for path in [&file, &link, &folder.path().to_owned()] {
            assert_eq!(Socket::bind(path).err().unwrap().kind(), ErrorKind::AlreadyExists, "{path:?}");
        }
        assert_eq!(fs::read(&file).unwrap(), b"kept");
        assert!(Socket::bind(&folder.path().join("nowhere/admin.sock")).is_err());
    }
}
