//! The process's memory holds every secret: nobody gets an image of it.

use rustix::process::{Resource, Rlimit, setrlimit};

/// A crash leaves no core file, and on Linux no other process of the same user reads the memory or attaches a debugger.
/// Root still can.
pub(super) fn forbid() {
    // Lowering a limit is always allowed, and where the system knows neither, there is nothing to forbid.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
