//! Files that are for one user: who else may read or write them, and how they are made: never through a link that somebody
//! laid, and whole or not at all.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use paceline_domain::messages::{ExposedFile, Exposure};

/// Names that are tried for a draft: more than one is taken only if somebody takes them on purpose.
const NAMES_MAX: u32 = 100;

/// A file that nobody else can read, under a name beside its own until it is whole. Dropped before, it is gone.
pub struct Draft {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Draft {
    /// Begins a file that is to stand at `target`.
    pub fn new(target: &Path) -> io::Result<Self> {
        let taken = || io::Error::new(ErrorKind::AlreadyExists, "every name for a draft of it is taken");
        for _ in 0..NAMES_MAX {
            let mut name = target.as_os_str().to_owned();
            name.push(format!(".{:08x}.draft", fastrand::u32(..)));
            let path = PathBuf::from(name);
            // `create_new` follows no link.
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return Ok(Self { file, path, target: target.to_owned() }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(taken())
    }

    /// Puts it in the place of what stands there: of a link, not of what the link leads to.
    pub fn replace(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.target)?;
        sync_folder(&self.target)
    }

    /// Puts it there if nothing stands there yet, not even a link.
    pub fn put_new(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::hard_link(&self.path, &self.target)?;
        sync_folder(&self.target)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is nothing; a draft that stays for another reason is of no use to anybody.
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes a file that was not there, for its owner alone.
pub fn put_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut draft = Draft::new(path)?;
    draft.write_all(bytes)?;
    draft.put_new()
}

/// Opens a file for reading and writing that only this program writes, or makes it; what is a link, or known by another
/// name, too, is refused.
pub fn open_own(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path);
    let refused = |what: &'static str| io::Error::other(Foreign { path: path.to_owned(), what });
    let file = match file {
        Err(error) if fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink()) => {
            drop(error);
            return Err(refused("is a link"));
        }
        file => file?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(refused("is no file"));
    }
    if metadata.nlink() > 1 {
        return Err(refused("is also another file's name"));
    }
    Ok(file)
}

/// A file that is not this program's own, although it stands where its own belongs.
#[derive(Debug)]
pub struct Foreign {
    /// Which file.
    pub path: PathBuf,
    /// Why it is not: the rest of a sentence that begins with its name.
    pub what: &'static str,
}

impl fmt::Display for Foreign {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}; look where it comes from, and remove it", self.path.display(), self.what)
    }
}

impl std::error::Error for Foreign {}

/// Where an output goes: a draft that takes the file's place when it is whole, or a terminal, pipe or device, which cannot
/// be replaced.
pub enum Output {
    /// A file, still beside its name.
    Draft(Draft),
    /// Something that cannot be replaced.
    Stream(File),
}

impl Output {
    /// Opens it, or begins its draft.
    pub fn to(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Err(ErrorKind::IsADirectory.into()),
            Ok(metadata) if !metadata.is_file() => OpenOptions::new().write(true).open(path).map(Self::Stream),
            Ok(_) | Err(_) => Draft::new(path).map(Self::Draft),
        }
    }

    /// Whole: the draft takes its place.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Draft(draft) => draft.replace(),
            Self::Stream(_) => Ok(()),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Draft(draft) => draft.write(bytes),
            Self::Stream(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Draft(draft) => draft.flush(),
            Self::Stream(file) => file.flush(),
        }
    }
}

/// What is wrong with the rights to a file or folder, and the command that fixes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// What is wrong.
    pub what: Exposure,
    /// The command.
    pub command: String,
}

impl Exposed {
    fn new(path: &Path, what: Exposure, command: &str) -> Self {
        Self { what, command: format!("{command} {}", quoted(path)) }
    }

    /// What people are told.
    pub fn message(&self) -> ExposedFile {
        ExposedFile::CorrectRights { what: self.what.clone(), command: self.command.clone() }
    }
}

impl fmt::Display for Exposed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().fmt(out)
    }
}

impl std::error::Error for Exposed {}

/// Reads a file of a secret, unless others can read or write it. A group may read it if the file is root's: then root chose
/// the group.
pub fn read_secret(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode();
    let of_group = if metadata.uid() == 0 { 0o020 } else { 0o060 };
    if metadata.is_file() && mode & (0o006 | of_group) != 0 {
        let (path_text, bits) = (path.display().to_string(), octal(mode));
        let what = if mode & 0o022 == 0 {
            Exposure::SecretReadable { path: path_text, mode: bits }
        } else {
            Exposure::SecretWritable { path: path_text, mode: bits }
        };
        return Err(io::Error::other(Exposed::new(path, what, "chmod 600")));
    }
    read_text(&mut file)
}

