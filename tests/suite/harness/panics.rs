//! A panic in any thread is a test's failure: those of tasks and threads that nobody waits for would go unnoticed.

use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::Once;

/// From now on a panic that no test asked for ends the process, as it ends the program.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = take_hook();
        set_hook(Box::new(move |panic| {
            report(panic);
            if !is_of_a_test(panic) {
                std::process::abort();
            }
        }));
    });
}

/// Whether an assertion failed: of a test, or of the libraries that tests assert by.
fn is_of_a_test(panic: &PanicHookInfo<'_>) -> bool {
    let file = panic.location().map_or("", |location| location.file());
    file.starts_with("tests/") || ["/insta-", "/proptest-"].iter().any(|library| file.contains(library))
}
