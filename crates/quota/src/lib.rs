//! Request quotas, kept as the server counts them.
//!
//! A server that allows `20/min` counts a request at some instant between its sending and its reply, and nobody outside
//! knows when. So a permit is busy from sending until *reply + window*, and for a call without a reply until *deadline +
//! grace + window*; a request may leave when every window of every quota that it falls under has a free permit. Kept like
//! that, a client is never refused for its pace, and never slower than the quota forces it to be.
//!
//! [`QuotaTable`] holds all quotas by keys of any type, and grants all the keys of a call together or none:
//!
//! ```
//! use std::time::Duration;
//!
//! use paceline_quota::{QuotaTable, Class, Quota};
//! use paceline_quota::time::Mono;
//!
//! let quota: Quota = "2/min".parse()?;
//! let mut table = QuotaTable::default();
//! let rooms = [table.key(&"rooms", &quota)];
//!
//! // Two calls leave, the second a moment later, because it is paced; a third has to wait for a reply.
//! let at = |ms| Mono(0) + Duration::from_millis(ms);
//! table.take(&rooms, Class::LOWEST, at(0)).expect("a free permit");
//! table.take(&rooms, Class::LOWEST, at(20)).expect("a free permit");
//! assert_eq!(table.take(&rooms, Class::LOWEST, at(40)).expect_err("the window is full").until, None);
//!
//! // The reply to the first came after 80 ms: its permit is back a minute later.
//! table.give_back(&rooms, Class::LOWEST, Some(at(80)));
//! let blocked = table.take(&rooms, Class::LOWEST, at(80)).expect_err("the window is full");
//! assert!(blocked.until.expect("an instant") >= at(60_080));
//! # Ok::<(), String>(())
//! ```
//!
//! Nothing here reads a clock or starts a thread: [`time::Mono`] comes in as an argument, so a test can live through a
//! year in a moment. Beside the windows stand what else keeps calls back: [`Pace`] (no burst within a window), [`Gate`] (a
//! rate that falls when the server refuses it), [`Concurrency`] (calls at a time), [`Pause`] and [`Breaker`] (a server
//! that refuses, or is unwell), [`Reserve`] (a share for urgent calls).

mod app_gate;
mod breaker;
mod change;
mod concurrency;
mod foreign_use;
mod optimum;
mod pace;
mod parse;
mod pause;
#[cfg(test)]
mod proptests;
mod quota_table;
mod reserve;
pub mod time;
mod window;

pub use app_gate::Gate;
pub use breaker::{Breaker, Trouble};
pub use change::Gap;
pub use concurrency::Concurrency;
pub use pace::Pace;
pub use parse::{Quota, Window};
pub use pause::{Pause, RESET_MAX};
pub use quota_table::{Blocked, Foreign, KeyId, LoweredWindow, Probes, QuotaTable, Refusal, Refused, Usage};
pub use reserve::{Class, Reserve};
