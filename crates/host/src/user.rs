//! Who runs this process, for the record of what people change.

use paceline_domain::activity::{By, Via};

/// Names of the machine's users. Others, of a directory service, are known by their number.
const USERS: &str = "/etc/passwd";

/// The user of the operating system whom this process runs as, about to make one change.
pub fn of_process() -> By {
    let uid = rustix::process::getuid().as_raw();
    By {
        via: Via::Command,
        name: name_of(uid).unwrap_or_else(|| format!("uid {uid}")),
        uid: Some(uid),
        change: change(),
    }
}

/// The machine that this process runs on and its number there, for people: both come again.
pub fn place() -> String {
    let machine = rustix::system::uname();
    format!("{}, process {}", machine.nodename().to_string_lossy(), std::process::id())
}

/// Somebody who comes another way, about to make one change.
pub fn coming(via: Via, name: impl Into<String>) -> By {
    By { via, name: name.into(), uid: None, change: change() }
}

/// Above every number that a column of `SQLite` takes for small, and never one twice.
fn change() -> i64 {
    fastrand::i64(1..i64::MAX)
}

fn name_of(uid: u32) -> Option<String> {
    find(&std::fs::read_to_string(USERS).ok()?, uid)
}

/// `name:password:uid:…`, a user a line.
fn find(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_number() {
        let users = "root:x:0:0::/:\n# a note\n\nanna:x:1000:1000:Anna,,,:/:/bin/sh\n:x:7:7::/:\n";
        assert_eq!(find(users, 1000).as_deref(), Some("anna"));
        assert_eq!(find(users, 0).as_deref(), Some("root"));
        for nobody in [1, 7, 10_000] {
            assert_eq!(find(users, nobody), None);
        }
    }

    #[test]
    fn each_change_is_one_of_its_own() {
        let (one, other) = (of_process(), of_process());
        assert_eq!((&one.name, one.uid), (&other.name, other.uid));
        assert_ne!(one.change, other.change);
    }
}
