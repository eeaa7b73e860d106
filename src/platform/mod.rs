//! The HTTP client: carries the engine's calls to the platforms and says what came back.

mod http;

pub use http::{HttpOptions, HttpTransport};
