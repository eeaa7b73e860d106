//! What every measurement needs.

/// Whether `cargo bench` runs this. `cargo test --all-targets` builds and starts measurements too; they are none of its.
pub(crate) fn is_measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Describes a failure of a library that answers in sentences.
pub(crate) fn sentence(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

/// The machine's load over the last minute, as the kernel tells it; `?` where it does not.
pub(crate) fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().filter(|text| !text.is_empty()).unwrap_or("?").to_owned()
}
