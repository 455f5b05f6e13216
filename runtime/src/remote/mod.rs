//! What an engine needs that runs tasks in other processes: a plan as a job that others can
//! schedule, and one task driven from outside, step by step.
//!
//! In reading order: `job` (plain data and its bytes) ← `jobs` (a plan becomes a job, in the client, with `planning` for what it goes by and `hosts` for where)
//! … `process` (what the tasks of one process share) → `task` (one task) with `inputs` and `outputs`
//! at its borders, `frames` for datasets of Spark's own, and `lent` for memory that is not its own; `report` is how errors travel. Knows neither Spark nor a JVM: whoever schedules
//! moves blocks between outputs and inputs by the numbers that the job gives them.

mod copies;
mod frames;
mod hosts;
mod inputs;
mod job;
mod jobs;
mod lent;
mod outputs;
mod planning;
mod process;
mod report;
mod task;
#[cfg(test)]
mod tests;

pub use crate::executor::Progress;
pub use frames::Form;
pub use job::{HostSpec, Job, StagePart};
pub use jobs::{Kept, Plan, plan_job};
pub use lent::{Lender, LentPool};
pub use planning::{Settings, planning};
pub use process::{Process, ProcessSettings};
pub use report::{failure, rows_of};
pub use task::{COUNTS, Input, Interrupt, Step, TaskDriver};

/// What was built: a job of one build runs only in libraries of the same.
pub const BUILD_ID: &str = env!("NESTFLOW_BUILD_ID");
