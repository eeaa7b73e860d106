//! The HTTP client: carries the engine's calls to the platforms and says what came back.

mod certificate;
mod http;
mod names;
mod proxy;
mod timely;

pub use certificate::not_after;
pub use http::{HttpOptions, HttpTransport, client, innermost};
pub use proxy::{Odd, Proxies, Used};
