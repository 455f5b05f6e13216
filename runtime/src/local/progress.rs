//! What a run has done, stage by stage.

use nestflow_chain::Counts;

/// The stages that were begun so far.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many stages the run has.
    pub planned: usize,
    /// In the order of execution.
    pub stages: Vec<StageReport>,
    /// What user functions counted, once the run has succeeded.
    pub counts: Counts,
}

/// One stage.
#[derive(Clone, Debug, Default)]
pub struct StageReport {
    /// Its number.
    pub stage: u32,
    /// The user's transforms in it.
    pub label: String,
    /// Its tasks.
    pub tasks: usize,
    /// Tasks that are done.
    pub finished: usize,
    /// Rows that its leaves gave.
    pub rows_in: u64,
    /// Rows that went out.
    pub rows_out: u64,
    /// Bytes that went out.
    pub bytes_out: u64,
    /// Bytes that operators put into files for want of memory.
    pub spilled: u64,
    /// Seconds that its tasks waited for user functions, together.
    pub host_seconds: f64,
    /// Wall time.
    pub seconds: f64,
}
