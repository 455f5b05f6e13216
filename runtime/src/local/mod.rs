//! The local engine: stages in order, tasks on threads of this process.

mod ahead;
pub(crate) mod domain;
mod progress;
mod run;
pub(crate) mod scratch;
mod store;
mod threads;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use crossbeam::channel::Receiver;
use datafusion_execution::TaskContext;
use datafusion_execution::config::SessionConfig;
use datafusion_execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion_execution::runtime_env::RuntimeEnvBuilder;
use nestflow_chain::Host;

use crate::blocks::Place;
use crate::error::Result;
use crate::internal;
use crate::io::{LocalStorage, Split, Storage, plan_splits};
use crate::memory::{FixedPool, Pool, PoolAdapter};
use crate::plan::logical::{LogicalPlan, Node, Op, TextSource};
use crate::plan::stage::{Stage, StageGraph};
use crate::plan::wire;
use crate::planner::{Settings, plan, plan_pruned, prune};

pub use progress::{Report, StageReport};
use run::Run;
use scratch::Scratch;
use store::LocalBlocks;
use threads::Threads;

/// Bytes of text that make a task.
const SPLIT_BYTES: u64 = 32 << 20;
/// Below so many bytes of input, everything is one channel: threads would cost more than they give.
const SMALL_INPUT: u64 = 256 << 10;
/// The share of the memory limit for blocks between stages; the rest is for tasks.
const BLOCKS_SHARE: f64 = 0.3;
/// The largest block that a channel collects before it is sent.
const BLOCK_BYTES: usize = 1 << 20;

/// Bytes of a task's memory for each row of a batch: what has been spilled is merged batch by batch,
/// and a batch of each run has to fit.
const BATCH_SHARE: usize = 16 << 10;

/// How the engine is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes that tasks and blocks may take together.
    pub memory_limit: usize,
    /// Tasks that run at a time.
    pub threads: usize,
    /// Where temporary files go.
    pub scratch: std::path::PathBuf,
}

/// Makes the context of a task over its pool.
type MakeContext = dyn Fn(Arc<dyn Pool>) -> Result<Arc<TaskContext>> + Send + Sync;

