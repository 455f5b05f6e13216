//! What hosts of user functions run, and the contract they keep.
//!
//! A crate of its own, because both ends need it: the runtime (which must not know Python) and the
//! hosts (which must not link the planner or DataFusion).

pub mod counts;
pub mod host;
pub mod spec;
pub mod wire;

pub use counts::{CountingHost, Counts, Tally};
pub use host::{Ahead, Host, HostError, OpenChain, UserError};
pub use spec::*;