/// Reads settings that nobody named, but that lie in the present folder: somebody else's might have been laid there.
pub fn read_found(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    // Of a link, both it and what it leads to must be somebody's who is trusted.
    for metadata in [fs::symlink_metadata(path)?, file.metadata()?] {
        if let Some(owner) = stranger(&metadata) {
            let what = Exposure::SettingsOfAnother { path: path.display().to_string(), owner };
            return Err(io::Error::other(Exposed::new(path, what, "chown $(id -u)")));
        }
    }
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o002 != 0 {
        let what = Exposure::SettingsWritable { path: path.display().to_string(), mode: octal(mode) };
        return Err(io::Error::other(Exposed::new(path, what, "chmod o-w")));
    }
    read_text(&mut file)
}

/// Whether somebody else may change what stands at the path: a file, or the names in a folder.
pub fn writable_by_others(path: &Path) -> Option<Exposed> {
    let metadata = fs::metadata(path).ok()?;
    let name = path.display().to_string();
    if let Some(owner) = stranger(&metadata) {
        let what = Exposure::OwnedByAnother { path: name, owner };
        return Some(Exposed::new(path, what, "chown $(id -u)"));
    }
    let mode = metadata.permissions().mode();
    let what = Exposure::WritableByOthers { path: name, mode: octal(mode) };
    (mode & 0o022 != 0).then(|| Exposed::new(path, what, "chmod go-w"))
}

/// The folder that holds the file.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The owner, if it is neither this user nor root.
fn stranger(metadata: &fs::Metadata) -> Option<u32> {
    let owner = metadata.uid();
    (owner != 0 && owner != rustix::process::geteuid().as_raw()).then_some(owner)
}

fn octal(mode: u32) -> String {
    format!("{:04o}", mode & 0o7777)
}

fn read_text(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// As a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |sign: char| sign.is_alphanumeric() || "/._-+@:,".contains(sign);
    if text.chars().all(is_plain) && !text.starts_with('-') {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The name is as durable as the file.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_draft_takes_the_place_of_a_link_and_not_of_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let (target, other) = (folder.path().join("a"), folder.path().join("other"));
        fs::write(&other, "theirs").unwrap();
        symlink(&other, &target).unwrap();
        assert_eq!(put_new(&target, b"ours").unwrap_err().kind(), ErrorKind::AlreadyExists);
        let mut draft = Draft::new(&target).unwrap();
        draft.write_all(b"ours").unwrap();
        draft.replace().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"ours");
        assert_eq!(fs::read(&other).unwrap(), b"theirs");
        let metadata = fs::symlink_metadata(&target).unwrap();
        assert!(metadata.is_file());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no draft is left");
    }

    #[test]
    fn a_secret_that_others_reach_is_refused_with_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it's");
        fs::write(&path, "secret").unwrap();
        for (mode, owner, refused) in [
            (0o600, 1000, None),
            (0o400, 1000, None),
            (0o640, 0, None),
            (0o640, 1000, Some("read")),
            (0o604, 0, Some("read")),
            (0o644, 0, Some("read")),
            (0o620, 0, Some("written")),
            (0o602, 0, Some("written")),
            (0o666, 1000, Some("written")),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let is_owner = std::os::unix::fs::chown(&path, Some(owner), None).is_ok();
            // Only root can give a file away; for others the file is theirs, as for the first cases here.
            if !is_owner && (owner == 0) == refused.is_none() {
                continue;
            }
            match (read_secret(&path), refused) {
                (Ok(text), None) => assert_eq!(text, "secret"),
                (Err(error), Some(deed)) => {
                    let error = error.to_string();
                    assert!(error.contains(&format!("can be {deed} by other users (mode {mode:04o})")), "{error}");
                    assert!(error.contains("run `chmod 600 '") && error.contains("/it'\\''s'`"), "{error}");
                }
                (read, refused) => panic!("{mode:o}: {read:?}, expected {refused:?}"),
            }
        }
    }

    #[test]
    fn an_output_is_replaced_when_it_is_whole_and_a_device_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "before").unwrap();
        let mut output = Output::to(&path).unwrap();
        output.write_all(b"after").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before");
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert!(matches!(Output::to(Path::new("/dev/null")).unwrap(), Output::Stream(_)));
        assert!(Output::to(folder.path()).is_err());
    }

    #[test]
    fn a_draft_that_is_given_up_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        drop(Draft::new(&folder.path().join("a")).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
