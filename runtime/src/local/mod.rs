//! The local engine: stages in order, tasks on threads of this process.

mod ahead;
pub(crate) mod domain;
mod progress;
mod run;
pub(crate) mod scratch;
pub(crate) mod sources;
mod store;
mod threads;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
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
use crate::io::{Files, LocalStorage};
use crate::memory::{FixedPool, Pool, PoolAdapter};
use crate::plan::logical::LogicalPlan;
use crate::plan::stage::{Spread, Stage};
use crate::plan::wire;
use crate::planner::{Held, Settings, plan_pruned, prune};

pub use progress::{Report, StageReport};
use run::Run;
use scratch::Scratch;
use sources::Splits;
use store::LocalBlocks;
use threads::Threads;

/// The share of the memory limit for blocks between stages; the rest is for tasks.
const BLOCKS_SHARE: f64 = 0.3;

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
pub(crate) type MakeContext = dyn Fn(Arc<dyn Pool>) -> Result<Arc<TaskContext>> + Send + Sync;

/// One engine, for the life of a pipeline.
pub struct Local {
    options: Options,
    host: Arc<dyn Host>,
    files: Arc<dyn Files>,
    pool: Arc<dyn Pool>,
    blocks: Arc<LocalBlocks>,
    threads: Threads,
    /// The depth of each kept dataset, and how its rows lie.
    kept: Mutex<HashMap<u64, (u32, Spread)>>,
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
            context: contexts(&scratch)?,
            files: Arc::new(LocalStorage),
            kept: Mutex::default(),
            options,
            host,
            pool,
            blocks,
            scratch,
        })
    }

    /// What a run would be planned by.
    pub fn planning(&self, logical: &LogicalPlan) -> Result<Settings> {
        Ok(self.measure(&prune(logical)?)?.1)
    }

    fn measure(&self, logical: &LogicalPlan) -> Result<(Splits, Settings)> {
        let mut held = HashMap::new();
        for (cache, (_, spread)) in self.known()?.iter() {
            let place = Place::Kept(*cache);
            let (tasks, bytes) = (self.blocks.channels(place) as u32, self.blocks.total(place));
            held.insert(*cache, Held { tasks, bytes, spread: spread.clone() });
        }
        sources::measure(logical, self.files.as_ref(), self.options.threads, held)
    }

    fn known(&self) -> Result<MutexGuard<'_, HashMap<u64, (u32, Spread)>>> {
        self.kept.lock().map_err(|_| internal!("the list of kept datasets is poisoned"))
    }

    /// Runs a plan to its end, its user functions in `host`, if not in that of the engine. `progress` is called from time to time on the calling thread; setting
    /// `cancelled` makes the run end with [`Error::Interrupted`].
    pub fn run(
        &self,
        plan_bytes: &[u8],
        host: Option<Arc<dyn Host>>,
        cancelled: &Arc<AtomicBool>,
        progress: &mut dyn FnMut(&Report) -> Result<()>,
    ) -> Result<Report> {
        let logical = prune(&wire::decode_plan(plan_bytes)?)?;
        let (splits, settings) = self.measure(&logical)?;
        let graph = plan_pruned(&logical, &settings)?;
        let host = host.unwrap_or_else(|| self.host.clone());
        let run = Run::new(self, graph, splits, cancelled.clone(), host.clone())?;
        let result = run.execute(progress).and_then(|report| {
            // Before the outputs appear: what functions do at last belongs to the run.
            let mut stopped = None;
            let ended = host.end(&mut || match progress(&report) {
                Ok(()) => true,
                Err(error) => {
                    stopped = Some(error);
                    false
                }
            });
            stopped.map_or(Ok(()), Err)?;
            ended?;
            Ok(report)
        });
        run.end(result, &logical)
    }

    /// The rows of a kept dataset, in order: columns `k1 s1 … kd sd v`.
    pub fn kept(&self, cache: u64) -> Result<Vec<arrow::array::RecordBatch>> {
        let depth = self.known()?.get(&cache).map(|(depth, _)| *depth);
        self.blocks.kept(cache, depth.ok_or_else(|| internal!("dataset {cache} is not kept"))?)
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
        if let Ok(mut known) = self.known() {
            known.remove(&cache);
        }
    }
}

/// Makes DataFusion contexts over the pool of a task; all spill into the engine's folder.
pub(crate) fn contexts(scratch: &Scratch) -> Result<Box<MakeContext>> {
    let folder = scratch.folder("spill")?;
    Ok(Box::new(move |pool: Arc<dyn Pool>| {
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
    }))
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
