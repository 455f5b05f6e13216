//! The engine: plans pipelines and executes them, wherever it is embedded.
//!
//! In reading order: `plan` (plain data) → `planner` (passes) → `executor` (one task) with `memory`,
//! `io`, `blocks` and hosts at its borders → `local` (all tasks of a run on threads) and `remote` (one task, driven
//! by an engine elsewhere). Knows neither
//! JNI nor Python.

pub mod blocks;
pub mod error;
pub mod executor;
pub mod explain;
pub mod io;
pub mod local;
pub mod memory;
pub mod plan;
pub mod planner;
pub mod remote;
