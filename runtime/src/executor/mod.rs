//! One task: a stage plan, the leaves that are its share of the input, and what an engine lends it
//! (memory, blocks, hosts, storage). Cannot tell which engine runs it.

mod aggregates;
mod build;
mod columns;
mod leaves;
mod operators;
mod stream;
mod tee;
mod timed;

pub use leaves::{kept_batch, kept_schema};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use datafusion_execution::TaskContext;
use futures::StreamExt;
use nestflow_chain::Host;

use crate::blocks::Blocks;
use crate::error::{Error, Result};
use crate::io::splits::Split;
use crate::io::storage::Files;
use crate::io::text_sink::{TaskOutput, Written};
use crate::memory::Pool;
use crate::plan::flat::FlatId;
use crate::plan::stage::{Exchange, OutputTo, Stage};

/// The share of a leaf that a task reads; a leaf without one is empty in this task.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub enum LeafShare {
    /// A piece of the text files.
    Split(Split),
    /// These literal blocks.
    Literal(std::ops::Range<usize>),
    /// This channel of an exchange or of a kept dataset.
    Channel(u32),
}

/// What a task is given to do.
#[derive(Clone, Debug)]
pub struct Task {
    /// The stage.
    pub stage: Arc<Stage>,
    /// The exchanges of the run, by number.
    pub exchanges: Arc<Vec<Exchange>>,
    /// Which task of the stage it is.
    pub ordinal: u32,
    /// Its leaves.
    pub leaves: Vec<(FlatId, LeafShare)>,
}

/// What an engine lends to a task.
#[derive(Clone)]
pub struct TaskEnv {
    /// Memory, already limited to the task's share.
    pub pool: Arc<dyn Pool>,
    /// DataFusion's context over the same pool.
    pub context: Arc<TaskContext>,
    /// Blocks in and out.
    pub blocks: Arc<dyn Blocks>,
    /// User functions.
    pub host: Arc<dyn Host>,
    /// Files.
    pub files: Arc<dyn Files>,
    /// Text outputs of the run, by the number of their output in the stage.
    pub outputs: Arc<dyn Fn(u32, usize) -> Option<TaskOutput> + Send + Sync>,
    /// Who wants to know which file a task has written for one of them.
    pub written: Arc<dyn Fn(u32, usize, Written) -> Result<()> + Send + Sync>,
    /// Set when the run is to stop.
    pub cancelled: Arc<AtomicBool>,
    /// What the task has done so far.
    pub progress: Arc<Progress>,
    /// Whether blocks are compressed.
    pub compress: bool,
}

impl std::fmt::Debug for TaskEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskEnv").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl TaskEnv {
    /// An error if the run is to stop.
    pub fn check_cancelled(&self) -> Result<()> {
        match self.cancelled.load(Ordering::Relaxed) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }
}

/// What the tasks of a stage have done.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rows read by leaves.
    pub rows_in: AtomicU64,
    /// Rows that went out.
    pub rows_out: AtomicU64,
    /// Bytes that went out.
    pub bytes_out: AtomicU64,
    /// Bytes that operators put into files for want of memory.
    pub spilled: AtomicU64,
    /// Nanoseconds that tasks waited for user functions.
    pub host_nanos: AtomicU64,
}

/// Runs a task to its end, or to its first error.
pub async fn run_task(task: &Task, env: &TaskEnv) -> Result<()> {
    let built = build::build(task, env)?;
    let mut running = Vec::new();
    for (number, (output, plan)) in task.stage.outputs.iter().zip(built).enumerate() {
        let stream = plan.execute(0, env.context.clone())?;
        running.push(drive(task, env, number, &output.to, stream));
    }
    futures::future::try_join_all(running).await?;
    Ok(())
}

async fn drive(
    task: &Task,
    env: &TaskEnv,
    number: usize,
    to: &OutputTo,
    mut stream: datafusion_execution::SendableRecordBatchStream,
) -> Result<()> {
    let site =
        task.stage.outputs.get(number).and_then(|output| task.stage.nodes.get(output.node)?.site.as_ref());
    let mut sink =
        operators::sink::open(task, env, number, to, stream.schema()).map_err(|error| error.at(site))?;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        env.check_cancelled()?;
        env.progress.rows_out.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        sink.write(batch).map_err(|error| error.at(site))?;
    }
    let bytes = sink.finish().map_err(|error| error.at(site))?;
    env.progress.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    Ok(())
}
