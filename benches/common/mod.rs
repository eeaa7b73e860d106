//! What the measurements over HTTP share: the simulator as a process of its own, and a worker put together from settings.

mod basics;
mod simulator;
mod worker;

pub(crate) use basics::{is_measuring, load, sentence};
pub(crate) use simulator::Simulator;
pub(crate) use worker::Worker;
