//! The host of user functions: batches to Python objects, through chains of functions, and back.
//!
//! Read in this order: [`host`] opens a program; `program` describes it to the Python half
//! (`nestflow/host/`), which writes a driver; `records` runs it chunk by chunk, `native` without the
//! interpreter where there is no function, `groups` and `sequential` run what works on groups; `rows`
//! stores what comes out, `keys` where a key is wanted; `fast` turns objects into cells and `decode`, with
//! the short `texts` it has seen, cells into objects, both with `odd` and `arrays` for what is rarer.
//! `failure` is how errors leave, `pin` how engine threads meet the interpreter, `gate` how it ends,
//! `remembered` what tasks of a worker have in common, `worker` what a worker
//! process does with all this, `embedded` what a process of another kind calls.
//! `native_functions` is beside it all: functions in libraries of others, for Python to call.
//!
//! Also the module `nestflow._host`, which worker processes import. Must not know the planner or
//! DataFusion, and must not hold the GIL while waiting for others.

mod arrays;
mod chunk;
mod counting;
mod decode;
mod embedded;
mod failure;
mod fast;
pub mod gate;
mod groups;
pub mod host;
mod keys;
mod kinds;
mod markers;
mod module;
mod native;
mod native_functions;
mod objects;
mod odd;
mod own;
mod pin;
mod program;
mod records;
mod remembered;
mod rows;
mod sequential;
mod sides;
mod texts;
mod walk;
mod worker;

pub use failure::exception;
pub use host::InProcessHost;
pub use module::_host;
pub use objects::{decode_column, encode_records};
pub use records::source;
pub use worker::SurroundedHost;
