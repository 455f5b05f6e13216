//! Cells, keys and blocks: how nestflow stores any Python value in Arrow batches.
//!
//! Read in this order: [`tag`] names the bytes, [`put`] writes cells, [`cell`] reads them, [`key`]
//! turns values into identities that sort, [`repr`] shows them to people; [`columns`] holds cells
//! in Arrow arrays, [`block`] is how batches travel between tasks and [`scatter`] how rows find
//! their channel. The formats are described byte by byte in `docs/cells.md` and
//! `docs/block-format.md`.
//!
//! A crate of its own, because the host library must not link the planner or DataFusion. It knows
//! neither Python nor plans.

pub mod block;
mod body;
pub mod cell;
pub mod columns;
mod compare;
mod gather;
pub mod key;
mod number;
mod order;
pub mod put;
mod reader;
pub mod repr;
pub mod scatter;
pub mod tag;
mod view_column;
mod views;
