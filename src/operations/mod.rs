//! What people do to the ledger beside a worker, apart from how they ask for it: the command line and the HTTP API share it.

pub mod edit;
pub mod inputs;
pub mod redrive;
