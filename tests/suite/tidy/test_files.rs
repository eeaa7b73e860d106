//! Where a module's tests are: below it in the same file, or in `tests.rs` and `proptests.rs` of its folder.

use std::path::Path;

use super::{none, texts};
use crate::harness::has_ending;

/// Whether a file's name, or a folder's above it, says that it holds tests.
fn is_named_for_tests(path: &Path) -> bool {
    let is_name = |name: &str| ["tests", "proptests"].contains(&name);
    path.with_extension("").components().any(|part| part.as_os_str().to_str().is_some_and(is_name))
}

#[test]
fn tests_are_in_files_named_tests_or_proptests() {
    let texts = texts();
    let is_product = |name: &str| name.starts_with("src/") || (name.starts_with("crates/") && name.contains("/src/"));
    let mut faults = Vec::new();
    let mut named = 0;
    for (name, text) in texts.iter().filter(|(name, _)| is_product(name) && has_ending(name, "rs")) {
        let is_named = is_named_for_tests(Path::new(name));
        named += usize::from(is_named);
        // What is in a module of the same file is indented.
        let is_test =
            |line: &str| ["#[test]", "#[tokio::test", "proptest! {"].iter().any(|head| line.starts_with(head));
        if text.lines().any(is_test) && !is_named {
            faults.push(format!("{name}: holds tests: call it tests.rs or proptests.rs in its module's folder"));
        }
        if text.lines().any(|line| line.trim_start().starts_with("#[path")) {
            faults.push(format!("{name}: a module is where its name says, without #[path]"));
        }
    }
    assert!(named > 20, "{named} files of tests");
    none(&faults);
}
