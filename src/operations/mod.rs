//! What people do with the ledger, whether they ask at a terminal or over HTTP: below `cli` and `admin`, above `store`.
//!
//! Nothing here prints or knows arguments.

pub mod canary;
pub mod content;
pub mod edit;
pub mod expand;
pub mod files;
pub mod fleet;
pub mod forecast;
pub mod inputs;
pub mod reading;
pub mod record;
pub mod redrive;
pub mod refused;
pub mod restraints;
pub mod still_dead;
pub mod stop_at;
pub mod suspension;
pub mod verdict;
