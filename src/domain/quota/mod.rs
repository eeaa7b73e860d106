//! Quotas: their text, and the book of windows that grants permits.
//!
//! The platform counts a request at some instant between its sending and its reply. So a permit is busy from sending
//! until *reply + window*, and for a call without a reply until *deadline + grace + window*; a request may leave when
//! every window of every quota it falls under has a free permit. [`Book`] holds all of them and grants all together or
//! none. Start reading at [`book`].

mod adaptive;
mod book;
mod gate;
mod pace;
mod pause;
#[cfg(test)]
mod properties;
mod text;
mod window;

pub use adaptive::Concurrency;
pub use book::{Blocked, Book, Key, KeyId, Probes, Refusal, Usage};
pub use gate::Gate;
pub use pace::Pace;
pub use pause::Pause;
pub use text::{Quota, Window};
