//! A stand-in for Feishu, Lark and WeCom: users rehearse a batch on it, and tests run on it.
//!
//! It serves the catalog's methods in their documented shapes, counts quotas when requests arrive, delays and breaks
//! replies as a scenario says, and keeps its own books of what was really created. It shares the catalog and the
//! quotas' text with the worker, and no limiter code: each checks the other.
//!
//! Start at [`World`], which decides what happens to one request; [`Simulator`] is the handle that the two front
//! ends share: [`InProcess`], a transport for the engine, and [`serve`], HTTP on a loopback socket.

mod budgets;
mod control;
mod credentials;
mod decisions;
mod endpoint;
mod error_replies;
mod executor;
mod handle;
mod http;
mod ids;
mod in_process;
mod listed;
mod listing;
mod named;
mod objects;
mod owner;
mod params;
mod quota_enforcer;
mod replies;
mod request;
mod routes;
pub mod scenario;
mod stats;
mod tokens;
mod window_counter;
mod world;

#[cfg(test)]
mod tests;

pub use handle::{Options, Simulator, StartError};
pub use http::{ServeError, serve};
pub use in_process::InProcess;
pub use objects::ObjectLine;
pub use request::{SimAnswer, SimMessage, SimReply, SimRequest, target_of};
pub use scenario::{Scenario, ScenarioError, built_in_names};
pub use stats::{MethodStats, QuotaStats, Stats, Tally, WindowStats};
pub use world::{Departure, World};
