//! What runs with rights of the repository is the very code that was looked at.

use super::{none, texts};
use crate::harness::has_ending;

#[test]
fn every_action_is_pinned_by_its_commit() {
    let mut faults = Vec::new();
    let mut count = 0;
    let texts = texts();
    let workflows = texts.iter().filter(|(name, _)| name.starts_with(".github/") && has_ending(name, "yml"));
    for (name, text) in workflows {
        for (number, line) in text.lines().enumerate() {
            let Some((_, action)) = line.split_once("uses: ") else { continue };
            count += 1;
            let (commit, version) =
                action.split_once('@').and_then(|(_, rest)| rest.split_once(" # v")).unwrap_or_default();
            let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_commit || !version.starts_with(|char: char| char.is_ascii_digit()) {
                faults.push(format!("{name}:{}: expected owner/name@COMMIT # vVERSION, got {action}", number + 1));
            }
        }
    }
    assert!(count > 5, "{count} actions");
    none(&faults);
}
