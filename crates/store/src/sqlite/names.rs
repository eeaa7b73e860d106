//! Whether a ledger's file has one name alone. SQLite keeps the log beside the name by which the file is opened: by two
//! names there are two logs, and two workers that know nothing of each other.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why the file must not be worked under this name, if it must not.
pub(super) fn fault(path: &Path) -> Option<String> {
    let links = fs::metadata(path).ok()?.nlink();
    if links > 1 {
        return Some(linked(path));
    }
    // Where the system has no such table nobody can tell.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    is_mount(&mounts, &path.canonicalize().ok()?).then(|| mounted(path))
}

/// A file with further names.
pub(super) fn linked(path: &Path) -> String {
    let path = path.display();
    format!(
        "{path} has several names (hard links), and each would get a log of its own: remove the others (`find / -xdev \
         -samefile {path}` lists them), or replace it by a copy while nothing runs"
    )
}

fn mounted(path: &Path) -> String {
    let path = path.display();
    format!(
        "{path} is mounted as a single file, so its log {path}-wal would lie on another disk, and be lost with it: mount \
         the folder that holds the ledger instead"
    )
}

/// Whether something is mounted at this very path. The table writes blanks and backslashes in octal.
fn is_mount(mounts: &str, path: &Path) -> bool {
    let Some(path) = path.to_str() else { return false };
    let escaped = path.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012");
    mounts.lines().any(|line| line.split(' ').nth(4) == Some(&escaped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_at_the_file_itself_is_told_from_one_of_its_folder() {
        let mounts = "22 1 254:0 / / rw - ext4 /dev/root rw\n\
                      36 22 254:0 /srv/a /data/my\\040ledger.db rw,relatime - ext4 /dev/root rw\n\
                      37 22 254:0 /srv/b /data rw,relatime - ext4 /dev/root rw\n";
        assert!(is_mount(mounts, Path::new("/data/my ledger.db")));
        assert!(!is_mount(mounts, Path::new("/data/ledger.db")));
    }

    #[test]
    fn a_second_name_is_a_fault_until_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a.db"), folder.path().join("b.db"));
        fs::write(&path, "").unwrap();
        assert_eq!(fault(&path), None);
        fs::hard_link(&path, &other).unwrap();
        assert!(fault(&path).unwrap().contains("a.db has several names"), "{:?}", fault(&path));
        assert!(fault(&other).unwrap().contains("b.db has several names"));
        fs::remove_file(&other).unwrap();
        assert_eq!(fault(&path), None);
    }
}
