//! User functions in worker processes.
//!
//! The pool's half: [`host`] is the `Host` that the engine sees, `pool` starts and keeps processes,
//! `spawner` is one that forks them, `worker` one of them. The worker's half: [`serve`] runs chains on a host of its own, whichever
//! the process brings. Between them: [`message`] says what they say, `ship` how batches travel,
//! `shared` the memory that both map, `mapped` what all workers of a pool do.
//!
//! [`AutoHost`] chooses between a host in this process and workers, by what `estimate` makes of the
//! costs that it measures.
//!
//! Neither half can ever block for ever on writing: a worker reads all the time, and the pool has a
//! thread for each worker that does. A worker ends with the process that it belongs to. Knows
//! neither Python nor the engine.

mod auto;
mod estimate;
#[cfg(all(test, target_os = "linux"))]
mod fuzz;
pub mod host;
mod kept;
mod likeness;
mod mapped;
pub mod message;
mod options;
mod output;
mod pool;
mod process;
mod serve;
mod shared;
mod ship;
mod spawner;
mod worker;

pub use auto::{AutoHost, Elsewhere};
pub use host::{EndingHost, WorkersHost};
pub use options::Options;
pub use output::{Output, Printed, standard_error};
pub use process::{adopt, end_with_parent, glibc};
pub use serve::serve;
