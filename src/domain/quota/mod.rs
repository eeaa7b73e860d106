//! Quotas: their text, and the book of windows that grants permits.
//!
//! The platform counts a request at some instant between its sending and its reply. So a permit is busy from sending
//! until *reply + window*, and for a call without a reply until *deadline + grace + window*; a request may leave when
//! every window of every quota it falls under has a free permit. [`Book`] holds all of them and grants all together or
//! none. Start reading at [`book`].

mod adaptive;
mod book;
mod breaker;
mod change;
#[cfg(test)]
mod change_properties;
#[cfg(test)]
mod cost;
mod foreign;
#[cfg(test)]
mod foreign_properties;
mod gate;
mod line;
mod pace;
mod pause;
#[cfg(test)]
mod properties;
mod reserve;
mod text;
mod window;

pub use adaptive::Concurrency;
pub use book::{Blocked, Book, Foreign, Key, KeyId, LoweredWindow, Probes, Refusal, Refused, Usage};
pub use breaker::{Breaker, Trouble};
pub use change::Gap;
pub use gate::Gate;
pub use line::Place;
pub use pace::Pace;
pub use pause::{Pause, RESET_MAX};
pub use reserve::{Class, Reserve};
pub use text::{Quota, Window};
