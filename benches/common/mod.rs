//! What the measurements over HTTP share: the simulator as a process of its own, and a worker put together from settings.

mod basics;
mod simulator;
mod worker;

pub use basics::{is_measuring, load, sentence};
pub use simulator::Simulator;
pub use worker::Worker;
