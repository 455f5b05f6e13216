//! User functions in worker processes: a pool of them behind the contract of hosts.
//!
//! Read in this order: [`host`] opens programs on workers that `pool` lends; `process` starts and
//! buries one; `link` moves messages and batches, large ones through shared files (`os` maps
//! them); [`serve`] is what the process at the other end does, with any host.
//!
//! Must not know Python: a worker is a command that ends up in [`serve()`].

mod host;
mod link;
mod os;
mod pool;
mod process;
mod serve;
mod steps;

pub use host::WorkersHost;
pub use process::Settings;
pub use serve::serve;