/// One engine, for the life of a pipeline.
pub struct Local {
    options: Options,
    host: Arc<dyn Host>,
    storage: Arc<dyn Storage>,
    pool: Arc<dyn Pool>,
    blocks: Arc<LocalBlocks>,
    threads: Threads,
    /// The depth of each kept dataset.
    depths: Mutex<HashMap<u64, u32>>,
    context: Box<MakeContext>,
    scratch: Arc<Scratch>,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Local {
    /// An engine whose user functions run in `host`.
    pub fn new(options: Options, host: Arc<dyn Host>) -> Result<Local> {
        let scratch = Arc::new(Scratch::new(&options.scratch)?);
        let pool: Arc<dyn Pool> = Arc::new(FixedPool::new(options.memory_limit));
        let block_budget = (options.memory_limit as f64 * BLOCKS_SHARE) as usize;
        let blocks = Arc::new(LocalBlocks::new(pool.clone(), block_budget, scratch.clone()));
        Ok(Local {
            threads: Threads::new(options.threads)?,
            context: Box::new(contexts(scratch.clone())?),
            storage: Arc::new(LocalStorage),
            depths: Mutex::new(HashMap::new()),
            options,
            host,
            pool,
            blocks,
            scratch,
        })
    }

    /// Plans a run and says what it would do, without doing it.
    pub fn explain(&self, logical: &LogicalPlan) -> Result<StageGraph> {
        plan(logical, Settings { channels: self.options.threads as u32 * 2 })
    }

    /// Runs a plan to its end. `progress` is called from time to time on the calling thread; setting
    /// `cancelled` makes the run end with [`Error::Interrupted`].
    pub fn run(
        &self,
        plan_bytes: &[u8],
        cancelled: &Arc<AtomicBool>,
        progress: &mut dyn FnMut(&Report) -> Result<()>,
    ) -> Result<Report> {
        // Files that only held datasets came from are not even listed.
        let logical = prune(&wire::decode_plan(plan_bytes)?)?;
        let splits = self.splits(&logical)?;
        let input: u64 = splits.values().flatten().flat_map(|s| &s.pieces).map(|p| p.end - p.start).sum();
        let input = input + literal_bytes(&logical) + self.held_bytes(&logical);
        let channels = if input < SMALL_INPUT { 1 } else { self.options.threads as u32 * 2 };
        let graph = plan_pruned(&logical, Settings { channels })?;
        let run = Run::new(self, graph, splits, cancelled.clone())?;
        let result = run.execute(progress);
        run.end(result, &logical)
    }

    /// The rows of a kept dataset, in order: columns `k1 s1 … kd sd v`.
    pub fn kept(&self, cache: u64) -> Result<Vec<arrow::array::RecordBatch>> {
        let depths = self.depths.lock().map_err(|_| internal!("the list of kept datasets is poisoned"))?;
        let depth = *depths.get(&cache).ok_or_else(|| internal!("dataset {cache} is not kept"))?;
        self.blocks.kept(cache, depth)
    }

    /// Threads that a cancelled run left behind because they are inside user code, by their system
    /// handle and their own; they end with what they do.
    pub fn stuck(&self) -> Vec<(u64, ThreadId)> {
        self.threads.stuck()
    }

    /// Disconnected when the last thread has let go of the engine's temporary files, and they are gone.
    pub fn trace(&self) -> Receiver<()> {
        self.scratch.trace()
    }

    /// Forgets a kept dataset.
    pub fn release(&self, cache: u64) {
        self.blocks.release(Place::Kept(cache));
    }

    fn splits(&self, logical: &LogicalPlan) -> Result<HashMap<TextSource, Vec<Split>>> {
        let mut splits = HashMap::new();
        for node in read_nodes(logical) {
            if let Op::Text(source) = &node.op {
                let files = crate::io::paths::expand(self.storage.as_ref(), &source.paths)
                    .map_err(|error| error.at(logical.site(node)))?;
                splits.insert(source.clone(), plan_splits(&files, SPLIT_BYTES, self.options.threads * 2));
            }
        }
        Ok(splits)
    }

    fn held_bytes(&self, logical: &LogicalPlan) -> u64 {
        logical.materialized.iter().map(|held| self.blocks.total(Place::Kept(held.cache))).sum()
    }
}

/// The root nodes that are executed, not held.
fn read_nodes(logical: &LogicalPlan) -> impl Iterator<Item = &Node> {
    let held = |node: &&Node| logical.materialized.iter().all(|held| held.node != node.id);
    logical.root.nodes.iter().filter(held)
}

fn literal_bytes(logical: &LogicalPlan) -> u64 {
    let own = read_nodes(logical).map(|node| match &node.op {
        Op::Literal { blocks } => blocks.iter().map(|block| block.len() as u64).sum(),
        _ => 0,
    });
    own.sum()
}

/// Makes DataFusion contexts over the pool of a task; all spill into the engine's folder.
pub(crate) fn contexts(
    scratch: Arc<Scratch>,
) -> Result<impl Fn(Arc<dyn Pool>) -> Result<Arc<TaskContext>> + Send + Sync> {
    let folder = scratch.folder("spill")?;
    Ok(move |pool: Arc<dyn Pool>| {
        // Spilling asks for a little memory when there is none left: set it aside in proportion.
        let reserve = (pool.limit() / 8).min(10 << 20);
        let config = SessionConfig::new()
            .with_batch_size((pool.limit() / BATCH_SHARE).clamp(128, 8192))
            .with_sort_spill_reservation_bytes(reserve)
            .with_sort_in_place_threshold_bytes(reserve.min(1 << 20));
        let disk =
            DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![folder.clone()]));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(PoolAdapter::new(pool)))
            .with_disk_manager_builder(disk)
            .build_arc()?;
        let none = HashMap::new;
        Ok(Arc::new(TaskContext::new(
            None,
            "nestflow".into(),
            config,
            none(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            runtime,
        )))
    })
}

/// What a stage does, in a few words: the user's transforms in order.
pub(crate) fn label(stage: &Stage) -> String {
    let mut words: Vec<&str> = Vec::new();
    for site in stage.nodes.iter().filter_map(|node| node.site.as_ref()) {
        if !words.contains(&site.transform.as_str()) {
            words.push(&site.transform);
        }
    }
    words.join(" · ")
}
